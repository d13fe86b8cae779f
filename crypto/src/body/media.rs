//! Contents that are more than text: places, files of all kinds, stickers, calls (PROTOCOL.md section 7). They say what something is
//! called, how large it is and by which key it opens; the bytes of files go another way.

use serde::{Deserialize, Serialize};

use super::content::{line, optional_line};
use super::{BodyError, limit};
use crate::emoji::is_emoji;

/// Longest name of a file, a place or a sticker, bytes.
pub const MAX_FILE_NAME: usize = 255;
/// Longest media type, bytes.
pub const MAX_MEDIA_TYPE: usize = 127;
/// Longest text that goes with a file, bytes.
pub const MAX_CAPTION: usize = 4_096;
/// Largest thumbnail, bytes.
pub const MAX_THUMBNAIL: usize = 8_192;
/// Most heights of a voice message's wave.
pub const MAX_WAVE: usize = 128;
/// The equator in [`Location::latitude`].
pub const EQUATOR: u32 = 900_000_000;
/// The prime meridian in [`Location::longitude`].
pub const MERIDIAN: u32 = 1_800_000_000;

/// A place on earth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees north of the south pole, in ten millionths: 0–1 800 000 000.
    pub latitude: u32,
    /// Degrees east of the antimeridian, in ten millionths: 0–3 600 000 000.
    pub longitude: u32,
    /// Within how many metres.
    pub accuracy_m: Option<u32>,
    /// What it is called, at most 255 bytes on one line; empty if nothing.
    pub name: String,
}

/// A file, and how to open it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedFile {
    /// By which it is asked for.
    pub id: [u8; 32],
    /// By which it opens.
    pub key: [u8; 32],
    /// Bytes of it.
    pub size: u64,
    /// What its sender calls it: 1–255 bytes on one line, no path.
    pub name: String,
    /// What its sender takes it for, such as `image/png`; a label and no promise.
    pub media_type: String,
    /// A small picture of it, at most 8 192 bytes; empty if there is none.
    #[serde(with = "serde_bytes")]
    pub thumbnail: Vec<u8>,
    /// What is said about it, at most 4 096 bytes.
    pub caption: String,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The file.
    pub file: SharedFile,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// A film.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Video {
    /// The file, and how large its pictures are.
    pub picture: Picture,
    /// How long it is.
    pub duration_ms: u64,
}

/// Music, a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audio {
    /// The file.
    pub file: SharedFile,
    /// How long it is.
    pub duration_ms: u64,
}

/// Something said into a microphone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// The file.
    pub file: SharedFile,
    /// How long it is.
    pub duration_ms: u64,
    /// How loud it is along its time, at most 128 heights.
    #[serde(with = "serde_bytes")]
    pub wave: Vec<u8>,
}

/// A sticker: an emoji, with a name and a picture if it has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sticker {
    /// What it stands for, and what is shown where there is no picture: exactly one emoji.
    pub emoji: String,
    /// What it is called, at most 255 bytes on one line; empty if nothing.
    pub name: String,
    /// The picture.
    pub file: Option<SharedFile>,
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallOutcome {
    /// It was held, and has ended.
    Ended,
    /// Nobody answered.
    Missed,
    /// It was turned down.
    Declined,
    /// No connection came about.
    Failed,
}

/// A call, told after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Whether there were pictures.
    pub video: bool,
    /// How it went.
    pub outcome: CallOutcome,
    /// How long it was, 0 where it was not held.
    pub duration_ms: u64,
}

impl Location {
    pub(super) fn validate(&self) -> Result<(), BodyError> {
        if self.latitude > EQUATOR.saturating_mul(2) || self.longitude > MERIDIAN.saturating_mul(2) {
            return Err(BodyError::NoPlace);
        }
        optional_line("name of a place", &self.name, MAX_FILE_NAME)
    }
}

impl SharedFile {
    pub(super) fn validate(&self) -> Result<(), BodyError> {
        line("file name", &self.name, MAX_FILE_NAME)?;
        if self.name.contains(['/', '\\']) || matches!(self.name.as_str(), "." | "..") {
            return Err(BodyError::PathAsName);
        }
        limit("media type", self.media_type.len(), MAX_MEDIA_TYPE)?;
        if !is_media_type(&self.media_type) {
            return Err(BodyError::NoMediaType);
        }
        limit("thumbnail", self.thumbnail.len(), MAX_THUMBNAIL)?;
        limit("caption", self.caption.len(), MAX_CAPTION)
    }
}

impl Voice {
    pub(super) fn validate(&self) -> Result<(), BodyError> {
        self.file.validate()?;
        limit("wave", self.wave.len(), MAX_WAVE)
    }
}

impl Sticker {
    pub(super) fn validate(&self) -> Result<(), BodyError> {
        if !is_emoji(&self.emoji) {
            return Err(BodyError::NotEmoji);
        }
        optional_line("name of a sticker", &self.name, MAX_FILE_NAME)?;
        self.file.as_ref().map_or(Ok(()), SharedFile::validate)
    }
}

impl Call {
    pub(super) fn validate(&self) -> Result<(), BodyError> {
        if self.duration_ms > 0 && self.outcome != CallOutcome::Ended {
            return Err(BodyError::LengthOfNoCall);
        }
        Ok(())
    }
}

/// Two parts of letters, digits and a few signs, with one slash between them.
fn is_media_type(text: &str) -> bool {
    let part = |part: &str| {
        let sign = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        !part.is_empty() && part.bytes().all(sign)
    };
    text.split_once('/').is_some_and(|(a, b)| part(a) && part(b))
}
