//! Controls: what devices tell each other outside of any log (PROTOCOL.md section 8), and the payload that carries a
//! control or an event through a session (section 5).
//!
//! Resending, acknowledging and acting on a control happen elsewhere.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::body::{Ext, MAX_EXT};
use crate::codec::{ByteReader, DecodeError, decode_strict, encode, variant_index};
use crate::envelope::MAX_ENVELOPE;
use crate::ids::{ConversationId, DeviceId, EventId, UserId};
use crate::intervals::{Intervals, MAX_INTERVALS};
use crate::invite::MAX_INVITE;
use crate::room::{ChainId, SharedChain};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

mod room;

pub use room::{MAX_KEY_REQUESTS, MAX_REPORT_REASON, MAX_ROOM_EVENTS, MAX_ROOM_HEADS, RoomAsk, RoomKnock};

/// 16 random bytes; the same control keeps its id when it is sent again.
pub type ControlId = [u8; 16];

/// Largest encoded control.
pub const MAX_CONTROL: usize = MAX_ENVELOPE;
/// Longest profile name, bytes of UTF-8.
pub const MAX_NAME: usize = 64;
/// Longest peer id.
pub const MAX_PEER: usize = 64;
/// Longest text of a contact request, bytes of UTF-8.
pub const MAX_REQUEST_NOTE: usize = 512;
/// Most addresses of a profile.
pub const MAX_ADDRESSES: usize = 8;
/// Bytes of one address.
pub(crate) const MAX_ADDRESS: usize = 256;
/// Most logs of a [`Have`].
pub const MAX_LOGS: usize = 256;
/// Most ids of an acknowledgement.
pub const MAX_RECEIVED: usize = 256;

/// A control; grows at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// The first thing said to a new contact.
    ContactHello {
        /// The token of the invite that was used.
        token: Option<[u8; 16]>,
        /// The sender's card.
        profile: Profile,
        /// Fields of later versions.
        ext: Ext,
    },
    /// The answer that makes two users contacts.
    ContactAccept {
        /// The sender's card.
        profile: Profile,
        /// Fields of later versions.
        ext: Ext,
    },
    /// The sender's current card, after any change of it.
    Contact {
        /// The sender's card.
        profile: Profile,
        /// Fields of later versions.
        ext: Ext,
    },
    /// What the sender holds on disk; not itself acknowledged.
    Have(Have),
    /// Acknowledges controls; not itself acknowledged.
    Received {
        /// The controls, at most 256.
        ids: Vec<ControlId>,
    },
    /// The sender's user has read a conversation up to here, in the order of (clock, event id).
    Read(ReadMark),
    /// Asks the recipient to become a contact; in an envelope that asks, and nowhere else.
    ContactRequest {
        /// An invite of the sender's, for the recipient alone; at most 400 characters.
        link: String,
        /// What the sender says to it, at most 512 bytes.
        note: String,
        /// Fields of later versions.
        ext: Ext,
    },
    /// Hands over sender chains.
    SenderChain {
        /// The chains, 1–32.
        chains: Vec<SharedChain>,
        /// Fields of later versions.
        ext: Ext,
    },
    /// Asks for sender chains that are missing.
    KeyRequest {
        /// The room.
        room: ConversationId,
        /// Whose chains, and which, 1–64.
        chains: Vec<(DeviceId, ChainId)>,
        /// Fields of later versions.
        ext: Ext,
    },
    /// Asks a member to be let into a room.
    RoomAsk(RoomAsk),
    /// Says that a room can be joined, and with what.
    RoomWelcome {
        /// The room.
        room: ConversationId,
        /// The wire event that made it.
        #[serde(with = "serde_bytes")]
        create: Vec<u8>,
        /// Heads of the operations the sender holds, at most 1 024.
        heads: Vec<EventId>,
        /// Fields of later versions.
        ext: Ext,
    },
    /// Says that a room cannot be joined.
    RoomRefused {
        /// The room.
        room: ConversationId,
        /// Why; numbers above 5 mean the same as 0.
        reason: u8,
        /// Fields of later versions.
        ext: Ext,
    },
    /// Heads of the operations the sender holds, or of a view that was asked for.
    RoomHeads {
        /// The room.
        room: ConversationId,
        /// The heads, at most 1 024.
        heads: Vec<EventId>,
        /// Fields of later versions.
        ext: Ext,
    },
    /// Operations, ancestors first.
    RoomOperations {
        /// The room.
        room: ConversationId,
        /// Wire events, 1–64.
        events: Vec<ByteBuf>,
        /// Fields of later versions.
        ext: Ext,
    },
    /// Tells those who keep order in a room of a message in it.
    RoomReport {
        /// The room.
        room: ConversationId,
        /// The message.
        target: EventId,
        /// What is wrong with it, at most 512 bytes.
        reason: String,
        /// Fields of later versions.
        ext: Ext,
    },
    /// Tells those who may let others into a room who knocks at it.
    RoomKnock(RoomKnock),
    /// Tells them that somebody was turned away.
    RoomTurnedAway {
        /// The room.
        room: ConversationId,
        /// Who knocked.
        user: UserId,
        /// When they were, ms: whatever they asked until then is answered.
        at: u64,
        /// Fields of later versions.
        ext: Ext,
    },
}

