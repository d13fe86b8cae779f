//! Who may connect: numbers of connections, half-open handshakes of one address, blocked peers.
//!
//! Everything is forgotten when its connection is, so strangers who come and go leave nothing behind. A protected peer
//! bypasses every limit that is checked once the peer is known; it does not bypass a block.
//!
//! A node dials nobody whom it is connected to. Who comes again has lost the connection that stands here, because it was
//! killed or its address changed, and here that would show only after some pings. Both would believe in different things,
//! gossip most of all. So all ends that is older than two dials at once can be, and the peer is let in when it tries again.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    net::IpAddr,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionId, DialFailure, FromSwarm, ListenFailure,
        NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished,
        dummy,
    },
};

use tokio::time::Instant;

use crate::{
    address,
    config::NetLimits,
    gossip::Bucket,
    refusals::{Counter, Kind},
};

/// Half-open inbound handshakes of one address (loopback excepted), so that one host cannot take every place; and those of
/// an address from which a contact has come, when all other places are taken.
const PENDING_PER_IP: usize = 16;
/// Two nodes that dial each other at once are connected twice within this.
const TWO_DIALS: Duration = Duration::from_secs(5);
const SHUN_FOR: Duration = Duration::from_secs(60);
/// Peers refused for a while at once.
const SHUNNED: usize = 4096;

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the peer is blocked")]
    Blocked,
    #[error("the peer is refused for a while")]
    Shunned,
    #[error("more than {max} handshakes are under way")]
    Pending { max: usize },
    #[error("more than {max} inbound connections are open")]
    Inbound { max: usize },
    #[error("more than {max} connections are open")]
    Total { max: usize },
    #[error("more than {max} connections to this peer are open")]
    PerPeer { max: usize },
    #[error("too many strangers come at once")]
    Hurry,
    #[error("the peer comes again: what stood is closed first")]
    Again,
}

#[derive(Debug)]
struct Standing {
    peer: PeerId,
    inbound: bool,
    since: Instant,
}

#[derive(Debug)]
pub(crate) struct Behaviour {
    limits: NetLimits,
    protected: HashSet<PeerId>,
    blocked: HashSet<PeerId>,
    /// Refused for a while, and until when.
    shunned: HashMap<PeerId, Instant>,
    pending_inbound: HashMap<ConnectionId, Option<IpAddr>>,
    pending_outbound: HashSet<ConnectionId>,
    established: HashMap<ConnectionId, Standing>,
    /// To be closed.
    stale: VecDeque<(PeerId, ConnectionId)>,
    inbound: usize,
    per_peer: HashMap<PeerId, usize>,
    /// New connections of strangers.
    strangers: Bucket,
    /// Where contacts were last, one address each.
    homes: HashMap<PeerId, IpAddr>,
    refusals: Counter,
}

impl Behaviour {
    pub(crate) fn new(limits: NetLimits, refusals: Counter) -> Self {
        Self {
            strangers: Bucket::new(
                f64::from(limits.inbound_per_second),
                f64::from(limits.inbound_burst),
                Instant::now(),
            ),
            homes: HashMap::new(),
            refusals,
            limits,
            protected: HashSet::new(),
            blocked: HashSet::new(),
            shunned: HashMap::new(),
            pending_inbound: HashMap::new(),
            pending_outbound: HashSet::new(),
            established: HashMap::new(),
            stale: VecDeque::new(),
            inbound: 0,
            per_peer: HashMap::new(),
        }
    }

    pub(crate) fn protect(&mut self, peer: PeerId) {
        self.protected.insert(peer);
    }

    pub(crate) fn unprotect(&mut self, peer: &PeerId) {
        self.protected.remove(peer);
        self.homes.remove(peer);
    }

    pub(crate) fn is_protected(&self, peer: &PeerId) -> bool {
        self.protected.contains(peer)
    }

    pub(crate) fn block(&mut self, peer: PeerId) {
        self.blocked.insert(peer);
    }

    pub(crate) fn unblock(&mut self, peer: &PeerId) {
        self.blocked.remove(peer);
    }

    /// Refuses `peer` for a minute, unless it is protected.
    pub(crate) fn shun(&mut self, peer: PeerId, now: Instant) {
        if self.shunned.len() < SHUNNED {
            self.shunned.insert(peer, now + SHUN_FOR);
        }
    }

    pub(crate) fn sweep(&mut self, now: Instant) {
        self.shunned.retain(|_, until| *until > now);
    }

    fn admit_pending_inbound(&mut self, id: ConnectionId, from: &Multiaddr) -> Result<(), Refused> {
        let ip = address::ip_of(from).map(network_of);
        let max = self.limits.pending_inbound;
        let full = self.pending_inbound.len() >= max;
        if full && !ip.is_some_and(|ip| self.homes.values().any(|home| *home == ip)) {
            return Err(Refused::Pending { max });
        }
        if let Some(ip) = ip.filter(|ip| full || !ip.is_loopback()) {
            let same = self
                .pending_inbound
                .values()
                .filter(|other| **other == Some(ip))
                .count();
            if same >= PENDING_PER_IP {
                return Err(Refused::Pending { max: PENDING_PER_IP });
            }
        }
        self.pending_inbound.insert(id, ip);
        Ok(())
    }

