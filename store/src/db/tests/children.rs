//! Processes that die at a chosen step, and one born with a wide umask.

use std::path::Path;
use std::process::{Command, ExitStatus};

use super::super::faults::Plan;
use super::super::{CompactError, Damage, Db, DbOptions, compact};
use super::{KEY, LOST, copy_dir, last_numbered, numbered, open, scratch, small};

const ROLE: &str = "PARLOUR_DB_TEST_ROLE";
const DIR: &str = "PARLOUR_DB_TEST_DIR";
const STEP: &str = "PARLOUR_DB_TEST_STEP";
const ENTRY: &str = "db::tests::children::entry";

/// Where a child process begins; does nothing in an ordinary run.
#[test]
fn entry() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let dir = std::env::var(DIR).unwrap();
    let step: u64 = std::env::var(STEP).unwrap().parse().unwrap();
    let options: DbOptions = small();
    match role.as_str() {
        "checkpoint" => {
            let (db, _) = Db::open(Path::new(&dir), &KEY, options.clone()).unwrap();
            let last = last_numbered(&db);
            db.commit(numbered(last + 1)).unwrap();
            options.faults.set(Plan {
                die_at_step: u32::try_from(step).ok(),
                ..Plan::default()
            });
            db.checkpoint().unwrap();
        }
        "replay" => {
            options.faults.set(Plan {
                die_after_replayed: Some(step),
                ..Plan::default()
            });
            Db::open(Path::new(&dir), &KEY, options).unwrap();
        }
        "start" => {
            options.faults.set(Plan {
                die_at_step: u32::try_from(step).ok(),
                ..Plan::default()
            });
            Db::open(Path::new(&dir), &KEY, options).unwrap();
        }
        "compact" => {
            options.faults.set(Plan {
                die_at_step: u32::try_from(step).ok(),
                ..Plan::default()
            });
            compact(Path::new(&dir), &KEY, options, |_| ()).unwrap();
        }
        "wide" => {
            let (db, _) = Db::open(Path::new(&dir), &KEY, options).unwrap();
            for n in 1..=5 {
                let mut batch = numbered(n);
                for filler in 0..4 {
                    batch.put(format!("c/{n}/{filler}").into_bytes(), vec![1; 60_000]);
                }
                db.commit(batch).unwrap();
            }
            db.checkpoint().unwrap();
            db.close().unwrap();
        }
        other => panic!("no role {other}"),
    }
}

pub(super) fn child(role: &str, dir: &Path, step: u64) -> ExitStatus {
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 000; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([ENTRY, "--exact", "--nocapture"])
        .env(ROLE, role)
        .env(DIR, dir)
        .env(STEP, step.to_string());
    command.output().unwrap().status
}

#[test]
fn a_crash_at_any_step_of_a_checkpoint_is_safe() {
    let dir = scratch();
    for round in 1..=2 {
        for step in 1..=9 {
            let committed = (round - 1) * 9 + step;
            assert!(!child("checkpoint", dir.path(), step).success());
            let copy = scratch();
            copy_dir(dir.path(), copy.path());
            let (db, report) = open(copy.path());
            assert_eq!(report.damage, [], "step {step}");
            assert_eq!(last_numbered(&db), committed, "step {step}");
            assert_eq!(db.marks()[b"count".as_slice()], committed);
        }
    }
}

#[test]
fn a_crash_at_any_step_of_a_compaction_is_safe() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    for n in 1..=400 {
        db.commit(numbered(n)).unwrap();
    }
    drop(db);
    for step in 11..=15 {
        assert!(!child("compact", dir.path(), step).success(), "step {step}");
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        let (db, report) = open(copy.path());
        assert_eq!((report.damage, last_numbered(&db)), (vec![], 400), "step {step}");
        drop(db);
        let left = std::fs::read_dir(copy.path()).unwrap();
        let left: Vec<_> = left
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(!left.iter().any(|name| name.starts_with("state-")), "{left:?}");
    }
    let done = compact(dir.path(), &KEY, small(), |_| ()).unwrap();
    assert_eq!(done.rows, 800);
    let (db, report) = open(dir.path());
    assert_eq!((report.damage, last_numbered(&db)), (vec![], 400));
}

fn with_a_damaged_page() -> tempfile::TempDir {
    let dir = scratch();
    let (db, _) = open(dir.path());
    for n in 1..=600 {
        db.commit(numbered(n)).unwrap();
    }
    db.close().unwrap();
    let pages = dir.path().join("state").join("pages");
    let mut bytes = std::fs::read(&pages).unwrap();
    bytes[1_000] ^= 1;
    std::fs::write(&pages, bytes).unwrap();
    dir
}

/// Rows that are gone with a damaged page are named by the next start, or a row in the database tells that somebody was to make
/// the loss good.
#[test]
fn a_loss_is_known_wherever_the_start_that_found_it_is_cut_off() {
    let dir = with_a_damaged_page();
    let (mut named, mut told) = (0, 0);
    for step in 2..=9 {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        assert!(!child("start", copy.path(), step).success(), "step {step}");
        let (db, report) = open(copy.path());
        let is_named = report.damage.iter().any(|one| matches!(one, Damage::Rows { .. }));
        let is_told = db.get(LOST).unwrap().is_some();
        assert!(is_told, "step {step}");
        named += u32::from(is_named);
        told += u32::from(!is_named);
        drop(db);
        let (db, report) = open(copy.path());
        assert_eq!(report.damage, [], "step {step}");
        assert!(db.get(LOST).unwrap().is_some(), "step {step}");
    }
    assert!(named > 0 && told > 0, "{named} named, {told} told");
}

/// Compaction goes no further than the start that found a loss: the next one knows of it.
#[test]
fn a_loss_that_a_compaction_meets_is_not_forgotten() {
    let dir = with_a_damaged_page();
    let refused = compact(dir.path(), &KEY, small(), |_| ());
    assert!(matches!(refused, Err(CompactError::Damaged(Damage::Rows { .. }))));
    let (db, _) = open(dir.path());
    assert!(db.get(LOST).unwrap().is_some());
}

#[test]
fn a_crash_during_replay_is_safe() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    for n in 1..=30 {
        db.commit(numbered(n)).unwrap();
    }
    drop(db);
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    for step in [1, 2, 15, 29, 30] {
        assert!(!child("replay", dir.path(), step).success());
    }
    for step in 2..=9 {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        assert!(!child("start", copy.path(), step).success());
        let (db, report) = open(copy.path());
        assert_eq!((report.damage, last_numbered(&db)), (vec![], 30));
    }
    let (db, report) = open(dir.path());
    assert_eq!((report.damage, report.replayed_records), (vec![], 30));
    assert_eq!(last_numbered(&db), 30);
}

#[cfg(unix)]
#[test]
fn files_are_private_under_any_umask() {
    use std::os::unix::fs::PermissionsExt;
    let outer = scratch();
    let dir = outer.path().join("store");
    assert!(child("wide", &dir, 0).success());
    let mut files = 0;
    let mut dirs = vec![dir];
    while let Some(next) = dirs.pop() {
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&next), 0o700, "{}", next.display());
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                files += 1;
            }
        }
    }
    assert!(files > 6);
}
