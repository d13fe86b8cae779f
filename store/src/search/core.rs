//! An open folder of the index: what is searched.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use tantivy::directory::Directory;
use tantivy::directory::error::OpenReadError;
use tantivy::index::SegmentComponent;
use tantivy::{Index, IndexReader, ReloadPolicy, TantivyError};

use super::directory::{SealedDirectory, clear};
use super::document::{Fields, Filter, Hit, Order, TOKENIZER};
use super::index::{SearchOpenError, SearchOptions};
use super::query::{Closeness, Query};
use super::segments::Snapshot;
use super::tokenizer::MessageTokenizer;

/// Where tantivy keeps what was committed.
pub(super) const META: &str = "meta.json";
/// What a commit's payload begins with; the position follows.
pub(super) const PAYLOAD: &str = "position=";
/// Decompressed blocks of addresses kept per segment (4 KiB each).
const ADDRESS_BLOCKS: usize = 8;

/// An open folder.
pub(super) struct Core {
    pub(super) directory: SealedDirectory,
    pub(super) index: Index,
    pub(super) reader: IndexReader,
    pub(super) fields: Fields,
    pub(super) snapshot: RwLock<Arc<Snapshot>>,
    pub(super) position: AtomicU64,
}

/// Why a folder is not taken as it is.
pub(super) enum OpenFailure {
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

impl Core {
    pub(super) fn open(dir: &Path, key: &[u8; 32], options: &SearchOptions) -> Result<Self, OpenFailure> {
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

    pub(super) fn create(dir: &Path, key: &[u8; 32], options: &SearchOptions) -> Result<Self, SearchOpenError> {
        clear(dir)?;
        let directory = SealedDirectory::open(dir, key, options.cache_bytes)?;
        let (schema, fields) = Fields::schema();
        Index::create(directory.clone(), schema, Fields::settings())
            .and_then(|index| Self::with_index(directory, index, fields, 0))
            .map_err(|cause| SearchOpenError::Create(cause.to_string()))
    }

    pub(super) fn with_index(
        directory: SealedDirectory,
        index: Index,
        fields: Fields,
        position: u64,
    ) -> tantivy::Result<Self> {
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

    /// Opens every chunk of every committed file. What is being written has no last chunk yet and is left alone.
    pub(super) fn verify(&self) -> tantivy::Result<()> {
        let mut names = self.index.load_metas()?.list_segment_files();
        names.insert(META.into());
        Ok(self.directory.verify(names)?)
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn reload(&self) -> tantivy::Result<()> {
        self.reader.reload()?;
        let snapshot = Snapshot::open(self.reader.searcher(), Some(&self.snapshot()))?;
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        Ok(())
    }

    pub(super) fn search(
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
