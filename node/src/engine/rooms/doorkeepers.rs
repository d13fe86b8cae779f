//! Those who may let others into a room are told who knocks at somebody else's door, and when one of them has turned them away. That somebody
//! was let in is told by the operation. What a member tells is bounded, in number and in time: anybody can be said to knock.

use std::collections::BTreeSet;

use parlour_crypto::{Control, ConversationId, JoinRule, Rank, RoomKnock, RoomState, UserId};
use parlour_store::rooms::{self, Answer, Door, RequestRow, Standing};
use parlour_store::{ConversationNo, DeviceNo, StoreError, conversations, outbox};

use super::knocking::{WAIT_MS, forget_answered, is_quiet, put};
use crate::engine::Engine;
use crate::engine::append::MAX_AHEAD_MS;
use crate::engine::effects::Turn;
use crate::engine::timers::Allowance;

/// Those who wait elsewhere, that one device told us of and in all, at one room.
const MAX_OF_ONE: usize = 16;
const MAX_OF_ALL: usize = 128;
/// News of those who knock, taken from one device: one per this time, and so many at once.
const NEWS_EVERY_MS: u64 = 30_000;
const NEWS_AT_ONCE: u64 = 64;

/// Whether a user may let others into a room.
pub(super) fn may_let_in(state: &RoomState, user: &UserId) -> bool {
    let rank = state.rank(user);
    rank == Rank::Owner || (rank >= Rank::Guest && rank.number() >= state.policy.invite)
}

/// What a control says of somebody who knocks.
#[derive(Clone, Copy)]
struct News<'a> {
    room: &'a ConversationId,
    user: &'a UserId,
    at: u64,
}

/// What is to be done with it.
enum Heard {
    /// It is looked at.
    Now(ConversationNo, Option<RequestRow>),
    /// It may be when it comes again.
    Later,
    /// It is of no use.
    Never,
}

impl Engine {
    /// Tells the devices of those who may let others in who knocks here, each of them once, and takes it back from who may no more. No more
    /// than they take: what is not taken would hold up what else waits for them.
    pub(super) fn tell_of_knocks(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo) -> Result<(), StoreError> {
        let mut here = rooms::requests(turn.txn, Some(no))?;
        here.retain(|(_, _, row)| row.is_open() && row.told_by().is_none());
        here.sort_by_key(|(_, user, row)| (row.at, *user));
        here.truncate(MAX_OF_ONE);
        let Some(room) = conversations::id_of(turn.txn, no)?.filter(|_| !here.is_empty()) else {
            return Ok(());
        };
        let keepers = self.doorkeepers(turn, no)?;
        for (_, user, row) in here {
            let told: BTreeSet<DeviceNo> = row.told.iter().copied().collect();
            if told == keepers {
                continue;
            }
            let gone: Vec<DeviceNo> = told.difference(&keepers).copied().collect();
            self.take_back_knock(turn, &room, &user, &gone)?;
            for device in keepers.difference(&told) {
                let knock = RoomKnock {
                    room,
                    user,
                    at: row.at,
                    name: row.name.clone(),
                    note: row.note.clone(),
                    ext: Vec::new(),
                };
                self.post_control(turn, *device, Control::RoomKnock(knock))?;
            }
            let told = keepers.iter().copied().collect();
            rooms::put_request(turn.txn, no, &user, &RequestRow { told, ..row });
        }
        Ok(())
    }

    /// The devices of those who may let others in, but for our own and those of blocked users.
    fn doorkeepers(&mut self, turn: &Turn<'_, '_>, no: ConversationNo) -> Result<BTreeSet<DeviceNo>, StoreError> {
        let Some(state) = self.folded(turn, no)?.map(|folded| folded.state().clone()) else {
            return Ok(BTreeSet::new());
        };
        let keepers = state
            .members
            .iter()
            .filter(|(user, _)| **user != self.own.user && may_let_in(&state, user) && !self.is_blocked(user));
        let devices = keepers.flat_map(|(_, member)| &member.devices);
        Ok(devices
            .filter_map(|device| self.known_device(device).map(|(no, _)| no))
            .collect())
    }

    /// What is still on its way to devices about somebody who knocks stays here.
    pub(super) fn take_back_knock(
        &self,
        turn: &mut Turn<'_, '_>,
        room: &ConversationId,
        user: &UserId,
        told: &[DeviceNo],
    ) -> Result<(), StoreError> {
        for device in told {
            for row in outbox::of_device(turn.txn, *device)? {
                if matches!(&row.control, Control::RoomKnock(knock) if knock.room == *room && knock.user == *user) {
                    outbox::remove(turn.txn, *device, &row.id)?;
                }
            }
        }
        Ok(())
    }

