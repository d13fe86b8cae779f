//! Controls that a device still has to acknowledge. Events are not here: what a device lacks of a log is read off the
//! intervals in [`crate::logs`].

use parlour_crypto::Control;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::db::{Read, Txn};
use crate::keyspace::{DeviceNo, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

/// One control on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// Its id, by which it is acknowledged.
    pub id: [u8; 16],
    /// The control.
    pub control: Control,
    /// When it was made, ms.
    pub created: u64,
    /// A first-contact envelope is sent again as the same bytes until it is answered.
    pub envelope: Option<ByteBuf>,
}

impl Row for OutboxRow {
    const NOUN: &'static str = "outbox";
}

fn key(to: DeviceNo, id: &[u8; 16]) -> Vec<u8> {
    Key::new(Kind::Outbox).device(to).bytes(id).done()
}

/// Adds or replaces a control.
pub fn put(txn: &mut Txn<'_>, to: DeviceNo, row: &OutboxRow) {
    record::put(txn, key(to, &row.id), row);
}

/// The device acknowledged it, or it is superseded; what it was, if it was there.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn remove(txn: &mut Txn<'_>, to: DeviceNo, id: &[u8; 16]) -> Result<Option<OutboxRow>, StoreError> {
    let key = key(to, id);
    let row = record::get(txn, &key)?;
    if row.is_some() {
        txn.delete(key);
    }
    Ok(row)
}

/// All controls for a device.
///
/// # Errors
/// As [`remove`].
pub fn of_device(read: &impl Read, to: DeviceNo) -> Result<Vec<OutboxRow>, StoreError> {
    record::scan(read, &Key::new(Kind::Outbox).device(to).range())
        .map(|row| row.map(|(_, row)| row))
        .collect()
}

/// How many controls wait for each device.
///
/// # Errors
/// As [`remove`].
pub fn devices(read: &impl Read) -> Result<Vec<(DeviceNo, u64)>, StoreError> {
    let (from, to) = Key::new(Kind::Outbox).range();
    let mut counts: Vec<(DeviceNo, u64)> = Vec::new();
    for key in read.scan_keys(&from, &to) {
        let key = key?;
        let device = Fields(key.get(1..).unwrap_or_default())
            .u32()
            .ok_or(StoreError::Malformed { noun: "outbox key" })?;
        match counts.last_mut() {
            Some((last, n)) if last.0 == device => *n = n.saturating_add(1),
            _ => counts.push((DeviceNo(device), 1)),
        }
    }
    Ok(counts)
}
