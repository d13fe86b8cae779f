//! Documents that hold any of many terms, found window by window, so that a search that stops
//! early does not pay for the rest.

use tantivy::query::Scorer;
use tantivy::{DocId, DocSet, Score, TERMINATED};

const BUCKETS: usize = 64;
/// Documents in one window.
const WINDOW: DocId = (BUCKETS * 64) as DocId;

/// The union of several postings, each document with the same score.
pub(super) struct WindowUnion<D> {
    postings: Vec<D>,
    buckets: Box<[u64; BUCKETS]>,
    /// First document of the window.
    start: DocId,
    doc: DocId,
    size: u32,
    score: Score,
}

impl<D: DocSet> WindowUnion<D> {
    /// The union of `postings`, in a segment of `max_doc` documents.
    pub(super) fn new(postings: Vec<D>, max_doc: DocId, score: Score) -> Self {
        let size = postings.iter().map(DocSet::size_hint).fold(0, u32::saturating_add);
        let mut union = Self {
            postings,
            buckets: Box::new([0; BUCKETS]),
            start: 0,
            doc: 0,
            size: size.min(max_doc),
            score,
        };
        union.doc = union.fill();
        union
    }

    /// Fills the window from the first document the postings still have.
    fn fill(&mut self) -> DocId {
        self.postings.retain(|postings| postings.doc() != TERMINATED);
        let Some(first) = self.postings.iter().map(DocSet::doc).min() else {
            return TERMINATED;
        };
        self.start = first;
        let end = first.saturating_add(WINDOW);
        for postings in &mut self.postings {
            let mut doc = postings.doc();
            while doc < end {
                let at = doc - first;
                if let Some(bucket) = self.buckets.get_mut((at / 64) as usize) {
                    *bucket |= 1 << (at % 64);
                }
                doc = postings.advance();
            }
        }
        self.pop(0)
    }

    /// The first document of the window from `at` on, or of the next window.
    fn pop(&mut self, at: DocId) -> DocId {
        let bucket = (at / 64) as usize;
        if let Some(passed) = self.buckets.get_mut(..bucket) {
            passed.fill(0);
        }
        if let Some(first) = self.buckets.get_mut(bucket) {
            *first &= !0 << (at % 64);
        }
        for (index, bucket) in self.buckets.iter_mut().enumerate().skip(bucket) {
            if *bucket != 0 {
                let bit = bucket.trailing_zeros();
                *bucket &= *bucket - 1;
                return self.start + index as DocId * 64 + bit;
            }
        }
        self.fill()
    }
}

impl<D: DocSet> DocSet for WindowUnion<D> {
    fn advance(&mut self) -> DocId {
        if self.doc != TERMINATED {
            self.doc = self.pop(self.doc - self.start);
        }
        self.doc
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc >= target {
            return self.doc;
        }
        let at = target - self.start;
        self.doc = if at < WINDOW {
            self.pop(at)
        } else {
            self.buckets.fill(0);
            for postings in &mut self.postings {
                if postings.doc() < target {
                    postings.seek(target);
                }
            }
            self.fill()
        };
        self.doc
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.size
    }
}

impl<D: DocSet + 'static> Scorer for WindowUnion<D> {
    fn score(&mut self) -> Score {
        self.score
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use tantivy::BitSet;
    use tantivy::query::BitSetDocSet;

    use super::*;

    proptest! {
        #[test]
        fn union_walks_and_seeks_like_a_sorted_set(
            lists in prop::collection::vec(prop::collection::btree_set(0_u32..20_000, 1..40), 1..8),
            steps in prop::collection::vec(prop::option::of(0_u32..9_000), 1..60),
        ) {
            let all: BTreeSet<u32> = lists.iter().flatten().copied().collect();
            let postings = lists
                .iter()
                .map(|list| {
                    let mut docs = BitSet::with_max_value(20_000);
                    for doc in list {
                        docs.insert(*doc);
                    }
                    BitSetDocSet::from(docs)
                })
                .collect();
            let mut union = WindowUnion::new(postings, 20_000, 1.0);
            let mut expected = all.first().copied().unwrap();
            for step in steps {
                prop_assert_eq!(union.doc(), expected);
                let target = match step {
                    None => { union.advance(); expected + 1 }
                    Some(jump) => { union.seek(expected + jump); expected + jump }
                };
                let Some(next) = all.range(target..).next() else {
                    prop_assert_eq!(union.doc(), TERMINATED);
                    return Ok(());
                };
                expected = *next;
            }
        }
    }
}
