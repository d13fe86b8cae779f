//! The tantivy writer at work on the folder, and its end.

use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::{Index, IndexWriter, TantivyError};

use super::core::Core;
use super::directory::SealedDirectory;
use super::document::Given;
use super::index::SearchOptions;

/// Segments of one size that are merged, and documents from which on a segment stays as it is.
const MERGE_SEGMENTS: usize = 6;
const MERGE_DOCS: usize = 400_000;
const SMALLEST_LAYER: u32 = 4_000;
const LAYER_LOG_SIZE: f64 = 2.0;
const MERGE_DELETED_RATIO: f32 = 0.3;

/// A writer with its way to the folder. Dropped, it gives up what is not committed and the merges that run: they may go on
/// for a moment, but no longer reach the folder.
pub(super) struct Writer {
    directory: SealedDirectory,
    writer: Option<IndexWriter<Given>>,
}

impl Writer {
    pub(super) fn open(core: &Core, options: &SearchOptions) -> tantivy::Result<Self> {
        let directory = core.directory.for_writer();
        let mut index = Index::open(directory.clone())?;
        index.set_tokenizers(core.index.tokenizers().clone());
        let writer: IndexWriter<Given> = index.writer_with_options(
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
        // tantivy gives the first operation of a writer the number of the last commit. A merge that begins before the next
        // commit takes a removal of that number for done, in those of its segments it did not see. This takes the number.
        writer.run([])?;
        let writer = Some(writer);
        Ok(Self { directory, writer })
    }

    pub(super) fn get(&mut self) -> tantivy::Result<&mut IndexWriter<Given>> {
        let gone = || TantivyError::InternalError("there is no writer".to_owned());
        self.writer.as_mut().ok_or_else(gone)
    }

    /// Waits for the merges that run.
    pub(super) fn finish(mut self) -> tantivy::Result<()> {
        self.writer.take().map_or(Ok(()), IndexWriter::wait_merging_threads)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Before the writer itself: its worker would still write what was given and is not committed.
        self.directory.shut();
    }
}
