//! Messages, and versions of them, that others gave us without their bodies and for no reason known here. Whoever gives such a one may
//! be hiding what it says, so that it is asked for: until it comes, its author's device has none either, or several others have none.

use parlour_crypto::EventId;
use serde::{Deserialize, Serialize};

use super::fold::Folded;
use super::{author, erase};
use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, DeviceNo, EventKey, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

/// Devices without the body, after which nobody is asked any more.
const ENOUGH: usize = 3;

/// The devices that had no body to give, in the order in which they said so.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Bodiless(Vec<u32>);

impl Row for Bodiless {
    const NOUN: &'static str = "event without its body";
}

fn key(conversation: ConversationNo, id: &EventId) -> Vec<u8> {
    Key::new(Kind::Bodiless).conversation(conversation).event_id(id).done()
}

/// Notes that an event came without its body.
pub(super) fn note(txn: &mut Txn<'_>, conversation: ConversationNo, id: &EventId) {
    record::put(txn, key(conversation, id), &Bodiless::default());
}

/// Whether the body of an event may still come.
///
/// # Errors
/// The database cannot be read.
pub fn may_come(read: &impl Read, conversation: ConversationNo, id: &EventId) -> Result<bool, StoreError> {
    Ok(read.get(&key(conversation, id))?.is_some())
}

/// The body came, or is not wanted here.
pub fn settled(txn: &mut Txn<'_>, conversation: ConversationNo, id: &EventId) {
    txn.delete(key(conversation, id));
}

/// Events whose bodies a device can be asked for, at most `limit`.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn to_ask(
    read: &impl Read,
    conversation: ConversationNo,
    device: DeviceNo,
    limit: usize,
) -> Result<Vec<EventId>, StoreError> {
    let mut ids = Vec::new();
    for row in record::scan::<Bodiless>(read, &Key::new(Kind::Bodiless).conversation(conversation).range()) {
        let (key, Bodiless(without)) = row?;
        if ids.len() >= limit {
            break;
        }
        if !without.contains(&device.0) {
            let id = Fields(key.get(5..).unwrap_or_default()).array::<32>();
            ids.push(EventId::from_bytes(id.ok_or(StoreError::Malformed {
                noun: "event without its body",
            })?));
        }
    }
    Ok(ids)
}

/// A device gave an event without its body as well. With the author's, or enough of others, it counts as erased, and what was said in
/// its place is erased too.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn is_without(
    txn: &mut Txn<'_>,
    at: &EventKey,
    id: &EventId,
    device: DeviceNo,
    now: u64,
) -> Result<Folded, StoreError> {
    let mut out = Folded::default();
    let conversation = at.log.conversation;
    let Some(Bodiless(mut without)) = record::get(txn, &key(conversation, id))? else {
        return Ok(out);
    };
    if !without.contains(&device.0) {
        without.push(device.0);
    }
    if device != at.log.device && without.len() < ENOUGH {
        record::put(txn, key(conversation, id), &Bodiless(without));
        return Ok(out);
    }
    settled(txn, conversation, id);
    if super::any(txn, conversation, id)? {
        let by = author(txn, at)?;
        erase::message(txn, at, id, &by, None, now, &mut out)?;
    }
    Ok(out)
}
