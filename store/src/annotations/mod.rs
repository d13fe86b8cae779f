//! What events say about messages: edits, deletions, reactions, pins, replies, threads, votes, times to disappear. Rows stand under their target,
//! whether it is here yet or not, so that the order of arrival makes no difference; [`crate::view`] folds them when it reads.

pub mod bodiless;
pub(crate) mod erase;
mod fold;
pub(crate) mod forget;
pub(crate) mod newer;
pub(crate) mod pins;
pub(crate) mod polls;
pub(crate) mod purging;
mod renew;
pub(crate) mod rooms;
pub(crate) mod threads;

pub use erase::{
    Gone, erase_due, erase_sent_once, forget_sent_once, gone, is_deleted, is_deleted_by, is_erased_here, is_spent,
    next_due, sent_once, use_view, views_used, waits_to_arrive, withdraw,
};
pub use fold::{Folded, fold, quoted};
pub use forget::forget;
pub(crate) use pins::renew as renew_pins;
pub use pins::{MAX_PINS, Pin, is_shown_pinned, pin, pins, pins_of};
pub use polls::{Vote, counted, votes};
pub use purging::{forget_purge, purge, purge_message, purged, purging};
pub use renew::{renew, targets};
pub use rooms::{Ruling, delete_for_all, deletes_for_all, is_veiled, let_delete_for_all, rule, ruling};
pub use threads::{Thread, in_thread, is_root, leave, thread};

use parlour_crypto::{EventId, UserId, decode_own};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, EventKey, Fields, Key, Kind};
use crate::meta::{self, CounterName};
use crate::record::{self, Row, StoreError};
use crate::timeline::Position;
use crate::{devices, events};

/// Entries of reactions remembered per message and user, on or off.
const MAX_REACTION_ROWS: usize = 64;
/// Replies to a message that are said to look different with it. Readers that show more of them go by what became of the message.
const MAX_REPLIES: usize = 8;

/// In the order in which the rows of a target stand; those that can be many last.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Class {
    Delete = 1,
    Pin = 2,
    Reaction = 3,
    Reply = 4,
    Edit = 5,
    Vote = 6,
    Closing = 7,
    Thread = 8,
    InThread = 9,
    ErasedEdit = 10,
}

/// A reaction as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// Whose.
    pub user: UserId,
    /// What.
    pub emoji: String,
    /// When it was last put or taken away.
    pub at: Position,
    /// Whether it is there.
    pub on: bool,
}

/// The time after which new messages of a conversation disappear, as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationTimer {
    /// When it was last set.
    pub at: Position,
    /// Who did.
    pub user: UserId,
    /// The time, ms; nothing: messages stay.
    pub expires_after_ms: Option<u64>,
}

impl Row for ConversationTimer {
    const NOUN: &'static str = "conversation timer";
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ReactionRow {
    at: Position,
    on: bool,
}

impl Row for ReactionRow {
    const NOUN: &'static str = "reaction";
}

/// When somebody first deleted the target, and whether they may for everybody, whoever wrote it.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    at: Position,
    for_all: bool,
}

impl Row for Tombstone {
    const NOUN: &'static str = "deletion";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let at = (version == 1).then(|| decode_own(rest).ok())??;
        Some(Self { at, for_all: false })
    }
}

/// Where the event is that a row speaks of.
#[derive(Serialize, Deserialize)]
pub(crate) struct Place(serde_bytes::ByteArray<{ EventKey::LEN }>);

impl Row for Place {
    const NOUN: &'static str = "place of an event";
}

impl Place {
    fn of(at: &EventKey) -> Self {
        Self(serde_bytes::ByteArray::new(at.to_bytes()))
    }

    fn key(&self) -> Result<EventKey, StoreError> {
        EventKey::from_bytes(self.0.as_ref()).ok_or(StoreError::Malformed { noun: Self::NOUN })
    }
}

/// Everything said about a message, but for replies and edits.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Who asked for its deletion.
    pub deleted_by: Vec<UserId>,
    /// Whether one of them may delete what others wrote.
    pub deleted_for_all: bool,
    /// The pin.
    pub pin: Option<Pin>,
    /// The reactions, on and off, by user and emoji.
    pub reactions: Vec<Reaction>,
}

fn about(conversation: ConversationNo, target: &EventId) -> Key {
    Key::new(Kind::Annotation).conversation(conversation).event_id(target)
}

fn class(conversation: ConversationNo, target: &EventId, class: Class) -> Key {
    about(conversation, target).bytes(&[class as u8])
}

/// Whether anything at all is said about a message.
///
/// # Errors
/// The database cannot be read.
pub fn any(read: &impl Read, conversation: ConversationNo, target: &EventId) -> Result<bool, StoreError> {
    let (from, to) = about(conversation, target).range();
    Ok(read.any(&from, &to)?)
}

