//! Operations: who makes, joins, leaves and rules a room (PROTOCOL.md section 11).
//!
//! [`Operation`] is a body; [`RoomOperation`] (`read`) is one by a device whose certificate is known, checked as far as that goes alone.
//! Whether it counts is for the set it is in to say: `membership`.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod read;

#[cfg(test)]
pub(super) use read::Listed;
pub use read::RoomOperation;

use super::rules::Policy;
use crate::body::{Ext, MAX_EXT};
use crate::card::MAX_AVATAR;
use crate::codec::{DecodeError, decode_strict, encode, variant_index};
use crate::device_list::ListError;
use crate::event::{EventHeader, MAX_WIRE_EVENT};
use crate::ids::{ConversationId, DeviceId, EventId, UserId};
use crate::kdf::{Purpose, hash};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

/// Event kind of an [`Operation`].
pub const KIND_OPERATION: u16 = 7;
/// Bytes of all values in the ext of an operation.
pub(crate) const MAX_OPERATION_EXT: usize = 8_192;
/// Most parents of an operation.
pub const MAX_OP_PARENTS: usize = 16;
/// Most operations of a device in a room.
pub const MAX_OP_SEQ: u32 = 65_535;
/// Longest name of a room, bytes of UTF-8.
pub const MAX_ROOM_NAME: usize = 128;
/// Longest topic, bytes of UTF-8.
pub const MAX_TOPIC: usize = 1024;
/// Longest reason of a removal, bytes of UTF-8.
pub const MAX_REASON: usize = 256;
/// Most logs whose end is named.
pub const MAX_LAST_SEQS: usize = 64;
/// Most uses of a limited link.
pub const MAX_LINK_USES: u32 = 10_000;

/// The body of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The author device's user.
    pub user: UserId,
    /// Number among the device's operations in the room, from 1.
    pub op_seq: u32,
    /// The heads its author knew: ascending, distinct, at most 16.
    pub parents: Vec<EventId>,
    /// What is done.
    pub act: Act,
    /// Fields of later versions.
    pub ext: Ext,
}

/// What an operation does; grows at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Makes the room.
    Create {
        /// Its name, and more.
        info: Info,
        /// Its rules.
        policy: Policy,
        /// The creator's device list, signed form.
        #[serde(with = "serde_bytes")]
        device_list: Vec<u8>,
    },
    /// Changes what the room is called and looks like.
    Info(Info),
    /// Changes the rules.
    Policy(Policy),
    /// Lets a user join.
    Invite {
        /// Who.
        user: UserId,
        /// As what: 1 guest, 2 member.
        role: u8,
        /// The link that was shown, and the number of its use.
        link: Option<LinkUse>,
    },
    /// Comes in.
    Join {
        /// What it was invited with; nothing in a public room.
        invite: Option<EventId>,
        /// The user's device list, signed form.
        #[serde(with = "serde_bytes")]
        device_list: Vec<u8>,
    },
    /// Goes.
    Leave,
    /// Removes a user, or a device of theirs.
    Remove {
        /// Who.
        user: UserId,
        /// The device, if it is not all of them.
        device: Option<DeviceId>,
        /// Whether they are kept out.
        ban: bool,
        /// Whether what they sent around the removal is hidden.
        purge: bool,
        /// The last content seen of their devices, at most 64.
        logs: Vec<LastSeq>,
        /// Why, at most 256 bytes.
        reason: String,
    },
    /// Lets a banned user be invited again.
    Unban {
        /// Who.
        user: UserId,
    },
    /// Gives a rank.
    Role {
        /// To whom.
        user: UserId,
        /// Which, 1–4.
        role: u8,
    },
    /// Gives the room to another member.
    Transfer {
        /// To whom.
        user: UserId,
    },
    /// Makes a link.
    Link {
        /// HASH("room link token", token).
        token: [u8; 32],
        /// What those who come with it are: 1 guest, 2 member.
        role: u8,
        /// How often it can be used; nothing: without limit.
        uses: Option<u32>,
        /// Until when, ms.
        expires: Option<u64>,
    },
    /// Ends a link.
    RevokeLink {
        /// Which.
        link: EventId,
    },
    /// Tells of the author's devices.
    Devices {
        /// Their device list, signed form.
        #[serde(with = "serde_bytes")]
        device_list: Vec<u8>,
        /// The last content seen of those that the list revokes, at most 64.
        logs: Vec<LastSeq>,
    },
}

