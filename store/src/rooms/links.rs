//! Links into rooms: those this device made, and those of others that it has shown.

use parlour_crypto::{UserId, decode_own};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, Key, Kind};
use crate::record::{self, Row, StoreError};

/// A link into a room that this device has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// Its token.
    pub token: [u8; 16],
    /// Where it leads.
    pub room: ConversationNo,
    /// When it ends, ms.
    pub expires: u64,
    /// Whoever shows it asks, and a person decides.
    pub knock: bool,
}

impl Row for TokenRow {
    const NOUN: &'static str = "room link";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let (token, room, expires) = (version == 1).then(|| decode_own(rest).ok())??;
        Some(Self {
            token,
            room,
            expires,
            knock: false,
        })
    }
}

/// Writes a link.
pub fn put_token(txn: &mut Txn<'_>, row: &TokenRow) {
    record::put(txn, Key::new(Kind::RoomToken).bytes(&row.token).done(), row);
}

/// Forgets a link.
pub fn delete_token(txn: &mut Txn<'_>, token: &[u8; 16]) {
    txn.delete(Key::new(Kind::RoomToken).bytes(token).done());
}

/// All links of this device.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn tokens(read: &impl Read) -> Result<Vec<TokenRow>, StoreError> {
    record::scan(read, &Key::new(Kind::RoomToken).range())
        .map(|row| row.map(|(_, row)| row))
        .collect()
}

/// A link of somebody else that we have shown, and wait for what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoiningRow {
    /// Where it leads.
    pub room: ConversationNo,
    /// Whom it is to be shown.
    pub user: UserId,
    /// Where they are.
    #[serde(with = "serde_bytes")]
    pub peer: Vec<u8>,
    /// The addresses in the link.
    pub addresses: Vec<Vec<u8>>,
    /// Hash of the prekey bundle it names.
    pub bundle_hash: [u8; 32],
    /// Its token.
    pub token: [u8; 16],
    /// When it ends, ms.
    pub expires: u64,
}

impl Row for JoiningRow {
    const NOUN: &'static str = "room to join";
}

fn joining_key(no: ConversationNo) -> Vec<u8> {
    Key::new(Kind::Joining).conversation(no).done()
}

/// Writes that a link has been shown.
pub fn put_joining(txn: &mut Txn<'_>, row: &JoiningRow) {
    record::put(txn, joining_key(row.room), row);
}

/// The link with which a room is to be joined, if there is one.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn joining(read: &impl Read, no: ConversationNo) -> Result<Option<JoiningRow>, StoreError> {
    record::get(read, &joining_key(no))
}

/// Nothing is waited for any more.
pub fn delete_joining(txn: &mut Txn<'_>, no: ConversationNo) {
    txn.delete(joining_key(no));
}

/// All rooms that are to be joined.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn all_joining(read: &impl Read) -> Result<Vec<JoiningRow>, StoreError> {
    record::scan(read, &Key::new(Kind::Joining).range())
        .map(|row| row.map(|(_, row)| row))
        .collect()
}
