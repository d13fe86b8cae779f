//! What the network tells the node.
//!
//! Order: `Connected` comes before any stream or request of that peer; one stream's events are in order and its
//! `StreamClosed` comes once, last. `StreamClosed` may come before or after the peer's `Disconnected`.

use bytes::Bytes;
use libp2p::{Multiaddr, PeerId};

/// One thing that happened.
#[derive(Debug)]
pub enum NetEvent {
    /// A listener has this address.
    Listening {
        /// With the real port; without the peer id.
        address: Multiaddr,
    },
    /// A listener could not be opened or stopped.
    ListenerFailed {
        /// The configured address, or the last known one.
        address: Multiaddr,
        /// For people.
        reason: String,
    },
    /// An address at which a peer saw us, or one that was confirmed.
    ExternalAddress {
        /// Unproved: any peer can claim anything.
        address: Multiaddr,
    },
    /// The first connection to `peer` stands.
    Connected {
        /// Who, proved by the handshake.
        peer: PeerId,
        /// The remote end's address.
        address: Multiaddr,
        /// Whether we dialled.
        outbound: bool,
    },
    /// The last connection to `peer` is gone.
    Disconnected {
        /// Who.
        peer: PeerId,
    },
    /// A dial found nobody.
    DialFailed {
        /// Whom we looked for.
        peer: PeerId,
        /// One line for people, all addresses tried included.
        reason: String,
    },
    /// What became of dialling a node that the configuration names; it is dialled again whenever it is not connected.
    Bootstrap {
        /// Which one: index into [`NetConfig::bootstrap`](crate::NetConfig::bootstrap).
        number: usize,
        /// Who is there, or one line for people.
        result: Result<PeerId, String>,
    },
    /// mDNS found a peer on the LAN.
    DiscoveredLan {
        /// Who claims to be there.
        peer: PeerId,
        /// Where.
        addresses: Vec<Multiaddr>,
    },
    /// A peer told us where it listens (identify), at most 16 addresses.
    PeerAddresses {
        /// Who.
        peer: PeerId,
        /// Unproved.
        addresses: Vec<Multiaddr>,
    },
    /// A gossip message that the verdict accepted.
    Envelope {
        /// The whole message.
        data: Bytes,
        /// The neighbour that forwarded it; not its author.
        source: PeerId,
        /// Index into the configured topics.
        topic: u8,
    },
    /// Answers `Publish`.
    Published {
        /// The command's token.
        token: u64,
        /// What became of it here; never a proof that anyone has it.
        result: PublishResult,
    },
    /// A peer knocked. Answer with `Respond` within 5 s, else it is dropped.
    Request {
        /// Who.
        peer: PeerId,
        /// Number for `Respond`.
        request: u64,
        /// At most 64 KiB.
        data: Bytes,
    },
    /// Answers `Request`.
    Response {
        /// The command's token.
        token: u64,
        /// The peer's answer.
        result: Result<Bytes, RequestFailed>,
    },
    /// A stream is ready.
    StreamOpened {
        /// Its number here, never used again.
        stream: u64,
        /// The other end.
        peer: PeerId,
        /// The command's token; `None` when the peer opened it.
        token: Option<u64>,
    },
    /// Answers `OpenStream` when it did not work.
    StreamFailed {
        /// The command's token.
        token: u64,
        /// The other end.
        peer: PeerId,
        /// For people.
        reason: String,
    },
    /// One whole frame.
    Frame {
        /// The stream's number.
        stream: u64,
        /// At most [`MAX_FRAME_BYTES`](crate::MAX_FRAME_BYTES).
        data: Bytes,
    },
    /// The stream is over.
    StreamClosed {
        /// The stream's number.
        stream: u64,
        /// The other end.
        peer: PeerId,
    },
}

/// What became of a publication on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishResult {
    /// Queued for this many subscribed neighbours.
    Sent {
        /// Connected peers subscribed to the topic.
        peers: usize,
    },
    /// No neighbour is subscribed to the topic.
    NoPeers,
    /// Every neighbour's queue is full.
    QueuesFull,
    /// These bytes were published or received less than 300 s ago.
    Duplicate,
    /// Over [`MAX_GOSSIP_BYTES`](crate::MAX_GOSSIP_BYTES).
    TooLarge,
    /// There is no topic with this number.
    UnknownTopic,
}

/// Why a knock got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestFailed {
    /// Not connected, and no address was given.
    #[error("the peer is not connected")]
    NotConnected,
    /// The peer could not be reached at the given addresses.
    #[error("the peer could not be reached")]
    Unreachable,
    /// No answer in 10 s.
    #[error("no answer in time")]
    TimedOut,
    /// The connection went away first, or the peer dropped the request.
    #[error("the connection closed before the answer")]
    Closed,
    /// The peer does not speak the protocol.
    #[error("the peer does not speak the knock protocol")]
    Unsupported,
    /// Over [`MAX_KNOCK_BYTES`](crate::MAX_KNOCK_BYTES), or too many knocks are waiting here.
    #[error("the request is too large or too many are waiting")]
    Refused,
}
