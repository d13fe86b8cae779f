//! Invites this account has made.

use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{Key, Kind};
use crate::record::{self, Row, StoreError};

/// One invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteRow {
    /// Its token.
    pub token: [u8; 16],
    /// When it was made, ms.
    pub created: u64,
    /// When it ends, ms.
    pub expires: u64,
    /// How often it may be used.
    pub max_uses: u32,
    /// Users who used it.
    pub used_by: Vec<parlour_crypto::UserId>,
    /// Taken back by its maker.
    pub revoked: bool,
}

impl Row for InviteRow {
    const NOUN: &'static str = "invite";
}

fn key(token: &[u8; 16]) -> Vec<u8> {
    Key::new(Kind::Invite).bytes(token).done()
}

/// The invite with this token.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn get(read: &impl Read, token: &[u8; 16]) -> Result<Option<InviteRow>, StoreError> {
    record::get(read, &key(token))
}

/// Writes an invite.
pub fn put(txn: &mut Txn<'_>, row: &InviteRow) {
    record::put(txn, key(&row.token), row);
}

/// Forgets an invite.
pub fn delete(txn: &mut Txn<'_>, token: &[u8; 16]) {
    txn.delete(key(token));
}

/// All invites.
///
/// # Errors
/// As [`get`].
pub fn all(read: &impl Read) -> Result<Vec<InviteRow>, StoreError> {
    record::scan(read, &Key::new(Kind::Invite).range())
        .map(|row| row.map(|(_, row)| row))
        .collect()
}
