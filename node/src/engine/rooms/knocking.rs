//! Knocking: whoever shows a link that lets nobody in waits until a person has decided. They knock at the device that made the link;
//! every other member who may let others in is told (`doorkeepers`), and any of them decides: by an `Invite`, which the door sees as
//! everybody does, or by turning them away.

use std::collections::BTreeSet;

use parlour_crypto::{ConversationId, JoinRule, MAX_NAME, RoomAsk, RoomState, UserId};
use parlour_store::feed::{self, FeedRow};
use parlour_store::rooms::{self, Answer, Door, RequestRow, Standing};
use parlour_store::{ConversationNo, DeviceNo, StoreError, conversations};

use super::acts::RoomError;
use super::doorkeepers::may_let_in;
use super::joining::refused;
use crate::engine::Engine;
use crate::engine::effects::Turn;

/// Who waits at the door of this device, at one room.
const MAX_REQUESTS: usize = 64;
/// So long they wait.
pub(super) const WAIT_MS: u64 = 7 * 24 * 3_600_000;
/// Whoever was turned away is turned away again for so long, and nobody is bothered with it.
const QUIET_MS: u64 = 24 * 3_600_000;
/// Answered requests that are remembered of one room, and of those that one device told us of.
const MAX_ANSWERED: usize = 512;
const MAX_ANSWERED_OF_ONE: usize = 64;

/// Whether whoever asked this was turned away so lately that nobody is asked again.
pub(super) fn is_quiet(row: &RequestRow, now: u64) -> bool {
    matches!(row.answer, Some(Answer::TurnedAway(at)) if now.saturating_sub(at) < QUIET_MS)
}

impl Engine {
    /// Whether a link that is shown is one with which one asks.
    pub(super) fn is_knock(&self, turn: &Turn<'_, '_>, no: ConversationNo, ask: &RoomAsk) -> Result<bool, StoreError> {
        let rows = rooms::tokens(turn.txn)?;
        let shown = rows.iter().find(|row| Some(row.token) == ask.token && row.room == no);
        Ok(shown.is_some_and(|row| row.knock))
    }

    /// Somebody knocks.
    pub(super) fn let_wait(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        device: DeviceNo,
        state: &RoomState,
        ask: &RoomAsk,
    ) -> Result<(), StoreError> {
        let Some(user) = self.known.get(&device).map(|known| known.user) else {
            return Ok(());
        };
        if state.policy.join_rule() == JoinRule::Public && !state.banned.contains(&user) {
            // Whoever comes needs nobody's leave, only what makes the room.
            return self.welcome_to_room(turn, no, &user);
        }
        let before = rooms::request(turn.txn, no, &user)?;
        if before.as_ref().is_some_and(is_here) {
            return Ok(());
        }
        let waiting = rooms::requests(turn.txn, Some(no))?;
        let waiting = waiting.iter().filter(|(_, _, row)| is_here(row)).count();
        let quiet = before.as_ref().is_some_and(|row| is_quiet(row, turn.now));
        let reason = if state.banned.contains(&user) {
            Some(refused::BANNED)
        } else if state.policy.join_rule() < JoinRule::Knock || quiet || waiting >= MAX_REQUESTS {
            Some(refused::NO)
        } else {
            None
        };
        if let Some(reason) = reason {
            return self.refuse_to_join(turn, device, &ask.room, reason);
        }
        let mut name = ask.name.clone();
        name.truncate(name.floor_char_boundary(MAX_NAME));
        let row = RequestRow {
            name,
            note: ask.note.clone(),
            door: Door::Here(device),
            // What answered an earlier one says until when it does.
            at: turn.now.max(before.map_or(0, |row| row.at.saturating_add(1))),
            told: Vec::new(),
            answer: None,
        };
        put(turn, no, &user, &row)?;
        self.tell_of_knocks(turn, no)
    }

    /// Those who wait at the door of this device. Who has waited too long is turned away, and what was answered long ago is forgotten.
    pub(super) fn knocking(&mut self, turn: &mut Turn<'_, '_>) -> Result<BTreeSet<UserId>, StoreError> {
        let mut waiting = BTreeSet::new();
        for (no, user, row) in rooms::requests(turn.txn, None)? {
            let over = turn.now.saturating_sub(row.at) >= WAIT_MS;
            match row.door {
                Door::Here(_) if row.is_open() && !over => drop(waiting.insert(user)),
                _ if !over || is_quiet(&row, turn.now) => {}
                door => {
                    rooms::delete_request(turn.txn, no, &user);
                    if !row.is_open() {
                        continue;
                    }
                    tell_readers(turn, no, user)?;
                    if let (Door::Here(device), Some(room)) = (door, conversations::id_of(turn.txn, no)?) {
                        self.take_back_knock(turn, &room, &user, &row.told)?;
                        self.refuse_to_join(turn, device, &room, refused::NO)?;
                        self.tell_of_knocks(turn, no)?;
                    }
                }
            }
        }
        Ok(waiting)
    }

