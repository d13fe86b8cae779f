//! Knock: one request and one response between peers that may be strangers (PROTOCOL.md section 9).
//!
//! Rates, and what an answer is made of, are decided elsewhere.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::asking::MAX_ASKING_ENVELOPE;
use crate::codec::{DecodeError, decode_strict, encode};
use crate::ids::UserId;
use serde::{Deserialize, Serialize};

/// Largest request and largest response: 64 KiB.
pub const MAX_KNOCK: usize = 65_536;

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
            response => Ok(response),
        }
    }
}

fn bounded(bytes: Vec<u8>) -> Result<Vec<u8>, DecodeError> {
    let got = bytes.len();
    if got > MAX_KNOCK {
        Err(DecodeError::TooLong { got, max: MAX_KNOCK })
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
