//! The index itself: open or rebuild, add, remove, commit, search.
//!
//! It is a cache of what the store holds. Nothing here decides whether a message exists: on any
//! doubt the folder is emptied and the caller feeds it again from [`SearchIndex::position`].
//! A message added again, before or after a commit or a restart, replaces the earlier one.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tantivy::directory::Directory;
use tantivy::directory::error::OpenReadError;
use tantivy::index::SegmentComponent;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyError};
use zeroize::Zeroizing;

use super::directory::{SealedDirectory, clear};
use super::document::{DocRef, Fields, Filter, Hit, IndexDoc, Order, OwnedDoc, TOKENIZER};
use super::query::{Closeness, Query};
use super::removal::Addresses;
use super::segments::Snapshot;
use super::tokenizer::MessageTokenizer;

const META: &str = "meta.json";
const PAYLOAD: &str = "position=";
/// Documents and bytes of text that wait before they go to the writer together.
const BATCH_DOCS: usize = 512;
const BATCH_BYTES: usize = 512 * 1024;
/// Commits without news after which the writer is let go.
const IDLE_COMMITS: u32 = 4;
/// Segments of one size that are merged, and documents from which on a segment stays as it is.
const MERGE_SEGMENTS: usize = 6;
const MERGE_DOCS: usize = 400_000;
const SMALLEST_LAYER: u32 = 4_000;
const LAYER_LOG_SIZE: f64 = 2.0;
const MERGE_DELETED_RATIO: f32 = 0.3;
/// Decompressed blocks of addresses kept per segment (4 KiB each).
const ADDRESS_BLOCKS: usize = 8;

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

/// An open folder.
struct Core {
    directory: SealedDirectory,
    index: Index,
    reader: IndexReader,
    fields: Fields,
    snapshot: RwLock<Arc<Snapshot>>,
    position: AtomicU64,
}

/// What was given since the last commit.
#[derive(Default)]
struct Writing {
    writer: Option<IndexWriter>,
    waiting: BTreeMap<DocRef, OwnedDoc>,
    waiting_bytes: usize,
    removals: BTreeSet<DocRef>,
    written: HashSet<DocRef>,
    changed: bool,
    idle: u32,
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
        let names = core.index.directory().list_managed_files();
        let checked = core.directory.verify(names);
        if core.directory.is_damaged() {
            self.distrust(&core);
            return Err(SearchError::Damaged);
        }
        checked.map_err(|cause| SearchError::Failed(cause.to_string()))
    }

    /// Throws the index away and starts an empty one at position 0.
    ///
    /// # Errors
    /// The folder cannot be used; the index stays as it was or damaged.
    pub fn reset(&self) -> Result<(), SearchOpenError> {
        let mut writing = self.writing();
        *writing = Writing::default();
        let core = Core::create(&self.root, &self.key, &self.options)?;
        *self.core.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(core);
        Ok(())
    }

    fn core(&self) -> Arc<Core> {
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
        let error = match done {
            _ if damaged => {
                self.distrust(&core);
                IndexError::Damaged
            }
            Ok(Ok(())) => return Ok(()),
            Ok(Err(cause)) => IndexError::Failed(cause.to_string()),
            Err(_) => IndexError::Failed("a write panicked".to_owned()),
        };
        *writing = Writing::default();
        Err(error)
    }

    /// Sees to it that a damaged index is not opened again.
    fn distrust(&self, core: &Core) {
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

enum OpenFailure {
    Folder(io::Error),
    Doubt,
}

impl From<TantivyError> for OpenFailure {
    fn from(_: TantivyError) -> Self {
        Self::Doubt
    }
}

impl From<OpenReadError> for OpenFailure {
    fn from(_: OpenReadError) -> Self {
        Self::Doubt
    }
}

fn is_empty(dir: &Path) -> io::Result<bool> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(cause) => Err(cause),
    }
}

impl Core {
    fn open(dir: &Path, key: &[u8; 32], options: &SearchOptions) -> Result<Self, OpenFailure> {
        let directory = SealedDirectory::open(dir, key, options.cache_bytes).map_err(OpenFailure::Folder)?;
        let index = Index::open(directory.clone())?;
        let metas = index.load_metas()?;
        let (schema, fields) = Fields::schema();
        if index.schema() != schema || *index.settings() != Fields::settings() {
            return Err(OpenFailure::Doubt);
        }
        // tantivy takes a missing positions file for an empty one.
        for segment in &metas.segments {
            if !directory.exists(&segment.relative_path(SegmentComponent::Positions))? {
                return Err(OpenFailure::Doubt);
            }
        }
        let position = match metas
            .payload
            .as_deref()
            .and_then(|payload| payload.strip_prefix(PAYLOAD))
        {
            Some(position) => position.parse().map_err(|_| OpenFailure::Doubt)?,
            None if metas.segments.is_empty() => 0,
            None => return Err(OpenFailure::Doubt),
        };
        let core = Self::with_index(directory, index, fields, position)?;
        if core.directory.is_damaged() {
            return Err(OpenFailure::Doubt);
        }
        Ok(core)
    }

