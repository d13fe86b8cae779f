//! After a loss: every row that follows from events is made to fit the events that are left, so that what is missing counts as
//! missing and is fetched again, once. Pages that do not open were forgotten when the database was opened; the files as they were
//! found have been copied aside.
//! It takes many commits; a mark says that it has begun, so that one that was cut short is done again.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{EventId, Intervals, KIND_OPERATION};

use crate::conversations::ConversationRow;
use crate::db::{Batch, CommitError, Db, ReadError, Txn};
use crate::feed::FeedRow;
use crate::keyspace::{ConversationNo, DeviceNo, EventKey, Fields, Key, Kind, LogKey};
use crate::meta::{self, CounterName};
use crate::record::StoreError;
use crate::timeline::{self, Position, TimelineEntry};
use crate::{annotations, conversations, events, feed, logs};

/// Heads remembered per conversation.
const MAX_HEADS: usize = 64;
/// Writes gathered before they are committed.
const BATCH: usize = 5_000;

/// A loss could not be made good.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The database cannot be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is gathered about one conversation.
#[derive(Default)]
struct Room {
    /// Events that count, oldest first.
    counted: BTreeMap<Position, EventKey>,
    /// Those of them that have a place in the timeline.
    shown: BTreeMap<Position, EventKey>,
    named: BTreeSet<EventId>,
}