    /// Tells those who may let others in that somebody was turned away.
    pub(super) fn tell_turned_away(
        &mut self,
        turn: &mut Turn<'_, '_>,
        (no, room): (ConversationNo, &ConversationId),
        user: &UserId,
        at: u64,
    ) -> Result<(), StoreError> {
        for device in self.doorkeepers(turn, no)? {
            let control = Control::RoomTurnedAway {
                room: *room,
                user: *user,
                at,
                ext: Vec::new(),
            };
            self.post_control(turn, device, control)?;
        }
        Ok(())
    }

    /// A member tells who knocks at their door. `false`: it is not taken yet, so not to be acknowledged.
    pub(crate) fn on_room_knock(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        knock: RoomKnock,
    ) -> Result<bool, StoreError> {
        let news = News {
            room: &knock.room,
            user: &knock.user,
            at: knock.at,
        };
        let (no, before) = match self.hear_news(turn, device, news)? {
            Heard::Now(no, before) => (no, before),
            Heard::Later => return Ok(false),
            Heard::Never => return Ok(true),
        };
        let known = |row: &RequestRow| row.is_open() || row.at >= knock.at || is_quiet(row, turn.now);
        if self.is_blocked(&knock.user) || before.as_ref().is_some_and(known) {
            return Ok(true);
        }
        let mut told = rooms::requests(turn.txn, Some(no))?;
        told.retain(|(_, _, row)| row.is_open() && row.told_by().is_some());
        let of_one = told.iter().filter(|(_, _, row)| row.told_by() == Some(device)).count();
        if of_one >= MAX_OF_ONE || told.len() >= MAX_OF_ALL || !self.may_tell_news(device, turn.now) {
            return Ok(false);
        }
        let row = RequestRow {
            name: knock.name,
            note: knock.note,
            door: Door::Elsewhere(device),
            at: knock.at,
            told: Vec::new(),
            answer: None,
        };
        put(turn, no, &knock.user, &row)?;
        Ok(true)
    }

    /// A member has turned somebody away. `false`: it is not taken yet, so not to be acknowledged.
    pub(crate) fn on_room_turned_away(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        (room, user, at): (&ConversationId, &UserId, u64),
    ) -> Result<bool, StoreError> {
        let (no, before) = match self.hear_news(turn, device, News { room, user, at })? {
            Heard::Now(no, before) => (no, before),
            Heard::Later => return Ok(false),
            Heard::Never => return Ok(true),
        };
        // What was asked after that is another matter.
        if before.as_ref().is_some_and(|row| row.at > at) {
            return Ok(true);
        }
        if !self.may_tell_news(device, turn.now) {
            return Ok(false);
        }
        let answer = Answer::TurnedAway(turn.now);
        if let Some(row) = before.clone().filter(RequestRow::is_open) {
            self.answer_knock(turn, (no, room), user, (row, at), answer)?;
            self.tell_of_knocks(turn, no)?;
            return Ok(true);
        }
        // The knock may still be on its way.
        let row = RequestRow {
            name: String::new(),
            note: String::new(),
            door: before.map_or(Door::Elsewhere(device), |row| row.door),
            at,
            told: Vec::new(),
            answer: Some(answer),
        };
        rooms::put_request(turn.txn, no, user, &row);
        forget_answered(turn, no, row.told_by())?;
        Ok(true)
    }

    /// Whether news of somebody who knocks, told by a member, is to be looked at.
    fn hear_news(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo, news: News<'_>) -> Result<Heard, StoreError> {
        let Some((teller, id)) = self.known.get(&device).map(|known| (known.user, known.id)) else {
            return Ok(Heard::Never);
        };
        let Some((no, row)) = self.room_number(turn, news.room)? else {
            return Ok(Heard::Never);
        };
        let old = turn.now.saturating_sub(news.at) >= WAIT_MS;
        if old || row.standing != Standing::Member || !self.are_both_in(turn, no, &teller, &id)? {
            return Ok(Heard::Never);
        }
        let own = self.own.user;
        let Some(state) = self.folded(turn, no)?.map(|folded| folded.state()) else {
            return Ok(Heard::Never);
        };
        let user = news.user;
        let answered =
            state.members.contains_key(user) || state.invited.contains_key(user) || state.banned.contains(user);
        if answered || state.policy.join_rule() < JoinRule::Knock {
            return Ok(Heard::Never);
        }
        // The operation that gave the right may come behind it.
        let rightly = may_let_in(state, &own) && may_let_in(state, &teller);
        if !rightly || news.at > turn.now.saturating_add(MAX_AHEAD_MS) {
            return Ok(Heard::Later);
        }
        Ok(Heard::Now(no, rooms::request(turn.txn, no, user)?))
    }

    fn may_tell_news(&mut self, device: DeviceNo, now: u64) -> bool {
        let often = self.rooms.knock_news.entry(device);
        often.or_insert(Allowance::new(NEWS_EVERY_MS, NEWS_AT_ONCE)).take(now)
    }
}
