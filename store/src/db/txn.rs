//! A transaction: a batch in the making that reads its own writes.
//!
//! It takes no lock. There is one writer, so what it read is still true when its batch is committed.

use std::collections::btree_map;
use std::fmt;
use std::ops::Bound;

use super::Db;
use super::batch::Batch;
use super::merge::{Entry, Merge};
use super::read::{Read, ReadError, RowKeys, Rows};

/// Reads a `Db` through the writes collected so far.
pub struct Txn<'db> {
    db: &'db Db,
    batch: Batch,
    /// Rows rewritten for somebody else's wish, by whoever counts them.
    spent: usize,
}

impl<'db> Txn<'db> {
    /// Goes on with `batch`: its writes are seen by the reads.
    #[must_use]
    pub fn resume(db: &'db Db, batch: Batch) -> Self {
        Self { db, batch, spent: 0 }
    }

    /// The database under this transaction, without its writes.
    #[must_use]
    pub fn db(&self) -> &'db Db {
        self.db
    }

    /// Stores `value` under `key`.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.batch.put(key, value);
    }

    /// Removes `key`.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.batch.delete(key);
    }

    /// Raises the mark `name` to at least `value`.
    pub fn mark(&mut self, name: Vec<u8>, value: u64) {
        self.batch.mark(name, value);
    }

    /// Adds the writes and marks of `batch`.
    pub fn merge(&mut self, batch: Batch) {
        self.batch.merge(batch);
    }

    /// How much work was noted on this transaction.
    pub(crate) fn spent(&self) -> usize {
        self.spent
    }

    /// Notes work that is to be bounded over the whole transaction.
    pub(crate) fn spend(&mut self, work: usize) {
        self.spent = self.spent.saturating_add(work);
    }

    /// The writes so far.
    #[must_use]
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The collected writes, to be committed.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        self.batch
    }

    /// As [`Read::get`].
    ///
    /// # Errors
    /// As [`Read::get`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self.batch.writes().get(key) {
            Some(value) => Ok(value.clone()),
            None => self.db.get(key),
        }
    }

    /// As [`Read::scan`].
    pub fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let base = self.db.scan(from, to).map(present);
        let over = self.overlay(from, to);
        let over = over.map(|(key, value)| Ok((key.clone(), value.clone())));
        Box::new(Merge::new(base, over).filter_map(there))
    }

    /// As [`Read::scan_keys`].
    pub fn scan_keys<'a>(&'a self, from: &[u8], to: &[u8]) -> RowKeys<'a> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let base = self.db.scan_keys(from, to).map(|key| key.map(|key| (key, Some(()))));
        let over = self.overlay(from, to);
        let over = over.map(|(key, value)| Ok((key.clone(), value.as_ref().map(|_| ()))));
        let merged = Merge::new(base, over).filter_map(there);
        Box::new(merged.map(|row| row.map(|(key, ())| key)))
    }

    fn overlay(&self, from: &[u8], to: &[u8]) -> btree_map::Range<'_, Vec<u8>, Option<Vec<u8>>> {
        self.batch
            .writes()
            .range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
    }
}

impl Read for Txn<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Self::get(self, key)
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        Self::scan(self, from, to)
    }

    fn scan_keys<'a>(&'a self, from: &[u8], to: &[u8]) -> RowKeys<'a> {
        Self::scan_keys(self, from, to)
    }

    fn any(&self, from: &[u8], to: &[u8]) -> Result<bool, ReadError> {
        if from < to && self.overlay(from, to).next().is_some() {
            return Ok(Self::scan_keys(self, from, to).next().transpose()?.is_some());
        }
        self.db.any(from, to)
    }
}

impl fmt::Debug for Txn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Txn")
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

fn present<V>(row: Result<(Vec<u8>, V), ReadError>) -> Entry<V> {
    row.map(|(key, value)| (key, Some(value)))
}

/// Leaves out what is deleted.
pub(super) fn there<V>(entry: Entry<V>) -> Option<Result<(Vec<u8>, V), ReadError>> {
    match entry {
        Ok((key, value)) => value.map(|value| Ok((key, value))),
        Err(error) => Some(Err(error)),
    }
}
