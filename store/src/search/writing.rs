//! What was given to the index and is not searched yet.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tantivy::IndexWriter;

use super::core::Core;
use super::document::{DocRef, Given, OwnedDoc};
use super::index::SearchOptions;
use super::removal::Addresses;
use super::writer::Writer;

/// What was given since the last commit.
#[derive(Default)]
pub(super) struct Writing {
    pub(super) writer: Option<Writer>,
    pub(super) waiting: BTreeMap<DocRef, OwnedDoc>,
    pub(super) waiting_bytes: usize,
    pub(super) removals: BTreeSet<DocRef>,
    pub(super) written: HashSet<DocRef>,
    pub(super) changed: bool,
    pub(super) idle: u32,
}

impl Writing {
    pub(super) fn writer(&mut self, core: &Core, options: &SearchOptions) -> tantivy::Result<&mut IndexWriter<Given>> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => Writer::open(core, options)?,
        };
        self.writer.insert(writer).get()
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
        writer.finish()?;
        core.reload()
    }
}
