//! From a [`Query`] to the query tantivy runs.

use std::sync::Arc;

use tantivy::query::{BooleanQuery, BoostQuery, Occur, PhraseQuery, Query as IndexQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Term};

use super::expansion::{AnyTerm, Near, Phrase, Terms};
use super::query::{Clause, Closeness, Query};

/// Weight of a beginning or a typo beside whole words.
const INEXACT_BOOST: f32 = 0.5;

impl Query {
    /// The documents that match exactly, or those that match only with typos.
    pub(super) fn plan(&self, field: Field, closeness: Closeness) -> Box<dyn IndexQuery> {
        let found = self.all_of(field, closeness, false);
        match closeness {
            Closeness::Exact => found,
            Closeness::Typos => {
                let exact = self.all_of(field, Closeness::Exact, true);
                Box::new(BooleanQuery::new(vec![(Occur::Must, found), (Occur::MustNot, exact)]))
            }
        }
    }

    /// Whether every hit of this query fits as well as any other.
    pub(super) fn is_unranked(&self) -> bool {
        self.clauses.iter().all(|clause| clause.excluded || clause.prefix)
    }

    fn all_of(&self, field: Field, closeness: Closeness, excluded: bool) -> Box<dyn IndexQuery> {
        let mut clauses: Vec<_> = self
            .clauses
            .iter()
            .map(|clause| {
                let occur = if clause.excluded { Occur::MustNot } else { Occur::Must };
                (occur, clause.plan(field, closeness, excluded || clause.excluded))
            })
            .collect();
        match clauses.pop() {
            Some((Occur::Must, only)) if clauses.is_empty() => only,
            last => {
                clauses.extend(last);
                Box::new(BooleanQuery::new(clauses))
            }
        }
    }
}

impl Clause {
    fn plan(&self, field: Field, closeness: Closeness, excluded: bool) -> Box<dyn IndexQuery> {
        let term = |text: &str| Term::from_field_text(field, text);
        match self.parts.as_slice() {
            [part] if self.prefix => inexact(field, Terms::Prefix(part.text.clone())),
            [part] if closeness == Closeness::Typos && self.typos > 0 => {
                let exact: Box<dyn IndexQuery> =
                    Box::new(TermQuery::new(term(&part.text), IndexRecordOption::WithFreqs));
                let near = inexact(field, Terms::Near(Arc::new(Near::new(part.text.clone(), self.typos))));
                Box::new(BooleanQuery::union(vec![exact, near]))
            }
            [part] => Box::new(TermQuery::new(term(&part.text), IndexRecordOption::WithFreqs)),
            [before @ .., last] if self.prefix => Box::new(Phrase {
                field,
                parts: before.to_vec(),
                ending: Some(last.clone()),
            }),
            parts if excluded => Box::new(Phrase {
                field,
                parts: parts.to_vec(),
                ending: None,
            }),
            parts => {
                let terms = parts.iter().map(|part| (part.offset, term(&part.text))).collect();
                Box::new(PhraseQuery::new_with_offset(terms))
            }
        }
    }
}

fn inexact(field: Field, terms: Terms) -> Box<dyn IndexQuery> {
    Box::new(BoostQuery::new(Box::new(AnyTerm { field, terms }), INEXACT_BOOST))
}
