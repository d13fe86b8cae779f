//! The key-value layer: commits, reads, and opening at size.
//!
//! `PARLOUR_BENCH_ROWS` sets the number of rows of the database the reads and the reopening use.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first failure and prints"
)]

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use parlour_store::{Batch, Db, DbOptions};
use tempfile::TempDir;

const KEY: [u8; 32] = [5; 32];
const CONVERSATION: u64 = 1000;

fn main() {
    divan::main();
}

fn rows() -> u64 {
    let set = std::env::var("PARLOUR_BENCH_ROWS").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

fn open(dir: &Path) -> Db {
    let (db, report) = Db::open(dir, &KEY, DbOptions::default()).unwrap();
    assert!(report.damage.is_empty());
    db
}

fn key(number: u64) -> Vec<u8> {
    let mut key = vec![1];
    key.extend((number / CONVERSATION).to_be_bytes());
    key.extend((number % CONVERSATION).to_be_bytes());
    key
}

fn messages(next: &AtomicU64, messages: u64, puts: u64) -> Batch {
    let mut batch = Batch::new();
    for number in 0..messages * puts {
        let at = next.fetch_add(1, Ordering::Relaxed);
        batch.put(key(at), vec![number as u8; 300]);
    }
    batch
}

fn checkpoint_if_due(db: &Db) {
    if db.needs_checkpoint(0) {
        db.checkpoint().unwrap();
    }
}

/// A filled database, made once.
fn filled() -> &'static (TempDir, Db) {
    static FILLED: OnceLock<(TempDir, Db)> = OnceLock::new();
    FILLED.get_or_init(|| {
        let dir = fill(rows());
        let db = open(dir.path());
        (dir, db)
    })
}

fn fill(rows: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let next = AtomicU64::new(0);
    while next.load(Ordering::Relaxed) < rows {
        db.commit(messages(&next, 256, 8)).unwrap();
        checkpoint_if_due(&db);
    }
    println!("{rows} rows of 300 bytes: {} MB on disk", db.size_on_disk() / 1_000_000);
    db.close().unwrap();
    dir
}

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    (*seed >> 20) % rows()
}

#[divan::bench(args = [1, 8], sample_count = 400)]
fn commit_small(bencher: Bencher, puts: u64) {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let next = AtomicU64::new(0);
    bencher
        .with_inputs(|| messages(&next, 1, puts))
        .bench_values(|batch| db.commit(batch).unwrap());
}

#[divan::bench(sample_count = 60)]
fn commit_256_messages_of_8_puts(bencher: Bencher) {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let next = AtomicU64::new(0);
    bencher
        .with_inputs(|| {
            checkpoint_if_due(&db);
            messages(&next, 256, 8)
        })
        .bench_values(|batch| db.commit(batch).unwrap());
}

#[divan::bench]
fn get(bencher: Bencher) {
    let (_, db) = filled();
    let mut seed = 1;
    bencher
        .with_inputs(|| key(random(&mut seed)))
        .bench_local_values(|key| db.get(&key).unwrap().unwrap());
}

#[divan::bench]
fn scan_50(bencher: Bencher) {
    let (_, db) = filled();
    let mut seed = 2;
    bencher
        .with_inputs(|| key(random(&mut seed) / CONVERSATION * CONVERSATION))
        .bench_local_values(|from| {
            let page = db.scan(&from, &[2]).take(50);
            page.map(|row| row.unwrap().1.len()).sum::<usize>()
        });
}

#[divan::bench]
fn scan_50_backwards(bencher: Bencher) {
    let (_, db) = filled();
    let mut seed = 3;
    bencher.with_inputs(|| key(random(&mut seed))).bench_local_values(|to| {
        let page = db.scan(&[1], &to).rev().take(50);
        page.map(|row| row.unwrap().1.len()).sum::<usize>()
    });
}

#[divan::bench(sample_count = 5)]
fn reopen(bencher: Bencher) {
    static CLOSED: OnceLock<TempDir> = OnceLock::new();
    let dir = CLOSED.get_or_init(|| fill(rows()));
    bencher.bench_local(|| open(dir.path()));
}

#[divan::bench(sample_count = 50)]
fn checkpoint_of_one_batch(bencher: Bencher) {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let next = AtomicU64::new(0);
    bencher
        .with_inputs(|| db.commit(messages(&next, 1, 8)).unwrap())
        .bench_values(|()| db.checkpoint().unwrap());
}
