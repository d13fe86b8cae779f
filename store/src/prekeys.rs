//! This device's own prekeys: signed prekeys, one-time keys, and the ephemeral keys of handshakes already answered.

use parlour_crypto::decode_own;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::Zeroize;

use crate::db::{Read, Txn};
use crate::keyspace::{Key, Kind};
use crate::record::{self, Row, StoreError};

/// One signed prekey with its secret halves.
#[derive(Serialize, Deserialize)]
pub struct PrekeyRow {
    /// Its serial.
    pub serial: u32,
    /// The secret, as `PrekeySecret::to_bytes` gives it.
    pub secret: ByteBuf,
    /// The bundle it belongs to, signed form.
    pub bundle: ByteBuf,
    /// When the bundle was issued, ms.
    pub issued: u64,
    /// When a newer one took its place, ms.
    pub superseded: Option<u64>,
    /// The device list that certifies whoever signed the bundle, signed form; empty in rows of older builds.
    pub device_list: ByteBuf,
}

impl std::fmt::Debug for PrekeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrekeyRow")
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

impl Drop for PrekeyRow {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Row for PrekeyRow {
    const NOUN: &'static str = "prekey";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        type First = (u32, ByteBuf, ByteBuf, u64, Option<u64>);
        let (serial, secret, bundle, issued, superseded) = decode_own::<First>(rest).ok().filter(|_| version == 1)?;
        Some(Self {
            serial,
            secret,
            bundle,
            issued,
            superseded,
            device_list: ByteBuf::new(),
        })
    }
}

/// One one-time key.
#[derive(Serialize, Deserialize)]
pub struct OneTimeRow {
    /// The secret, as `OneTimeSecret::to_bytes` gives it.
    pub secret: ByteBuf,
    /// When it ends, ms.
    pub expires: u64,
}

impl std::fmt::Debug for OneTimeRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneTimeRow")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl Drop for OneTimeRow {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Row for OneTimeRow {
    const NOUN: &'static str = "one-time key";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Seen;

impl Row for Seen {
    const NOUN: &'static str = "handshake mark";
}

fn key(serial: u32) -> Vec<u8> {
    Key::new(Kind::Prekey).u32(serial).done()
}

fn one_time_key(id: u32) -> Vec<u8> {
    Key::new(Kind::OneTimeKey).u32(id).done()
}

/// The signed prekey with this serial.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn get(read: &impl Read, serial: u32) -> Result<Option<PrekeyRow>, StoreError> {
    record::get(read, &key(serial))
}

/// Writes a signed prekey.
pub fn put(txn: &mut Txn<'_>, row: &PrekeyRow) {
    record::put(txn, key(row.serial), row);
}

/// All signed prekeys, oldest first.
///
/// # Errors
/// As [`get`].
pub fn all(read: &impl Read) -> Result<Vec<PrekeyRow>, StoreError> {
    record::scan(read, &Key::new(Kind::Prekey).range())
        .map(|row| row.map(|(_, row)| row))
        .collect()
}

/// Erases at most `limit` marks of the handshakes a signed prekey answered, and the prekey itself when none is left.
///
/// # Errors
/// As [`get`].
pub fn erase(txn: &mut Txn<'_>, serial: u32, limit: usize) -> Result<(), StoreError> {
    let (from, to) = Key::new(Kind::Ephemeral).u32(serial).range();
    let keys = txn.scan_keys(&from, &to).take(limit).collect::<Result<Vec<_>, _>>()?;
    if keys.len() < limit {
        txn.delete(key(serial));
    }
    for key in keys {
        txn.delete(key);
    }
    Ok(())
}

/// The one-time key with this id.
///
/// # Errors
/// As [`get`].
pub fn one_time(read: &impl Read, id: u32) -> Result<Option<OneTimeRow>, StoreError> {
    record::get(read, &one_time_key(id))
}

/// Writes a one-time key.
pub fn put_one_time(txn: &mut Txn<'_>, id: u32, row: &OneTimeRow) {
    record::put(txn, one_time_key(id), row);
}

/// Erases a one-time key.
pub fn delete_one_time(txn: &mut Txn<'_>, id: u32) {
    txn.delete(one_time_key(id));
}

/// Ids of the one-time keys that ended by `now`.
///
/// # Errors
/// As [`get`].
pub fn expired_one_time(read: &impl Read, now: u64) -> Result<Vec<u32>, StoreError> {
    let mut ended = Vec::new();
    for row in record::scan::<OneTimeRow>(read, &Key::new(Kind::OneTimeKey).range()) {
        let (key, row) = row?;
        if row.expires <= now
            && let Some(id) = crate::keyspace::Fields(key.get(1..).unwrap_or_default()).u32()
        {
            ended.push(id);
        }
    }
    Ok(ended)
}

fn ephemeral_key(serial: u32, ephemeral: &[u8; 32]) -> Vec<u8> {
    Key::new(Kind::Ephemeral).u32(serial).bytes(ephemeral).done()
}

/// Was a handshake with this ephemeral key already answered?
///
/// # Errors
/// As [`get`].
pub fn is_answered(read: &impl Read, serial: u32, ephemeral: &[u8; 32]) -> Result<bool, StoreError> {
    Ok(read.get(&ephemeral_key(serial, ephemeral))?.is_some())
}

/// Marks a handshake as answered.
pub fn mark_answered(txn: &mut Txn<'_>, serial: u32, ephemeral: &[u8; 32]) {
    record::put(txn, ephemeral_key(serial, ephemeral), &Seen);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prekey_of_an_older_build_is_read() {
        let first = (7u32, ByteBuf::from([1]), ByteBuf::from([2, 3]), 5u64, Some(6u64));
        let row: PrekeyRow = record::decode_row(&parlour_crypto::encode_into(vec![1], &first)).expect("an older row");
        assert_eq!((row.serial, row.issued, row.superseded), (7, 5, Some(6)));
        assert_eq!((row.secret.as_slice(), row.bundle.as_slice()), (&[1][..], &[2, 3][..]));
        assert!(row.device_list.is_empty());
        assert!(record::decode_row::<PrekeyRow>(&parlour_crypto::encode_into(vec![3], &first)).is_err());
    }
}