    fn create(dir: &Path, key: &[u8; 32], options: &SearchOptions) -> Result<Self, SearchOpenError> {
        clear(dir)?;
        let directory = SealedDirectory::open(dir, key, options.cache_bytes)?;
        let (schema, fields) = Fields::schema();
        Index::create(directory.clone(), schema, Fields::settings())
            .and_then(|index| Self::with_index(directory, index, fields, 0))
            .map_err(|cause| SearchOpenError::Create(cause.to_string()))
    }

    fn with_index(directory: SealedDirectory, index: Index, fields: Fields, position: u64) -> tantivy::Result<Self> {
        index.tokenizers().register(TOKENIZER, MessageTokenizer);
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(ADDRESS_BLOCKS)
            .try_into()?;
        let snapshot = Snapshot::open(reader.searcher(), None)?;
        Ok(Self {
            directory,
            index,
            reader,
            fields,
            snapshot: RwLock::new(Arc::new(snapshot)),
            position: AtomicU64::new(position),
        })
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn reload(&self) -> tantivy::Result<()> {
        self.reader.reload()?;
        let snapshot = Snapshot::open(self.reader.searcher(), Some(&self.snapshot()))?;
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        Ok(())
    }

    fn search(
        &self,
        query: &Query,
        filter: &Filter,
        order: Order,
        offset: usize,
        limit: usize,
    ) -> tantivy::Result<Vec<Hit>> {
        let snapshot = self.snapshot();
        let by_time = order == Order::Newest || query.is_unranked();
        let run = |closeness, offset: usize, limit| {
            let want = offset
                .saturating_add(limit)
                .min(snapshot.searcher.num_docs().max(1) as usize);
            let plan = query.plan(self.fields.text, closeness);
            let (total, page) = if by_time {
                let found = snapshot.newest(plan.as_ref(), filter, want)?;
                (found.len(), snapshot.page_by_time(&self.fields, &found, offset, limit)?)
            } else {
                let found = snapshot.best(plan.as_ref(), filter, want)?;
                (found.len(), snapshot.page(&self.fields, &found, offset, limit)?)
            };
            let hits = page.into_iter().map(|(doc, found)| Hit {
                doc,
                clock_ms: found.clock,
                score: found.score,
                exact: closeness == Closeness::Exact,
            });
            Ok::<_, TantivyError>((total, hits.collect::<Vec<_>>()))
        };
        let (exact, mut hits) = run(Closeness::Exact, offset, limit)?;
        let wanted = if order == Order::Newest {
            exact == 0
        } else {
            hits.len() < limit
        };
        if wanted && query.allows_typos() {
            let (_, close) = run(Closeness::Typos, offset.saturating_sub(exact), limit - hits.len())?;
            hits.extend(close);
        }
        Ok(hits)
    }
}

impl Writing {
    fn writer(&mut self, core: &Core, options: &SearchOptions) -> tantivy::Result<&mut IndexWriter> {
        if self.writer.is_none() {
            let writer: IndexWriter = core.index.writer_with_options(
                IndexWriterOptions::builder()
                    .memory_budget_per_thread(options.writer_bytes.max(15_000_000))
                    .num_worker_threads(1)
                    .num_merge_threads(1)
                    .build(),
            )?;
            let mut merges = LogMergePolicy::default();
            merges.set_min_num_segments(MERGE_SEGMENTS);
            merges.set_max_docs_before_merge(MERGE_DOCS);
            merges.set_min_layer_size(SMALLEST_LAYER);
            merges.set_level_log_size(LAYER_LOG_SIZE);
            merges.set_del_docs_ratio_before_merge(MERGE_DELETED_RATIO);
            writer.set_merge_policy(Box::new(merges));
            self.writer = Some(writer);
        }
        self.writer
            .as_mut()
            .ok_or_else(|| TantivyError::InternalError("there is no writer".to_owned()))
    }

    /// Hands what waits to the writer: first what must go, then what comes.
    fn write_out(&mut self, core: &Core, options: &SearchOptions) -> tantivy::Result<()> {
        if self.waiting.is_empty() && self.removals.is_empty() {
            return Ok(());
        }
        let clocks = self
            .waiting
            .iter()
            .map(|(doc, waiting)| (*doc, waiting.clock_ms))
            .collect();
        let mut removals = std::mem::take(&mut self.removals);
        removals.extend(core.snapshot().known(&core.fields, &clocks)?);
        removals.extend(clocks.keys().filter(|doc| self.written.contains(doc)));
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        self.written.extend(waiting.keys());
        let writer = self.writer(core, options)?;
        if !removals.is_empty() {
            writer.delete_query(Box::new(Addresses::new(core.fields, removals)))?;
        }
        for doc in waiting.values() {
            writer.add_document(core.fields.document(doc))?;
        }
        Ok(())
    }

    fn release(&mut self, core: &Core) -> tantivy::Result<()> {
        self.idle = 0;
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        writer.wait_merging_threads()?;
        core.reload()
    }
}
