//! Tests of the database as a whole; those that need its insides.

mod children;
mod damage;
mod faulty;
mod journal;
mod older;
mod rows;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{Batch, Db, DbOptions, OpenReport};

pub(super) const KEY: [u8; 32] = [7; 32];
/// The key of the row that tells of a loss.
pub(super) const LOST: &[u8] = b"lost";

/// A directory in memory where the system has one: these tests open hundreds of databases.
pub(super) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

pub(super) fn open(dir: &Path) -> (Db, OpenReport) {
    Db::open(dir, &KEY, small()).unwrap()
}

pub(super) fn small() -> DbOptions {
    DbOptions {
        cache_bytes: 1024 * 1024,
        reserve_bytes: 1024 * 1024,
        on_loss: Some((LOST.to_vec(), vec![1])),
        ..DbOptions::default()
    }
}

/// Batch number `n`: two rows and a mark that belong together.
pub(super) fn numbered(n: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(format!("a/{n:04}").into_bytes(), n.to_le_bytes().to_vec());
    batch.put(format!("b/{n:04}").into_bytes(), vec![n as u8; 40]);
    batch.mark(b"count".to_vec(), n);
    batch
}

/// The number of the last numbered batch, after checking that all before it are there and whole.
pub(super) fn last_numbered(db: &Db) -> u64 {
    let keys: Vec<_> = db.scan(b"a/", b"a0").map(|row| row.unwrap().0).collect();
    let count = keys.len() as u64;
    for n in 1..=count {
        assert_eq!(keys[n as usize - 1], format!("a/{n:04}").into_bytes());
        let other = db.get(format!("b/{n:04}").as_bytes()).unwrap();
        assert_eq!(other.unwrap(), vec![n as u8; 40]);
    }
    assert_eq!(db.scan_keys(b"b/", b"b0").count() as u64, count);
    count
}

pub(super) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
