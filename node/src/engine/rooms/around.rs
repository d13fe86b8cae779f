//! Coming into a room while whoever made the link is away: members are looked for among the nodes around, connected or on the LAN, and
//! the link is shown to those who know it. A node that does not know it learns nothing but that somebody asks: neither the room nor the
//! token. Where the number of uses is limited only the device that made the link can let anybody in, and nobody else says a word.

use std::collections::BTreeMap;

use parlour_crypto::{
    BetweenPeers, DeviceList, KnockRequest, KnockResponse, RoomState, UserId, answers_about_link, asks_about_link,
    link_answer, link_question, link_token_hash,
};
use parlour_net::{Multiaddr, PeerId, address_to_bytes};
use parlour_store::rooms::{self, JoiningRow, Standing};
use parlour_store::{ConversationNo, StoreError};

use super::joining::{host_row, refused};
use super::links::can_let_in;
use crate::engine::Engine;
use crate::engine::contacts::{Knock, check_bundle};
use crate::engine::effects::Turn;
use crate::engine::timers::{Allowance, Timer, jitter};

/// The maker of a link has so long before others are asked.
const FIRST_MS: u64 = 5_000;
/// Others are asked again after this.
const AGAIN_MS: u64 = 30_000;
/// Nodes asked at once about one room.
const MAX_ASKED: usize = 32;
/// Members of one room who are shown its link beside its maker.
const MAX_HOSTS: usize = 4;
/// Questions answered: one per this time, and so many at once.
const ANSWER_EVERY_MS: u64 = 500;
const ANSWERS_AT_ONCE: u64 = 16;

/// Who was found, and how many may still be told that they found us.
pub(crate) struct Around {
    /// Members who know the link of a room that we wait for, and when they were last shown it.
    hosts: BTreeMap<ConversationNo, BTreeMap<UserId, u64>>,
    answers: Allowance,
}

impl Default for Around {
    fn default() -> Self {
        Self {
            hosts: BTreeMap::new(),
            answers: Allowance::new(ANSWER_EVERY_MS, ANSWERS_AT_ONCE),
        }
    }
}

impl Around {
    /// The clock was set back.
    pub(super) fn set_back(&mut self, by: u64) {
        self.answers.set_back(by);
        for at in self.hosts.values_mut().flat_map(BTreeMap::values_mut) {
            *at = at.saturating_sub(by);
        }
    }

    /// Whether a user showed that they know the link with which we wait to be let into a room.
    pub(super) fn is_host(&self, no: ConversationNo, user: &UserId) -> bool {
        self.hosts.get(&no).is_some_and(|hosts| hosts.contains_key(user))
    }

    /// Remembers that a member is shown the link. `false`: they were not long ago, or others are.
    fn may_show(&mut self, no: ConversationNo, user: &UserId, now: u64) -> bool {
        let hosts = self.hosts.entry(no).or_default();
        let lately = |at: &u64| now.saturating_sub(*at) < AGAIN_MS / 2;
        if hosts.values().any(lately) || (hosts.len() >= MAX_HOSTS && !hosts.contains_key(user)) {
            return false;
        }
        hosts.insert(*user, now);
        true
    }
}

impl Engine {
    /// Whether a user may let us into a room that we wait for: the maker of the link, or somebody who knows it.
    pub(super) fn may_let_us_in(&self, row: &JoiningRow, user: &UserId) -> bool {
        row.user == *user || self.rooms.around.is_host(row.room, user)
    }

    /// Looks for members of the rooms that are waited for, if their links' makers do not answer soon.
    pub(crate) fn ask_around_soon(&mut self, turn: &Turn<'_, '_>) -> Result<(), StoreError> {
        if !rooms::all_joining(turn.txn)?.is_empty() {
            self.timers
                .set_earliest(Timer::Joining, turn.now.saturating_add(FIRST_MS));
        }
        Ok(())
    }

    /// Asks the nodes around for members of the rooms that are waited for.
    pub(crate) fn on_joining_timer(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let waiting = rooms::all_joining(turn.txn)?;
        let hosts = &mut self.rooms.around.hosts;
        hosts.retain(|no, _| waiting.iter().any(|row| row.room == *no));
        for row in &waiting {
            match row.expires <= turn.now {
                true => self.join_refused(turn, row.room, refused::ENDED)?,
                false => self.ask_around(turn, row),
            }
        }
        if !waiting.is_empty() {
            let pause = jitter(AGAIN_MS, self.random());
            self.timers.set(Timer::Joining, turn.now.saturating_add(pause));
        }
        Ok(())
    }

