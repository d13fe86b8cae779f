//! Every cut and every flipped bit of a journal, read back without an engine.

use super::super::journal::{FILE_HEADER, RECORD_HEADER, path_of};
use super::super::replay::{End, Replayed, replay};
use super::super::seal::Keys;
use super::{KEY, numbered, open, scratch};

const RECORDS: u64 = 5;

/// The bytes of a journal of five records, with the places where they end.
fn journal() -> (Keys, Vec<u8>, Vec<usize>) {
    let dir = scratch();
    let (db, _) = open(dir.path());
    let mut ends = vec![FILE_HEADER];
    for n in 1..=RECORDS {
        db.commit(numbered(n)).unwrap();
        ends.push(FILE_HEADER + db.health().journal_bytes as usize);
    }
    let mut bytes = std::fs::read(path_of(&dir.path().join("journal"), 1)).unwrap();
    // Some of the zeros after the last record are enough.
    bytes.truncate(ends[RECORDS as usize] + 200);
    (Keys::new(&KEY), bytes, ends)
}

fn read(keys: &Keys, bytes: &[u8]) -> Replayed {
    let mut next = 1;
    replay(bytes, keys, 1, Some(0), u64::MAX, |batch| {
        assert_eq!(batch, numbered(next));
        next += 1;
        Ok::<(), ()>(())
    })
    .unwrap()
}

#[test]
fn whole_journal_is_clean() {
    let (keys, bytes, _) = journal();
    let all = Replayed {
        records: RECORDS,
        next: RECORDS,
        end: End::Clean,
    };
    assert_eq!(read(&keys, &bytes), all);
}

#[test]
fn a_journal_cut_anywhere_gives_the_records_before_the_cut() {
    let (keys, bytes, ends) = journal();
    let last = *ends.last().unwrap();
    for cut in FILE_HEADER..last {
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64 - 1;
        let found = read(&keys, &bytes[..cut]);
        assert_eq!(found.records, whole);
        let border = ends.contains(&cut);
        let torn = if border { End::Clean } else { End::Torn(found.torn()) };
        assert_eq!(found.end, torn, "cut at {cut}");
        assert_eq!(border, found.torn() == 0, "cut at {cut}");
        // The same with the rest of the file zeroed, as when only a part of the write reached the disk.
        let mut zeroed = bytes.clone();
        zeroed[cut..].fill(0);
        // A record that ends in zeros is whole without them.
        let same = ends.iter().filter(|end| zeroed[..**end] == bytes[..**end]);
        let whole = same.count() as u64 - 1;
        let found = read(&keys, &zeroed);
        assert_eq!((found.records, found.damaged_at()), (whole, None));
    }
}

#[test]
fn a_flipped_bit_in_any_byte_is_reported() {
    let (keys, bytes, ends) = journal();
    let last = *ends.last().unwrap();
    for at in 0..last {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let found = read(&keys, &flipped);
        assert!(found.records < RECORDS);
        if at < ends[RECORDS as usize - 1] {
            assert!(found.damaged_at().is_some(), "byte {at}");
        } else {
            assert!(found.torn() > 0, "byte {at}");
        }
    }
}

#[test]
fn dropped_repeated_and_swapped_records_are_damage() {
    let (keys, bytes, ends) = journal();
    let part = |n: usize| bytes[ends[n]..ends[n + 1]].to_vec();
    for order in [
        vec![0, 1, 3, 4],
        vec![1, 2, 3, 4],
        vec![4],
        vec![0, 1, 1, 2],
        vec![0, 2, 1, 3, 4],
    ] {
        let mut changed = bytes[..FILE_HEADER].to_vec();
        for n in &order {
            changed.extend(part(*n));
        }
        let found = read(&keys, &changed);
        assert!(found.damaged_at().is_some(), "{order:?}");
    }
}

#[test]
fn a_record_of_another_journal_is_not_taken() {
    let (keys, bytes, ends) = journal();
    let (_, other, other_ends) = journal();
    let mut changed = bytes.clone();
    let (from, to) = (ends[2], ends[3]);
    assert_eq!(ends, other_ends);
    changed[from..to].copy_from_slice(&other[from..to]);
    let found = read(&keys, &changed);
    assert_eq!(found.records, 2);
    assert_eq!(found.damaged_at(), Some(from as u64));
    assert!(to - from > RECORD_HEADER);
}

#[test]
fn records_of_an_older_epoch_in_the_same_file_are_not_seen() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    for n in 1..=40 {
        db.commit(numbered(n)).unwrap();
    }
    // The third journal is written over the first one.
    db.checkpoint().unwrap();
    db.commit(numbered(41)).unwrap();
    db.checkpoint().unwrap();
    db.commit(numbered(42)).unwrap();
    let bytes = std::fs::read(path_of(&dir.path().join("journal"), 3)).unwrap();
    let keys = Keys::new(&KEY);
    let marker = super::super::journal::marker(&keys, 1);
    let old = bytes.windows(8).filter(|part| *part == marker).count();
    assert!(old > 30, "the file is a used one");
    let found = replay(&bytes, &keys, 3, Some(41), u64::MAX, |_| Ok::<(), ()>(())).unwrap();
    assert_eq!((found.records, found.next, found.end), (1, 42, End::Clean));
}
