//! What is looked for: the query language and what it means for one text.
//!
//! ```text
//! query   = clause, clause …             all of them must be found
//! clause  = ["-"] (word | word"*" | "\"" words "\"" ["*"])
//! ```
//! `-` excludes, `*` stands for any ending, quotes ask for words that follow each other. A word
//! that the tokenizer splits (`foo-bar`, a run of Han) is looked for as a phrase. One character of
//! a script without spaces is looked for as a beginning.
//!
//! A text may also match with typos: one edit (insert, drop, change, swap) in a word of 4 letters
//! or more, two from 8 letters on; never in phrases, prefixes, exclusions and words with digits.
//! [`Query::matches`] and the index give the same answer for the same text.

use std::fmt;
use std::ops::Range;

use super::tokenizer::{Side, Token, tokens};

/// Bytes in the longest query.
pub const MAX_QUERY_BYTES: usize = 1024;
/// Words and phrases in one query.
pub const MAX_QUERY_TERMS: usize = 32;
/// Tokens in all phrases of one query together.
pub const MAX_QUERY_TOKENS: usize = 128;

const TYPO_LETTERS: usize = 4;
const TWO_TYPOS_LETTERS: usize = 8;

/// A parsed search query. `Debug` does not show what is looked for.
#[derive(Clone)]
pub struct Query {
    pub(super) clauses: Vec<Clause>,
}

/// One word or phrase of a query.
#[derive(Clone)]
pub(super) struct Clause {
    /// Tokens and their distance from the first one; never empty.
    pub(super) parts: Vec<Part>,
    /// Whether the last token stands for everything that begins with it.
    pub(super) prefix: bool,
    /// Whether a text with this clause is left out.
    pub(super) excluded: bool,
    /// Most edits between the word and a match.
    pub(super) typos: u8,
}

/// One token of a clause.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) offset: usize,
}

/// How closely a text must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closeness {
    Exact,
    Typos,
}

/// Why a text is no query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Over [`MAX_QUERY_BYTES`].
    #[error("query of {got} bytes is over the limit of {max}")]
    TooLong {
        /// Bytes given.
        got: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Over [`MAX_QUERY_TERMS`] words and phrases, or [`MAX_QUERY_TOKENS`] words in all.
    #[error("query of {got} terms is over the limit of {max}")]
    TooManyTerms {
        /// Terms given.
        got: usize,
        /// Terms allowed.
        max: usize,
    },
    /// No word is left to look for (nothing but punctuation or exclusions).
    #[error("query has no word to look for")]
    Empty,
}

impl Query {
    /// Parses `text`; see the module for the language.
    ///
    /// # Errors
    /// `TooLong`, `TooManyTerms`: over a limit. `Empty`: nothing to look for.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_QUERY_BYTES {
            return Err(QueryError::TooLong {
                got: text.len(),
                max: MAX_QUERY_BYTES,
            });
        }
        let mut clauses = Vec::new();
        let mut rest = text;
        while let Some(clause) = next_clause(&mut rest) {
            clauses.extend(clause);
        }
        limit(clauses.len(), MAX_QUERY_TERMS)?;
        limit(
            clauses.iter().map(|clause: &Clause| clause.parts.len()).sum(),
            MAX_QUERY_TOKENS,
        )?;
        if clauses.iter().all(|clause| clause.excluded) {
            return Err(QueryError::Empty);
        }
        Ok(Self { clauses })
    }

    /// Whether `text` matches exactly (no typos).
    pub fn matches(&self, text: &str) -> bool {
        self.is_found_in(&tokens(text, Side::Document), Closeness::Exact)
    }

    /// Whether `text` matches exactly or with typos. The index falls back to this when nothing
    /// matches exactly.
    pub fn matches_with_typos(&self, text: &str) -> bool {
        self.is_found_in(&tokens(text, Side::Document), Closeness::Typos)
    }

    fn is_found_in(&self, document: &[Token], closeness: Closeness) -> bool {
        self.clauses.iter().all(|clause| {
            let found = (0..document.len()).any(|at| clause.found_at(document, at, closeness).is_some());
            found != clause.excluded
        })
    }

    /// Whether any word may be matched with typos.
    pub(super) fn allows_typos(&self) -> bool {
        self.clauses.iter().any(|clause| clause.typos > 0)
    }
}

