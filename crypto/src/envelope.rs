//! Envelopes: what relays see (PROTOCOL.md section 6).
//!
//! `version u8 = 1 || day u16 || tag 8 || body`, one of eight sizes. What a body holds is sealed by `session` and
//! `handshake`; here are the prefix, the padding, the tags that need no session, and the verdict of a relay.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::codec::ByteReader;
use crate::ids::{ConversationId, UserId};
use crate::kdf::{self, Purpose};
use thiserror::Error;
use zeroize::Zeroizing;

/// The sizes an envelope can have, ascending.
pub const ENVELOPE_SIZES: [usize; 8] = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 49_152];
/// The largest of them.
pub const MAX_ENVELOPE: usize = 49_152;
/// Length of the prefix: version, day, tag.
pub const PREFIX_LEN: usize = 11;
/// The version on the wire.
pub const ENVELOPE_VERSION: u8 = 1;
/// Number of gossip topics.
pub const SHARDS: u8 = 8;

/// Length in front of a padded payload.
const PAD_HEADER: usize = 4;
const DAY_MS: u64 = 86_400_000;

/// The readable start of an envelope, without its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvelopePrefix {
    /// Whole days since 1970-01-01.
    pub day: u16,
    /// What the receiver finds the session by.
    pub tag: [u8; 8],
}

impl EnvelopePrefix {
    /// The envelope's first 11 bytes, which are associated data of all that is sealed behind them.
    #[must_use]
    pub fn encode(&self) -> [u8; PREFIX_LEN] {
        let [d0, d1] = self.day.to_be_bytes();
        let [t0, t1, t2, t3, t4, t5, t6, t7] = self.tag;
        [ENVELOPE_VERSION, d0, d1, t0, t1, t2, t3, t4, t5, t6, t7]
    }
}

/// Splits an envelope of version 1 and a listed size into prefix and body.
///
/// # Errors
/// `Version` or `Size`; any day and tag pass.
pub fn parse(envelope: &[u8]) -> Result<(EnvelopePrefix, &[u8]), EnvelopeError> {
    if !ENVELOPE_SIZES.contains(&envelope.len()) {
        return Err(EnvelopeError::Size { got: envelope.len() });
    }
    let mut reader = ByteReader::new(envelope);
    let short = EnvelopeError::Size { got: envelope.len() };
    match reader.u8() {
        Some(ENVELOPE_VERSION) => {}
        Some(got) => return Err(EnvelopeError::Version { got }),
        None => return Err(short),
    }
    let day = reader.u16().ok_or(short)?;
    let tag = reader.array().ok_or(short)?;
    Ok((EnvelopePrefix { day, tag }, reader.rest()))
}

/// Why bytes are not an envelope of this version.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Not one of the sizes.
    #[error("an envelope of {got} bytes does not exist")]
    Size {
        /// Length found.
        got: usize,
    },
    /// Another version.
    #[error("the envelope has the unknown version {got}")]
    Version {
        /// Version found.
        got: u8,
    },
}

/// The smallest envelope size that holds the prefix and a body of `body_len` bytes.
#[must_use]
pub fn size_for(body_len: usize) -> Option<usize> {
    let needed = body_len.checked_add(PREFIX_LEN)?;
    ENVELOPE_SIZES.into_iter().find(|size| *size >= needed)
}

/// What a relay does with an envelope it cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayVerdict {
    /// Pass it on.
    Accept,
    /// Neither pass it on nor hold it against the sender.
    Ignore,
    /// Hold it against the sender.
    Reject,
}

/// The verdict on an envelope on day `today`. Nothing else may decide it; rates are the caller's.
#[must_use]
pub fn relay_verdict(envelope: &[u8], today: u16) -> RelayVerdict {
    match parse(envelope) {
        Err(_) => RelayVerdict::Reject,
        Ok((prefix, _)) if prefix.day.abs_diff(today) <= 1 => RelayVerdict::Accept,
        Ok(_) => RelayVerdict::Ignore,
    }
}

