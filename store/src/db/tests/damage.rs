//! Files that are missing, old, flipped, foreign or too new.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::journal::path_of;
use super::super::{Damage, Db, OpenError, OpenReport};
use super::{KEY, copy_dir, last_numbered, numbered, open, scratch, small};

/// Batches 1 to 3, a checkpoint, batches 4 to 6 in the journal, dropped without closing.
fn sample() -> tempfile::TempDir {
    let dir = scratch();
    let (db, _) = open(dir.path());
    for n in 1..=6 {
        if n == 4 {
            db.checkpoint().unwrap();
        }
        db.commit(numbered(n)).unwrap();
    }
    drop(db);
    dir
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

/// Opens, checks that what was found is set aside, and that the next open finds nothing wrong.
fn heal(dir: &Path) -> (OpenReport, u64) {
    let before = snapshot(dir);
    let (db, report) = open(dir);
    let last = last_numbered(&db);
    db.commit(numbered(last + 1)).unwrap();
    drop(db);
    if !report.damage.is_empty() {
        let aside = report.set_aside.clone().unwrap();
        let copied = snapshot(&aside);
        for (name, bytes) in &before {
            let kept = ["head-a", "head-b", "VERSION"].contains(&name.to_str().unwrap());
            let journal = name.extension().is_some_and(|extension| extension == "log");
            if kept || journal {
                assert_eq!(copied.get(name), Some(bytes), "{name:?} was not copied");
            }
        }
        assert!(copied.contains_key(Path::new("damage.txt")));
    }
    let (db, again) = open(dir);
    assert_eq!(again.damage, []);
    assert_eq!(last_numbered(&db), last + 1);
    (report, last)
}

fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_path_buf();
                out.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    out
}

#[test]
fn one_bad_head_copy_loses_nothing() {
    for name in ["head-a", "head-b"] {
        for at in [0, 10, 24, 60] {
            let dir = sample();
            flip(&dir.path().join(name), at);
            let (report, last) = heal(dir.path());
            assert_eq!(report.damage, [Damage::HeadCopy { name }]);
            assert_eq!((last, report.replayed_records), (6, 3));
        }
        let dir = sample();
        fs::remove_file(dir.path().join(name)).unwrap();
        let (report, last) = heal(dir.path());
        assert_eq!(report.damage, [Damage::HeadCopy { name }]);
        assert_eq!(last, 6);
    }
}

#[test]
fn both_heads_missing_is_reported_and_the_journal_still_counts() {
    let dir = sample();
    fs::remove_file(dir.path().join("head-a")).unwrap();
    flip(&dir.path().join("head-b"), 50);
    let (report, last) = heal(dir.path());
    assert_eq!(report.damage, [Damage::HeadMissing]);
    assert_eq!((last, report.replayed_records), (6, 3));
}

#[test]
fn missing_journal_is_reported() {
    let dir = sample();
    fs::remove_file(path_of(&dir.path().join("journal"), 2)).unwrap();
    let (report, last) = heal(dir.path());
    assert_eq!(report.damage, [Damage::JournalMissing { epoch: 2 }]);
    // The engine wrote its files when it was dropped; the head vouches for three only.
    assert!(last >= 3);
}

#[test]
fn flipped_bits_in_the_journal_are_reported_and_a_whole_prefix_is_kept() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    let mut ends = vec![64];
    for n in 1..=4 {
        db.commit(numbered(n)).unwrap();
        ends.push(64 + db.health().journal_bytes as usize);
    }
    drop(db);
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    for at in (0..ends[4]).step_by(29) {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        flip(&path_of(&copy.path().join("journal"), 1), at);
        let (report, last) = heal(copy.path());
        let whole = ends.iter().skip(1).filter(|end| **end <= at).count() as u64;
        let header = at < 64;
        assert_eq!(last, if header { 0 } else { whole });
        assert_eq!(report.torn_tail_bytes > 0, at >= ends[3]);
        // The last one would pass for a record that was being written, were it not known to have been whole.
        let short = Damage::JournalShort { index: 3, written: 4 };
        assert_eq!(report.damage == [short], at >= ends[3]);
        assert!(!report.damage.is_empty());
    }
}

