//! Knock: one request and one response between peers that may be strangers (PROTOCOL.md section 9).
//!
//! Rates, and what an answer is made of, are decided elsewhere.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::asking::MAX_ASKING_ENVELOPE;
use crate::body::{Ext, MAX_EXT};
use crate::codec::{DecodeError, decode_strict, encode};
use crate::ids::UserId;
use crate::invite::MAX_INVITE;
use crate::room::{MAX_ROOM_NAME, MAX_TOPIC};
use serde::{Deserialize, Serialize};

/// Largest request and largest response: 64 KiB.
pub const MAX_KNOCK: usize = 65_536;

/// Most rooms of a list.
pub const MAX_LISTED: usize = 32;
/// Longest wire event that made a listed room.
pub const MAX_LISTED_CREATE: usize = 4_096;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KnockRequest {
    /// The prekey bundle with this hash.
    Bundle {
        /// HASH("prekey bundle", signed form), as in an invite.
        hash: [u8; 32],
    },
    /// Takes an envelope of first contact.
    Deliver {
        /// The envelope.
        #[serde(with = "serde_bytes")]
        envelope: Vec<u8>,
    },
    /// The newest prekey bundle of a user who can be asked to become a contact.
    BundleOf {
        /// Who.
        user: UserId,
    },
    /// Takes an envelope that asks its recipient to become a contact.
    Ask {
        /// Who is asked.
        user: UserId,
        /// Shows the work that was done for this envelope ([`AskingWork`](crate::AskingWork)).
        nonce: u64,
        /// The envelope, at most 4 096 bytes.
        #[serde(with = "serde_bytes")]
        envelope: Vec<u8>,
    },
    /// The public rooms of those who are asked.
    Rooms,
    /// A member of the room that a link leads to, who would let its holder in.
    Link {
        /// Random.
        nonce: [u8; 16],
        /// Which link ([`link_question`](crate::link_question)); it says nothing to others than members.
        proof: [u8; 16],
    },
    /// Says that there are public rooms to ask for.
    RoomsChanged,
}

/// A public room, as a member lists it. Only who made it is proved; the rest is what the member says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedRoom {
    /// The wire event that made it, at most 4 096 bytes.
    #[serde(with = "serde_bytes")]
    pub create: Vec<u8>,
    /// A link into it, at most 400 characters, with which the member lets in whoever shows it.
    pub link: String,
    /// What it is called, at most 128 bytes.
    pub name: String,
    /// What it is about, at most 1 024 bytes.
    pub topic: String,
    /// How many users take part.
    pub members: u32,
    /// Fields of later versions.
    pub ext: Ext,
}

impl std::fmt::Debug for ListedRoom {
    /// Leaves out the link.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListedRoom")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ListedRoom {
    fn validate(&self) -> Result<(), DecodeError> {
        let limits = [
            (self.create.len(), MAX_LISTED_CREATE),
            (self.link.len(), MAX_INVITE),
            (self.name.len(), MAX_ROOM_NAME),
            (self.topic.len(), MAX_TOPIC),
            (self.ext.len(), MAX_EXT),
        ];
        limits.into_iter().try_for_each(|(got, max)| within(got, max))
    }
}

fn within(got: usize, max: usize) -> Result<(), DecodeError> {
    if got > max {
        Err(DecodeError::TooLong { got, max })
    } else {
        Ok(())
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KnockResponse {
    /// To whatever is unknown, malformed or over the rate.
    Nothing,
    /// The bundle that was asked for.
    Bundle {
        /// Device list, signed form, not yet verified.
        #[serde(with = "serde_bytes")]
        device_list: Vec<u8>,
        /// Prekey bundle, signed form, not yet verified.
        #[serde(with = "serde_bytes")]
        bundle: Vec<u8>,
        /// A one-time key for this asker: id and X25519 key.
        one_time: Option<(u32, [u8; 32])>,
    },
    /// To a delivery: it says nothing about what was done.
    Received,
    /// To an envelope that opens and carries the token of an invite of this side which counts no more.
    Closed {
        /// 0 used up, 1 expired, 2 revoked.
        reason: u8,
    },
    /// Public rooms.
    Rooms {
        /// The rooms, at most 32.
        rooms: Vec<ListedRoom>,
    },
    /// A member of the room whose link was asked about.
    Member {
        /// That they are one ([`link_answer`](crate::link_answer)).
        proof: [u8; 16],
        /// Device list, signed form, not yet verified.
        #[serde(with = "serde_bytes")]
        device_list: Vec<u8>,
        /// Prekey bundle, signed form, not yet verified.
        #[serde(with = "serde_bytes")]
        bundle: Vec<u8>,
    },
}

impl KnockRequest {
    /// The bytes of this request.
    ///
    /// # Errors
    /// When they are over 64 KiB.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        bounded(encode(self))
    }

    /// Reads a request.
    ///
    /// # Errors
    /// When it is not one, or asks at too great length.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match decode_strict(bytes, MAX_KNOCK)? {
            Self::Ask { envelope, .. } if envelope.len() > MAX_ASKING_ENVELOPE => Err(DecodeError::TooLong {
                got: envelope.len(),
                max: MAX_ASKING_ENVELOPE,
            }),
            request => Ok(request),
        }
    }
}

impl KnockResponse {
    /// The bytes of this response.
    ///
    /// # Errors
    /// When they are over 64 KiB.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        bounded(encode(self))
    }

    /// Reads a response.
    ///
    /// # Errors
    /// When it is not one, or names the one-time key 0.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match decode_strict(bytes, MAX_KNOCK)? {
            Self::Bundle {
                one_time: Some((0, _)), ..
            } => Err(DecodeError::Malformed),
            Self::Rooms { rooms } => {
                within(rooms.len(), MAX_LISTED)?;
                rooms.iter().try_for_each(ListedRoom::validate)?;
                Ok(Self::Rooms { rooms })
            }
            response => Ok(response),
        }
    }
}

fn bounded(bytes: Vec<u8>) -> Result<Vec<u8>, DecodeError> {
    within(bytes.len(), MAX_KNOCK)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
