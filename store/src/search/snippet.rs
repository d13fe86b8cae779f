//! The part of a text worth showing beside a hit.

use std::fmt;

use super::query::{Closeness, Query};
use super::tokenizer::{Side, Token, tokens};

/// Stands where text was left out.
const CUT: char = '…';

/// An excerpt of a text with the found words marked. `Debug` does not show the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The excerpt, with `…` at either end where text was left out.
    pub text: String,
    /// The found words: byte ranges (start, end) of [`Snippet::text`], in order, not overlapping,
    /// always on character boundaries.
    pub ranges: Vec<(usize, usize)>,
}

impl fmt::Debug for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snippet")
            .field("ranges", &self.ranges)
            .finish_non_exhaustive()
    }
}

impl Query {
    /// Cuts at most `max_chars` characters out of `text`, around as many found words as possible.
    /// A text without any of the words gives its beginning.
    pub fn snippet(&self, text: &str, max_chars: usize) -> Snippet {
        let document = tokens(text, Side::Document);
        let mut marks = self.marks(&document, Closeness::Exact);
        if marks.is_empty() {
            marks = self.marks(&document, Closeness::Typos);
        }
        cut(text, &marks, max_chars)
    }

    /// Byte ranges of `text` that match a clause, joined where they touch.
    fn marks(&self, document: &[Token], closeness: Closeness) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for clause in self.clauses.iter().filter(|clause| !clause.excluded) {
            for at in 0..document.len() {
                let range = clause.found_at(document, at, closeness);
                let tokens = range.and_then(|range| document.get(range));
                if let Some([first, .., last] | [first @ last]) = tokens {
                    found.push((first.start, last.end));
                }
            }
        }
        found.sort_unstable();
        let mut joined: Vec<(usize, usize)> = Vec::with_capacity(found.len());
        for (start, end) in found {
            match joined.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        joined
    }
}

fn cut(text: &str, marks: &[(usize, usize)], max_chars: usize) -> Snippet {
    let (from, to) = window(text, marks, max_chars);
    let mut out = String::with_capacity(to - from + 2 * CUT.len_utf8());
    if from > 0 && max_chars > 0 {
        out.push(CUT);
    }
    let shift = out.len();
    out.push_str(text.get(from..to).unwrap_or_default());
    if to < text.len() && max_chars > 1 {
        out.push(CUT);
    }
    let ranges = marks
        .iter()
        .map(|(start, end)| ((*start).max(from), (*end).min(to)))
        .filter(|(start, end)| start < end)
        .map(|(start, end)| (start - from + shift, end - from + shift))
        .collect();
    Snippet { text: out, ranges }
}

/// The bytes of `text` to show: with the ellipses at most `max_chars` characters.
fn window(text: &str, marks: &[(usize, usize)], max_chars: usize) -> (usize, usize) {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    if starts.len() <= max_chars {
        return (0, text.len());
    }
    // Room for an ellipsis at both ends.
    let size = max_chars.saturating_sub(2);
    let byte = |char: usize| starts.get(char).copied().unwrap_or(text.len());
    let char = |byte: usize| starts.partition_point(|start| *start < byte);
    let best = marks.iter().enumerate().max_by_key(|(index, (start, _))| {
        let end = byte(char(*start) + size);
        let within = marks.iter().skip(*index).take_while(|mark| mark.1 <= end).count();
        (within, std::cmp::Reverse(*index))
    });
    let Some((_, (start, _))) = best else {
        return (0, byte(size));
    };
    let lead = size / 4;
    let wanted = char(*start).saturating_sub(lead).min(starts.len() - size);
    let found = char(*start);
    // Begin with a whole word if one begins before the found one.
    let first = (wanted..found)
        .find(|at| {
            *at == 0
                || text
                    .get(byte(at - 1)..byte(*at))
                    .is_some_and(|c| c.starts_with(char::is_whitespace))
        })
        .unwrap_or(wanted.min(found));
    (byte(first), byte(first + size))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marked(query: &str, text: &str, max_chars: usize) -> (String, Vec<String>) {
        let snippet = Query::parse(query).unwrap().snippet(text, max_chars);
        let words = snippet
            .ranges
            .iter()
            .map(|(from, to)| snippet.text[*from..*to].to_owned())
            .collect();
        (snippet.text, words)
    }

    #[test]
    fn a_short_text_is_shown_whole_with_its_words_marked() {
        let (text, words) = marked("creme \"new york\"", "Crème from New York", 100);
        assert_eq!(text, "Crème from New York");
        assert_eq!(words, ["Crème", "New York"]);
    }

    #[test]
    fn a_long_text_is_cut_around_the_words() {
        let long = format!("{} the needle here {}", "hay ".repeat(100), "straw ".repeat(100));
        let (text, words) = marked("needle", &long, 40);
        assert!(text.starts_with('…') && text.ends_with('…'), "{text}");
        assert!(text.chars().count() <= 40);
        assert_eq!(words, ["needle"]);
    }

    #[test]
    fn pairs_of_a_run_are_marked_as_one() {
        assert_eq!(marked("東京都", "私は東京都に住む", 50).1, ["東京都"]);
        assert_eq!(marked("京", "東京", 50).1, ["京"]);
    }

    #[test]
    fn typos_are_marked_when_nothing_else_is() {
        assert_eq!(marked("wrold", "hello world", 50).1, ["world"]);
    }

    proptest! {
        #[test]
        fn snippets_keep_to_their_size_and_to_character_boundaries(
            text in "[a-c é東京👍]{0,80}", query in "[a-c京]{1,2}", max in 0_usize..40,
        ) {
            let snippet = Query::parse(&query).unwrap().snippet(&text, max);
            prop_assert!(snippet.text.chars().count() <= max, "{:?} over {max}", snippet.text);
            for (from, to) in snippet.ranges {
                prop_assert!(snippet.text.get(from..to).is_some_and(|found| !found.is_empty()));
            }
        }
    }
}
