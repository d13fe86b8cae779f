//! The index itself: open or rebuild, add, remove, commit, search.
//!
//! It is a cache of what the store holds. Nothing here decides whether a message exists: on any
//! doubt the folder is emptied and the caller feeds it again from [`SearchIndex::position`].
//! A message added again, before or after a commit or a restart, replaces the earlier one.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tantivy::TantivyError;
use tantivy::directory::Directory;
use zeroize::Zeroizing;

use super::core::{Core, META, OpenFailure, PAYLOAD};
use super::document::{DocRef, Filter, Hit, IndexDoc, Order, OwnedDoc};
use super::query::Query;
use super::writing::Writing;

/// Documents and bytes of text that wait before they go to the writer together.
const BATCH_DOCS: usize = 512;
const BATCH_BYTES: usize = 512 * 1024;
/// Commits without news after which the writer is let go.
const IDLE_COMMITS: u32 = 4;

/// How much memory the index may take.
#[derive(Clone, Debug)]
pub struct SearchOptions {
    /// Bytes of opened file chunks that are kept; 8 MiB by default.
    pub cache_bytes: usize,
    /// Bytes of the writer's arena while messages are added; 15 MB by default, which is the least.
    pub writer_bytes: usize,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 8 * 1024 * 1024,
            writer_bytes: 15_000_000,
        }
    }
}

/// Full-text search over messages, sealed on disk.
pub struct SearchIndex {
    root: PathBuf,
    key: Zeroizing<[u8; 32]>,
    options: SearchOptions,
    rebuilt: bool,
    core: RwLock<Arc<Core>>,
    writing: Mutex<Writing>,
}

/// Why the index could not be opened or emptied.
#[derive(Debug, thiserror::Error)]
pub enum SearchOpenError {
    /// The folder cannot be read or written (permissions, full disk).
    #[error("the search index folder is not usable")]
    Io(#[from] io::Error),
    /// A new, empty index could not be made.
    #[error("a new search index could not be made: {0}")]
    Create(String),
}

/// Why messages could not be added, removed or committed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file does not open: call [`SearchIndex::reset`] and feed again.
    #[error("the search index is damaged")]
    Damaged,
    /// Writing failed, and everything since the last commit is gone from the index: feed again
    /// from [`SearchIndex::position`].
    #[error("the search index could not be written: {0}")]
    Failed(String),
}

/// Why a search gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A file does not open: call [`SearchIndex::reset`] and feed again.
    #[error("the search index is damaged")]
    Damaged,
    /// The search failed inside.
    #[error("the search failed: {0}")]
    Failed(String),
}

impl SearchIndex {
    /// Opens the index in `dir` under `key`, or makes an empty one. On any doubt (a seal that does
    /// not open, another schema, any error inside) everything in `dir` is deleted and the index
    /// starts empty: see [`SearchIndex::rebuilt`].
    ///
    /// # Errors
    /// `Io`, `Create`: the folder cannot be used at all.
    pub fn open(dir: &Path, key: &[u8; 32], options: SearchOptions) -> Result<Self, SearchOpenError> {
        let fresh = is_empty(dir)?;
        let opened = catch_unwind(AssertUnwindSafe(|| Core::open(dir, key, &options)));
        let (core, rebuilt) = match opened {
            Ok(Ok(core)) => (core, false),
            Ok(Err(OpenFailure::Folder(cause))) => return Err(cause.into()),
            Ok(Err(OpenFailure::Doubt)) | Err(_) => (Core::create(dir, key, &options)?, !fresh),
        };
        Ok(Self {
            root: dir.to_path_buf(),
            key: Zeroizing::new(*key),
            options,
            rebuilt,
            core: RwLock::new(Arc::new(core)),
            writing: Mutex::default(),
        })
    }

    /// Whether `open` threw away an index it could not trust.
    pub fn rebuilt(&self) -> bool {
        self.rebuilt
    }

    /// The caller's feed sequence up to which messages are committed; 0 for an empty index.
    pub fn position(&self) -> u64 {
        self.core().position.load(Ordering::Acquire)
    }

    /// Messages that can be found.
    pub fn document_count(&self) -> u64 {
        self.core().snapshot().searcher.num_docs()
    }