/// Number of [`Control`] variants this version knows.
const KNOWN_CONTROLS: u32 = 17;

/// How far a user has read a conversation: a place in the order of (clock, event id). The larger of two counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMark {
    /// The conversation.
    pub conversation: ConversationId,
    /// Clock of the last event read, ms.
    pub clock: u64,
    /// That event.
    pub event: EventId,
}

/// A user's card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Display name, at most 64 bytes.
    pub name: String,
    /// Device list, signed form, not yet verified.
    #[serde(with = "serde_bytes")]
    pub device_list: Vec<u8>,
    /// Prekey bundle, signed form, not yet verified.
    #[serde(with = "serde_bytes")]
    pub bundle: Vec<u8>,
    /// libp2p peer id, at most 64 bytes.
    #[serde(with = "serde_bytes")]
    pub peer: Vec<u8>,
    /// Multiaddresses, at most 8.
    pub addresses: Vec<Vec<u8>>,
    /// Fields of later versions.
    pub ext: Ext,
}

/// What someone holds of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Have {
    /// The conversation.
    pub conversation: ConversationId,
    /// Whether `logs` names every log that is held.
    pub full: bool,
    /// The logs, at most 256.
    pub logs: Vec<LogHave>,
}

/// What someone holds of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHave {
    /// Whose log.
    pub device: DeviceId,
    /// Number of the log.
    pub log: u32,
    /// The seqs held: at most 64 intervals, from 1.
    pub have: Intervals,
}

impl Control {
    /// The bytes of this control.
    ///
    /// # Errors
    /// When it breaks a limit.
    pub fn encode(&self) -> Result<Vec<u8>, ControlError> {
        self.validate()?;
        let bytes = encode(self);
        limit("control", bytes.len(), MAX_CONTROL)?;
        Ok(bytes)
    }

    /// Reads a control.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ControlError> {
        if variant_index(bytes).is_some_and(|index| index >= KNOWN_CONTROLS) {
            return Err(ControlError::NeedsNewerVersion);
        }
        let control: Self = decode_strict(bytes, MAX_CONTROL)?;
        control.validate()?;
        Ok(control)
    }

    /// Whether it is itself acknowledged by the other side.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        !matches!(self, Self::Have(_) | Self::Received { .. })
    }

    /// Whether every limit is kept.
    ///
    /// # Errors
    /// Names the limit that is not.
    pub fn validate(&self) -> Result<(), ControlError> {
        match self {
            Self::ContactHello { profile, ext, .. }
            | Self::ContactAccept { profile, ext }
            | Self::Contact { profile, ext } => {
                profile.validate()?;
                limit("ext", ext.len(), MAX_EXT)
            }
            Self::Have(have) => have.validate(),
            Self::Received { ids } => limit("ids", ids.len(), MAX_RECEIVED),
            Self::Read(_) => Ok(()),
            Self::ContactRequest { link, note, ext } => {
                limit("link", link.len(), MAX_INVITE)?;
                limit("note", note.len(), MAX_REQUEST_NOTE)?;
                limit("ext", ext.len(), MAX_EXT)
            }
            Self::SenderChain { .. }
            | Self::KeyRequest { .. }
            | Self::RoomAsk(_)
            | Self::RoomWelcome { .. }
            | Self::RoomRefused { .. }
            | Self::RoomHeads { .. }
            | Self::RoomOperations { .. }
            | Self::RoomReport { .. }
            | Self::RoomKnock(_)
            | Self::RoomTurnedAway { .. } => room::validate(self),
        }
    }
}