impl Clause {
    /// The tokens of `document` that match this clause if its first token is at `at`.
    pub(super) fn found_at(&self, document: &[Token], at: usize, closeness: Closeness) -> Option<Range<usize>> {
        let mut end = at;
        for (index, part) in self.parts.iter().enumerate() {
            // A document has one token at each position, so positions are indexes.
            let here = at.checked_add(part.offset)?;
            let token = document.get(here)?;
            let last = index + 1 == self.parts.len();
            let found = if last && self.prefix {
                token.text.starts_with(&part.text)
            } else {
                token.text == part.text
                    || (closeness == Closeness::Typos && within(&part.text, &token.text, self.typos))
            };
            if !found {
                return None;
            }
            end = here + 1;
        }
        Some(at..end)
    }

    fn from_words(words: &str, excluded: bool, starred: bool, quoted: bool) -> Option<Self> {
        let found = tokens(words, Side::Query);
        let first = found.first()?.position;
        let lone = found.last().is_some_and(|token| token.lone);
        let parts: Vec<_> = found
            .into_iter()
            .map(|token| Part {
                offset: token.position - first,
                text: token.text,
            })
            .collect();
        let prefix = starred || lone;
        let typos = match parts.as_slice() {
            [part] if !(prefix || quoted || excluded) => typos_allowed(&part.text),
            _ => 0,
        };
        Some(Self {
            parts,
            prefix,
            excluded,
            typos,
        })
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("clauses", &self.clauses.len())
            .finish_non_exhaustive()
    }
}

fn limit(got: usize, max: usize) -> Result<(), QueryError> {
    if got > max {
        return Err(QueryError::TooManyTerms { got, max });
    }
    Ok(())
}

/// Takes one clause off `rest`: `None` at the end, `Some(None)` if it holds no word.
fn next_clause(rest: &mut &str) -> Option<Option<Clause>> {
    let text = rest.trim_start();
    if text.is_empty() {
        return None;
    }
    let (excluded, text) = match text.strip_prefix('-') {
        Some(after) if !after.starts_with(char::is_whitespace) => (true, after),
        _ => (false, text),
    };
    if let Some(quoted) = text.strip_prefix(is_quote) {
        let (words, after) = quoted.split_once(is_quote).unwrap_or((quoted, ""));
        let starred = after.starts_with('*') || words.trim_end().ends_with('*');
        *rest = after.trim_start_matches('*');
        return Some(Clause::from_words(words, excluded, starred, true));
    }
    let end = text
        .find(|char: char| char.is_whitespace() || is_quote(char))
        .unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    *rest = after;
    Some(Clause::from_words(word, excluded, word.ends_with('*'), false))
}

fn is_quote(char: char) -> bool {
    matches!(char, '"' | '“' | '”' | '„' | '«' | '»')
}

fn typos_allowed(word: &str) -> u8 {
    let letters = word.chars().count();
    if letters < TYPO_LETTERS || word.chars().any(char::is_numeric) {
        0
    } else if letters < TWO_TYPOS_LETTERS {
        1
    } else {
        2
    }
}

/// Whether at most `edits` inserts, drops, changes or swaps of neighbours make `left` of `right`.
fn within(left: &str, right: &str, edits: u8) -> bool {
    let edits = usize::from(edits);
    if edits == 0 {
        return left == right;
    }
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    if left.len().abs_diff(right.len()) > edits {
        return false;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, char) in left.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let mut best = above[column] + usize::from(char != other);
            best = best.min(above[column + 1] + 1).min(line[column] + 1);
            let swapped = row > 0 && column > 0 && left[row - 1] == *other && *char == right[column - 1];
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            line.push(best);
        }
        if line.iter().all(|distance| *distance > edits) {
            return false;
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().is_some_and(|distance| *distance <= edits)
}

