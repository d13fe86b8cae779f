//! What was said counts no more, or counts again, when the right to it is judged otherwise: what it did to messages is made anew from the
//! events that count, as if those that do not had never come.

use std::collections::BTreeSet;

use parlour_crypto::{
    Body, EventId, KIND_CLOSE_POLL, KIND_DELETE, KIND_EDIT, KIND_PIN, KIND_REACTION, KIND_VOTE, UserId, VerifiedEvent,
};

use super::erase::tombstone;
use super::fold::{Folded, fold};
use super::{
    Class, Place, author, bodiless, class, edits_key, gone, is_deleted, is_veiled, message_place, pins, replies,
};
use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, EventKey, LogKey};
use crate::logs::{self, LogRow};
use crate::record::{self, StoreError};
use crate::{devices, events, system, timeline};

/// Events that say something about messages, and have no place of their own.
const ABOUT: [u16; 6] = [
    KIND_EDIT,
    KIND_DELETE,
    KIND_REACTION,
    KIND_PIN,
    KIND_VOTE,
    KIND_CLOSE_POLL,
];

/// The messages that an event says something about; none if its body is not here.
#[must_use]
pub fn targets(event: &VerifiedEvent) -> Vec<EventId> {
    let body = event.body().map(|(_, body)| Body::read(event.header().kind, body));
    match body {
        Some(Ok(Body::Edit(edit))) => vec![edit.target],
        Some(Ok(Body::Delete(delete))) => delete.targets,
        Some(Ok(Body::Reaction(reaction))) => vec![reaction.target],
        Some(Ok(Body::Pin(pin))) => vec![pin.target],
        Some(Ok(Body::Vote(vote))) => vec![vote.poll],
        Some(Ok(Body::ClosePoll(close))) => vec![close.poll],
        _ => Vec::new(),
    }
}

/// Makes anew what the events of one user say about some messages. What was deleted by one that counts no more is asked of others again.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn renew(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    user: &UserId,
    about: &BTreeSet<EventId>,
    now: u64,
) -> Result<Folded, StoreError> {
    let mut out = Folded::default();
    let mut deleted = Vec::new();
    let (mut unpinned, mut took_back) = (false, Vec::new());
    for target in about {
        if let Some((at, _)) = message_place(txn, conversation, target)? {
            let writer = author(txn, &at)?;
            if is_deleted(txn, conversation, target, &writer)? {
                deleted.push((at, *target, writer));
            }
            out.changed.insert(at);
            out.changed.extend(replies(txn, conversation, target)?);
        }
        if tombstone(txn, conversation, target, user)?.is_some() {
            took_back.push(*target);
        }
        unpinned |= forget(txn, (conversation, target), user, &mut out)?;
    }
    let held = timeline::all_held(txn)?;
    let of_user = logs_of(txn, conversation, user)?;
    each(txn, &of_user, |txn, at, event| {
        if !held.contains(at) && targets(event).iter().any(|target| about.contains(target)) {
            out.merge(fold(txn, at, event, false, now)?);
        }
        Ok(())
    })?;
    if unpinned {
        pins_of_others(txn, conversation, about, now, &mut out)?;
    }
    for (at, id, writer) in deleted {
        if is_deleted(txn, conversation, &id, &writer)? || gone(txn, &id)?.is_some() {
            continue;
        }
        match events::get(txn, &at)? {
            // It was still to be erased.
            Some(event) if event.body().is_some() => {
                if !held.contains(&at) {
                    out.merge(fold(txn, &at, &event, false, now)?);
                }
            }
            _ => bodiless::note_undone(txn, conversation, &id, now)?,
        }
        want_versions(txn, (conversation, &id), &writer, now)?;
    }
    // Who deletes what is not here, or not theirs, takes back what they said in its place.
    for id in took_back {
        if tombstone(txn, conversation, &id, user)?.is_none() {
            want_versions(txn, (conversation, &id), user, now)?;
        }
    }
    Ok(out)
}

