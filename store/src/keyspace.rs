//! The byte layout of every key in an account's database: one prefix byte per kind of row, then fixed-width big-endian
//! fields, so that keys sort as the numbers do. Ids that repeat stand as local integers ([`ConversationNo`], [`DeviceNo`]).

use parlour_crypto::{ConversationId, DeviceId, EventId, SessionId, UserId};
use serde::{Deserialize, Serialize};

/// This node's own number for a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConversationNo(pub u32);

/// This node's own number for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceNo(pub u32);

/// One device's log in one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogKey {
    /// The conversation.
    pub conversation: ConversationNo,
    /// The author device.
    pub device: DeviceNo,
    /// The log number.
    pub log: u32,
}

/// Where an event is stored. `branch` is 0, or 1–7 for further events that claim the same place in the log (a fork).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventKey {
    /// The log.
    pub log: LogKey,
    /// The number in the log, from 1.
    pub seq: u64,
    /// 0, or the number of a forked branch.
    pub branch: u8,
}

impl EventKey {
    /// Width of the byte form.
    pub const LEN: usize = 21;

    /// The byte form: conversation u32, device u32, log u32, seq u64, branch u8.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..4].copy_from_slice(&self.log.conversation.0.to_be_bytes());
        out[4..8].copy_from_slice(&self.log.device.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.log.log.to_be_bytes());
        out[12..20].copy_from_slice(&self.seq.to_be_bytes());
        out[20] = self.branch;
        out
    }

    /// Reads the byte form; `None` if it has another width.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let key = Self {
            log: LogKey {
                conversation: ConversationNo(fields.u32()?),
                device: DeviceNo(fields.u32()?),
                log: fields.u32()?,
            },
            seq: fields.u64()?,
            branch: fields.u8()?,
        };
        fields.0.is_empty().then_some(key)
    }
}

/// Reads fixed-width fields off the front of a key.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

/// Every kind of row. The numbers are part of the on-disk format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Meta = 0x01,
    DeviceId = 0x10,
    Device = 0x11,
    Contact = 0x12,
    UserDevice = 0x13,
    DeviceName = 0x14,
    SharesPresence = 0x15,
    CardDetails = 0x16,
    LeftDevice = 0x17,
    RemovedContact = 0x18,
    ConversationId = 0x20,
    Conversation = 0x21,
    Log = 0x22,
    Delivery = 0x23,
    Missing = 0x24,
    ConversationName = 0x25,
    ReadMark = 0x26,
    ReadLog = 0x27,
    Forgetting = 0x28,
    PinnedBy = 0x29,
    NotUnderstood = 0x2a,
    ForAll = 0x2b,
    Ruling = 0x2c,
    Purging = 0x2d,
    System = 0x2e,
    Bodiless = 0x2f,
    Event = 0x30,
    EventId = 0x31,
    Timeline = 0x32,
    RoomSeq = 0x33,
    Held = 0x34,
    Late = 0x35,
    TakeBack = 0x37,
    Annotation = 0x38,
    PinOrder = 0x39,
    Gone = 0x3a,
    Hidden = 0x3b,
    Due = 0x3c,
    SentOnce = 0x3d,
    Views = 0x3e,
    ConversationTimer = 0x3f,
    Feed = 0x40,
    Outbox = 0x50,
    Session = 0x60,
    SessionRecord = 0x61,
    OwnChain = 0x62,
    SenderChain = 0x63,
    NextChain = 0x64,
    Prekey = 0x70,
    OneTimeKey = 0x71,
    Ephemeral = 0x72,
    Invite = 0x80,
    ContactRequest = 0x81,
    Asking = 0x82,
    ClientId = 0x90,
    Register = 0xA0,
    Room = 0xB0,
    Member = 0xB1,
    RoomOf = 0xB2,
    View = 0xB3,
    MemberName = 0xB4,
    RoomToken = 0xB5,
    Joining = 0xB6,
    Parted = 0xB7,
    LetInBy = 0xB8,
    RoomRequest = 0xB9,
    Report = 0xBA,
    Banned = 0xBB,
    RoomPicture = 0xBC,
    HeardRoom = 0xBD,
}

/// Builds one key.
pub(crate) struct Key(Vec<u8>);

impl Key {
    pub(crate) fn new(kind: Kind) -> Self {
        let mut bytes = Vec::with_capacity(48);
        bytes.push(kind as u8);
        Self(bytes)
    }
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
    pub(crate) fn u32(self, n: u32) -> Self {
        self.bytes(&n.to_be_bytes())
    }
    pub(crate) fn u64(self, n: u64) -> Self {
        self.bytes(&n.to_be_bytes())
    }
    pub(crate) fn conversation(self, n: ConversationNo) -> Self {
        self.u32(n.0)
    }
    pub(crate) fn device(self, n: DeviceNo) -> Self {
        self.u32(n.0)
    }
    pub(crate) fn log(self, key: &LogKey) -> Self {
        self.conversation(key.conversation).device(key.device).u32(key.log)
    }
    pub(crate) fn conversation_id(self, id: &ConversationId) -> Self {
        self.bytes(id.as_bytes())
    }
    pub(crate) fn device_id(self, id: &DeviceId) -> Self {
        self.bytes(id.as_bytes())
    }
    pub(crate) fn event_id(self, id: &EventId) -> Self {
        self.bytes(id.as_bytes())
    }
    pub(crate) fn user(self, id: &UserId) -> Self {
        self.bytes(id.as_bytes())
    }
    pub(crate) fn session(self, id: &SessionId) -> Self {
        self.bytes(id.as_bytes())
    }
    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
    /// The half-open range of all keys that start with this one.
    pub(crate) fn range(self) -> (Vec<u8>, Vec<u8>) {
        let end = successor(&self.0);
        (self.0, end)
    }
}

/// The smallest key greater than every key that starts with `prefix`.
pub(crate) fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last.wrapping_add(1));
            return end;
        }
    }
    vec![u8::MAX; 64]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_keys_keep_their_order_and_refuse_other_widths() {
        let key = |seq, branch| EventKey {
            log: LogKey {
                conversation: ConversationNo(1),
                device: DeviceNo(2),
                log: 3,
            },
            seq,
            branch,
        };
        assert!(key(255, 1).to_bytes() < key(256, 0).to_bytes());
        assert_eq!(EventKey::from_bytes(&key(9, 7).to_bytes()), Some(key(9, 7)));
        assert_eq!(EventKey::from_bytes(&key(9, 7).to_bytes()[..20]), None);
        assert_eq!(EventKey::from_bytes(&[0; 22]), None);
    }

    #[test]
    fn a_successor_is_above_everything_with_the_prefix() {
        assert_eq!(successor(&[1, 2]), vec![1, 3]);
        assert_eq!(successor(&[1, 255]), vec![2]);
        assert!(successor(&[255, 255]) > vec![255, 255, 255]);
    }
}
