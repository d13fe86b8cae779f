//! Picking the first hits out of all that match.
//!
//! Each segment holds its documents newest first, so in time order a segment is left as soon as
//! it has nothing newer than the hits already found.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use tantivy::query::{EnableScoring, Query as IndexQuery, Scorer, Weight};
use tantivy::{DocAddress, Score, SegmentReader};

use super::document::{DocRef, Fields, Filter};
use super::segments::{Segment, SegmentFilter, Snapshot};

/// Hits of one and the same millisecond that are put in order of address; of more, some are left out.
const MOST_TIES: usize = 4096;

/// Matches that are ranked together, beginning with the newest: so many are scored within a millisecond, however many there are. In a
/// long history the newest of them are wanted sooner than what fits a little better and is years old.
pub(super) const RANKED: usize = 200;

/// A hit that is not yet looked up.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) clock: u64,
    pub(super) score: Score,
    pub(super) at: DocAddress,
}

impl Snapshot {
    /// The newest `want` matches, newest first, and all others of the time of the last one.
    pub(super) fn newest(&self, query: &dyn IndexQuery, filter: &Filter, want: usize) -> tantivy::Result<Vec<Found>> {
        let weight = query.weight(EnableScoring::disabled_from_searcher(&self.searcher))?;
        let mut found: Vec<Found> = Vec::new();
        let mut best: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
        for (ord, reader, segment) in self.newest_first() {
            let oldest = |best: &BinaryHeap<Reverse<u64>>| match best.peek() {
                Some(Reverse(oldest)) if best.len() >= want => *oldest,
                _ => 0,
            };
            if segment.newest() < oldest(&best) {
                break;
            }
            let Some((filter, mut scorer)) = segment.matches(reader, weight.as_ref(), filter)? else {
                continue;
            };
            let mut doc = scorer.doc();
            while doc < filter.to {
                let clock = segment.clock.get_val(doc);
                let limit = oldest(&best);
                if clock < limit {
                    break;
                }
                let tie = clock == limit && best.len() >= want;
                if !(reader.is_deleted(doc) || tie && found.len() >= want.saturating_add(MOST_TIES))
                    && filter.accepts(doc)
                {
                    found.push(Found {
                        clock,
                        score: 0.0,
                        at: DocAddress::new(ord, doc),
                    });
                    best.push(Reverse(clock));
                    if best.len() > want {
                        best.pop();
                    }
                }
                doc = scorer.advance();
            }
        }
        if let Some(Reverse(oldest)) = best.peek().filter(|_| best.len() >= want) {
            found.retain(|found| found.clock >= *oldest);
        }
        found.sort_by_key(|found| Reverse(found.clock));
        Ok(found)
    }

    /// The first `want` matches in order of rank: best first among the newest [`RANKED`], then among the next so many.
    pub(super) fn best(&self, query: &dyn IndexQuery, filter: &Filter, want: usize) -> tantivy::Result<Vec<Found>> {
        let weight = query.weight(EnableScoring::enabled_from_searcher(&self.searcher))?;
        let mut found: Vec<Found> = Vec::new();
        'segments: for (ord, reader, segment) in self.newest_first() {
            let Some((filter, mut scorer)) = segment.matches(reader, weight.as_ref(), filter)? else {
                continue;
            };
            let mut doc = scorer.doc();
            while doc < filter.to {
                if filter.accepts(doc) && !reader.is_deleted(doc) {
                    found.push(Found {
                        clock: segment.clock.get_val(doc),
                        score: scorer.score(),
                        at: DocAddress::new(ord, doc),
                    });
                    if found.len() >= want && found.len().is_multiple_of(RANKED) {
                        break 'segments;
                    }
                }
                doc = scorer.advance();
            }
        }
        for together in found.chunks_mut(RANKED) {
            together.sort_unstable_by(by_rank);
        }
        found.truncate(want);
        Ok(found)
    }

    /// Hits `offset..offset + limit` of `found`, which is in order of time, with their addresses.
    pub(super) fn page_by_time(
        &self,
        fields: &Fields,
        found: &[Found],
        offset: usize,
        limit: usize,
    ) -> tantivy::Result<Vec<(DocRef, Found)>> {
        let end = offset.saturating_add(limit).min(found.len());
        let Some((first, last)) = found
            .get(offset..end)
            .and_then(|page| Some((page.first()?, page.last()?)))
        else {
            return Ok(Vec::new());
        };
        // Hits of one time are put in order of address, so all of them are looked up.
        let from = found.partition_point(|found| found.clock > first.clock);
        let to = found.partition_point(|found| found.clock >= last.clock);
        let mut page = self.page(fields, found, from, to - from)?;
        page.sort_by_key(|(doc, found)| Reverse((found.clock, *doc)));
        Ok(page.into_iter().skip(offset - from).take(end - offset).collect())
    }

    /// Hits `offset..offset + limit` of `found` with their addresses.
    pub(super) fn page(
        &self,
        fields: &Fields,
        found: &[Found],
        offset: usize,
        limit: usize,
    ) -> tantivy::Result<Vec<(DocRef, Found)>> {
        found
            .iter()
            .skip(offset)
            .take(limit)
            .map(|found| Ok((self.address(fields, found.at)?, *found)))
            .collect()
    }
}

impl Segment {
    /// What `weight` matches, from the first document that is young enough on, and the filter for it; nothing where no document's
    /// time fits.
    fn matches(
        &self,
        reader: &SegmentReader,
        weight: &dyn Weight,
        filter: &Filter,
    ) -> tantivy::Result<Option<(SegmentFilter, Box<dyn Scorer>)>> {
        let filter = self.filter(reader, filter)?;
        if filter.from >= filter.to {
            return Ok(None);
        }
        let mut scorer = weight.scorer(reader, 1.0)?;
        if scorer.doc() < filter.from {
            scorer.seek(filter.from);
        }
        Ok(Some((filter, scorer)))
    }
}

/// Best first; of equal ones, the newest.
fn by_rank(left: &Found, right: &Found) -> Ordering {
    let score = right.score.total_cmp(&left.score);
    score.then_with(|| (right.clock, left.at).cmp(&(left.clock, right.at)))
}
