//! Public rooms that are news: connected contacts and nodes on the LAN are asked for theirs at a slow pace, a contact who has made one says that
//! there is something to ask for, and readers are told of each room once. What others can have readers told is bounded.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{ConversationId, JoinRule, KnockRequest, UserId};
use parlour_net::PeerId;
use parlour_store::contacts::ContactState;
use parlour_store::feed::{self, FeedRow};
use parlour_store::rooms::{self, HeardRow};
use parlour_store::{StoreError, contacts, conversations};

use super::directory::PublicRoom;
use crate::engine::Engine;
use crate::engine::contacts::Knock;
use crate::engine::effects::Turn;
use crate::engine::timers::{Allowance, Timer, jitter};

/// A peer that came is asked after this, one that says there is something new after that, and never sooner than this after it was asked.
const FIRST_MS: u64 = 4_000;
const SOON_MS: u64 = 500;
const LEAST_MS: u64 = 20_000;
/// A peer is asked again after this, and one that did not answer after that.
const AGAIN_MS: u64 = 30 * 60_000;
const UNANSWERED_MS: u64 = 5 * 60_000;
/// Peers asked at once.
const ASKED_AT_ONCE: usize = 8;
/// With more peers to be asked, only contacts' are taken in.
const MAX_PEERS: usize = 512;
/// Contacts are told of a new room after this, so that several are one; so many at once, since all of them ask, and the others after a pause.
const TELL_MS: u64 = 300;
const TOLD_AT_ONCE: usize = 16;
const TELL_AGAIN_MS: u64 = 20_000;
/// Rooms that are remembered of one contact or peer, of all contacts and of all others; and for how long after they were last listed.
const MAX_OF_ONE: usize = 32;
const MAX_OF_CONTACTS: usize = 512;
const MAX_OF_STRANGERS: usize = 64;
const REMEMBER_MS: u64 = 30 * 24 * 3_600_000;
const DAY_MS: u64 = 24 * 3_600_000;
/// Rooms of peers that are no contacts', told to readers: one per this time, and so many at once.
const STRANGE_EVERY_MS: u64 = 60_000;
const STRANGE_AT_ONCE: u64 = 8;

/// Whom to ask for public rooms, and whom to tell that there are some.
pub(crate) struct News {
    /// When a peer is asked next, and when it was asked last.
    peers: BTreeMap<PeerId, Due>,
    tell: BTreeSet<PeerId>,
    told: u64,
    strange: Allowance,
}

#[derive(Clone, Copy)]
struct Due {
    next: u64,
    asked: u64,
}

impl Default for News {
    fn default() -> Self {
        Self {
            peers: BTreeMap::new(),
            tell: BTreeSet::new(),
            told: 0,
            strange: Allowance::new(STRANGE_EVERY_MS, STRANGE_AT_ONCE),
        }
    }
}

impl News {
    /// The clock was set back.
    pub(super) fn set_back(&mut self, by: u64) {
        for due in self.peers.values_mut() {
            due.next = due.next.saturating_sub(by);
            due.asked = due.asked.saturating_sub(by);
        }
        self.told = self.told.saturating_sub(by);
        self.strange.set_back(by);
    }

    /// A peer has gone: when it is back, it may have made rooms.
    pub(crate) fn went(&mut self, peer: &PeerId, now: u64) {
        if let Some(due) = self.peers.get_mut(peer) {
            due.next = due.next.min(due.asked.saturating_add(LEAST_MS).max(now));
        }
    }

    /// How many peers are asked by then.
    #[cfg(test)]
    pub(crate) fn due_by(&self, time: u64) -> usize {
        self.peers.values().filter(|due| due.next <= time).count()
    }
}

impl Engine {
    /// A peer is there: it is asked for its public rooms soon, if it is a contact's or near, unless that was not long ago.
    pub(crate) fn ask_for_rooms_of(&mut self, turn: &Turn<'_, '_>, peer: PeerId) -> Result<(), StoreError> {
        let contact = self.is_contacts_peer(turn, &peer)?;
        let near = self.rooms.directory.is_there(&peer);
        let full = self.rooms.news.peers.len() >= MAX_PEERS;
        match self.rooms.news.peers.get(&peer) {
            // Whoever went and came back: their time is told to the timer again.
            Some(due) => self.timers.set_earliest(Timer::AskForRooms, due.next),
            None if contact || (near && !full) => self.ask_for_rooms_at(turn.now, peer, FIRST_MS, 0),
            None => {}
        }
        Ok(())
    }

