//! Devices we know: certificate, prekey bundle and where to reach them. Each has a local number.

use parlour_crypto::{DeviceId, UserId};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{DeviceNo, Key, Kind};
use crate::meta::{self, CounterName};
use crate::record::{self, Row, StoreError};

/// One known device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRow {
    /// Its id.
    pub id: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// Its certificate, signed form.
    #[serde(with = "serde_bytes")]
    pub certificate: Vec<u8>,
    /// Its last prekey bundle, signed form; empty if none is known.
    #[serde(with = "serde_bytes")]
    pub bundle: Vec<u8>,
    /// The peer id of its node; empty if unknown.
    #[serde(with = "serde_bytes")]
    pub peer: Vec<u8>,
    /// Addresses it told us.
    pub addresses: Vec<Vec<u8>>,
    /// Addresses that worked, newest first, at most [`DeviceRow::MAX_GOOD`].
    pub good_addresses: Vec<Vec<u8>>,
    /// When it was last connected, ms; 0 = never.
    pub last_seen: u64,
}

impl DeviceRow {
    /// How many working addresses are remembered.
    pub const MAX_GOOD: usize = 8;

    /// Whether its user's newest list does not have it any more: what it wrote stays, and nothing is meant for it.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.bundle.is_empty() && self.peer.is_empty()
    }

    /// Marks it as [retired](Self::is_retired).
    pub fn retire(&mut self) {
        self.bundle.clear();
        self.peer.clear();
        self.addresses.clear();
        self.good_addresses.clear();
    }
}

impl Row for DeviceRow {
    const NOUN: &'static str = "device";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Name(DeviceId);

impl Row for Name {
    const NOUN: &'static str = "device id";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Number(u32);

impl Row for Number {
    const NOUN: &'static str = "device number";
}

fn key(no: DeviceNo) -> Vec<u8> {
    Key::new(Kind::Device).device(no).done()
}

/// The local number of a device.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn number(read: &impl Read, id: &DeviceId) -> Result<Option<DeviceNo>, StoreError> {
    let key = Key::new(Kind::DeviceId).device_id(id).done();
    Ok(record::get::<Number>(read, &key)?.map(|Number(n)| DeviceNo(n)))
}

/// The id of a numbered device: much smaller than its row.
///
/// # Errors
/// As [`number`].
pub fn id_of(read: &impl Read, no: DeviceNo) -> Result<Option<DeviceId>, StoreError> {
    Ok(record::get::<Name>(read, &Key::new(Kind::DeviceName).device(no).done())?.map(|Name(id)| id))
}

/// The row of a device.
///
/// # Errors
/// As [`number`].
pub fn get(read: &impl Read, no: DeviceNo) -> Result<Option<DeviceRow>, StoreError> {
    record::get(read, &key(no))
}

/// Writes the row, giving the device a number if it has none.
///
/// # Errors
/// As [`number`].
pub fn put(txn: &mut Txn<'_>, row: &DeviceRow) -> Result<DeviceNo, StoreError> {
    let no = match number(txn, &row.id)? {
        Some(no) => no,
        None => {
            let n = u32::try_from(meta::next(txn, CounterName::Device)?)
                .map_err(|_| StoreError::Malformed { noun: "device counter" })?;
            record::put(txn, Key::new(Kind::DeviceId).device_id(&row.id).done(), &Number(n));
            record::put(
                txn,
                Key::new(Kind::UserDevice).user(&row.user).u32(n).done(),
                &Number(n),
            );
            record::put(txn, Key::new(Kind::DeviceName).u32(n).done(), &Name(row.id));
            DeviceNo(n)
        }
    };
    record::put(txn, key(no), row);
    Ok(no)
}

/// Forgets a device, which has written nothing. Its number is not given out again.
pub fn delete(txn: &mut Txn<'_>, no: DeviceNo, row: &DeviceRow) {
    txn.delete(Key::new(Kind::DeviceId).device_id(&row.id).done());
    txn.delete(Key::new(Kind::UserDevice).user(&row.user).device(no).done());
    txn.delete(Key::new(Kind::DeviceName).device(no).done());
    txn.delete(key(no));
}

/// All devices of a user, in the order they became known.
///
/// # Errors
/// As [`number`].
pub fn of_user(read: &impl Read, user: &UserId) -> Result<Vec<DeviceNo>, StoreError> {
    record::scan::<Number>(read, &Key::new(Kind::UserDevice).user(user).range())
        .map(|row| row.map(|(_, Number(n))| DeviceNo(n)))
        .collect()
}

/// The devices of a user that their newest list has, in the order they became known.
///
/// # Errors
/// As [`number`].
pub fn current_of_user(read: &impl Read, user: &UserId) -> Result<Vec<(DeviceNo, DeviceRow)>, StoreError> {
    let mut current = Vec::new();
    for no in of_user(read, user)? {
        current.extend(get(read, no)?.filter(|row| !row.is_retired()).map(|row| (no, row)));
    }
    Ok(current)
}

/// When a device left its user's list, ms.
#[derive(Serialize, Deserialize)]
pub(crate) struct Left(u64);

impl Row for Left {
    const NOUN: &'static str = "retired device";
}

fn left_key(no: DeviceNo) -> Vec<u8> {
    Key::new(Kind::LeftDevice).device(no).done()
}

/// Notes when a device left its user's list.
pub fn put_left(txn: &mut Txn<'_>, no: DeviceNo, at: u64) {
    record::put(txn, left_key(no), &Left(at));
}

/// When a device left its user's list, ms; nothing while it is on it, or where that was not noted.
///
/// # Errors
/// As [`number`].
pub fn left(read: &impl Read, no: DeviceNo) -> Result<Option<u64>, StoreError> {
    if !get(read, no)?.is_some_and(|row| row.is_retired()) {
        return Ok(None);
    }
    Ok(record::get::<Left>(read, &left_key(no))?.map(|Left(at)| at))
}

/// All known devices.
///
/// # Errors
/// As [`number`].
pub fn all(read: &impl Read) -> Result<Vec<(DeviceNo, DeviceRow)>, StoreError> {
    record::scan::<DeviceRow>(read, &Key::new(Kind::Device).range())
        .map(|row| {
            let (key, row) = row?;
            let no = crate::keyspace::Fields(key.get(1..).unwrap_or_default()).u32();
            Ok((DeviceNo(no.ok_or(StoreError::Malformed { noun: "device key" })?), row))
        })
        .collect()
}
