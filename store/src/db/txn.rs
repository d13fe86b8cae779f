//! A transaction: a batch in the making that reads its own writes.
//!
//! It takes no lock. There is one writer, so what it read is still true when its batch is committed.

use std::collections::btree_map;
use std::fmt;
use std::ops::Bound;

use super::Db;
use super::batch::Batch;
use super::read::{Read, ReadError, RowKeys, Rows};

/// Reads a `Db` through the writes collected so far.
pub struct Txn<'db> {
    db: &'db Db,
    batch: Batch,
}

impl<'db> Txn<'db> {
    /// Goes on with `batch`: its writes are seen by the reads.
    #[must_use]
    pub fn resume(db: &'db Db, batch: Batch) -> Self {
        Self { db, batch }
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
        let base = self.db.scan(from, to).map(|row| Merged {
            order: row.as_ref().ok().map(|(key, _)| key.clone()),
            item: Some(row),
        });
        let over = self.overlay(from, to).map(|(key, value)| Merged {
            order: Some(key.clone()),
            item: value.as_ref().map(|value| Ok((key.clone(), value.clone()))),
        });
        Box::new(Merge::new(base, over))
    }

    /// As [`Read::scan_keys`].
    pub fn scan_keys<'a>(&'a self, from: &[u8], to: &[u8]) -> RowKeys<'a> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let base = self.db.scan_keys(from, to).map(|key| Merged {
            order: key.as_ref().ok().cloned(),
            item: Some(key),
        });
        let over = self.overlay(from, to).map(|(key, value)| Merged {
            order: Some(key.clone()),
            item: value.as_ref().map(|_| Ok(key.clone())),
        });
        Box::new(Merge::new(base, over))
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
}

impl fmt::Debug for Txn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Txn")
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

/// An item on its way through a merge. `order` is its key (`None` for a read error, which goes first);
/// `item` is `None` where the overlay deletes the key.
struct Merged<T> {
    order: Option<Vec<u8>>,
    item: Option<T>,
}

/// An iterator with one item held back at each end.
struct Ends<I: Iterator> {
    inner: I,
    front: Option<I::Item>,
    back: Option<I::Item>,
}

impl<I: DoubleEndedIterator> Ends<I> {
    fn new(inner: I) -> Self {
        Self {
            inner,
            front: None,
            back: None,
        }
    }

    fn fill_front(&mut self) {
        if self.front.is_none() {
            self.front = self.inner.next().or_else(|| self.back.take());
        }
    }

    fn fill_back(&mut self) {
        if self.back.is_none() {
            self.back = self.inner.next_back().or_else(|| self.front.take());
        }
    }
}

/// Two ordered iterators as one; where both have a key, the second one's item stands.
struct Merge<A: Iterator, B: Iterator> {
    base: Ends<A>,
    over: Ends<B>,
}

impl<T, A, B> Merge<A, B>
where
    A: DoubleEndedIterator<Item = Merged<T>>,
    B: DoubleEndedIterator<Item = Merged<T>>,
{
    fn new(base: A, over: B) -> Self {
        Self {
            base: Ends::new(base),
            over: Ends::new(over),
        }
    }
}

impl<T, A, B> Iterator for Merge<A, B>
where
    A: DoubleEndedIterator<Item = Merged<T>>,
    B: DoubleEndedIterator<Item = Merged<T>>,
{
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            self.base.fill_front();
            self.over.fill_front();
            let merged = match (&self.base.front, &self.over.front) {
                (Some(base), Some(over)) if base.order < over.order => self.base.front.take(),
                (Some(base), Some(over)) => {
                    if base.order == over.order {
                        self.base.front = None;
                    }
                    self.over.front.take()
                }
                (Some(_), None) => self.base.front.take(),
                (None, _) => self.over.front.take(),
            };
            if let Some(item) = merged?.item {
                return Some(item);
            }
        }
    }
}

impl<T, A, B> DoubleEndedIterator for Merge<A, B>
where
    A: DoubleEndedIterator<Item = Merged<T>>,
    B: DoubleEndedIterator<Item = Merged<T>>,
{
    fn next_back(&mut self) -> Option<T> {
        loop {
            self.base.fill_back();
            self.over.fill_back();
            let merged = match (&self.base.back, &self.over.back) {
                (Some(base), Some(over)) if base.order.is_none() || base.order > over.order => self.base.back.take(),
                (Some(base), Some(over)) => {
                    if base.order == over.order {
                        self.base.back = None;
                    }
                    self.over.back.take()
                }
                (Some(_), None) => self.base.back.take(),
                (None, _) => self.over.back.take(),
            };
            if let Some(item) = merged?.item {
                return Some(item);
            }
        }
    }
}
