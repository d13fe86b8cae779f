//! The header of an event, and why an event is refused.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::codec::{TlvError, TlvReader, TlvWriter};
use crate::ids::{ConversationId, DeviceId, EventId};
use thiserror::Error;

/// Most parents an event can have.
pub const MAX_PARENTS: usize = 8;
const VERSION: u8 = 1;

/// The signed part of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHeader {
    /// Kind of the body.
    pub kind: u16,
    /// Where it is said.
    pub conversation: ConversationId,
    /// The author's device.
    pub device: DeviceId,
    /// Number of the device's log.
    pub log: u32,
    /// Place in the log, from 1.
    pub seq: u64,
    /// The device's event before this one; nothing exactly at seq 1.
    pub prev: Option<EventId>,
    /// Heads the author had seen: ascending, distinct, at most 8.
    pub parents: Vec<EventId>,
    /// Orders events, together with the id; ms.
    pub clock: u64,
    /// Membership view; nothing in direct conversations.
    pub view: Option<[u8; 32]>,
    /// HASH("event body", salt, body).
    pub body_hash: [u8; 32],
}

impl EventHeader {
    /// The one encoding of this header.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let parents: Vec<u8> = self
            .parents
            .iter()
            .take(MAX_PARENTS.saturating_add(1))
            .flat_map(|id| id.as_bytes())
            .copied()
            .collect();
        let mut writer = TlvWriter::new();
        writer
            .field(1, &[VERSION])
            .field(2, &self.kind.to_be_bytes())
            .field(3, self.conversation.as_bytes())
            .field(4, self.device.as_bytes())
            .field(5, &self.log.to_be_bytes())
            .field(6, &self.seq.to_be_bytes());
        if let Some(prev) = &self.prev {
            writer.field(7, prev.as_bytes());
        }
        writer.field(8, &parents).field(9, &self.clock.to_be_bytes());
        if let Some(view) = &self.view {
            writer.field(10, view);
        }
        writer.field(11, &self.body_hash);
        writer.finish()
    }

    /// Reads a header.
    ///
    /// # Errors
    /// See [`EventDecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EventDecodeError> {
        let mut reader = TlvReader::new(bytes);
        let version = reader.u8(1)?;
        if version != VERSION {
            return Err(EventDecodeError::Version { got: version });
        }
        let header = Self {
            kind: reader.u16(2)?,
            conversation: ConversationId::from_bytes(reader.array(3)?),
            device: DeviceId::from_bytes(reader.array(4)?),
            log: reader.u32(5)?,
            seq: reader.u64(6)?,
            prev: optional_hash(&mut reader, 7)?.map(EventId::from_bytes),
            parents: decode_parents(reader.required(8)?)?,
            clock: reader.u64(9)?,
            view: optional_hash(&mut reader, 10)?,
            body_hash: reader.array(11)?,
        };
        reader.finish()?;
        header.check()?;
        Ok(header)
    }

    pub(super) fn check(&self) -> Result<(), EventDecodeError> {
        if self.seq == 0 || (self.seq == 1) != self.prev.is_none() {
            return Err(EventDecodeError::Sequence);
        }
        if self.parents.len() > MAX_PARENTS || !self.parents.is_sorted_by(|one, next| one < next) {
            return Err(EventDecodeError::Parents);
        }
        Ok(())
    }
}

fn optional_hash(reader: &mut TlvReader<'_>, tag: u8) -> Result<Option<[u8; 32]>, TlvError> {
    match reader.optional(tag)? {
        None => Ok(None),
        Some(value) => value
            .try_into()
            .map(Some)
            .map_err(|_| TlvError::Width { tag, got: value.len() }),
    }
}

fn decode_parents(bytes: &[u8]) -> Result<Vec<EventId>, EventDecodeError> {
    let (ids, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(TlvError::Width {
            tag: 8,
            got: bytes.len(),
        }
        .into());
    }
    if ids.len() > MAX_PARENTS {
        return Err(EventDecodeError::Parents);
    }
    Ok(ids.iter().copied().map(EventId::from_bytes).collect())
}

/// Why bytes are not a wire event.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EventDecodeError {
    /// Not of the fixed form.
    #[error("the event is not of its form")]
    Layout(#[from] TlvError),
    /// Over 45 056 bytes.
    #[error("the event has {got} bytes, over the limit of 45056")]
    TooLong {
        /// Length found.
        got: usize,
    },
    /// Made by a newer version.
    #[error("the event has the unknown version {got}")]
    Version {
        /// Version found.
        got: u8,
    },
    /// Seq 0, or the event before it is named at seq 1 or missing elsewhere.
    #[error("the event does not name its predecessor as it must")]
    Sequence,
    /// More than 8 parents, or not ascending.
    #[error("the parents of the event are too many or not in order")]
    Parents,
    /// Neither whole nor a stub.
    #[error("the event has the unknown form {got}")]
    Form {
        /// Form found.
        got: u8,
    },
    /// Salt and body do not give the hash in the header.
    #[error("the body does not belong to the event")]
    BodyHash,
}
