//! System messages: what happened in a room beside what is said there. They stand between the messages in the order that all nodes share, and
//! have no arrival number: an operation that turns out void takes its message along, and numbers have no gaps.
//! A row says that an event is shown; what it says is read from the event.

use parlour_crypto::EventId;

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, EventKey, Fields, Key, Kind};
use crate::record::StoreError;
use crate::timeline::{self, Position, TimelineEntry};

fn prefix(conversation: ConversationNo) -> Key {
    Key::new(Kind::System).conversation(conversation)
}

fn key(conversation: ConversationNo, at: &Position) -> Vec<u8> {
    prefix(conversation).u64(at.clock).event_id(&at.id).done()
}

fn parse((key, value): (Vec<u8>, Vec<u8>)) -> Result<TimelineEntry, StoreError> {
    let malformed = || StoreError::Malformed { noun: "system message" };
    let mut fields = Fields(key.get(5..).unwrap_or_default());
    let (Some(clock), Some(id)) = (fields.u64(), fields.array::<32>()) else {
        return Err(malformed());
    };
    Ok(TimelineEntry {
        at: Position {
            clock,
            id: EventId::from_bytes(id),
        },
        event: EventKey::from_bytes(&value).ok_or_else(malformed)?,
        room_seq: 0,
    })
}

/// Shows the event at `event`, whose place in the order is `at`.
pub fn put(txn: &mut Txn<'_>, at: &Position, event: &EventKey) {
    txn.put(key(event.log.conversation, at), event.to_bytes().to_vec());
}

/// Shows it no more.
pub fn remove(txn: &mut Txn<'_>, conversation: ConversationNo, at: &Position) {
    txn.delete(key(conversation, at));
}

/// Whether there is a system message at a place.
///
/// # Errors
/// The database cannot be read.
pub fn is_shown(read: &impl Read, conversation: ConversationNo, at: &Position) -> Result<bool, StoreError> {
    Ok(read.get(&key(conversation, at))?.is_some())
}

/// All system messages of a conversation, oldest first.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn all<'a>(
    read: &'a impl Read,
    conversation: ConversationNo,
) -> impl Iterator<Item = Result<TimelineEntry, StoreError>> + 'a {
    let (from, to) = prefix(conversation).range();
    read.scan(&from, &to).map(|row| parse(row?))
}

/// Up to `limit` messages and system messages before `before` (or the last ones), oldest first.
///
/// # Errors
/// As [`all`].
pub fn page_before(
    read: &impl Read,
    conversation: ConversationNo,
    before: Option<&Position>,
    limit: usize,
) -> Result<Vec<TimelineEntry>, StoreError> {
    let (from, mut to) = prefix(conversation).range();
    if let Some(position) = before {
        to = key(conversation, position);
    }
    let happened = read.scan(&from, &to).rev().take(limit).map(|row| parse(row?));
    let mut page = happened.collect::<Result<Vec<_>, _>>()?;
    page.reverse();
    page = merged(page, timeline::before(read, conversation, before, limit)?);
    page.drain(..page.len().saturating_sub(limit));
    Ok(page)
}

/// Up to `limit` messages and system messages after `after` (or the first ones), oldest first.
///
/// # Errors
/// As [`all`].
pub fn page_after(
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
    let happened = read.scan(&from, &to).take(limit).map(|row| parse(row?));
    let mut page = merged(
        happened.collect::<Result<Vec<_>, _>>()?,
        timeline::after(read, conversation, after, limit)?,
    );
    page.truncate(limit);
    Ok(page)
}

fn merged(happened: Vec<TimelineEntry>, mut said: Vec<TimelineEntry>) -> Vec<TimelineEntry> {
    if !happened.is_empty() {
        said.extend(happened);
        said.sort_by_key(|entry| entry.at);
    }
    said
}
