//! Threads: the messages under a root, in their order, and how many there are, so that a root is shown without counting them.

use parlour_crypto::{Body, EventId, KIND_MESSAGE, VerifiedEvent};
use serde::{Deserialize, Serialize};

use super::{Class, Place, class, rooms};
use crate::db::{Read, Txn};
use crate::events;
use crate::keyspace::{ConversationNo, EventKey, Fields};
use crate::record::{self, Row, StoreError};
use crate::timeline::Position;

#[derive(Serialize, Deserialize)]
pub(crate) struct Count(u64);

impl Row for Count {
    const NOUN: &'static str = "size of a thread";
}

/// What is under a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// How many messages.
    pub replies: u64,
    /// The newest one.
    pub last: Position,
}

fn key(conversation: ConversationNo, root: &EventId, at: &Position) -> Vec<u8> {
    class(conversation, root, Class::InThread)
        .u64(at.clock)
        .event_id(&at.id)
        .done()
}

fn count(read: &impl Read, conversation: ConversationNo, root: &EventId) -> Result<u64, StoreError> {
    let key = class(conversation, root, Class::Thread).done();
    Ok(record::get::<Count>(read, &key)?.map_or(0, |Count(count)| count))
}

fn set_count(txn: &mut Txn<'_>, conversation: ConversationNo, root: &EventId, count: u64) {
    let key = class(conversation, root, Class::Thread).done();
    match count {
        0 => txn.delete(key),
        count => record::put(txn, key, &Count(count)),
    }
}

/// Puts a message into a thread; `false` if it is there.
pub(super) fn join(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    root: &EventId,
    (stamp, at): (&Position, &EventKey),
) -> Result<bool, StoreError> {
    let key = key(conversation, root, stamp);
    if txn.get(&key)?.is_some() {
        return Ok(false);
    }
    record::put(txn, key, &Place::of(at));
    let more = count(txn, conversation, root)?.saturating_add(1);
    set_count(txn, conversation, root, more);
    Ok(true)
}

/// Takes a message out of its thread before its body goes, or out of sight. Returns the root it was under.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn leave(txn: &mut Txn<'_>, at: &EventKey, event: &VerifiedEvent) -> Result<Option<EventId>, StoreError> {
    let Some(root) = root_named(event) else {
        return Ok(None);
    };
    let conversation = at.log.conversation;
    let stamp = Position {
        clock: event.header().clock,
        id: event.id(),
    };
    let key = key(conversation, &root, &stamp);
    if txn.get(&key)?.is_none() {
        return Ok(None);
    }
    txn.delete(key);
    let less = count(txn, conversation, &root)?.saturating_sub(1);
    set_count(txn, conversation, &root, less);
    Ok(Some(root))
}

/// The root that a message says it is under.
fn root_named(event: &VerifiedEvent) -> Option<EventId> {
    if event.header().kind != KIND_MESSAGE {
        return None;
    }
    match Body::read(KIND_MESSAGE, event.body()?.1) {
        Ok(Body::Message(message)) => message.thread,
        _ => None,
    }
}

/// What is under a root; `None` if nothing is.
///
/// # Errors
/// As [`leave`].
pub fn thread(read: &impl Read, conversation: ConversationNo, root: &EventId) -> Result<Option<Thread>, StoreError> {
    let replies = count(read, conversation, root)?;
    if replies == 0 {
        return Ok(None);
    }
    let newest = in_thread(read, conversation, root, None, 1)?.pop();
    Ok(newest.map(|(last, _)| Thread { replies, last }))
}

/// Messages of a thread, the newest first, at most `limit`, those before `before`.
///
/// # Errors
/// As [`leave`].
pub fn in_thread(
    read: &impl Read,
    conversation: ConversationNo,
    root: &EventId,
    before: Option<&Position>,
    limit: usize,
) -> Result<Vec<(Position, EventKey)>, StoreError> {
    let (from, mut to) = class(conversation, root, Class::InThread).range();
    if let Some(before) = before {
        to = key(conversation, root, before);
    }
    record::scan::<Place>(read, &(from, to))
        .rev()
        .take(limit)
        .map(|row| {
            let (key, place) = row?;
            let mut fields = Fields(key.get(38..).unwrap_or_default());
            let (Some(clock), Some(id)) = (fields.u64(), fields.array()) else {
                return Err(StoreError::Malformed { noun: "thread key" });
            };
            let id = EventId::from_bytes(id);
            Ok((Position { clock, id }, place.key()?))
        })
        .collect()
}

/// Whether a message can have others under it: it is not under another one itself. One that is not here can, and so one that others do not
/// have since its author had no right to say it.
///
/// # Errors
/// As [`leave`].
pub fn is_root(read: &impl Read, conversation: ConversationNo, id: &EventId) -> Result<bool, StoreError> {
    let Some(at) = events::place(read, id)? else {
        return Ok(true);
    };
    if at.log.conversation != conversation {
        return Ok(false);
    }
    if rooms::ruling(read, id)?.void {
        return Ok(true);
    }
    let event = events::get(read, &at)?;
    Ok(event.is_some_and(|event| event.header().kind == KIND_MESSAGE && root_named(&event).is_none()))
}
