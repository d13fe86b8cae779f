//! Reading: one trait for the database and for a transaction over it.

use super::Db;

/// A key with its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Rows in key order, from either end, read as they are asked for.
pub type Rows<'a> = Box<dyn DoubleEndedIterator<Item = Result<Row, ReadError>> + 'a>;

/// Keys in order, from either end, read as they are asked for.
pub type RowKeys<'a> = Box<dyn DoubleEndedIterator<Item = Result<Vec<u8>, ReadError>> + 'a>;

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A page is not what was written there: all rows with `from <= key < to` are lost, if there were any.
    #[error("a page of stored rows is damaged")]
    Damaged {
        /// The first key that may be lost.
        from: Vec<u8>,
        /// The first one after it that is not; `None` where all are.
        to: Option<Vec<u8>>,
    },
    /// The storage engine could not read its files.
    #[error("reading the store failed: {detail}")]
    State {
        /// What the engine said.
        detail: String,
    },
}

/// What can be asked by key and by key range: a `Db`, or a `Txn` over it.
pub trait Read {
    /// The value under `key`.
    ///
    /// # Errors
    /// `Damaged`: the rows around it are lost. `State`: the engine cannot read its files.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// The rows with `from <= key < to`.
    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a>;

    /// The keys with `from <= key < to`.
    fn scan_keys<'a>(&'a self, from: &[u8], to: &[u8]) -> RowKeys<'a>;

    /// Whether there is a row with `from <= key < to`.
    ///
    /// # Errors
    /// `State`: the engine cannot read its files.
    fn any(&self, from: &[u8], to: &[u8]) -> Result<bool, ReadError> {
        Ok(self.scan_keys(from, to).next().transpose()?.is_some())
    }
}

impl Read for Db {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Self::get(self, key)
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        Box::new(Self::scan(self, from, to))
    }

    fn scan_keys<'a>(&'a self, from: &[u8], to: &[u8]) -> RowKeys<'a> {
        Box::new(Self::scan_keys(self, from, to))
    }

    fn any(&self, from: &[u8], to: &[u8]) -> Result<bool, ReadError> {
        Self::any(self, from, to)
    }
}
