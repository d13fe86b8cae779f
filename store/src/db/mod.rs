//! The durable key-value layer: an acknowledged commit is on disk, and damage is found and named.
//!
//! ```text
//! commit      seal -> one append and one fdatasync to the journal -> memtable
//! checkpoint  new journal file and memtable -> the old memtable into pages, written where nothing stands -> fdatasync
//!             -> directory of pages in the storage engine -> flush and fdatasync the engine -> head file, two copies
//!             -> drop old journals
//! open        head -> directory of pages -> replay the journals since the head
//! read        memtables -> opened pages -> file of pages
//! ```
//! Files: `VERSION`, `head-a` and `head-b`, `kept`, `reached`, `journal/<epoch>.log`, `state/pages` (sealed pages of rows),
//! `state/` (beside it the storage engine, sled, which says where the pages stand), `damaged-<n>/` (what was found broken, copied
//! before anything was changed). Of the keys, the first one of each page is stored plain; all else is sealed. This layer knows
//! nothing of what the values mean.

mod batch;
mod bytes;
#[cfg(any(test, fuzzing))]
mod check;
mod checkpoint;
mod compact;
mod damage;
mod disk;
mod engine;
#[cfg(test)]
pub(crate) mod faults;
mod head;
mod journal;
mod kept;
mod lock;
mod memtable;
mod merge;
mod migrate;
mod open;
mod permissions;
mod reached;
mod read;
mod replay;
mod restore;
mod seal;
mod state;
mod survey;
#[cfg(test)]
mod tests;
mod txn;
mod version;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

pub use batch::Batch;
#[cfg(any(test, fuzzing))]
pub use check::file;
#[cfg(test)]
pub(crate) use check::files;
pub(crate) use compact::compact;
pub use compact::{CompactError, Compacted};
pub use damage::Damage;
pub use lock::{DataLock, LockError};
pub use open::{OpenError, OpenReport};
pub use permissions::{private_dir, private_file};
pub use read::{Read, ReadError, Row, RowKeys, Rows};
pub use txn::Txn;
pub use writer::CommitError;

use checkpoint::Checkpoints;
use memtable::Memtables;
use merge::Merge;
use seal::Keys;
use state::{State, StateOptions};
use txn::there;
use writer::Writer;

/// Most milliseconds that records wait for a checkpoint.
const CHECKPOINT_MS: u64 = 30_000;

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct DbOptions {
    /// Memory for pages that are kept open, and for the storage engine, in bytes.
    pub cache_bytes: u64,
    /// Journal size, in bytes, from which a checkpoint is due.
    pub checkpoint_bytes: u64,
    /// Free disk space, in bytes, below which commits are refused as `DiskFull`. The storage engine writes
    /// after a commit is acknowledged and cannot go on once it meets a full disk, so some is kept for it.
    pub reserve_bytes: u64,
    /// First bytes of the keys whose rows are kept a second time, outside the storage engine: for the few rows that nobody else
    /// has.
    pub kept: &'static [u8],
    /// First bytes of the keys that come in no order, as hashes do: a new row touches another page than the one before, so their
    /// pages are smaller.
    pub scattered: &'static [u8],
    /// A row that is written together with what a start forgets or goes on without: as long as it is there, somebody is still to
    /// make the loss good, whatever stopped the process in between.
    pub on_loss: Option<Row>,
    #[cfg(test)]
    pub(crate) faults: Arc<faults::Faults>,
}

impl Default for DbOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 3 * 1024 * 1024,
            checkpoint_bytes: 1024 * 1024,
            reserve_bytes: 48 * 1024 * 1024,
            kept: &[],
            scattered: &[],
            on_loss: None,
            #[cfg(test)]
            faults: Arc::default(),
        }
    }
}

/// What state a database is in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Why nothing can be written any more until a restart; `None` while all is well.
    pub read_only: Option<String>,
    /// Whether the last write found the disk full.
    pub disk_full: bool,
    /// Why the storage engine stopped writing in the background, if it did.
    pub state_error: Option<String>,
    /// Bytes of records not yet covered by a checkpoint.
    pub journal_bytes: u64,
}

/// A durable, sealed, ordered key-value store. Cloning gives another handle on the same one.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    options: DbOptions,
    keys: Arc<Keys>,
    state: State,
    memtables: Memtables,
    writer: Mutex<Writer>,
    checkpoints: Mutex<Checkpoints>,
    read_only: OnceLock<String>,
    disk_full: AtomicBool,
    journal_bytes: AtomicU64,
    /// When records without a checkpoint were first noticed, in ms; 0 for never.
    waiting_since_ms: AtomicU64,
    /// Last, so that the directory stays locked until the files are closed.
    _lock: DataLock,
}