impl Profile {
    fn validate(&self) -> Result<(), ControlError> {
        limit("name", self.name.len(), MAX_NAME)?;
        limit("peer", self.peer.len(), MAX_PEER)?;
        limit("addresses", self.addresses.len(), MAX_ADDRESSES)?;
        for address in &self.addresses {
            limit("address", address.len(), MAX_ADDRESS)?;
        }
        limit("ext", self.ext.len(), MAX_EXT)
    }
}

impl Have {
    /// Whether every limit is kept.
    ///
    /// # Errors
    /// Names the limit that is not.
    pub fn validate(&self) -> Result<(), ControlError> {
        limit("logs", self.logs.len(), MAX_LOGS)?;
        for log in &self.logs {
            limit("intervals", log.have.as_slice().len(), MAX_INTERVALS)?;
            if log.have.contains(0) {
                return Err(ControlError::SeqZero);
            }
        }
        Ok(())
    }
}

pub(crate) fn limit(field: &'static str, got: usize, max: usize) -> Result<(), ControlError> {
    if got > max {
        Err(ControlError::OverLimit { field, got, max })
    } else {
        Ok(())
    }
}

/// What a session carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Kind 1: a wire event, not yet decoded.
    Event(Vec<u8>),
    /// Kind 2: a control and its id.
    Control {
        /// Its id.
        id: ControlId,
        /// The control.
        control: Control,
    },
}

pub(crate) const PAYLOAD_EVENT: u8 = 1;
const PAYLOAD_CONTROL: u8 = 2;

impl Payload {
    /// `kind u8 || rest`.
    ///
    /// # Errors
    /// When a control breaks a limit.
    pub fn encode(&self) -> Result<Vec<u8>, ControlError> {
        match self {
            Self::Event(wire) => Ok([&[PAYLOAD_EVENT], wire.as_slice()].concat()),
            Self::Control { id, control } => {
                Ok([&[PAYLOAD_CONTROL], id.as_slice(), control.encode()?.as_slice()].concat())
            }
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// `NeedsNewerVersion` for an unknown kind or control.
    pub fn decode(bytes: &[u8]) -> Result<Self, ControlError> {
        let mut reader = ByteReader::new(bytes);
        match reader.u8().ok_or(DecodeError::Malformed)? {
            PAYLOAD_EVENT => Ok(Self::Event(reader.rest().to_vec())),
            PAYLOAD_CONTROL => {
                let id = reader.array().ok_or(DecodeError::Malformed)?;
                Ok(Self::Control {
                    id,
                    control: Control::decode(reader.rest())?,
                })
            }
            _ => Err(ControlError::NeedsNewerVersion),
        }
    }
}

/// Why a control or payload cannot be read or written.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ControlError {
    /// This version does not know it.
    #[error("the control needs a newer version")]
    NeedsNewerVersion,
    /// Not an encoding of it.
    #[error("the control is not of its form")]
    Malformed(#[from] DecodeError),
    /// Claims to hold an event that cannot exist.
    #[error("the control names seq 0")]
    SeqZero,
    /// Nothing of what it is for.
    #[error("{field} is empty")]
    Empty {
        /// The field.
        field: &'static str,
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
