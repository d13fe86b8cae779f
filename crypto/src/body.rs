//! What events say (PROTOCOL.md section 7).
//!
//! Bodies are strict postcard. A kind or content that this version does not know is no error of the event: it is stored
//! and passed on, and [`BodyError::NeedsNewerVersion`] tells the reader.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::codec::{DecodeError, decode_strict, encode, variant_index};
use crate::event::MAX_WIRE_EVENT;
use crate::ids::{EventId, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

mod change;
mod content;
mod media;
mod poll;

pub use change::{
    Delete, Edit, KIND_DELETE, KIND_EDIT, KIND_PIN, KIND_REACTION, KIND_TIMER, MAX_TARGETS, MAX_TIMER_MS, MIN_TIMER_MS,
    Pin, Reaction, Timer,
};
pub use content::{Content, KNOWN_CONTENTS};
pub use media::{
    Audio, Call, CallOutcome, EQUATOR, Location, MAX_CAPTION, MAX_FILE_NAME, MAX_MEDIA_TYPE, MAX_THUMBNAIL, MAX_WAVE,
    MERIDIAN, Picture, SharedFile, Sticker, Video, Voice,
};
pub use poll::{
    ClosePoll, KIND_CLOSE_POLL, KIND_VOTE, MAX_COUNTED, MAX_OPTION, MAX_OPTIONS, MAX_QUESTION, MIN_OPTIONS, Poll, Vote,
};

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
/// Visibility: each recipient may look once.
pub const VISIBLE_ONCE: u8 = 1;
/// Visibility: each recipient may look twice.
pub const VISIBLE_TWICE: u8 = 2;

/// Fields of later versions: number and bytes, ignored where unknown.
pub type Ext = Vec<(u16, Vec<u8>)>;

/// Each body beside its kind, once: what is added here is read, written, and offered to the tests of decoders.
macro_rules! bodies {
    ($($kind:ident => $name:ident,)*) => {
        /// The body of an event, by its kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Body {
            $(#[doc = concat!("Of [`", stringify!($kind), "`].")] $name($name),)*
        }

        /// The kinds of events that have a [`Body`].
        pub const BODY_KINDS: &[u16] = &[$($kind),*];

        impl Body {
            /// Reads the body of an event of `kind`.
            ///
            /// # Errors
            /// `NeedsNewerVersion` for what this version does not know; otherwise the body is wrong and shows nothing.
            pub fn read(kind: u16, bytes: &[u8]) -> Result<Self, BodyError> {
                match kind {
                    $($kind => $name::decode(bytes).map(Self::$name),)*
                    _ => Err(BodyError::NeedsNewerVersion),
                }
            }

            /// The event kind of this body.
            #[must_use]
            pub fn kind(&self) -> u16 {
                match self {
                    $(Self::$name(_) => $kind,)*
                }
            }

            /// The bytes of this body.
            ///
            /// # Errors
            /// When it breaks a limit.
            pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
                match self {
                    $(Self::$name(body) => body.encode(),)*
                }
            }
        }
    };
}

bodies! {
    KIND_MESSAGE => Message,
    KIND_EDIT => Edit,
    KIND_DELETE => Delete,
    KIND_REACTION => Reaction,
    KIND_PIN => Pin,
    KIND_TIMER => Timer,
    KIND_VOTE => Vote,
    KIND_CLOSE_POLL => ClosePoll,
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
    /// How often a recipient may see it: [`VISIBLE_FOREVER`], [`VISIBLE_ONCE`], [`VISIBLE_TWICE`].
    pub visibility: u8,
    /// Time after its clock when it disappears, ms.
    pub expires_after_ms: Option<u64>,
    /// Fields of later versions.
    pub ext: Ext,
}

impl Message {
    /// A plain text without anything else.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Content::Text(text.into()))
    }

    /// A content without anything else.
    #[must_use]
    pub fn new(content: Content) -> Self {
        Self {
            content,
            reply_to: None,
            thread: None,
            mentions: Vec::new(),
            visibility: VISIBLE_FOREVER,
            expires_after_ms: None,
            ext: Ext::new(),
        }
    }

    /// How long after its clock it disappears, ms: what it says, within the bounds of a [`Timer`].
    #[must_use]
    pub fn expires_after(&self) -> Option<u64> {
        self.expires_after_ms.map(|ms| ms.clamp(MIN_TIMER_MS, MAX_TIMER_MS))
    }

    /// Whether every limit is kept.
    ///
    /// # Errors
    /// Names the limit that is not.
    pub fn validate(&self) -> Result<(), BodyError> {
        self.content.validate()?;
        limit("mentions", self.mentions.len(), MAX_MENTIONS)?;
        limit("ext", self.ext.len(), MAX_EXT)?;
        if self.visibility > VISIBLE_TWICE {
            return Err(BodyError::NeedsNewerVersion);
        }
        if self.visibility != VISIBLE_FOREVER && !self.content.can_be_on_demand() {
            return Err(BodyError::NotOnDemand);
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

/// What stands by itself in an event: held to its limits before it is written and after it is read.
trait Bounded: Serialize + DeserializeOwned {
    fn validate(&self) -> Result<(), BodyError>;

    fn encode(&self) -> Result<Vec<u8>, BodyError> {
        self.validate()?;
        Ok(encode(self))
    }

    fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        read(bytes)
    }
}

fn read<T: Bounded>(bytes: &[u8]) -> Result<T, BodyError> {
    let body: T = decode_strict(bytes, MAX_WIRE_EVENT)?;
    body.validate()?;
    Ok(body)
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
    /// A list of targets without one.
    #[error("no target is named")]
    NoTarget,
    /// Something else than one emoji.
    #[error("a reaction is exactly one emoji")]
    NotEmoji,
    /// A text that has to say something says nothing.
    #[error("the {field} is empty")]
    Empty {
        /// The field.
        field: &'static str,
    },
    /// A character that acts instead of being seen, in a text of one line.
    #[error("the {field} has a control character")]
    ControlCharacter {
        /// The field.
        field: &'static str,
    },
    /// A poll with nothing to choose from.
    #[error("a poll has {got} options, and needs {min}")]
    TooFewOptions {
        /// Options found.
        got: usize,
        /// The fewest allowed.
        min: usize,
    },
    /// A poll in which two options are the same.
    #[error("two options are the same")]
    OptionTwice,
    /// The same twice, or not in its order.
    #[error("the {field} are not all different and in their order")]
    NotDistinct {
        /// The field.
        field: &'static str,
    },
    /// An option that no poll has.
    #[error("no poll has such an option")]
    NoSuchOption,
    /// Something that cannot be sent to be viewed once or twice.
    #[error("this cannot be sent to be viewed on demand")]
    NotOnDemand,
    /// Not on earth.
    #[error("there is no such place")]
    NoPlace,
    /// A file that is called like a path.
    #[error("the name of a file is a path")]
    PathAsName,
    /// Not a media type.
    #[error("the media type is not of its form")]
    NoMediaType,
    /// A call that was not held, and lasted.
    #[error("a call that was not held has a length")]
    LengthOfNoCall,
    /// A time that is too short or too long.
    #[error("{got} ms is not between {min} and {max}")]
    OutOfBounds {
        /// Time found.
        got: u64,
        /// The shortest allowed.
        min: u64,
        /// The longest allowed.
        max: u64,
    },
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
