//! Ratchet sessions: a small core each, with every skipped key and old chain a row of its own.

use parlour_crypto::{RecordChange, Session, SessionId};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::Zeroize;

use crate::db::{Read, Txn};
use crate::keyspace::{DeviceNo, Fields, Key, Kind};
use crate::record::{self, Row, StoreError};

/// What is known of a session beside its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The other device.
    pub device: DeviceNo,
    /// The other side has shown that it has the session too.
    pub confirmed: bool,
    /// When it was made, ms.
    pub created: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct CoreRow {
    info: SessionInfo,
    core: ByteBuf,
}

impl Row for CoreRow {
    const NOUN: &'static str = "session";
}

impl Drop for CoreRow {
    fn drop(&mut self) {
        self.core.zeroize();
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct RecordRow(ByteBuf);

impl Row for RecordRow {
    const NOUN: &'static str = "session record";
}

impl Drop for RecordRow {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

fn key(id: &SessionId) -> Vec<u8> {
    Key::new(Kind::Session).session(id).done()
}

fn record_key(id: &SessionId, record: &[u8]) -> Vec<u8> {
    Key::new(Kind::SessionRecord).session(id).bytes(record).done()
}

/// Writes a session's core and the records that changed since it was last saved.
pub fn save(txn: &mut Txn<'_>, info: &SessionInfo, session: &mut Session) {
    let id = session.id();
    let row = CoreRow {
        info: *info,
        core: ByteBuf::from(session.core().to_vec()),
    };
    record::put(txn, key(&id), &row);
    for RecordChange { key, value } in session.take_changes() {
        let key = record_key(&id, &key);
        match value {
            Some(value) => record::put(txn, key, &RecordRow(ByteBuf::from(value.to_vec()))),
            None => txn.delete(key),
        }
    }
}

/// Loads every session.
///
/// # Errors
/// The database cannot be read, or a row is malformed.
pub fn all(read: &impl Read) -> Result<Vec<(SessionInfo, Session)>, StoreError> {
    record::scan::<CoreRow>(read, &Key::new(Kind::Session).range())
        .map(|row| {
            let (key, row) = row?;
            let damaged = || StoreError::Malformed { noun: "session" };
            let id = Fields(key.get(1..).unwrap_or_default())
                .array::<32>()
                .ok_or_else(damaged)?;
            let prefix = Key::new(Kind::SessionRecord).bytes(&id).range();
            let records = record::scan::<RecordRow>(read, &prefix)
                .map(|row| {
                    let (key, row) = row?;
                    let name = key.get(33..).and_then(|k| k.try_into().ok()).ok_or_else(damaged)?;
                    Ok((name, zeroize::Zeroizing::new(row.0.to_vec())))
                })
                .collect::<Result<Vec<_>, StoreError>>()?;
            let session = Session::load(&row.core, records).map_err(|_| damaged())?;
            Ok((row.info, session))
        })
        .collect()
}

/// Forgets a session.
///
/// # Errors
/// As [`all`].
pub fn delete(txn: &mut Txn<'_>, id: &SessionId) -> Result<(), StoreError> {
    txn.delete(key(id));
    let (from, to) = Key::new(Kind::SessionRecord).session(id).range();
    let keys = txn.scan_keys(&from, &to).collect::<Result<Vec<_>, _>>()?;
    for key in keys {
        txn.delete(key);
    }
    Ok(())
}
