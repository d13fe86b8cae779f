//! What was refused, counted: how an attack shows from outside.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What the network has refused since it started, by kind. The numbers only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refusals {
    /// Handshakes that were not begun: too many under way.
    pub handshakes: u64,
    /// Connections closed after their handshake: too many, too fast, blocked or refused for a while.
    pub connections: u64,
    /// Gossip over its sender's rate, or over that of all strangers together.
    pub gossip_rate: u64,
    /// Gossip on topics that are not ours.
    pub gossip_topics: u64,
    /// Orders about gossip that no honest neighbour gives.
    pub gossip_control: u64,
    /// Neighbours left because they flood, or take nothing.
    pub floods: u64,
    /// Streams that were too many, or whose beginning broke the rules.
    pub streams: u64,
    /// Knocks over the rate or over the number under way.
    pub knocks: u64,
    /// Addresses that peers told too often, or that are nobody's.
    pub addresses: u64,
    /// Times when discovery on the LAN was switched off for a while, because somebody floods it.
    pub discovery: u64,
}

/// The same numbers where they are counted.
#[derive(Debug, Default)]
struct Numbers {
    handshakes: AtomicU64,
    connections: AtomicU64,
    gossip_rate: AtomicU64,
    gossip_topics: AtomicU64,
    gossip_control: AtomicU64,
    floods: AtomicU64,
    streams: AtomicU64,
    knocks: AtomicU64,
    addresses: AtomicU64,
    discovery: AtomicU64,
}

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Handshake,
    Connection,
    GossipRate,
    GossipTopic,
    GossipControl,
    Flood,
    Stream,
    Knock,
    Address,
    Discovery,
}

/// Counts refusals; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<Numbers>);

impl Counter {
    pub(crate) fn count(&self, kind: Kind) {
        self.add(kind, 1);
    }

    pub(crate) fn add(&self, kind: Kind, number: usize) {
        let numbers = &*self.0;
        let counter = match kind {
            Kind::Handshake => &numbers.handshakes,
            Kind::Connection => &numbers.connections,
            Kind::GossipRate => &numbers.gossip_rate,
            Kind::GossipTopic => &numbers.gossip_topics,
            Kind::GossipControl => &numbers.gossip_control,
            Kind::Flood => &numbers.floods,
            Kind::Stream => &numbers.streams,
            Kind::Knock => &numbers.knocks,
            Kind::Address => &numbers.addresses,
            Kind::Discovery => &numbers.discovery,
        };
        counter.fetch_add(u64::try_from(number).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn so_far(&self) -> Refusals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let numbers = &*self.0;
        Refusals {
            handshakes: read(&numbers.handshakes),
            connections: read(&numbers.connections),
            gossip_rate: read(&numbers.gossip_rate),
            gossip_topics: read(&numbers.gossip_topics),
            gossip_control: read(&numbers.gossip_control),
            floods: read(&numbers.floods),
            streams: read(&numbers.streams),
            knocks: read(&numbers.knocks),
            addresses: read(&numbers.addresses),
            discovery: read(&numbers.discovery),
        }
    }
}
