//! Operations as their events give them: by whom, in which room, knowing what.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::{Act, KIND_OPERATION, Operation, OperationError, Place, check_place, room_id};
use crate::codec::{DecodeError, encode};
use crate::device::DeviceCert;
use crate::device_list::DeviceList;
use crate::event::{SignedEvent, VerifiedEvent};
use crate::ids::{ConversationId, DeviceId, EventId, UserId};

/// An operation whose author and device list are proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomOperation {
    pub(in crate::room) id: EventId,
    pub(in crate::room) room: ConversationId,
    pub(in crate::room) device: DeviceId,
    pub(in crate::room) user: UserId,
    pub(in crate::room) clock: u64,
    pub(in crate::room) op_seq: u32,
    pub(in crate::room) parents: Vec<EventId>,
    /// Nothing for an act of a later version.
    pub(in crate::room) act: Option<Act>,
    pub(in crate::room) list: Option<Listed>,
}

/// What a device list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::room) struct Listed {
    pub(in crate::room) version: u32,
    pub(in crate::room) recovered: bool,
    pub(in crate::room) certified: Vec<DeviceId>,
    pub(in crate::room) revoked: Vec<DeviceId>,
}

impl RoomOperation {
    /// Reads the operation in `event`, which is by the device of `author`.
    ///
    /// # Errors
    /// See [`OperationError`]: it is then as if it did not exist.
    pub fn read(event: &VerifiedEvent, author: &DeviceCert) -> Result<Self, OperationError> {
        let header = event.header();
        let (_, body) = event.body().ok_or(OperationError::NotAnOperation)?;
        if header.kind != KIND_OPERATION || header.view.is_some() {
            return Err(OperationError::NotAnOperation);
        }
        let (place, act) = match Operation::decode(body) {
            Ok(operation) => (
                (operation.user, operation.op_seq, operation.parents),
                Some(operation.act),
            ),
            Err(OperationError::NeedsNewerVersion) => (place_alone(body)?, None),
            Err(error) => return Err(error),
        };
        let (user, op_seq, parents) = place;
        if author.device() != header.device || author.user() != user {
            return Err(OperationError::Author);
        }
        if matches!(act, Some(Act::Create { .. })) && room_id(header) != header.conversation {
            return Err(OperationError::Room);
        }
        let list = act
            .as_ref()
            .and_then(Act::device_list)
            .map(|list| listed(list, &user))
            .transpose()?;
        Ok(Self {
            id: event.id(),
            room: header.conversation,
            device: header.device,
            user,
            clock: header.clock,
            op_seq,
            parents,
            act,
            list,
        })
    }

    /// The id of its event.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The user who did it.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Whether it makes the room.
    #[must_use]
    pub fn begins(&self) -> bool {
        matches!(self.act, Some(Act::Create { .. }))
    }

    /// Whether its author comes in with it.
    #[must_use]
    pub fn brings_in(&self) -> bool {
        matches!(self.act, Some(Act::Create { .. } | Act::Join { .. }))
    }

    /// The operations it builds on.
    #[must_use]
    pub fn parents(&self) -> &[EventId] {
        &self.parents
    }

    /// The device list it carries.
    #[must_use]
    pub fn device_list(&self) -> Option<DeviceList> {
        let list = self.act.as_ref().and_then(Act::device_list)?;
        DeviceList::verify(list).ok()
    }

    /// The device list that the operation in `event` carries, if it verifies. Nothing else has been checked then: it is for finding
    /// the certificate of a device that was not known before.
    #[must_use]
    pub fn carried_list(event: &SignedEvent) -> Option<DeviceList> {
        let operation = Operation::decode(event.body()?).ok()?;
        let list = DeviceList::verify(operation.act.device_list()?).ok()?;
        (list.user() == operation.user).then_some(list)
    }

    /// Whom the operation in `event` lets in. Nothing has been checked then.
    #[must_use]
    pub fn carried_invite(event: &SignedEvent) -> Option<UserId> {
        match Operation::decode(event.body()?).ok()?.act {
            Act::Invite { user, .. } => Some(user),
            _ => None,
        }
    }

    /// What was done; nothing if only a later version knows.
    #[must_use]
    pub fn act(&self) -> Option<&Act> {
        self.act.as_ref()
    }
}

fn place_alone(body: &[u8]) -> Result<Place, OperationError> {
    let (place, rest) = postcard::take_from_bytes::<Place>(body).map_err(|_| DecodeError::Malformed)?;
    check_place(place.1, &place.2)?;
    let read = body.len().saturating_sub(rest.len());
    if place.2.is_empty() || body.get(..read) != Some(encode(&place).as_slice()) {
        return Err(DecodeError::NotCanonical.into());
    }
    Ok(place)
}

fn listed(bytes: &[u8], user: &UserId) -> Result<Listed, OperationError> {
    let list = DeviceList::verify(bytes)?;
    if list.user() != *user {
        return Err(OperationError::Author);
    }
    Ok(Listed {
        version: list.version(),
        recovered: list.is_recovered(),
        certified: list.certs().iter().map(DeviceCert::device).collect(),
        revoked: list.revoked().to_vec(),
    })
}
