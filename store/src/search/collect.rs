//! Picking the first hits out of all that match.
//!
//! Each segment holds its documents newest first, so in time order a segment is left as soon as
//! it has nothing newer than the hits already found.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use tantivy::collector::TopDocs;
use tantivy::query::{EnableScoring, Query as IndexQuery, Scorer, Weight};
use tantivy::{DocAddress, Score, SegmentReader};

use super::document::{DocRef, Fields, Filter};
use super::segments::{Segment, SegmentFilter, Snapshot};

/// Hits of one and the same millisecond that are put in order of address; of more, some are left out.
const MOST_TIES: usize = 4096;

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

    /// The best `want` matches, best first; of equal ones, in order of segment and time.
    pub(super) fn best(&self, query: &dyn IndexQuery, filter: &Filter, want: usize) -> tantivy::Result<Vec<Found>> {
        let found: Vec<(Score, DocAddress)> = if filter.is_open() {
            self.searcher
                .search(query, &TopDocs::with_limit(want).order_by_score())?
        } else {
            self.best_filtered(query, filter, want)?
        };
        let clock = |at: DocAddress| {
            let segment = self.segments.get(at.segment_ord as usize);
            segment.map_or(0, |segment| segment.clock.get_val(at.doc_id))
        };
        Ok(found
            .into_iter()
            .map(|(score, at)| Found {
                clock: clock(at),
                score,
                at,
            })
            .collect())
    }

    fn best_filtered(
        &self,
        query: &dyn IndexQuery,
        filter: &Filter,
        want: usize,
    ) -> tantivy::Result<Vec<(Score, DocAddress)>> {
        let weight = query.weight(EnableScoring::enabled_from_searcher(&self.searcher))?;
        let mut found = Vec::new();
        let mut limit = Score::NEG_INFINITY;
        for (ord, reader, segment) in self.newest_first() {
            let Some((filter, mut scorer)) = segment.matches(reader, weight.as_ref(), filter)? else {
                continue;
            };
            let mut doc = scorer.doc();
            while doc < filter.to {
                if filter.accepts(doc) && !reader.is_deleted(doc) {
                    let score = scorer.score();
                    if score >= limit {
                        found.push((score, DocAddress::new(ord, doc)));
                        if found.len() >= want.saturating_mul(2).saturating_add(1024) {
                            limit = keep_best(&mut found, want);
                        }
                    }
                }
                doc = scorer.advance();
            }
        }
        keep_best(&mut found, want);
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

impl Filter {
    fn is_open(&self) -> bool {
        let Self {
            conversations,
            authors,
            kinds,
            after_ms,
            before_ms,
        } = self;
        conversations.is_none() && authors.is_none() && kinds.is_none() && after_ms.is_none() && before_ms.is_none()
    }
}

/// Keeps the best `want`; returns the score of the last one once there are that many.
fn keep_best(found: &mut Vec<(Score, DocAddress)>, want: usize) -> Score {
    found.sort_unstable_by(|left, right| match right.0.total_cmp(&left.0) {
        Ordering::Equal => left.1.cmp(&right.1),
        order => order,
    });
    found.truncate(want);
    match found.last() {
        Some((score, _)) if found.len() >= want => *score,
        _ => Score::NEG_INFINITY,
    }
}