/// What is said about a message, but for replies and edits.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn said(read: &impl Read, conversation: ConversationNo, target: &EventId) -> Result<Said, StoreError> {
    let mut said = Said::default();
    let (from, _) = about(conversation, target).range();
    let to = class(conversation, target, Class::Reply).done();
    for row in read.scan(&from, &to) {
        let (key, value) = row?;
        let malformed = StoreError::Malformed { noun: "annotation key" };
        let mut fields = Fields(key.get(37..).unwrap_or_default());
        match fields.u8() {
            Some(n) if n == Class::Delete as u8 => {
                let user = fields.array().ok_or(malformed)?;
                said.deleted_by.push(UserId::from_bytes(user));
                said.deleted_for_all |= record::decode_row::<Tombstone>(&value)?.for_all;
            }
            Some(n) if n == Class::Pin as u8 => said.pin = Some(record::decode_row(&value)?),
            Some(n) if n == Class::Reaction as u8 => {
                let (Some(user), Ok(emoji)) = (fields.array(), std::str::from_utf8(fields.0)) else {
                    return Err(malformed);
                };
                let ReactionRow { at, on } = record::decode_row(&value)?;
                said.reactions.push(Reaction {
                    user: UserId::from_bytes(user),
                    emoji: emoji.to_owned(),
                    at,
                    on,
                });
            }
            _ => return Err(malformed),
        }
    }
    Ok(said)
}

fn edits_key(conversation: ConversationNo, target: &EventId, author: &UserId) -> Key {
    class(conversation, target, Class::Edit).user(author)
}

/// The edits of a message by its author, newest first, at most `limit`: when, and where the event is.
///
/// # Errors
/// As [`said`].
pub fn edits(
    read: &impl Read,
    conversation: ConversationNo,
    target: &EventId,
    author: &UserId,
    limit: usize,
) -> Result<Vec<(Position, EventKey)>, StoreError> {
    record::scan::<Place>(read, &edits_key(conversation, target, author).range())
        .rev()
        .take(limit)
        .map(|row| {
            let (key, place) = row?;
            let mut fields = Fields(key.get(70..).unwrap_or_default());
            let (Some(clock), Some(id)) = (fields.u64(), fields.array()) else {
                return Err(StoreError::Malformed { noun: "edit key" });
            };
            let id = EventId::from_bytes(id);
            Ok((Position { clock, id }, place.key()?))
        })
        .collect()
}

/// The timer of a conversation, if one was ever set.
///
/// # Errors
/// As [`said`].
pub fn timer(read: &impl Read, conversation: ConversationNo) -> Result<Option<ConversationTimer>, StoreError> {
    record::get(read, &timer_key(conversation))
}

fn timer_key(conversation: ConversationNo) -> Vec<u8> {
    Key::new(Kind::ConversationTimer).conversation(conversation).done()
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Since(u64);

impl Row for Since {
    const NOUN: &'static str = "hidden message";
}

fn hidden_key(id: &EventId) -> Vec<u8> {
    Key::new(Kind::Hidden).event_id(id).done()
}

/// Whether this account has deleted a message for itself.
///
/// # Errors
/// The database cannot be read.
pub fn is_hidden(read: &impl Read, id: &EventId) -> Result<bool, StoreError> {
    Ok(read.get(&hidden_key(id))?.is_some())
}

/// Notes that this account has deleted a message for itself.
///
/// # Errors
/// As [`said`].
pub fn hide(txn: &mut Txn<'_>, id: &EventId, now: u64) -> Result<(), StoreError> {
    record::put(txn, hidden_key(id), &Since(now));
    // What was read before is out of date, as after erasing.
    meta::next(txn, CounterName::Erased)?;
    Ok(())
}

fn erased_edit_key(conversation: ConversationNo, target: &EventId, at: &EventKey) -> Vec<u8> {
    class(conversation, target, Class::ErasedEdit)
        .bytes(&at.to_bytes())
        .done()
}

/// Remembers of an edit whose body is erased what it was about.
fn note_erased_edit(txn: &mut Txn<'_>, target: &EventId, at: &EventKey) {
    let key = erased_edit_key(at.log.conversation, target, at);
    record::put(txn, key, &Place::of(at));
}

/// Messages that answer `target`, at most 8, the newest.
fn replies(txn: &Txn<'_>, conversation: ConversationNo, target: &EventId) -> Result<Vec<EventKey>, StoreError> {
    record::scan::<Place>(txn, &class(conversation, target, Class::Reply).range())
        .rev()
        .take(MAX_REPLIES)
        .map(|row| row.and_then(|(_, place)| place.key()))
        .collect()
}

/// Whose the device is that wrote what is at `at`.
///
/// # Errors
/// As [`said`].
pub fn author(read: &impl Read, at: &EventKey) -> Result<UserId, StoreError> {
    let row = devices::get(read, at.log.device)?;
    row.map(|row| row.user).ok_or(StoreError::Malformed { noun: "device" })
}

/// Where the message with this id is, if it is in this conversation.
fn message_place(
    read: &impl Read,
    conversation: ConversationNo,
    id: &EventId,
) -> Result<Option<(EventKey, events::Brief)>, StoreError> {
    let Some(at) = events::place(read, id)?.filter(|at| at.log.conversation == conversation) else {
        return Ok(None);
    };
    let brief = events::brief(read, &at)?;
    Ok(brief
        .filter(|brief| brief.kind == parlour_crypto::KIND_MESSAGE)
        .map(|brief| (at, brief)))
}

/// The keys of every row that follows from events.
pub(crate) fn forgettable(read: &impl Read) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut keys = Vec::new();
    for kind in [
        Kind::Annotation,
        Kind::PinOrder,
        Kind::PinnedBy,
        Kind::NotUnderstood,
        Kind::ConversationTimer,
        Kind::System,
        Kind::Due,
        Kind::TakeBack,
        Kind::SentOnce,
    ] {
        let (from, to) = Key::new(kind).range();
        for key in read.scan_keys(&from, &to) {
            keys.push(key?);
        }
    }
    Ok(keys)
}
