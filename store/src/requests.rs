//! Users who ask to become contacts, one request each. A declined one stays for a while, so that nobody asks again and again.

use parlour_crypto::UserId;
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
