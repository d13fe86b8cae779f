//! What the node asks of the network. A command is executed at once or fails as an event; none of them waits.

use bytes::Bytes;
use libp2p::{Multiaddr, PeerId};

/// One order to the swarm task.
///
/// Tokens are the caller's own numbers: the answer carries the same one.
#[derive(Debug)]
pub enum NetCommand {
    /// Gossips `data` on topic number `topic` of [`NetConfig::topics`](crate::NetConfig::topics).
    /// Answered by [`NetEvent::Published`](crate::NetEvent::Published).
    Publish {
        /// Index into the configured topics.
        topic: u8,
        /// The whole message, at most [`MAX_GOSSIP_BYTES`](crate::MAX_GOSSIP_BYTES).
        data: Bytes,
        /// Returned with the result.
        token: u64,
    },
    /// Connects to `peer`; answered by `Connected` or `DialFailed`, and by nothing when already connected or dialling.
    Dial {
        /// Whom we expect to find there.
        peer: PeerId,
        /// Where to look; addresses learned on the LAN are added.
        addresses: Vec<Multiaddr>,
    },
    /// Closes every connection to `peer`.
    Disconnect {
        /// The peer to leave.
        peer: PeerId,
    },
    /// Treats `peer` as a contact: it bypasses connection and rate limits and gets a gossip score of +50.
    Protect {
        /// The contact.
        peer: PeerId,
    },
    /// Takes `Protect` back; existing connections stay.
    Unprotect {
        /// The former contact.
        peer: PeerId,
    },
    /// Refuses every connection to and from `peer` and closes those there are.
    Block {
        /// The peer to refuse.
        peer: PeerId,
    },
    /// Takes `Block` back.
    Unblock {
        /// The peer to admit again.
        peer: PeerId,
    },
    /// Sends one knock; answered by [`NetEvent::Response`](crate::NetEvent::Response).
    Request {
        /// Whom to ask.
        peer: PeerId,
        /// Where to find it when it is not connected; empty: only an existing connection is used.
        addresses: Vec<Multiaddr>,
        /// Returned with the response.
        token: u64,
        /// At most [`MAX_KNOCK_BYTES`](crate::MAX_KNOCK_BYTES).
        data: Bytes,
    },
    /// Answers a [`NetEvent::Request`](crate::NetEvent::Request); too late or unknown is ignored. Empty data is no
    /// answer: it drops the request.
    Respond {
        /// The number the request came with.
        request: u64,
        /// At most [`MAX_KNOCK_BYTES`](crate::MAX_KNOCK_BYTES).
        data: Bytes,
    },
    /// Opens a sync stream over an existing connection; answered by `StreamOpened` or `StreamFailed`.
    OpenStream {
        /// A connected peer.
        peer: PeerId,
        /// Returned with the answer.
        token: u64,
    },
    /// Queues one frame. A stream whose queue is full is closed; an unknown stream is ignored.
    SendFrame {
        /// The number from `StreamOpened`.
        stream: u64,
        /// At most [`MAX_FRAME_BYTES`](crate::MAX_FRAME_BYTES).
        data: Bytes,
    },
    /// Sends what is queued, then closes; `StreamClosed` follows.
    CloseStream {
        /// The number from `StreamOpened`.
        stream: u64,
    },
}
