//! Conversations: numbers, heads, counters and the last message.

use parlour_crypto::{ConversationId, EventId, UserId, decode_own};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, EventKey, Key, Kind};
use crate::meta::{self, CounterName};
use crate::record::{self, Row, StoreError};

/// What the conversation with oneself is called, whatever others call themselves.
pub const NOTES: &str = "notes";

/// What sort of conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConversationKind {
    /// Between this account and one other user.
    Direct {
        /// The other user.
        with: UserId,
    },
    /// The account's notes to itself.
    Notes,
    /// A room; who takes part is a row of its own ([`crate::rooms`]).
    Room,
}

/// One conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationRow {
    /// Its id.
    pub id: ConversationId,
    /// What sort.
    pub kind: ConversationKind,
    /// When it was made here, ms.
    pub created: u64,
    /// Events that no event we have names as a parent: (clock, id), ascending.
    pub heads: Vec<(u64, EventId)>,
    /// Last room seq given out.
    pub last_seq: u64,
    /// Shown messages of others with a room seq above this are unread.
    pub read_seq: u64,
    /// Shown, unread messages of others.
    pub unread: u64,
    /// Events that others name as parents and that are not here.
    pub missing: u64,
    /// The newest shown message: clock, id, where it is.
    pub last: Option<(u64, EventId, EventKey)>,
    /// Those of the unread messages that call this account by name.
    pub mentions: u64,
}

impl Row for ConversationRow {
    const NOUN: &'static str = "conversation";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let row = (version == 1).then(|| decode_own(rest).ok())??;
        let (id, kind, created, heads, last_seq, read_seq, unread, missing, last) = row;
        Some(Self {
            id,
            kind,
            created,
            heads,
            last_seq,
            read_seq,
            unread,
            missing,
            last,
            mentions: 0,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Name(ConversationId);

impl Row for Name {
    const NOUN: &'static str = "conversation id";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Number(u32);

impl Row for Number {
    const NOUN: &'static str = "conversation number";
}

fn key(no: ConversationNo) -> Vec<u8> {
    Key::new(Kind::Conversation).conversation(no).done()
}

/// The local number of a conversation.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn number(read: &impl Read, id: &ConversationId) -> Result<Option<ConversationNo>, StoreError> {
    let key = Key::new(Kind::ConversationId).conversation_id(id).done();
    Ok(record::get::<Number>(read, &key)?.map(|Number(n)| ConversationNo(n)))
}

/// The id of a numbered conversation: much smaller than its row.
///
/// # Errors
/// As [`number`].
pub fn id_of(read: &impl Read, no: ConversationNo) -> Result<Option<ConversationId>, StoreError> {
    Ok(record::get::<Name>(read, &Key::new(Kind::ConversationName).conversation(no).done())?.map(|Name(id)| id))
}

/// The row of a conversation.
///
/// # Errors
/// As [`number`].
pub fn get(read: &impl Read, no: ConversationNo) -> Result<Option<ConversationRow>, StoreError> {
    record::get(read, &key(no))
}

/// Writes the row of a known conversation.
pub fn put(txn: &mut Txn<'_>, no: ConversationNo, row: &ConversationRow) {
    record::put(txn, key(no), row);
}

/// The number of a conversation, making it if it is new.
///
/// # Errors
/// As [`number`].
pub fn ensure(
    txn: &mut Txn<'_>,
    id: &ConversationId,
    kind: ConversationKind,
    now: u64,
) -> Result<(ConversationNo, bool), StoreError> {
    if let Some(no) = number(txn, id)? {
        return Ok((no, false));
    }
    let n = u32::try_from(meta::next(txn, CounterName::Conversation)?).map_err(|_| StoreError::Malformed {
        noun: "conversation counter",
    })?;
    record::put(
        txn,
        Key::new(Kind::ConversationId).conversation_id(id).done(),
        &Number(n),
    );
    record::put(txn, Key::new(Kind::ConversationName).u32(n).done(), &Name(*id));
    let row = ConversationRow {
        id: *id,
        kind,
        created: now,
        heads: Vec::new(),
        last_seq: 0,
        read_seq: 0,
        unread: 0,
        missing: 0,
        last: None,
        mentions: 0,
    };
    put(txn, ConversationNo(n), &row);
    Ok((ConversationNo(n), true))
}

/// All conversations, in the order they were made.
///
/// # Errors
/// As [`number`].
pub fn all(read: &impl Read) -> Result<Vec<(ConversationNo, ConversationRow)>, StoreError> {
    record::scan::<ConversationRow>(read, &Key::new(Kind::Conversation).range())
        .map(|row| {
            let (key, row) = row?;
            let no = crate::keyspace::Fields(key.get(1..).unwrap_or_default()).u32();
            Ok((
                ConversationNo(no.ok_or(StoreError::Malformed {
                    noun: "conversation key",
                })?),
                row,
            ))
        })
        .collect()
}
