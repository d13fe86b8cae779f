//! Contacts and what is known of their devices.

use parlour_crypto::{ConversationId, DeviceId, UserId};
use serde::{Deserialize, Serialize};

use super::{Profile, Time, given};

#[derive(Debug, Serialize)]
pub(crate) struct Contact {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) petname: Option<String>,
    pub(crate) display: String,
    pub(crate) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) reachable: bool,
    pub(crate) since: Option<Time>,
    /// Only while they let us know when they are there.
    pub(crate) last_seen: Option<Time>,
    /// `online` or `away`; nothing if they do not tell, or are not reachable.
    pub(crate) presence: Option<&'static str>,
    pub(crate) blocked: bool,
    /// `unverified`, `verified`, or `changed`: all their devices were replaced, and nothing is sent until that is decided.
    pub(crate) trust: &'static str,
    pub(crate) trust_since: Option<Time>,
    /// What the user should know before talking to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warning: Option<&'static str>,
    pub(crate) profile: Profile,
    pub(crate) conversation: ConversationId,
    pub(crate) created_at: Time,
    pub(crate) devices: Vec<ContactDevice>,
}

/// What two users compare.
#[derive(Debug, Serialize)]
pub(crate) struct Safety {
    /// Twelve groups of five digits, the same on both sides.
    pub(crate) number: String,
    pub(crate) trust: &'static str,
    pub(crate) trust_since: Option<Time>,
    /// What a decision about their devices names: 16 hexadecimal digits; nothing while their devices are not known.
    pub(crate) devices: Option<String>,
    /// What the user should know before they decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warning: Option<&'static str>,
}

/// The digits that the other side shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verify {
    pub(crate) code: String,
    /// The devices that are accepted, as the safety number's answer names them.
    #[serde(default)]
    pub(crate) devices: Option<String>,
}

/// Somebody is taken as they are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TakeAsTheyAre {
    /// The devices that are accepted, as the safety number's answer names them.
    #[serde(default)]
    pub(crate) devices: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ContactDevice {
    pub(crate) device_id: DeviceId,
    pub(crate) reachable: bool,
    pub(crate) last_seen: Option<Time>,
}

#[derive(Debug, Serialize)]
pub(crate) struct AddedContact {
    #[serde(flatten)]
    pub(crate) contact: Contact,
    pub(crate) already: bool,
}

/// How a contact is to be kept; what is not there stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeContact {
    #[serde(default, deserialize_with = "given")]
    pub(crate) petname: Option<Option<String>>,
    pub(crate) blocked: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddContact {
    pub(crate) link: String,
    pub(crate) petname: Option<String>,
    /// What to say when asking at a contact address.
    pub(crate) note: Option<String>,
}
