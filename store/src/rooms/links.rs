//! Links into rooms: those this device made, those of others that it has shown, and who waits at a door.

use parlour_crypto::{UserId, decode_own};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, DeviceNo, Fields, Key, Kind};
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

/// Somebody who asks to be let into a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// What they call themselves.
    pub name: String,
    /// What they say.
    pub note: String,
    /// The device that asked.
    pub device: DeviceNo,
    /// When, ms.
    pub at: u64,
}

impl Row for RequestRow {
    const NOUN: &'static str = "request to join";
}

fn request_key(no: ConversationNo, user: &UserId) -> Vec<u8> {
    Key::new(Kind::RoomRequest).conversation(no).user(user).done()
}

/// Notes that somebody asks to be let in.
pub fn put_request(txn: &mut Txn<'_>, no: ConversationNo, user: &UserId, row: &RequestRow) {
    record::put(txn, request_key(no, user), row);
}

/// What a user asked, if they wait.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn request(read: &impl Read, no: ConversationNo, user: &UserId) -> Result<Option<RequestRow>, StoreError> {
    record::get(read, &request_key(no, user))
}

/// Nobody waits any more.
pub fn delete_request(txn: &mut Txn<'_>, no: ConversationNo, user: &UserId) {
    txn.delete(request_key(no, user));
}

/// Who waits to be let into rooms, or into one.
///
/// # Errors
/// As [`request`].
pub fn requests(
    read: &impl Read,
    of: Option<ConversationNo>,
) -> Result<Vec<(ConversationNo, UserId, RequestRow)>, StoreError> {
    let key = Key::new(Kind::RoomRequest);
    let range = match of {
        Some(no) => key.conversation(no).range(),
        None => key.range(),
    };
    record::scan::<RequestRow>(read, &range)
        .map(|row| {
            let (key, row) = row?;
            let mut fields = Fields(key.get(1..).unwrap_or_default());
            let (Some(no), Some(user)) = (fields.u32(), fields.array()) else {
                return Err(StoreError::Malformed { noun: "request key" });
            };
            Ok((ConversationNo(no), UserId::from_bytes(user), row))
        })
        .collect()
}
