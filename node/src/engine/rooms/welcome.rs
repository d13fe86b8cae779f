//! Being let into a room: the invitation with the operations that make the room, and the answer to it.

use parlour_crypto::{Control, ConversationId, MAX_CONTROL, MAX_ROOM_EVENTS, SignedEvent, UserId};
use parlour_store::contacts::ContactState;
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::rooms::{self, RoomRow, Standing};
use parlour_store::{ConversationNo, DeviceNo, EventKey, StoreError, contacts, devices, events, logs};
use serde_bytes::ByteBuf;

use super::holds_operations;
use crate::engine::Engine;
use crate::engine::append::{Appended, append};
use crate::engine::effects::Turn;

/// Rooms that others let us into and that we have not decided about.
const MAX_INVITED: usize = 200;
/// Bytes of operations in one control.
const CONTROL_BYTES: usize = MAX_CONTROL - 4 * 1024;

impl Engine {
    /// Tells a user's devices that they may join, with all that makes the room.
    pub(super) fn welcome_to_room(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        user: &UserId,
    ) -> Result<(), StoreError> {
        let Some(room) = conversations::id_of(turn.txn, no)? else {
            return Ok(());
        };
        let operations = operations_of(turn, no)?;
        let Some((create, rest)) = operations.split_first() else {
            return Ok(());
        };
        let heads = match self.folded(turn, no)? {
            Some(folded) => folded.heads(),
            None => return Ok(()),
        };
        for device in self.devices_with_session(turn, user)? {
            let welcome = Control::RoomWelcome {
                room,
                create: create.clone(),
                heads: heads.clone(),
                ext: Vec::new(),
            };
            self.post_control(turn, device, welcome)?;
            self.post_operations(turn, device, room, rest)?;
        }
        Ok(())
    }

    /// Gives operations to a device as controls: they arrive whatever it thinks of the room.
    fn post_operations(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        room: ConversationId,
        operations: &[Vec<u8>],
    ) -> Result<(), StoreError> {
        let mut rest = operations;
        while !rest.is_empty() {
            let mut size = 0_usize;
            let fits = rest.iter().take(MAX_ROOM_EVENTS).take_while(|wire| {
                size = size.saturating_add(wire.len());
                size <= CONTROL_BYTES
            });
            let count = fits.count().max(1);
            let (now, later) = rest.split_at(count);
            let events = now.iter().map(|wire| ByteBuf::from(wire.clone())).collect();
            self.post_control(
                turn,
                device,
                Control::RoomOperations {
                    room,
                    events,
                    ext: Vec::new(),
                },
            )?;
            rest = later;
        }
        Ok(())
    }

    /// Gives one operation to users who may not learn of it by stream: members who do not know that we are one, and those who
    /// have gone.
    pub(super) fn announce(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        key: &EventKey,
        users: impl IntoIterator<Item = UserId>,
    ) -> Result<(), StoreError> {
        let (Some(room), Some(event)) = (conversations::id_of(turn.txn, no)?, events::get(turn.txn, key)?) else {
            return Ok(());
        };
        let wire = [event.to_wire()];
        for user in users {
            for device in self.devices_with_session(turn, &user)? {
                self.post_operations(turn, device, room, &wire)?;
            }
        }
        Ok(())
    }

    pub(super) fn devices_with_session(&self, turn: &Turn<'_, '_>, user: &UserId) -> Result<Vec<DeviceNo>, StoreError> {
        let mut all = devices::of_user(turn.txn, user)?;
        all.retain(|device| *device != self.own.device && self.sessions.confirmed(*device).is_some());
        Ok(all)
    }

    /// A contact lets us into a room.
    pub(crate) fn on_room_welcome(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        room: &ConversationId,
        create: &[u8],
    ) -> Result<(), StoreError> {
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(());
        };
        let known = self.room_number(turn, room)?;
        let asked = match &known {
            Some((no, row)) if row.heads.is_empty() => {
                rooms::joining(turn.txn, *no)?.is_some_and(|row| row.user == user)
            }
            Some(_) => return Ok(()),
            None => false,
        };
        let accepted = contacts::get(turn.txn, &user)?.is_some_and(|c| c.state == ContactState::Accepted);
        if !(accepted || asked) || self.is_blocked(&user) {
            return Ok(());
        }
        let invited = rooms::all(turn.txn)?;
        let open = |row: &RoomRow| matches!(row.standing, Standing::Invited { .. });
        if invited.iter().filter(|(_, row)| open(row)).count() >= MAX_INVITED {
            return Ok(());
        }
        let Ok(event) = SignedEvent::decode(create) else {
            self.counters.malformed_events += 1;
            return Ok(());
        };
        let Some((verified, operation, author)) = self.verify_operation(turn, event)? else {
            self.counters.forged_events += 1;
            return Ok(());
        };
        // The id of a create operation is proved by the operation itself.
        if verified.header().conversation != *room || !operation.begins() {
            return Ok(());
        }
        let (no, _) = conversations::ensure(turn.txn, room, ConversationKind::Room, turn.now)?;
        if !asked {
            let row = RoomRow {
                standing: Standing::Invited { by: user, at: turn.now },
                ..RoomRow::default()
            };
            rooms::put(turn.txn, no, &row);
        }
        if let Appended::New(_) = append(turn, no, author, &verified, self.origin_of(author))? {
            self.fold_in(turn, no, operation, &verified)?;
        }
        Ok(())
    }

    /// Operations of a room that we know. Others are nothing to us.
    pub(crate) fn on_room_operations(
        &mut self,
        turn: &mut Turn<'_, '_>,
        room: &ConversationId,
        wire: &[ByteBuf],
    ) -> Result<(), StoreError> {
        let Some((no, _)) = self.room_number(turn, room)? else {
            return Ok(());
        };
        for bytes in wire {
            let Ok(event) = SignedEvent::decode(bytes) else {
                self.counters.malformed_events += 1;
                return Ok(());
            };
            if event.header().conversation == *room
                && let Some(key) = self.take_operation(turn, no, event)?
            {
                self.have_acknowledged(turn, key, key.log.device)?;
            }
        }
        self.join_if_asked(turn, no)
    }
}

/// All operations of a room that count or may count, in an order in which each comes after what it builds on, as wire events.
fn operations_of(turn: &Turn<'_, '_>, no: ConversationNo) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut all = Vec::new();
    for (log, row) in logs::of_conversation(turn.txn, no)? {
        if !holds_operations(&log) {
            continue;
        }
        for seq in row.have.values() {
            if let Some(event) = events::get(turn.txn, &EventKey { log, seq, branch: 0 })? {
                all.push((event.header().clock, event.id(), event.to_wire()));
            }
        }
    }
    // A clock is above those of what its author knew.
    all.sort_unstable_by_key(|(clock, id, _)| (*clock, *id));
    Ok(all.into_iter().map(|(_, _, wire)| wire).collect())
}