/// `len u32 || payload || zeros`, `size` bytes in all.
///
/// # Errors
/// `TooLong` when the payload does not fit.
pub fn pad(payload: &[u8], size: usize) -> Result<Zeroizing<Vec<u8>>, PadError> {
    let max = size.saturating_sub(PAD_HEADER);
    let too_long = PadError::TooLong {
        got: payload.len(),
        max,
    };
    let len = u32::try_from(payload.len()).map_err(|_| too_long)?;
    if size < PAD_HEADER || payload.len() > max {
        return Err(too_long);
    }
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(payload);
    out.resize(size, 0);
    Ok(out)
}

/// The payload in what [`pad`] made.
///
/// # Errors
/// `Length` when it is cut short, `NotZero` when the padding holds anything.
pub fn unpad(padded: &[u8]) -> Result<&[u8], PadError> {
    unpad_parts(padded, 0).map(|(payload, _)| payload)
}

/// The payload, and the `behind` bytes that ride behind it.
///
/// # Errors
/// As [`unpad`].
pub(crate) fn unpad_parts(padded: &[u8], behind: usize) -> Result<(&[u8], &[u8]), PadError> {
    let mut reader = ByteReader::new(padded);
    let len = reader
        .u32()
        .and_then(|len| usize::try_from(len).ok())
        .ok_or(PadError::Length)?;
    let payload = reader.take(len).ok_or(PadError::Length)?;
    let part = reader.take(behind).ok_or(PadError::Length)?;
    // Without an early end the compiler takes many bytes at once; which byte is wrong matters to nobody.
    if reader.rest().iter().fold(0, |seen, byte| seen | byte) != 0 {
        return Err(PadError::NotZero);
    }
    Ok((payload, part))
}

/// Why a payload could not be padded or unpadded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PadError {
    /// The payload is too long for the envelope.
    #[error("a payload of {got} bytes is over the limit of {max}")]
    TooLong {
        /// Its length.
        got: usize,
        /// Length that fits.
        max: usize,
    },
    /// The length in front reaches past the end.
    #[error("the padded payload is cut short")]
    Length,
    /// The padding is not zeros.
    #[error("the padding is not zeros")]
    NotZero,
}

/// Tag of a first contact: MAC(token, "first contact tag", day)[0..8].
#[must_use]
pub fn first_contact_tag(token: &[u8; 16], day: u16) -> [u8; 8] {
    tag(kdf::mac(token, Purpose::FIRST_CONTACT_TAG, &[&day.to_be_bytes()]))
}

/// Tag of a session's direction, or of a sender chain: MAC(tag key, "envelope tag", day)[0..8].
pub(crate) fn session_tag(tag_key: &[u8; 32], day: u16) -> [u8; 8] {
    tag(kdf::mac(tag_key, Purpose::ENVELOPE_TAG, &[&day.to_be_bytes()]))
}

fn tag(mac: [u8; 32]) -> [u8; 8] {
    let [t0, t1, t2, t3, t4, t5, t6, t7, ..] = mac;
    [t0, t1, t2, t3, t4, t5, t6, t7]
}

/// The gossip topic (0–7) of direct envelopes for `recipient` on `day`.
#[must_use]
pub fn shard(recipient: &UserId, day: u16) -> u8 {
    shard_of(Purpose::DIRECT_SHARD, recipient.as_bytes(), day)
}

/// The gossip topic (0–7) of the envelopes of `room` on `day`.
#[must_use]
pub fn room_shard(room: &ConversationId, day: u16) -> u8 {
    shard_of(Purpose::ROOM_SHARD, room.as_bytes(), day)
}

fn shard_of(purpose: Purpose, id: &[u8; 32], day: u16) -> u8 {
    let [first, ..] = kdf::hash(purpose, &[id, &month_of(day).to_be_bytes()]);
    first % SHARDS
}

/// The day of a time in ms.
#[must_use]
pub fn day_of(ms: u64) -> u16 {
    u16::try_from(ms / DAY_MS).unwrap_or(u16::MAX)
}

/// (year − 1970) × 12 + month − 1 of a day in UTC.
fn month_of(day: u16) -> u32 {
    let mut rest = u32::from(day);
    let mut months = 0;
    for year in 1970u32.. {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        for length in [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            match rest.checked_sub(length) {
                Some(left) => rest = left,
                None => return months,
            }
            months = u32::saturating_add(months, 1);
        }
    }
    months
}

#[cfg(test)]
mod tests;
