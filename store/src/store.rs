//! One account's database and search index, opened together.

use std::path::Path;

use parlour_crypto::DataKey;

use crate::db::{
    Batch, CommitError, CompactError, Compacted, Db, DbOptions, OpenError, OpenReport, Read, ReadError, Txn,
};
use crate::finder::Finder;
use crate::search::SearchOpenError;

/// An account's store. Cheap to clone; any clone may read, one caller writes.
#[derive(Clone)]
pub struct Store {
    db: Db,
    finder: Finder,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Opening an account's store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The search index.
    #[error("opening the search index failed")]
    Search(#[from] SearchOpenError),
}

impl Store {
    /// Opens or makes the store in an account's directory.
    ///
    /// # Errors
    /// The database or the index cannot be used.
    pub fn open(account_dir: &Path, key: &DataKey, options: DbOptions) -> Result<(Self, OpenReport), StoreOpenError> {
        let (db, report) = Db::open(&account_dir.join("db"), &key.subkey("database"), options)?;
        let finder = Finder::open(&account_dir.join("search"), &key.subkey("search"))?;
        Ok((Self { db, finder }, report))
    }

    /// Rewrites the database in an account's directory, which nobody has open, so that it takes as little space as it can.
    /// `progress` is told how many rows were copied.
    ///
    /// # Errors
    /// See [`CompactError`]; the database is as it was.
    pub fn compact(
        account_dir: &Path,
        key: &DataKey,
        options: DbOptions,
        progress: impl FnMut(u64),
    ) -> Result<Compacted, CompactError> {
        crate::db::compact(&account_dir.join("db"), &key.subkey("database"), options, progress)
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The searcher.
    #[must_use]
    pub fn finder(&self) -> &Finder {
        &self.finder
    }

    /// Starts a batch that reads its own writes.
    #[must_use]
    pub fn begin(&self) -> Txn<'_> {
        self.db.begin()
    }

    /// Makes a batch durable, then visible.
    ///
    /// # Errors
    /// Nothing was acknowledged; see [`CommitError`].
    pub fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.db.commit(batch)
    }
}

impl Read for Store {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Db::get(&self.db, key)
    }
    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> Box<dyn DoubleEndedIterator<Item = Result<(Vec<u8>, Vec<u8>), ReadError>> + '_> {
        Read::scan(&self.db, from, to)
    }
    fn scan_keys(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> Box<dyn DoubleEndedIterator<Item = Result<Vec<u8>, ReadError>> + '_> {
        Read::scan_keys(&self.db, from, to)
    }
}