#[cfg(test)]
mod check;

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(query: &str, text: &str) -> bool {
        Query::parse(query).unwrap().matches(text)
    }

    fn close(query: &str, text: &str) -> bool {
        Query::parse(query).unwrap().matches_with_typos(text)
    }

    #[test]
    fn all_words_must_be_found_in_any_order() {
        assert!(matches("world hello", "Hello, wide WORLD"));
        assert!(!matches("hello moon", "hello world"));
    }

    #[test]
    fn a_phrase_must_follow_in_order() {
        assert!(matches("\"hello world\"", "oh, hello world"));
        assert!(!matches("\"hello world\"", "hello wide world"));
        assert!(matches("“hello world”", "hello world"));
        assert!(matches("\"hello wor\"*", "hello world"));
        assert!(matches("\"hello wor*\"", "hello world"));
        assert!(matches("foo-bar", "a foo bar b"));
        assert!(!matches("foo-bar", "bar foo"));
        assert!(matches("\"hello world", "hello world"));
    }

    #[test]
    fn prefix_and_exclusion() {
        assert!(matches("wor*", "hello world"));
        assert!(!matches("orl*", "hello world"));
        assert!(!matches("hello -world", "hello world"));
        assert!(matches("hello -moon", "hello world"));
        assert!(!matches("hello -\"big world\"", "hello big world"));
        assert!(!matches("hello -wor*", "hello world"));
    }

    #[test]
    fn scripts_without_spaces_match_anywhere() {
        for part in ["東", "京", "都", "東京", "京都", "東京都", "に住", "む"] {
            assert!(matches(part, "私は東京都に住む"), "{part}");
        }
        assert!(!matches("東都", "東京都"));
        assert!(matches("สวัสดี", "เราสวัสดีครับ"));
        assert!(matches("한국", "대한국민"));
        assert!(matches("\"hello 京\"", "hello 京都"));
    }

    #[test]
    fn accents_emoji_and_arabic_points_fold() {
        assert!(matches("creme", "Crème brûlée"));
        assert!(matches("CRÈME", "creme"));
        assert!(matches("👍", "nice 👍🏽!"));
        assert!(matches("محمد", "قال مُحَمَّد"));
        assert!(matches("🇩🇪", "from 🇩🇪"));
    }

    #[test]
    fn typos_are_small_and_only_in_longer_words() {
        assert!(close("wrold", "hello world"));
        assert!(close("worlds", "hello world"));
        assert!(!close("wor", "war"));
        assert!(!close("woodr", "hello world"));
        assert!(close("mesage", "a message"));
        assert!(close("telephnoee", "telephone"));
        assert!(!close("2024x", "2025x"));
        assert!(!matches("wrold", "hello world"));
        assert!(!close("\"wrold\"", "world"));
    }

    #[test]
    fn limits_are_named() {
        assert_eq!(
            Query::parse(&"a".repeat(1025)).unwrap_err(),
            QueryError::TooLong { got: 1025, max: 1024 }
        );
        assert_eq!(
            Query::parse(&"a ".repeat(33)).unwrap_err(),
            QueryError::TooManyTerms { got: 33, max: 32 }
        );
        assert!(Query::parse(&"a ".repeat(32)).is_ok());
        assert!(matches!(
            Query::parse(&format!("\"{}\"", "a ".repeat(200))).unwrap_err(),
            QueryError::TooManyTerms { got: 200, max: 128 }
        ));
        for empty in ["", "  ", "-", "\"\"", "!!", "-word", "*", "\u{301}"] {
            assert_eq!(Query::parse(empty).unwrap_err(), QueryError::Empty, "{empty:?}");
        }
    }

    #[test]
    fn debug_does_not_show_the_words() {
        assert!(!format!("{:?}", Query::parse("secret").unwrap()).contains("secret"));
    }

    #[test]
    fn whatever_is_typed_is_a_query_or_refused_and_finds_alike() {
        use rand_chacha::ChaCha8Rng;
        use rand_core::{Rng, SeedableRng};
        const PARTS: [&str; 20] = [
            "hello",
            "wor",
            "wrold",
            "2024",
            " ",
            "  ",
            "-",
            "*",
            "\"",
            "“",
            "«",
            "東京",
            "む",
            "é",
            "\u{301}",
            "👍🏽",
            "🇩🇪",
            "مُحَمَّد",
            "\u{202e}",
            "\0",
        ];
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut text = |most: u32| -> String {
            let count = rng.next_u32() % most;
            (0..count)
                .map(|_| PARTS[rng.next_u32() as usize % PARTS.len()])
                .collect()
        };
        let (mut queries, mut found) = (0, 0);
        for _ in 0..4_000 {
            let (query, document) = (text(12), text(40));
            match check::query(&query, &document) {
                Some(true) => found += 1,
                Some(false) => queries += 1,
                None => {}
            }
        }
        assert!(queries > 200 && found > 50, "{queries} and {found}");
    }
}
