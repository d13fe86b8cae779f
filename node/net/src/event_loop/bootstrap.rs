//! Nodes that the configuration names by address: connected to whenever they are not, whoever they turn out to be. They are
//! neighbours for gossip like any stranger, and nothing is believed of them for being named.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    multiaddr::Protocol,
    swarm::{
        ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::time::Instant;

use super::{EventLoop, translate};
use crate::event::NetEvent;

/// First pause after a failed dial, and the longest. They are few, and everybody else may be found through them.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// One node that the configuration names, at one address or several.
#[derive(Debug)]
pub(super) struct Bootstrap {
    addresses: Vec<Multiaddr>,
    /// Tried in turn: a network may let TCP through and not QUIC.
    turn: usize,
    dialling: Option<ConnectionId>,
    /// Who answered last.
    peer: Option<PeerId>,
    /// It is this node itself: one list may be given to all.
    own: bool,
    next: Instant,
    pause: Duration,
}

impl Bootstrap {
    pub(super) fn new(addresses: Vec<Multiaddr>, now: Instant) -> Self {
        Self {
            peer: addresses.iter().find_map(peer_of),
            addresses,
            turn: 0,
            dialling: None,
            own: false,
            next: now,
            pause: PAUSE.0,
        }
    }

    /// What to dial now, if anything.
    fn due(&mut self, is_connected: impl Fn(&PeerId) -> bool, now: Instant) -> Option<DialOpts> {
        if self.own || self.dialling.is_some() {
            return None;
        }
        if self.peer.as_ref().is_some_and(is_connected) {
            (self.next, self.pause) = (now, PAUSE.0);
            return None;
        }
        if now < self.next {
            return None;
        }
        let address = self
            .addresses
            .get(self.turn.checked_rem(self.addresses.len())?)?
            .clone();
        self.turn = self.turn.wrapping_add(1);
        // Whoever answered before may have another name by now, unless the configuration says who it is.
        let options = match peer_of(&address) {
            Some(peer) => DialOpts::peer_id(peer)
                .addresses(vec![address])
                .condition(PeerCondition::Disconnected)
                .build(),
            // From another port than ours, which TCP would connect with itself if the address is our own.
            None => DialOpts::unknown_peer_id().address(address).allocate_new_port().build(),
        };
        self.dialling = Some(options.connection_id());
        Some(options)
    }

    fn failed(&mut self, error: &DialError, now: Instant) {
        self.dialling = None;
        // Of the one address that was given none is left when it is among those where this node listens.
        self.own = matches!(error, DialError::LocalPeerId { .. } | DialError::NoAddresses);
        self.next = now + spread(self.pause);
        self.pause = self.pause.saturating_mul(2).min(PAUSE.1);
    }
}

impl EventLoop {
    /// Dials those that are due.
    pub(super) fn dial_bootstraps(&mut self, now: Instant) {
        for number in 0..self.bootstraps.len() {
            let Some(bootstrap) = self.bootstraps.get_mut(number) else {
                return;
            };
            let Some(options) = bootstrap.due(|peer| self.swarm.is_connected(peer), now) else {
                continue;
            };
            if let Err(error) = self.swarm.dial(options) {
                self.bootstrap_failed(number, &error, now);
            }
        }
    }

    /// A connection stands: notes whom it led to, if it was dialled for a name of the configuration.
    pub(super) fn bootstrap_reached(&mut self, connection: ConnectionId, peer: PeerId) {
        let Some((number, bootstrap)) = self.bootstrap_of(connection) else {
            return;
        };
        bootstrap.dialling = None;
        bootstrap.peer = Some(peer);
        let result = Ok(peer);
        self.tell(NetEvent::Bootstrap { number, result });
    }

    /// A dial failed.
    pub(super) fn bootstrap_missed(&mut self, connection: ConnectionId, error: &DialError) {
        if let Some((number, _)) = self.bootstrap_of(connection) {
            self.bootstrap_failed(number, error, Instant::now());
        }
    }

    fn bootstrap_failed(&mut self, number: usize, error: &DialError, now: Instant) {
        if let Some(bootstrap) = self.bootstraps.get_mut(number) {
            bootstrap.failed(error, now);
            let result = match bootstrap.own {
                true => Ok(*self.swarm.local_peer_id()),
                false => Err(translate::dial_error(error)),
            };
            self.tell(NetEvent::Bootstrap { number, result });
        }
    }

    fn bootstrap_of(&mut self, connection: ConnectionId) -> Option<(usize, &mut Bootstrap)> {
        let mut all = self.bootstraps.iter_mut().enumerate();
        all.find(|(_, bootstrap)| bootstrap.dialling == Some(connection))
    }
}

/// Whom an address names at its end.
fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

/// ± 20 %, so that nodes that were started together do not try together for ever.
fn spread(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 401;
    let thousandths = u32::try_from(random).unwrap_or(0).saturating_add(800);
    pause.saturating_mul(thousandths) / 1_000
}
