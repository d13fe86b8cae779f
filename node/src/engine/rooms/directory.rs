//! Public rooms: listed to whoever asks, and asked for among contacts and on the LAN. What others list is kept in memory for a while; that
//! somebody made a room is proved, the rest is what they say.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{
    ConversationId, JoinRule, KnockRequest, KnockResponse, ListedRoom, MAX_LISTED, MAX_LISTED_CREATE, Rank, RoomLink,
    SignedEvent, UserId,
};
use parlour_net::{Multiaddr, PeerId};
use parlour_store::contacts::ContactState;
use parlour_store::rooms::{self, RoomRow, Standing, TokenRow};
use parlour_store::{ConversationNo, StoreError, contacts, conversations, events};

use super::links::MAX_LINKS;
use crate::engine::Engine;
use crate::engine::contacts::Knock;
use crate::engine::effects::Turn;
use crate::engine::timers::Allowance;

/// Lists are given to strangers: one per this time, and so many at once; and beside that as many to contacts.
const LIST_EVERY_MS: u64 = 1_000;
const LISTS_AT_ONCE: u64 = 20;
/// Bytes of a list.
const LIST_BYTES: usize = 60_000;
/// A link in a list is good for so long when it is made, and is listed while so much is left.
const LINK_MS: u64 = 30 * 24 * 3_600_000;
const LINK_LEFT_MS: u64 = 24 * 3_600_000;
/// Everybody is asked again after this.
const ASK_EVERY_MS: u64 = 2_000;
/// Peers on the LAN that are remembered, and for how long they and what they list are.
const MAX_LAN: usize = 64;
const KEEP_MS: u64 = 10 * 60_000;
/// Peers whose lists are kept.
const MAX_LISTERS: usize = 128;

/// A public room that somebody lists.
#[derive(Debug, Clone)]
pub struct PublicRoom {
    /// Which.
    pub room: ConversationId,
    /// Who made it.
    pub creator: UserId,
    /// What it is called, as whoever lists it says.
    pub name: String,
    /// What it is about, as they say.
    pub topic: String,
    /// How many take part, as they say.
    pub members: u32,
    /// When it was made, ms, as its creator signed it.
    pub created: u64,
    /// With which they let in whoever shows it.
    pub link: String,
}

/// What is known of public rooms around us.
pub(crate) struct Directory {
    given: Allowance,
    given_to_contacts: Allowance,
    asked: u64,
    lan: BTreeMap<PeerId, (u64, Vec<Multiaddr>)>,
    listed: BTreeMap<PeerId, (u64, Vec<PublicRoom>)>,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            given: Allowance::new(LIST_EVERY_MS, LISTS_AT_ONCE),
            given_to_contacts: Allowance::new(LIST_EVERY_MS, LISTS_AT_ONCE),
            asked: 0,
            lan: BTreeMap::new(),
            listed: BTreeMap::new(),
        }
    }
}

impl Directory {
    /// The clock was set back.
    pub(super) fn set_back(&mut self, by: u64) {
        self.given.set_back(by);
        self.given_to_contacts.set_back(by);
        self.asked = self.asked.saturating_sub(by);
        let lan = self.lan.values_mut().map(|(at, _)| at);
        lan.chain(self.listed.values_mut().map(|(at, _)| at))
            .for_each(|at| *at = at.saturating_sub(by));
    }

    /// How many rooms a peer lists.
    #[cfg(test)]
    pub(crate) fn listed_by(&self, peer: &PeerId) -> usize {
        self.listed.get(peer).map_or(0, |(_, rooms)| rooms.len())
    }

    /// The peers that announced themselves on the LAN lately, and where they are.
    pub(super) fn near(&self, now: u64) -> BTreeMap<PeerId, Vec<Multiaddr>> {
        let near = self.lan.iter().filter(|(_, (at, _))| now.saturating_sub(*at) < KEEP_MS);
        near.map(|(peer, (_, addresses))| (*peer, addresses.clone())).collect()
    }

    /// Whether a peer announced itself on the LAN.
    pub(super) fn is_there(&self, peer: &PeerId) -> bool {
        self.lan.contains_key(peer)
    }

    /// A peer announced itself on the LAN.
    pub(crate) fn is_near(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, now: u64) {
        keep(&mut self.lan, MAX_LAN, peer, now, addresses);
    }
}

/// Remembers something of a peer, in the place of what is oldest.
fn keep<T>(of: &mut BTreeMap<PeerId, (u64, T)>, max: usize, peer: PeerId, now: u64, what: T) {
    of.insert(peer, (now, what));
    if of.len() > max
        && let Some(oldest) = of.iter().min_by_key(|(_, (at, _))| *at).map(|(peer, _)| *peer)
    {
        of.remove(&oldest);
    }
}

impl Engine {
    /// The public rooms into which this account lets others.
    pub(crate) fn list_rooms(&mut self, turn: &mut Turn<'_, '_>, by: &PeerId) -> Result<KnockResponse, StoreError> {
        let given = match self.is_contacts_peer(turn, by)? {
            true => &mut self.rooms.directory.given_to_contacts,
            false => &mut self.rooms.directory.given,
        };
        if !given.take(turn.now) {
            return Ok(KnockResponse::Nothing);
        }
        let rooms = self.listed_rooms(turn)?;
        Ok(KnockResponse::Rooms { rooms })
    }

    /// The same, as somebody else would take it.
    pub(crate) fn own_public_rooms(&mut self, turn: &mut Turn<'_, '_>) -> Result<Vec<PublicRoom>, StoreError> {
        let listed = self.listed_rooms(turn)?;
        let peer = self.peer;
        self.checked_rooms(turn, &peer, listed)
    }

