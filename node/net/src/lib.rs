//! The libp2p swarm of a parlour node and its wire protocols, nothing else.
//!
//! This crate knows bytes, peers and topics. It does not know conversations, users or our cryptography: gossip
//! payloads, knocks and stream frames are opaque. It decides nothing about whom to dial, when to retry or what to
//! store; it does what [`NetCommand`] says and reports what happened as [`NetEvent`].
//!
//! [`start()`] spawns one swarm task. The engine and this task form a ring of bounded channels, so the task never waits
//! for the receiver of its events outside `select!`.

mod address;
mod behaviour;
mod command;
mod config;
mod event;
mod event_loop;
mod gossip;
mod handle;
mod knock;
mod lan;
mod limits;
mod refusals;
mod start;
mod streams;
mod whereabouts;

pub use address::{
    AddressError, ListenError, MAX_ADDRESS_BYTES, PlaceError, Scope, address_from_bytes, address_to_bytes,
    parse_listen, parse_place, peer_from_bytes, peer_from_text, peer_to_bytes, peer_to_text, scope, with_port,
};
pub use command::NetCommand;
pub use config::{NetConfig, NetLimits, NodeKey, Verdict};
pub use event::{NetEvent, PublishResult, RequestFailed};
pub use gossip::MAX_GOSSIP_BYTES;
pub use handle::{Closed, NetHandle, Refused, TrySendError};
pub use knock::MAX_KNOCK_BYTES;
pub use libp2p::{Multiaddr, PeerId};
pub use refusals::Refusals;
pub use start::{NetError, start};
pub use streams::MAX_FRAME_BYTES;
