//! A disk that fails: full, broken, or lying still.

use std::io::ErrorKind;
use std::sync::Arc;

use super::super::faults::{Faults, Operation, Plan};
use super::super::{CommitError, Db, DbOptions};
use super::{KEY, last_numbered, numbered, open, scratch, small};

fn faulty() -> (tempfile::TempDir, Db, Arc<Faults>) {
    let dir = scratch();
    let faults = Arc::new(Faults::default());
    let options = DbOptions {
        faults: Arc::clone(&faults),
        ..small()
    };
    let (db, _) = Db::open(dir.path(), &KEY, options).unwrap();
    db.commit(numbered(1)).unwrap();
    (dir, db, faults)
}

fn full(room: usize) -> Plan {
    Plan {
        write: Some(ErrorKind::StorageFull),
        room,
        ..Plan::default()
    }
}

#[test]
fn a_full_disk_is_told_and_later_commits_succeed() {
    for room in [0, 1, 27, 100] {
        let (dir, db, faults) = faulty();
        faults.set(full(room));
        for _ in 0..2 {
            assert!(matches!(db.commit(numbered(2)), Err(CommitError::DiskFull(_))));
            assert!(db.health().disk_full && db.health().read_only.is_none());
            assert_eq!(last_numbered(&db), 1);
        }
        faults.set(Plan::default());
        db.commit(numbered(2)).unwrap();
        db.commit(numbered(3)).unwrap();
        assert!(!db.health().disk_full);
        drop(db);
        std::fs::remove_dir_all(dir.path().join("state")).unwrap();
        let (db, report) = open(dir.path());
        assert_eq!((report.replayed_records, report.torn_tail_bytes), (3, 0));
        assert!(report.damage.is_empty());
        assert_eq!(last_numbered(&db), 3);
    }
}

#[test]
fn space_kept_for_the_engine_is_not_given_to_commits() {
    let (dir, db, _) = faulty();
    drop(db);
    let options = DbOptions {
        reserve_bytes: u64::MAX,
        ..small()
    };
    let (db, _) = Db::open(dir.path(), &KEY, options).unwrap();
    assert!(matches!(db.commit(numbered(2)), Err(CommitError::DiskFull(_))));
    assert!(db.health().disk_full && db.health().journal_bytes == 0);
    drop(db);
    let (db, _) = open(dir.path());
    assert_eq!(last_numbered(&db), 1);
    db.commit(numbered(2)).unwrap();
    assert_eq!(last_numbered(&db), 2);
}

#[test]
fn a_checkpoint_on_a_full_disk_can_be_tried_again() {
    let (dir, db, faults) = faulty();
    faults.set(full(10));
    assert!(matches!(db.checkpoint(), Err(CommitError::DiskFull(_))));
    faults.set(Plan::default());
    db.commit(numbered(2)).unwrap();
    db.checkpoint().unwrap();
    db.commit(numbered(3)).unwrap();
    drop(db);
    let (db, report) = open(dir.path());
    assert_eq!((report.replayed_records, report.damage.len()), (1, 0));
    assert_eq!(last_numbered(&db), 3);
}

#[test]
fn room_for_the_record_but_not_for_growth_is_enough() {
    let (dir, db, faults) = faulty();
    let mut n = 2;
    // Fill the file's first space up to its last kilobytes.
    while db.health().journal_bytes < 250 * 1024 {
        let mut batch = numbered(n);
        batch.put(b"filler".to_vec(), vec![0; 4000]);
        db.commit(batch).unwrap();
        n += 1;
    }
    let mut batch = numbered(n);
    for filler in 0..3 {
        batch.put(vec![filler], vec![0; 5000]);
    }
    faults.set(full(20_000));
    db.commit(batch).unwrap();
    drop(db);
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    let (db, report) = open(dir.path());
    assert_eq!((report.replayed_records, report.damage.len()), (n, 0));
    assert_eq!(last_numbered(&db), n);
}

#[test]
fn a_failed_write_or_sync_makes_the_store_read_only() {
    let broken = Plan {
        write: Some(ErrorKind::Other),
        room: 30,
        ..Plan::default()
    };
    let unsynced = Plan {
        sync: true,
        ..Plan::default()
    };
    let uncut = Plan { cut: true, ..full(30) };
    for plan in [broken, unsynced, uncut] {
        let (dir, db, faults) = faulty();
        faults.set(plan);
        assert!(matches!(db.commit(numbered(2)), Err(CommitError::ReadOnly { .. })));
        faults.set(Plan::default());
        assert!(matches!(db.commit(numbered(2)), Err(CommitError::ReadOnly { .. })));
        assert!(matches!(db.checkpoint(), Err(CommitError::ReadOnly { .. })));
        assert!(db.health().read_only.is_some());
        assert_eq!(last_numbered(&db), 1);
        drop(db);
        let (db, report) = open(dir.path());
        assert!(report.damage.is_empty());
        // The record that was not acknowledged may be there, whole, or not.
        let there = last_numbered(&db);
        assert!((1..=2).contains(&there));
        db.commit(numbered(there + 1)).unwrap();
    }
}

/// Writes and makes checkpoints until something is refused; returns the last number that was acknowledged.
fn write_until_refused(dir: &std::path::Path, faults: &Arc<Faults>) -> (u64, bool) {
    let options = DbOptions {
        faults: Arc::clone(faults),
        ..small()
    };
    let Ok((db, _)) = Db::open(dir, &KEY, options) else {
        return (1, true);
    };
    let mut acknowledged = last_numbered(&db);
    while acknowledged < 24 {
        if db.commit(numbered(acknowledged + 1)).is_err() {
            return (acknowledged, true);
        }
        acknowledged += 1;
        if acknowledged.is_multiple_of(6) && db.checkpoint().is_err() {
            return (acknowledged, true);
        }
    }
    (acknowledged, false)
}

#[test]
fn whatever_call_fails_what_was_acknowledged_is_there_after_a_restart() {
    let mut refusals = 0;
    for operation in [Operation::Write, Operation::Sync, Operation::Cut] {
        for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
            for nth in 1..=20 {
                let (dir, db, _) = faulty();
                drop(db);
                let faults = Arc::new(Faults::default());
                faults.set(Plan {
                    nth: Some((operation, nth, kind)),
                    ..Plan::default()
                });
                let (acknowledged, refused) = write_until_refused(dir.path(), &faults);
                refusals += u32::from(refused);
                let (db, report) = open(dir.path());
                let case = format!("{operation:?} number {nth}, {kind:?}");
                assert_eq!(report.damage, [], "{case}");
                let there = last_numbered(&db);
                assert!((acknowledged..=acknowledged + 1).contains(&there), "{case}: {there}");
                db.commit(numbered(there + 1)).unwrap();
            }
        }
    }
    assert!(refusals >= 70, "{refusals}");
}
