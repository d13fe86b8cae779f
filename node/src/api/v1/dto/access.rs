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