    /// A peer says that there are public rooms to ask it for.
    pub(crate) fn on_rooms_changed(&mut self, turn: &Turn<'_, '_>, peer: &PeerId) -> Result<(), StoreError> {
        if !self.is_contacts_peer(turn, peer)? {
            return Ok(());
        }
        let asked = self.rooms.news.peers.get(peer).map_or(0, |due| due.asked);
        let pause = asked.saturating_add(LEAST_MS).saturating_sub(turn.now).max(SOON_MS);
        self.ask_for_rooms_at(turn.now, *peer, pause, asked);
        Ok(())
    }

    /// A peer gave no list.
    pub(crate) fn rooms_not_listed(&mut self, turn: &Turn<'_, '_>, peer: PeerId) {
        if let Some(due) = self.rooms.news.peers.get(&peer) {
            let asked = due.asked;
            self.ask_for_rooms_at(turn.now, peer, UNANSWERED_MS, asked);
        }
    }

    fn ask_for_rooms_at(&mut self, now: u64, peer: PeerId, pause: u64, asked: u64) {
        let next = now.saturating_add(jitter(pause, self.random()));
        self.rooms.news.peers.insert(peer, Due { next, asked });
        self.timers.set_earliest(Timer::AskForRooms, next);
    }

    /// Asks the peers whose time has come for their public rooms.
    pub(crate) fn on_ask_for_rooms(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let now = turn.now;
        let mut near = self.rooms.directory.near(now);
        let due = self.rooms.news.peers.iter().filter(|(_, due)| due.next <= now);
        let due: Vec<PeerId> = due.map(|(peer, _)| *peer).take(ASKED_AT_ONCE).collect();
        for peer in due {
            let connected = self.dialer.is_connected(&peer) && self.is_contacts_peer(turn, &peer)?;
            let addresses = match near.remove(&peer) {
                _ if connected => Vec::new(),
                Some(addresses) if !self.only_blocked_at(&peer) => addresses,
                _ => {
                    self.rooms.news.peers.remove(&peer);
                    continue;
                }
            };
            self.knock_at(turn, peer, addresses, Knock::Rooms(peer), &KnockRequest::Rooms);
            let next = now.saturating_add(jitter(AGAIN_MS, self.random()));
            self.rooms.news.peers.insert(peer, Due { next, asked: now });
        }
        if let Some(next) = self.rooms.news.peers.values().map(|due| due.next).min() {
            self.timers
                .set(Timer::AskForRooms, next.max(now.saturating_add(SOON_MS)));
        }
        Ok(())
    }

    /// A room has become public by what this account did: connected contacts are told soon that there is something to ask for.
    pub(super) fn tell_of_public_room(&mut self, turn: &Turn<'_, '_>, rule: u8, before: u8) -> Result<(), StoreError> {
        if rule != JoinRule::Public as u8 || before == rule {
            return Ok(());
        }
        let there = self.contacts_there(turn)?;
        let news = &mut self.rooms.news;
        news.tell.extend(there);
        let due = turn
            .now
            .saturating_add(TELL_MS)
            .max(news.told.saturating_add(TELL_AGAIN_MS));
        self.timers.set_earliest(Timer::TellOfRooms, due);
        Ok(())
    }

    /// Tells contacts that there are public rooms to ask for; not which.
    pub(crate) fn on_tell_of_rooms(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let there = self.contacts_there(turn)?;
        self.rooms.news.tell.retain(|peer| there.contains(peer));
        for _ in 0..TOLD_AT_ONCE {
            let Some(peer) = self.rooms.news.tell.pop_first() else {
                break;
            };
            self.knock(turn, peer, Knock::RoomsChanged, &KnockRequest::RoomsChanged);
        }
        self.rooms.news.told = turn.now;
        if !self.rooms.news.tell.is_empty() {
            let next = turn.now.saturating_add(TELL_AGAIN_MS);
            self.timers.set(Timer::TellOfRooms, next);
        }
        Ok(())
    }

