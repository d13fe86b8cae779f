//! Votes and the closing of polls. A vote is a row under its poll, whether the poll is here yet or not, and whether it can count:
//! that is decided when the poll is read ([`crate::view`]), so that the order of arrival makes no difference.

use parlour_crypto::{Body, EventId, UserId};
use serde::{Deserialize, Serialize};

use super::{Class, Place, author, class, rooms};
use crate::db::{Read, Txn};
use crate::events;
use crate::keyspace::{ConversationNo, EventKey, Fields};
use crate::record::{self, Row, StoreError};
use crate::timeline::Position;

/// Votes of one user in one poll that are remembered, the newest.
pub(super) const MAX_VOTE_ROWS: usize = 16;

/// One vote as it was cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// Whose.
    pub user: UserId,
    /// Clock and id of the event.
    pub at: Position,
    /// The chosen options: bit 0 is the first one.
    pub choice: u32,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct VoteRow {
    choice: u32,
}

impl Row for VoteRow {
    const NOUN: &'static str = "vote";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ClosingRow {
    at: Position,
    place: Place,
}

impl Row for ClosingRow {
    const NOUN: &'static str = "closing of a poll";
}

fn bits(options: &[u8]) -> u32 {
    let bit = |option: &u8| 1u32.checked_shl(u32::from(*option)).unwrap_or(0);
    options.iter().fold(0, |bits, option| bits | bit(option))
}

/// Notes a vote, and forgets the oldest of too many.
pub(super) fn note_vote(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    poll: &EventId,
    vote: (&UserId, Position, &[u8]),
) -> Result<(), StoreError> {
    let (user, at, options) = vote;
    let of_user = || class(conversation, poll, Class::Vote).user(user);
    let key = of_user().u64(at.clock).event_id(&at.id).done();
    record::put(txn, key, &VoteRow { choice: bits(options) });
    let (from, to) = of_user().range();
    let keys: Vec<Vec<u8>> = txn.scan_keys(&from, &to).collect::<Result<_, _>>()?;
    for key in keys.iter().take(keys.len().saturating_sub(MAX_VOTE_ROWS)) {
        txn.delete(key.clone());
    }
    Ok(())
}

/// Notes that a user has closed a poll; of several times the earliest.
pub(super) fn note_closing(
    txn: &mut Txn<'_>,
    conversation: ConversationNo,
    poll: &EventId,
    (by, at, place): (&UserId, Position, &EventKey),
) -> Result<(), StoreError> {
    let key = class(conversation, poll, Class::Closing).user(by).done();
    let known = record::get::<ClosingRow>(txn, &key)?;
    if known.is_none_or(|known| at < known.at) {
        let place = Place::of(place);
        record::put(txn, key, &ClosingRow { at, place });
    }
    Ok(())
}

/// The remembered votes in a poll, those of one user together, their oldest first.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn votes(read: &impl Read, conversation: ConversationNo, poll: &EventId) -> Result<Vec<Vote>, StoreError> {
    record::scan::<VoteRow>(read, &class(conversation, poll, Class::Vote).range())
        .map(|row| {
            let (key, VoteRow { choice }) = row?;
            let mut fields = Fields(key.get(38..).unwrap_or_default());
            let (Some(user), Some(clock), Some(id)) = (fields.array(), fields.u64(), fields.array()) else {
                return Err(StoreError::Malformed { noun: "vote key" });
            };
            let at = Position {
                clock,
                id: EventId::from_bytes(id),
            };
            Ok(Vote {
                user: UserId::from_bytes(user),
                at,
                choice,
            })
        })
        .collect()
}

/// The votes that a poll was closed with by its author, as far as they are here; `None` while it is open.
///
/// # Errors
/// As [`votes`].
pub fn counted(
    read: &impl Read,
    conversation: ConversationNo,
    poll: &EventId,
    by: &UserId,
) -> Result<Option<Vec<Vote>>, StoreError> {
    let Some(ids) = counted_ids(read, conversation, poll, by)? else {
        return Ok(None);
    };
    let mut counted = Vec::new();
    for id in &ids {
        let Some(at) = events::place(read, id)?.filter(|at| at.log.conversation == conversation) else {
            continue;
        };
        let Some(brief) = events::brief(read, &at)? else {
            continue;
        };
        if let Some(Body::Vote(vote)) = body_at(read, &at)?
            && vote.poll == *poll
            && !rooms::is_veiled(read, id)?
        {
            let clock = brief.clock;
            counted.push(Vote {
                user: author(read, &at)?,
                at: Position { clock, id: *id },
                choice: bits(&vote.options),
            });
        }
    }
    Ok(Some(counted))
}

/// The ids of those votes; `None` while the poll is open.
pub(super) fn counted_ids(
    read: &impl Read,
    conversation: ConversationNo,
    poll: &EventId,
    by: &UserId,
) -> Result<Option<Vec<EventId>>, StoreError> {
    let key = class(conversation, poll, Class::Closing).user(by).done();
    let Some(row) = record::get::<ClosingRow>(read, &key)? else {
        return Ok(None);
    };
    match body_at(read, &row.place.key()?)? {
        Some(Body::ClosePoll(closing)) => Ok(Some(closing.counted)),
        _ => Err(StoreError::Malformed { noun: ClosingRow::NOUN }),
    }
}

fn body_at(read: &impl Read, at: &EventKey) -> Result<Option<Body>, StoreError> {
    let event = events::get(read, at)?;
    Ok(event.and_then(|event| {
        let (_, body) = event.body()?;
        Body::read(event.header().kind, body).ok()
    }))
}
