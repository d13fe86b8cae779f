//! Rooms: what this account is in them, what they are called here, and who takes part. What a room is follows from its operations;
//! these rows are what came of them, for readers.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{DeviceId, EventId, Policy, UserId, decode_own};
use serde::{Deserialize, Serialize};

mod heard;
mod links;
pub(crate) mod picture;
mod reports;
mod requests;

pub use heard::{HeardRow, all_heard, delete_heard, heard, put_heard};
pub use links::{
    JoiningRow, TokenRow, all_joining, delete_joining, delete_token, joining, put_joining, put_token, tokens,
};
pub use picture::{picture, set_picture};
pub use reports::{ReportRow, delete_report, put_report, report, reports};
pub use requests::{Answer, Door, RequestRow, delete_request, put_request, request, requests};

use crate::contacts;
use crate::conversations::NOTES;
use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

/// What this account is in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Somebody lets us in, and we have not decided.
    Invited {
        /// Who.
        by: UserId,
        /// Since when, ms.
        at: u64,
        /// The operation that lets us in has come.
        open: bool,
    },
    /// We have shown somebody a link, and have no answer yet.
    Asked {
        /// Whom.
        user: UserId,
        /// Since when, ms.
        at: u64,
        /// Why they refused, if they did: a reason of `RoomRefused`.
        refused: Option<u8>,
    },
    /// We take part.
    Member,
    /// We went, or have been removed.
    #[default]
    Gone,
}

/// One room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRow {
    /// What this account is in it.
    pub standing: Standing,
    /// Its name.
    pub name: String,
    /// Its topic; empty: none.
    pub topic: String,
    /// What it is called on this node, and nowhere else.
    pub slug: String,
    /// Operations that no operation we have names as a parent, ascending.
    pub heads: Vec<EventId>,
    /// How many users take part.
    pub members: u32,
    /// Its rules.
    pub policy: Policy,
    /// How many operations this device has made here: what a damaged disk has lost of them has to come back first.
    pub own_operations: u32,
}

impl Row for RoomRow {
    const NOUN: &'static str = "room";
}

/// A user who takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// 1 guest, 2 member, 3 moderator, 4 admin, 5 owner.
    pub rank: u8,
    /// The clock from which on everything written here is meant for them: above all we had when we learned that they take part, ms.
    pub since: u64,
    /// What they are given of what was said before: the history rule when they came.
    pub history: u8,
    /// Their devices, as the operations say.
    pub devices: Vec<DeviceId>,
    /// The operation with which they came; nothing in rows from before it was written down.
    pub came: Option<EventId>,
}

impl Row for MemberRow {
    const NOUN: &'static str = "member";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let (rank, since, history, devices) = (version == 1).then(|| decode_own(rest).ok())??;
        Some(Self {
            rank,
            since,
            history,
            devices,
            came: None,
        })
    }
}

/// The heads behind a view.
#[derive(Serialize, Deserialize)]
pub(crate) struct ViewRow(Vec<EventId>);

impl Row for ViewRow {
    const NOUN: &'static str = "view";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Takes;

impl Row for Takes {
    const NOUN: &'static str = "room of a user";
}

fn key(no: ConversationNo) -> Vec<u8> {
    Key::new(Kind::Room).conversation(no).done()
}

fn member_key(no: ConversationNo, user: &UserId) -> Vec<u8> {
    Key::new(Kind::Member).conversation(no).user(user).done()
}

/// The row of a room.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn get(read: &impl Read, no: ConversationNo) -> Result<Option<RoomRow>, StoreError> {
    record::get(read, &key(no))
}

/// Writes the row of a room.
pub fn put(txn: &mut Txn<'_>, no: ConversationNo, row: &RoomRow) {
    record::put(txn, key(no), row);
}

/// Forgets a room that is none.
///
/// # Errors
/// As [`get`].
pub fn forget(txn: &mut Txn<'_>, no: ConversationNo) -> Result<(), StoreError> {
    set_members(txn, no, &BTreeMap::new())?;
    links::delete_joining(txn, no);
    set_picture(txn, no, &[])?;
    txn.delete(key(no));
    Ok(())
}

/// All rooms, in the order they became known.
///
/// # Errors
/// As [`get`].
pub fn all(read: &impl Read) -> Result<Vec<(ConversationNo, RoomRow)>, StoreError> {
    record::scan::<RoomRow>(read, &Key::new(Kind::Room).range())
        .map(|row| {
            let (key, row) = row?;
            let no = Fields(key.get(1..).unwrap_or_default()).u32();
            let no = no.ok_or(StoreError::Malformed { noun: "room key" })?;
            Ok((ConversationNo(no), row))
        })
        .collect()
}

