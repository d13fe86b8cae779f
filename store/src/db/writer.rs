//! The write side: one commit at a time, journal first.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::batch::{BATCH_MAX, Batch, KEY_MAX, Oversize, VALUE_MAX, raise};
use super::disk::Disk;
use super::journal::{AppendError, FRAME_ROOM, Journal, Position};
use super::reached::Reached;
use super::seal::TAG;
use super::{DbOptions, Inner};

/// Why a batch was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A key or a mark's name is too long; nothing was written.
    #[error("key of {len} bytes is over the limit of {max}")]
    KeyTooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A value is too long; nothing was written.
    #[error("value of {len} bytes is over the limit of {max}")]
    ValueTooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The batch as a whole is too long; nothing was written.
    #[error("batch of {len} bytes is over the limit of {max}")]
    BatchTooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// There is no space; nothing was written, and it can be tried again.
    #[error("disk is full")]
    DiskFull(#[source] io::Error),
    /// Writing failed, now or before. Nothing is written any more until a restart; reads go on.
    #[error("store is read-only until a restart: {cause}")]
    ReadOnly {
        /// The first failure.
        cause: String,
    },
    /// The system gave no random bytes; nothing was written.
    #[error("no randomness from the system")]
    Random(#[from] getrandom::Error),
}

impl From<Oversize> for CommitError {
    fn from(oversize: Oversize) -> Self {
        match oversize {
            Oversize::Key(len) => Self::KeyTooLong { len, max: KEY_MAX },
            Oversize::Value(len) => Self::ValueTooLong { len, max: VALUE_MAX },
            Oversize::Batch(len) => Self::BatchTooLong { len, max: BATCH_MAX },
        }
    }
}

/// What one commit at a time may change.
pub(super) struct Writer {
    pub(super) journal: Journal,
    pub(super) position: Position,
    pub(super) marks: BTreeMap<Vec<u8>, u64>,
    pub(super) reached: Reached,
}

/// Journals grow to so many times the size at which a checkpoint is due; then commits wait for one.
const MOST_CHECKPOINTS_BEHIND: u64 = 3;

impl Inner {
    pub(super) fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        if batch.is_empty() {
            return Ok(());
        }
        let most = self.options.checkpoint_bytes.saturating_mul(MOST_CHECKPOINTS_BEHIND);
        self.checkpoint_beyond(most)?;
        let mut frame = vec![0; FRAME_ROOM];
        batch.encode(&mut frame)?;
        frame.reserve(TAG);
        let nonce = self.keys.nonces.one()?;

        let mut guard = self.writer()?;
        let writer = &mut *guard;
        if free_bytes(&self.dir).is_some_and(|free| free < self.options.reserve_bytes) {
            return Err(self.full(io::ErrorKind::StorageFull.into()));
        }
        let next = writer.journal.seal(&self.keys, &writer.position, &nonce, &mut frame);
        if let Err(error) = writer.journal.append(&frame) {
            return Err(self.append_failed(error));
        }
        writer.position = next;
        self.disk_full.store(false, Ordering::Release);
        self.journal_bytes.fetch_add(frame.len() as u64, Ordering::AcqRel);
        writer.reached.note(&self.keys, next.index);
        for (name, value) in batch.marks() {
            raise(&mut writer.marks, name.clone(), *value);
        }
        self.memtables.apply(batch);
        Ok(())
    }

    /// The write side, while the database can be written.
    pub(super) fn writer(&self) -> Result<MutexGuard<'_, Writer>, CommitError> {
        let guard = match self.writer.lock() {
            Ok(guard) => guard,
            // A panic half way through a commit: what the engine holds is no longer known.
            Err(_) => return Err(self.stop("a commit stopped half way".to_owned())),
        };
        match self.read_only.get() {
            Some(cause) => Err(CommitError::ReadOnly { cause: cause.clone() }),
            None => Ok(guard),
        }
    }

    /// The write side, to look at.
    pub(super) fn writer_unchecked(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the database read-only until it is opened again.
    pub(super) fn stop(&self, cause: String) -> CommitError {
        let cause = self.read_only.get_or_init(|| {
            tracing::error!(%cause, "store is read-only until a restart");
            cause
        });
        CommitError::ReadOnly { cause: cause.clone() }
    }

    /// Gives back the journal's unused space.
    pub(super) fn trim(&self) {
        if let Ok(mut writer) = self.writer()
            && let Err(error) = writer.journal.trim()
        {
            self.stop(format!("shortening the journal failed: {error}"));
        }
    }

    pub(super) fn full(&self, error: io::Error) -> CommitError {
        self.disk_full.store(true, Ordering::Release);
        CommitError::DiskFull(error)
    }

    fn append_failed(&self, error: AppendError) -> CommitError {
        match error {
            AppendError::Full(error) => self.full(error),
            AppendError::Broken(error) => self.stop(format!("writing the journal failed: {error}")),
        }
    }
}

impl DbOptions {
    /// The journal's disk for `file`.
    pub(super) fn disk(&self, file: File) -> Disk {
        #[cfg(test)]
        return Disk::new(file, std::sync::Arc::clone(&self.faults));
        #[cfg(not(test))]
        Disk::new(file)
    }
}

/// Bytes this user may still write on the disk that holds `dir`; `None` where the system does not say.
#[cfg(unix)]
fn free_bytes(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_dir: &Path) -> Option<u64> {
    None
}
