//! What those who keep order in a room do with what others wrote, and what its rules hide. Who has the right to what, the engine says:
//! it is written down here before the event is folded, so that a repair comes to the same.

use parlour_crypto::{EventId, Intervals, KIND_MESSAGE, UserId};
use serde::{Deserialize, Serialize};

use super::erase;
use super::fold::Folded;
use super::{Class, Tombstone, author, class};
use crate::db::{Read, Txn};
use crate::events;
use crate::keyspace::{ConversationNo, DeviceNo, EventKey, Fields, Key, Kind, LogKey};
use crate::record::{self, Row, StoreError};
use crate::timeline::Position;

/// Places of a log that are looked at in one transaction.
const SEQS_AT_ONCE: usize = 1_000;

#[derive(Serialize, Deserialize)]
pub(crate) struct Mark;

impl Row for Mark {
    const NOUN: &'static str = "mark of an event";
}

/// What is to be deleted of a log.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Purging {
    next: u64,
    up_to: u64,
    by: UserId,
}

impl Row for Purging {
    const NOUN: &'static str = "log to be purged";
}

fn for_all_key(deletion: &EventId) -> Vec<u8> {
    Key::new(Kind::ForAll).event_id(deletion).done()
}

/// Notes that the deletion with this id is by somebody who may delete what others wrote.
pub fn let_delete_for_all(txn: &mut Txn<'_>, deletion: &EventId) {
    record::put(txn, for_all_key(deletion), &Mark);
}

/// Whether a deletion is by somebody who may delete what others wrote.
///
/// # Errors
/// The database cannot be read.
pub fn deletes_for_all(read: &impl Read, deletion: &EventId) -> Result<bool, StoreError> {
    Ok(read.get(&for_all_key(deletion))?.is_some())
}

/// Deletes a message that is on its way here, whoever wrote it.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn delete_for_all(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    target: Position,
    by: &UserId,
) -> Result<(), StoreError> {
    let key = class(conversation, &target.id, Class::Delete).user(by).done();
    let known = record::get::<Tombstone>(txn, &key)?;
    let at = known.map_or(target, |known| known.at.min(target));
    record::put(txn, key, &Tombstone { at, for_all: true });
    Ok(())
}

/// What the rules of a room say of a message in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// It came sooner after its author's last one than they allow: not shown.
    pub too_soon: bool,
    /// Its author was removed by somebody who had not seen it: marked.
    pub around_removal: bool,
    /// Its author had no right to it, which was not known when it came: not shown.
    pub void: bool,
}

impl Ruling {
    /// Whether the message is not shown.
    #[must_use]
    pub fn hides(self) -> bool {
        self.too_soon || self.void
    }
}

impl Row for Ruling {
    const NOUN: &'static str = "ruling on a message";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let too_soon = version == 1 && rest.is_empty();
        too_soon.then_some(Self {
            too_soon,
            ..Self::default()
        })
    }
}

fn ruling_key(id: &EventId) -> Vec<u8> {
    Key::new(Kind::Ruling).event_id(id).done()
}

/// Writes down what the rules of its room say of a message.
pub fn rule(txn: &mut Txn<'_>, id: &EventId, ruling: Ruling) {
    match ruling == Ruling::default() {
        true => txn.delete(ruling_key(id)),
        false => record::put(txn, ruling_key(id), &ruling),
    }
}

/// What the rules of its room say of a message.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn ruling(read: &impl Read, id: &EventId) -> Result<Ruling, StoreError> {
    Ok(record::get(read, &ruling_key(id))?.unwrap_or_default())
}

/// Whether the rules of its room hide a message.
///
/// # Errors
/// As [`ruling`].
pub fn is_veiled(read: &impl Read, id: &EventId) -> Result<bool, StoreError> {
    Ok(ruling(read, id)?.hides())
}

fn purging_key(log: &LogKey) -> Vec<u8> {
    Key::new(Kind::Purging).log(log).done()
}

/// Has all messages of a log up to `up_to` deleted, from the next look at what is due on. `true` if that is more than was asked for before.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn purge(txn: &mut Txn<'_>, log: &LogKey, up_to: u64, by: &UserId) -> Result<bool, StoreError> {
    // One more than that says that nothing is left to do.
    let up_to = up_to.min(u64::MAX - 1);
    let known = record::get::<Purging>(txn, &purging_key(log))?;
    if known.is_some_and(|known| known.up_to >= up_to) {
        return Ok(false);
    }
    let next = known.map_or(1, |known| known.next);
    record::put(txn, purging_key(log), &Purging { next, up_to, by: *by });
    Ok(true)
}

/// Whether all messages of a log up to a place were to be deleted.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn is_purged(read: &impl Read, log: &LogKey, up_to: u64) -> Result<bool, StoreError> {
    let known = record::get::<Purging>(read, &purging_key(log))?;
    Ok(known.is_some_and(|known| known.up_to >= up_to))
}

fn unfinished(read: &impl Read) -> Result<Option<(LogKey, Purging)>, StoreError> {
    for row in record::scan::<Purging>(read, &Key::new(Kind::Purging).range()) {
        let (key, row) = row?;
        let mut fields = Fields(key.get(1..).unwrap_or_default());
        let parts = (fields.u32(), fields.u32(), fields.u32());
        let (Some(conversation), Some(device), Some(log)) = parts else {
            return Err(StoreError::Malformed { noun: "purging key" });
        };
        if row.next <= row.up_to && row.next < u64::MAX {
            let (conversation, device) = (ConversationNo(conversation), DeviceNo(device));
            return Ok(Some((
                LogKey {
                    conversation,
                    device,
                    log,
                },
                row,
            )));
        }
    }
    Ok(None)
}

/// Whether there is more to delete.
pub(super) fn is_any(read: &impl Read) -> Result<bool, StoreError> {
    Ok(unfinished(read)?.is_some())
}

/// Goes on with one log, as far as this transaction may.
pub(super) fn go_on(txn: &mut Txn<'_>, now: u64, out: &mut Folded) -> Result<(), StoreError> {
    let Some((log, mut row)) = unfinished(txn)? else {
        return Ok(());
    };
    let held = crate::logs::get(txn, &log)?.have;
    let left = held.intersection(&Intervals::range(row.next, row.up_to));
    let some: Vec<u64> = left.values().take(SEQS_AT_ONCE).collect();
    for seq in some {
        if erase::is_spent(txn) {
            break;
        }
        for branch in 0..=u8::MAX {
            let at = EventKey { log, seq, branch };
            let Some(event) = events::get(txn, &at)? else { break };
            if event.header().kind != KIND_MESSAGE {
                continue;
            }
            let clock = event.header().clock;
            let id = event.id();
            delete_for_all(txn, log.conversation, Position { clock, id }, &row.by)?;
            let writer = author(txn, &at)?;
            erase::message(txn, &at, &id, &writer, None, now, out)?;
            out.changed.insert(at);
        }
        row.next = seq.saturating_add(1);
    }
    // What comes later is deleted when it comes.
    if left.max().is_none_or(|last| last < row.next) {
        row.next = row.up_to.saturating_add(1);
    }
    record::put(txn, purging_key(&log), &row);
    Ok(())
}
