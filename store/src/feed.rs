//! The account's durable stream of changes. Every change gets its feed seq in the commit that made it; readers keep cursors.
//! Rows are references: what they mean is read when they are read.

use parlour_crypto::{ConversationId, EventId, Intervals, UserId};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, DeviceNo, EventKey, Fields, Key, Kind};
use crate::meta::{self, CounterName};
use crate::record::{self, Row, StoreError};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeedRow {
    /// A message is shown.
    Message {
        /// Where the event is.
        event: EventKey,
        /// Its arrival number in the conversation.
        room_seq: u64,
    },
    /// Own messages were handed to the network for a device.
    Sent {
        /// The conversation.
        conversation: ConversationNo,
        /// Our log number.
        log: u32,
        /// The device they are for.
        device: DeviceNo,
        /// The newly sent seqs.
        seqs: Intervals,
    },
    /// A device now holds more of one of our logs.
    Delivered {
        /// The conversation.
        conversation: ConversationNo,
        /// Our log number.
        log: u32,
        /// The device that acknowledged.
        device: DeviceNo,
        /// The newly acknowledged seqs.
        seqs: Intervals,
    },
    /// A contact is new or changed.
    Contact {
        /// Who.
        user: UserId,
    },
    /// A conversation is new or changed.
    Conversation {
        /// Which.
        conversation: ConversationNo,
    },
    /// A message that is shown looks different: edited, erased, hidden, pinned, reacted to.
    Changed {
        /// Where its event is.
        event: EventKey,
    },
    /// A device's user has read more of one of our logs.
    Read {
        /// The conversation.
        conversation: ConversationNo,
        /// Our log number.
        log: u32,
        /// The device that told so.
        device: DeviceNo,
        /// The newly read seqs.
        seqs: Intervals,
    },
    /// Somebody asks to become a contact, or does no more.
    Request {
        /// Who.
        user: UserId,
    },
    /// Something happened in a room, or turns out not to have.
    System {
        /// Where its event is.
        event: EventKey,
    },
    /// A message of a room was reported, or the report dismissed.
    Report {
        /// The room.
        conversation: ConversationNo,
        /// The message.
        target: EventId,
        /// Who reported it.
        by: UserId,
    },
    /// Own messages will not come to a device any more.
    Failed {
        /// The conversation.
        conversation: ConversationNo,
        /// Our log number.
        log: u32,
        /// The device they were for.
        device: DeviceNo,
        /// The seqs it never acknowledged.
        seqs: Intervals,
    },
    /// Own messages have been tried for so long that only a stream can bring them to a device now.
    Expired {
        /// The conversation.
        conversation: ConversationNo,
        /// Our log number.
        log: u32,
        /// The device they are for.
        device: DeviceNo,
        /// The seqs it has not acknowledged.
        seqs: Intervals,
    },
    /// What the account's user says about themselves has changed, or a setting.
    Own,
    /// Somebody knocks at a room, or does no more.
    Knock {
        /// The room.
        conversation: ConversationNo,
        /// Who.
        user: UserId,
    },
    /// A contact or a node near by lists a public room that was not known.
    PublicRoom {
        /// Which.
        room: ConversationId,
    },
}

impl Row for FeedRow {
    const NOUN: &'static str = "feed";
}

/// Appends a change and returns its feed seq.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn append(txn: &mut Txn<'_>, row: &FeedRow) -> Result<u64, StoreError> {
    let seq = meta::next(txn, CounterName::Feed)?;
    record::put(txn, Key::new(Kind::Feed).u64(seq).done(), row);
    Ok(seq)
}

/// The last feed seq given out; 0 if none.
///
/// # Errors
/// As [`append`].
pub fn last(read: &impl Read) -> Result<u64, StoreError> {
    meta::counter(read, CounterName::Feed)
}

/// Up to `limit` changes with a feed seq above `cursor`.
///
/// # Errors
/// As [`append`].
pub fn after(read: &impl Read, cursor: u64, limit: usize) -> Result<Vec<(u64, FeedRow)>, StoreError> {
    let from = Key::new(Kind::Feed).u64(cursor.saturating_add(1)).done();
    let (_, to) = Key::new(Kind::Feed).range();
    record::scan::<FeedRow>(read, &(from, to))
        .take(limit)
        .map(|row| {
            let (key, row) = row?;
            let seq = Fields(key.get(1..).unwrap_or_default()).u64();
            Ok((seq.ok_or(StoreError::Malformed { noun: "feed key" })?, row))
        })
        .collect()
}
