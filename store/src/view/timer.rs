//! After which time what is said in a conversation disappears.

use crate::db::Read;
use crate::keyspace::ConversationNo;
use crate::record::StoreError;
use crate::{annotations, rooms};

/// After which time new messages of a conversation disappear, ms; nothing: they stay. A room's rules say it, elsewhere the newest timer
/// that somebody set.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn timer(read: &impl Read, no: ConversationNo) -> Result<Option<u64>, StoreError> {
    match rooms::get(read, no)? {
        Some(room) => Ok(room.policy.expires_after_ms),
        None => Ok(annotations::timer(read, no)?.and_then(|timer| timer.expires_after_ms)),
    }
}
