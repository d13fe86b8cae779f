//! Compaction: the state's rows copied into new files, which take the place of the old ones.
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

use super::batch::{Batch, KEY_MAX};
use super::damage::Damage;
use super::engine::Engine;
use super::lock::DataLock;
use super::memtable::Memtable;
use super::open::{self, OpenError};
use super::permissions::sync_dir;
use super::read::Row;
use super::seal::Keys;
use super::state::State;
use super::txn::there;
use super::writer::CommitError;
use super::{Db, DbOptions, Inner, ReadError};

/// Above every key.
const ABOVE_ALL: &[u8] = &[u8::MAX; KEY_MAX + 1];
const LIVE: &str = "state";
const MAKING: &str = "state-making";
const NEW: &str = "state-new";
const OLD: &str = "state-old";
/// Bytes of rows copied in one step.
const STEP: usize = 4 * 1024 * 1024;

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
    let rows = || {
        let rows = state.range(&[], ABOVE_ALL, <[u8]>::to_vec);
        rows.filter_map(there)
    };
    copy(dir, keys, options, &state.engine, rows, progress)
}

/// Copies `rows`, which it asks for twice, into new files beside those of `engine`, reads them back and gives them their name.
pub(super) fn copy<R: Iterator<Item = Result<Row, ReadError>>>(
    dir: &Path,
    keys: &Arc<Keys>,
    options: &DbOptions,
    engine: &Engine,
    rows: impl Fn() -> R,
    progress: &mut impl FnMut(u64),
) -> Result<u64, CompactError> {
    let failed = |detail: String| CompactError::State { detail };
    let making = dir.join(MAKING);
    remove(&making)?;
    remove(&dir.join(NEW))?;
    let fresh = State::open(&making, keys, options.state()).map_err(failed)?;
    let applied = engine.note(keys)?.applied;
    let mut count: u64 = 0;
    let mut source = rows().peekable();
    while source.peek().is_some() {
        let (mut batch, mut bytes) = (Batch::new(), 0_usize);
        while let Some(row) = source.next_if(|_| bytes < STEP) {
            let (key, value) = row?;
            bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
            count = count.saturating_add(1);
            batch.put(key, value);
        }
        let table = Memtable::default();
        table.apply(batch);
        let taken_in = fresh.take_in(&table, applied, |_| ());
        taken_in.map_err(|error| failed(error.to_string()))?;
        options.step(11);
        progress(count);
    }
    let taken_in = fresh.take_in(&Memtable::default(), applied, |_| ());
    taken_in.map_err(|error| failed(error.to_string()))?;
    let nonce = keys.nonces.one().map_err(CommitError::from)?;
    let checkpoint = engine.checkpoint(keys).map_err(failed)?;
    fresh.flush(&nonce, checkpoint).map_err(failed)?;
    fresh.sync(&mut BTreeSet::new())?;
    drop(fresh);
    options.step(12);

    let fresh = State::open(&making, keys, options.state()).map_err(failed)?;
    if fresh.engine.checkpoint(keys).map_err(failed)? != checkpoint
        || fresh.engine.note(keys)?.applied != applied
        || fresh.is_torn()
    {
        return Err(CompactError::Differs);
    }
    let mut copies = fresh.range(&[], ABOVE_ALL, <[u8]>::to_vec).filter_map(there);
    for row in rows() {
        if copies.next().transpose()? != Some(row?) {
            return Err(CompactError::Differs);
        }
    }
    if copies.next().is_some() {
        return Err(CompactError::Differs);
    }
    drop(copies);
    fresh.sync(&mut BTreeSet::new())?;
    drop(fresh);
    fs::rename(&making, dir.join(NEW))?;
    sync_dir(dir)?;
    options.step(13);
    Ok(count)
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
    put_in_place(&dir, state, &options)?;
    Ok(lock)
}

/// Puts the new files in place of those of `state`.
pub(super) fn put_in_place(dir: &Path, state: State, options: &DbOptions) -> io::Result<()> {
    drop(state);
    fs::rename(dir.join(LIVE), dir.join(OLD))?;
    sync_dir(dir)?;
    options.step(14);
    fs::rename(dir.join(NEW), dir.join(LIVE))?;
    sync_dir(dir)?;
    options.step(15);
    // The engine lets go of its old files a moment later; what is left of them goes at the next start.
    let _ = remove(&dir.join(OLD));
    Ok(())
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
