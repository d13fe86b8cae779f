//! What a user says about themselves on their card beside the name: the numbered fields of `Profile.ext` (PROTOCOL.md section 8).
//!
//! Written strictly, read leniently: a field that breaks its limit is as if it were not there.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::body::Ext;
use crate::image::{ImageKind, image_kind};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

/// Longest text about oneself, bytes of UTF-8.
pub const MAX_ABOUT: usize = 512;
/// Longest pronouns.
pub const MAX_PRONOUNS: usize = 32;
/// Longest status text.
pub const MAX_STATUS: usize = 128;
/// Longest status emoji.
const MAX_EMOJI: usize = 32;
/// Largest avatar.
pub const MAX_AVATAR: usize = 24 * 1024;

const ABOUT: u16 = 1;
const PRONOUNS: u16 = 2;
const STATUS: u16 = 3;
const EMOJI: u16 = 4;
const STATUS_EXPIRES: u16 = 5;
const AVATAR: u16 = 6;

/// The details of a card; empty fields are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardDetails {
    /// Who they are, at most 512 bytes; may have several lines.
    pub about: String,
    /// At most 32 bytes.
    pub pronouns: String,
    /// What they do just now, at most 128 bytes.
    pub status: String,
    /// At most 32 bytes.
    pub emoji: String,
    /// When the status ends, ms; 0 = never.
    pub status_expires: u64,
    /// A small picture, at most 24 KiB, of a kind [`image_kind`] knows.
    pub avatar: ByteBuf,
}

impl CardDetails {
    /// Whether every limit is kept.
    ///
    /// # Errors
    /// Names the limit that is not.
    pub fn validate(&self) -> Result<(), CardError> {
        let texts = [
            ("about", self.about.len(), MAX_ABOUT),
            ("pronouns", self.pronouns.len(), MAX_PRONOUNS),
            ("status", self.status.len(), MAX_STATUS),
            ("emoji", self.emoji.len(), MAX_EMOJI),
            ("avatar", self.avatar.len(), MAX_AVATAR),
        ];
        for (field, got, max) in texts {
            if got > max {
                return Err(CardError::OverLimit { field, got, max });
            }
        }
        if !self.avatar.is_empty() {
            image_kind(&self.avatar)?;
        }
        Ok(())
    }

    /// The fields of a card at `now` (ms): a status that has ended is left out.
    #[must_use]
    pub fn to_ext(&self, now: u64) -> Ext {
        let mut ext = Ext::new();
        let mut put = |number: u16, bytes: &[u8]| {
            if !bytes.is_empty() {
                ext.push((number, bytes.to_vec()));
            }
        };
        put(ABOUT, self.about.as_bytes());
        put(PRONOUNS, self.pronouns.as_bytes());
        if self.has_status(now) {
            put(STATUS, self.status.as_bytes());
            put(EMOJI, self.emoji.as_bytes());
            if self.status_expires > 0 {
                put(STATUS_EXPIRES, &self.status_expires.to_be_bytes());
            }
        }
        put(AVATAR, &self.avatar);
        ext
    }

    /// Reads the fields of a card; of one that is there twice the first counts.
    #[must_use]
    pub fn from_ext(ext: &Ext) -> Self {
        let field = |number: u16| {
            ext.iter()
                .find(|(known, _)| *known == number)
                .map(|(_, bytes)| bytes.as_slice())
        };
        let text = |number: u16, max: usize| {
            let bytes = field(number).filter(|bytes| bytes.len() <= max)?;
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        };
        let avatar = field(AVATAR).filter(|bytes| bytes.len() <= MAX_AVATAR && image_kind(bytes).is_ok());
        let expires = field(STATUS_EXPIRES).and_then(|bytes| bytes.try_into().ok());
        Self {
            about: text(ABOUT, MAX_ABOUT).unwrap_or_default(),
            pronouns: text(PRONOUNS, MAX_PRONOUNS).unwrap_or_default(),
            status: text(STATUS, MAX_STATUS).unwrap_or_default(),
            emoji: text(EMOJI, MAX_EMOJI).unwrap_or_default(),
            status_expires: expires.map_or(0, u64::from_be_bytes),
            avatar: ByteBuf::from(avatar.unwrap_or_default()),
        }
    }

    /// Whether there is a status at `now` (ms).
    #[must_use]
    pub fn has_status(&self, now: u64) -> bool {
        let some = !self.status.is_empty() || !self.emoji.is_empty();
        some && (self.status_expires == 0 || self.status_expires > now)
    }

    /// What kind of picture the avatar is.
    #[must_use]
    pub fn avatar_kind(&self) -> Option<ImageKind> {
        image_kind(&self.avatar).ok()
    }
}

/// Why details cannot be on a card.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CardError {
    /// A field is longer than it may be.
    #[error("the {field} is {got} bytes long; at most {max} fit on a card")]
    OverLimit {
        /// The field.
        field: &'static str,
        /// Length found.
        got: usize,
        /// Length allowed.
        max: usize,
    },
    /// The avatar is no picture that is taken.
    #[error(transparent)]
    Image(#[from] crate::image::ImageError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gif(width: u8, height: u8) -> Vec<u8> {
        [&b"GIF89a"[..], &[width, 0, height, 0, 0, 0, 0]].concat()
    }

    #[test]
    fn details_survive_a_card_and_an_ended_status_is_left_out() {
        let details = CardDetails {
            about: "two\nlines".to_owned(),
            pronouns: "they".to_owned(),
            status: "away".to_owned(),
            emoji: "🌴".to_owned(),
            status_expires: 100,
            avatar: ByteBuf::from(gif(9, 9)),
        };
        assert_eq!(CardDetails::from_ext(&details.to_ext(99)), details);
        let later = CardDetails::from_ext(&details.to_ext(100));
        assert_eq!(
            (later.status.as_str(), later.emoji.as_str(), later.about.as_str()),
            ("", "", "two\nlines")
        );
        assert_eq!(CardDetails::default().to_ext(0), Ext::new());
    }

    #[test]
    fn fields_that_break_a_limit_are_not_there_and_are_not_written() {
        let long = CardDetails {
            about: "x".repeat(MAX_ABOUT + 1),
            ..CardDetails::default()
        };
        assert!(matches!(
            long.validate(),
            Err(CardError::OverLimit {
                field: "about",
                got: 513,
                max: 512
            })
        ));
        let ext = vec![
            (ABOUT, vec![b'x'; MAX_ABOUT + 1]),
            (PRONOUNS, vec![0xff, 0xfe]),
            (STATUS_EXPIRES, vec![1, 2]),
            (AVATAR, b"<svg onload=alert(1)>".to_vec()),
            (999, vec![1]),
        ];
        assert_eq!(CardDetails::from_ext(&ext), CardDetails::default());
        let mut large = gif(9, 9);
        large.resize(MAX_AVATAR + 1, 0);
        assert_eq!(CardDetails::from_ext(&vec![(AVATAR, large)]).avatar_kind(), None);
    }
}
