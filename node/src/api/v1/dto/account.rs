//! Accounts of this node, their settings, and pairing.

use parlour_crypto::{DeviceId, UserId};
use parlour_store::registers;
use serde::{Deserialize, Serialize};

use super::Time;

#[derive(Debug, Serialize)]
pub(crate) struct Me {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) device_id: DeviceId,
    pub(crate) peer_id: String,
    pub(crate) account: String,
    pub(crate) listen: Vec<String>,
    pub(crate) version: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct Account {
    pub(crate) account: String,
    pub(crate) user_id: UserId,
    pub(crate) name: String,
}

/// An account of this node, for whoever looks after it.
#[derive(Debug, Serialize)]
pub(crate) struct NodeAccount {
    pub(crate) account: String,
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    /// `user`, `admin` or `owner`.
    pub(crate) role: &'static str,
    /// Whether it is the one that asks.
    pub(crate) own: bool,
    pub(crate) suspended_at: Option<Time>,
    pub(crate) reason: Option<String>,
    /// It is erased when the node starts next.
    pub(crate) removed: bool,
}

/// What is to be done with an account of this node.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeNodeAccount {
    pub(crate) role: Option<String>,
    pub(crate) suspended: Option<bool>,
    pub(crate) reason: Option<String>,
}

/// A new account. The words are shown this once.
#[derive(Serialize)]
pub(crate) struct MadeAccount {
    pub(crate) account: String,
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) words: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Link {
    pub(crate) link: String,
    /// The same for another machine of the network.
    pub(crate) lan_link: Option<String>,
    pub(crate) expires_at: Time,
}

#[derive(Serialize)]
pub(crate) struct Paired {
    pub(crate) token: String,
    pub(crate) expires_at: Time,
}

/// How the account behaves towards others.
#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) read_receipts: bool,
    pub(crate) share_presence: bool,
}

impl From<registers::Settings> for Settings {
    fn from(settings: registers::Settings) -> Self {
        Self {
            read_receipts: settings.read_receipts,
            share_presence: settings.presence,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeSettings {
    pub(crate) read_receipts: Option<bool>,
    pub(crate) share_presence: Option<bool>,
}

/// An account to make.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeAccount {
    pub(crate) name: String,
    pub(crate) password: Option<String>,
    #[serde(default)]
    pub(crate) require_password: bool,
    pub(crate) words: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pair {
    pub(crate) code: String,
}

/// A text to draw as a QR code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrawQr {
    pub(crate) text: String,
}