    /// Bytes of all files.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn size_on_disk(&self) -> io::Result<u64> {
        self.core().directory.size_on_disk()
    }

    /// Takes `doc` up with the next commit, in place of an earlier one of the same address. A
    /// `doc` keeps its `clock_ms`; to change it, [`SearchIndex::remove`] first.
    ///
    /// # Errors
    /// See [`IndexError`]. After `Failed`, everything since the last commit is gone.
    pub fn add(&self, doc: &IndexDoc<'_>) -> Result<(), IndexError> {
        let mut writing = self.writing();
        writing.changed = true;
        writing.waiting_bytes += doc.text.len();
        writing.waiting.insert(doc.doc, OwnedDoc::from(doc));
        if writing.waiting.len() >= BATCH_DOCS || writing.waiting_bytes >= BATCH_BYTES {
            self.guarded(&mut writing, |core, writing| writing.write_out(core, &self.options))?;
        }
        Ok(())
    }

    /// Drops the message at `doc`, if there is one, with the next commit.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn remove(&self, doc: &DocRef) -> Result<(), IndexError> {
        let mut writing = self.writing();
        writing.changed = true;
        if let Some(waiting) = writing.waiting.remove(doc) {
            writing.waiting_bytes = writing.waiting_bytes.saturating_sub(waiting.text.len());
        }
        writing.removals.insert(*doc);
        if writing.removals.len() >= BATCH_DOCS {
            self.guarded(&mut writing, |core, writing| writing.write_out(core, &self.options))?;
        }
        Ok(())
    }

    /// Makes everything added and removed so far visible, and `position` with it, in one step. It
    /// survives the end of the process, not always a power cut (which is found by the seals).
    ///
    /// # Errors
    /// See [`IndexError`]. After `Failed`, everything since the last commit is gone.
    pub fn commit(&self, position: u64) -> Result<(), IndexError> {
        let mut writing = self.writing();
        if !writing.changed && position == self.position() {
            writing.idle = writing.idle.saturating_add(1);
            if writing.idle >= IDLE_COMMITS {
                self.guarded(&mut writing, |core, writing| writing.release(core))?;
            }
            return Ok(());
        }
        self.guarded(&mut writing, |core, writing| {
            writing.write_out(core, &self.options)?;
            let mut prepared = writing.writer(core, &self.options)?.prepare_commit()?;
            prepared.set_payload(&format!("{PAYLOAD}{position}"));
            prepared.commit()?;
            writing.written.clear();
            writing.changed = false;
            writing.idle = 0;
            core.position.store(position, Ordering::Release);
            core.reload()
        })
    }

    /// Waits for merges and gives back the writer's memory and threads. Does nothing while there
    /// is something to commit. The next `add` or `commit` makes a new writer.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn release_writer(&self) -> Result<(), IndexError> {
        let mut writing = self.writing();
        if writing.changed {
            return Ok(());
        }
        self.guarded(&mut writing, |core, writing| writing.release(core))
    }

    /// Finds committed messages: those at `offset..offset + limit` of all that match `query` and
    /// pass `filter`, in `order`. See [`Order`] for when typos count.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub fn search(
        &self,
        query: &Query,
        filter: &Filter,
        order: Order,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Hit>, SearchError> {
        let core = self.core();
        if limit == 0 {
            return Ok(Vec::new());
        }
        let found = catch_unwind(AssertUnwindSafe(|| core.search(query, filter, order, offset, limit)));
        if core.directory.is_damaged() {
            self.distrust(&core);
            return Err(SearchError::Damaged);
        }
        match found {
            Ok(Err(TantivyError::DataCorruption(_) | TantivyError::OpenReadError(_))) => {
                self.distrust(&core);
                Err(SearchError::Damaged)
            }
            Ok(found) => found.map_err(|cause| SearchError::Failed(cause.to_string())),
            Err(_) => Err(SearchError::Failed("a search panicked".to_owned())),
        }
    }

    /// Opens every chunk of every file: finds damage that no search has met yet.
    ///
    /// # Errors
    /// `Damaged`, or `Failed` if a file cannot be read.
    pub fn verify(&self) -> Result<(), SearchError> {
        let core = self.core();
        let checked = core.verify();
        if core.directory.is_damaged() {
            self.distrust(&core);
            return Err(SearchError::Damaged);
        }
        checked.map_err(|cause| SearchError::Failed(cause.to_string()))
    }

    /// The addresses of all messages that can be found.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub fn addresses(&self) -> Result<Vec<DocRef>, SearchError> {
        let core = self.core();
        let snapshot = core.snapshot();
        let mut all = Vec::new();
        for (ord, reader) in (0..).zip(snapshot.searcher.segment_readers()) {
            for doc in reader.doc_ids_alive() {
                let address = snapshot.address(&core.fields, tantivy::DocAddress::new(ord, doc));
                all.push(address.map_err(|cause| SearchError::Failed(cause.to_string()))?);
            }
        }
        Ok(all)
    }

    /// Throws the index away and starts an empty one at position 0.
    ///
    /// # Errors
    /// The folder cannot be used; the index stays as it was or damaged.
    pub fn reset(&self) -> Result<(), SearchOpenError> {
        let mut writing = self.writing();
        *writing = Writing::default();
        // A search that still runs on the old files and finds damage must not delete the new ones.
        self.core().directory.shut();
        let core = Core::create(&self.root, &self.key, &self.options)?;
        *self.core.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(core);
        Ok(())
    }

    pub(super) fn core(&self) -> Arc<Core> {
        Arc::clone(&self.core.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a write; on failure nothing since the last commit is kept.
    fn guarded(
        &self,
        writing: &mut Writing,
        work: impl FnOnce(&Core, &mut Writing) -> tantivy::Result<()>,
    ) -> Result<(), IndexError> {
        let core = self.core();
        let done = catch_unwind(AssertUnwindSafe(|| work(&core, writing)));
        let damaged = core.directory.is_damaged();
        if !damaged && matches!(done, Ok(Ok(()))) {
            return Ok(());
        }
        // The writer goes first: one of its merges could still write down that the index is good.
        *writing = Writing::default();
        if damaged {
            self.distrust(&core);
            return Err(IndexError::Damaged);
        }
        Err(IndexError::Failed(match done {
            Ok(Err(cause)) => cause.to_string(),
            _ => "a write panicked".to_owned(),
        }))
    }

    /// Sees to it that a damaged index is not opened again.
    pub(super) fn distrust(&self, core: &Core) {
        // If this fails too, the next open meets the damage itself or a search does.
        let _ = core.directory.delete(Path::new(META));
    }
}

impl fmt::Debug for SearchIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchIndex")
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

fn is_empty(dir: &Path) -> io::Result<bool> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(cause) => Err(cause),
    }
}
