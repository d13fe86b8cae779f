//! Databases of format 1, in which every row is a record of the storage engine.

use std::fs;
use std::path::Path;

use super::super::engine::{CHECKPOINT_KEY, NOTE_KEY};
use super::super::seal::Keys;
use super::super::{Damage, Db};
use super::children::child;
use super::{KEY, LOST, copy_dir, last_numbered, numbered, open, scratch};

const ROWS: u64 = 400;

/// A database as format 1 has it; `spoil` may change a sealed row.
fn older(spoil: impl Fn(&[u8], &mut Vec<u8>)) -> tempfile::TempDir {
    let dir = scratch();
    let (db, _) = open(dir.path());
    for n in 1..=ROWS {
        if n == ROWS - 20 {
            db.checkpoint().unwrap();
        }
        db.commit(numbered(n)).unwrap();
    }
    write_older(db, dir.path(), spoil);
    dir
}

/// Writes the rows that checkpoints have taken in as format 1 does, in place of the pages.
fn write_older(db: Db, dir: &Path, spoil: impl Fn(&[u8], &mut Vec<u8>)) {
    let keys = Keys::new(&KEY);
    let state = &db.0.state;
    let rows: Vec<_> = state.range(&[], &[255], <[u8]>::to_vec).map(Result::unwrap).collect();
    let applied = state.engine.note(&keys).unwrap().applied;
    let checkpoint = state.engine.checkpoint(&keys).unwrap();
    drop(db);
    let path = dir.join("state");
    fs::remove_dir_all(&path).unwrap();
    let engine = sled::Config::default().path(&path).flush_every_ms(None).open().unwrap();
    let seal = |key: &[u8], value: &[u8]| {
        let mut aad = Vec::new();
        Keys::record_aad(&mut aad, key);
        keys.records.seal(&keys.nonces.one().unwrap(), &aad, value)
    };
    let records = engine.open_tree("records").unwrap();
    for (key, value) in rows {
        let mut sealed = seal(&key, &value.unwrap());
        spoil(&key, &mut sealed);
        records.insert(key, sealed).unwrap();
    }
    records
        .insert(NOTE_KEY, seal(NOTE_KEY, &applied.to_le_bytes()))
        .unwrap();
    let meta = engine.open_tree("meta").unwrap();
    meta.insert(CHECKPOINT_KEY, seal(CHECKPOINT_KEY, &checkpoint.to_le_bytes()))
        .unwrap();
    engine.flush().unwrap();
    drop((records, meta, engine));
    fs::write(dir.join("VERSION"), "1 0.1.0\n").unwrap();
}

fn is_whole(dir: &Path) {
    let (db, report) = open(dir);
    assert_eq!((report.damage, report.replayed_records), (vec![], 21));
    assert_eq!(last_numbered(&db), ROWS);
    assert!(!db.0.state.engine.is_older());
    assert_eq!(fs::read(dir.join("VERSION")).unwrap(), b"2 0.1.0\n");
    db.commit(numbered(ROWS + 1)).unwrap();
    drop(db);
    let (db, report) = open(dir);
    assert_eq!((report.damage, last_numbered(&db)), (vec![], ROWS + 1));
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(
        !names
            .into_iter()
            .any(|name| name.to_string_lossy().starts_with("state-"))
    );
}

#[test]
fn rows_of_format_1_are_moved_into_pages() {
    let dir = older(|_, _| ());
    is_whole(dir.path());
}

#[test]
fn moving_rows_into_pages_may_be_cut_at_any_step() {
    let dir = older(|_, _| ());
    for step in 11..=15 {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        for _ in 0..2 {
            // The second one ends, where the first had done its part.
            let ended = child("start", copy.path(), step).success();
            assert!(!ended || step >= 14, "step {step}");
        }
        let version = fs::read(copy.path().join("VERSION")).unwrap();
        assert_eq!(version == b"2 0.1.0\n", step >= 14, "step {step}");
        let (db, report) = open(copy.path());
        assert_eq!((report.damage, last_numbered(&db)), (vec![], ROWS), "step {step}");
    }
    for step in [11, 13, 14, 15] {
        assert!(!child("start", dir.path(), step).success());
        if step >= 14 {
            break;
        }
    }
    let (db, report) = open(dir.path());
    assert_eq!((report.damage, last_numbered(&db)), (vec![], ROWS));
}

#[test]
fn a_row_of_format_1_that_does_not_open_is_named_and_left_behind() {
    let dir = older(|key, sealed| {
        if key == b"b/0007" {
            sealed[30] ^= 1;
        }
    });
    let (db, report) = open(dir.path());
    let expected = Damage::Rows {
        from: b"b/0007".to_vec(),
        to: Some(b"b/0007\0".to_vec()),
    };
    assert_eq!(report.damage, [expected]);
    let aside = report.set_aside.unwrap();
    assert!(aside.join("state").join("db").exists());
    assert_eq!(db.get(b"b/0007").unwrap(), None);
    assert_eq!(db.scan_keys(b"a", b"c").count() as u64, 2 * ROWS - 1);
    assert!(db.get(LOST).unwrap().is_some());
}

#[test]
fn what_can_be_read_of_a_damaged_engine_of_format_1_is_moved_and_the_rest_named() {
    let dir = older(|_, _| ());
    let path = Path::new("state").join("db");
    let bytes = fs::read(dir.path().join(&path)).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let (mut partly, mut cases) = (0, 0);
    for at in (40..used).step_by(used / 40) {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        let mut bytes = bytes.clone();
        bytes[at] ^= 16;
        fs::write(copy.path().join(&path), bytes).unwrap();
        let (db, report) = open(copy.path());
        let rows = db.scan(b"a", b"c").map(Result::unwrap).count() as u64;
        let told = report.damage.iter().any(Damage::is_loss);
        assert!(told || rows == 2 * ROWS, "byte {at}: {rows} rows");
        assert_eq!(db.get(LOST).unwrap().is_some(), told, "byte {at}");
        partly += u32::from(told && rows > 100);
        cases += 1;
        println!("byte {at}: {rows} rows, {:?}", report.damage);
    }
    assert!(partly > 0, "{partly} of {cases}");
}
