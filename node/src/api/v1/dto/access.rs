//! Tokens and sessions.

use parlour_crypto::{ConversationId, UserId};
use serde::{Deserialize, Serialize};

use super::Time;

/// What the token that asks allows.
#[derive(Debug, Serialize)]
pub(crate) struct Session {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) program: &'static str,
    pub(crate) scope: &'static str,
    pub(crate) conversation: Option<ConversationId>,
    pub(crate) expires_at: Option<Time>,
}

/// A token for a program.
#[derive(Debug, Serialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) scope: &'static str,
    pub(crate) conversation: Option<ConversationId>,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Option<Time>,
    pub(crate) last_used_at: Option<Time>,
}

/// The one answer that has the secret in it.
#[derive(Serialize)]
pub(crate) struct MadeToken {
    #[serde(rename = "token")]
    pub(crate) secret: String,
    #[serde(flatten)]
    pub(crate) token: Token,
}

/// A token to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeToken {
    pub(crate) scope: String,
    /// A name, an id or the beginning of one.
    pub(crate) conversation: Option<String>,
    pub(crate) expires_in_s: Option<u64>,
    pub(crate) label: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    /// An e-mail address, or the account's name on this node.
    pub(crate) name: String,
    pub(crate) password: String,
    /// What the list of logins shows; the client's `User-Agent` without.
    pub(crate) device: Option<String>,
    /// The token lasts as long as the login, for clients that renew none.
    #[serde(default)]
    pub(crate) one_token: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    pub(crate) refresh_token: String,
}

/// Tokens of a login.
#[derive(Serialize)]
pub(crate) struct LoggedIn {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) token: String,
    pub(crate) expires_at: Time,
    pub(crate) refresh_token: String,
    pub(crate) refresh_expires_at: Time,
}

/// A login that goes on.
#[derive(Debug, Serialize)]
pub(crate) struct Login {
    pub(crate) id: String,
    pub(crate) device: String,
    pub(crate) created_at: Time,
    pub(crate) last_used_at: Time,
    pub(crate) expires_at: Time,
    /// Whether the token that asks belongs to it.
    pub(crate) current: bool,
}

/// How the account's user logs in.
#[derive(Debug, Serialize)]
pub(crate) struct OwnLogin {
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    /// Nothing, if there is no password yet.
    pub(crate) password_since: Option<Time>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetLogin {
    /// Stays as it is without.
    pub(crate) email: Option<String>,
    pub(crate) password: String,
}

/// Somebody who makes an account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    pub(crate) name: String,
    /// What the account is called on this node; made from the name without.
    pub(crate) account: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) password: String,
    /// An invitation, where one is needed.
    pub(crate) code: Option<String>,
    /// What the list of logins shows; the client's `User-Agent` without.
    pub(crate) device: Option<String>,
    /// The token lasts as long as the login, for clients that renew none.
    #[serde(default)]
    pub(crate) one_token: bool,
}

/// A new account, and the tokens of its first login.
#[derive(Serialize)]
pub(crate) struct Registered {
    pub(crate) account: String,
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    /// Shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) words: Option<String>,
    pub(crate) token: String,
    pub(crate) expires_at: Time,
    pub(crate) refresh_token: String,
    pub(crate) refresh_expires_at: Time,
}

/// An invitation to make an account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InviteAccount {
    pub(crate) valid_s: Option<u64>,
}

#[derive(Serialize)]
pub(crate) struct AccountInvite {
    pub(crate) code: String,
    pub(crate) expires_at: Time,
}
