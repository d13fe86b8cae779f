//! Messages, as the API tells of them and is told.

use parlour_crypto::{ConversationId, DeviceId, EventId, UserId};
use serde::{Deserialize, Serialize};

use super::{AskPoll, Parts, Place, Poll, PutSticker, System, Time, Timer, given};

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    pub(crate) id: EventId,
    pub(crate) conversation: ConversationId,
    pub(crate) author: UserId,
    pub(crate) author_name: String,
    pub(crate) device: DeviceId,
    pub(crate) text: Option<String>,
    /// A newer version wrote it; this one cannot show it.
    pub(crate) unsupported: bool,
    pub(crate) deleted: bool,
    pub(crate) pinned: bool,
    pub(crate) reactions: Vec<Reaction>,
    #[serde(flatten)]
    pub(crate) more: Box<More>,
    pub(crate) created_at: Time,
    pub(crate) status: &'static str,
    pub(crate) seq: u64,
    pub(crate) own: bool,
}

/// What most messages have not.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct More {
    /// Why there is no text any more: `deleted`, `expired`, `viewed`, `erased`, `too_soon` or `void`; in the answer to a send that was
    /// repeated also `hidden`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gone: Option<&'static str>,
    /// It came when what is behind it had been seen already.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) late: bool,
    /// Its author was removed from the room by somebody who had not seen it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) around_removal: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edited_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Time>,
    /// It is seen on demand only, so often yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) views_left: Option<u8>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mentions: Vec<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<Quote>,
    /// The message whose thread it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thread: Option<EventId>,
    /// The thread under it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replies: Option<Replies>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) poll: Option<Poll>,
    #[serde(flatten)]
    pub(crate) parts: Parts,
    /// No message: the conversation's timer was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timer: Option<Timer>,
    /// No message: what happened. All but timers have the number 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) system: Option<Box<System>>,
}

/// What is under the root of a thread.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Replies {
    pub(crate) count: u64,
    pub(crate) last_id: EventId,
    pub(crate) last_at: Time,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reaction {
    pub(crate) emoji: String,
    pub(crate) count: usize,
    pub(crate) mine: bool,
    pub(crate) users: Vec<UserId>,
}

/// The message that another one answers.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Quote {
    pub(crate) id: EventId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) author_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snippet: Option<String>,
    /// Why there is no snippet: `missing`, `hidden`, `deleted`, `expired`, `viewed`, `erased`, `on_demand` or `unsupported`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
}

/// One version of an edited message.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) id: EventId,
    pub(crate) text: String,
    pub(crate) created_at: Time,
}

/// What was seen of a message that is seen on demand.
#[derive(Serialize)]
pub(crate) struct Viewed {
    pub(crate) id: EventId,
    /// What of it is text; empty where nothing is.
    pub(crate) text: String,
    #[serde(flatten)]
    pub(crate) parts: Parts,
    pub(crate) views_left: u8,
}

#[derive(Debug, Serialize)]
pub(crate) struct MessageDetails {
    #[serde(flatten)]
    pub(crate) message: Message,
    pub(crate) devices: Vec<DeviceState>,
    /// Why it goes to nobody yet, whatever their devices are, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Time>,
}

/// How far a message has come on its way to one device.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceState {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) device_id: DeviceId,
    pub(crate) state: &'static str,
    /// Why it is not there yet, or will not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Since when that is so; of what was read: when that was told here, as far as it is still known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Time>,
}

#[derive(Debug, Serialize)]
pub(crate) struct FoundMessage {
    #[serde(flatten)]
    pub(crate) message: Message,
    pub(crate) snippet: String,
    /// Byte ranges of the snippet.
    pub(crate) ranges: Vec<(usize, usize)>,
}

/// A message to write: a text, a poll, a place, or a sticker.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendMessage {
    pub(crate) text: Option<String>,
    pub(crate) poll: Option<Box<AskPoll>>,
    pub(crate) location: Option<Box<Place>>,
    pub(crate) sticker: Option<Box<PutSticker>>,
    pub(crate) client_id: Option<String>,
    /// The root of the thread it belongs to: a message's id or the beginning of one.
    pub(crate) thread: Option<String>,
    /// A message's id or the beginning of one.
    pub(crate) reply_to: Option<String>,
    /// Names or ids.
    #[serde(default)]
    pub(crate) mentions: Vec<String>,
    /// Absent: as the conversation's timer says; null: never.
    #[serde(default, deserialize_with = "given")]
    pub(crate) expires_after_ms: Option<Option<u64>>,
    /// `true` or 1: once, 2: twice.
    #[serde(default)]
    pub(crate) view_once: ViewOnce,
}

/// How often a message may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum ViewOnce {
    Flag(bool),
    Times(u8),
}

impl Default for ViewOnce {
    fn default() -> Self {
        Self::Flag(false)
    }
}

impl ViewOnce {
    pub(crate) fn visibility(self) -> u8 {
        match self {
            Self::Flag(once) => u8::from(once),
            Self::Times(times) => times,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditMessage {
    pub(crate) text: String,
}
