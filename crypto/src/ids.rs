//! Identifiers: 32 bytes each, every one a type of its own (PROTOCOL.md section 1, "Identifiers").
//!
//! Text form: prefix || base32 (RFC 4648, lower case, no padding), 52 characters behind the prefix. Postcard form: the 32
//! raw bytes without a length; formats for people use the text form.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::kdf::{Purpose, hash};
use data_encoding::{BASE32_NOPAD, DecodeKind, HEXLOWER};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// Length of the base32 part of a text form.
const TEXT_LEN: usize = 52;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// What the text form starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Takes 32 bytes as they are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first 8 characters behind the prefix, for people and logs.
            #[must_use]
            pub fn short(&self) -> String {
                self.base32().chars().take(8).collect()
            }

            fn base32(&self) -> String {
                BASE32_NOPAD.encode(&self.0).to_ascii_lowercase()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", Self::PREFIX, self.base32())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let hex = HEXLOWER.encode(&self.0);
                write!(f, "{}({})", stringify!($name), hex.get(..8).unwrap_or_default())
            }
        }

        impl FromStr for $name {
            type Err = IdParseError;

            fn from_str(text: &str) -> Result<Self, IdParseError> {
                parse(text, Self::PREFIX).map(Self)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
                } else {
                    <[u8; 32]>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

id! {
    /// A user: the public half of the identity key.
    UserId, "user_"
}
id! {
    /// A device of a user: HASH("device id", signing key, DH key).
    DeviceId, "dev_"
}
id! {
    /// A conversation.
    ConversationId, "conv_"
}
id! {
    /// An event: HASH("event id", header, signature).
    EventId, "msg_"
}
id! {
    /// A session between two devices: HASH256("session id", th). Its text form has no prefix.
    SessionId, ""
}

impl DeviceId {
    /// The id that belongs to a device's two public keys.
    #[must_use]
    pub fn of(signing_key: &[u8; 32], dh_key: &[u8; 32]) -> Self {
        Self(hash(Purpose::DEVICE_ID, &[signing_key, dh_key]))
    }
}

impl ConversationId {
    /// The conversation of two users, the same whoever asks.
    #[must_use]
    pub fn direct(one: &UserId, other: &UserId) -> Self {
        let (small, large) = if one <= other { (one, other) } else { (other, one) };
        Self(hash(
            Purpose::DIRECT_CONVERSATION,
            &[small.as_bytes(), large.as_bytes()],
        ))
    }

    /// A user's notes to themselves.
    #[must_use]
    pub fn notes(user: &UserId) -> Self {
        Self(hash(Purpose::NOTES_CONVERSATION, &[user.as_bytes()]))
    }
}

fn parse(text: &str, prefix: &'static str) -> Result<[u8; 32], IdParseError> {
    let body = text
        .strip_prefix(prefix)
        .ok_or(IdParseError::Prefix { expected: prefix })?;
    let got = body.chars().count();
    if got != TEXT_LEN {
        return Err(IdParseError::Length { got });
    }
    if !body
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte))
    {
        return Err(IdParseError::Character);
    }
    let bytes = BASE32_NOPAD
        .decode(body.to_ascii_uppercase().as_bytes())
        .map_err(|error| match error.kind {
            DecodeKind::Trailing => IdParseError::UnusedBits,
            DecodeKind::Length => IdParseError::Length { got },
            DecodeKind::Symbol | DecodeKind::Padding => IdParseError::Character,
        })?;
    bytes.try_into().map_err(|_| IdParseError::Length { got })
}

/// Why a text is not an id of the kind asked for.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum IdParseError {
    /// The text does not start as this kind of id does.
    #[error("the id does not start with \"{expected}\"")]
    Prefix {
        /// The prefix of this kind.
        expected: &'static str,
    },
    /// The part behind the prefix is too long or too short.
    #[error("the id has {got} characters behind its prefix instead of 52")]
    Length {
        /// Characters found.
        got: usize,
    },
    /// A character is not of lower-case base32.
    #[error("the id holds a character that ids do not have")]
    Character,
    /// The last character sets bits that mean nothing.
    #[error("the id ends in a character that no id ends in")]
    UnusedBits,
}

#[cfg(test)]
mod tests;
