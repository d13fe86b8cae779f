//! Client ids of sends: the same id twice is one message and the same answer.

use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, EventKey, Key, Kind};
use crate::record::{self, Row, StoreError};

/// What a client id led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientIdRow {
    /// The message it made.
    pub event: EventKey,
    /// When, ms.
    pub created: u64,
}

impl Row for ClientIdRow {
    const NOUN: &'static str = "client id";
}

fn key(conversation: ConversationNo, id: &str) -> Vec<u8> {
    Key::new(Kind::ClientId)
        .conversation(conversation)
        .bytes(id.as_bytes())
        .done()
}

/// What this client id led to, if it was used in the conversation.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn get(read: &impl Read, conversation: ConversationNo, id: &str) -> Result<Option<ClientIdRow>, StoreError> {
    record::get(read, &key(conversation, id))
}

/// Remembers a client id.
pub fn put(txn: &mut Txn<'_>, conversation: ConversationNo, id: &str, row: &ClientIdRow) {
    record::put(txn, key(conversation, id), row);
}
