//! The columns of each segment, opened once and kept while the segment lives.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use tantivy::columnar::ColumnValues;
use tantivy::index::SegmentId;
use tantivy::{DocAddress, DocId, Searcher, SegmentReader, TantivyDocument};

use super::document::{DocRef, Fields, Filter, column};

/// Values of one column by document.
pub(super) type Values = Arc<dyn ColumnValues<u64>>;

/// Documents of one time that are compared one by one before the hashes are read instead.
const FEW: u32 = 8;

/// A searcher with the columns of its segments.
pub(super) struct Snapshot {
    pub(super) searcher: Searcher,
    pub(super) segments: Vec<Arc<Segment>>,
}

/// What orders and filters need of one segment. Clocks fall from the first document to the last.
pub(super) struct Segment {
    id: SegmentId,
    pub(super) clock: Values,
    conversation: OnceLock<Values>,
    author: OnceLock<Values>,
    kind: OnceLock<Values>,
    pub(super) max_doc: DocId,
}

impl Snapshot {
    /// Opens the columns of `searcher`'s segments, taking over those `old` has open.
    pub(super) fn open(searcher: Searcher, old: Option<&Self>) -> tantivy::Result<Self> {
        let known: HashMap<SegmentId, &Arc<Segment>> = old
            .iter()
            .flat_map(|old| &old.segments)
            .map(|segment| (segment.id, segment))
            .collect();
        let segments = searcher
            .segment_readers()
            .iter()
            .map(|reader| match known.get(&reader.segment_id()) {
                Some(segment) => Ok(Arc::clone(segment)),
                None => Segment::open(reader).map(Arc::new),
            })
            .collect::<tantivy::Result<_>>()?;
        Ok(Self { searcher, segments })
    }

    /// Segments and their readers, the one with the newest document first.
    pub(super) fn newest_first(&self) -> Vec<(u32, &SegmentReader, &Segment)> {
        let mut all: Vec<_> = (0..)
            .zip(self.searcher.segment_readers())
            .zip(&self.segments)
            .map(|((ord, reader), segment)| (ord, reader, segment.as_ref()))
            .collect();
        all.sort_by_key(|(_, _, segment)| std::cmp::Reverse(segment.newest()));
        all
    }

    /// The address of a document.
    pub(super) fn address(&self, fields: &Fields, at: DocAddress) -> tantivy::Result<DocRef> {
        let document: TantivyDocument = self.searcher.doc(at)?;
        fields
            .address(&document)
            .ok_or_else(|| tantivy::TantivyError::InternalError("a stored document has no address".to_owned()))
    }

    /// Which of `docs` (addresses and their times) are in the index.
    pub(super) fn known(&self, fields: &Fields, docs: &BTreeMap<DocRef, u64>) -> tantivy::Result<Vec<DocRef>> {
        let mut found = Vec::new();
        for (ord, reader, segment) in self.newest_first() {
            let mut hashes = None;
            for (doc, clock) in docs {
                let (from, to) = segment.documents_at(*clock);
                if to - from > FEW && hashes.is_none() {
                    hashes = Some(segment_column(reader, column::HASH)?);
                }
                let hash = doc.hash();
                for at in (from..to).filter(|at| !reader.is_deleted(*at)) {
                    if hashes.as_ref().is_some_and(|hashes| hashes.get_val(at) != hash) {
                        continue;
                    }
                    if self.address(fields, DocAddress::new(ord, at))? == *doc {
                        found.push(*doc);
                    }
                }
            }
        }
        Ok(found)
    }
}

impl Segment {
    fn open(reader: &SegmentReader) -> tantivy::Result<Self> {
        Ok(Self {
            id: reader.segment_id(),
            clock: segment_column(reader, column::CLOCK)?,
            conversation: OnceLock::new(),
            author: OnceLock::new(),
            kind: OnceLock::new(),
            max_doc: reader.max_doc(),
        })
    }

    /// Time of the newest document.
    pub(super) fn newest(&self) -> u64 {
        if self.max_doc == 0 { 0 } else { self.clock.get_val(0) }
    }

    /// The first document older than `clock`.
    fn first_before(&self, clock: u64) -> DocId {
        let (mut low, mut high) = (0, self.max_doc);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.clock.get_val(middle) < clock {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    fn documents_at(&self, clock: u64) -> (DocId, DocId) {
        let from = clock.checked_add(1).map_or(0, |next| self.first_before(next));
        (from, self.first_before(clock))
    }

    /// The filter as this segment can check it.
    pub(super) fn filter(&self, reader: &SegmentReader, filter: &Filter) -> tantivy::Result<SegmentFilter> {
        let wide = |values: &[u32]| values.iter().copied().map(u64::from).collect();
        let mut checks = Vec::new();
        if let Some(allowed) = &filter.kinds {
            let values = open_once(&self.kind, reader, column::KIND)?;
            checks.push(Check::new(values, allowed.iter().copied().map(u64::from).collect()));
        }
        if let Some(allowed) = &filter.conversations {
            checks.push(Check::new(
                open_once(&self.conversation, reader, column::CONVERSATION)?,
                wide(allowed),
            ));
        }
        if let Some(allowed) = &filter.authors {
            checks.push(Check::new(
                open_once(&self.author, reader, column::AUTHOR)?,
                wide(allowed),
            ));
        }
        Ok(SegmentFilter {
            checks,
            from: filter.before_ms.map_or(0, |before| self.first_before(before)),
            to: filter.after_ms.map_or(self.max_doc, |after| self.first_before(after)),
        })
    }
}

fn open_once(cell: &OnceLock<Values>, reader: &SegmentReader, name: &str) -> tantivy::Result<Values> {
    if let Some(values) = cell.get() {
        return Ok(Arc::clone(values));
    }
    let values = segment_column(reader, name)?;
    Ok(Arc::clone(cell.get_or_init(|| values)))
}

/// Opens a column, which reads it whole.
pub(super) fn segment_column(reader: &SegmentReader, name: &str) -> tantivy::Result<Values> {
    reader.fast_fields().column_first_or_default(name)
}

/// A filter for one segment: a span of documents, and values to look up.
pub(super) struct SegmentFilter {
    checks: Vec<Check>,
    /// First document young enough.
    pub(super) from: DocId,
    /// First document too old.
    pub(super) to: DocId,
}

struct Check {
    values: Values,
    allowed: Vec<u64>,
}

impl Check {
    fn new(values: Values, mut allowed: Vec<u64>) -> Self {
        allowed.sort_unstable();
        Self { values, allowed }
    }
}

impl SegmentFilter {
    /// Whether a document of the span passes.
    pub(super) fn accepts(&self, doc: DocId) -> bool {
        self.checks.iter().all(|check| {
            let value = check.values.get_val(doc);
            match check.allowed.as_slice() {
                [only] => *only == value,
                allowed => allowed.binary_search(&value).is_ok(),
            }
        })
    }
}
