//! Registers: small values outside the logs, of which the newest counts. Each has a counter and the device that set it, so that
//! several devices of one user can agree on one later: the greater (counter, device) wins.

use parlour_crypto::{CardDetails, ConversationId, DeviceId, UserId, decode_strict, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::db::{Read, Txn};
use crate::keyspace::{Key, Kind};
use crate::record::{self, Row, StoreError};

/// Longest value of a register.
const MAX_VALUE: usize = 48 * 1024;

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
}

impl Register {
    fn key(self) -> Vec<u8> {
        let key = |number: u8| Key::new(Kind::Register).bytes(&[number]);
        match self {
            Self::Settings => key(1).done(),
            Self::Blocked(user) => key(2).user(&user).done(),
            Self::Petname(user) => key(3).user(&user).done(),
            Self::Muted(id) => key(4).conversation_id(&id).done(),
            Self::Archived(id) => key(5).conversation_id(&id).done(),
            Self::Draft(id) => key(6).conversation_id(&id).done(),
            Self::Profile => key(7).done(),
            Self::Trust(user) => key(8).user(&user).done(),
        }
    }
}

/// A register as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RegisterRow {
    /// Greater than any before, and not below the time it was set, ms.
    counter: u64,
    /// Who set it.
    device: DeviceId,
    /// The value, by its own encoding.
    value: ByteBuf,
}

impl Row for RegisterRow {
    const NOUN: &'static str = "register";
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
    /// All their devices were replaced, and our user has not decided yet what to make of it.
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
pub fn get<T: DeserializeOwned + Serialize>(read: &impl Read, register: Register) -> Result<Option<T>, StoreError> {
    let Some(row) = record::get::<RegisterRow>(read, &register.key())? else {
        return Ok(None);
    };
    let value = decode_strict(&row.value, MAX_VALUE);
    value.map(Some).map_err(|_| StoreError::Malformed { noun: "register" })
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
        value: ByteBuf::from(encode(value)),
    };
    record::put(txn, register.key(), &row);
    Ok(())
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
