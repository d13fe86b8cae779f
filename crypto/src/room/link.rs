//! Links into a room (PROTOCOL.md section 11): an invite to one of its members' devices that names the room.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::ids::ConversationId;
use crate::invite::{Invite, InviteError, decode_room, encode_room};
use std::fmt;

/// A link into a room.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomLink {
    /// Where to ask, and with which token; the name is the room's.
    pub invite: Invite,
    /// The room.
    pub room: ConversationId,
}

impl RoomLink {
    /// The link, at most 400 characters; addresses that do not fit are left out.
    #[must_use]
    pub fn to_link(&self) -> String {
        encode_room(&self.invite, &self.room)
    }

    /// Reads a link; white space around it does not matter.
    ///
    /// # Errors
    /// See [`InviteError`]. Expiry is not an error here.
    pub fn parse(text: &str) -> Result<Self, InviteError> {
        let (invite, room) = decode_room(text)?;
        Ok(Self { invite, room })
    }
}

impl fmt::Debug for RoomLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomLink")
            .field("room", &self.room)
            .field("invite", &self.invite)
            .finish()
    }
}
