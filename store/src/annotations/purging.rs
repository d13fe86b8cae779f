//! Logs of which all messages are to be deleted, some at a time; which of them are meant, the engine says when their turn comes.

use parlour_crypto::{Intervals, UserId, VerifiedEvent, decode_own};
use serde::{Deserialize, Serialize};

use super::fold::Folded;
use super::{author, erase, rooms};
use crate::db::{Db, Read, Txn};
use crate::keyspace::{ConversationNo, DeviceNo, EventKey, Fields, Key, Kind, LogKey};
use crate::logs;
use crate::record::{self, Row, StoreError};
use crate::repair::RepairError;
use crate::timeline::Position;

/// What is to be deleted of a log.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Purging {
    next: u64,
    up_to: u64,
}

impl Row for Purging {
    const NOUN: &'static str = "log to be purged";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let known = decode_own::<(u64, u64, UserId)>(rest).ok();
        let (next, up_to, _) = known.filter(|_| version == 1)?;
        Some(Self { next, up_to })
    }
}

fn key(log: &LogKey) -> Vec<u8> {
    Key::new(Kind::Purging).log(log).done()
}

/// Has messages of a log up to `up_to` deleted, from the next look at what is due on. `true` if that is more than was asked for before.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn purge(txn: &mut Txn<'_>, log: &LogKey, up_to: u64) -> Result<bool, StoreError> {
    // One more than that says that nothing is left to do.
    let up_to = up_to.min(u64::MAX - 1);
    let known = record::get::<Purging>(txn, &key(log))?;
    if known.is_some_and(|known| known.up_to >= up_to) {
        return Ok(false);
    }
    record::put(txn, key(log), &Purging { next: 1, up_to });
    Ok(true)
}

/// Nothing of a log is to be deleted any more.
pub fn forget_purge(txn: &mut Txn<'_>, log: &LogKey) {
    txn.delete(key(log));
}

/// A log of which messages are still to be deleted, and the places that are left of it.
///
/// # Errors
/// As [`purge`].
pub fn purging(read: &impl Read) -> Result<Option<(LogKey, Intervals)>, StoreError> {
    for row in record::scan::<Purging>(read, &Key::new(Kind::Purging).range()) {
        let (key, row) = row?;
        let mut fields = Fields(key.get(1..).unwrap_or_default());
        let parts = (fields.u32(), fields.u32(), fields.u32());
        let (Some(conversation), Some(device), Some(log)) = parts else {
            return Err(StoreError::Malformed { noun: "purging key" });
        };
        if row.next <= row.up_to {
            let log = LogKey {
                conversation: ConversationNo(conversation),
                device: DeviceNo(device),
                log,
            };
            let held = logs::get(read, &log)?.have;
            return Ok(Some((log, held.intersection(&Intervals::range(row.next, row.up_to)))));
        }
    }
    Ok(None)
}

/// After a repair, which has forgotten what was deleted: all of it is looked for again.
pub(crate) fn begin_again(db: &Db) -> Result<(), RepairError> {
    let mut txn = db.begin();
    let rows = record::scan::<Purging>(&txn, &Key::new(Kind::Purging).range());
    let rows: Vec<(Vec<u8>, Purging)> = rows.collect::<Result<_, _>>()?;
    for (key, row) in rows {
        record::put(&mut txn, key, &Purging { next: 1, ..row });
    }
    Ok(db.commit(txn.into_batch())?)
}

/// Those places of a log have been looked at that are below `next`; nothing: all. What comes later is deleted when it comes.
///
/// # Errors
/// As [`purge`].
pub fn purged(txn: &mut Txn<'_>, log: &LogKey, next: Option<u64>) -> Result<(), StoreError> {
    if let Some(row) = record::get::<Purging>(txn, &key(log))? {
        let next = next.unwrap_or_else(|| row.up_to.saturating_add(1));
        record::put(txn, key(log), &Purging { next, ..row });
    }
    Ok(())
}

/// Deletes a message that is here, whoever wrote it.
///
/// # Errors
/// As [`purge`].
pub fn purge_message(
    txn: &mut Txn<'_>,
    at: &EventKey,
    event: &VerifiedEvent,
    by: &UserId,
    now: u64,
    out: &mut Folded,
) -> Result<(), StoreError> {
    let clock = event.header().clock;
    let id = event.id();
    rooms::delete_for_all(txn, at.log.conversation, Position { clock, id }, by)?;
    let writer = author(txn, at)?;
    erase::message(txn, at, &id, &writer, None, now, out)?;
    out.changed.insert(*at);
    Ok(())
}