/// Number of [`Act`] variants this version knows.
pub const KNOWN_ACTS: u32 = 13;

/// What a room is called and looks like; what is absent stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Name, 1–128 bytes.
    pub name: Option<String>,
    /// Topic, at most 1024 bytes; empty: none.
    pub topic: Option<String>,
    /// Picture, at most 24 KiB; empty: none.
    pub avatar: Option<ByteBuf>,
}

/// A link and the number of its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkUse {
    /// The operation that made the link.
    pub link: EventId,
    /// Which use, from 1; 0 where they are not counted.
    pub number: u32,
}

/// The last content of a log that somebody held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSeq {
    /// Whose log.
    pub device: DeviceId,
    /// Number of the log.
    pub log: u32,
    /// The seq; 0: nothing.
    pub seq: u64,
}

impl Operation {
    /// The bytes of this body.
    ///
    /// # Errors
    /// When it breaks a limit.
    pub fn encode(&self) -> Result<Vec<u8>, OperationError> {
        self.validate()?;
        Ok(encode(self))
    }

    /// Reads an operation.
    ///
    /// # Errors
    /// See [`OperationError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, OperationError> {
        if is_of_later_version(bytes) {
            return Err(OperationError::NeedsNewerVersion);
        }
        let operation: Self = decode_strict(bytes, MAX_WIRE_EVENT)?;
        operation.validate()?;
        Ok(operation)
    }

    fn validate(&self) -> Result<(), OperationError> {
        check_place(self.op_seq, &self.parents)?;
        limit("ext", self.ext.len(), MAX_EXT)?;
        let bytes = self.ext.iter().map(|(_, value)| value.len());
        limit("ext bytes", bytes.fold(0, usize::saturating_add), MAX_OPERATION_EXT)?;
        let begins = matches!(self.act, Act::Create { .. });
        if begins != self.parents.is_empty() || (begins && self.op_seq != 1) {
            return Err(OperationError::Parents);
        }
        self.act.validate()
    }
}

impl Act {
    fn validate(&self) -> Result<(), OperationError> {
        match self {
            Self::Create { info, policy, .. } => {
                if info.name.is_none() {
                    return Err(OperationError::Name);
                }
                info.validate()?;
                policy.validate()
            }
            Self::Info(info) => info.validate(),
            Self::Policy(policy) => policy.validate(),
            Self::Invite { role, .. } => check_role(*role, 2),
            Self::Remove {
                device,
                ban,
                logs,
                reason,
                ..
            } => {
                if device.is_some() && *ban {
                    return Err(OperationError::DeviceBan);
                }
                limit("logs", logs.len(), MAX_LAST_SEQS)?;
                limit("reason", reason.len(), MAX_REASON)
            }
            Self::Role { role, .. } => check_role(*role, 4),
            Self::Link { role, uses, .. } => match uses {
                Some(0 | MAX_LINK_USES_EXCEEDED..) => Err(OperationError::Uses),
                _ => check_role(*role, 2),
            },
            Self::Devices { logs, .. } => limit("logs", logs.len(), MAX_LAST_SEQS),
            Self::Join { .. } | Self::Leave | Self::Unban { .. } | Self::Transfer { .. } | Self::RevokeLink { .. } => {
                Ok(())
            }
        }
    }

    fn device_list(&self) -> Option<&[u8]> {
        match self {
            Self::Create { device_list, .. } | Self::Join { device_list, .. } | Self::Devices { device_list, .. } => {
                Some(device_list)
            }
            _ => None,
        }
    }
}

const MAX_LINK_USES_EXCEEDED: u32 = MAX_LINK_USES + 1;

