//! The timeline of a conversation: shown messages in the one order all nodes share, (clock, event id), and their arrival
//! numbers on this node (room seq). Also events held back until their clock has come, and parents we have yet to see.

use std::collections::BTreeSet;

use parlour_crypto::{EventId, decode_own};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, DeviceNo, EventKey, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

#[cfg(test)]
mod tests;

/// Bytes of an id in the row of an arrival number.
const ID_BEGINNING: usize = 8;
/// Entries with the same clock and the same beginning of their ids that are looked at.
const ALIKE_MAX: usize = 64;

/// A place in the shared order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Clock of the event, ms.
    pub clock: u64,
    /// Its id.
    pub id: EventId,
}

/// One shown message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Its place in the order.
    pub at: Position,
    /// Where the event is stored.
    pub event: EventKey,
    /// Its arrival number in this conversation on this node.
    pub room_seq: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct EntryRow {
    event: EventKey,
    room_seq: u64,
}

impl Row for EntryRow {
    const NOUN: &'static str = "timeline";
}

/// Where a message with an arrival number stands: enough of its place to find it, and far less than all of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Arrival {
    clock: u64,
    beginning: [u8; ID_BEGINNING],
}

impl From<&Position> for Arrival {
    fn from(at: &Position) -> Self {
        let mut beginning = [0; ID_BEGINNING];
        for (to, from) in beginning.iter_mut().zip(at.id.as_bytes()) {
            *to = *from;
        }
        Self {
            clock: at.clock,
            beginning,
        }
    }
}

impl Row for Arrival {
    const NOUN: &'static str = "room seq";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let at: Position = (version == 1).then(|| decode_own(rest).ok())??;
        Some(Self::from(&at))
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Nothing;

impl Row for Nothing {
    const NOUN: &'static str = "mark";
}

fn prefix(conversation: ConversationNo) -> Key {
    Key::new(Kind::Timeline).conversation(conversation)
}

fn key(conversation: ConversationNo, at: &Position) -> Vec<u8> {
    prefix(conversation).u64(at.clock).event_id(&at.id).done()
}

/// Shows a message.
pub fn put(txn: &mut Txn<'_>, conversation: ConversationNo, entry: &TimelineEntry) {
    let row = EntryRow {
        event: entry.event,
        room_seq: entry.room_seq,
    };
    record::put(txn, key(conversation, &entry.at), &row);
    let seq_key = Key::new(Kind::RoomSeq)
        .conversation(conversation)
        .u64(entry.room_seq)
        .done();
    record::put(txn, seq_key, &Arrival::from(&entry.at));
}

/// Takes a message out of the order; its arrival number leads nowhere from now on.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn remove(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    at: &Position,
) -> Result<Option<TimelineEntry>, StoreError> {
    let Some(entry) = get(txn, conversation, at)? else {
        return Ok(None);
    };
    txn.delete(key(conversation, at));
    txn.delete(late_key(conversation, &at.id));
    let seq_key = Key::new(Kind::RoomSeq).conversation(conversation).u64(entry.room_seq);
    txn.delete(seq_key.done());
    Ok(Some(entry))
}

/// Whether the row under this key, of the order or of the arrival numbers, leads to a message that is there.
pub(crate) fn leads_to_an_event(read: &impl Read, key: &[u8]) -> bool {
    let mut fields = Fields(key.get(1..).unwrap_or_default());
    let Some(conversation) = fields.u32().map(ConversationNo) else {
        return false;
    };
    let (at, room_seq) = if key.first() == Some(&(Kind::RoomSeq as u8)) {
        let Some(seq) = fields.u64() else { return false };
        (by_room_seq(read, conversation, seq).ok().flatten(), Some(seq))
    } else {
        let (Some(clock), Some(id)) = (fields.u64(), fields.array::<32>()) else {
            return false;
        };
        let id = EventId::from_bytes(id);
        (Some(Position { clock, id }), None)
    };
    let entry = at.and_then(|at| get(read, conversation, &at).ok().flatten());
    entry.is_some_and(|entry| {
        room_seq.is_none_or(|seq| seq == entry.room_seq) && crate::events::is_there(read, &entry.event)
    })
}

/// The entry at a place, if it is shown.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn get(read: &impl Read, conversation: ConversationNo, at: &Position) -> Result<Option<TimelineEntry>, StoreError> {
    let row = record::get::<EntryRow>(read, &key(conversation, at))?;
    Ok(row.map(|row| TimelineEntry {
        at: *at,
        event: row.event,
        room_seq: row.room_seq,
    }))
}

/// The place of the message with an arrival number.
///
/// # Errors
/// As [`get`].
pub fn by_room_seq(read: &impl Read, conversation: ConversationNo, seq: u64) -> Result<Option<Position>, StoreError> {
    let key = Key::new(Kind::RoomSeq).conversation(conversation).u64(seq).done();
    let Some(arrival) = record::get::<Arrival>(read, &key)? else {
        return Ok(None);
    };
    Ok(arrived_as(read, conversation, seq, &arrival)?.map(|entry| entry.at))
}

