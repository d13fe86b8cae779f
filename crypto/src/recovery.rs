//! The recovery phrase: 24 English BIP 39 words that stand for the identity's 32 bytes of entropy (PROTOCOL.md section 2).
//!
//! Only words and checksum are BIP 39; the identity is derived in `identity`, without BIP 39's seed.

use bip39::{Error as Bip39Error, Language, Mnemonic};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Number of words in a phrase.
pub const PHRASE_WORDS: usize = 24;

/// The 24 words for `entropy`, lower case, one space between them.
#[must_use]
pub fn phrase_from_entropy(entropy: &[u8; 32]) -> Zeroizing<String> {
    #[expect(clippy::expect_used, reason = "256 bits are a length BIP 39 has")]
    let mut mnemonic = Mnemonic::from_entropy_in(Language::English, entropy).expect("256 bits");
    // No English word has more than 8 letters.
    let mut phrase = Zeroizing::new(String::with_capacity(PHRASE_WORDS * 9));
    for word in mnemonic.words() {
        if !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.push_str(word);
    }
    mnemonic.zeroize();
    phrase
}

/// The entropy that 24 words stand for; upper case and any white space are fine.
///
/// # Errors
/// See [`PhraseError`].
pub fn entropy_from_phrase(phrase: &str) -> Result<Zeroizing<[u8; 32]>, PhraseError> {
    let got = phrase.split_whitespace().count();
    if got != PHRASE_WORDS {
        return Err(PhraseError::WordCount { got });
    }
    let lower = Zeroizing::new(phrase.to_lowercase());
    let mut mnemonic = Mnemonic::parse_in_normalized(Language::English, &lower).map_err(|error| match error {
        Bip39Error::UnknownWord(index) => PhraseError::UnknownWord {
            position: index.saturating_add(1),
        },
        _ => PhraseError::Checksum,
    })?;
    let (mut bytes, _) = mnemonic.to_entropy_array();
    mnemonic.zeroize();
    let mut entropy = Zeroizing::new([0; 32]);
    for (out, byte) in entropy.iter_mut().zip(bytes) {
        *out = byte;
    }
    bytes.zeroize();
    Ok(entropy)
}

/// Why words are not a recovery phrase. Nothing of the phrase itself is in it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PhraseError {
    /// Not 24 words.
    #[error("the phrase has {got} words instead of 24")]
    WordCount {
        /// Words found.
        got: usize,
    },
    /// A word is not in the list.
    #[error("word {position} of the phrase is not in the list of words")]
    UnknownWord {
        /// Which word, from 1.
        position: usize,
    },
    /// All words exist, but not in this combination.
    #[error("the words do not belong together: one of them is wrong or two are swapped")]
    Checksum,
}

#[cfg(test)]
mod tests;
