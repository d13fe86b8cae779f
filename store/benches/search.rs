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
use words::{CLASSES, WORDS, question, text};

mod words;

const COMMIT_EVERY: u64 = 5_000;

fn documents() -> u64 {
    std::env::var("PARLOUR_SEARCH_DOCS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(100_000)
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