/// Who takes part in a room.
///
/// # Errors
/// As [`get`].
pub fn members(read: &impl Read, no: ConversationNo) -> Result<BTreeMap<UserId, MemberRow>, StoreError> {
    record::scan::<MemberRow>(read, &Key::new(Kind::Member).conversation(no).range())
        .map(|row| {
            let (key, row) = row?;
            let user = key.get(5..).and_then(|id| id.try_into().ok()).map(UserId::from_bytes);
            Ok((user.ok_or(StoreError::Malformed { noun: "member key" })?, row))
        })
        .collect()
}

/// What a user is in a room; nothing if they do not take part.
///
/// # Errors
/// As [`get`].
pub fn member(read: &impl Read, no: ConversationNo, user: &UserId) -> Result<Option<MemberRow>, StoreError> {
    record::get(read, &member_key(no, user))
}

/// Writes who takes part, where it is not what stands there.
///
/// # Errors
/// As [`get`].
pub fn set_members(
    txn: &mut Txn<'_>,
    no: ConversationNo,
    members: &BTreeMap<UserId, MemberRow>,
) -> Result<(), StoreError> {
    let before = self::members(txn, no)?;
    let room_of = |user: &UserId| Key::new(Kind::RoomOf).user(user).conversation(no).done();
    for user in before.keys().filter(|user| !members.contains_key(user)) {
        txn.delete(member_key(no, user));
        txn.delete(room_of(user));
    }
    for (user, row) in members.iter().filter(|(user, row)| before.get(user) != Some(row)) {
        record::put(txn, member_key(no, user), row);
        record::put(txn, room_of(user), &Takes);
    }
    Ok(())
}

fn banned_key(no: ConversationNo) -> Key {
    Key::new(Kind::Banned).conversation(no)
}

/// Who is kept out of a room, ascending.
///
/// # Errors
/// As [`get`].
pub fn banned(read: &impl Read, no: ConversationNo) -> Result<BTreeSet<UserId>, StoreError> {
    let (from, to) = banned_key(no).range();
    read.scan_keys(&from, &to)
        .map(|key| {
            let user = Fields(key?.get(5..).unwrap_or_default()).array();
            user.map(UserId::from_bytes)
                .ok_or(StoreError::Malformed { noun: "banned user" })
        })
        .collect()
}

/// Writes who is kept out, where it is not what stands there.
///
/// # Errors
/// As [`get`].
pub fn set_banned(txn: &mut Txn<'_>, no: ConversationNo, users: &BTreeSet<UserId>) -> Result<(), StoreError> {
    let before = banned(txn, no)?;
    for user in before.difference(users) {
        txn.delete(banned_key(no).user(user).done());
    }
    for user in users.difference(&before) {
        record::put(txn, banned_key(no).user(user).done(), &Takes);
    }
    Ok(())
}

/// The rooms a user takes part in.
///
/// # Errors
/// As [`get`].
pub fn of_user(read: &impl Read, user: &UserId) -> Result<Vec<ConversationNo>, StoreError> {
    let (from, to) = Key::new(Kind::RoomOf).user(user).range();
    read.scan_keys(&from, &to)
        .map(|key| {
            let no = Fields(key?.get(33..).unwrap_or_default()).u32();
            no.map(ConversationNo)
                .ok_or(StoreError::Malformed { noun: "room of a user" })
        })
        .collect()
}

/// When somebody who is no contact ceased to be in a room with us, ms.
#[derive(Serialize, Deserialize)]
pub(crate) struct Parted(u64);

impl Row for Parted {
    const NOUN: &'static str = "former member";
}

fn parted_key(user: &UserId) -> Vec<u8> {
    Key::new(Kind::Parted).user(user).done()
}

/// Notes when a user ceased to be in a room with us: they may have to be told.
pub fn put_parted(txn: &mut Txn<'_>, user: &UserId, at: u64) {
    record::put(txn, parted_key(user), &Parted(at));
}

/// When a user last ceased to be in a room with us, ms.
///
/// # Errors
/// As [`get`].
pub fn parted(read: &impl Read, user: &UserId) -> Result<Option<u64>, StoreError> {
    Ok(record::get::<Parted>(read, &parted_key(user))?.map(|Parted(at)| at))
}