/// Takes away what a user said about a message; `true` if the pin was theirs.
fn forget(
    txn: &mut Txn<'_>,
    (conversation, target): (ConversationNo, &EventId),
    user: &UserId,
    out: &mut Folded,
) -> Result<bool, StoreError> {
    let by = |of| class(conversation, target, of).user(user);
    for rows in [
        by(Class::Delete),
        by(Class::Reaction),
        by(Class::Vote),
        by(Class::Closing),
        edits_key(conversation, target, user),
    ] {
        let (from, to) = rows.range();
        let keys: Vec<Vec<u8>> = txn.scan_keys(&from, &to).collect::<Result<_, _>>()?;
        keys.into_iter().for_each(|key| txn.delete(key));
    }
    let pin = pins::pin(txn, conversation, target)?.filter(|pin| pin.user == *user);
    if pin.is_some() {
        pins::unpin(txn, conversation, target, out)?;
        txn.delete(class(conversation, target, Class::Pin).done());
    }
    Ok(pin.is_some())
}

/// Pins are the only thing that one user says in place of another: the newest counts. All of a room are among its system messages.
fn pins_of_others(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    about: &BTreeSet<EventId>,
    now: u64,
    out: &mut Folded,
) -> Result<(), StoreError> {
    let shown: Vec<EventKey> = system::all(txn, conversation)
        .map(|entry| entry.map(|entry| entry.event))
        .collect::<Result<_, _>>()?;
    for at in shown {
        let Some(event) = events::get(txn, &at)?.filter(|event| event.header().kind == KIND_PIN) else {
            continue;
        };
        if targets(&event).iter().any(|target| about.contains(target)) {
            out.merge(fold(txn, &at, &event, false, now)?);
        }
    }
    Ok(())
}

/// Has the erased versions of a message asked of others that is not deleted any more.
fn want_versions(
    txn: &mut Txn<'_>,
    (conversation, target): (ConversationNo, &EventId),
    writer: &UserId,
    now: u64,
) -> Result<(), StoreError> {
    let (from, to) = class(conversation, target, Class::ErasedEdit).range();
    let erased: Vec<(Vec<u8>, Place)> = record::scan(txn, &(from, to)).collect::<Result<_, _>>()?;
    for (key, place) in erased {
        let at = place.key()?;
        if author(txn, &at)? != *writer {
            continue;
        }
        txn.delete(key);
        if let Some(event) = events::get(txn, &at)?.filter(|event| event.body().is_none())
            && !is_veiled(txn, &event.id())?
        {
            bodiless::note_undone(txn, conversation, &event.id(), now)?;
        }
    }
    Ok(())
}

fn logs_of(read: &impl Read, conversation: ConversationNo, user: &UserId) -> Result<Vec<(LogKey, LogRow)>, StoreError> {
    let mut of_user = Vec::new();
    for (log, row) in logs::of_conversation(read, conversation)? {
        let device = devices::get(read, log.device)?;
        if device.is_some_and(|device| device.user == *user) {
            of_user.push((log, row));
        }
    }
    Ok(of_user)
}

/// All events of some logs that say something about messages.
fn each(
    txn: &mut Txn<'_>,
    logs: &[(LogKey, LogRow)],
    mut of: impl FnMut(&mut Txn<'_>, &EventKey, &VerifiedEvent) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for (log, row) in logs {
        for seq in row.have.values() {
            let branches = if row.forked { u8::MAX } else { 0 };
            for branch in 0..=branches {
                let at = EventKey { log: *log, seq, branch };
                let Some(brief) = events::brief(txn, &at)? else {
                    break;
                };
                if ABOUT.contains(&brief.kind)
                    && let Some(event) = events::get(txn, &at)?
                {
                    of(txn, &at, &event)?;
                }
            }
        }
    }
    Ok(())
}
