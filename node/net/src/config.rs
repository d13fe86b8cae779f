//! Everything the network needs to start: key, addresses, topics, the verdict on gossip, limits.

use std::fmt;

use libp2p::{Multiaddr, PeerId, identity};

/// What to do with a received gossip message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Deliver and forward.
    Accept,
    /// Drop; the neighbour that forwarded it is not blamed.
    Ignore,
    /// Drop and lower the score of the neighbour that forwarded it.
    Reject,
}

/// The node's transport key. It names a peer, never an author.
#[derive(Clone)]
pub struct NodeKey(identity::Keypair);

impl NodeKey {
    /// Takes the 32 secret bytes of an Ed25519 key and zeroes `secret`.
    pub fn from_bytes(secret: &mut [u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "the only failure is a length other than 32")]
        let keypair =
            identity::Keypair::ed25519_from_bytes(&mut secret[..]).expect("every 32 bytes are an Ed25519 secret key");
        Self(keypair)
    }

    /// The public name of this key.
    pub fn peer(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    pub(crate) fn into_keypair(self) -> identity::Keypair {
        self.0
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeKey").field(&self.peer()).finish()
    }
}

/// How to start the network.
#[derive(Debug, Clone)]
pub struct NetConfig {
    /// The transport key.
    pub keypair: NodeKey,
    /// Where to listen; see [`parse_listen`](crate::parse_listen).
    pub listen: Vec<Multiaddr>,
    /// Addresses to announce without proof (compose files, port forwards).
    pub external: Vec<Multiaddr>,
    /// Nodes to stay connected to, each by its addresses, which are tried in turn; see [`parse_place`](crate::parse_place).
    pub bootstrap: Vec<Vec<Multiaddr>>,
    /// Whether to announce and search on the LAN (IPv4).
    pub mdns: bool,
    /// Gossip topics, at most 255; commands and events name them by index. All are subscribed.
    pub topics: Vec<String>,
    /// The verdict on a gossip message; gets the bytes and the time in ms. Must be quick: it runs in the swarm task.
    pub validate: fn(&[u8], u64) -> Verdict,
    /// The clock, in ms since the epoch.
    pub now_ms: fn() -> u64,
    /// What identify tells every peer; nothing about the user. For example `parlour/0.1.0`.
    pub agent_version: String,
    /// Bounds.
    pub limits: NetLimits,
}

impl NetConfig {
    /// A configuration that listens nowhere, without mDNS and topics, which accepts every gossip message.
    pub fn new(keypair: NodeKey, now_ms: fn() -> u64) -> Self {
        Self {
            keypair,
            listen: Vec::new(),
            external: Vec::new(),
            bootstrap: Vec::new(),
            mdns: false,
            topics: Vec::new(),
            validate: |_, _| Verdict::Accept,
            now_ms,
            agent_version: concat!("parlour/", env!("CARGO_PKG_VERSION")).to_owned(),
            limits: NetLimits::default(),
        }
    }
}

/// Bounds on what strangers can take. Protected peers bypass those on connections and rates.
#[derive(Debug, Clone)]
pub struct NetLimits {
    /// Inbound handshakes under way.
    pub pending_inbound: usize,
    /// Outbound dials under way.
    pub pending_outbound: usize,
    /// Inbound connections.
    pub inbound: usize,
    /// Connections in all.
    pub total: usize,
    /// Connections to one peer.
    pub per_peer: usize,
    /// New connections are refused while the process holds more memory than this.
    pub memory_bytes: usize,
    /// New connections of strangers a second. Each new name that comes and goes leaves a trace for some minutes.
    pub inbound_per_second: u32,
    /// New connections of strangers at once.
    pub inbound_burst: u32,
    /// Gossip messages of at most 1 KiB a second from one neighbour, beyond which they are dropped; larger ones count more.
    pub gossip_per_second: u32,
    /// Gossip messages a quiet neighbour may send at once.
    pub gossip_burst: u32,
    /// Gossip messages a second from all strangers together; each stranger may always bring a few.
    pub strangers_per_second: u32,
    /// Gossip messages of all strangers at once.
    pub strangers_burst: u32,
    /// Knocks under way, in and out each.
    pub knocks: usize,
    /// Inbound streams of one peer.
    pub streams_per_peer: usize,
    /// Inbound streams in all.
    pub streams: usize,
}

impl Default for NetLimits {
    fn default() -> Self {
        Self {
            pending_inbound: 64,
            pending_outbound: 64,
            inbound: 512,
            total: 1024,
            per_peer: 4,
            memory_bytes: 1 << 30,
            inbound_per_second: 10,
            inbound_burst: 100,
            gossip_per_second: 500,
            gossip_burst: 2000,
            strangers_per_second: 500,
            strangers_burst: 1000,
            knocks: 64,
            streams_per_peer: 4,
            streams: 256,
        }
    }
}
