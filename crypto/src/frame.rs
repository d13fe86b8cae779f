//! Frames of the sync stream, opened: `type u8 || body` (PROTOCOL.md section 9).
//!
//! Sealing and counters are in `stream`; what is sent when is decided elsewhere.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::body::{Ext, MAX_EXT};
use crate::codec::{ByteReader, DecodeError, decode_strict, encode};
use crate::control::{Control, ControlError, ControlId, Have, MAX_RECEIVED, limit};
use crate::event::MAX_WIRE_EVENT;
use crate::ids::{ConversationId, EventId};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Largest frame before sealing: 256 KiB.
pub const MAX_FRAME: usize = 262_144;
/// Version said in [`Hello`].
pub const SYNC_VERSION: u16 = 1;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Type 0: the first frame of each side.
    Hello(Hello),
    /// Type 1.
    Have(Have),
    /// Type 2: wire events of one conversation, not yet decoded.
    Events {
        /// The conversation.
        conversation: ConversationId,
        /// The wire events.
        events: Vec<Vec<u8>>,
    },
    /// Type 3.
    Control {
        /// Its id.
        id: ControlId,
        /// The control.
        control: Control,
    },
    /// Type 4: acknowledges controls.
    Received {
        /// The controls, at most 256.
        ids: Vec<ControlId>,
    },
    /// Type 5: the sender's next frame uses the next key.
    Rekey,
    /// Type 6: asks for events that others name and the sender lacks.
    Want {
        /// The conversation.
        conversation: ConversationId,
        /// The events, at most 256.
        ids: Vec<EventId>,
    },
    /// Type 7: whether the sender's user writes something in a conversation just now. Never stored.
    Typing {
        /// The conversation.
        conversation: ConversationId,
        /// Whether they do.
        typing: bool,
    },
    /// Type 8: whether the sender's user is there. Never stored.
    Presence(Presence),
}

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Presence {
    /// Their node runs, and they do not look.
    Away = 0,
    /// They look.
    Online = 1,
    /// They do not tell: what was told before is to be forgotten.
    Hidden = 2,
}

impl Presence {
    fn from_byte(byte: u8) -> Result<Self, ControlError> {
        match byte {
            0 => Ok(Self::Away),
            1 => Ok(Self::Online),
            2 => Ok(Self::Hidden),
            _ => Err(ControlError::NeedsNewerVersion),
        }
    }
}

/// How each side opens a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`SYNC_VERSION`].
    pub version: u16,
    /// The sender's wall clock, ms.
    pub wall_time_ms: u64,
    /// Version of the sender's device list.
    pub list_version: u32,
    /// First 8 bytes of its hash.
    pub list_hash: [u8; 8],
    /// Serial of the sender's current prekey bundle.
    pub bundle_serial: u32,
    /// Fields of later versions.
    pub ext: Ext,
}

#[derive(Serialize, Deserialize)]
struct Events {
    conversation: ConversationId,
    events: Vec<ByteBuf>,
}

impl Frame {
    /// `type u8 || body`, at most 256 KiB.
    ///
    /// # Errors
    /// When it breaks a limit.
    pub fn encode(&self) -> Result<Vec<u8>, ControlError> {
        let (kind, body) = match self {
            Self::Hello(hello) => (0, {
                limit("ext", hello.ext.len(), MAX_EXT)?;
                encode(hello)
            }),
            Self::Have(have) => (1, {
                have.validate()?;
                encode(have)
            }),
            Self::Events { conversation, events } => (2, {
                check_events(events.iter().map(Vec::len))?;
                let events: Vec<&serde_bytes::Bytes> = events.iter().map(|event| event.as_slice().into()).collect();
                encode(&(conversation, events))
            }),
            Self::Control { id, control } => (3, [id.as_slice(), control.encode()?.as_slice()].concat()),
            Self::Received { ids } => (4, {
                limit("ids", ids.len(), MAX_RECEIVED)?;
                encode(ids)
            }),
            Self::Rekey => (5, Vec::new()),
            Self::Want { conversation, ids } => (6, {
                limit("ids", ids.len(), MAX_RECEIVED)?;
                encode(&(conversation, ids))
            }),
            Self::Typing { conversation, typing } => (7, encode(&(conversation, typing))),
            Self::Presence(presence) => (8, vec![*presence as u8]),
        };
        limit("frame", body.len().saturating_add(1), MAX_FRAME)?;
        Ok([&[kind], body.as_slice()].concat())
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// See [`ControlError`]; `NeedsNewerVersion` for an unknown type.
    pub fn decode(bytes: &[u8]) -> Result<Self, ControlError> {
        limit("frame", bytes.len(), MAX_FRAME)?;
        let mut reader = ByteReader::new(bytes);
        match reader.u8().ok_or(DecodeError::Malformed)? {
            0 => {
                let hello: Hello = decode_strict(reader.rest(), MAX_FRAME)?;
                limit("ext", hello.ext.len(), MAX_EXT)?;
                Ok(Self::Hello(hello))
            }
            1 => {
                let have: Have = decode_strict(reader.rest(), MAX_FRAME)?;
                have.validate()?;
                Ok(Self::Have(have))
            }
            2 => {
                let Events { conversation, events } = decode_strict(reader.rest(), MAX_FRAME)?;
                check_events(events.iter().map(|event| event.len()))?;
                Ok(Self::Events {
                    conversation,
                    events: events.into_iter().map(ByteBuf::into_vec).collect(),
                })
            }
            3 => {
                let id = reader.array().ok_or(DecodeError::Malformed)?;
                Ok(Self::Control {
                    id,
                    control: Control::decode(reader.rest())?,
                })
            }
            4 => {
                let ids: Vec<ControlId> = decode_strict(reader.rest(), MAX_FRAME)?;
                limit("ids", ids.len(), MAX_RECEIVED)?;
                Ok(Self::Received { ids })
            }
            5 if reader.is_empty() => Ok(Self::Rekey),
            5 => Err(DecodeError::Trailing { bytes: reader.len() }.into()),
            6 => {
                let (conversation, ids): (ConversationId, Vec<EventId>) = decode_strict(reader.rest(), MAX_FRAME)?;
                limit("ids", ids.len(), MAX_RECEIVED)?;
                Ok(Self::Want { conversation, ids })
            }
            7 => {
                let (conversation, typing) = decode_strict(reader.rest(), MAX_FRAME)?;
                Ok(Self::Typing { conversation, typing })
            }
            8 => {
                let state: u8 = decode_strict(reader.rest(), MAX_FRAME)?;
                Ok(Self::Presence(Presence::from_byte(state)?))
            }
            _ => Err(ControlError::NeedsNewerVersion),
        }
    }
}

fn check_events(lengths: impl Iterator<Item = usize>) -> Result<(), ControlError> {
    for length in lengths {
        limit("event", length, MAX_WIRE_EVENT)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
