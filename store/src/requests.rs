//! Users who ask to become contacts, one request each; a declined one stays for a while, so that nobody asks again and again. And
//! whom we ask: the token in our request is good for that user alone, whatever becomes of the contact meanwhile.

use parlour_crypto::{UserId, decode_own};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{Key, Kind};
use crate::record::{self, Row, StoreError};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// Who asks.
    pub user: UserId,
    /// The invite by which they would become a contact.
    pub link: String,
    /// What they call themselves.
    pub name: String,
    /// What they say to it.
    pub note: String,
    /// When it came, ms.
    pub received: u64,
    /// When it ends, ms.
    pub expires: u64,
    /// When it was declined, ms.
    pub declined: Option<u64>,
}

impl Row for RequestRow {
    const NOUN: &'static str = "contact request";
}

fn key(user: &UserId) -> Vec<u8> {
    Key::new(Kind::ContactRequest).user(user).done()
}

/// The request of this user.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn get(read: &impl Read, user: &UserId) -> Result<Option<RequestRow>, StoreError> {
    record::get(read, &key(user))
}

/// Writes a request.
pub fn put(txn: &mut Txn<'_>, row: &RequestRow) {
    record::put(txn, key(&row.user), row);
}

/// Forgets the request of a user.
pub fn delete(txn: &mut Txn<'_>, user: &UserId) {
    txn.delete(key(user));
}

/// All requests, declined ones among them, by user id.
///
/// # Errors
/// As [`get`].
pub fn all(read: &impl Read) -> Result<Vec<RequestRow>, StoreError> {
    record::scan(read, &Key::new(Kind::ContactRequest).range())
        .map(|row| row.map(|(_, row)| row))
        .collect()
}

/// A request of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskingRow {
    /// The token of the invite in it.
    pub token: [u8; 16],
    /// Who alone may use it.
    pub user: UserId,
    /// When it ends, ms.
    pub expires: u64,
    /// It was taken back: whoever accepts it is told so.
    pub revoked: bool,
}

impl Row for AskingRow {
    const NOUN: &'static str = "own contact request";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let (token, user, expires): ([u8; 16], UserId, u64) = decode_own(rest).ok().filter(|_| version == 1)?;
        Some(Self {
            token,
            user,
            expires,
            revoked: false,
        })
    }
}

fn asking_key(token: &[u8; 16]) -> Vec<u8> {
    Key::new(Kind::Asking).bytes(token).done()
}

/// Writes a request of ours.
pub fn put_asking(txn: &mut Txn<'_>, row: &AskingRow) {
    record::put(txn, asking_key(&row.token), row);
}

/// Forgets a request of ours.
pub fn delete_asking(txn: &mut Txn<'_>, token: &[u8; 16]) {
    txn.delete(asking_key(token));
}

/// All requests of ours.
///
/// # Errors
/// As [`get`].
pub fn all_asking(read: &impl Read) -> Result<Vec<AskingRow>, StoreError> {
    record::scan(read, &Key::new(Kind::Asking).range())
        .map(|row| row.map(|(_, row)| row))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_an_older_build_is_not_taken_back() {
        let first = ([7u8; 16], UserId::from_bytes([1; 32]), 9u64);
        let row: AskingRow = record::decode_row(&parlour_crypto::encode_into(vec![1], &first)).expect("an older row");
        assert_eq!((row.token, row.user, row.expires), first);
        assert!(!row.revoked);
    }
}
