//! Reads, overlays, limits, marks.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{Batch, CommitError, Db, LockError, OpenError, Read, Txn};
use super::super::{DataLock, permissions};
use super::{KEY, last_numbered, numbered, open, scratch, small};

#[test]
fn committed_rows_are_read_back_and_survive_reopening() {
    let dir = scratch();
    let (db, report) = open(dir.path());
    assert!(report.first_open && report.damage.is_empty());
    for n in 1..=20 {
        db.commit(numbered(n)).unwrap();
    }
    let mut batch = Batch::new();
    batch.delete(b"a/0020".to_vec());
    batch.delete(b"b/0020".to_vec());
    db.commit(batch).unwrap();
    assert_eq!(last_numbered(&db), 19);
    assert_eq!(db.get(b"a/0020").unwrap(), None);
    drop(db);
    let (db, report) = open(dir.path());
    assert_eq!(report.replayed_records, 21);
    assert!(!report.first_open && report.damage.is_empty());
    assert_eq!(last_numbered(&db), 19);
    db.close().unwrap();
    let (db, report) = open(dir.path());
    assert_eq!(report, super::OpenReport::default());
    assert_eq!(last_numbered(&db), 19);
    assert_eq!(db.marks(), BTreeMap::from([(b"count".to_vec(), 20)]));
}

#[test]
fn empty_batch_writes_nothing() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    db.commit(Batch::new()).unwrap();
    assert_eq!(db.health().journal_bytes, 0);
    assert!(!db.needs_checkpoint(u64::MAX));
}

#[test]
fn a_batch_of_marks_alone_is_durable() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    for value in [5, 9, 3] {
        let mut batch = Batch::new();
        batch.mark(b"log".to_vec(), value);
        db.commit(batch).unwrap();
    }
    drop(db);
    let (db, _) = open(dir.path());
    assert_eq!(db.marks(), BTreeMap::from([(b"log".to_vec(), 9)]));
}

#[test]
fn limits_are_enforced_and_nothing_is_written_beyond_them() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    let one = |key: usize, value: usize| {
        let mut batch = Batch::new();
        batch.put(vec![1; key], vec![2; value]);
        batch
    };
    db.commit(one(4096, 64 * 1024)).unwrap();
    assert_eq!(db.get(&[1; 4096]).unwrap().unwrap(), vec![2; 64 * 1024]);
    let before = db.health().journal_bytes;
    assert!(matches!(
        db.commit(one(1, 64 * 1024 + 1)),
        Err(CommitError::ValueTooLong { len: 65537, max: 65536 })
    ));
    assert!(matches!(
        db.commit(one(4097, 1)),
        Err(CommitError::KeyTooLong { len: 4097, .. })
    ));
    let mut huge = Batch::new();
    for n in 0_u32..513 {
        huge.put(n.to_le_bytes().to_vec(), vec![0; 64 * 1024]);
    }
    assert!(matches!(db.commit(huge), Err(CommitError::BatchTooLong { .. })));
    assert_eq!(db.health().journal_bytes, before);
    assert_eq!(db.get(&[1]).unwrap(), None);
}

#[test]
fn a_batch_of_many_large_values_is_durable() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    let mut batch = Batch::new();
    for n in 0_u32..6 {
        batch.put(n.to_be_bytes().to_vec(), vec![n as u8; 64 * 1024]);
    }
    db.commit(batch).unwrap();
    drop(db);
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    let (db, report) = open(dir.path());
    assert_eq!((report.replayed_records, report.damage.len()), (1, 0));
    let rows: Vec<_> = db.scan(&[], &[255]).map(Result::unwrap).collect();
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[3].1, vec![3; 64 * 1024]);
}

#[test]
fn values_are_not_on_disk_in_the_clear() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    let mut batch = Batch::new();
    batch.put(b"k".to_vec(), b"a sentence nobody else may read".repeat(3));
    db.commit(batch).unwrap();
    db.checkpoint().unwrap();
    db.close().unwrap();
    let mut dirs = vec![dir.path().to_path_buf()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(15).any(|part| part == b"sentence nobody"));
        }
    }
}

#[test]
fn a_directory_has_one_opener() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    let pid = std::process::id();
    let second = Db::open(dir.path(), &KEY, small());
    assert!(matches!(second, Err(OpenError::InUse { pid: found }) if found == pid));
    drop(db);
    open(dir.path());
    let lock = DataLock::acquire(dir.path()).unwrap();
    let second = DataLock::acquire(dir.path());
    let error = second.unwrap_err();
    assert_eq!(error.to_string(), format!("data directory is in use by pid {pid}"));
    assert!(matches!(error, LockError::InUse { .. }));
    drop(lock);
    DataLock::acquire(dir.path()).unwrap();
}

#[test]
fn private_file_keeps_what_is_there() {
    let dir = scratch();
    let path = dir.path().join("x");
    std::fs::write(&path, b"kept").unwrap();
    drop(permissions::private_file(&path).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), b"kept");
}

#[test]
fn a_checkpoint_is_due_by_size_or_by_time() {
    let dir = scratch();
    let options = super::DbOptions {
        checkpoint_bytes: 10_000,
        ..small()
    };
    let (db, _) = Db::open(dir.path(), &KEY, options).unwrap();
    assert!(!db.needs_checkpoint(1_000));
    db.commit(numbered(1)).unwrap();
    assert!(!db.needs_checkpoint(2_000));
    assert!(!db.needs_checkpoint(31_999));
    assert!(db.needs_checkpoint(32_000));
    db.checkpoint().unwrap();
    assert!(!db.needs_checkpoint(99_000));
    for n in 2..100 {
        db.commit(numbered(n)).unwrap();
    }
    assert!(db.needs_checkpoint(99_000));
}

