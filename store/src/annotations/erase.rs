//! Erasing: what is deleted, has had its time or was viewed often enough. Bodies and salts of the message and of its versions go;
//! the signed headers stay. Bounded work in one transaction, whatever others ask for in it: what is left is due, durably, and is not
//! shown meanwhile, since [`crate::view`] decides by deletions, reasons and times, and not by the body being there.

use parlour_crypto::{Body, EventId, KIND_MESSAGE, UserId, VerifiedEvent};
use serde::{Deserialize, Serialize};

use super::fold::Folded;
use super::forget;
use super::{
    Class, MAX_REPLIES, Tombstone, author, bodiless, class, edits_key, message_place, newer, note_erased_edit, pins,
    purging, replies, threads,
};
use crate::db::{Read, Txn};
use crate::events;
use crate::keyspace::{ConversationNo, EventKey, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

/// Bodies erased in one transaction, over everything that happens in it.
const BODIES_AT_ONCE: usize = 1_000;

/// Why a message was erased here, other than by its author's deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gone {
    /// Its time was over.
    Expired,
    /// It was viewed as often as its author allowed.
    Viewed,
    /// It was sent to be viewed once or twice, and has arrived.
    SentOnce,
    /// The account erased the history it was part of.
    Forgotten,
}

impl Row for Gone {
    const NOUN: &'static str = "reason";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Mark;

impl Row for Mark {
    const NOUN: &'static str = "mark";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Views(u8);

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

/// Whether the message's author has deleted it, or somebody who may delete what others wrote.
///
/// # Errors
/// As [`gone`].
pub fn is_deleted(
    read: &impl Read,
    conversation: ConversationNo,
    id: &EventId,
    author: &UserId,
) -> Result<bool, StoreError> {
    for row in record::scan::<Tombstone>(read, &class(conversation, id, Class::Delete).range()) {
        let (key, row) = row?;
        if row.for_all || key.ends_with(author.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a user has deleted a message, or had it deleted with all that its author had said.
///
/// # Errors
/// As [`gone`].
pub fn is_deleted_by(
    read: &impl Read,
    conversation: ConversationNo,
    id: &EventId,
    by: &UserId,
) -> Result<bool, StoreError> {
    Ok(tombstone(read, conversation, id, by)?.is_some())
}

/// Whether this account knows a reason why the body of `event`, which is at `at`, is not to be here: its author deleted it or the
/// message it speaks in place of, its time was over, or it was viewed.
///
/// # Errors
/// As [`gone`].
pub fn is_erased_here(read: &impl Read, at: &EventKey, event: &VerifiedEvent) -> Result<bool, StoreError> {
    let conversation = at.log.conversation;
    let body = event.body().map(|(_, body)| Body::read(event.header().kind, body));
    let id = match body {
        Some(Ok(Body::Edit(edit))) => edit.target,
        _ if event.header().kind == KIND_MESSAGE => event.id(),
        _ => return Ok(false),
    };
    if gone(read, &id)?.is_some() || is_deleted(read, conversation, &id, &author(read, at)?)? {
        return Ok(true);
    }
    // A version of a message that came without its body.
    Ok(id != event.id()
        && super::message_place(read, conversation, &id)?.is_some_and(|(_, brief)| brief.stub)
        && !bodiless::may_come(read, conversation, &id)?)
}

pub(super) fn tombstone(
    read: &impl Read,
    conversation: ConversationNo,
    target: &EventId,
    by: &UserId,
) -> Result<Option<Tombstone>, StoreError> {
    record::get(read, &class(conversation, target, Class::Delete).user(by).done())
}

/// Bodies that may still be erased in this transaction.
pub(super) fn left(txn: &Txn<'_>) -> usize {
    BODIES_AT_ONCE.saturating_sub(txn.spent())
}

/// Whether nothing more is to be erased in this transaction.
pub fn is_spent(txn: &Txn<'_>) -> bool {
    left(txn) == 0
}

/// Erases a message and its versions, or what is left for this transaction to erase of them; the rest is due.
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
    if let Some(why) = why {
        record::put(txn, gone_key(id), &why);
    }
    pins::unpin(txn, conversation, id, out)?;
    if bodies(txn, at, id, by, now, out)? {
        out.due_at(now);
    }
    out.changed.extend(replies(txn, conversation, id)?);
    Ok(())
}

/// A message is not shown any more, and stays here: others that show it with them are to look different.
///
/// # Errors
/// As [`gone`].
pub fn withdraw(txn: &mut Txn<'_>, at: &EventKey, id: &EventId) -> Result<Folded, StoreError> {
    let (mut out, conversation) = (Folded::default(), at.log.conversation);
    pins::unpin(txn, conversation, id, &mut out)?;
    leave_thread(txn, at, &mut out)?;
    out.changed.extend(replies(txn, conversation, id)?);
    let under = threads::in_thread(txn, conversation, id, None, MAX_REPLIES)?;
    out.changed.extend(under.into_iter().map(|(_, at)| at));
    out.changed.insert(*at);
    Ok(out)
}

/// Erases the body of a message and those of its versions; `true` if some are left, and due.
fn bodies(
    txn: &mut Txn<'_>,
    at: &EventKey,
    id: &EventId,
    by: &UserId,
    now: u64,
    out: &mut Folded,
) -> Result<bool, StoreError> {
    let mut more = is_spent(txn);
    if !more {
        leave_thread(txn, at, out)?;
        events::erase(txn, at)?;
        txn.spend(1);
        more = versions(txn, at.log.conversation, id, by)?;
    }
    if more {
        put_due(txn, now, at);
    }
    Ok(more)
}

/// What is erased is under no root any more: whoever never had its body does not know of any.
fn leave_thread(txn: &mut Txn<'_>, at: &EventKey, out: &mut Folded) -> Result<(), StoreError> {
    let Some(event) = events::get(txn, at)? else {
        return Ok(());
    };
    if let Some(root) = threads::leave(txn, at, &event)? {
        let root = message_place(txn, at.log.conversation, &root)?;
        out.changed.extend(root.map(|(at, _)| at));
    }
    Ok(())
}

/// Erases edits of a message by one user, as many as this transaction may; `true` if there are more.
fn versions(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    target: &EventId,
    by: &UserId,
) -> Result<bool, StoreError> {
    let room = left(txn);
    let edits = super::edits(txn, conversation, target, by, room.saturating_add(1))?;
    let more = edits.len() > room;
    for (stamp, at) in edits.into_iter().take(room) {
        events::erase(txn, &at)?;
        note_erased_edit(txn, target, &at);
        txn.spend(1);
        let key = edits_key(conversation, target, by);
        txn.delete(key.u64(stamp.clock).event_id(&stamp.id).done());
    }
    Ok(more)
}

pub(crate) fn due_key(due: u64, at: &EventKey) -> Vec<u8> {
    Key::new(Kind::Due).u64(due).bytes(&at.to_bytes()).done()
}

/// Has a message erased at `due`.
pub(super) fn put_due(txn: &mut Txn<'_>, due: u64, at: &EventKey) {
    record::put(txn, due_key(due, at), &Mark);
}

pub(crate) fn parse_due(key: &[u8]) -> Result<(u64, EventKey), StoreError> {
    let mut fields = Fields(key.get(1..).unwrap_or_default());
    match (fields.u64(), EventKey::from_bytes(fields.0)) {
        (Some(due), Some(at)) => Ok((due, at)),
        _ => Err(StoreError::Malformed { noun: "due key" }),
    }
}

/// Erases what a user said in the place of a message that is not theirs, or not here.
pub(super) fn take_back(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    target: &EventId,
    by: &UserId,
) -> Result<bool, StoreError> {
    let more = versions(txn, conversation, target, by)?;
    if more {
        let key = Key::new(Kind::TakeBack).conversation(conversation);
        record::put(txn, key.event_id(target).user(by).done(), &Mark);
    }
    Ok(more)
}

pub(crate) fn parse_take_back(key: &[u8]) -> Result<(ConversationNo, EventId, UserId), StoreError> {
    let mut fields = Fields(key.get(1..).unwrap_or_default());
    match (fields.u32(), fields.array(), fields.array()) {
        (Some(no), Some(target), Some(by)) => {
            Ok((ConversationNo(no), EventId::from_bytes(target), UserId::from_bytes(by)))
        }
        _ => Err(StoreError::Malformed { noun: "take back key" }),
    }
}

/// Goes on with what was to be taken back and was too much for one transaction.
fn take_back_more(txn: &mut Txn<'_>) -> Result<(), StoreError> {
    let (from, to) = Key::new(Kind::TakeBack).range();
    let keys: Vec<Vec<u8>> = txn.scan_keys(&from, &to).take(left(txn)).collect::<Result<_, _>>()?;
    for key in keys {
        let (conversation, target, by) = parse_take_back(&key)?;
        if is_spent(txn) || versions(txn, conversation, &target, &by)? {
            break;
        }
        txn.delete(key);
    }
    Ok(())
}

/// When something has to be erased next, ms; 0 if some of it was to be erased already, or events have to be folded again.
///
/// # Errors
/// As [`gone`].
pub fn next_due(read: &impl Read) -> Result<Option<u64>, StoreError> {
    for kind in [Kind::TakeBack, Kind::Forgetting] {
        let (from, to) = Key::new(kind).range();
        if read.scan_keys(&from, &to).next().transpose()?.is_some() {
            return Ok(Some(0));
        }
    }
    if newer::is_any(read)? || purging::purging(read)?.is_some() {
        return Ok(Some(0));
    }
    let (from, to) = Key::new(Kind::Due).range();
    let first = read.scan_keys(&from, &to).next().transpose()?;
    first.map(|key| parse_due(&key).map(|(due, _)| due)).transpose()
}

/// Erases messages whose time is over, and what was too much for earlier transactions, as far as this one may; folds again what an
/// older build did not understand; `due` says when to go on.
///
/// # Errors
/// As [`gone`].
pub fn erase_due(txn: &mut Txn<'_>, now: u64) -> Result<Folded, StoreError> {
    take_back_more(txn)?;
    let from = Key::new(Kind::Due).done();
    let to = Key::new(Kind::Due).u64(now.saturating_add(1)).done();
    let due: Vec<Vec<u8>> = txn.scan_keys(&from, &to).take(left(txn)).collect::<Result<_, _>>()?;
    let mut out = Folded::default();
    forget::go_on(txn, now, &mut out)?;
    newer::go_on(txn, now, &mut out)?;
    for key in due {
        if is_spent(txn) {
            break;
        }
        let (_, at) = parse_due(&key)?;
        txn.delete(key);
        let Some(event) = events::get(txn, &at)?.filter(|event| event.header().kind == KIND_MESSAGE) else {
            continue;
        };
        let (id, by) = (event.id(), author(txn, &at)?);
        let told =
            event.body().is_none() || gone(txn, &id)?.is_some() || is_deleted(txn, at.log.conversation, &id, &by)?;
        if told {
            // The rest of something that everybody has heard of.
            bodies(txn, &at, &id, &by, now, &mut out)?;
        } else if has_expired(&event, now) {
            message(txn, &at, &id, &by, Some(Gone::Expired), now, &mut out)?;
            out.changed.insert(at);
        }
    }
    out.due = next_due(txn)?;
    Ok(out)
}

/// Whether the time of a message is over. What was to be deleted may have come to stay meanwhile.
fn has_expired(event: &VerifiedEvent, now: u64) -> bool {
    let body = event.body().map(|(_, body)| Body::read(event.header().kind, body));
    let Some(Ok(Body::Message(message))) = body else {
        return false;
    };
    let expires = message
        .expires_after()
        .map(|after| event.header().clock.saturating_add(after));
    expires.is_some_and(|expires| expires <= now)
}

fn sent_once_key(at: &EventKey) -> Vec<u8> {
    Key::new(Kind::SentOnce).bytes(&at.to_bytes()).done()
}

pub(super) fn note_sent_once(txn: &mut Txn<'_>, at: &EventKey) {
    record::put(txn, sent_once_key(at), &Mark);
}

/// Own messages to be viewed once or twice whose bodies are still to be erased, at most `limit`, from behind `after` on.
///
/// # Errors
/// As [`gone`].
pub fn sent_once(read: &impl Read, after: Option<&EventKey>, limit: usize) -> Result<Vec<EventKey>, StoreError> {
    let (mut from, to) = Key::new(Kind::SentOnce).range();
    if let Some(after) = after {
        from = sent_once_key(after);
        from.push(0);
    }
    read.scan_keys(&from, &to)
        .take(limit)
        .map(|key| {
            EventKey::from_bytes(key?.get(1..).unwrap_or_default())
                .ok_or(StoreError::Malformed { noun: "sent once key" })
        })
        .collect()
}

/// Whether the body of a message is still here and nothing else has erased it, or is about to. Only then does it wait to arrive.
///
/// # Errors
/// As [`gone`].
pub fn waits_to_arrive(read: &impl Read, at: &EventKey) -> Result<bool, StoreError> {
    let Some(event) = events::get(read, at)?.filter(|event| event.body().is_some()) else {
        return Ok(false);
    };
    let id = event.id();
    Ok(gone(read, &id)?.is_none() && !is_deleted(read, at.log.conversation, &id, &author(read, at)?)?)
}

/// Takes a message from those that wait to arrive.
pub fn forget_sent_once(txn: &mut Txn<'_>, at: &EventKey) {
    txn.delete(sent_once_key(at));
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
