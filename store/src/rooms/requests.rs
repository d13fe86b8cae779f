//! Who knocks at rooms: at the door of this device, or at that of another member, who told us.

use parlour_crypto::{UserId, decode_own};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, DeviceNo, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

/// Somebody who asks to be let into a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// What they call themselves.
    pub name: String,
    /// What they say.
    pub note: String,
    /// Where they knock.
    pub door: Door,
    /// When they did, ms, by the clock of that door.
    pub at: u64,
    /// The devices of other members that this one has told, ascending.
    pub told: Vec<DeviceNo>,
    /// What became of it. It is kept for a while, so that it does not come again.
    pub answer: Option<Answer>,
}

/// Where somebody knocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Door {
    /// Here: the device that asked.
    Here(DeviceNo),
    /// At another member's: the device that told us.
    Elsewhere(DeviceNo),
}

/// What became of somebody who knocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// They may come in.
    LetIn,
    /// They may not. When this was learned, ms.
    TurnedAway(u64),
}

impl RequestRow {
    /// Whether they wait.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.answer.is_none()
    }

    /// The device that told us of it, if they knock elsewhere.
    #[must_use]
    pub fn told_by(&self) -> Option<DeviceNo> {
        match self.door {
            Door::Here(_) => None,
            Door::Elsewhere(device) => Some(device),
        }
    }
}

impl Row for RequestRow {
    const NOUN: &'static str = "request to join";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let (name, note, device, at) = (version == 1).then(|| decode_own(rest).ok())??;
        Some(Self {
            name,
            note,
            door: Door::Here(device),
            at,
            told: Vec::new(),
            answer: None,
        })
    }
}

fn request_key(no: ConversationNo, user: &UserId) -> Vec<u8> {
    Key::new(Kind::RoomRequest).conversation(no).user(user).done()
}

/// Notes that somebody asks to be let in, or what became of it.
pub fn put_request(txn: &mut Txn<'_>, no: ConversationNo, user: &UserId, row: &RequestRow) {
    record::put(txn, request_key(no, user), row);
}

/// What a user asked, if that is remembered.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn request(read: &impl Read, no: ConversationNo, user: &UserId) -> Result<Option<RequestRow>, StoreError> {
    record::get(read, &request_key(no, user))
}

/// Forgets it.
pub fn delete_request(txn: &mut Txn<'_>, no: ConversationNo, user: &UserId) {
    txn.delete(request_key(no, user));
}

/// Who has asked to be let into rooms, or into one, answered ones among them.
///
/// # Errors
/// As [`request`].
pub fn requests(
    read: &impl Read,
    of: Option<ConversationNo>,
) -> Result<Vec<(ConversationNo, UserId, RequestRow)>, StoreError> {
    let key = Key::new(Kind::RoomRequest);
    let range = match of {
        Some(no) => key.conversation(no).range(),
        None => key.range(),
    };
    record::scan::<RequestRow>(read, &range)
        .map(|row| {
            let (key, row) = row?;
            let mut fields = Fields(key.get(1..).unwrap_or_default());
            let (Some(no), Some(user)) = (fields.u32(), fields.array()) else {
                return Err(StoreError::Malformed { noun: "request key" });
            };
            Ok((ConversationNo(no), UserId::from_bytes(user), row))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_an_older_build_waits_at_the_door_of_this_device() {
        let first = ("bo", "please", DeviceNo(3), 4u64);
        let bytes = parlour_crypto::encode_into(vec![1], &first);
        let row: RequestRow = record::decode_row(&bytes).expect("an older row");
        assert!(row.is_open() && row.told.is_empty());
        assert_eq!((row.door, row.at), (Door::Here(DeviceNo(3)), 4));
        assert_eq!((row.name.as_str(), row.note.as_str()), ("bo", "please"));
    }
}
