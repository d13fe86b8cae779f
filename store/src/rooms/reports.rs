//! Messages of rooms that members were told of as breaking their order.

use parlour_crypto::{EventId, UserId};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

/// What somebody said of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRow {
    /// What is wrong with it.
    pub reason: String,
    /// When it was told here, ms.
    pub at: u64,
    /// Nobody is to be bothered with it any more. It is kept, so that it does not come again.
    pub dismissed: bool,
}

impl Row for ReportRow {
    const NOUN: &'static str = "report of a message";
}

fn of_message(no: ConversationNo, target: &EventId) -> Key {
    Key::new(Kind::Report).conversation(no).event_id(target)
}

/// Writes what a user said of a message.
pub fn put_report(txn: &mut Txn<'_>, no: ConversationNo, target: &EventId, by: &UserId, row: &ReportRow) {
    record::put(txn, of_message(no, target).user(by).done(), row);
}

/// Forgets it.
pub fn delete_report(txn: &mut Txn<'_>, no: ConversationNo, target: &EventId, by: &UserId) {
    txn.delete(of_message(no, target).user(by).done());
}

/// What a user said of a message.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn report(
    read: &impl Read,
    no: ConversationNo,
    target: &EventId,
    by: &UserId,
) -> Result<Option<ReportRow>, StoreError> {
    record::get(read, &of_message(no, target).user(by).done())
}

/// All reports in a room, dismissed ones among them: of which message, by whom, and what.
///
/// # Errors
/// As [`report`].
pub fn reports(read: &impl Read, no: ConversationNo) -> Result<Vec<(EventId, UserId, ReportRow)>, StoreError> {
    record::scan::<ReportRow>(read, &Key::new(Kind::Report).conversation(no).range())
        .map(|row| {
            let (key, row) = row?;
            let mut fields = Fields(key.get(5..).unwrap_or_default());
            let (Some(target), Some(by)) = (fields.array(), fields.array()) else {
                return Err(StoreError::Malformed { noun: "report key" });
            };
            Ok((EventId::from_bytes(target), UserId::from_bytes(by), row))
        })
        .collect()
}
