//! Registers: small values outside the logs, of which the newest counts. Each has a counter and the device that set it, so that
//! several devices of one user can agree on one later: the greater (counter, device) wins.

use parlour_crypto::{CardDetails, ConversationId, DeviceId, UserId, decode_own, decode_prefix, encode_into};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::db::{Read, Txn};
use crate::keyspace::{Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

/// Version of every value written by this build; 0 = it was written before values had one.
const VERSION: u8 = 1;
/// Zeros put behind a value: fields that came later are 0, empty or nothing in older values.
const DEFAULTS: usize = 64;

/// What a register is about. The numbers are part of the on-disk format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    /// [`Settings`] of the account.
    Settings,
    /// Since when a user is blocked, ms (`u64`); 0 = not.
    Blocked(UserId),
    /// What we call a user (`Option<String>`); the contact's row says the same.
    Petname(UserId),
    /// Until when nobody is to be disturbed by a conversation, ms (`u64`); 0 = not muted, `u64::MAX` = for ever.
    Muted(ConversationId),
    /// Whether a conversation is put away (`bool`).
    Archived(ConversationId),
    /// What is being written in a conversation (`String`).
    Draft(ConversationId),
    /// What this account's user says about themselves ([`OwnProfile`]).
    Profile,
    /// Whether a user is known to be who they seem ([`Trust`]).
    Trust(UserId),
    /// Since when a user has a device that our user has not been asked about, ms (`u64`); 0 = none.
    NewDevice(UserId),
}

impl Register {
    fn key(self) -> Vec<u8> {
        let key = |number: u8| Key::new(Kind::Register).bytes(&[number]);
        match self {
            Self::Settings => key(1).done(),
            Self::Blocked(user) => key(BLOCKED).user(&user).done(),
            Self::Petname(user) => key(3).user(&user).done(),
            Self::Muted(id) => key(4).conversation_id(&id).done(),
            Self::Archived(id) => key(5).conversation_id(&id).done(),
            Self::Draft(id) => key(6).conversation_id(&id).done(),
            Self::Profile => key(7).done(),
            Self::Trust(user) => key(TRUST).user(&user).done(),
            Self::NewDevice(user) => key(9).user(&user).done(),
        }
    }
}

const BLOCKED: u8 = 2;
const TRUST: u8 = 8;

/// The users that the registers of one kind are about: also those who are no contacts.
fn users_of(read: &impl Read, number: u8) -> Result<Vec<UserId>, StoreError> {
    let (from, to) = Key::new(Kind::Register).bytes(&[number]).range();
    read.scan_keys(&from, &to)
        .map(|key| {
            let id = Fields(key?.get(2..).unwrap_or_default()).array::<32>();
            id.map(UserId::from_bytes)
                .ok_or(StoreError::Malformed { noun: "register key" })
        })
        .collect()
}

/// A register as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RegisterRow {
    /// Greater than any before, and not below the time it was set, ms.
    counter: u64,
    /// Who set it.
    device: DeviceId,
    /// The value: its version, then its own encoding.
    value: ByteBuf,
}

impl Row for RegisterRow {
    const NOUN: &'static str = "register";
    const VERSION: u8 = 2;

    /// Version 1 had values without a version.
    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let (counter, device, value): (u64, DeviceId, ByteBuf) = decode_own(rest).ok().filter(|_| version == 1)?;
        let value = ByteBuf::from([&[0], value.as_slice()].concat());
        Some(Self { counter, device, value })
    }
}

/// What this account's user says about themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnProfile {
    /// What they call themselves; empty = as when the account was made.
    pub name: String,
    /// The rest of their card.
    pub details: CardDetails,
}

/// Whether a user is known to be who they seem.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trust {
    /// Taken as they came.
    #[default]
    Unverified,
    /// Their safety number was compared.
    Verified {
        /// When, ms.
        at: u64,
    },
    /// Their devices have changed in a way that nobody may take for granted, and our user has not decided yet what to make of it.
    Changed {
        /// When that was noticed, ms.
        at: u64,
        /// They had been verified before.
        verified_before: bool,
    },
}

/// How this account behaves towards others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether contacts are told how far we have read.
    pub read_receipts: bool,
    /// Whether contacts are told when we are there.
    pub presence: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_receipts: true,
            presence: true,
        }
    }
}

/// The value of a register; `None` if it was never set.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn get<T: DeserializeOwned>(read: &impl Read, register: Register) -> Result<Option<T>, StoreError> {
    let Some(row) = record::get::<RegisterRow>(read, &register.key())? else {
        return Ok(None);
    };
    value_of(&row.value).map(Some)
}

