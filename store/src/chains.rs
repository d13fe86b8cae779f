//! Sender chains of rooms: the own one of each room and the one after it, and those of others, where every chain, position and skipped
//! key is a row of its own.

use std::collections::BTreeMap;

use parlour_crypto::{ChainSender, EventId, RecordChange, RecordKey, SendingChain};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::{Zeroize, Zeroizing};

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, DeviceNo, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

/// The chain this device writes a room's messages with.
#[derive(Debug)]
pub struct OwnChain {
    /// It.
    pub chain: SendingChain,
    /// The devices it was handed to, ascending.
    pub given: Vec<DeviceNo>,
    /// The heads behind the view of its certificate.
    pub heads: Vec<EventId>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OwnRow {
    chain: ByteBuf,
    given: Vec<DeviceNo>,
    heads: Vec<EventId>,
}

impl Row for OwnRow {
    const NOUN: &'static str = "own sender chain";
}

impl Drop for OwnRow {
    fn drop(&mut self) {
        self.chain.zeroize();
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct RecordRow(ByteBuf);

impl Row for RecordRow {
    const NOUN: &'static str = "sender chain";
}

impl Drop for RecordRow {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Which of the two own chains of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// What is said is sealed with it.
    Current,
    /// It was handed out, and is for later.
    Next,
}

impl Which {
    fn kind(self) -> Kind {
        match self {
            Self::Current => Kind::OwnChain,
            Self::Next => Kind::NextChain,
        }
    }

    fn key(self, room: ConversationNo) -> Vec<u8> {
        Key::new(self.kind()).conversation(room).done()
    }
}

/// Writes an own chain of a room: before anything that was sealed with it leaves.
pub fn put_own(txn: &mut Txn<'_>, room: ConversationNo, which: Which, own: &OwnChain) {
    let row = OwnRow {
        chain: ByteBuf::from(own.chain.to_bytes().to_vec()),
        given: own.given.clone(),
        heads: own.heads.clone(),
    };
    record::put(txn, which.key(room), &row);
}

/// An own chain of a room. One that cannot be read is as good as none: the next one takes its place.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn own(read: &impl Read, room: ConversationNo, which: Which) -> Result<Option<OwnChain>, StoreError> {
    let Some(mut row) = record::get::<OwnRow>(read, &which.key(room))? else {
        return Ok(None);
    };
    let Ok(chain) = SendingChain::from_bytes(&row.chain) else {
        return Ok(None);
    };
    Ok(Some(OwnChain {
        chain,
        given: std::mem::take(&mut row.given),
        heads: std::mem::take(&mut row.heads),
    }))
}

/// Forgets an own chain of a room.
pub fn delete_own(txn: &mut Txn<'_>, room: ConversationNo, which: Which) {
    txn.delete(which.key(room));
}

/// Forgets the own chains of all rooms.
///
/// # Errors
/// As [`own`].
pub fn delete_all_own(txn: &mut Txn<'_>) -> Result<(), StoreError> {
    for which in [Which::Current, Which::Next] {
        let (from, to) = Key::new(which.kind()).range();
        delete_range(txn, &from, &to)?;
    }
    Ok(())
}

/// What was written of a sender's chains.
pub type Records = Vec<(RecordKey, Zeroizing<Vec<u8>>)>;

/// The rows of all senders whose chains we have, by room and device.
///
/// # Errors
/// As [`own`].
pub fn all_records(read: &impl Read) -> Result<BTreeMap<(ConversationNo, DeviceNo), Records>, StoreError> {
    let mut all: BTreeMap<_, Records> = BTreeMap::new();
    for row in record::scan::<RecordRow>(read, &Key::new(Kind::SenderChain).range()) {
        let (key, row) = row?;
        let mut fields = Fields(key.get(1..).unwrap_or_default());
        let parts = (fields.u32(), fields.u32(), fields.array::<13>());
        let (Some(room), Some(device), Some(record)) = parts else {
            return Err(StoreError::Malformed {
                noun: "sender chain key",
            });
        };
        let at = (ConversationNo(room), DeviceNo(device));
        all.entry(at)
            .or_default()
            .push((record, Zeroizing::new(row.0.to_vec())));
    }
    Ok(all)
}

/// Writes what has changed of a sender's chains since they were last saved.
pub fn save(txn: &mut Txn<'_>, room: ConversationNo, device: DeviceNo, sender: &mut ChainSender) {
    for RecordChange { key, value } in sender.take_changes() {
        let key = Key::new(Kind::SenderChain)
            .conversation(room)
            .device(device)
            .bytes(&key)
            .done();
        match value {
            Some(value) => record::put(txn, key, &RecordRow(ByteBuf::from(value.to_vec()))),
            None => txn.delete(key),
        }
    }
}

/// Forgets a sender's chains.
///
/// # Errors
/// As [`own`].
pub fn delete(txn: &mut Txn<'_>, room: ConversationNo, device: DeviceNo) -> Result<(), StoreError> {
    let (from, to) = Key::new(Kind::SenderChain).conversation(room).device(device).range();
    delete_range(txn, &from, &to)
}

fn delete_range(txn: &mut Txn<'_>, from: &[u8], to: &[u8]) -> Result<(), StoreError> {
    let keys = txn.scan_keys(from, to).collect::<Result<Vec<_>, _>>()?;
    for key in keys {
        txn.delete(key);
    }
    Ok(())
}
