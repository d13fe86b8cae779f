//! Seeded mutations of a row of every table and of what stands in files, and of what coverage-guided fuzzing has found (`fuzz/seeds`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use parlour_crypto::{Keystore, Unlock};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::{file, row, rows};
use crate::db::{self, DbOptions, Row};
use crate::store::Store;

/// Mutations of each sample.
const ROUNDS: usize = 200;
/// Mutations of each seed; there are many.
const SEED_ROUNDS: usize = 6;
/// What lengths are mistaken for: the limits of keys and values, and the greatest of each width, as numbers of either form.
const LIMITS: [&[u8]; 10] = [
    &[0],
    &[0x7f],
    &[0xff, 0xff],
    &[0x00, 0x10],
    &[0x01, 0x10],
    &[0x80, 0x80, 0x04],
    &[0x81, 0x80, 0x04],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff; 9],
];
/// Marks of what is to be erased, which no build leaves behind, and what none writes any more.
const PASSING: [&str; 2] = ["TakeBack", "PinOrder"];

#[test]
fn a_row_of_every_table_is_read_and_no_mutation_of_one_is_taken_for_another() {
    let kept = kept();
    for (key, value) in &kept {
        assert!(row(&[&key[..1], value].concat()), "{key:02x?}");
    }
    let samples: Vec<_> = kept.iter().flat_map(forms).collect();
    let [taken, refused] = mutated(1, row, &samples, "rows");
    assert!(taken > 500 && refused > 500, "{taken} and {refused}");
}

#[test]
fn what_stands_in_files_is_read_and_no_mutation_of_it_is_taken_for_another() {
    let mut kept = kept();
    kept.retain(|(_, value)| value.len() < 300);
    let samples: Vec<_> = kept.chunks(24).flat_map(db::files).collect();
    for sample in &samples {
        assert!(file(sample), "of form {}", sample[0]);
    }
    let [taken, refused] = mutated(2, file, &samples, "files");
    assert!(taken > 200 && refused > 500, "{taken} and {refused}");
}

#[test]
fn every_table_has_its_readers() {
    let source = include_str!("../keyspace.rs");
    let kinds = source.split_once("enum Kind {").unwrap().1.split_once('}').unwrap().0;
    let names = kinds
        .lines()
        .filter_map(|line| Some(line.trim().split_once(" = 0x")?.0.to_owned()));
    let read = rows::TABLES.iter().map(|(kind, _)| format!("{kind:?}"));
    assert_eq!(read.clone().count(), read.clone().collect::<BTreeSet<_>>().len());
    assert_eq!(names.collect::<BTreeSet<_>>(), read.collect());
    let kept: BTreeSet<u8> = kept().iter().map(|(key, _)| key[0]).collect();
    let absent = rows::TABLES.iter().filter(|(kind, _)| !kept.contains(&(*kind as u8)));
    let absent: Vec<_> = absent.map(|(kind, _)| format!("{kind:?}")).collect();
    assert_eq!(absent, PASSING);
}

/// Offers mutations of samples and of seeds: how many were taken, and how many were not.
fn mutated(seed: u64, offer: fn(&[u8]) -> bool, samples: &[Vec<u8>], folder: &str) -> [usize; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let seeds = seeds(folder);
    for seed in &seeds {
        offer(seed);
    }
    let mut out = [0; 2];
    for (all, rounds) in [(samples, ROUNDS), (&seeds, SEED_ROUNDS)] {
        for good in all {
            for _ in 0..rounds {
                let other = &all[rng.next_u32() as usize % all.len()];
                let taken = offer(&mutate(&mut rng, good, other));
                out[usize::from(!taken)] += 1;
            }
        }
    }
    out
}

/// What says the form or the table stays as it is.
fn mutate(rng: &mut ChaCha8Rng, good: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=rng.next_u32() % 3 {
        let at = 1 + rng.next_u32() as usize % bytes.len().max(2);
        let at = at.min(bytes.len());
        match rng.next_u32() % 6 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, rng.next_u32() as u8),
            2 if at < bytes.len() => bytes[at] ^= 1 << (rng.next_u32() % 8),
            3 => {
                let limit = LIMITS[rng.next_u32() as usize % LIMITS.len()];
                let end = (at + limit.len()).min(bytes.len());
                bytes.splice(at..end, limit.iter().copied());
            }
            4 => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[at.min(other.len())..]);
            }
            _ if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.extend_from_slice(&good[at.min(good.len())..]),
        }
    }
    bytes
}

/// A row as its value alone, and with its key.
fn forms((key, value): &Row) -> [Vec<u8>; 2] {
    let len = u8::try_from(key.len()).unwrap();
    [[&key[..1], value].concat(), [&[0, len], key.as_slice(), value].concat()]
}

/// A row of every table, as it was kept.
fn kept() -> Vec<Row> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rows");
    let dir = tempfile::tempdir().unwrap();
    copy(&from, dir.path());
    let keystore = fs::read(from.join("keystore")).unwrap();
    let key = Keystore::unlock(&keystore, Unlock::NodeKey(&[9; 32])).unwrap().1;
    let options = DbOptions {
        reserve_bytes: 0,
        ..DbOptions::default()
    };
    let (store, _) = Store::open(dir.path(), &key, options).unwrap();
    store.db().scan(&[], &[u8::MAX; 64]).map(Result::unwrap).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a target in `fuzz` found to reach new code, in order.
fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}
