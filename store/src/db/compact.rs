//! Compaction: the storage engine's rows copied into new files, which take the place of the old ones.
//!
//! ```text
//! state-making   being written                      removed at the next start
//! state-new      whole, compared, durable           takes the place of `state` if that is gone, else removed
//! state-old      what was replaced                  removed once `state` is in place
//! ```
//! The old files stay until the new ones were read back and hold the same rows.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::damage::Damage;
use super::lock::DataLock;
use super::open::{self, OpenError};
use super::permissions::sync_dir;
use super::state::{APPLIED_KEY, Range, State};
use super::writer::CommitError;
use super::{Db, DbOptions, Inner, ReadError};

const LIVE: &str = "state";
const MAKING: &str = "state-making";
const NEW: &str = "state-new";
const OLD: &str = "state-old";
/// Rows copied in one step.
const ROWS: usize = 1_000;

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes on disk before.
    pub before: u64,
    /// Bytes on disk after.
    pub after: u64,
    /// Rows copied.
    pub rows: u64,
}

/// Why nothing was compacted. What was there is still in place.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The database does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Something is missing or damaged: copying would make it look whole.
    #[error("the store is damaged ({0}): it is not compacted")]
    Damaged(Damage),
    /// The last journal could not be written into the state.
    #[error("the checkpoint before compaction failed")]
    Checkpoint(#[from] CommitError),
    /// A row cannot be read.
    #[error("a row cannot be copied")]
    Read(#[from] ReadError),
    /// The new files are not what was written.
    #[error("the new files do not hold the same rows as the old ones")]
    Differs,
    /// The engine cannot write the new files.
    #[error("writing the new files failed: {detail}")]
    State {
        /// What it said.
        detail: String,
    },
    /// Files cannot be written, renamed or removed.
    #[error("writing the new files failed")]
    Io(#[from] io::Error),
    /// Another part of this process has the database open.
    #[error("the store is still in use in this process")]
    InUse,
}

/// Rewrites the database in `dir`, which nobody has open. `progress` is told how many rows were copied.
///
/// # Errors
/// See [`CompactError`]; the database is as it was.
pub(crate) fn compact(
    dir: &Path,
    key: &[u8; 32],
    options: DbOptions,
    mut progress: impl FnMut(u64),
) -> Result<Compacted, CompactError> {
    let (db, report) = Db::open(dir, key, options.clone())?;
    if let Some(damage) = report.damage.into_iter().find(Damage::is_loss) {
        return Err(CompactError::Damaged(damage));
    }
    let before = db.size_on_disk();
    db.checkpoint()?;
    let rows = rewrite(&db, &mut progress)?;
    let inner = Arc::try_unwrap(db.0).map_err(|_| CompactError::InUse)?;
    let lock = swap(inner)?;
    let (db, report) = open::open_again(dir, key, options, lock)?;
    if let Some(damage) = report.damage.into_iter().find(Damage::is_loss) {
        return Err(CompactError::Damaged(damage));
    }
    let after = db.size_on_disk();
    db.close()?;
    Ok(Compacted { before, after, rows })
}

/// Copies all rows into new files, reads them back and gives them their name.
fn rewrite(db: &Db, progress: &mut impl FnMut(u64)) -> Result<u64, CompactError> {
    let Inner {
        dir,
        options,
        keys,
        state,
        ..
    } = &*db.0;
    let failed = |detail| CompactError::State { detail };
    let making = dir.join(MAKING);
    remove(&making)?;
    remove(&dir.join(NEW))?;
    let fresh = State::open(&making, options.cache_bytes).map_err(failed)?;
    let mut rows: u64 = 0;
    let mut source = Range::all(state).peekable();
    while source.peek().is_some() {
        let mut batch = sled::Batch::default();
        for row in source.by_ref().take(ROWS) {
            let (key, sealed) = row?;
            // What does not open is not carried over as if it did.
            if keys.open_record(&key, &sealed).is_none() {
                return Err(ReadError::Damaged { key: key.to_vec() }.into());
            }
            rows = rows.saturating_add(u64::from(key != APPLIED_KEY));
            batch.insert(key, sealed);
        }
        let applied = fresh.records().apply_batch(batch);
        applied.map_err(|error| failed(error.to_string()))?;
        db.0.step(11);
        progress(rows);
    }
    let nonce = keys.nonces.one().map_err(CommitError::from)?;
    let checkpoint = state.checkpoint(keys).map_err(failed)?;
    let flushed = fresh.flush(keys, &nonce, checkpoint);
    flushed.map_err(|error| failed(error.to_string()))?;
    fresh.sync(&mut BTreeSet::new())?;
    drop(fresh);
    db.0.step(12);

    let fresh = State::open(&making, options.cache_bytes).map_err(failed)?;
    if fresh.checkpoint(keys).map_err(failed)? != checkpoint {
        return Err(CompactError::Differs);
    }
    let mut copies = Range::all(&fresh);
    for row in Range::all(state) {
        if copies.next().transpose()? != Some(row?) {
            return Err(CompactError::Differs);
        }
    }
    if copies.next().is_some() {
        return Err(CompactError::Differs);
    }
    fresh.sync(&mut BTreeSet::new())?;
    drop(copies);
    drop(fresh);
    fs::rename(&making, dir.join(NEW))?;
    sync_dir(dir)?;
    db.0.step(13);
    Ok(rows)
}

/// Puts the new files in place of the old ones. The lock is handed on.
fn swap(inner: Inner) -> Result<DataLock, CompactError> {
    let Inner {
        dir,
        options,
        state,
        _lock: lock,
        ..
    } = inner;
    drop(state);
    fs::rename(dir.join(LIVE), dir.join(OLD))?;
    sync_dir(&dir)?;
    options.step(14);
    fs::rename(dir.join(NEW), dir.join(LIVE))?;
    sync_dir(&dir)?;
    options.step(15);
    // The engine lets go of its old files a moment later; what is left of them goes at the next start.
    let _ = remove(&dir.join(OLD));
    Ok(lock)
}

/// Finishes or forgets a compaction that was cut off; before anything else is read.
pub(super) fn finish(dir: &Path) -> io::Result<()> {
    let live = dir.join(LIVE);
    for candidate in [NEW, OLD] {
        let candidate = dir.join(candidate);
        if !live.exists() && candidate.exists() {
            fs::rename(candidate, &live)?;
            sync_dir(dir)?;
        }
    }
    for leftover in [MAKING, NEW, OLD] {
        remove(&dir.join(leftover))?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
