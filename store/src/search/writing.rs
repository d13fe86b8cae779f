//! What was given to the index and is not searched yet.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::{IndexWriter, TantivyError};

use super::core::Core;
use super::document::{DocRef, OwnedDoc};
use super::index::SearchOptions;
use super::removal::Addresses;

/// Segments of one size that are merged, and documents from which on a segment stays as it is.
const MERGE_SEGMENTS: usize = 6;
const MERGE_DOCS: usize = 400_000;
const SMALLEST_LAYER: u32 = 4_000;
const LAYER_LOG_SIZE: f64 = 2.0;
const MERGE_DELETED_RATIO: f32 = 0.3;

/// What was given since the last commit.
#[derive(Default)]
pub(super) struct Writing {
    pub(super) writer: Option<IndexWriter>,
    pub(super) waiting: BTreeMap<DocRef, OwnedDoc>,
    pub(super) waiting_bytes: usize,
    pub(super) removals: BTreeSet<DocRef>,
    pub(super) written: HashSet<DocRef>,
    pub(super) changed: bool,
    pub(super) idle: u32,
}

impl Writing {
    pub(super) fn writer(&mut self, core: &Core, options: &SearchOptions) -> tantivy::Result<&mut IndexWriter> {
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
    pub(super) fn write_out(&mut self, core: &Core, options: &SearchOptions) -> tantivy::Result<()> {
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

    pub(super) fn release(&mut self, core: &Core) -> tantivy::Result<()> {
        self.idle = 0;
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        writer.wait_merging_threads()?;
        core.reload()
    }
}
