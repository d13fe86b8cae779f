//! Erasing: what is deleted, has had its time or was viewed often enough. Bodies and salts of the message and of its versions go;
//! the signed headers stay. Bounded work at a time: what is left is due again.

use parlour_crypto::{EventId, KIND_MESSAGE, UserId};
use serde::{Deserialize, Serialize};

use super::fold::Folded;
use super::{Class, Tombstone, author, class, edits_key, pin, pin_order_key, replies};
use crate::db::{Read, Txn};
use crate::events;
use crate::keyspace::{ConversationNo, EventKey, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

/// Versions of one message erased at once.
const VERSIONS_AT_ONCE: usize = 256;

/// Why a message was erased here, other than by its author's deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gone {
    /// Its time was over.
    Expired,
    /// It was viewed as often as its author allowed.
    Viewed,
    /// It was sent to be viewed once or twice, and has arrived.
    SentOnce,
}

impl Row for Gone {
    const NOUN: &'static str = "reason";
}

#[derive(Serialize, Deserialize)]
struct Mark;

impl Row for Mark {
    const NOUN: &'static str = "mark";
}

#[derive(Serialize, Deserialize)]
struct Views(u8);

impl Row for Views {
    const NOUN: &'static str = "views";
}

fn gone_key(id: &EventId) -> Vec<u8> {
    Key::new(Kind::Gone).event_id(id).done()
}

fn views_key(id: &EventId) -> Vec<u8> {
    Key::new(Kind::Views).event_id(id).done()
}

/// Why a message was erased here, if not by deletion.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn gone(read: &impl Read, id: &EventId) -> Result<Option<Gone>, StoreError> {
    record::get(read, &gone_key(id))
}

/// How often this account has viewed a message that can be viewed so often only.
///
/// # Errors
/// As [`gone`].
pub fn views_used(read: &impl Read, id: &EventId) -> Result<u8, StoreError> {
    Ok(record::get::<Views>(read, &views_key(id))?.map_or(0, |Views(used)| used))
}

/// Counts one view of `allowed`; erases the message with the last one. Returns how many are left.
///
/// # Errors
/// As [`gone`].
pub fn use_view(
    txn: &mut Txn<'_>,
    at: &EventKey,
    id: &EventId,
    allowed: u8,
    now: u64,
) -> Result<(u8, Folded), StoreError> {
    let used = views_used(txn, id)?.saturating_add(1);
    let mut out = Folded::default();
    record::put(txn, views_key(id), &Views(used));
    if used >= allowed {
        let by = author(txn, at)?;
        message(txn, at, id, &by, Some(Gone::Viewed), now, &mut out)?;
    }
    out.changed.insert(*at);
    Ok((allowed.saturating_sub(used), out))
}

/// Whether the message's author has deleted it.
///
/// # Errors
/// As [`gone`].
pub fn is_deleted(
    read: &impl Read,
    conversation: ConversationNo,
    id: &EventId,
    author: &UserId,
) -> Result<bool, StoreError> {
    Ok(tombstone(read, conversation, id, author)?.is_some())
}

pub(super) fn tombstone(
    read: &impl Read,
    conversation: ConversationNo,
    target: &EventId,
    by: &UserId,
) -> Result<Option<crate::timeline::Position>, StoreError> {
    let key = class(conversation, target, Class::Delete).user(by).done();
    Ok(record::get::<Tombstone>(read, &key)?.map(|Tombstone(at)| at))
}

/// Erases a message and its versions.
pub(super) fn message(
    txn: &mut Txn<'_>,
    at: &EventKey,
    id: &EventId,
    by: &UserId,
    why: Option<Gone>,
    now: u64,
    out: &mut Folded,
) -> Result<(), StoreError> {
    let conversation = at.log.conversation;
    events::erase(txn, at)?;
    if let Some(why) = why {
        record::put(txn, gone_key(id), &why);
    }
    if let Some(pin) = pin(txn, conversation, id)?.filter(|pin| pin.on) {
        txn.delete(pin_order_key(conversation, &pin.at));
    }
    if versions(txn, conversation, id, by)? {
        put_due(txn, now, at);
        out.due_at(now);
    }
    out.changed.extend(replies(txn, conversation, id)?);
    Ok(())
}