    fn ask_around(&mut self, turn: &mut Turn<'_, '_>, row: &JoiningRow) {
        let maker = PeerId::from_bytes(&row.peer).ok();
        if maker.is_some_and(|maker| self.dialer.is_connected(&maker)) {
            return;
        }
        let mut around: BTreeMap<PeerId, Vec<Multiaddr>> = self.rooms.directory.near(turn.now);
        for peer in self.dialer.connected().keys() {
            around.entry(*peer).or_default();
        }
        around.retain(|peer, _| Some(*peer) != maker && *peer != self.peer);
        // Others each time, where there are many.
        let first = usize::try_from(self.random()).unwrap_or(0) % around.len().max(1);
        let (hash, own) = (link_token_hash(&row.token), self.peer.to_bytes());
        let asked: Vec<_> = around.into_iter().collect();
        for (peer, addresses) in asked.iter().cycle().skip(first).take(MAX_ASKED.min(asked.len())) {
            let nonce = self.random_id();
            let between = BetweenPeers {
                asks: &own,
                asked: &peer.to_bytes(),
            };
            let proof = link_question(&hash, &nonce, between);
            let purpose = Knock::Member(row.room, *peer, nonce);
            self.knock_at(
                turn,
                *peer,
                addresses.clone(),
                purpose,
                &KnockRequest::Link { nonce, proof },
            );
        }
    }

    /// Somebody asks for a member of the room that a link leads to.
    pub(crate) fn answer_about_link(
        &mut self,
        turn: &mut Turn<'_, '_>,
        by: &PeerId,
        nonce: &[u8; 16],
        proof: &[u8; 16],
    ) -> Result<KnockResponse, StoreError> {
        if !self.rooms.around.answers.take(turn.now) {
            return Ok(KnockResponse::Nothing);
        }
        let (asks, asked) = (by.to_bytes(), self.peer.to_bytes());
        let between = BetweenPeers {
            asks: &asks,
            asked: &asked,
        };
        let asked_about = |hash: &[u8; 32]| asks_about_link(hash, nonce, between, proof);
        let Some(hash) = self.link_that_lets_in(turn, asked_about)? else {
            return Ok(KnockResponse::Nothing);
        };
        Ok(KnockResponse::Member {
            proof: link_answer(&hash, nonce, between, &self.bundle),
            device_list: self.account.list.as_bytes().to_vec(),
            bundle: self.bundle.clone(),
        })
    }

    /// Whether a token is that of a link, whoever made it, by which this account may let others in.
    pub(crate) fn lets_in_by(&mut self, turn: &Turn<'_, '_>, token: &[u8; 16]) -> Result<bool, StoreError> {
        let shown = link_token_hash(token);
        Ok(self.link_that_lets_in(turn, |hash| *hash == shown)?.is_some())
    }

    /// The hash of the token of a link by which this account may let others in, of those that are meant.
    fn link_that_lets_in(
        &mut self,
        turn: &Turn<'_, '_>,
        meant: impl Fn(&[u8; 32]) -> bool,
    ) -> Result<Option<[u8; 32]>, StoreError> {
        let (own, device) = (self.own.user, self.account.keys.id());
        for (no, row) in rooms::all(turn.txn)? {
            if row.standing != Standing::Member {
                continue;
            }
            let Some(folded) = self.folded(turn, no)? else { continue };
            let state: &RoomState = folded.state();
            let mut links = state.links.values();
            let good = |link: &&parlour_crypto::LinkState| {
                meant(&link.token) && can_let_in(state, &own, &device, link, turn.now).is_ok()
            };
            if let Some(link) = links.find(good) {
                return Ok(Some(link.token));
            }
        }
        Ok(None)
    }

    /// A node says that one of its users knows the link with which we wait.
    pub(crate) fn on_member_found(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: ConversationNo,
        (peer, nonce): (PeerId, &[u8; 16]),
        proof: &[u8; 16],
        (list, bundle): (&[u8], &[u8]),
    ) -> Result<(), StoreError> {
        let Some(row) = rooms::joining(turn.txn, no)? else {
            return Ok(());
        };
        let between = BetweenPeers {
            asks: &self.peer.to_bytes(),
            asked: &peer.to_bytes(),
        };
        if !answers_about_link(&link_token_hash(&row.token), nonce, between, bundle, proof) {
            return Ok(());
        }
        let Ok(user) = DeviceList::verify(list).map(|list| list.user()) else {
            return Ok(());
        };
        let Some((certificate, bundle)) = check_bundle(&user, list, bundle, None) else {
            return Ok(());
        };
        let out = user == self.own.user || self.is_blocked(&user) || self.is_undecided(&user);
        if out || !self.rooms.around.may_show(no, &user, turn.now) {
            return Ok(());
        }
        let near = self.rooms.directory.near(turn.now).remove(&peer).unwrap_or_default();
        let place = (peer.to_bytes(), near.iter().map(address_to_bytes).collect());
        self.want_peer(turn, peer);
        let host = host_row(&certificate, bundle.as_bytes(), place);
        self.show_link(turn, &row, (&certificate, &bundle, host), None)
    }
}