    /// A peer has listed public rooms: readers are told of those that this account did not know of.
    pub(super) fn note_news(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: &PeerId,
        listed: &[PublicRoom],
    ) -> Result<(), StoreError> {
        let contact = self.contact_at(turn, peer)?;
        for room in listed {
            match rooms::heard(turn.txn, &room.room)? {
                Some(row) if turn.now.saturating_sub(row.seen) < DAY_MS => {}
                Some(row) => rooms::put_heard(turn.txn, &room.room, &HeardRow { seen: turn.now, ..row }),
                None if self.is_news(turn, room, (peer, contact))? => {
                    let row = HeardRow {
                        creator: room.creator,
                        name: room.name.clone(),
                        topic: room.topic.clone(),
                        members: room.members,
                        created: room.created,
                        link: room.link.clone(),
                        peer: peer.to_bytes(),
                        contact,
                        seen: turn.now,
                    };
                    rooms::put_heard(turn.txn, &room.room, &row);
                    feed::append(turn.txn, &FeedRow::PublicRoom { room: room.room })?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Whether readers are told of a room that was not heard of.
    fn is_news(
        &mut self,
        turn: &Turn<'_, '_>,
        room: &PublicRoom,
        (peer, contact): (&PeerId, Option<UserId>),
    ) -> Result<bool, StoreError> {
        if self.is_blocked(&room.creator) || self.only_blocked_at(peer) || self.knows_room(turn, &room.room)? {
            return Ok(false);
        }
        let all = rooms::all_heard(turn.txn)?;
        let bytes = peer.to_bytes();
        // A contact may come from one peer after the other.
        let by_them = |row: &HeardRow| match contact {
            Some(_) => row.contact == contact,
            None => row.contact.is_none() && row.peer == bytes,
        };
        let of_one = all.iter().filter(|(_, row)| by_them(row)).count();
        let alike = |row: &HeardRow| row.contact.is_some() == contact.is_some();
        let alike = all.iter().filter(|(_, row)| alike(row)).count();
        let max = if contact.is_some() {
            MAX_OF_CONTACTS
        } else {
            MAX_OF_STRANGERS
        };
        Ok(of_one < MAX_OF_ONE && alike < max && (contact.is_some() || self.rooms.news.strange.take(turn.now)))
    }

    /// Whether a room is known otherwise: as a member, invited, or gone.
    fn knows_room(&self, turn: &Turn<'_, '_>, room: &ConversationId) -> Result<bool, StoreError> {
        match conversations::number(turn.txn, room)? {
            Some(no) => Ok(rooms::get(turn.txn, no)?.is_some()),
            None => Ok(false),
        }
    }

    /// Forgets rooms that nobody has listed for long, so that there is a place for others.
    pub(crate) fn forget_heard_rooms(&self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for (room, row) in rooms::all_heard(turn.txn)? {
            if turn.now.saturating_sub(row.seen) >= REMEMBER_MS {
                rooms::delete_heard(turn.txn, &room);
            }
        }
        Ok(())
    }

    /// Whether a contact, who is not blocked, is at a peer.
    pub(super) fn is_contacts_peer(&self, turn: &Turn<'_, '_>, peer: &PeerId) -> Result<bool, StoreError> {
        Ok(self.contact_at(turn, peer)?.is_some())
    }

    fn contact_at(&self, turn: &Turn<'_, '_>, peer: &PeerId) -> Result<Option<UserId>, StoreError> {
        let devices = self.devices_at(peer);
        let there: BTreeSet<UserId> = devices.iter().filter_map(|no| Some(self.known.get(no)?.user)).collect();
        for user in there {
            let accepted = contacts::get(turn.txn, &user)?.is_some_and(|row| row.state == ContactState::Accepted);
            if accepted && !self.is_blocked(&user) {
                return Ok(Some(user));
            }
        }
        Ok(None)
    }
}
