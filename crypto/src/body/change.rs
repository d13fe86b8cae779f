//! What can be said about messages that are there: edits, deletions, reactions, pins; and the timer of a conversation
//! (PROTOCOL.md section 7). Who may say it, and what becomes of it, is decided elsewhere.

use super::{BodyError, Bounded, Content, Ext, KNOWN_CONTENTS, MAX_EXT, MAX_MENTIONS, limit, read};
use crate::codec::variant_index;
use crate::emoji::{MAX_EMOJI, is_emoji};
use crate::ids::{EventId, UserId};
use serde::{Deserialize, Serialize};

/// Event kind of an [`Edit`].
pub const KIND_EDIT: u16 = 2;
/// Event kind of a [`Delete`].
pub const KIND_DELETE: u16 = 3;
/// Event kind of a [`Reaction`].
pub const KIND_REACTION: u16 = 4;
/// Event kind of a [`Pin`].
pub const KIND_PIN: u16 = 5;
/// Event kind of a [`Timer`].
pub const KIND_TIMER: u16 = 6;
/// Most messages one event deletes.
pub const MAX_TARGETS: usize = 64;
/// Shortest time after which messages disappear, ms.
pub const MIN_TIMER_MS: u64 = 5_000;
/// Longest time after which messages disappear, ms: a year.
pub const MAX_TIMER_MS: u64 = 365 * 24 * 3_600_000;

/// Says a message anew. Counts if it is by the message's own author; the highest (clock, event id) is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The message.
    pub target: EventId,
    /// What it says now.
    pub content: Content,
    /// Users it calls by name now, at most 64.
    pub mentions: Vec<UserId>,
    /// Fields of later versions.
    pub ext: Ext,
}

/// Erases messages of the author's own, for everybody and for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// The messages, 1–64.
    pub targets: Vec<EventId>,
    /// Fields of later versions.
    pub ext: Ext,
}

/// Puts an emoji to a message or takes it away. The last one per message, emoji and user counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The message.
    pub target: EventId,
    /// One emoji, at most 64 bytes.
    pub emoji: String,
    /// Put or taken away.
    pub on: bool,
    /// Fields of later versions.
    pub ext: Ext,
}

/// Pins a message or takes the pin away. The last one per message counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The message.
    pub target: EventId,
    /// Pinned or not.
    pub on: bool,
    /// Fields of later versions.
    pub ext: Ext,
}

/// Sets after which time new messages of the conversation disappear. The last one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// The time, 5 s to a year in ms; nothing: they stay.
    pub expires_after_ms: Option<u64>,
    /// Fields of later versions.
    pub ext: Ext,
}

impl Bounded for Edit {
    fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        let content = bytes.get(size_of::<EventId>()..).and_then(variant_index);
        if content.is_some_and(|index| index >= KNOWN_CONTENTS) {
            return Err(BodyError::NeedsNewerVersion);
        }
        read(bytes)
    }

    fn validate(&self) -> Result<(), BodyError> {
        self.content.validate()?;
        limit("mentions", self.mentions.len(), MAX_MENTIONS)?;
        limit("ext", self.ext.len(), MAX_EXT)
    }
}

impl Bounded for Delete {
    fn validate(&self) -> Result<(), BodyError> {
        if self.targets.is_empty() {
            return Err(BodyError::NoTarget);
        }
        limit("targets", self.targets.len(), MAX_TARGETS)?;
        limit("ext", self.ext.len(), MAX_EXT)
    }
}

impl Bounded for Reaction {
    fn validate(&self) -> Result<(), BodyError> {
        limit("emoji", self.emoji.len(), MAX_EMOJI)?;
        if !is_emoji(&self.emoji) {
            return Err(BodyError::NotEmoji);
        }
        limit("ext", self.ext.len(), MAX_EXT)
    }
}

impl Bounded for Pin {
    fn validate(&self) -> Result<(), BodyError> {
        limit("ext", self.ext.len(), MAX_EXT)
    }
}

impl Bounded for Timer {
    fn validate(&self) -> Result<(), BodyError> {
        if let Some(got) = self.expires_after_ms
            && !(MIN_TIMER_MS..=MAX_TIMER_MS).contains(&got)
        {
            return Err(BodyError::OutOfBounds {
                got,
                min: MIN_TIMER_MS,
                max: MAX_TIMER_MS,
            });
        }
        limit("ext", self.ext.len(), MAX_EXT)
    }
}
