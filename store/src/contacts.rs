//! Contacts: users we have accepted, or whose invite we have opened.

use parlour_crypto::{CardDetails, UserId};
use serde::{Deserialize, Serialize};

use crate::db::{Read, Txn};
use crate::keyspace::{Key, Kind};
use crate::record::{self, Row, StoreError};

/// How far a contact has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContactState {
    /// We opened their invite and have no answer yet.
    Invited {
        /// The token of the invite.
        token: [u8; 16],
        /// Hash of the prekey bundle it names.
        bundle_hash: [u8; 32],
        /// When the invite ends, ms.
        expires: u64,
        /// Why the other node refused, if it said so.
        refused: Option<InviteRefusal>,
    },
    /// Both sides have each other.
    Accepted,
    /// We ask them without an invite of theirs.
    Asked {
        /// Token of the invite in the request, which only they may use.
        token: [u8; 16],
        /// When that ends, ms.
        expires: u64,
        /// What we say to it.
        note: String,
        /// When the request reached a node of theirs, ms.
        told: Option<u64>,
    },
    /// No contact, any more or ever: known for the history's sake, or because they are blocked.
    Former,
}

/// Why an invite did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InviteRefusal {
    /// It was used as often as allowed.
    Used,
    /// Its time is over.
    Expired,
    /// Its maker took it back.
    Revoked,
}

/// One contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRow {
    /// Who.
    pub user: UserId,
    /// What we call them.
    pub petname: Option<String>,
    /// What they call themselves.
    pub name: String,
    /// Their device list, signed form; empty until it is known.
    #[serde(with = "serde_bytes")]
    pub device_list: Vec<u8>,
    /// How far it has come.
    pub state: ContactState,
    /// The peer of their invite; used until their devices are known.
    #[serde(with = "serde_bytes")]
    pub peer: Vec<u8>,
    /// The addresses of their invite.
    pub addresses: Vec<Vec<u8>>,
    /// When the contact was made, ms.
    pub created: u64,
}

impl Row for ContactRow {
    const NOUN: &'static str = "contact";
}

fn key(user: &UserId) -> Vec<u8> {
    Key::new(Kind::Contact).user(user).done()
}

/// The contact with this user.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn get(read: &impl Read, user: &UserId) -> Result<Option<ContactRow>, StoreError> {
    record::get(read, &key(user))
}

/// Writes a contact.
pub fn put(txn: &mut Txn<'_>, row: &ContactRow) {
    record::put(txn, key(&row.user), row);
}

/// Forgets whoever never was a contact.
pub fn delete(txn: &mut Txn<'_>, user: &UserId) {
    txn.delete(key(user));
}

/// All contacts, by user id.
///
/// # Errors
/// As [`get`].
pub fn all(read: &impl Read) -> Result<Vec<ContactRow>, StoreError> {
    record::scan(read, &Key::new(Kind::Contact).range())
        .map(|row| row.map(|(_, row)| row))
        .collect()
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SharesPresence(bool);

impl Row for SharesPresence {
    const NOUN: &'static str = "presence wish";
}

fn presence_key(user: &UserId) -> Vec<u8> {
    Key::new(Kind::SharesPresence).user(user).done()
}

/// Whether this contact lets us know when they are there.
///
/// # Errors
/// As [`get`].
pub fn shares_presence(read: &impl Read, user: &UserId) -> Result<bool, StoreError> {
    Ok(record::get::<SharesPresence>(read, &presence_key(user))?.is_some_and(|SharesPresence(shares)| shares))
}

/// Notes whether a contact lets us know when they are there.
pub fn set_shares_presence(txn: &mut Txn<'_>, user: &UserId, shares: bool) {
    record::put(txn, presence_key(user), &SharesPresence(shares));
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Details(CardDetails);

impl Row for Details {
    const NOUN: &'static str = "card";
}

fn details_key(user: &UserId) -> Vec<u8> {
    Key::new(Kind::CardDetails).user(user).done()
}

/// What a contact says about themselves beside their name.
///
/// # Errors
/// As [`get`].
pub fn details(read: &impl Read, user: &UserId) -> Result<CardDetails, StoreError> {
    Ok(record::get::<Details>(read, &details_key(user))?.map_or_else(CardDetails::default, |Details(card)| card))
}

/// Writes what a contact says about themselves.
pub fn put_details(txn: &mut Txn<'_>, user: &UserId, details: &CardDetails) {
    record::put(txn, details_key(user), &Details(details.clone()));
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Removed(u64);

impl Row for Removed {
    const NOUN: &'static str = "removed contact";
}

fn removed_key(user: &UserId) -> Vec<u8> {
    Key::new(Kind::RemovedContact).user(user).done()
}

/// Notes when a user ceased to be a contact.
pub fn put_removed(txn: &mut Txn<'_>, user: &UserId, at: u64) {
    record::put(txn, removed_key(user), &Removed(at));
}

/// When a user last ceased to be a contact, ms; nothing if they never did, or that was not noted.
///
/// # Errors
/// As [`get`].
pub fn removed(read: &impl Read, user: &UserId) -> Result<Option<u64>, StoreError> {
    Ok(record::get::<Removed>(read, &removed_key(user))?.map(|Removed(at)| at))
}
