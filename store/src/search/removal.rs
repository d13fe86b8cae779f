//! The query that names documents to delete by their addresses.
//!
//! An address is not a term: a million of them would double the index. Each segment's column of
//! 32-bit hashes is scanned once for a whole set, and every candidate's stored address compared.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use tantivy::query::{BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{BitSet, DocId, Score, SegmentReader, TantivyDocument, TantivyError};

use super::document::{DocRef, Fields, column};
use super::segments::segment_column;

const STEP: usize = 1024;

/// All documents with one of these addresses.
#[derive(Clone)]
pub(super) struct Addresses {
    fields: Fields,
    docs: Arc<BTreeSet<DocRef>>,
    hashes: Arc<HashSet<u64>>,
}

impl Addresses {
    pub(super) fn new(fields: Fields, docs: BTreeSet<DocRef>) -> Self {
        let hashes = docs.iter().map(DocRef::hash).collect();
        Self {
            fields,
            docs: Arc::new(docs),
            hashes: Arc::new(hashes),
        }
    }

    fn find(&self, reader: &SegmentReader) -> tantivy::Result<Vec<DocId>> {
        let column = segment_column(reader, column::HASH)?;
        let mut values = [0; STEP];
        let mut candidates = Vec::new();
        for start in (0..reader.max_doc()).step_by(STEP) {
            let len = (reader.max_doc() - start).min(STEP as u32) as usize;
            let Some(values) = values.get_mut(..len) else { break };
            column.get_range(start.into(), values);
            candidates.extend(
                (start..)
                    .zip(&*values)
                    .filter(|(_, hash)| self.hashes.contains(hash))
                    .map(|(at, _)| at),
            );
        }
        if candidates.is_empty() {
            return Ok(candidates);
        }
        let store = reader.get_store_reader(1)?;
        let mut found = Vec::with_capacity(candidates.len());
        for doc in candidates {
            let document: TantivyDocument = store.get(doc)?;
            if self
                .fields
                .address(&document)
                .is_some_and(|address| self.docs.contains(&address))
            {
                found.push(doc);
            }
        }
        Ok(found)
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Addresses")
    }
}

impl Query for Addresses {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Addresses {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut found = BitSet::with_max_value(reader.max_doc());
        for doc in self.find(reader)? {
            found.insert(doc);
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(found), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("a removal has no score".to_owned()))
    }
}
