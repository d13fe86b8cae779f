//! Discovery on the LAN, with bounds: whoever floods it switches it off for a minute, and nothing else.
//!
//! The discovery below keeps every announcement for as long as it says (up to 136 years), looks through all of them for each
//! new one, and offers them all to every dial. Here it is made anew when it holds too many, and its addresses go through the
//! event loop, which keeps few.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    mdns,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, ListenAddresses, NetworkBehaviour, NewListenAddr, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
    },
};
use tokio::time::{Sleep, sleep};
use tracing::warn;

use crate::refusals::{Counter, Kind};

const TTL: Duration = Duration::from_secs(120);
const QUERY_EVERY: Duration = Duration::from_secs(20);
/// Announced addresses that are kept: a LAN of a hundred nodes has about two hundred.
const KEPT: usize = 512;
/// How long discovery rests after a flood.
const REST: Duration = Duration::from_secs(60);

/// Finds peers on the LAN (IPv4).
pub(crate) struct Behaviour {
    local: PeerId,
    inner: Option<mdns::tokio::Behaviour>,
    /// Where this node listens, to tell an inner behaviour that is made anew.
    listening: ListenAddresses,
    rest: Option<Pin<Box<Sleep>>>,
    refusals: Counter,
}

impl Behaviour {
    /// A node without a usable network interface still runs.
    pub(crate) fn new(local: PeerId, refusals: Counter) -> Self {
        Self {
            local,
            inner: open(local),
            listening: ListenAddresses::default(),
            rest: None,
            refusals,
        }
    }

    /// Begins anew after a rest.
    fn wake(&mut self, cx: &mut Context<'_>) {
        let over = self.rest.as_mut().is_some_and(|rest| rest.as_mut().poll(cx).is_ready());
        if !over {
            return;
        }
        self.rest = None;
        self.inner = open(self.local);
        if let Some(inner) = &mut self.inner {
            for addr in self.listening.iter() {
                inner.on_swarm_event(FromSwarm::NewListenAddr(NewListenAddr {
                    listener_id: libp2p::core::transport::ListenerId::next(),
                    addr,
                }));
            }
        }
    }

    fn is_flooded(&self) -> bool {
        let kept = self.inner.as_ref().map_or(0, |inner| inner.discovered_nodes().len());
        kept > KEPT
    }

    fn rest(&mut self, cx: &mut Context<'_>) {
        warn!("discovery on the LAN is off for a minute: somebody floods it");
        self.refusals.count(Kind::Discovery);
        self.inner = None;
        let mut rest = Box::pin(sleep(REST));
        // Registers for being woken; it cannot be over yet.
        let _ = rest.as_mut().poll(cx);
        self.rest = Some(rest);
    }
}

fn open(local: PeerId) -> Option<mdns::tokio::Behaviour> {
    let config = mdns::Config {
        ttl: TTL,
        query_interval: QUERY_EVERY,
        enable_ipv6: false,
    };
    mdns::tokio::Behaviour::new(config, local)
        .inspect_err(|cause| warn!(error = %cause, "discovery on the LAN is off"))
        .ok()
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = mdns::Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.listening.on_swarm_event(&event);
        if let Some(inner) = &mut self.inner {
            inner.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.wake(cx);
        loop {
            let Some(inner) = &mut self.inner else {
                return Poll::Pending;
            };
            let event = inner.poll(cx);
            if self.is_flooded() {
                self.rest(cx);
            }
            match event {
                Poll::Ready(ToSwarm::GenerateEvent(event)) => return Poll::Ready(ToSwarm::GenerateEvent(event)),
                // Addresses for all to keep: only the event loop keeps any.
                Poll::Ready(_) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
