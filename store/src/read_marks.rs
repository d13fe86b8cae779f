//! How far devices have read: of each device the greatest place it told (its own device: the place the user marked), and what that
//! means for our own logs.

use parlour_crypto::EventId;
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, DeviceNo, EventKey, Key, Kind, LogKey};
use crate::record::{self, Row, StoreError};
use crate::timeline::Position;
use crate::{events, logs};

/// How far a device has read a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMarkRow {
    /// Clock of the last event read, ms.
    pub clock: u64,
    /// That event.
    pub event: EventId,
    /// When this was noted here, ms.
    pub noted: u64,
}

impl ReadMarkRow {
    /// The place in the conversation's order.
    #[must_use]
    pub fn at(&self) -> Position {
        Position {
            clock: self.clock,
            id: self.event,
        }
    }
}

impl Row for ReadMarkRow {
    const NOUN: &'static str = "read mark";
}

/// How far a device has read one of our own logs: clocks in a log ascend, so that it is a beginning of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadLogRow {
    /// The last seq read; 0 = none.
    pub seq: u64,
    /// When this was noted here, ms.
    pub noted: u64,
}

impl Row for ReadLogRow {
    const NOUN: &'static str = "read log";
}

fn key(conversation: ConversationNo, device: DeviceNo) -> Vec<u8> {
    Key::new(Kind::ReadMark)
        .conversation(conversation)
        .device(device)
        .done()
}

fn log_key(log: &LogKey, device: DeviceNo) -> Vec<u8> {
    Key::new(Kind::ReadLog).log(log).device(device).done()
}

/// How far a device has read a conversation.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn get(
    read: &impl Read,
    conversation: ConversationNo,
    device: DeviceNo,
) -> Result<Option<ReadMarkRow>, StoreError> {
    record::get(read, &key(conversation, device))
}

/// Moves a device's mark forward; `false` if it is there or further already.
///
/// # Errors
/// As [`get`].
pub fn advance(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    device: DeviceNo,
    to: &Position,
    now: u64,
) -> Result<bool, StoreError> {
    if get(txn, conversation, device)?.is_some_and(|row| row.at() >= *to) {
        return Ok(false);
    }
    let row = ReadMarkRow {
        clock: to.clock,
        event: to.id,
        noted: now,
    };
    record::put(txn, key(conversation, device), &row);
    Ok(true)
}

/// How far a device has read a log.
///
/// # Errors
/// As [`get`].
pub fn of_log(read: &impl Read, log: &LogKey, device: DeviceNo) -> Result<ReadLogRow, StoreError> {
    Ok(record::get(read, &log_key(log, device))?.unwrap_or_default())
}

/// Notes how far a device has read a log.
pub fn put_of_log(txn: &mut Txn<'_>, log: &LogKey, device: DeviceNo, row: &ReadLogRow) {
    record::put(txn, log_key(log, device), row);
}

/// The last seq of an own log that is at or before a place; 0 if none is.
///
/// # Errors
/// As [`get`].
pub fn seq_at(read: &impl Read, log: &LogKey, at: &Position) -> Result<u64, StoreError> {
    let held = logs::get(read, log)?.have;
    let (mut known, mut beyond) = (0u64, held.max().unwrap_or(0).saturating_add(1));
    // Own logs have no gaps but after damage; a seq that is not there is taken for one that is not read.
    while known.saturating_add(1) < beyond {
        let middle = known.saturating_add(beyond.saturating_sub(known) / 2);
        let event = events::get(
            read,
            &EventKey {
                log: *log,
                seq: middle,
                branch: 0,
            },
        )?;
        let covered = event.is_some_and(|event| {
            let place = Position {
                clock: event.header().clock,
                id: event.id(),
            };
            place <= *at
        });
        if covered {
            known = middle;
        } else {
            beyond = middle;
        }
    }
    Ok(known)
}
