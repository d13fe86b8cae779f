//! Public rooms of others that this account has heard of: each is news once.

use parlour_crypto::{ConversationId, UserId};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

/// A public room, as somebody listed it first. Only who made it, and when, is proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardRow {
    /// Who made it.
    pub creator: UserId,
    /// What it is called.
    pub name: String,
    /// What it is about.
    pub topic: String,
    /// How many take part.
    pub members: u32,
    /// When it was made, ms.
    pub created: u64,
    /// With which it can be joined.
    pub link: String,
    /// The peer that listed it.
    #[serde(with = "serde_bytes")]
    pub peer: Vec<u8>,
    /// The contact who was there, if it was one's.
    pub contact: Option<UserId>,
    /// When somebody last listed it, ms, or up to a day before.
    pub seen: u64,
}

impl Row for HeardRow {
    const NOUN: &'static str = "public room";
}

fn heard_key(room: &ConversationId) -> Vec<u8> {
    Key::new(Kind::HeardRoom).bytes(room.as_bytes()).done()
}

/// Notes that a room was listed.
pub fn put_heard(txn: &mut Txn<'_>, room: &ConversationId, row: &HeardRow) {
    record::put(txn, heard_key(room), row);
}

/// Forgets that it was.
pub fn delete_heard(txn: &mut Txn<'_>, room: &ConversationId) {
    txn.delete(heard_key(room));
}

/// What was said of a room when it was first listed, if that is remembered.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn heard(read: &impl Read, room: &ConversationId) -> Result<Option<HeardRow>, StoreError> {
    record::get(read, &heard_key(room))
}

/// All public rooms that are remembered.
///
/// # Errors
/// As [`heard`].
pub fn all_heard(read: &impl Read) -> Result<Vec<(ConversationId, HeardRow)>, StoreError> {
    record::scan::<HeardRow>(read, &Key::new(Kind::HeardRoom).range())
        .map(|row| {
            let (key, row) = row?;
            let room = Fields(key.get(1..).unwrap_or_default()).array();
            let room = room.ok_or(StoreError::Malformed {
                noun: "public room key",
            })?;
            Ok((ConversationId::from_bytes(room), row))
        })
        .collect()
}
