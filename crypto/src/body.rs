//! What events say (PROTOCOL.md section 7).
//!
//! Bodies are strict postcard. A kind or content that this version does not know is no error of the event: it is stored
//! and passed on, and [`BodyError::NeedsNewerVersion`] tells the reader.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::codec::{DecodeError, decode_strict, encode, variant_index};
use crate::event::MAX_WIRE_EVENT;
use crate::ids::{EventId, UserId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Event kind of a [`Message`].
pub const KIND_MESSAGE: u16 = 1;
/// Longest text of a message, bytes of UTF-8.
pub const MAX_TEXT: usize = 16_384;
/// Most users a message can mention.
pub const MAX_MENTIONS: usize = 64;
/// Most entries of an [`Ext`].
pub const MAX_EXT: usize = 16;
/// Visibility: for ever.
pub const VISIBLE_FOREVER: u8 = 0;

/// Fields of later versions: number and bytes, ignored where unknown.
pub type Ext = Vec<(u16, Vec<u8>)>;

/// The body of an event, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Kind 1.
    Message(Message),
}

impl Body {
    /// Reads the body of an event of `kind`.
    ///
    /// # Errors
    /// `NeedsNewerVersion` for what this version does not know; otherwise the body is wrong and shows nothing.
    pub fn read(kind: u16, bytes: &[u8]) -> Result<Self, BodyError> {
        match kind {
            KIND_MESSAGE => Message::decode(bytes).map(Self::Message),
            _ => Err(BodyError::NeedsNewerVersion),
        }
    }

    /// The event kind of this body.
    #[must_use]
    pub fn kind(&self) -> u16 {
        match self {
            Self::Message(_) => KIND_MESSAGE,
        }
    }

    /// The bytes of this body.
    ///
    /// # Errors
    /// When it breaks a limit.
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        match self {
            Self::Message(message) => message.encode(),
        }
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What it says.
    pub content: Content,
    /// The event it answers.
    pub reply_to: Option<EventId>,
    /// The event whose thread it is in.
    pub thread: Option<EventId>,
    /// Users it calls by name, at most 64.
    pub mentions: Vec<UserId>,
    /// Who may see it for how long: [`VISIBLE_FOREVER`].
    pub visibility: u8,
    /// Time after its clock when it disappears, ms.
    pub expires_after_ms: Option<u64>,
    /// Fields of later versions.
    pub ext: Ext,
}

/// What a message says; grows at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Plain text, 1–16 384 bytes.
    Text(String),
}

/// Number of [`Content`] variants this version knows.
const KNOWN_CONTENTS: u32 = 1;

impl Message {
    /// A plain text without anything else.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            content: Content::Text(text.into()),
            reply_to: None,
            thread: None,
            mentions: Vec::new(),
            visibility: VISIBLE_FOREVER,
            expires_after_ms: None,
            ext: Ext::new(),
        }
    }

    /// Whether every limit is kept.
    ///
    /// # Errors
    /// Names the limit that is not.
    pub fn validate(&self) -> Result<(), BodyError> {
        let Content::Text(text) = &self.content;
        if text.is_empty() {
            return Err(BodyError::EmptyText);
        }
        limit("text", text.len(), MAX_TEXT)?;
        limit("mentions", self.mentions.len(), MAX_MENTIONS)?;
        limit("ext", self.ext.len(), MAX_EXT)?;
        if self.visibility != VISIBLE_FOREVER {
            return Err(BodyError::NeedsNewerVersion);
        }
        Ok(())
    }

    /// The bytes of this body.
    ///
    /// # Errors
    /// When it breaks a limit.
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        self.validate()?;
        Ok(encode(self))
    }

    /// Reads a message.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        if variant_index(bytes).is_some_and(|index| index >= KNOWN_CONTENTS) {
            return Err(BodyError::NeedsNewerVersion);
        }
        let message: Self = decode_strict(bytes, MAX_WIRE_EVENT)?;
        message.validate()?;
        Ok(message)
    }
}

fn limit(field: &'static str, got: usize, max: usize) -> Result<(), BodyError> {
    if got > max {
        Err(BodyError::OverLimit { field, got, max })
    } else {
        Ok(())
    }
}

/// Why a body cannot be read or written.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BodyError {
    /// This version does not know the kind or content.
    #[error("reading this needs a newer version")]
    NeedsNewerVersion,
    /// Not an encoding of its kind.
    #[error("the body of the event is not of its form")]
    Malformed(#[from] DecodeError),
    /// A text without a character.
    #[error("the text is empty")]
    EmptyText,
    /// A field is longer than it may be.
    #[error("{field} has {got}, over the limit of {max}")]
    OverLimit {
        /// The field.
        field: &'static str,
        /// Length found.
        got: usize,
        /// Length allowed.
        max: usize,
    },
}

#[cfg(test)]
mod tests;
