//! Texts to search in: few words come often and most come seldom, as in any language, and each message has its own.

/// Words that there are.
const VOCABULARY: f64 = 60_000.0;
const SYLLABLES: [&str; 24] = [
    "ba", "den", "fi", "gor", "ha", "ju", "kel", "lo", "mi", "nar", "o", "pe", "ri", "sa", "ten", "u", "va", "wo",
    "xi", "ye", "zo", "cha", "thi", "ram",
];
/// Words of a message: about 200 bytes.
const WORDS: u64 = 34;

/// The word that is this often: 0 is the most frequent.
pub(super) fn word(rank: usize) -> String {
    let mut rest = rank + SYLLABLES.len();
    let mut word = String::new();
    while rest > 0 {
        word.push_str(SYLLABLES.get(rest % SYLLABLES.len()).copied().unwrap_or_default());
        rest /= SYLLABLES.len();
    }
    word
}

/// What message `n` says: the same for the same number.
pub(super) fn text(n: usize) -> String {
    let words = (0..WORDS).map(|at| word(rank(mixed(n as u64 * WORDS + at))));
    words.collect::<Vec<_>>().join(" ")
}

/// A word comes as often as its rank says: the second half as often as the first, and so on.
fn rank(number: u64) -> usize {
    let share = (number >> 11) as f64 / (1_u64 << 53) as f64;
    VOCABULARY.powf(share) as usize - 1
}

/// One number from another that looks like none of its neighbours (SplitMix64).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Kinds of searches.
pub(super) const KINDS: [&str; 7] = ["rare", "frequent", "common", "and", "phrase", "prefix", "typo"];

/// A search of this kind, another one each turn.
pub(super) fn question(kind: &str, turn: usize) -> String {
    let word = |rank: usize| word(rank + turn % 7);
    match kind {
        "rare" => word(20_000),
        "frequent" => word(100),
        "common" => word(5),
        "and" => format!("{} {}", word(5), word(9_000)),
        "phrase" => format!("\"{} {}\"", word(60), word(200)),
        "prefix" => format!("{}*", word(3_000).chars().take(5).collect::<String>()),
        _ => format!("{}q", word(12_000)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn words_differ_and_some_come_more_often() {
        let all: BTreeSet<String> = (0..60_000).map(word).collect();
        assert!(all.len() > 59_000, "{}", all.len());
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for n in 0..2_000 {
            text(n)
                .split(' ')
                .for_each(|word| *counts.entry(word.to_owned()).or_default() += 1);
        }
        let often = counts.get(&word(0)).copied().unwrap_or_default();
        let seldom = counts.get(&word(1_000)).copied().unwrap_or_default();
        assert!(often > 2_000 && seldom < 50, "{often}, {seldom}");
        assert!((150..260).contains(&text(7).len()), "{}", text(7));
        assert_eq!(text(7), text(7));
    }
}
