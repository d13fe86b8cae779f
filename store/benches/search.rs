//! Search figures: indexing rate, and the time of each kind of query in both orders.
//!
//! `PARLOUR_SEARCH_DOCS` is the number of messages, 100 000 by default. Messages are about 200
//! bytes of words drawn by Zipf's law from 60 000, in 400 conversations, one message a minute.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::ItemsCount;
use parlour_store::{DocRef, Filter, IndexDoc, Order, Query, SearchIndex, SearchOptions};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const VOCABULARY: usize = 60_000;
const COMMIT_EVERY: u64 = 5_000;

fn documents() -> u64 {
    std::env::var("PARLOUR_SEARCH_DOCS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(100_000)
}

/// Words by frequency: the 10th is common, the 100th frequent, the 20 000th rare.
static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
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

fn text(rng: &mut ChaCha8Rng) -> String {
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

fn feed(index: &SearchIndex, count: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for number in 0..count {
        let conversation = rng.next_u32() % 400;
        let mut doc = [0; 24];
        doc[..4].copy_from_slice(&conversation.to_be_bytes());
        doc[8..16].copy_from_slice(&number.to_be_bytes());
        index
            .add(&IndexDoc {
                doc: DocRef(doc),
                conversation,
                author: rng.next_u32() % 1_000,
                kind: 0,
                clock_ms: 1_700_000_000_000 + number * 60_000 + u64::from(rng.next_u32() % 60_000),
                text: &text(&mut rng),
            })
            .unwrap();
        if number % COMMIT_EVERY == COMMIT_EVERY - 1 {
            index.commit(number + 1).unwrap();
        }
    }
    index.commit(count).unwrap();
}

static FULL: LazyLock<(tempfile::TempDir, SearchIndex)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let index = SearchIndex::open(dir.path(), &[3; 32], SearchOptions::default()).unwrap();
    feed(&index, documents());
    index.release_writer().unwrap();
    eprintln!(
        "{} messages, {} bytes of index a message",
        index.document_count(),
        index.size_on_disk().unwrap() / documents().max(1)
    );
    (dir, index)
});

fn main() {
    LazyLock::force(&WORDS);
    divan::main();
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn index_10_000(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(10_000_u64))
        .with_inputs(|| {
            let dir = tempfile::tempdir().unwrap();
            let index = SearchIndex::open(dir.path(), &[3; 32], SearchOptions::default()).unwrap();
            (dir, index)
        })
        .bench_values(|(dir, index)| {
            feed(&index, 10_000);
            (dir, index)
        });
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn reopen(bencher: Bencher<'_, '_>) {
    let (dir, _) = &*FULL;
    bencher.bench(|| SearchIndex::open(dir.path(), &[3; 32], SearchOptions::default()).unwrap());
}

const CLASSES: [&str; 10] = [
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

fn question(class: &str, turn: usize) -> String {
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

fn run(bencher: Bencher<'_, '_>, class: &str, filter: &Filter, order: Order) {
    let (_, index) = &*FULL;
    let queries: Vec<_> = (0..7)
        .map(|turn| Query::parse(&question(class, turn)).unwrap())
        .collect();
    let mut turn = 0;
    bencher.bench_local(|| {
        turn += 1;
        index.search(&queries[turn % 7], filter, order, 0, 20).unwrap()
    });
}

#[divan::bench(args = CLASSES, sample_count = 200, sample_size = 1)]
fn newest(bencher: Bencher<'_, '_>, class: &str) {
    run(bencher, class, &Filter::default(), Order::Newest);
}

#[divan::bench(args = CLASSES, sample_count = 200, sample_size = 1)]
fn ranked(bencher: Bencher<'_, '_>, class: &str) {
    run(bencher, class, &Filter::default(), Order::Ranked);
}

#[divan::bench(args = ["common", "and_common"], sample_count = 200, sample_size = 1)]
fn newest_in_one_conversation(bencher: Bencher<'_, '_>, class: &str) {
    let filter = Filter {
        conversations: Some(vec![7]),
        ..Filter::default()
    };
    run(bencher, class, &filter, Order::Newest);
}
