//! Logs: which events of one device we hold, and which of them other devices have told us they hold. Delivery is read off
//! these intervals; there is no row per message and recipient.

use std::collections::BTreeMap;

use parlour_crypto::{EventId, Intervals, decode_own};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, DeviceNo, Fields, Key, Kind, LogKey};
use crate::record::{self, Row, StoreError};

/// What we hold of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRow {
    /// The seqs on this disk.
    pub have: Intervals,
    /// The event with the highest seq we hold.
    pub top: Option<EventId>,
    /// Two different events claimed one place: proof against the device.
    pub forked: bool,
    /// Its device knew less of the operations of its room at one event than at one before it, which no honest one does.
    pub unordered: bool,
}

impl Row for LogRow {
    const NOUN: &'static str = "log";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let known = decode_own::<(Intervals, Option<EventId>, bool)>(rest).ok();
        let (have, top, forked) = known.filter(|_| version == 1)?;
        let unordered = false;
        Some(Self {
            have,
            top,
            forked,
            unordered,
        })
    }
}

/// What another device holds of one log, as far as it told us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// Acknowledged after that device's own fsync.
    pub acked: Intervals,
    /// Handed to the network for that device at least once.
    pub sent: Intervals,
}

impl Row for DeliveryRow {
    const NOUN: &'static str = "delivery";
}

const MARK: &[u8] = b"log";

/// The name of a log's lower bound among the database's marks: `log`, conversation u32, device u32, log number u32.
#[must_use]
pub fn mark(log: &LogKey) -> Vec<u8> {
    let mut name = MARK.to_vec();
    for part in [log.conversation.0, log.device.0, log.log] {
        name.extend_from_slice(&part.to_be_bytes());
    }
    name
}

/// The lower bounds of logs among the database's marks.
pub fn bounds(marks: &BTreeMap<Vec<u8>, u64>) -> impl Iterator<Item = (LogKey, u64)> {
    marks.iter().filter_map(|(name, bound)| {
        let mut fields = Fields(name.strip_prefix(MARK)?);
        let log = LogKey {
            conversation: ConversationNo(fields.u32()?),
            device: DeviceNo(fields.u32()?),
            log: fields.u32()?,
        };
        Some((log, *bound))
    })
}

fn key(log: &LogKey) -> Vec<u8> {
    Key::new(Kind::Log).log(log).done()
}

fn delivery_key(log: &LogKey, to: DeviceNo) -> Vec<u8> {
    Key::new(Kind::Delivery).log(log).device(to).done()
}

/// What we hold of a log; empty if nothing.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn get(read: &impl Read, log: &LogKey) -> Result<LogRow, StoreError> {
    Ok(record::get(read, &key(log))?.unwrap_or_default())
}

/// Writes what we hold.
pub fn put(txn: &mut Txn<'_>, log: &LogKey, row: &LogRow) {
    record::put(txn, key(log), row);
}

/// Whether a device has a log in a conversation.
///
/// # Errors
/// As [`get`].
pub fn has_any(read: &impl Read, conversation: ConversationNo, device: DeviceNo) -> Result<bool, StoreError> {
    let (from, to) = Key::new(Kind::Log).conversation(conversation).device(device).range();
    Ok(read.any(&from, &to)?)
}

/// All logs of a conversation.
///
/// # Errors
/// As [`get`].
pub fn of_conversation(read: &impl Read, conversation: ConversationNo) -> Result<Vec<(LogKey, LogRow)>, StoreError> {
    below(read, Key::new(Kind::Log).conversation(conversation))
}

/// All logs of a device in a conversation.
///
/// # Errors
/// As [`get`].
pub fn of_device(
    read: &impl Read,
    conversation: ConversationNo,
    device: DeviceNo,
) -> Result<Vec<(LogKey, LogRow)>, StoreError> {
    below(read, Key::new(Kind::Log).conversation(conversation).device(device))
}

fn below(read: &impl Read, prefix: Key) -> Result<Vec<(LogKey, LogRow)>, StoreError> {
    let logs = record::scan::<LogRow>(read, &prefix.range());
    logs.map(|row| {
        let (key, row) = row?;
        let mut fields = Fields(key.get(1..).unwrap_or_default());
        let (Some(conversation), Some(device), Some(log)) = (fields.u32(), fields.u32(), fields.u32()) else {
            return Err(StoreError::Malformed { noun: "log key" });
        };
        Ok((
            LogKey {
                conversation: ConversationNo(conversation),
                device: DeviceNo(device),
                log,
            },
            row,
        ))
    })
    .collect()
}

/// What `to` holds of a log; empty if it never said.
///
/// # Errors
/// As [`get`].
pub fn delivery(read: &impl Read, log: &LogKey, to: DeviceNo) -> Result<DeliveryRow, StoreError> {
    Ok(record::get(read, &delivery_key(log, to))?.unwrap_or_default())
}

/// What each device holds of a log, as far as it said.
///
/// # Errors
/// As [`get`].
pub fn deliveries(read: &impl Read, log: &LogKey) -> Result<Vec<(DeviceNo, DeliveryRow)>, StoreError> {
    record::scan::<DeliveryRow>(read, &Key::new(Kind::Delivery).log(log).range())
        .map(|row| {
            let (key, row) = row?;
            let to = Fields(key.get(13..).unwrap_or_default()).u32();
            Ok((DeviceNo(to.ok_or(StoreError::Malformed { noun: "delivery key" })?), row))
        })
        .collect()
}

/// Writes what `to` holds of a log.
pub fn put_delivery(txn: &mut Txn<'_>, log: &LogKey, to: DeviceNo, row: &DeliveryRow) {
    record::put(txn, delivery_key(log, to), row);
}
