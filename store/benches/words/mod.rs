//! Messages of words drawn by Zipf's law from 60 000, and what is asked about them.

use std::sync::LazyLock;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const VOCABULARY: usize = 60_000;

/// Words by frequency: the 10th is common, the 100th frequent, the 20 000th rare.
pub(crate) static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    const SYLLABLES: [&str; 24] = [
        "ka", "to", "mi", "ren", "so", "la", "ver", "di", "pon", "us", "el", "gra", "ti", "mo", "shi", "bar", "ne",
        "quo", "fa", "lin", "der", "ox", "ya", "zu",
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut words: Vec<String> = Vec::with_capacity(VOCABULARY);
    let mut seen = std::collections::HashSet::new();
    while words.len() < VOCABULARY {
        let syllables = 1 + rng.next_u32() as usize % (2 + words.len().min(4_000) / 1_000);
        let word: String = (0..syllables)
            .map(|_| SYLLABLES[rng.next_u32() as usize % SYLLABLES.len()])
            .collect();
        if seen.insert(word.clone()) {
            words.push(word);
        } else if words.len() < 1_000 {
            words.push(format!("{word}{}", SYLLABLES[words.len() % SYLLABLES.len()]));
        }
    }
    words
});

/// About 200 bytes.
pub(crate) fn text(rng: &mut ChaCha8Rng) -> String {
    let mut text = String::with_capacity(220);
    while text.len() < 200 {
        // The inverse of Zipf's cumulative frequency, near enough.
        let uniform = f64::from(rng.next_u32()) / f64::from(u32::MAX);
        let rank = (VOCABULARY as f64).powf(uniform) as usize - 1;
        text.push_str(&WORDS[rank.min(VOCABULARY - 1)]);
        text.push(' ');
    }
    text
}

/// Kinds of queries.
pub(crate) const CLASSES: [&str; 10] = [
    "rare",
    "frequent",
    "common",
    "and_common",
    "and_rare",
    "phrase",
    "phrase_common",
    "prefix",
    "prefix_wide",
    "typo",
];

/// A query of a kind; another one in every turn of seven.
pub(crate) fn question(class: &str, turn: usize) -> String {
    let word = |rank: usize| WORDS[rank + turn % 7].as_str();
    match class {
        "rare" => word(20_000).to_owned(),
        "frequent" => word(100).to_owned(),
        "common" => word(5).to_owned(),
        "and_common" => format!("{} {}", word(5), word(30)),
        "and_rare" => format!("{} {}", word(5), word(9_000)),
        "phrase" => format!("\"{} {}\"", word(60), word(200)),
        "phrase_common" => format!("\"{} {}\"", word(5), word(20)),
        "prefix" => format!("{}*", word(3_000).chars().take(6).collect::<String>()),
        "prefix_wide" => format!("{}*", word(3_000).chars().take(3).collect::<String>()),
        _ => format!("{}q", word(12_000)),
    }
}
