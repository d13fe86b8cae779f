//! How far devices have read: of each device the greatest place it told (its own device: the place the user marked), and what that
//! means for our own logs.

use parlour_crypto::{EventId, Intervals, decode_own};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, DeviceNo, EventKey, Fields, Key, Kind, LogKey};
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
    /// Of the own device: the last arrival number that the mark speaks of. What came later was not seen, wherever it stands.
    pub arrived: u64,
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
    const VERSION: u8 = 2;

    /// Version 1 spoke of everything before the place.
    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let (clock, event, noted) = decode_own(rest).ok().filter(|_| version == 1)?;
        let arrived = u64::MAX;
        Some(Self {
            clock,
            event,
            noted,
            arrived,
        })
    }
}

/// What a device has read of one of our own logs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadLogRow {
    /// The seqs read.
    pub seqs: Intervals,
    /// When this was noted here, ms.
    pub noted: u64,
    /// The runs of seqs that were read last, and when that was noted, the oldest first.
    times: Vec<(u64, u64, u64)>,
}

/// Runs of which the time of reading is known.
const MAX_TIMES: usize = 16;

impl ReadLogRow {
    /// Adds what was read at `now`, of which nothing was known to be read.
    pub fn add(&mut self, seqs: &Intervals, now: u64, max: usize) {
        self.seqs = self.seqs.union(seqs).bounded(max);
        self.noted = now;
        self.times
            .extend(seqs.as_slice().iter().map(|&(from, to)| (from, to, now)));
        let surplus = self.times.len().saturating_sub(MAX_TIMES);
        self.times.drain(..surplus);
    }

    /// When it was noted that this seq was read, if that is still known.
    #[must_use]
    pub fn read_at(&self, seq: u64) -> Option<u64> {
        let mut times = self.times.iter();
        let found = times.find(|(from, to, _)| (*from..=*to).contains(&seq));
        found.map(|(_, _, noted)| *noted)
    }
}

impl Row for ReadLogRow {
    const NOUN: &'static str = "read log";
    const VERSION: u8 = 3;

    /// Version 1 held the last seq of a beginning of the log, and version 2 no times of single runs.
    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        if version == 2 {
            let (seqs, noted) = decode_own(rest).ok()?;
            let times = Vec::new();
            return Some(Self { seqs, noted, times });
        }
        let (seq, noted): (u64, u64) = decode_own(rest).ok().filter(|_| version == 1)?;
        let mut seqs = Intervals::default();
        if seq > 0 {
            seqs.insert_range(1, seq);
        }
        let times = Vec::new();
        Some(Self { seqs, noted, times })
    }
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

/// Writes a device's mark.
pub fn put(txn: &mut Txn<'_>, conversation: ConversationNo, device: DeviceNo, row: &ReadMarkRow) {
    record::put(txn, key(conversation, device), row);
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
        arrived: 0,
    };
    put(txn, conversation, device, &row);
    Ok(true)
}

/// What a device has read of a log.
///
/// # Errors
/// As [`get`].
pub fn of_log(read: &impl Read, log: &LogKey, device: DeviceNo) -> Result<ReadLogRow, StoreError> {
    Ok(record::get(read, &log_key(log, device))?.unwrap_or_default())
}

/// What each device has read of a log, as far as it said.
///
/// # Errors
/// As [`get`].
pub fn all_of_log(read: &impl Read, log: &LogKey) -> Result<Vec<(DeviceNo, ReadLogRow)>, StoreError> {
    record::scan::<ReadLogRow>(read, &Key::new(Kind::ReadLog).log(log).range())
        .map(|row| {
            let (key, row) = row?;
            let device = Fields(key.get(13..).unwrap_or_default()).u32();
            Ok((
                DeviceNo(device.ok_or(StoreError::Malformed { noun: "read log key" })?),
                row,
            ))
        })
        .collect()
}

/// Notes what a device has read of a log.
pub fn put_of_log(txn: &mut Txn<'_>, log: &LogKey, device: DeviceNo, row: &ReadLogRow) {
    record::put(txn, log_key(log, device), row);
}

/// The last seq of an own log that is at or before a place; 0 if none is.
///
/// # Errors
/// As [`get`].
pub fn seq_at(read: &impl Read, log: &LogKey, at: &Position) -> Result<u64, StoreError> {
    let held = logs::get(read, log)?.have;
    // Over what is there: after damage an own log can have a gap for ever.
    let (mut known, mut beyond) = (0u64, held.count().saturating_add(1));
    while known.saturating_add(1) < beyond {
        let middle = known.saturating_add(beyond.saturating_sub(known) / 2);
        let Some(seq) = nth(&held, middle) else { break };
        let event = events::get(
            read,
            &EventKey {
                log: *log,
                seq,
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
    Ok(nth(&held, known).unwrap_or(0))
}

/// The `n`th seq that is held, from 1.
fn nth(held: &Intervals, n: u64) -> Option<u64> {
    let mut left = n.checked_sub(1)?;
    for &(from, to) in held.as_slice() {
        let length = to.saturating_sub(from).saturating_add(1);
        if left < length {
            return Some(from.saturating_add(left));
        }
        left = left.saturating_sub(length);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seqs_are_counted_over_gaps() {
        let held: Intervals = [1, 2, 5, 9, 10].into_iter().collect();
        let counted: Vec<_> = (0..7).map(|n| nth(&held, n)).collect();
        assert_eq!(counted, [None, Some(1), Some(2), Some(5), Some(9), Some(10), None]);
    }

    #[test]
    fn the_time_of_reading_is_known_of_the_last_runs() {
        let mut row = ReadLogRow::default();
        for n in 0..20 {
            row.add(&Intervals::range(n * 10 + 1, n * 10 + 5), 1_000 + n, 64);
        }
        assert_eq!((row.read_at(191), row.read_at(195)), (Some(1_019), Some(1_019)));
        assert_eq!((row.read_at(196), row.read_at(41)), (None, Some(1_004)));
        assert_eq!(row.read_at(35), None, "that was long ago");
        assert!(row.seqs.contains(35) && row.noted == 1_019);
    }

    #[test]
    fn rows_of_older_builds_mean_what_they_meant() {
        let event = EventId::from_bytes([4; 32]);
        let mark: ReadMarkRow =
            record::decode_row(&parlour_crypto::encode_into(vec![1], &(5u64, event, 6u64))).expect("an older mark");
        assert_eq!(
            (mark.clock, mark.event, mark.noted, mark.arrived),
            (5, event, 6, u64::MAX)
        );
        for (seq, seqs) in [(0u64, Intervals::default()), (3, Intervals::range(1, 3))] {
            let log: ReadLogRow =
                record::decode_row(&parlour_crypto::encode_into(vec![1], &(seq, 8u64))).expect("an older log");
            assert_eq!((&log.seqs, log.noted, log.read_at(1)), (&seqs, 8, None));
            let older = parlour_crypto::encode_into(vec![2], &(&seqs, 9u64));
            let log: ReadLogRow = record::decode_row(&older).expect("a newer log");
            assert_eq!((log.seqs, log.noted, log.times), (seqs, 9, vec![]));
        }
    }
}
