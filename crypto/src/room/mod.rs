//! Rooms (PROTOCOL.md section 11): sender chains, which carry events to many devices under one envelope, and operations, from
//! which everybody works out who belongs to a room.
//!
//! The cipher is [`SendingChain`] on one side and [`ChainSender`] on the other; nothing else of the crate knows how it works.

mod asking_around;
mod audience;
mod certificate;
mod link;
mod membership;
mod message;
mod operation;
mod receiving;
mod rules;
mod sending;
mod shared;
#[cfg(test)]
mod tests;

pub use asking_around::{BetweenPeers, answers_about_link, asks_about_link, link_answer, link_question};
pub use audience::{Audience, AudienceError, AudienceProof, MAX_AUDIENCE};
pub use certificate::{ChainCert, ChainCertError, ChainId};
pub use link::RoomLink;
pub use membership::{
    Applied, Dropped, Ending, LinkState, MAX_AROUND_REMOVAL, MAX_OPERATIONS, Member, Membership, OpenInvite, Purge,
    RoomState, Said, TooManyOperations,
};
pub use operation::{
    Act, Info, KIND_OPERATION, KNOWN_ACTS, LastSeq, LinkUse, MAX_LAST_SEQS, MAX_LINK_USES, MAX_OP_PARENTS, MAX_OP_SEQ,
    MAX_REASON, MAX_ROOM_NAME, MAX_TOPIC, Operation, OperationError, RoomOperation, link_token_hash, membership_view,
    room_id,
};
pub use receiving::{ChainSender, MAX_CHAINS, Pending, Proved, RoomOpenError, SenderLoadError, TakeError, Taken};
pub use rules::{History, JoinRule, MAX_SLOW_MODE_MS, Policy, Rank};
pub use sending::{CHAIN_DUE, CHAIN_LIFETIME_MS, CHAIN_MESSAGES, RoomSealError, SendingChain, SendingLoadError};
pub use shared::{ChainKeys, MAX_SHARED, MAX_VIEW_HEADS, SharedChain};
