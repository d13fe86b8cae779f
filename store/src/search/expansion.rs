//! Queries that stand for several terms of the index: beginnings, typos, and phrases that end in
//! a beginning. tantivy's own ones read every posting before the first hit, or stop at 50 terms.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::fmt;
use std::sync::{Arc, OnceLock};

use tantivy::postings::{Postings, SegmentPostings, TermInfo};
use tantivy::query::{
    AutomatonWeight, DfaWrapper, EmptyScorer, EnableScoring, Explanation, FuzzyTermQuery, Query, Scorer, Weight,
};
use tantivy::schema::{Field, IndexRecordOption, Term};
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError};

use super::query::Part;
use super::union::WindowUnion;

/// Most terms a beginning stands for in one segment; of more, the most frequent are taken.
const MAX_EXPANSIONS: usize = 8192;

/// A set of terms, worked out for each segment.
#[derive(Clone)]
pub(super) enum Terms {
    /// Terms that begin with this.
    Prefix(String),
    /// Terms some edits away from a word.
    Near(Arc<Near>),
}

/// What is at most so many edits away from a word. The automaton that tells is made once, for all segments: it takes longer than
/// to look through a segment's terms with it.
pub(super) struct Near {
    word: String,
    edits: u8,
    automaton: OnceLock<Arc<DfaWrapper>>,
}

impl Near {
    pub(super) fn new(word: String, edits: u8) -> Self {
        Self {
            word,
            edits,
            automaton: OnceLock::new(),
        }
    }

    fn automaton(&self, field: Field) -> tantivy::Result<Arc<DfaWrapper>> {
        if let Some(made) = self.automaton.get() {
            return Ok(Arc::clone(made));
        }
        let made = FuzzyTermQuery::new(Term::from_field_text(field, &self.word), self.edits, true).automaton()?;
        Ok(Arc::clone(self.automaton.get_or_init(|| Arc::new(made))))
    }
}

/// Documents with any of some [`Terms`]; all score the same.
#[derive(Clone)]
pub(super) struct AnyTerm {
    pub(super) field: Field,
    pub(super) terms: Terms,
}

/// Documents where `parts` stand in their places, and a word that begins with `ending` in its.
///
/// Also used for phrases without an ending where they are excluded: tantivy's own phrase scorer
/// must not be asked about documents it has passed, which its exclusion does.
#[derive(Clone)]
pub(super) struct Phrase {
    pub(super) field: Field,
    /// Never empty.
    pub(super) parts: Vec<Part>,
    pub(super) ending: Option<Part>,
}

impl Terms {
    fn find(&self, field: Field, reader: &SegmentReader) -> tantivy::Result<Vec<TermInfo>> {
        let mut found = match self {
            Self::Prefix(prefix) => {
                let index = reader.inverted_index(field)?;
                let mut stream = index.terms().range().ge(prefix.as_bytes()).into_stream()?;
                let mut found = Vec::new();
                while stream.advance() && stream.key().starts_with(prefix.as_bytes()) {
                    found.push(stream.value().clone());
                }
                found
            }
            Self::Near(near) => {
                AutomatonWeight::<DfaWrapper>::new(field, near.automaton(field)?).get_match_term_infos(reader)?
            }
        };
        if found.len() > MAX_EXPANSIONS {
            found.sort_unstable_by_key(|info| Reverse(info.doc_freq));
            found.truncate(MAX_EXPANSIONS);
        }
        Ok(found)
    }

    fn postings(
        &self,
        field: Field,
        reader: &SegmentReader,
        option: IndexRecordOption,
    ) -> tantivy::Result<Vec<SegmentPostings>> {
        let index = reader.inverted_index(field)?;
        self.find(field, reader)?
            .iter()
            .map(|info| Ok(index.read_postings_from_terminfo(info, option)?))
            .collect()
    }
}

impl fmt::Debug for AnyTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyTerm")
    }
}