/// The entry that arrived as number `seq`. Ids that begin alike stand beside each other; nobody can make many of them.
fn arrived_as(
    read: &impl Read,
    conversation: ConversationNo,
    seq: u64,
    arrival: &Arrival,
) -> Result<Option<TimelineEntry>, StoreError> {
    let range = prefix(conversation)
        .u64(arrival.clock)
        .bytes(&arrival.beginning)
        .range();
    for row in record::scan::<EntryRow>(read, &range).take(ALIKE_MAX) {
        let (key, row) = row?;
        if row.room_seq == seq {
            return parse(&key, &row).map(Some);
        }
    }
    Ok(None)
}

/// Up to `limit` shown messages by their arrival numbers, above `after`.
///
/// # Errors
/// As [`get`].
pub fn arrived(
    read: &impl Read,
    conversation: ConversationNo,
    after: u64,
    limit: usize,
) -> Result<Vec<TimelineEntry>, StoreError> {
    let seq_key = |seq: u64| Key::new(Kind::RoomSeq).conversation(conversation).u64(seq).done();
    let (_, to) = Key::new(Kind::RoomSeq).conversation(conversation).range();
    let range = (seq_key(after.saturating_add(1)), to);
    record::scan::<Arrival>(read, &range)
        .filter_map(|row| {
            let entry = row.and_then(|(key, arrival)| {
                let seq = Fields(key.get(5..).unwrap_or_default()).u64();
                let seq = seq.ok_or(StoreError::Malformed { noun: "room seq key" })?;
                arrived_as(read, conversation, seq, &arrival)
            });
            entry.transpose()
        })
        .take(limit)
        .collect()
}

fn parse(key: &[u8], row: &EntryRow) -> Result<TimelineEntry, StoreError> {
    let mut fields = Fields(key.get(5..).unwrap_or_default());
    let (Some(clock), Some(id)) = (fields.u64(), fields.array::<32>()) else {
        return Err(StoreError::Malformed { noun: "timeline key" });
    };
    let at = Position {
        clock,
        id: EventId::from_bytes(id),
    };
    Ok(TimelineEntry {
        at,
        event: row.event,
        room_seq: row.room_seq,
    })
}

/// Up to `limit` entries before `before` (or the last ones), oldest first.
///
/// # Errors
/// As [`get`].
pub fn before(
    read: &impl Read,
    conversation: ConversationNo,
    before: Option<&Position>,
    limit: usize,
) -> Result<Vec<TimelineEntry>, StoreError> {
    let (from, mut to) = prefix(conversation).range();
    if let Some(position) = before {
        to = key(conversation, position);
    }
    let mut page = record::scan::<EntryRow>(read, &(from, to))
        .rev()
        .take(limit)
        .map(|row| row.and_then(|(key, row)| parse(&key, &row)))
        .collect::<Result<Vec<_>, _>>()?;
    page.reverse();
    Ok(page)
}

/// Up to `limit` entries after `after` (or the first ones), oldest first.
///
/// # Errors
/// As [`get`].
pub fn after(
    read: &impl Read,
    conversation: ConversationNo,
    after: Option<&Position>,
    limit: usize,
) -> Result<Vec<TimelineEntry>, StoreError> {
    let (mut from, to) = prefix(conversation).range();
    if let Some(position) = after {
        from = key(conversation, position);
        from.push(0);
    }
    record::scan::<EntryRow>(read, &(from, to))
        .take(limit)
        .map(|row| row.and_then(|(key, row)| parse(&key, &row)))
        .collect()
}

/// What blocked users say is kept back until then: it is due when they are unblocked.
pub const UNTIL_UNBLOCKED: u64 = u64::MAX;

/// Keeps an event back until `due` (ms).
pub fn hold(txn: &mut Txn<'_>, due: u64, event: &EventKey) {
    record::put(
        txn,
        Key::new(Kind::Held).u64(due).bytes(&event.to_bytes()).done(),
        &Nothing,
    );
}

/// Whether an event is kept back until `due` (ms).
///
/// # Errors
/// As [`get`].
pub fn is_held(read: &impl Read, due: u64, event: &EventKey) -> Result<bool, StoreError> {
    let key = Key::new(Kind::Held).u64(due).bytes(&event.to_bytes()).done();
    Ok(read.get(&key)?.is_some())
}