/// Forgets those who parted before `before`, ms.
///
/// # Errors
/// As [`get`].
pub fn forget_parted(txn: &mut Txn<'_>, before: u64) -> Result<(), StoreError> {
    let all = record::scan::<Parted>(txn, &Key::new(Kind::Parted).range()).collect::<Result<Vec<_>, _>>()?;
    for (key, Parted(at)) in all {
        if at < before {
            txn.delete(key);
        }
    }
    Ok(())
}

fn let_in_key(user: &UserId) -> Key {
    Key::new(Kind::LetInBy).user(user)
}

/// Notes that a user told us of a room. It is forgotten once we have joined.
pub fn put_let_in(txn: &mut Txn<'_>, by: &UserId, no: ConversationNo) {
    record::put(txn, let_in_key(by).conversation(no).done(), &Takes);
}

/// How many rooms a user told us of that we never joined.
///
/// # Errors
/// As [`get`].
pub fn let_in_by(read: &impl Read, by: &UserId) -> Result<usize, StoreError> {
    let (from, to) = let_in_key(by).range();
    let mut count = 0_usize;
    for key in read.scan_keys(&from, &to) {
        key?;
        count = count.saturating_add(1);
    }
    Ok(count)
}

/// We have joined a room that a user told us of.
pub fn delete_let_in(txn: &mut Txn<'_>, by: &UserId, no: ConversationNo) {
    txn.delete(let_in_key(by).conversation(no).done());
}

/// What a member calls themselves.
#[derive(Serialize, Deserialize)]
pub(crate) struct NameRow(String);

impl Row for NameRow {
    const NOUN: &'static str = "name of a member";
}

/// What a user whom we know through rooms calls themselves.
///
/// # Errors
/// As [`get`].
pub fn name_of(read: &impl Read, user: &UserId) -> Result<Option<String>, StoreError> {
    let row = record::get::<NameRow>(read, &Key::new(Kind::MemberName).user(user).done())?;
    Ok(row.map(|NameRow(name)| name))
}

/// Remembers what a member calls themselves.
pub fn put_name(txn: &mut Txn<'_>, user: &UserId, name: &str) {
    record::put(
        txn,
        Key::new(Kind::MemberName).user(user).done(),
        &NameRow(name.to_owned()),
    );
}

fn view_key(no: ConversationNo, view: &[u8; 32]) -> Vec<u8> {
    Key::new(Kind::View).conversation(no).bytes(&view[..VIEW_BYTES]).done()
}

/// Bytes of a view's hash that tell it from the others of its room.
const VIEW_BYTES: usize = 16;

/// Remembers which heads a view has.
pub fn put_view(txn: &mut Txn<'_>, no: ConversationNo, view: &[u8; 32], heads: &[EventId]) {
    record::put(txn, view_key(no, view), &ViewRow(heads.to_vec()));
}

/// The heads behind a view, if it was ours once.
///
/// # Errors
/// As [`get`].
pub fn view(read: &impl Read, no: ConversationNo, view: &[u8; 32]) -> Result<Option<Vec<EventId>>, StoreError> {
    Ok(record::get::<ViewRow>(read, &view_key(no, view))?.map(|ViewRow(heads)| heads))
}

/// The room called so on this node.
///
/// # Errors
/// As [`get`].
pub fn by_slug(read: &impl Read, slug: &str) -> Result<Option<ConversationNo>, StoreError> {
    Ok(all(read)?
        .into_iter()
        .find(|(_, row)| row.slug == slug)
        .map(|(no, _)| no))
}

/// A slug made of a name that means nothing but the room `no`: lower case, words joined by `-`, a number behind it where another room,
/// a contact or the notes are called so.
///
/// # Errors
/// As [`get`].
pub fn free_slug(read: &impl Read, name: &str, no: ConversationNo) -> Result<String, StoreError> {
    let base = slug(name);
    let others = all(read)?.into_iter().filter(|(other, _)| *other != no);
    let mut taken: Vec<String> = others.map(|(_, row)| row.slug).collect();
    taken.push(NOTES.to_owned());
    for contact in contacts::all(read)? {
        taken.extend(contact.petname);
        taken.push(contact.name);
    }
    let numbered = (2_u32..).map(|n| format!("{base}-{n}"));
    let free = std::iter::once(base.clone())
        .chain(numbered)
        .find(|slug| !taken.contains(slug));
    Ok(free.unwrap_or(base))
}

/// Characters of a slug.
pub const MAX_SLUG: usize = 40;

/// A name as a slug: letters and digits of any script in lower case, everything between them one `-`.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if slug.chars().count() >= MAX_SLUG {
            break;
        }
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "room".to_owned()
    } else {
        slug.to_owned()
    }
}