#[test]
fn every_cut_of_the_last_record_opens_without_damage() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    let mut ends = vec![64];
    let reached = dir.path().join("reached");
    let mut noted = Vec::new();
    for n in 1..=3 {
        noted = fs::read(&reached).unwrap();
        db.commit(numbered(n)).unwrap();
        ends.push(64 + db.health().journal_bytes);
    }
    drop(db);
    // The third record is being written: it is not known to be whole.
    fs::write(&reached, noted).unwrap();
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    for cut in ends[2]..=ends[3] {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        let path = path_of(&copy.path().join("journal"), 1);
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(cut).unwrap();
        let (report, last) = heal(copy.path());
        assert_eq!(report.damage, []);
        assert_eq!(last, if cut == ends[3] { 3 } else { 2 });
        assert_eq!(report.torn_tail_bytes > 0, cut != ends[2] && cut != ends[3]);
    }
}

#[test]
fn a_lost_tail_before_a_later_journal_is_damage() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    db.commit(numbered(1)).unwrap();
    let one = 64 + db.health().journal_bytes;
    db.commit(numbered(2)).unwrap();
    let first = path_of(&dir.path().join("journal"), 1);
    let head = fs::read(dir.path().join("head-a")).unwrap();
    let kept = fs::read(&first).unwrap();
    db.checkpoint().unwrap();
    db.commit(numbered(3)).unwrap();
    drop(db);
    // As if the checkpoint had ended before its head was written, and the old journal had then lost a record.
    fs::write(dir.path().join("head-a"), &head).unwrap();
    fs::write(dir.path().join("head-b"), &head).unwrap();
    fs::write(&first, &kept).unwrap();
    let whole = scratch();
    copy_dir(dir.path(), whole.path());
    let (report, last) = heal(whole.path());
    assert_eq!((report.damage, report.replayed_records, last), (vec![], 3, 3));

    fs::write(&first, &kept[..one as usize]).unwrap();
    let (report, _) = heal(dir.path());
    let expected = Damage::Journal {
        epoch: 2,
        index: 1,
        offset: 64,
    };
    assert_eq!(report.damage, [expected]);
}

#[test]
fn missing_state_is_reported() {
    let dir = sample();
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    let (db, report) = open(dir.path());
    assert_eq!(report.damage, [Damage::StateMissing]);
    assert_eq!(report.replayed_records, 3);
    assert_eq!(db.get(b"a/0003").unwrap(), None);
    assert!(db.get(b"a/0004").unwrap().is_some());
    assert_eq!(db.marks()[b"count".as_slice()], 6);
}

#[test]
fn an_older_state_or_head_is_reported() {
    let older = sample();
    let dir = scratch();
    copy_dir(older.path(), dir.path());
    let (db, _) = open(dir.path());
    for n in 7..=9 {
        db.commit(numbered(n)).unwrap();
        db.checkpoint().unwrap();
    }
    drop(db);
    let state = scratch();
    copy_dir(dir.path(), state.path());
    fs::remove_dir_all(state.path().join("state")).unwrap();
    copy_dir(&older.path().join("state"), &state.path().join("state"));
    let (report, _) = heal(state.path());
    assert_eq!(report.damage, [Damage::StateOlder { found: 2, expected: 6 }]);

    for name in ["head-a", "head-b"] {
        fs::copy(older.path().join(name), dir.path().join(name)).unwrap();
    }
    let journals = dir.path().join("journal");
    fs::remove_dir_all(&journals).unwrap();
    copy_dir(&older.path().join("journal"), &journals);
    let (report, last) = heal(dir.path());
    assert_eq!(report.damage, [Damage::HeadOlder { found: 2, expected: 6 }]);
    assert_eq!(last, 9);
}

#[test]
fn unreadable_state_is_set_aside_and_the_journal_kept() {
    let dir = sample();
    let file = dir.path().join("state").join("db");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    fs::write(file.join("what"), b"this is no database").unwrap();
    let (db, report) = open(dir.path());
    assert!(matches!(report.damage.as_slice(), [Damage::StateUnreadable { .. }]));
    assert!(db.get(b"a/0006").unwrap().is_some());
    let aside = report.set_aside.unwrap();
    assert!(aside.join("state").join("db").exists());
    drop(db);
    assert_eq!(open(dir.path()).1.damage, []);
}

#[test]
fn a_torn_description_of_the_engine_costs_nothing() {
    for content in [
        &b""[..],
        b"segment_size: ",
        b"segment_size: 524288\nuse_compression: fal\0\0\0\0",
    ] {
        let dir = sample();
        fs::write(dir.path().join("state").join("conf"), content).unwrap();
        let (db, report) = open(dir.path());
        assert_eq!((report.damage, last_numbered(&db)), (vec![], 6));
    }
}