/// Whether a repair was begun and not ended.
pub(crate) fn is_pending(db: &Db) -> Result<bool, RepairError> {
    match meta::counter(db, CounterName::Repair) {
        Ok(mark) => Ok(mark != 0),
        // Only a repair has ever written it.
        Err(StoreError::Malformed { .. } | StoreError::Read(ReadError::Damaged { .. })) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// The row by which a loss is known that nobody has made good yet.
pub(crate) fn begun() -> (Vec<u8>, Vec<u8>) {
    meta::row(CounterName::Repair, 1)
}

fn mark(db: &Db, pending: bool) -> Result<(), RepairError> {
    let mut txn = db.begin();
    meta::set_counter(&mut txn, CounterName::Repair, u64::from(pending));
    commit(db, txn.into_batch())
}

/// Says that the repair has ended, and everything that follows from the rows was made anew.
pub(crate) fn end(db: &Db) -> Result<(), RepairError> {
    mark(db, false)
}

/// Makes all rows fit the events that can be read. Whatever interrupts it: it is [pending](is_pending) until its [`end`].
pub(crate) fn run(db: &Db) -> Result<(), RepairError> {
    mark(db, true)?;
    let (mut rooms, seen) = gather(db)?;
    drop_dangling(db)?;
    let told = drop_dangling_changes(db)?;
    let mut txn = db.begin();
    restore_logs(&mut txn, &seen)?;
    restore_counters(&mut txn)?;
    commit(db, txn.into_batch())?;
    for key in keys_of(db, Kind::Conversation) {
        if let Some(no) = Fields(key?.get(1..).unwrap_or_default()).u32() {
            rooms.entry(ConversationNo(no)).or_default();
        }
    }
    forget_annotations(db)?;
    annotations::purging::begin_again(db)?;
    for (no, room) in rooms {
        let mut txn = db.begin();
        restore_room(&mut txn, no, &room, &told)?;
        commit(db, txn.into_batch())?;
        fold_again(db, &room)?;
    }
    Ok(())
}

fn forget_annotations(db: &Db) -> Result<(), RepairError> {
    let mut batch = Batch::new();
    for key in annotations::forgettable(db)? {
        batch.delete(key);
        if batch.len() >= BATCH {
            commit(db, std::mem::take(&mut batch))?;
        }
    }
    commit(db, batch)
}

/// What events say about messages, from the events that are left. What is due is erased once the engine runs.
fn fold_again(db: &Db, room: &Room) -> Result<(), RepairError> {
    let mut txn = db.begin();
    for at in room.counted.values() {
        if let Some(event) = events::get(&txn, at)? {
            annotations::fold(&mut txn, at, &event, true, 0)?;
        }
        if txn.batch().len() >= BATCH || annotations::is_spent(&txn) {
            commit(db, txn.into_batch())?;
            txn = db.begin();
        }
    }
    commit(db, txn.into_batch())
}

fn commit(db: &Db, batch: Batch) -> Result<(), RepairError> {
    Ok(db.commit(batch)?)
}

type Gathered = (BTreeMap<ConversationNo, Room>, BTreeMap<LogKey, (Intervals, EventId)>);

fn gather(db: &Db) -> Result<Gathered, RepairError> {
    let mut rooms: BTreeMap<ConversationNo, Room> = BTreeMap::new();
    let mut seen: BTreeMap<LogKey, (Intervals, EventId)> = BTreeMap::new();
    let held = timeline::all_held(db)?;
    let mut batch = Batch::new();
    for key in keys_of(db, Kind::Event) {
        let key = key?;
        let Some(at) = EventKey::from_bytes(key.get(1..).unwrap_or_default()) else {
            continue;
        };
        let Ok(Some(event)) = events::get(db, &at) else {
            // Its author or conversation is gone: nobody could read it.
            batch.delete(key);
            continue;
        };
        if at.branch == 0 {
            let (have, top) = seen.entry(at.log).or_insert_with(|| (Intervals::default(), event.id()));
            have.insert(at.seq);
            *top = event.id();
        }
        if events::place(db, &event.id())? != Some(at) {
            let mut txn = db.begin();
            events::put(&mut txn, &at, &event);
            batch.merge(txn.into_batch());
        }
        if held.contains(&at) {
            continue;
        }
        let header = event.header();
        // Operations build on each other alone, and are folded when they are needed.
        if header.kind == KIND_OPERATION {
            continue;
        }
        let room = rooms.entry(at.log.conversation).or_default();
        room.named.extend(header.parents.iter().chain(&header.prev));
        let position = Position {
            clock: header.clock,
            id: event.id(),
        };
        room.counted.insert(position, at);
        if events::has_a_place(header.kind) && !annotations::is_hidden(db, &event.id())? {
            room.shown.insert(position, at);
        }
    }
    commit(db, batch)?;
    Ok((rooms, seen))
}

fn keys_of(db: &Db, kind: Kind) -> impl Iterator<Item = Result<Vec<u8>, StoreError>> {
    let (from, to) = Key::new(kind).range();
    let keys: Vec<_> = db.scan_keys(&from, &to).collect();
    keys.into_iter().map(|key| key.map_err(StoreError::Read))
}

/// Rows that lead to events that are not there.
fn drop_dangling(db: &Db) -> Result<(), RepairError> {
    let mut batch = Batch::new();
    for key in keys_of(db, Kind::EventId) {
        let key = key?;
        if !events::leads_to_an_event(db, &key) {
            batch.delete(key);
        }
    }
    for key in keys_of(db, Kind::Held) {
        let key = key?;
        let at = key.get(9..).and_then(EventKey::from_bytes);
        if !at.is_some_and(|at| events::is_there(db, &at)) {
            batch.delete(key);
        }
    }
    for kind in [Kind::Timeline, Kind::RoomSeq] {
        for key in keys_of(db, kind) {
            let key = key?;
            if !timeline::leads_to_an_event(db, &key) {
                batch.delete(key);
            }
        }
    }
    commit(db, batch)
}

/// The same for changes; returns the messages that the feed tells of.
fn drop_dangling_changes(db: &Db) -> Result<BTreeSet<EventKey>, RepairError> {
    let mut batch = Batch::new();
    let mut told = BTreeSet::new();
    for key in keys_of(db, Kind::Feed) {
        let key = key?;
        let seq = Fields(key.get(1..).unwrap_or_default()).u64().unwrap_or(0);
        let row = feed::after(db, seq.saturating_sub(1), 1)?;
        let (event, is_message) = match row.first() {
            Some((_, FeedRow::Message { event, .. })) => (event, true),
            Some((_, FeedRow::Changed { event })) => (event, false),
            _ => continue,
        };
        if events::is_there(db, event) {
            if is_message {
                told.insert(*event);
            }
        } else {
            batch.delete(key);
        }
    }
    commit(db, batch)?;
    Ok(told)
}

fn restore_logs(txn: &mut Txn<'_>, seen: &BTreeMap<LogKey, (Intervals, EventId)>) -> Result<(), StoreError> {
    let (from, to) = Key::new(Kind::Log).range();
    let keys: Vec<Vec<u8>> = txn.scan_keys(&from, &to).collect::<Result<_, _>>()?;
    let known = keys.iter().filter_map(|key| {
        let mut fields = Fields(key.get(1..)?);
        Some(LogKey {
            conversation: ConversationNo(fields.u32()?),
            device: DeviceNo(fields.u32()?),
            log: fields.u32()?,
        })
    });
    let all: BTreeSet<LogKey> = known.chain(seen.keys().copied()).collect();
    for log in all {
        let mut row = logs::get(txn, &log)?;
        let found = seen.get(&log);
        row.have = found.map(|(have, _)| have.clone()).unwrap_or_default();
        row.top = found.map(|(_, top)| *top);
        logs::put(txn, &log, &row);
    }
    Ok(())
}

/// No number is given out twice.
fn restore_counters(txn: &mut Txn<'_>) -> Result<(), StoreError> {
    let numbers = [
        (Kind::Conversation, CounterName::Conversation),
        (Kind::ConversationName, CounterName::Conversation),
        (Kind::Device, CounterName::Device),
        (Kind::DeviceName, CounterName::Device),
    ];
    for (kind, counter) in numbers {
        let (from, to) = Key::new(kind).range();
        let last = txn.scan_keys(&from, &to).next_back().transpose()?;
        let last = last.and_then(|key| Fields(key.get(1..)?).u32()).map_or(0, u64::from);
        raise(txn, counter, last)?;
    }
    let (from, to) = Key::new(Kind::Feed).range();
    let last = txn.scan_keys(&from, &to).next_back().transpose()?;
    let last = last.and_then(|key| Fields(key.get(1..)?).u64()).unwrap_or(0);
    raise(txn, CounterName::Feed, last)
}

fn raise(txn: &mut Txn<'_>, counter: CounterName, least: u64) -> Result<(), StoreError> {
    if meta::counter(txn, counter)? < least {
        meta::set_counter(txn, counter, least);
    }
    Ok(())
}

fn restore_room(
    txn: &mut Txn<'_>,
    no: ConversationNo,
    room: &Room,
    told: &BTreeSet<EventKey>,
) -> Result<(), StoreError> {
    let Some(mut row) = conversations::get(txn, no)? else {
        return Ok(());
    };
    show_all(txn, no, room, told, &mut row)?;
    let (from, to) = Key::new(Kind::Missing).conversation(no).range();
    let marked: Vec<Vec<u8>> = txn.scan_keys(&from, &to).collect::<Result<_, _>>()?;
    for key in marked {
        txn.delete(key);
    }
    row.missing = 0;
    for named in &room.named {
        if events::place(txn, named)?.is_none() && timeline::mark_missing(txn, no, named)? {
            row.missing = row.missing.saturating_add(1);
        }
    }
    let heads = room.counted.keys().filter(|at| !room.named.contains(&at.id));
    row.heads = heads.map(|at| (at.clock, at.id)).collect();
    let surplus = row.heads.len().saturating_sub(MAX_HEADS);
    row.heads.drain(..surplus);
    row.last = room.shown.last_key_value().map(|(at, key)| (at.clock, at.id, *key));
    row.unread = row.unread.min(row.last_seq.saturating_sub(row.read_seq));
    row.mentions = row.mentions.min(row.unread);
    conversations::put(txn, no, &row);
    Ok(())
}

/// Every event that counts has its place in the timeline, an arrival number that leads back to it, and a change in the feed.
fn show_all(
    txn: &mut Txn<'_>,
    no: ConversationNo,
    room: &Room,
    told: &BTreeSet<EventKey>,
    row: &mut ConversationRow,
) -> Result<(), StoreError> {
    let (from, to) = Key::new(Kind::RoomSeq).conversation(no).range();
    let last = txn.scan_keys(&from, &to).next_back().transpose()?;
    let last = last.and_then(|key| Fields(key.get(5..)?).u64()).unwrap_or(0);
    row.last_seq = row.last_seq.max(last);
    for (at, key) in &room.shown {
        let known = timeline::get(txn, no, at)?.filter(|entry| entry.event == *key);
        let room_seq = match known {
            Some(entry) => entry.room_seq,
            None => row.last_seq.saturating_add(1),
        };
        row.last_seq = row.last_seq.max(room_seq);
        if timeline::by_room_seq(txn, no, room_seq)? != Some(*at) {
            let entry = TimelineEntry {
                at: *at,
                event: *key,
                room_seq,
            };
            timeline::put(txn, no, &entry);
        }
        if !told.contains(key) {
            feed::append(txn, &FeedRow::Message { event: *key, room_seq })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::Arc;

    use super::*;
    use crate::db::DbOptions;
    use crate::db::faults::{Faults, Operation, Plan};

    fn opened(dir: &std::path::Path, faults: &Arc<Faults>) -> Db {
        let options = DbOptions {
            reserve_bytes: 0,
            faults: Arc::clone(faults),
            ..DbOptions::default()
        };
        Db::open(dir, &[7; 32], options).unwrap().0
    }

    #[test]
    fn a_repair_that_stops_anywhere_is_pending_before_it_has_forgotten_anything() {
        let mut stopped = 0;
        for nth in 1.. {
            let dir = tempfile::tempdir().unwrap();
            let faults = Arc::new(Faults::default());
            let db = opened(dir.path(), &faults);
            let mut batch = Batch::new();
            let row = Key::new(Kind::Annotation).conversation(ConversationNo(1)).done();
            batch.put(row.clone(), vec![1]);
            db.commit(batch).unwrap();
            assert!(!is_pending(&db).unwrap());
            faults.set(Plan {
                nth: Some((Operation::Write, nth, ErrorKind::StorageFull)),
                ..Plan::default()
            });
            let ended = run(&db);
            faults.set(Plan::default());
            drop(db);
            let db = opened(dir.path(), &faults);
            let is_there = db.get(&row).unwrap().is_some();
            if ended.is_ok() {
                assert!(!is_there && is_pending(&db).unwrap());
                end(&db).unwrap();
                assert!(!is_pending(&db).unwrap());
                break;
            }
            stopped += 1;
            assert!(is_there || is_pending(&db).unwrap(), "stopped at write {nth}");
            assert_eq!(is_pending(&db).unwrap(), nth > 1, "stopped at write {nth}");
        }
        assert!(stopped > 1);
    }
}