    fn admit_pending_outbound(&mut self, id: ConnectionId, peer: Option<PeerId>) -> Result<(), Refused> {
        if peer.is_some_and(|peer| self.blocked.contains(&peer)) {
            return Err(Refused::Blocked);
        }
        if peer.is_some_and(|peer| self.is_protected(&peer)) {
            return Ok(());
        }
        let max = self.limits.pending_outbound;
        if self.pending_outbound.len() >= max {
            return Err(Refused::Pending { max });
        }
        self.pending_outbound.insert(id);
        Ok(())
    }

    fn admit(&mut self, peer: &PeerId, inbound: bool, now: Instant) -> Result<(), Refused> {
        if self.blocked.contains(peer) {
            return Err(Refused::Blocked);
        }
        if inbound && self.closes_stale(peer, now) {
            return Err(Refused::Again);
        }
        if self.is_protected(peer) {
            return Ok(());
        }
        if self.shunned.contains_key(peer) {
            return Err(Refused::Shunned);
        }
        let limits = &self.limits;
        if inbound && self.inbound >= limits.inbound {
            return Err(Refused::Inbound { max: limits.inbound });
        }
        if self.established.len() >= limits.total {
            return Err(Refused::Total { max: limits.total });
        }
        if self.per_peer.get(peer).copied().unwrap_or(0) >= limits.per_peer {
            return Err(Refused::PerPeer { max: limits.per_peer });
        }
        if inbound && !self.strangers.take(1, now) {
            return Err(Refused::Hurry);
        }
        Ok(())
    }

    fn note_home(&mut self, peer: PeerId, at: &Multiaddr) {
        if let Some(ip) = address::ip_of(at).filter(|_| self.is_protected(&peer)) {
            self.homes.insert(peer, network_of(ip));
        }
    }

    /// Whether the peer stood here for longer than two dials at once take; if so, that ends.
    fn closes_stale(&mut self, peer: &PeerId, now: Instant) -> bool {
        if !self.per_peer.contains_key(peer) {
            return false;
        }
        let of_peer = self.established.iter().filter(|(_, standing)| standing.peer == *peer);
        let ids: Vec<ConnectionId> = of_peer.clone().map(|(id, _)| *id).collect();
        let newest = of_peer.map(|(_, standing)| standing.since).max();
        let stale = newest.is_some_and(|since| now.duration_since(since) > TWO_DIALS);
        if stale {
            self.stale.extend(ids.into_iter().map(|id| (*peer, id)));
        }
        stale
    }

    fn refused(&self, kind: Kind, refused: Refused) -> ConnectionDenied {
        self.refusals.count(kind);
        ConnectionDenied::new(refused)
    }

    fn opened(&mut self, id: ConnectionId, peer: PeerId, inbound: bool, since: Instant) {
        let standing = Standing { peer, inbound, since };
        if self.established.insert(id, standing).is_none() {
            self.inbound = self.inbound.saturating_add(usize::from(inbound));
            let count = self.per_peer.entry(peer).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn closed(&mut self, id: ConnectionId, peer: PeerId) {
        let Some(Standing { inbound, .. }) = self.established.remove(&id) else {
            return;
        };
        self.inbound = self.inbound.saturating_sub(usize::from(inbound));
        if let Some(count) = self.per_peer.get_mut(&peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_peer.remove(&peer);
            }
        }
    }
}

/// What one host has to itself: an IPv4 address, or a network of IPv6 addresses.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) if !ip.is_loopback() => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        ip => ip,
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        from: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.admit_pending_inbound(id, from)
            .map_err(|refused| self.refused(Kind::Handshake, refused))
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        from: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending_inbound.remove(&id);
        self.admit(&peer, true, Instant::now())
            .map_err(|refused| self.refused(Kind::Connection, refused))?;
        self.note_home(peer, from);
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.admit_pending_outbound(id, peer).map_err(ConnectionDenied::new)?;
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        at: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending_outbound.remove(&id);
        self.admit(&peer, false, Instant::now())
            .map_err(ConnectionDenied::new)?;
        self.note_home(peer, at);
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            }) => self.opened(connection_id, peer_id, endpoint.is_listener(), Instant::now()),
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id, connection_id, ..
            }) => self.closed(connection_id, peer_id),
            FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.pending_outbound.remove(&connection_id);
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.pending_inbound.remove(&connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        let stale = self.stale.pop_front();
        stale.map_or(Poll::Pending, |(peer_id, connection)| {
            Poll::Ready(ToSwarm::CloseConnection {
                peer_id,
                connection: CloseConnection::One(connection),
            })
        })
    }
}

#[cfg(test)]
mod tests;
