//! Whom to connect to, and when: contacts only, the lower peer id first, with growing pauses. Connected peers and the
//! addresses that worked are remembered.

use std::collections::BTreeMap;

use parlour_crypto::UserId;
use parlour_net::{Multiaddr, NetCommand, NetEvent, PeerId};
use parlour_store::contacts::{self, ContactRow, ContactState};
use parlour_store::{DeviceNo, StoreError, devices, rooms};

use super::Engine;
use super::effects::Turn;
use super::timers::{Backoff, Timer};

/// First pause after a failed dial, and the longest.
const PAUSE_MS: (u64, u64) = (1_000, 300_000);
/// Longest pause for someone seen in the last hour.
const RECENT_PAUSE_MS: u64 = 4_000;
const RECENT_MS: u64 = 3_600_000;
/// How long the higher peer id leaves the first dial to the lower one.
const COURTESY_MS: u64 = 400;

/// Peers we are, or want to be, connected to.
#[derive(Default)]
pub(crate) struct Dialer {
    online: bool,
    wanted: BTreeMap<PeerId, Wanted>,
    connected: BTreeMap<PeerId, Multiaddr>,
}

struct Wanted {
    backoff: Backoff,
    /// Why the last dial failed, and when they began to, ms.
    last_failure: Option<(String, u64)>,
}

impl Dialer {
    pub(crate) fn new(online: bool) -> Self {
        Self {
            online,
            ..Self::default()
        }
    }

    pub(crate) fn is_connected(&self, peer: &PeerId) -> bool {
        self.connected.contains_key(peer)
    }

    pub(crate) fn connected(&self) -> &BTreeMap<PeerId, Multiaddr> {
        &self.connected
    }

    /// Forgets whom we want; who is connected stays known.
    pub(crate) fn restart(&mut self) {
        self.wanted.clear();
    }

    /// Notes who comes and goes while nothing can be decided.
    pub(crate) fn observe(&mut self, event: &NetEvent) {
        match event {
            NetEvent::Connected { peer, address, .. } => {
                self.connected.insert(*peer, address.clone());
            }
            NetEvent::Disconnected { peer } => {
                self.connected.remove(peer);
            }
            _ => {}
        }
    }

    /// Peers, why the last dial to them failed, and since when dials have.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&PeerId, &str, u64)> {
        self.wanted.iter().filter_map(|(peer, wanted)| {
            let (reason, since) = wanted.last_failure.as_ref()?;
            Some((peer, reason.as_str(), *since))
        })
    }
}

impl Engine {
    /// Wants to stay connected to a peer from now on.
    pub(crate) fn want_peer(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId) {
        if peer == self.peer || self.dialer.wanted.contains_key(&peer) {
            return;
        }
        let backoff = Backoff::new(PAUSE_MS.0, PAUSE_MS.1);
        self.dialer.wanted.insert(
            peer,
            Wanted {
                backoff,
                last_failure: None,
            },
        );
        turn.net(NetCommand::Protect { peer });
        if !self.dialer.is_connected(&peer) {
            let courtesy = if self.peer < peer { 0 } else { COURTESY_MS };
            self.timers.set(Timer::Dial(peer), turn.now.saturating_add(courtesy));
        }
    }

    /// Wants a peer no more, unless a device or somebody who is to become a contact still names it. Former contacts do not count.
    pub(crate) fn forget_peer(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId) -> Result<(), StoreError> {
        let there = self.devices_at(&peer);
        let has_device = |user: &UserId| {
            there
                .iter()
                .any(|no| self.known.get(no).is_some_and(|k| k.user == *user))
        };
        let named = |row: &ContactRow| match row.state {
            ContactState::Former => false,
            ContactState::Accepted => has_device(&row.user),
            ContactState::Invited { .. } | ContactState::Asked { .. } => {
                row.peer == peer.to_bytes() || has_device(&row.user)
            }
        };
        if !contacts::all(turn.txn)?.iter().any(named) && self.dialer.wanted.remove(&peer).is_some() {
            self.timers.clear(Timer::Dial(peer));
            turn.net(NetCommand::Unprotect { peer });
        }
        Ok(())
    }

    /// Tries at once: a user's act, or the peer was seen near by.
    pub(crate) fn dial_now(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId) {
        if let Some(wanted) = self.dialer.wanted.get_mut(&peer)
            && !self.dialer.connected.contains_key(&peer)
        {
            wanted.backoff = Backoff::new(PAUSE_MS.0, PAUSE_MS.1);
            self.timers.set(Timer::Dial(peer), turn.now);
        }
    }

    /// Every device there is a blocked user's.
    pub(crate) fn only_blocked_at(&self, peer: &PeerId) -> bool {
        let there = self.devices_at(peer);
        !there.is_empty() && there.iter().all(|device| self.is_blocked_device(*device))
    }