/// Erases edits of a message by one user, at most 256; `true` if there may be more.
pub(super) fn versions(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    target: &EventId,
    by: &UserId,
) -> Result<bool, StoreError> {
    let edits = super::edits(txn, conversation, target, by, VERSIONS_AT_ONCE)?;
    let more = edits.len() == VERSIONS_AT_ONCE;
    for (stamp, at) in edits {
        events::erase(txn, &at)?;
        let key = edits_key(conversation, target, by);
        txn.delete(key.u64(stamp.clock).event_id(&stamp.id).done());
    }
    Ok(more)
}

fn due_key(due: u64, at: &EventKey) -> Vec<u8> {
    Key::new(Kind::Due).u64(due).bytes(&at.to_bytes()).done()
}

/// Has a message erased at `due`.
pub(super) fn put_due(txn: &mut Txn<'_>, due: u64, at: &EventKey) {
    record::put(txn, due_key(due, at), &Mark);
}

fn parse_due(key: &[u8]) -> Result<(u64, EventKey), StoreError> {
    let mut fields = Fields(key.get(1..).unwrap_or_default());
    match (fields.u64(), EventKey::from_bytes(fields.0)) {
        (Some(due), Some(at)) => Ok((due, at)),
        _ => Err(StoreError::Malformed { noun: "due key" }),
    }
}

/// When something has to be erased next, ms.
///
/// # Errors
/// As [`gone`].
pub fn next_due(read: &impl Read) -> Result<Option<u64>, StoreError> {
    let (from, to) = Key::new(Kind::Due).range();
    let first = read.scan_keys(&from, &to).next().transpose()?;
    first.map(|key| parse_due(&key).map(|(due, _)| due)).transpose()
}

/// Erases messages whose time is over, at most `limit`.
///
/// # Errors
/// As [`gone`].
pub fn erase_due(txn: &mut Txn<'_>, now: u64, limit: usize) -> Result<Folded, StoreError> {
    let from = Key::new(Kind::Due).done();
    let to = Key::new(Kind::Due).u64(now.saturating_add(1)).done();
    let due: Vec<Vec<u8>> = txn.scan_keys(&from, &to).take(limit).collect::<Result<_, _>>()?;
    let mut out = Folded::default();
    for key in due {
        let (_, at) = parse_due(&key)?;
        txn.delete(key);
        let Some(event) = events::get(txn, &at)?.filter(|event| event.header().kind == KIND_MESSAGE) else {
            continue;
        };
        let (id, by) = (event.id(), author(txn, &at)?);
        let why = event.body().map(|_| Gone::Expired);
        message(txn, &at, &id, &by, why, now, &mut out)?;
        if why.is_some() {
            out.changed.insert(at);
        }
    }
    out.due = next_due(txn)?;
    Ok(out)
}

fn sent_once_key(at: &EventKey) -> Vec<u8> {
    Key::new(Kind::SentOnce).bytes(&at.to_bytes()).done()
}

pub(super) fn note_sent_once(txn: &mut Txn<'_>, at: &EventKey) {
    record::put(txn, sent_once_key(at), &Mark);
}

/// Own messages to be viewed once or twice whose bodies are still here, at most `limit`.
///
/// # Errors
/// As [`gone`].
pub fn sent_once(read: &impl Read, limit: usize) -> Result<Vec<EventKey>, StoreError> {
    let (from, to) = Key::new(Kind::SentOnce).range();
    read.scan_keys(&from, &to)
        .take(limit)
        .map(|key| {
            EventKey::from_bytes(key?.get(1..).unwrap_or_default())
                .ok_or(StoreError::Malformed { noun: "sent once key" })
        })
        .collect()
}

/// Erases the body of an own message that was to be viewed once or twice and has arrived.
///
/// # Errors
/// As [`gone`].
pub fn erase_sent_once(txn: &mut Txn<'_>, at: &EventKey, now: u64) -> Result<Folded, StoreError> {
    let mut out = Folded::default();
    txn.delete(sent_once_key(at));
    if let Some(event) = events::get(txn, at)?.filter(|event| event.body().is_some()) {
        let by = author(txn, at)?;
        message(txn, at, &event.id(), &by, Some(Gone::SentOnce), now, &mut out)?;
    }
    Ok(out)
}
