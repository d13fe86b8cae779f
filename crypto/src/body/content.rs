//! What a message says (PROTOCOL.md section 7).

use serde::{Deserialize, Serialize};

use super::media::{Audio, Call, Location, Picture, SharedFile, Sticker, Video, Voice};
use super::poll::Poll;
use super::{BodyError, MAX_TEXT, limit};

/// What a message says; grows at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Plain text, 1–16 384 bytes.
    Text(String),
    /// A question to vote on.
    Poll(Poll),
    /// A place.
    Location(Location),
    /// A file of any kind.
    File(SharedFile),
    /// A picture.
    Image(Picture),
    /// A film.
    Video(Video),
    /// Music, a recording.
    Audio(Audio),
    /// Something said into a microphone for this conversation.
    Voice(Voice),
    /// A sticker.
    Sticker(Sticker),
    /// A call that was made, or was not answered.
    Call(Call),
}

/// Number of [`Content`] variants this version knows.
pub const KNOWN_CONTENTS: u32 = 10;

impl Content {
    pub(super) fn validate(&self) -> Result<(), BodyError> {
        match self {
            Self::Text(text) if text.is_empty() => Err(BodyError::EmptyText),
            Self::Text(text) => limit("text", text.len(), MAX_TEXT),
            Self::Poll(poll) => poll.validate(),
            Self::Location(place) => place.validate(),
            Self::File(file) => file.validate(),
            Self::Image(picture) => picture.file.validate(),
            Self::Video(video) => video.picture.file.validate(),
            Self::Audio(audio) => audio.file.validate(),
            Self::Voice(voice) => voice.validate(),
            Self::Sticker(sticker) => sticker.validate(),
            Self::Call(call) => call.validate(),
        }
    }

    /// Whether it can be sent to be viewed once or twice.
    #[must_use]
    pub fn can_be_on_demand(&self) -> bool {
        !matches!(self, Self::Poll(_) | Self::Call(_))
    }

    /// The file it names, if it names one.
    #[must_use]
    pub fn file(&self) -> Option<&SharedFile> {
        match self {
            Self::File(file) => Some(file),
            Self::Image(picture) => Some(&picture.file),
            Self::Video(video) => Some(&video.picture.file),
            Self::Audio(audio) => Some(&audio.file),
            Self::Voice(voice) => Some(&voice.file),
            Self::Sticker(sticker) => sticker.file.as_ref(),
            Self::Text(_) | Self::Poll(_) | Self::Location(_) | Self::Call(_) => None,
        }
    }

    /// What of it is read as text: by people who look at the message, and by a search.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Poll(poll) => {
                let mut words = poll.question.clone();
                for option in &poll.options {
                    words.push('\n');
                    words.push_str(option);
                }
                words
            }
            Self::Location(place) => place.name.clone(),
            Self::Sticker(sticker) => format!("{} {}", sticker.emoji, sticker.name).trim_end().to_owned(),
            Self::Call(_) => String::new(),
            Self::File(_) | Self::Image(_) | Self::Video(_) | Self::Audio(_) | Self::Voice(_) => {
                let file = self.file();
                let parts = file
                    .into_iter()
                    .flat_map(|file| [file.name.as_str(), file.caption.as_str()]);
                let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
                parts.join("\n")
            }
        }
    }
}

/// A text of one line, 1 byte at least, without characters that act instead of being seen.
pub(super) fn line(field: &'static str, text: &str, max: usize) -> Result<(), BodyError> {
    if text.is_empty() {
        return Err(BodyError::Empty { field });
    }
    optional_line(field, text, max)
}

/// The same, or nothing.
pub(super) fn optional_line(field: &'static str, text: &str, max: usize) -> Result<(), BodyError> {
    limit(field, text.len(), max)?;
    if text.chars().any(char::is_control) {
        return Err(BodyError::ControlCharacter { field });
    }
    Ok(())
}
