//! Words of a text, the same for messages and queries.
//!
//! A word of an alphabetic script is one token; longer than 64 characters, it is cut into pieces
//! that follow each other. A run of a script without spaces (Han, Kana, Hangul, Thai …) of n
//! characters is n tokens: overlapping pairs, and the last character alone, so that one character
//! is found by prefix wherever it stands. In a query, a run of two or more leaves out that last
//! one. An emoji is a token. Every token takes the position of its first character or word.
//! There is no stemming: it would be right for one language and wrong for the others.

use tantivy::tokenizer::{Token as IndexToken, TokenStream, Tokenizer};

use super::fold::{Class, Folded, fold};

/// Characters in the longest token.
const LONGEST: usize = 64;

/// One word (or pair) and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    /// Counted in words and run characters from the start of the text.
    pub(super) position: usize,
    /// Bytes of the original text.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether this is a lone character of a run, which stands for all that begins with it.
    pub(super) lone: bool,
}

/// Who asks for the tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// A text that is searched.
    Document,
    /// A text that is looked for.
    Query,
}

/// The tokens of `text`, in order.
pub(super) fn tokens(text: &str, side: Side) -> Vec<Token> {
    let folded = fold(text);
    let mut out = Vec::with_capacity(text.len() / 5 + 1);
    let mut position = 0;
    let mut rest = folded.as_slice();
    while let Some(first) = rest.first() {
        let len = match first.class {
            Class::Symbol => span(rest, |class| class == Class::Mark).max(1),
            Class::Word => span(rest, |class| matches!(class, Class::Word | Class::Mark)),
            Class::Run => span(rest, |class| matches!(class, Class::Run | Class::Mark)),
            Class::Mark | Class::Break => 0,
        };
        let (part, after) = rest.split_at(len.max(1).min(rest.len()));
        rest = after;
        match first.class {
            Class::Symbol => {
                out.push(token(part.get(..1).unwrap_or(part), position, false));
                position += 1;
            }
            Class::Word => {
                for piece in part.chunks(LONGEST) {
                    out.push(token(piece, position, false));
                    position += 1;
                }
            }
            Class::Run => {
                for pair in part.windows(2) {
                    out.push(token(pair, position, false));
                    position += 1;
                }
                if side == Side::Document || part.len() == 1 {
                    out.push(token(part.get(part.len() - 1..).unwrap_or(part), position, true));
                }
                position += 1;
            }
            Class::Mark | Class::Break => {}
        }
    }
    out
}

/// How many characters from the first on belong together.
fn span(rest: &[Folded], belongs: impl Fn(Class) -> bool) -> usize {
    1 + rest.iter().skip(1).take_while(|folded| belongs(folded.class)).count()
}

fn token(part: &[Folded], position: usize, lone: bool) -> Token {
    Token {
        text: part.iter().map(|folded| folded.char).collect(),
        position,
        start: part.first().map_or(0, |folded| folded.start),
        end: part.last().map_or(0, |folded| folded.end),
        lone,
    }
}

/// [`tokens`] in the shape tantivy asks for.
#[derive(Clone)]
pub(super) struct MessageTokenizer;

/// The tokens of one message on their way into the index.
pub(super) struct MessageTokens {
    tokens: std::vec::IntoIter<Token>,
    current: IndexToken,
}

impl Tokenizer for MessageTokenizer {
    type TokenStream<'a> = MessageTokens;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> MessageTokens {
        MessageTokens {
            tokens: tokens(text, Side::Document).into_iter(),
            current: IndexToken::default(),
        }
    }
}

impl TokenStream for MessageTokens {
    fn advance(&mut self) -> bool {
        let Some(next) = self.tokens.next() else {
            return false;
        };
        self.current = IndexToken {
            offset_from: next.start,
            offset_to: next.end,
            position: next.position,
            text: next.text,
            position_length: 1,
        };
        true
    }

    fn token(&self) -> &IndexToken {
        &self.current
    }

    fn token_mut(&mut self) -> &mut IndexToken {
        &mut self.current
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str, side: Side) -> Vec<(String, usize)> {
        tokens(text, side)
            .into_iter()
            .map(|token| (token.text, token.position))
            .collect()
    }

    fn expect(text: &str, side: Side, expected: &[(&str, usize)]) {
        let expected: Vec<_> = expected.iter().map(|(word, at)| ((*word).to_owned(), *at)).collect();
        assert_eq!(words(text, side), expected, "{text}");
    }

    #[test]
    fn words_are_split_at_spaces_and_punctuation() {
        expect(
            "Don't stop_now, Zoë!",
            Side::Document,
            &[("don", 0), ("t", 1), ("stop", 2), ("now", 3), ("zoe", 4)],
        );
        expect("مرحبا بالعالم", Side::Document, &[("مرحبا", 0), ("بالعالم", 1)]);
        expect("हिन्दी में", Side::Document, &[("हिन्दी", 0), ("में", 1)]);
    }

    #[test]
    fn runs_become_pairs_and_a_last_character() {
        expect(
            "go 東京都 now",
            Side::Document,
            &[("go", 0), ("東京", 1), ("京都", 2), ("都", 3), ("now", 4)],
        );
        expect("東京都", Side::Query, &[("東京", 0), ("京都", 1)]);
        expect("東", Side::Query, &[("東", 0)]);
        expect("สวัส", Side::Query, &[("สว", 0), ("วั", 1), ("ัส", 2)]);
    }

    #[test]
    fn an_emoji_is_a_word_whatever_its_tone_or_selector() {
        expect(
            "ok 👍🏽❤\u{fe0f}x",
            Side::Document,
            &[("ok", 0), ("👍", 1), ("❤", 2), ("x", 3)],
        );
    }

    #[test]
    fn a_long_word_is_cut_into_pieces_that_follow_each_other() {
        let tokens = tokens(&"x".repeat(150), Side::Document);
        let lengths: Vec<_> = tokens.iter().map(|token| (token.text.len(), token.position)).collect();
        assert_eq!(lengths, [(64, 0), (64, 1), (22, 2)]);
    }

    proptest! {
        #[test]
        fn token_ranges_are_character_boundaries_in_order(text in "\\PC{0,60}") {
            let tokens = tokens(&text, Side::Document);
            for token in &tokens {
                prop_assert!(text.get(token.start..token.end).is_some());
                prop_assert!(!token.text.is_empty());
            }
            for pair in tokens.windows(2) {
                prop_assert!(pair[0].position <= pair[1].position && pair[0].start <= pair[1].start);
            }
        }
    }
}