impl Info {
    fn validate(&self) -> Result<(), OperationError> {
        if let Some(name) = &self.name {
            if name.is_empty() {
                return Err(OperationError::Name);
            }
            limit("name", name.len(), MAX_ROOM_NAME)?;
        }
        limit("topic", self.topic.as_ref().map_or(0, String::len), MAX_TOPIC)?;
        limit(
            "avatar",
            self.avatar.as_ref().map_or(0, |avatar| avatar.len()),
            MAX_AVATAR,
        )
    }
}

fn check_place(op_seq: u32, parents: &[EventId]) -> Result<(), OperationError> {
    if !(1..=MAX_OP_SEQ).contains(&op_seq) {
        return Err(OperationError::Sequence { got: op_seq });
    }
    if parents.len() > MAX_OP_PARENTS || !parents.is_sorted_by(|one, next| one < next) {
        return Err(OperationError::Parents);
    }
    Ok(())
}

fn check_role(role: u8, most: u8) -> Result<(), OperationError> {
    if (1..=most).contains(&role) {
        Ok(())
    } else {
        Err(OperationError::Role { got: role })
    }
}

fn limit(field: &'static str, got: usize, max: usize) -> Result<(), OperationError> {
    if got > max {
        Err(OperationError::OverLimit { field, got, max })
    } else {
        Ok(())
    }
}

/// Where an operation stands: what those of later versions begin with, too.
type Place = (UserId, u32, Vec<EventId>);

fn is_of_later_version(bytes: &[u8]) -> bool {
    postcard::take_from_bytes::<Place>(bytes)
        .is_ok_and(|(_, rest)| variant_index(rest).is_some_and(|index| index >= KNOWN_ACTS))
}

/// R = HASH("room", header with 32 zero bytes as its conversation).
#[must_use]
pub fn room_id(header: &EventHeader) -> ConversationId {
    let unnamed = EventHeader {
        conversation: ConversationId::from_bytes([0; 32]),
        ..header.clone()
    };
    ConversationId::from_bytes(hash(Purpose::ROOM, &[&unnamed.encode()]))
}

/// HASH("membership view", room, heads): what an event says of the operations its author had. `heads` ascend.
#[must_use]
pub fn membership_view<'a>(room: &ConversationId, heads: impl IntoIterator<Item = &'a EventId>) -> [u8; 32] {
    let heads = heads.into_iter().map(|head| head.as_bytes().as_slice());
    let fields: Vec<&[u8]> = std::iter::once(room.as_bytes().as_slice()).chain(heads).collect();
    hash(Purpose::MEMBERSHIP_VIEW, &fields)
}

/// HASH("room link token", token): what a link operation says of its token.
#[must_use]
pub fn link_token_hash(token: &[u8; 16]) -> [u8; 32] {
    hash(Purpose::ROOM_LINK_TOKEN, &[token])
}

/// Why an operation cannot be read or written.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OperationError {
    /// Another kind of event, or one without a body.
    #[error("the event is not an operation")]
    NotAnOperation,
    /// This version does not know the act.
    #[error("the operation needs a newer version")]
    NeedsNewerVersion,
    /// Not an encoding of one.
    #[error("the operation is not of its form")]
    Malformed(#[from] DecodeError),
    /// It is not by who it says, or carries another user's device list.
    #[error("the operation is not by the user it names")]
    Author,
    /// A create operation of another room than it says.
    #[error("the create operation does not give the id of the room")]
    Room,
    /// Its number is out of bounds.
    #[error("the operation has number {got}, which is not between 1 and 65535")]
    Sequence {
        /// Number found.
        got: u32,
    },
    /// Too many, out of order, missing, or there where none may be.
    #[error("the parents of the operation are not as they must be")]
    Parents,
    /// A rank that cannot be given like this.
    #[error("the operation gives the rank {got}")]
    Role {
        /// Rank found.
        got: u8,
    },
    /// Users are banned, devices are not.
    #[error("the operation bans a device")]
    DeviceBan,
    /// A number of uses that no link has.
    #[error("the link is for no use, or for too many")]
    Uses,
    /// A policy outside of its bounds.
    #[error("the policy is out of bounds")]
    Policy,
    /// A room without a name.
    #[error("the name of the room is empty")]
    Name,
    /// The device list in it does not verify.
    #[error("verifying the device list in the operation")]
    List(#[from] ListError),
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
