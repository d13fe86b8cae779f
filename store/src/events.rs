//! Events: the signed facts themselves, stored compactly and rebuilt to the byte when read.

use parlour_crypto::{
    EventHeader, EventId, KIND_CLOSE_POLL, KIND_DELETE, KIND_EDIT, KIND_OPERATION, KIND_PIN, KIND_REACTION, KIND_VOTE,
    VerifiedEvent, decode_own,
};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use crate::db::{Read, Txn};
use crate::keyspace::{EventKey, Key, Kind};
use crate::meta::{self, CounterName};
use crate::record::{self, Row, StoreError};
use crate::{conversations, devices};

/// An event without what its key and the tables of numbers already say.
#[derive(Serialize, Deserialize)]
pub(crate) struct EventRow {
    kind: u16,
    clock: u64,
    prev: Option<EventId>,
    parents: Parents,
    view: Option<[u8; 32]>,
    signature: ByteArray<64>,
    body: Body,
}

/// Most events name exactly their author's previous one as parent.
#[derive(Serialize, Deserialize)]
enum Parents {
    Prev,
    List(Vec<EventId>),
}

#[derive(Serialize, Deserialize)]
enum Body {
    Present { salt: [u8; 16], body: ByteBuf },
    Stub { hash: [u8; 32] },
}

impl Row for EventRow {
    const NOUN: &'static str = "event";
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Place(EventKey);

impl Row for Place {
    const NOUN: &'static str = "event id";
    const VERSION: u8 = 2;

    fn older(version: u8, rest: &[u8]) -> Option<Self> {
        let bytes: ByteArray<{ EventKey::LEN }> = (version == 1).then(|| decode_own(rest).ok())??;
        EventKey::from_bytes(bytes.as_ref()).map(Self)
    }
}

fn key(at: &EventKey) -> Vec<u8> {
    Key::new(Kind::Event).bytes(&at.to_bytes()).done()
}

/// Stores an event and the way from its id to its place.
pub fn put(txn: &mut Txn<'_>, at: &EventKey, event: &VerifiedEvent) {
    let header = event.header();
    let parents = match header.prev {
        Some(prev) if header.parents == [prev] => Parents::Prev,
        _ => Parents::List(header.parents.clone()),
    };
    let body = match event.body() {
        Some((salt, body)) => Body::Present {
            salt: *salt,
            body: ByteBuf::from(body),
        },
        None => Body::Stub { hash: header.body_hash },
    };
    let row = EventRow {
        kind: header.kind,
        clock: header.clock,
        prev: header.prev,
        parents,
        view: header.view,
        signature: ByteArray::new(*event.signature()),
        body,
    };
    record::put(txn, key(at), &row);
    record::put(txn, id_key(&event.id()), &Place(*at));
}

fn id_key(id: &EventId) -> Vec<u8> {
    Key::new(Kind::EventId).event_id(id).done()
}

/// Ids of events that begin with these bytes, at most `limit`.
///
/// # Errors
/// As [`place`].
pub fn ids_from(read: &impl Read, beginning: &[u8], limit: usize) -> Result<Vec<EventId>, StoreError> {
    let (from, to) = Key::new(Kind::EventId).bytes(beginning).range();
    read.scan_keys(&from, &to)
        .take(limit)
        .map(|key| {
            let id = key?.get(1..).and_then(|id| id.try_into().ok());
            id.map(EventId::from_bytes)
                .ok_or(StoreError::Malformed { noun: "event id" })
        })
        .collect()
}

/// What is known of an event without putting it together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brief {
    /// Its kind.
    pub kind: u16,
    /// Its clock, ms.
    pub clock: u64,
    /// Whether its body is not here.
    pub stub: bool,
}

/// What is known of the event at a place.
///
/// # Errors
/// As [`place`].
pub fn brief(read: &impl Read, at: &EventKey) -> Result<Option<Brief>, StoreError> {
    let row = record::get::<EventRow>(read, &key(at))?;
    Ok(row.map(|row| Brief {
        kind: row.kind,
        clock: row.clock,
        stub: matches!(row.body, Body::Stub { .. }),
    }))
}

/// Erases body and salt of the event at a place; the header and its signature stay. `false` if there is no body.
///
/// # Errors
/// As [`place`].
pub fn erase(txn: &mut Txn<'_>, at: &EventKey) -> Result<bool, StoreError> {
    let Some(mut row) = record::get::<EventRow>(txn, &key(at))? else {
        return Ok(false);
    };
    let Body::Present { salt, body } = &row.body else {
        return Ok(false);
    };
    row.body = Body::Stub {
        hash: parlour_crypto::body_hash(salt, body),
    };
    record::put(txn, key(at), &row);
    meta::next(txn, CounterName::Erased)?;
    Ok(true)
}

/// Whether events of this kind have a place in the timeline. The others speak of messages, and are seen on them.
#[must_use]
pub fn has_a_place(kind: u16) -> bool {
    !matches!(
        kind,
        KIND_EDIT | KIND_DELETE | KIND_REACTION | KIND_PIN | KIND_OPERATION | KIND_VOTE | KIND_CLOSE_POLL
    )
}

/// Whether a row is at a place and opens.
pub(crate) fn is_there(read: &impl Read, at: &EventKey) -> bool {
    read.get(&key(at)).is_ok_and(|row| row.is_some())
}

/// Where an event is, if we have it.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn place(read: &impl Read, id: &EventId) -> Result<Option<EventKey>, StoreError> {
    Ok(record::get::<Place>(read, &id_key(id))?.map(|Place(at)| at))
}

/// Whether the row of an id leads to an event that is there.
pub(crate) fn leads_to_an_event(read: &impl Read, key: &[u8]) -> bool {
    let place = record::get::<Place>(read, key).ok().flatten();
    place.is_some_and(|Place(at)| is_there(read, &at))
}

/// The event at a place, with the very bytes it was signed as.
///
/// # Errors
/// As [`place`].
pub fn get(read: &impl Read, at: &EventKey) -> Result<Option<VerifiedEvent>, StoreError> {
    let Some(row) = record::get::<EventRow>(read, &key(at))? else {
        return Ok(None);
    };
    let orphan = StoreError::Malformed { noun: "event" };
    let (Some(conversation), Some(device)) = (
        conversations::id_of(read, at.log.conversation)?,
        devices::id_of(read, at.log.device)?,
    ) else {
        return Err(orphan);
    };
    let parents = match (row.parents, row.prev) {
        (Parents::Prev, Some(prev)) => vec![prev],
        (Parents::Prev, None) => return Err(orphan),
        (Parents::List(list), _) => list,
    };
    let (body_hash, body) = match row.body {
        Body::Present { salt, body } => (parlour_crypto::body_hash(&salt, &body), Some((salt, body.into_vec()))),
        Body::Stub { hash } => (hash, None),
    };
    let header = EventHeader {
        kind: row.kind,
        conversation,
        device,
        log: at.log.log,
        seq: at.seq,
        prev: row.prev,
        parents,
        clock: row.clock,
        view: row.view,
        body_hash,
    };
    Ok(Some(VerifiedEvent::restore(header, row.signature.into_array(), body)))
}