impl Query for AnyTerm {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for AnyTerm {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let postings = self.terms.postings(self.field, reader, IndexRecordOption::Basic)?;
        Ok(Box::new(WindowUnion::new(postings, reader.max_doc(), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(no_explanation())
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase")
    }
}

impl Query for Phrase {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Phrase {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let index = reader.inverted_index(self.field)?;
        let option = IndexRecordOption::WithFreqsAndPositions;
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let term = Term::from_field_text(self.field, &part.text);
            match index.read_postings(&term, option)? {
                Some(postings) => parts.push(Placed {
                    postings,
                    offset: part.offset as u32,
                }),
                None => return Ok(Box::new(EmptyScorer)),
            }
        }
        let ending = match &self.ending {
            Some(ending) => {
                let words = Terms::Prefix(ending.text.clone()).postings(self.field, reader, option)?;
                Some((Endings::new(words), ending.offset as u32))
            }
            None => None,
        };
        parts.sort_by_key(|part| part.postings.doc_freq());
        let mut scorer = PhraseScorer {
            parts,
            ending,
            score: boost,
            doc: 0,
        };
        scorer.settle(0);
        Ok(Box::new(scorer))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(no_explanation())
    }
}

fn no_explanation() -> TantivyError {
    TantivyError::InvalidArgument("search scores are not explained".to_owned())
}

/// The postings of one token of a phrase.
struct Placed {
    postings: SegmentPostings,
    offset: u32,
}

/// The words that may end the phrase, by their next document.
struct Endings {
    postings: Vec<SegmentPostings>,
    next: BinaryHeap<Reverse<(DocId, usize)>>,
}

impl Endings {
    fn new(postings: Vec<SegmentPostings>) -> Self {
        let next = postings
            .iter()
            .enumerate()
            .map(|(at, postings)| Reverse((postings.doc(), at)))
            .collect();
        Self { postings, next }
    }

    /// Adds the positions in `doc` to `positions`. Documents are asked for in rising order.
    fn positions(&mut self, doc: DocId, positions: &mut Vec<u32>) {
        let mut here = Vec::new();
        while let Some(Reverse((next, at))) = self.next.peek().copied() {
            if next > doc {
                break;
            }
            self.next.pop();
            let Some(postings) = self.postings.get_mut(at) else {
                continue;
            };
            let next = if next < doc { postings.seek(doc) } else { next };
            if next == doc {
                let mut found = Vec::new();
                postings.positions(&mut found);
                positions.extend(found);
                here.push(Reverse((doc, at)));
            } else if next != TERMINATED {
                self.next.push(Reverse((next, at)));
            }
        }
        self.next.extend(here);
    }
}

struct PhraseScorer {
    /// Rarest first; never empty.
    parts: Vec<Placed>,
    ending: Option<(Endings, u32)>,
    score: Score,
    doc: DocId,
}

impl PhraseScorer {
    /// Moves to the first document from `target` on that matches.
    fn settle(&mut self, target: DocId) -> DocId {
        self.doc = self.align(target);
        while self.doc != TERMINATED && !self.is_match() {
            self.doc = self.align(self.doc + 1);
        }
        self.doc
    }

    /// The first document from `target` on that has all the parts.
    fn align(&mut self, mut target: DocId) -> DocId {
        'target: loop {
            for Placed { postings, .. } in &mut self.parts {
                let doc = if postings.doc() < target {
                    postings.seek(target)
                } else {
                    postings.doc()
                };
                if doc > target {
                    target = doc;
                    continue 'target;
                }
            }
            return target;
        }
    }

    fn is_match(&mut self) -> bool {
        let mut starts: Option<BTreeSet<u32>> = None;
        let mut positions = Vec::new();
        for part in &mut self.parts {
            part.postings.positions(&mut positions);
            let found = positions
                .iter()
                .filter_map(|position| position.checked_sub(part.offset));
            let left: BTreeSet<u32> = match &starts {
                None => found.collect(),
                Some(starts) => found.filter(|start| starts.contains(start)).collect(),
            };
            if left.is_empty() {
                return false;
            }
            starts = Some(left);
        }
        let starts = starts.unwrap_or_default();
        let Some((endings, offset)) = &mut self.ending else {
            return true;
        };
        let mut positions = Vec::new();
        endings.positions(self.doc, &mut positions);
        positions
            .iter()
            .filter_map(|position| position.checked_sub(*offset))
            .any(|start| starts.contains(&start))
    }
}

impl DocSet for PhraseScorer {
    fn advance(&mut self) -> DocId {
        if self.doc != TERMINATED {
            self.settle(self.doc + 1);
        }
        self.doc
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc < target {
            self.settle(target);
        }
        self.doc
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.parts.first().map_or(0, |part| part.postings.doc_freq() / 2)
    }

    fn cost(&self) -> u64 {
        u64::from(self.size_hint()).saturating_mul(20)
    }
}

impl Scorer for PhraseScorer {
    fn score(&mut self) -> Score {
        self.score
    }
}
