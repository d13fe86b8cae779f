//! Checkpoints: rows moved from memory into pages, their directory made durable, the head moved, the journal cut.
//!
//! The order makes a crash between any two steps safe: until the head is written, the old journals and the
//! old head stand; after it, the state's files hold all the old journals held.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use super::head::Head;
use super::journal::{self, Journal, Position, is_full};
use super::writer::CommitError;
use super::{DbOptions, Inner, kept, open};

/// What one checkpoint at a time may change.
pub(super) struct Checkpoints {
    /// The epoch the next journal gets.
    pub(super) next_epoch: u64,
    /// Blob files that are durable.
    pub(super) synced: BTreeSet<OsString>,
    /// Hash of the second copy of the rows that are kept twice, if it was written.
    pub(super) kept: Option<[u8; 32]>,
}

impl Inner {
    pub(super) fn checkpoint(&self) -> Result<(), CommitError> {
        if self.journal_bytes.load(Ordering::Acquire) == 0 {
            return match self.read_only.get() {
                Some(cause) => Err(CommitError::ReadOnly { cause: cause.clone() }),
                None => Ok(()),
            };
        }
        self.checkpoint_now(&mut *self.checkpoints()?)
    }

    /// Runs a checkpoint if the journal has more than `most` bytes and the one that runs does not leave it less.
    pub(super) fn checkpoint_beyond(&self, most: u64) -> Result<(), CommitError> {
        let is_beyond = || self.journal_bytes.load(Ordering::Acquire) > most;
        if !is_beyond() {
            return Ok(());
        }
        let mut checkpoints = self.checkpoints()?;
        if is_beyond() {
            self.checkpoint_now(&mut checkpoints)?;
        }
        Ok(())
    }

    fn checkpoints(&self) -> Result<MutexGuard<'_, Checkpoints>, CommitError> {
        let stopped = |_| self.stop("a checkpoint stopped half way".to_owned());
        self.checkpoints.lock().map_err(stopped)
    }

    fn checkpoint_now(&self, checkpoints: &mut Checkpoints) -> Result<(), CommitError> {
        self.take_in()?;
        let journals = open::journal_dir(&self.dir);
        let epoch = checkpoints.next_epoch;
        let fresh = Journal::create(&journals, &self.keys, epoch, |file| self.options.disk(file))
            .map_err(|error| self.step_failed("beginning a journal", error))?;
        self.step(1);
        checkpoints.next_epoch = epoch.saturating_add(1);

        let (head, covered) = self.rotate(fresh)?;
        self.settle(checkpoints, &head, covered)
    }

    /// The checkpoint after a start that replayed: the journal is new, the state and head are not.
    pub(super) fn settle_first(&self) -> Result<(), CommitError> {
        let head = {
            let writer = self.writer()?;
            Head {
                number: writer.journal.epoch(),
                index: writer.position.index,
                marks: writer.marks.clone(),
            }
        };
        let mut checkpoints = self.checkpoints()?;
        self.settle(&mut checkpoints, &head, 0)
    }

    /// Makes the state durable, then the head that says so; `covered` bytes of records are then done with.
    fn settle(&self, checkpoints: &mut Checkpoints, head: &Head, covered: u64) -> Result<(), CommitError> {
        let epoch = head.number;
        self.step(2);
        self.take_in()?;
        let nonce = self.keys.nonces.one()?;
        if let Err(error) = self.state.flush(&nonce, epoch) {
            return Err(self.stop(format!("flushing the state failed: {error}")));
        }
        self.step(3);
        if let Err(error) = self.state.sync(&mut checkpoints.synced) {
            return Err(self.stop(format!("syncing the state failed: {error}")));
        }
        self.step(4);
        kept::write(
            &self.dir,
            &self.state,
            &self.keys,
            self.options.kept,
            &mut checkpoints.kept,
        )
        .map_err(|error| self.step_failed("writing the second copy", error))?;
        head.write(&self.dir, &self.keys, &self.keys.nonces.one()?)
            .map_err(|error| self.step_failed("writing the head", error))?;
        self.step(5);
        self.journal_bytes.fetch_sub(covered, Ordering::AcqRel);
        self.waiting_since_ms.store(0, Ordering::Release);
        // A file left behind is removed by the next checkpoint or start.
        let journals = open::journal_dir(&self.dir);
        let spare_max = self.options.checkpoint_bytes.saturating_mul(2);
        if let Err(error) = journal::retire(&journals, epoch, spare_max) {
            tracing::warn!(%error, "removing an old journal failed");
        }
        self.step(6);
        Ok(())
    }

    /// Moves the frozen memtable, if there is one, into the state.
    fn take_in(&self) -> Result<(), CommitError> {
        let Some(frozen) = self.memtables.frozen() else {
            return Ok(());
        };
        let taken_in = self.state.take_in(&frozen.table, frozen.next, |step| self.step(step));
        taken_in.map_err(|error| self.stop(format!("moving rows into the state failed: {error}")))?;
        self.memtables.forget_frozen();
        Ok(())
    }

    /// Lets commits go on in `fresh`; returns the head that leads to it and the bytes it leaves behind.
    fn rotate(&self, fresh: Journal) -> Result<(Head, u64), CommitError> {
        let mut writer = self.writer()?;
        let number = fresh.epoch();
        let index = writer.position.index;
        self.memtables.freeze(index);
        writer.journal = fresh;
        writer.position = Position::start(&self.keys, number, index);
        let head = Head {
            number,
            index,
            marks: writer.marks.clone(),
        };
        Ok((head, self.journal_bytes.load(Ordering::Acquire)))
    }

    fn step_failed(&self, doing: &str, error: std::io::Error) -> CommitError {
        if is_full(&error) {
            return self.full(error);
        }
        self.stop(format!("{doing} failed: {error}"))
    }

    pub(super) fn step(&self, step: u32) {
        self.options.step(step);
    }
}

impl DbOptions {
    #[cfg(test)]
    pub(super) fn step(&self, step: u32) {
        self.faults.step(step);
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests stop the process here")]
    pub(super) fn step(&self, _step: u32) {}
}

/// Bytes of all files below `dir`, except those set aside.
pub(super) fn size_on_disk(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let mut total: u64 = 0;
    for entry in entries.flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        let aside = entry.file_name().to_string_lossy().starts_with("damaged-");
        if meta.is_file() {
            total = total.saturating_add(meta.len());
        } else if meta.is_dir() && !aside {
            total = total.saturating_add(size_on_disk(&entry.path()));
        }
    }
    total
}