    pub(crate) fn on_dial_timer(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId) -> Result<(), StoreError> {
        if !self.dialer.online
            || self.dialer.is_connected(&peer)
            || !self.dialer.wanted.contains_key(&peer)
            || self.only_blocked_at(&peer)
        {
            return Ok(());
        }
        let (addresses, last_seen) = self.addresses_of(turn, peer)?;
        let recent = turn.now.saturating_sub(last_seen) < RECENT_MS;
        let random = self.random();
        if let Some(wanted) = self.dialer.wanted.get_mut(&peer) {
            let mut pause = wanted.backoff.next(random);
            if recent {
                pause = pause.min(RECENT_PAUSE_MS);
            }
            self.timers.set(Timer::Dial(peer), turn.now.saturating_add(pause));
        }
        turn.net(NetCommand::Dial { peer, addresses });
        Ok(())
    }

    fn addresses_of(&self, turn: &Turn<'_, '_>, peer: PeerId) -> Result<(Vec<Multiaddr>, u64), StoreError> {
        let mut raw: Vec<Vec<u8>> = Vec::new();
        let mut last_seen = 0;
        for no in self.devices_at(&peer) {
            if let Some(row) = devices::get(turn.txn, no)? {
                last_seen = last_seen.max(row.last_seen);
                raw.extend(row.good_addresses);
                raw.extend(row.addresses);
            }
        }
        for contact in contacts::all(turn.txn)? {
            if contact.peer == peer.to_bytes() {
                raw.extend(contact.addresses);
            }
        }
        for row in rooms::all_joining(turn.txn)? {
            if row.peer == peer.to_bytes() {
                raw.extend(row.addresses);
            }
        }
        let mut addresses: Vec<Multiaddr> = Vec::new();
        for bytes in raw {
            if let Ok(address) = parlour_net::address_from_bytes(&bytes)
                && !addresses.contains(&address)
            {
                addresses.push(address);
            }
        }
        Ok((addresses, last_seen))
    }

    pub(crate) fn on_connected(
        &mut self,
        turn: &mut Turn<'_, '_>,
        peer: PeerId,
        address: &Multiaddr,
        outbound: bool,
    ) -> Result<(), StoreError> {
        let first = self.dialer.connected.is_empty();
        self.dialer.connected.insert(peer, address.clone());
        self.timers.clear(Timer::Dial(peer));
        if let Some(wanted) = self.dialer.wanted.get_mut(&peer) {
            wanted.backoff = Backoff::new(PAUSE_MS.0, PAUSE_MS.1);
            wanted.last_failure = None;
        }
        for no in self.devices_at(&peer) {
            self.remember_address(turn, no, address, outbound)?;
        }
        self.greet_peer(turn, peer)?;
        if first {
            self.gossip_everything(turn)?;
        }
        Ok(())
    }

    /// A peer is there: opens streams to its devices and goes on with invites that name it. Writes nothing by itself, so that it
    /// can be done on a full disk.
    pub(crate) fn greet_peer(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId) -> Result<(), StoreError> {
        for no in self.devices_at(&peer) {
            let courtesy = if self.peer < peer { 0 } else { COURTESY_MS };
            self.timers
                .set_earliest(Timer::OpenStream(no), turn.now.saturating_add(courtesy));
            if self.sessions.any(no).is_none() {
                self.begin_again(turn, no)?;
            }
        }
        self.ask_for_rooms_of(turn, peer)?;
        self.knock_to_join(turn, peer)?;
        self.knock_invited(turn, peer)
    }

    fn remember_address(
        &mut self,
        turn: &mut Turn<'_, '_>,
        no: DeviceNo,
        address: &Multiaddr,
        outbound: bool,
    ) -> Result<(), StoreError> {
        let Some(mut row) = devices::get(turn.txn, no)? else {
            return Ok(());
        };
        row.last_seen = turn.now;
        if outbound {
            let bytes = parlour_net::address_to_bytes(address);
            row.good_addresses.retain(|known| *known != bytes);
            row.good_addresses.insert(0, bytes);
            row.good_addresses.truncate(devices::DeviceRow::MAX_GOOD);
        }
        devices::put(turn.txn, &row)?;
        Ok(())
    }

    pub(crate) fn on_disconnected(&mut self, turn: &mut Turn<'_, '_>, peer: PeerId) -> Result<(), StoreError> {
        self.dialer.connected.remove(&peer);
        self.rooms.news.went(&peer, turn.now);
        for no in self.devices_at(&peer) {
            if let Some(mut row) = devices::get(turn.txn, no)? {
                row.last_seen = turn.now;
                devices::put(turn.txn, &row)?;
            }
        }
        if self.dialer.wanted.contains_key(&peer) {
            let courtesy = if self.peer < peer { 0 } else { COURTESY_MS };
            self.timers
                .set(Timer::Dial(peer), turn.now.saturating_add(200 + courtesy));
        }
        Ok(())
    }

    pub(crate) fn on_dial_failed(&mut self, peer: PeerId, reason: String, now: u64) {
        if let Some(wanted) = self.dialer.wanted.get_mut(&peer) {
            let since = wanted.last_failure.as_ref().map_or(now, |(_, since)| *since);
            wanted.last_failure = Some((reason, since));
        }
    }
}
