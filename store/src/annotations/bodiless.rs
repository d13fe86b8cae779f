//! Messages, and versions of them, that others gave us without their bodies and for no reason known here. Whoever gives such a one may
//! be hiding what it says, so that it is asked for: until it comes, its author's device has none either, or several others have none. What
//! was erased here by a right that turned out void is asked for, however many have none: one who did not carry it out may come late.

use parlour_crypto::{EventId, decode_own};
use serde::{Deserialize, Serialize};

use super::fold::Folded;
use super::{author, erase};
use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, DeviceNo, EventKey, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

/// Devices without the body, after which nobody is asked any more.
const ENOUGH: usize = 3;
/// How long a body is asked for that was erased here without a right, ms.
const SEEK_MS: u64 = 30 * 24 * 3_600_000;

/// An event without its body.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Bodiless {
    /// The devices that had no body to give, in the order in which they said so.
    without: Vec<u32>,
    /// When it was found that it had been erased here without a right, ms; 0: it came without it.
    undone: u64,
}

impl Bodiless {
    /// Whether it is asked for, whoever has none.
    fn is_sought(&self, now: u64) -> bool {
        self.undone > 0 && now.saturating_sub(self.undone) < SEEK_MS
    }
}

impl Row for Bodiless {
    const NOUN: &'static str = "event without its body";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let without = (version == 1).then(|| decode_own(rest).ok())??;
        Some(Self { without, undone: 0 })
    }
}

fn key(conversation: ConversationNo, id: &EventId) -> Vec<u8> {
    Key::new(Kind::Bodiless).conversation(conversation).event_id(id).done()
}

/// Notes that an event came without its body.
pub(super) fn note(txn: &mut Txn<'_>, conversation: ConversationNo, id: &EventId) {
    record::put(txn, key(conversation, id), &Bodiless::default());
}

/// Notes that the body of an event was erased here without a right.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub(super) fn note_undone(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    id: &EventId,
    now: u64,
) -> Result<(), StoreError> {
    let known = record::get::<Bodiless>(txn, &key(conversation, id))?.unwrap_or_default();
    let undone = now.max(1);
    record::put(txn, key(conversation, id), &Bodiless { undone, ..known });
    Ok(())
}

/// Whether this device looks for the body of an event that it had erased without a right: it does not say that there is none.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn is_sought(read: &impl Read, conversation: ConversationNo, id: &EventId, now: u64) -> Result<bool, StoreError> {
    let row = record::get::<Bodiless>(read, &key(conversation, id))?;
    Ok(row.is_some_and(|row| row.is_sought(now)))
}

/// Whether the body of an event may still come.
///
/// # Errors
/// The database cannot be read.
pub fn may_come(read: &impl Read, conversation: ConversationNo, id: &EventId) -> Result<bool, StoreError> {
    Ok(read.get(&key(conversation, id))?.is_some())
}

/// The body came, or is not wanted here.
pub fn settled(txn: &mut Txn<'_>, conversation: ConversationNo, id: &EventId) {
    txn.delete(key(conversation, id));
}

/// Events whose bodies a device can be asked for, at most `limit`: those behind `after`, and then from the beginning on.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn to_ask(
    read: &impl Read,
    conversation: ConversationNo,
    device: DeviceNo,
    (after, limit): (Option<&EventId>, usize),
    now: u64,
) -> Result<Vec<EventId>, StoreError> {
    let mut ids = Vec::new();
    let (first, last) = Key::new(Kind::Bodiless).conversation(conversation).range();
    let middle = after.map_or_else(
        || first.clone(),
        |after| {
            let mut behind = key(conversation, after);
            behind.push(0);
            behind
        },
    );
    for part in [(middle.clone(), last), (first, middle)] {
        for row in record::scan::<Bodiless>(read, &part) {
            let (key, row) = row?;
            if ids.len() >= limit {
                return Ok(ids);
            }
            if row.is_sought(now) || (row.undone == 0 && !row.without.contains(&device.0)) {
                let id = Fields(key.get(5..).unwrap_or_default()).array::<32>();
                ids.push(EventId::from_bytes(id.ok_or(StoreError::Malformed {
                    noun: "event without its body",
                })?));
            }
        }
    }
    Ok(ids)
}

/// A device gave an event without its body as well. With the author's, or enough of others, it counts as erased, and what was said in
/// its place is erased too.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn is_without(
    txn: &mut Txn<'_>,
    at: &EventKey,
    id: &EventId,
    device: DeviceNo,
    now: u64,
) -> Result<Folded, StoreError> {
    let mut out = Folded::default();
    let conversation = at.log.conversation;
    let Some(mut row) = record::get::<Bodiless>(txn, &key(conversation, id))?.filter(|row| !row.is_sought(now)) else {
        return Ok(out);
    };
    if !row.without.contains(&device.0) {
        row.without.push(device.0);
    }
    if device != at.log.device && row.without.len() < ENOUGH {
        record::put(txn, key(conversation, id), &row);
        return Ok(out);
    }
    settled(txn, conversation, id);
    if super::any(txn, conversation, id)? {
        let by = author(txn, at)?;
        erase::message(txn, at, id, &by, None, now, &mut out)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Db, DbOptions};
    use crate::keyspace::LogKey;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn what_was_erased_without_a_right_is_asked_for_whoever_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let (db, _) = Db::open(dir.path(), &[7; 32], DbOptions::default()).unwrap();
        let mut txn = db.begin();
        let (no, id) = (ConversationNo(1), EventId::from_bytes([5; 32]));
        let log = LogKey {
            conversation: no,
            device: DeviceNo(1),
            log: 1,
        };
        let at = EventKey { log, seq: 1, branch: 0 };
        let asked = |txn: &Txn<'_>, device, now| to_ask(txn, no, DeviceNo(device), (None, 9), now).unwrap();
        for (undone, left) in [(false, vec![]), (true, vec![id])] {
            match undone {
                true => note_undone(&mut txn, no, &id, NOW).unwrap(),
                false => note(&mut txn, no, &id),
            }
            assert_eq!(is_sought(&txn, no, &id, NOW).unwrap(), undone);
            for device in [2, 3, 4, 1] {
                is_without(&mut txn, &at, &id, DeviceNo(device), NOW).unwrap();
            }
            assert_eq!(asked(&txn, 2, NOW), left);
            assert_eq!(may_come(&txn, no, &id).unwrap(), undone);
        }
        let later = NOW + SEEK_MS;
        assert_eq!(asked(&txn, 2, later), [], "not for ever");
        is_without(&mut txn, &at, &id, DeviceNo(1), later).unwrap();
        assert!(!may_come(&txn, no, &id).unwrap(), "its author has none");
    }

    #[test]
    fn what_never_comes_does_not_keep_others_from_being_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let (db, _) = Db::open(dir.path(), &[7; 32], DbOptions::default()).unwrap();
        let mut txn = db.begin();
        let no = ConversationNo(1);
        let ids: Vec<EventId> = (0..10).map(|n| EventId::from_bytes([n; 32])).collect();
        ids.iter().for_each(|id| note(&mut txn, no, id));
        let (mut after, mut asked) = (None, std::collections::BTreeSet::new());
        for _ in 0..4 {
            let some = to_ask(&txn, no, DeviceNo(1), (after.as_ref(), 3), NOW).unwrap();
            assert_eq!(some.len(), 3);
            after = some.last().copied();
            asked.extend(some);
        }
        assert_eq!(asked.into_iter().collect::<Vec<_>>(), ids);
    }
}
