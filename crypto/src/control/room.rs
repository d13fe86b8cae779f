//! The controls of rooms (PROTOCOL.md section 11): limits.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::{Control, ControlError, MAX_CONTROL, MAX_NAME, MAX_REQUEST_NOTE, limit};
use crate::body::{Ext, MAX_EXT};
use crate::event::MAX_WIRE_EVENT;
use crate::ids::{ConversationId, UserId};
use crate::room::{MAX_SHARED, SharedChain};
use serde::{Deserialize, Serialize};

/// Most chains asked for at once.
pub const MAX_KEY_REQUESTS: usize = 64;
/// Most heads of a control.
pub const MAX_ROOM_HEADS: usize = 1_024;
/// Most wire events of a control.
pub const MAX_ROOM_EVENTS: usize = 64;

/// Longest reason of a report, bytes of UTF-8.
pub const MAX_REPORT_REASON: usize = 512;

/// Asks a member to be let into a room.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomAsk {
    /// The room.
    pub room: ConversationId,
    /// The token of the link; nothing from who knocks.
    pub token: Option<[u8; 16]>,
    /// The asker's name, at most 64 bytes.
    pub name: String,
    /// The asker's device list, signed form, not yet verified.
    #[serde(with = "serde_bytes")]
    pub device_list: Vec<u8>,
    /// What the asker says to it, at most 512 bytes.
    pub note: String,
    /// Fields of later versions.
    pub ext: Ext,
}

impl std::fmt::Debug for RoomAsk {
    /// Leaves out the token and the texts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoomAsk")
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}

/// Tells who knocks at a room, from the device where they do.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomKnock {
    /// The room.
    pub room: ConversationId,
    /// Who knocks.
    pub user: UserId,
    /// When they did, ms.
    pub at: u64,
    /// What they call themselves, at most 64 bytes.
    pub name: String,
    /// What they say to it, at most 512 bytes.
    pub note: String,
    /// Fields of later versions.
    pub ext: Ext,
}

impl std::fmt::Debug for RoomKnock {
    /// Leaves out the texts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoomKnock")
            .field("room", &self.room)
            .field("user", &self.user)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Whether a control of rooms keeps its limits; of others nothing is said.
pub(super) fn validate(control: &Control) -> Result<(), ControlError> {
    match control {
        Control::SenderChain { chains, ext } => {
            some("chains", chains.len(), MAX_SHARED)?;
            chains.iter().try_for_each(SharedChain::validate)?;
            limit("ext", ext.len(), MAX_EXT)
        }
        Control::KeyRequest { chains, ext, .. } => {
            some("chains", chains.len(), MAX_KEY_REQUESTS)?;
            limit("ext", ext.len(), MAX_EXT)
        }
        Control::RoomAsk(ask) => {
            limit("name", ask.name.len(), MAX_NAME)?;
            limit("device list", ask.device_list.len(), MAX_CONTROL)?;
            limit("note", ask.note.len(), MAX_REQUEST_NOTE)?;
            limit("ext", ask.ext.len(), MAX_EXT)
        }
        Control::RoomWelcome { create, heads, ext, .. } => {
            limit("create", create.len(), MAX_WIRE_EVENT)?;
            limit("heads", heads.len(), MAX_ROOM_HEADS)?;
            limit("ext", ext.len(), MAX_EXT)
        }
        Control::RoomHeads { heads, ext, .. } => {
            limit("heads", heads.len(), MAX_ROOM_HEADS)?;
            limit("ext", ext.len(), MAX_EXT)
        }
        Control::RoomOperations { events, ext, .. } => {
            some("events", events.len(), MAX_ROOM_EVENTS)?;
            limit("ext", ext.len(), MAX_EXT)
        }
        Control::RoomReport { reason, ext, .. } => {
            limit("reason", reason.len(), MAX_REPORT_REASON)?;
            limit("ext", ext.len(), MAX_EXT)
        }
        Control::RoomKnock(knock) => {
            limit("name", knock.name.len(), MAX_NAME)?;
            limit("note", knock.note.len(), MAX_REQUEST_NOTE)?;
            limit("ext", knock.ext.len(), MAX_EXT)
        }
        Control::RoomRefused { ext, .. } | Control::RoomTurnedAway { ext, .. } => limit("ext", ext.len(), MAX_EXT),
        _ => Ok(()),
    }
}

fn some(field: &'static str, got: usize, max: usize) -> Result<(), ControlError> {
    if got == 0 {
        Err(ControlError::Empty { field })
    } else {
        limit(field, got, max)
    }
}