#[test]
fn commits_and_reads_go_on_during_checkpoints() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    std::thread::scope(|scope| {
        let checkpoints = db.clone();
        let reader = db.clone();
        let writing = scope.spawn(|| {
            for n in 1..=400 {
                db.commit(numbered(n)).unwrap();
            }
        });
        scope.spawn(move || {
            for _ in 0..10 {
                checkpoints.checkpoint().unwrap();
            }
        });
        scope.spawn(move || {
            while reader.scan_keys(b"b/", b"b0").count() < 400 {
                let newest = reader.scan(b"a/", b"a0").next_back();
                if let Some(row) = newest {
                    assert_eq!(row.unwrap().1.len(), 8);
                }
            }
        });
        writing.join().unwrap();
    });
    drop(db);
    let (db, report) = open(dir.path());
    assert!(report.damage.is_empty());
    assert_eq!(last_numbered(&db), 400);
}

#[test]
fn backward_ranges_are_empty() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    db.commit(numbered(1)).unwrap();
    let mut txn = db.begin();
    txn.put(b"a/0000".to_vec(), vec![1]);
    for (from, to) in [(&b"b"[..], &b"a"[..]), (b"a/0001", b"a/0001"), (b"", b"")] {
        assert_eq!(db.scan(from, to).count(), 0);
        assert_eq!(db.scan(from, to).rev().count(), 0);
        assert_eq!(txn.scan(from, to).count(), 0);
        assert_eq!(txn.scan_keys(from, to).rev().count(), 0);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<u8>, u8),
    Delete(Vec<u8>),
    Commit,
    Checkpoint,
    Freeze,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0), Just(1), Just(128), Just(255)], 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (key(), any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        3 => key().prop_map(Step::Delete),
        2 => Just(Step::Commit),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Freeze),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn overlay_reads_as_a_map_does(
        steps in prop::collection::vec(step(), 0..80),
        ranges in prop::collection::vec((key(), key(), prop::collection::vec(any::<bool>(), 0..40)), 1..12),
    ) {
        let dir = scratch();
        let (db, _) = open(dir.path());
        let mut txn = db.begin();
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    txn.put(key.clone(), vec![value; 3]);
                    model.insert(key, vec![value; 3]);
                }
                Step::Delete(key) => {
                    txn.delete(key.clone());
                    model.remove(&key);
                }
                Step::Commit => {
                    let whole = txn.into_batch();
                    db.commit(whole.clone()).unwrap();
                    // Going on with a batch that was committed changes nothing.
                    txn = if whole.len() % 2 == 0 { db.begin() } else { Txn::resume(&db, whole) };
                }
                // A checkpoint, and one that has only begun.
                Step::Checkpoint => db.checkpoint().unwrap(),
                Step::Freeze => {
                    if db.0.memtables.frozen().is_none() {
                        let next = db.0.writer_unchecked().position.index;
                        db.0.memtables.freeze(next);
                    }
                }
            }
        }
        let ranges = ranges.into_iter().map(|(a, b, turns)| (a.clone().min(b.clone()), a.max(b), turns));
        let ranges: Vec<_> = ranges.collect();
        for (from, to, turns) in &ranges {
            check_range(&txn, &model, from, to, turns);
        }
        db.commit(txn.into_batch()).unwrap();
        check_range(&db, &model, &[], &[255; 5], &[]);
        db.close().unwrap();
        let (db, _) = open(dir.path());
        for (from, to, turns) in &ranges {
            check_range(&db, &model, from, to, turns);
        }
    }

    #[test]
    fn batches_decode_to_what_was_encoded_and_nothing_else(
        steps in prop::collection::vec(step(), 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut batch = Batch::new();
        for step in steps {
            match step {
                Step::Put(key, value) => batch.put(key, vec![value; usize::from(value)]),
                Step::Delete(key) => batch.delete(key),
                Step::Commit | Step::Checkpoint | Step::Freeze => batch.mark(vec![1; 3], batch.len() as u64),
            }
        }
        let mut bytes = Vec::new();
        batch.encode(&mut bytes).unwrap();
        prop_assert_eq!(Batch::decode(&bytes), Some(batch));
        prop_assert_eq!(Batch::decode(&bytes[..cut.index(bytes.len())]), None);
        bytes.push(0);
        prop_assert_eq!(Batch::decode(&bytes), None);
    }
}

/// Compares a range read from both ends in the order of `turns`, then to its end, with the model's.
fn check_range(read: &impl Read, model: &BTreeMap<Vec<u8>, Vec<u8>>, from: &[u8], to: &[u8], turns: &[bool]) {
    let mut expected = model.range(from.to_vec()..to.to_vec());
    assert_eq!(read.any(from, to).unwrap(), expected.clone().next().is_some());
    let mut rows = read.scan(from, to);
    let mut keys = read.scan_keys(from, to);
    for front in turns {
        let (row, key, model) = if *front {
            (rows.next(), keys.next(), expected.next())
        } else {
            (rows.next_back(), keys.next_back(), expected.next_back())
        };
        let row = row.map(Result::unwrap);
        assert_eq!(row.as_ref().map(|(key, value)| (key, value)), model);
        assert_eq!(key.map(Result::unwrap).as_ref(), model.map(|(key, _)| key));
    }
    let rest: Vec<_> = rows.map(Result::unwrap).collect();
    let expected: Vec<_> = expected.map(|(k, v)| (k.clone(), v.clone())).collect();
    assert_eq!(rest, expected);
    for (key, value) in model {
        assert_eq!(read.get(key).unwrap().as_ref(), Some(value));
    }
}
