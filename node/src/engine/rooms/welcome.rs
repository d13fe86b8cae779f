//! Being let into a room: the invitation with the operations that make the room, and the answer to it.

use parlour_crypto::{
    Control, ConversationId, EventId, Have, JoinRule, LogHave, MAX_CONTROL, MAX_LOGS, MAX_ROOM_EVENTS, RoomOperation,
    SignedEvent, UserId,
};
use parlour_store::contacts::ContactState;
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::feed::{self, FeedRow};
use parlour_store::outbox::{self, OutboxRow};
use parlour_store::rooms::{self, RoomRow, Standing};
use parlour_store::{ConversationNo, DeviceNo, EventKey, StoreError, contacts, devices, events, logs};
use serde_bytes::ByteBuf;

use super::holds_operations;
use super::take::Taken;
use crate::engine::Engine;
use crate::engine::effects::Turn;
use crate::engine::timers::Allowance;

/// Rooms that others let us into and that we have not decided about.
const MAX_INVITED: usize = 200;
/// Rooms that one user told us of and that we never joined, whatever became of them.
const MAX_LET_IN_BY: usize = 32;
/// New rooms that a device tells us of: one per this time, and so many at once.
const WELCOME_EVERY_MS: u64 = 60_000;
const WELCOMES_AT_ONCE: u64 = 16;
/// Heads told with an invitation: the operations follow anyway.
const WELCOME_HEADS: usize = 256;
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
        let mut heads = match self.folded(turn, no)? {
            Some(folded) => folded.heads(),
            None => return Ok(()),
        };
        heads.truncate(WELCOME_HEADS);
        let waits = |row: &OutboxRow| {
            let same = |known: &[EventId]| known == heads.as_slice();
            matches!(&row.control, Control::RoomWelcome { room: of, heads, .. } if *of == room && same(heads))
        };
        for device in self.devices_with_session(turn, user)? {
            // Whoever waited at the door has been told when the operation was settled.
            if outbox::of_device(turn.txn, device)?.iter().any(waits) {
                continue;
            }
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

    /// Gives operations to users who may not learn of them by stream: members who do not know that we are one, and those who
    /// have gone.
    pub(super) fn announce(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        keys: &[EventKey],
        users: impl IntoIterator<Item = UserId>,
    ) -> Result<(), StoreError> {
        let Some(room) = conversations::id_of(turn.txn, no)? else {
            return Ok(());
        };
        let mut wire = Vec::new();
        for key in keys {
            wire.extend(events::get(turn.txn, key)?.map(|event| event.to_wire()));
        }
        for user in users {
            for device in self.devices_with_session(turn, &user)? {
                self.post_operations(turn, device, room, &wire)?;
            }
        }
        Ok(())
    }

    /// Whoever says what they hold of a room in which they do not take part any more is told how that came; and so is a member who takes us
    /// for one, when we do not.
    pub(crate) fn tell_gone(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        have: &Have,
    ) -> Result<(), StoreError> {
        let user = self.known.get(&device).map(|known| known.user);
        // What is said of some logs does not tell what is held of the others.
        let Some(user) = user.filter(|_| have.full && have.logs.len() < MAX_LOGS) else {
            return Ok(());
        };
        let Some((no, row)) = self.room_number(turn, &have.conversation)? else {
            return Ok(());
        };
        if self.is_blocked(&user) {
            return Ok(());
        }
        let gone = match (row.standing, rooms::member(turn.txn, no, &user)?) {
            (Standing::Member, None) => user,
            (Standing::Gone, Some(_)) => {
                self.hear_on(turn, device, no, &have.conversation)?;
                self.own.user
            }
            _ => return Ok(()),
        };
        let waits = |row: &OutboxRow| matches!(&row.control, Control::RoomOperations { room, .. } if *room == have.conversation);
        if outbox::of_device(turn.txn, device)?.iter().any(waits) {
            return Ok(());
        }
        let ids = match self.folded(turn, no)? {
            Some(folded) if folded.knows(&gone) => folded.until_gone(&gone),
            _ => return Ok(()),
        };
        let mut wire = Vec::new();
        for id in ids {
            let Some(key) = events::place(turn.txn, &id)? else {
                continue;
            };
            let author = self.known.get(&key.log.device).map(|known| known.id);
            let held =
                |log: &LogHave| Some(log.device) == author && log.log == key.log.log && log.have.contains(key.seq);
            if have.logs.iter().any(held) {
                continue;
            }
            wire.extend(events::get(turn.txn, &key)?.map(|event| event.to_wire()));
        }
        self.post_operations(turn, device, have.conversation, &wire)
    }

    pub(super) fn devices_with_session(&self, turn: &Turn<'_, '_>, user: &UserId) -> Result<Vec<DeviceNo>, StoreError> {
        let mut all = devices::of_user(turn.txn, user)?;
        all.retain(|device| *device != self.own.device && self.sessions.confirmed(*device).is_some());
        Ok(all)
    }

    /// A contact, or whom we asked, lets us into a room. `false`: it is not taken yet, so not to be acknowledged.
    pub(crate) fn on_room_welcome(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        room: &ConversationId,
        (create, heads): (&[u8], &[EventId]),
    ) -> Result<bool, StoreError> {
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(true);
        };
        let known = self.room_number(turn, room)?;
        let asked = match &known {
            Some((no, row)) if row.heads.is_empty() => {
                rooms::joining(turn.txn, *no)?.is_some_and(|row| self.may_let_us_in(&row, &user))
            }
            Some((no, row)) if row.standing == Standing::Gone => return self.invited_again(turn, *no, row, user),
            Some(_) => return Ok(true),
            None => false,
        };
        if self.is_blocked(&user) {
            return Ok(true);
        }
        if !asked && !self.is_accepted(turn, &user)? {
            return Ok(!self.is_awaited(turn, &user)?);
        }
        let open = |row: &RoomRow| matches!(row.standing, Standing::Invited { .. });
        if rooms::all(turn.txn)?.iter().filter(|(_, row)| open(row)).count() >= MAX_INVITED {
            return Ok(false);
        }
        let often = self.rooms.welcomes.entry(device);
        let often = often.or_insert(Allowance::new(WELCOME_EVERY_MS, WELCOMES_AT_ONCE));
        if !asked && (rooms::let_in_by(turn.txn, &user)? >= MAX_LET_IN_BY || !often.take(turn.now)) {
            return Ok(false);
        }
        let Ok(event) = SignedEvent::decode(create) else {
            self.counters.malformed_events += 1;
            return Ok(true);
        };
        // The id of a create operation is proved by the operation itself.
        let checked = self.check_operation(turn, event)?;
        let Some(checked) = checked.filter(|checked| checked.begins(room)) else {
            self.counters.forged_events += 1;
            return Ok(true);
        };
        let (no, _) = conversations::ensure(turn.txn, room, ConversationKind::Room, turn.now)?;
        if !asked {
            let row = RoomRow {
                standing: Standing::Invited {
                    by: user,
                    at: turn.now,
                    open: false,
                },
                ..RoomRow::default()
            };
            rooms::put(turn.txn, no, &row);
            rooms::put_let_in(turn.txn, &user, no);
        }
        let stored = self.store_checked(turn, no, checked, false)?.is_some();
        // Where nothing was done since the room was made, no operations follow.
        if self.folded(turn, no)?.is_some_and(|folded| folded.heads() == heads) {
            self.join_if_asked(turn, no)?;
        }
        Ok(stored)
    }

    /// Whoever left, was removed or said no is invited anew: the room is known, and the operations follow.
    fn invited_again(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        row: &RoomRow,
        by: UserId,
    ) -> Result<bool, StoreError> {
        if self.is_accepted(turn, &by)? && !self.is_blocked(&by) {
            let own = self.own.user;
            let folded = self.folded(turn, no)?;
            let standing = Standing::Invited {
                by,
                at: turn.now,
                open: folded.is_some_and(|folded| folded.state().invited.contains_key(&own)),
            };
            rooms::put(
                turn.txn,
                no,
                &RoomRow {
                    standing,
                    ..row.clone()
                },
            );
            feed::append(turn.txn, &FeedRow::Conversation { conversation: no })?;
        }
        Ok(true)
    }

    pub(crate) fn is_accepted(&self, turn: &Turn<'_, '_>, user: &UserId) -> Result<bool, StoreError> {
        Ok(contacts::get(turn.txn, user)?.is_some_and(|contact| contact.state == ContactState::Accepted))
    }

    /// Whether a user is about to be a contact: what they say after their answer may come before it.
    fn is_awaited(&self, turn: &Turn<'_, '_>, user: &UserId) -> Result<bool, StoreError> {
        let asked = |state: ContactState| matches!(state, ContactState::Invited { .. } | ContactState::Asked { .. });
        Ok(contacts::get(turn.txn, user)?.is_some_and(|contact| asked(contact.state)))
    }

    /// Whether an invitation of a user is among operations, by somebody we know from the room, counted or not.
    fn brings_invite(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        wire: &[ByteBuf],
        user: &UserId,
    ) -> Result<bool, StoreError> {
        for bytes in wire {
            let Ok(event) = SignedEvent::decode(bytes) else {
                continue;
            };
            if RoomOperation::carried_invite(&event) != Some(*user) {
                continue;
            }
            let author = self.check_operation(turn, event)?.map(|checked| checked.author());
            let folded = self.folded(turn, no)?;
            if folded.is_some_and(|folded| author.is_some_and(|author| folded.knows(&author))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Operations of a room that we know, from somebody who takes part in it, or who lets us in. `false`: they are not taken yet.
    pub(crate) fn on_room_operations(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        room: &ConversationId,
        wire: &[ByteBuf],
    ) -> Result<bool, StoreError> {
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(true);
        };
        let Some((no, row)) = self.room_number(turn, room)? else {
            // What they belong to may be on its way.
            return Ok(!self.is_accepted(turn, &user)? && !self.is_awaited(turn, &user)?);
        };
        let lets_us_in = match &row.standing {
            Standing::Invited { by, .. } => *by == user,
            Standing::Asked { user: asked, .. } => *asked == user || self.rooms.around.is_host(no, &user),
            Standing::Member | Standing::Gone => false,
        };
        if !lets_us_in && rooms::member(turn.txn, no, &user)?.is_none() {
            // Whoever comes says so before everybody knows that they may.
            let Some(folded) = self.folded(turn, no)? else {
                return Ok(true);
            };
            let may_come = folded.was_invited(&user) || folded.state().policy.join_rule() == JoinRule::Public;
            if !may_come && !self.brings_invite(turn, no, wire, &user)? {
                return Ok(true);
            }
        }
        let mut all = true;
        for bytes in wire {
            let Ok(event) = SignedEvent::decode(bytes) else {
                self.counters.malformed_events += 1;
                return Ok(true);
            };
            if event.header().conversation != *room {
                continue;
            }
            match self.take_operation(turn, no, event)? {
                Taken::Stored(key) => self.have_acknowledged(turn, key, key.log.device)?,
                Taken::Later => all = false,
                Taken::Never => {}
            }
        }
        self.join_if_asked(turn, no)?;
        Ok(all)
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
            for branch in 0..=u8::MAX {
                let Some(event) = events::get(turn.txn, &EventKey { log, seq, branch })? else {
                    break;
                };
                all.push((event.header().clock, event.id(), event.to_wire()));
                if !row.forked {
                    break;
                }
            }
        }
    }
    // A clock is above those of what its author knew.
    all.sort_unstable_by_key(|(clock, id, _)| (*clock, *id));
    Ok(all.into_iter().map(|(_, _, wire)| wire).collect())
}