    fn listed_rooms(&mut self, turn: &mut Turn<'_, '_>) -> Result<Vec<ListedRoom>, StoreError> {
        let (mut listed, mut size) = (Vec::new(), 0_usize);
        for (no, row) in rooms::all(turn.txn)? {
            if row.standing != Standing::Member || row.policy.join_rule() != JoinRule::Public {
                continue;
            }
            let Some(room) = self.listed_room(turn, no, &row)? else {
                continue;
            };
            size = size.saturating_add(room.create.len() + room.link.len() + room.name.len() + room.topic.len());
            if size > LIST_BYTES || listed.len() >= MAX_LISTED {
                break;
            }
            listed.push(room);
        }
        Ok(listed)
    }

    fn listed_room(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        row: &RoomRow,
    ) -> Result<Option<ListedRoom>, StoreError> {
        let own = self.own.user;
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(None);
        };
        let (first, may) = (folded.ids().next(), folded.state().rank(&own) >= Rank::Member);
        let Some((first, room)) = first.filter(|_| may).zip(conversations::id_of(turn.txn, no)?) else {
            return Ok(None);
        };
        let create = match events::place(turn.txn, &first)? {
            Some(at) => events::get(turn.txn, &at)?.map(|event| event.to_wire()),
            None => None,
        };
        let create = create.filter(|wire| wire.len() <= MAX_LISTED_CREATE);
        let Some((create, token)) = create.zip(self.token_of(turn, no)?) else {
            return Ok(None);
        };
        Ok(Some(ListedRoom {
            create,
            link: self.link_into(room, row.name.clone(), token.token, token.expires),
            name: row.name.clone(),
            topic: row.topic.clone(),
            members: row.members,
            ext: Vec::new(),
        }))
    }

    /// A token for knocking at a room: one that there is, or a new one.
    fn token_of(&mut self, turn: &mut Turn<'_, '_>, no: ConversationNo) -> Result<Option<TokenRow>, StoreError> {
        let all = rooms::tokens(turn.txn)?;
        let good = |row: &TokenRow| row.expires > turn.now.saturating_add(LINK_LEFT_MS);
        let known = all.iter().find(|row| row.room == no && row.knock && good(row));
        if known.is_some() || all.len() >= MAX_LINKS {
            return Ok(known.cloned());
        }
        let row = TokenRow {
            token: self.random_id(),
            room: no,
            expires: turn.now.saturating_add(LINK_MS),
            knock: true,
        };
        rooms::put_token(turn.txn, &row);
        Ok(Some(row))
    }

    /// The public rooms that others have listed lately; those who are there are asked for more.
    pub(crate) fn public_rooms(&mut self, turn: &mut Turn<'_, '_>) -> Result<Vec<PublicRoom>, StoreError> {
        let now = turn.now;
        let directory = &mut self.rooms.directory;
        directory.lan.retain(|_, (at, _)| now.saturating_sub(*at) < KEEP_MS);
        directory.listed.retain(|_, (at, _)| now.saturating_sub(*at) < KEEP_MS);
        if now.saturating_sub(directory.asked) >= ASK_EVERY_MS {
            directory.asked = now;
            let near = directory.lan.clone();
            for peer in self.contacts_there(turn)? {
                self.knock(turn, peer, Knock::Rooms(peer), &KnockRequest::Rooms);
            }
            for (peer, (_, addresses)) in near {
                self.knock_at(turn, peer, addresses, Knock::Rooms(peer), &KnockRequest::Rooms);
            }
        }
        let mut found: BTreeMap<ConversationId, PublicRoom> = BTreeMap::new();
        for room in self.rooms.directory.listed.values().flat_map(|(_, rooms)| rooms) {
            if !self.is_blocked(&room.creator) {
                found.entry(room.room).or_insert_with(|| room.clone());
            }
        }
        Ok(found.into_values().collect())
    }

    /// The connected peers of contacts.
    pub(super) fn contacts_there(&self, turn: &Turn<'_, '_>) -> Result<BTreeSet<PeerId>, StoreError> {
        let mut there = BTreeSet::new();
        for contact in contacts::all(turn.txn)? {
            if contact.state == ContactState::Accepted && !self.is_blocked(&contact.user) {
                there.extend(self.peers_of(turn, &contact.user)?);
            }
        }
        there.retain(|peer| self.dialer.is_connected(peer));
        Ok(there)
    }

    /// A peer lists public rooms.
    pub(crate) fn on_rooms_listed(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        listed: Vec<ListedRoom>,
    ) -> Result<(), StoreError> {
        let rooms = self.checked_rooms(turn, &peer, listed)?;
        self.note_news(turn, &peer, &rooms)?;
        keep(&mut self.rooms.directory.listed, MAX_LISTERS, peer, turn.now, rooms);
        Ok(())
    }

    /// What is true of a list, as far as it can be proved.
    fn checked_rooms(
        &self,
        turn: &Turn<'_, '_>,
        peer: &PeerId,
        listed: Vec<ListedRoom>,
    ) -> Result<Vec<PublicRoom>, StoreError> {
        let mut rooms = Vec::new();
        for room in listed {
            let Ok(event) = SignedEvent::decode(&room.create) else {
                continue;
            };
            let (id, created) = (event.header().conversation, event.header().clock);
            let link = RoomLink::parse(&room.link).ok();
            let theirs = link.is_some_and(|link| link.room == id && link.invite.peer == peer.to_bytes());
            let checked = self.check_operation(turn, event)?;
            let Some(checked) = checked.filter(|checked| theirs && checked.begins(&id)) else {
                continue;
            };
            rooms.push(PublicRoom {
                room: id,
                creator: checked.author(),
                name: room.name,
                topic: room.topic,
                members: room.members,
                created,
                link: room.link,
            });
        }
        Ok(rooms)
    }
}