#[test]
fn rows_lost_to_a_flipped_bit_in_the_state_are_noticed() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    for n in 1..=60 {
        db.commit(numbered(n)).unwrap();
    }
    db.close().unwrap();
    let path = Path::new("state").join("db");
    let len = fs::metadata(dir.path().join(&path)).unwrap().len() as usize;
    let used = 24 * 1024;
    let mut reported = 0;
    for at in (0..used.min(len)).step_by(997) {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        flip(&copy.path().join(&path), at);
        let (db, report) = open(copy.path());
        let mut whole = 0;
        let mut errors = 0;
        for row in db.scan(b"a/", b"a0") {
            let Ok((key, value)) = row else {
                errors += 1;
                break;
            };
            let number = String::from_utf8(key).unwrap();
            let number: u64 = number.trim_start_matches("a/").parse().unwrap();
            assert_eq!(value, number.to_le_bytes());
            whole += 1;
        }
        let told = errors > 0 || !report.damage.is_empty();
        assert!(told || whole == 60, "byte {at}: {whole} rows");
        reported += u32::from(told);
    }
    assert!(reported > 0);
}

#[test]
fn rows_lost_to_a_flipped_bit_in_their_page_are_named_and_forgotten() {
    let dir = scratch();
    let (db, _) = open(dir.path());
    for n in 1..=600 {
        db.commit(numbered(n)).unwrap();
    }
    db.close().unwrap();
    let path = Path::new("state").join("pages");
    let len = fs::metadata(dir.path().join(&path)).unwrap().len() as usize;
    let (mut named, mut cases) = (0, 0);
    for at in (0..len).step_by(307) {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        flip(&copy.path().join(&path), at);
        let (db, report) = open(copy.path());
        let rows = db.scan(b"a/", b"c").map(Result::unwrap).count();
        cases += 1;
        // Some bytes are between pages.
        let told = matches!(report.damage.as_slice(), [Damage::Rows { .. }]);
        assert!(
            told || (rows == 1_200 && report.damage.is_empty()),
            "byte {at}: {rows} rows"
        );
        assert_eq!(told, report.set_aside.is_some());
        named += usize::from(told && rows < 1_200);
        drop(db);
        let (_, again) = open(copy.path());
        assert_eq!(again.damage, []);
    }
    assert!(named > cases / 2, "{named} of {cases}");
}

#[test]
fn a_wrong_key_is_said_and_nothing_is_changed() {
    let dir = sample();
    let before = snapshot(dir.path());
    let opened = Db::open(dir.path(), &[8; 32], small());
    assert!(matches!(opened, Err(OpenError::WrongKey)));
    // Also when a head copy is bad at the same time.
    flip(&dir.path().join("head-a"), 40);
    assert!(matches!(
        Db::open(dir.path(), &[8; 32], small()),
        Err(OpenError::WrongKey)
    ));
    flip(&dir.path().join("head-a"), 40);
    assert_eq!(snapshot(dir.path()), before);
    assert_eq!(last_numbered(&open(dir.path()).0), 6);
}

#[test]
fn a_newer_format_is_refused_untouched() {
    let dir = sample();
    fs::write(dir.path().join("VERSION"), "3 9.9.9\n").unwrap();
    let before = snapshot(dir.path());
    let error = Db::open(dir.path(), &KEY, small()).unwrap_err();
    assert!(matches!(
        error,
        OpenError::NewerFormat {
            found: 3,
            supported: 2,
            ..
        }
    ));
    assert_eq!(snapshot(dir.path()), before);
}

#[test]
fn a_missing_version_is_reported_and_written_again() {
    let dir = sample();
    fs::remove_file(dir.path().join("VERSION")).unwrap();
    let (report, last) = heal(dir.path());
    assert_eq!((report.damage, last), (vec![Damage::Version], 6));
    assert_eq!(fs::read(dir.path().join("VERSION")).unwrap(), b"2 0.1.0\n");
}

#[test]
fn a_snapshot_left_unfinished_by_a_kill_costs_nothing() {
    let dir = sample();
    let state = dir.path().join("state");
    fs::write(state.join("snap.FFFFFFFFFFFFFFFF.generating"), b"").unwrap();
    let (db, report) = open(dir.path());
    assert_eq!(report.damage, []);
    assert_eq!(last_numbered(&db), 6);
}

#[test]
fn a_snapshot_that_cannot_be_read_is_made_again_from_the_log() {
    for content in [&b""[..], b"not a snapshot at all, but long enough to be looked at"] {
        let dir = sample();
        let state = dir.path().join("state");
        fs::write(state.join("snap.FFFFFFFFFFFFFFFF"), content).unwrap();
        let (db, report) = open(dir.path());
        assert!(!report.damage.iter().any(Damage::is_loss), "{:?}", report.damage);
        assert_eq!(last_numbered(&db), 6);
    }
}