    /// Does not let in who waits, and tells those who could have.
    pub(super) fn turn_away(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        room: &ConversationId,
        user: &UserId,
    ) -> Result<Result<(), RoomError>, StoreError> {
        let Some(row) = rooms::request(turn.txn, no, user)?.filter(RequestRow::is_open) else {
            return Ok(Err(RoomError::NotAsking));
        };
        let at = turn.now.max(row.at);
        self.answer_knock(turn, (no, room), user, (row, at), Answer::TurnedAway(turn.now))?;
        self.tell_turned_away(turn, (no, room), user, at)?;
        self.tell_of_knocks(turn, no)?;
        Ok(Ok(()))
    }

    /// What somebody asked until `at` is answered: it is shown no more, and does not come again.
    pub(super) fn answer_knock(
        &mut self,
        turn: &mut Turn<'_, '_>,
        (no, room): (ConversationNo, &ConversationId),
        user: &UserId,
        (row, at): (RequestRow, u64),
        answer: Answer,
    ) -> Result<(), StoreError> {
        self.take_back_knock(turn, room, user, &row.told)?;
        if let (Door::Here(device), Answer::TurnedAway(_)) = (row.door, answer) {
            let banned = self.folded(turn, no)?.is_some_and(|f| f.state().banned.contains(user));
            let reason = if banned { refused::BANNED } else { refused::NO };
            self.refuse_to_join(turn, device, room, reason)?;
        }
        let row = RequestRow {
            name: String::new(),
            note: String::new(),
            at: at.max(row.at),
            told: Vec::new(),
            answer: Some(answer),
            ..row
        };
        put(turn, no, user, &row)?;
        forget_answered(turn, no, row.told_by())
    }

    /// A room has changed: whoever has been let in or banned does not wait any more, and those who may let others in now are told who does.
    pub(super) fn knocks_changed(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo) -> Result<(), StoreError> {
        let mut open = rooms::requests(turn.txn, Some(no))?;
        open.retain(|(_, _, row)| row.is_open());
        let Some(room) = conversations::id_of(turn.txn, no)?.filter(|_| !open.is_empty()) else {
            return Ok(());
        };
        let Some(state) = self.folded(turn, no)?.map(|folded| folded.state().clone()) else {
            return Ok(());
        };
        let member = rooms::get(turn.txn, no)?.is_some_and(|row| row.standing == Standing::Member);
        for (_, user, row) in open {
            let at = turn.now.max(row.at);
            let invited = state.invited.contains_key(&user);
            if invited || state.members.contains_key(&user) {
                let here = row.told_by().is_none();
                self.answer_knock(turn, (no, &room), &user, (row, at), Answer::LetIn)?;
                if here && invited {
                    self.welcome_to_room(turn, no, &user)?;
                }
            } else if state.banned.contains(&user) || (!member && row.told_by().is_none()) {
                let answer = Answer::TurnedAway(turn.now);
                self.answer_knock(turn, (no, &room), &user, (row, at), answer)?;
            } else if let Some(teller) = row.told_by()
                && !self.is_told_rightly(turn, no, &state, teller)?
            {
                rooms::delete_request(turn.txn, no, &user);
                tell_readers(turn, no, user)?;
            }
        }
        self.tell_of_knocks(turn, no)
    }

    /// Whether this account may still let others in, and so may whoever told of one who knocks.
    fn is_told_rightly(
        &self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
        state: &RoomState,
        teller: DeviceNo,
    ) -> Result<bool, StoreError> {
        let teller = self.known.get(&teller).map(|known| (known.user, known.id));
        let Some((user, device)) = teller else { return Ok(false) };
        let both = may_let_in(state, &self.own.user) && may_let_in(state, &user);
        Ok(both && self.are_both_in(turn, no, &user, &device)?)
    }
}

/// Whether somebody waits at the door of this device.
fn is_here(row: &RequestRow) -> bool {
    row.is_open() && row.told_by().is_none()
}

/// Writes down who knocks or what became of it, and tells readers.
pub(super) fn put(
    turn: &mut Turn<'_, '_>,
    no: ConversationNo,
    user: &UserId,
    row: &RequestRow,
) -> Result<(), StoreError> {
    rooms::put_request(turn.txn, no, user, row);
    tell_readers(turn, no, *user)
}

fn tell_readers(turn: &mut Turn<'_, '_>, conversation: ConversationNo, user: UserId) -> Result<(), StoreError> {
    feed::append(turn.txn, &FeedRow::Knock { conversation, user }).map(drop)
}

/// Forgets the oldest answers where there are too many, of a room or of what one device told.
pub(super) fn forget_answered(
    turn: &mut Turn<'_, '_>,
    no: ConversationNo,
    teller: Option<DeviceNo>,
) -> Result<(), StoreError> {
    let mut answered = rooms::requests(turn.txn, Some(no))?;
    answered.retain(|(_, _, row)| !row.is_open());
    let of_one = |row: &RequestRow| teller.is_some() && row.told_by() == teller;
    let of_one_count = answered.iter().filter(|(_, _, row)| of_one(row)).count();
    if of_one_count > MAX_ANSWERED_OF_ONE {
        // Who told too many gives up their own.
        answered.retain(|(_, _, row)| of_one(row));
    } else if answered.len() <= MAX_ANSWERED {
        return Ok(());
    }
    if let Some((_, user, _)) = answered.iter().min_by_key(|(_, _, row)| row.at) {
        rooms::delete_request(turn.txn, no, user);
    }
    Ok(())
}