/// Events whose time has come by `now`, with their due times.
///
/// # Errors
/// As [`get`].
pub fn due(read: &impl Read, now: u64, limit: usize) -> Result<Vec<(u64, EventKey)>, StoreError> {
    let from = Key::new(Kind::Held).done();
    let to = Key::new(Kind::Held).u64(now.saturating_add(1)).done();
    read.scan_keys(&from, &to)
        .take(limit)
        .map(|key| {
            let key = key?;
            let mut fields = Fields(key.get(1..).unwrap_or_default());
            match (fields.u64(), EventKey::from_bytes(fields.0)) {
                (Some(due), Some(event)) => Ok((due, event)),
                _ => Err(StoreError::Malformed { noun: "held event" }),
            }
        })
        .collect()
}

/// Events that are kept back [`UNTIL_UNBLOCKED`], by devices that `wanted` says, at most `limit`.
///
/// # Errors
/// As [`get`].
pub fn unblocked(
    read: &impl Read,
    wanted: impl Fn(DeviceNo) -> bool,
    limit: usize,
) -> Result<Vec<EventKey>, StoreError> {
    let (from, to) = Key::new(Kind::Held).u64(UNTIL_UNBLOCKED).range();
    let events = read.scan_keys(&from, &to).map(|key| {
        let event = key?.get(9..).and_then(EventKey::from_bytes);
        event.ok_or(StoreError::Malformed { noun: "held event" })
    });
    let wanted = events.filter(|event| event.as_ref().map_or(true, |event| wanted(event.log.device)));
    wanted.take(limit).collect()
}

/// All events that are kept back, for whatever time.
///
/// # Errors
/// As [`get`].
pub fn all_held(read: &impl Read) -> Result<BTreeSet<EventKey>, StoreError> {
    let (from, to) = Key::new(Kind::Held).range();
    let keys = read.scan_keys(&from, &to);
    keys.filter_map(|key| key.map(|key| EventKey::from_bytes(key.get(9..)?)).transpose())
        .map(|key| Ok(key?))
        .collect()
}

/// Lets a held event go.
pub fn release(txn: &mut Txn<'_>, due: u64, event: &EventKey) {
    txn.delete(Key::new(Kind::Held).u64(due).bytes(&event.to_bytes()).done());
}

fn late_key(conversation: ConversationNo, id: &EventId) -> Vec<u8> {
    Key::new(Kind::Late).conversation(conversation).event_id(id).done()
}

/// Marks a shown message as one that came late: it stands above what its reader had seen already.
pub fn mark_late(txn: &mut Txn<'_>, conversation: ConversationNo, id: &EventId) {
    record::put(txn, late_key(conversation, id), &Nothing);
}

/// Whether a message came late.
///
/// # Errors
/// As [`get`].
pub fn is_late(read: &impl Read, conversation: ConversationNo, id: &EventId) -> Result<bool, StoreError> {
    Ok(read.get(&late_key(conversation, id))?.is_some())
}

fn missing_key(conversation: ConversationNo, id: &EventId) -> Vec<u8> {
    Key::new(Kind::Missing).conversation(conversation).event_id(id).done()
}

/// Marks a parent that is named but not here yet; `false` if it was marked before.
///
/// # Errors
/// As [`get`].
pub fn mark_missing(txn: &mut Txn<'_>, conversation: ConversationNo, id: &EventId) -> Result<bool, StoreError> {
    let key = missing_key(conversation, id);
    let new = txn.get(&key)?.is_none();
    if new {
        record::put(txn, key, &Nothing);
    }
    Ok(new)
}

/// Whether an event is marked as named and not here.
///
/// # Errors
/// As [`get`].
pub fn is_missing(read: &impl Read, conversation: ConversationNo, id: &EventId) -> Result<bool, StoreError> {
    Ok(read.get(&missing_key(conversation, id))?.is_some())
}

/// Events that are named and not here, at most `limit`.
///
/// # Errors
/// As [`get`].
pub fn missing(
    read: &impl Read,
    conversation: ConversationNo,
    (after, limit): (Option<&EventId>, usize),
) -> Result<Vec<EventId>, StoreError> {
    let (first, last) = Key::new(Kind::Missing).conversation(conversation).range();
    let mut middle = after.map_or_else(|| first.clone(), |after| missing_key(conversation, after));
    middle.push(0);
    read.scan_keys(&middle, &last)
        .chain(read.scan_keys(&first, &middle))
        .take(limit)
        .map(|key| {
            let key = key?;
            let id = Fields(key.get(5..).unwrap_or_default()).array::<32>();
            Ok(EventId::from_bytes(
                id.ok_or(StoreError::Malformed { noun: "missing event" })?,
            ))
        })
        .collect()
}

/// Takes the mark off; `true` if there was one (so something already names this event as a parent).
///
/// # Errors
/// As [`get`].
pub fn take_missing(txn: &mut Txn<'_>, conversation: ConversationNo, id: &EventId) -> Result<bool, StoreError> {
    let key = missing_key(conversation, id);
    let marked = txn.get(&key)?.is_some();
    if marked {
        txn.delete(key);
    }
    Ok(marked)
}
