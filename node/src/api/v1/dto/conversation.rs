//! Conversations, and how they are kept.

use parlour_crypto::{ConversationId, UserId};
use serde::{Deserialize, Serialize};

use super::{Message, Time, given};

/// After which time new messages disappear; nothing: they stay.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Timer {
    pub(crate) expires_after_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Conversation {
    pub(crate) id: ConversationId,
    pub(crate) kind: &'static str,
    pub(crate) title: String,
    /// The other side; nothing in rooms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) with: Option<UserId>,
    pub(crate) unread: u64,
    /// Unread messages that call the account by name.
    pub(crate) mentions: u64,
    pub(crate) last_seq: u64,
    pub(crate) last: Option<Message>,
    /// What the user should know before talking here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warning: Option<&'static str>,
    pub(crate) muted: bool,
    /// Until when; nothing if not, or for ever.
    pub(crate) muted_until: Option<Time>,
    pub(crate) archived: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) draft: Option<String>,
    pub(crate) created_at: Time,
}

/// How a conversation is to be kept; what is not there stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeConversation {
    /// A time, `"forever"`, or null.
    #[serde(default, deserialize_with = "given")]
    pub(crate) muted_until: Option<Option<String>>,
    pub(crate) archived: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) draft: Option<Option<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetTimer {
    pub(crate) expires_after_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarkRead {
    pub(crate) seq: u64,
}

/// How far a conversation has been read: up to a message, or to its end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadUpTo {
    /// Its id, or the beginning of one.
    pub(crate) up_to: Option<String>,
}
