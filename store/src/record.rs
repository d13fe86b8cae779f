//! Versioned rows: a version byte, then postcard. Nothing here knows what a row means.

use parlour_crypto::{decode_own, encode_into};
use serde::{Serialize, de::DeserializeOwned};

use crate::db::{Read, ReadError, Txn};

/// Reading a row failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be read.
    #[error("reading the database failed")]
    Read(#[from] ReadError),
    /// A row opened but is not what this build writes.
    #[error("a {noun} row is malformed")]
    Malformed {
        /// What kind of row.
        noun: &'static str,
    },
}

/// A kind of row.
pub(crate) trait Row: Serialize + DeserializeOwned {
    /// What it is called in errors.
    const NOUN: &'static str;
    /// The version that this build writes.
    const VERSION: u8 = 1;

    /// What a row of an older version means today; `None` if there is no such version.
    fn older(_version: u8, _rest: &[u8]) -> Option<Self> {
        None
    }
}

pub(crate) fn encode_row<T: Row>(row: &T) -> Vec<u8> {
    encode_into(vec![T::VERSION], row)
}

pub(crate) fn decode_row<T: Row>(bytes: &[u8]) -> Result<T, StoreError> {
    let malformed = StoreError::Malformed { noun: T::NOUN };
    match bytes.split_first() {
        Some((version, rest)) if *version == T::VERSION => decode_own(rest).map_err(|_| malformed),
        Some((version, rest)) => T::older(*version, rest).ok_or(malformed),
        None => Err(malformed),
    }
}

pub(crate) fn get<T: Row>(read: &impl Read, key: &[u8]) -> Result<Option<T>, StoreError> {
    read.get(key)?.map(|bytes| decode_row(&bytes)).transpose()
}

pub(crate) fn put<T: Row>(txn: &mut Txn<'_>, key: Vec<u8>, row: &T) {
    txn.put(key, encode_row(row));
}

/// All rows of a half-open key range, in key order (or backwards with `.rev()`).
pub(crate) fn scan<'a, T: Row + 'a>(
    read: &'a impl Read,
    range: &(Vec<u8>, Vec<u8>),
) -> impl DoubleEndedIterator<Item = Result<(Vec<u8>, T), StoreError>> + 'a {
    read.scan(&range.0, &range.1).map(|item| {
        let (key, value) = item?;
        Ok((key, decode_row(&value)?))
    })
}