impl Db {
    /// Opens the database in `dir`, creating it if the directory is empty or missing.
    ///
    /// What was acknowledged is there again after a crash at any point. Files that contradict each other are
    /// copied to `damaged-<n>/`, named in the report, and what is left of them is opened.
    ///
    /// # Errors
    /// `NewerFormat`, `WrongKey`, `InUse`: nothing was changed. The others: a file could not be used.
    pub fn open(dir: &Path, key: &[u8; 32], options: DbOptions) -> Result<(Self, OpenReport), OpenError> {
        open::open(dir, key, options)
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// `Damaged`: its page does not open. `State`: the file cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        if let Some(newest) = self.0.memtables.get(key) {
            return Ok(newest);
        }
        self.0.state.get(key)
    }

    /// The rows with `from <= key < to`, read as they are asked for. Commits made meanwhile may or may not
    /// be seen.
    pub fn scan<'a>(
        &'a self,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<Row, ReadError>> + use<'a> {
        self.0.overlaid(from, to, <[u8]>::to_vec, |plain| plain.to_vec())
    }

    /// The keys with `from <= key < to`.
    pub fn scan_keys<'a>(
        &'a self,
        from: &[u8],
        to: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<Vec<u8>, ReadError>> + use<'a> {
        let keys = self.0.overlaid(from, to, |_| (), |_| ());
        keys.map(|row| row.map(|(key, ())| key))
    }

    /// Whether there is a row with `from <= key < to`.
    ///
    /// # Errors
    /// As [`Db::get`].
    pub fn any(&self, from: &[u8], to: &[u8]) -> Result<bool, ReadError> {
        // Before the engine is asked: a checkpoint may be moving rows into it.
        if self.0.memtables.touch(from, to) {
            return Ok(self.scan_keys(from, to).next().transpose()?.is_some());
        }
        let row = self.0.state.range(from, to, |_| ()).next();
        Ok(row.transpose()?.is_some())
    }

    /// Begins a transaction: reads that see their own writes.
    #[must_use]
    pub fn begin(&self) -> Txn<'_> {
        Txn::resume(self, Batch::new())
    }

    /// Makes `batch` durable and visible, all of it or nothing; once this returns `Ok` it survives a crash.
    /// An empty batch costs nothing.
    ///
    /// # Errors
    /// `KeyTooLong`, `ValueTooLong`, `BatchTooLong`: nothing was written. `DiskFull`: nothing was written, and
    /// it can be tried again. `ReadOnly`: whether the batch is there shows after a restart; reads go on.
    pub fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.0.commit(batch)
    }

    /// Makes the storage engine's own files durable and begins a new journal. Commits and reads go on
    /// meanwhile.
    ///
    /// # Errors
    /// `DiskFull`: nothing is lost, it can be tried again. `ReadOnly`: reads go on, nothing acknowledged is
    /// lost.
    pub fn checkpoint(&self) -> Result<(), CommitError> {
        self.0.checkpoint()
    }

    /// Whether a checkpoint is due at `now_ms` (milliseconds since the epoch): the journal has reached its
    /// size, or records have waited for 30 seconds since this was first asked with them there.
    #[must_use]
    pub fn needs_checkpoint(&self, now_ms: u64) -> bool {
        let waiting = self.0.journal_bytes.load(Ordering::Acquire);
        if waiting == 0 {
            return false;
        }
        if waiting >= self.0.options.checkpoint_bytes {
            return true;
        }
        let first = now_ms.max(1);
        match self
            .0
            .waiting_since_ms
            .compare_exchange(0, first, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => false,
            Err(since) => now_ms.saturating_sub(since) >= CHECKPOINT_MS,
        }
    }

    /// The marks as committed so far: lower bounds of what the store must hold.
    #[must_use]
    pub fn marks(&self) -> BTreeMap<Vec<u8>, u64> {
        self.0.writer_unchecked().marks.clone()
    }

    /// What state the database is in.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            read_only: self.0.read_only.get().cloned(),
            disk_full: self.0.disk_full.load(Ordering::Acquire),
            state_error: self.0.state.engine.background_error(),
            journal_bytes: self.0.journal_bytes.load(Ordering::Acquire),
        }
    }

    /// Bytes all files of the database take, those set aside as damaged not counted.
    #[must_use]
    pub fn size_on_disk(&self) -> u64 {
        checkpoint::size_on_disk(&self.0.dir)
    }

    /// Makes a last checkpoint and gives this handle back. Dropping it without is safe too; the next start
    /// then replays the journal.
    ///
    /// # Errors
    /// As [`Db::checkpoint`].
    pub fn close(self) -> Result<(), CommitError> {
        self.0.checkpoint()?;
        self.0.trim();
        Ok(())
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("dir", &self.0.dir).finish_non_exhaustive()
    }
}

impl DbOptions {
    fn state(&self) -> StateOptions {
        StateOptions {
            cache_bytes: self.cache_bytes,
            scattered: self.scattered,
        }
    }
}

impl Inner {
    /// The state's rows under what is in the memtables.
    fn overlaid<V, F: Fn(&[u8]) -> V>(
        &self,
        from: &[u8],
        to: &[u8],
        value: F,
        project: memtable::Project<V>,
    ) -> impl DoubleEndedIterator<Item = Result<(Vec<u8>, V), ReadError>> + use<'_, V, F> {
        // In this order: a checkpoint moves rows from the tables into the state, never back.
        let [frozen, active] = self.memtables.ranges(from, to, project);
        let base = self.state.range(from, to, value);
        Merge::new(Merge::new(base, frozen), active).filter_map(there)
    }
}
