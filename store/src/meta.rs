//! Single values of an account: counters that must survive, small settings.

use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{Key, Kind};
use crate::record::{self, Row, StoreError};

#[derive(Serialize, Deserialize)]
pub(crate) struct Counter(u64);

impl Row for Counter {
    const NOUN: &'static str = "counter";
}

/// The account's durable counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CounterName {
    /// Last feed seq given out.
    Feed = 1,
    /// Last conversation number given out.
    Conversation = 2,
    /// Last device number given out.
    Device = 3,
    /// Last prekey serial given out.
    Prekey = 4,
    /// Last one-time key id given out.
    OneTimeKey = 5,
    /// Number of this device's current logs.
    OwnLog = 6,
    /// Version of the card last told to contacts.
    Card = 7,
    /// Up to which clock it was told that messages are tried no more, ms.
    Expired = 8,
    /// When this disk was last found to be an earlier state, or to have lost something, ms.
    RolledBack = 9,
    /// When another copy of this disk was first seen to be alive, ms.
    OtherCopySince = 10,
    /// … and last.
    OtherCopyLast = 11,
    /// Bodies erased so far: what was read before may be out of date.
    Erased = 16,
    /// 1 while rows are made to fit what a loss has left.
    Repair = 17,
}

fn key(name: CounterName) -> Vec<u8> {
    Key::new(Kind::Meta).bytes(&[name as u8]).done()
}

/// The counter's value, 0 if it was never set.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn counter(read: &impl Read, name: CounterName) -> Result<u64, StoreError> {
    Ok(record::get::<Counter>(read, &key(name))?.map_or(0, |Counter(n)| n))
}

/// Sets the counter.
pub fn set_counter(txn: &mut Txn<'_>, name: CounterName, value: u64) {
    record::put(txn, key(name), &Counter(value));
}

/// The row of a counter with this value.
pub(crate) fn row(name: CounterName, value: u64) -> (Vec<u8>, Vec<u8>) {
    (key(name), record::encode_row(&Counter(value)))
}

/// Adds one and returns the new value; the first is 1.
///
/// # Errors
/// As [`counter`].
pub fn next(txn: &mut Txn<'_>, name: CounterName) -> Result<u64, StoreError> {
    let value = counter(txn, name)?.saturating_add(1);
    set_counter(txn, name, value);
    Ok(value)
}