pub(crate) fn value_of<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    let malformed = StoreError::Malformed { noun: "register" };
    match bytes.split_first() {
        Some((0 | &VERSION, value)) => {
            let with_defaults = [value, &[0; DEFAULTS]].concat();
            decode_prefix(&with_defaults).map_err(|_| malformed)
        }
        _ => Err(malformed),
    }
}

/// Sets a register, on this device and now.
///
/// # Errors
/// As [`get`].
pub fn set<T: Serialize>(
    txn: &mut Txn<'_>,
    register: Register,
    value: &T,
    device: DeviceId,
    now: u64,
) -> Result<(), StoreError> {
    let before = record::get::<RegisterRow>(txn, &register.key())?;
    let row = RegisterRow {
        counter: before.map_or(now, |row| row.counter.saturating_add(1).max(now)),
        device,
        value: ByteBuf::from(written(value)),
    };
    record::put(txn, register.key(), &row);
    Ok(())
}

pub(crate) fn written<T: Serialize>(value: &T) -> Vec<u8> {
    encode_into(vec![VERSION], value)
}

/// How this account behaves towards others.
///
/// # Errors
/// As [`get`].
pub fn settings(read: &impl Read) -> Result<Settings, StoreError> {
    Ok(get(read, Register::Settings)?.unwrap_or_default())
}

/// Since when a user is blocked, ms.
///
/// # Errors
/// As [`get`].
pub fn blocked(read: &impl Read, user: &UserId) -> Result<Option<u64>, StoreError> {
    Ok(get(read, Register::Blocked(*user))?.filter(|since| *since > 0))
}

/// How a conversation is kept here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Until when it is muted, ms; 0 = not, `u64::MAX` = for ever.
    pub muted_until: u64,
    /// Whether it is put away.
    pub archived: bool,
    /// What is being written in it.
    pub draft: String,
}

/// How a conversation is kept here.
///
/// # Errors
/// As [`get`].
pub fn kept(read: &impl Read, id: &ConversationId) -> Result<Kept, StoreError> {
    Ok(Kept {
        muted_until: get(read, Register::Muted(*id))?.unwrap_or_default(),
        archived: get(read, Register::Archived(*id))?.unwrap_or_default(),
        draft: get(read, Register::Draft(*id))?.unwrap_or_default(),
    })
}

/// Whether a user is known to be who they seem.
///
/// # Errors
/// As [`get`].
pub fn trust(read: &impl Read, user: &UserId) -> Result<Trust, StoreError> {
    Ok(get(read, Register::Trust(*user))?.unwrap_or_default())
}

/// Everybody who is blocked.
///
/// # Errors
/// As [`get`].
pub fn all_blocked(read: &impl Read) -> Result<Vec<UserId>, StoreError> {
    let mut shut_out = Vec::new();
    for user in users_of(read, BLOCKED)? {
        if blocked(read, &user)?.is_some() {
            shut_out.push(user);
        }
    }
    Ok(shut_out)
}

/// Everybody whose devices have changed and about whom our user has not decided.
///
/// # Errors
/// As [`get`].
pub fn all_changed(read: &impl Read) -> Result<Vec<UserId>, StoreError> {
    let mut changed = Vec::new();
    for user in users_of(read, TRUST)? {
        if matches!(trust(read, &user)?, Trust::Changed { .. }) {
            changed.push(user);
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_older_and_later_builds_are_read_with_defaults() {
        #[derive(Serialize)]
        struct Shorter {
            name: String,
        }
        #[derive(Serialize)]
        struct Longer {
            read_receipts: bool,
            presence: bool,
            later: u64,
        }
        let name = "Ada".to_owned();
        let short = encode_into(vec![VERSION], &Shorter { name: name.clone() });
        let profile: OwnProfile = value_of(&short).expect("an older value");
        assert_eq!((profile.name, profile.details), (name, CardDetails::default()));
        let long = Longer {
            read_receipts: false,
            presence: true,
            later: 7,
        };
        let settings: Settings = value_of(&encode_into(vec![VERSION], &long)).expect("a later value");
        assert!(!settings.read_receipts && settings.presence);
        for unknown in [vec![], vec![VERSION + 1, 1, 1]] {
            assert!(value_of::<Settings>(&unknown).is_err());
        }
    }

    #[test]
    fn a_row_without_a_version_of_its_value_is_still_read() {
        let (device, since) = (DeviceId::from_bytes([3; 32]), 1_800_000_000_000u64);
        let value = ByteBuf::from(encode_into(Vec::new(), &since));
        let bytes = encode_into(vec![1], &(9u64, device, value));
        let row: RegisterRow = record::decode_row(&bytes).expect("an older row");
        assert_eq!((row.counter, row.device), (9, device));
        assert_eq!(value_of::<u64>(&row.value).expect("its value"), since);
    }
}
