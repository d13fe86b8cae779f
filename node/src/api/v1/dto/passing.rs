//! What happens just now and is not kept: typing and presence.

use parlour_crypto::{ConversationId, UserId};
use serde::{Deserialize, Serialize};

use super::Time;

/// Whether somebody writes in a conversation just now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetTyping {
    pub(crate) typing: bool,
}

/// Who writes in a conversation just now.
#[derive(Debug, Serialize)]
pub(crate) struct Typing {
    pub(crate) typing: Vec<TypingUser>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TypingUser {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
}

/// Whether this account's user is there, and until when.
#[derive(Debug, Serialize)]
pub(crate) struct OwnPresence {
    pub(crate) presence: &'static str,
    pub(crate) until: Option<Time>,
    /// Whether contacts are told.
    pub(crate) shared: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetPresence {
    pub(crate) presence: PresenceName,
    /// How long somebody is there unless it is said again.
    #[serde(default = "SetPresence::a_while")]
    pub(crate) for_s: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PresenceName {
    Online,
    Away,
}

impl SetPresence {
    fn a_while() -> u64 {
        300
    }
}

/// What happens just now and is not kept: no part of the feed, without a cursor.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Passing {
    Typing {
        conversation: ConversationId,
        user_id: UserId,
        typing: bool,
    },
    Presence {
        user_id: UserId,
        presence: Option<&'static str>,
    },
}

impl Passing {
    /// The event name on a stream.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Typing { .. } => "typing",
            Self::Presence { .. } => "presence",
        }
    }
}
