//! Pages that do not open: what is lost with them, and forgetting them, so that what is left can be read and written.

use std::fs;
use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::super::permissions::{private_file, sync_dir};
use super::super::read::ReadError;
use super::directory::Found;
use super::{PageError, SUSPECT, State};

/// Stretches of lost rows that are named one by one.
const NAMED_MAX: usize = 64;

/// Rows that were lost with their pages: those with `from <= key < to`; to the end of all keys without `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Gap {
    pub(in super::super) from: Vec<u8>,
    pub(in super::super) to: Option<Vec<u8>>,
}

impl State {
    /// What is lost in pages that do not open. If nothing is known to be wrong, the first `limit` bytes are looked at.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(in super::super) fn gaps(&self, limit: u64) -> Result<Vec<Gap>, ReadError> {
        let suspect = self.suspect.load(Ordering::Acquire) || self.is_torn();
        let mut damaged = Vec::new();
        if !suspect {
            damaged = self.damaged(limit)?;
        }
        // Where one is damaged, others may be.
        if suspect || !damaged.is_empty() {
            damaged = self.damaged(u64::MAX)?;
        }
        if suspect && damaged.is_empty() {
            self.clear_suspicion().map_err(|error| ReadError::State {
                detail: error.to_string(),
            })?;
        }
        let mut gaps: Vec<Gap> = Vec::new();
        for Found { key, end, .. } in damaged {
            let full = gaps.len() >= NAMED_MAX;
            match gaps.last_mut() {
                Some(last) if full || last.to.as_ref() == Some(&key) => last.to = end,
                _ => gaps.push(Gap { from: key, to: end }),
            }
        }
        Ok(gaps)
    }

    /// Forgets the pages that do not open. On disk they are forgotten together with the rows that are taken in next: what tells of the
    /// loss is among them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(in super::super) fn forget_damaged(&self) -> Result<(), ReadError> {
        let damaged = self.damaged(u64::MAX)?;
        let mut forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        forgotten.extend(damaged.into_iter().map(|found| (found.key, None)));
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        directory.apply(&forgotten);
        drop(directory);
        self.suspect.store(false, Ordering::Release);
        Ok(())
    }

    /// Says that all pages were looked at and what was damaged is forgotten, also on disk.
    pub(in super::super) fn clear_suspicion(&self) -> io::Result<()> {
        match fs::remove_file(self.dir.join(SUSPECT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => self.suspect.store(false, Ordering::Release),
        }
        Ok(())
    }

    /// The pages that do not open, of the first `limit` bytes of them.
    fn damaged(&self, limit: u64) -> Result<Vec<Found>, ReadError> {
        let (mut damaged, mut done, mut next) = (Vec::new(), 0_u64, Some(Vec::new()));
        while let Some(from) = next.take().filter(|_| done < limit) {
            let Some(found) = self.directory().from(&from) else {
                break;
            };
            done = done.saturating_add(u64::from(found.place.len));
            next.clone_from(&found.end);
            match self.open_page(&found) {
                Ok(_) => {}
                Err(PageError::Damaged) => damaged.push(found),
                Err(error @ PageError::Io(_)) => return Err(self.lost(found, error)),
            }
        }
        Ok(damaged)
    }

    /// Notes a page that does not open, and says what is lost with it.
    pub(super) fn lost(&self, found: Found, error: PageError) -> ReadError {
        if let PageError::Io(error) = error {
            let detail = format!("reading a page: {error}");
            return ReadError::State { detail };
        }
        if !self.suspect.swap(true, Ordering::AcqRel) {
            let noted = private_file(&self.dir.join(SUSPECT)).and_then(|_| sync_dir(&self.dir));
            if let Err(error) = noted {
                tracing::warn!(%error, "noting a damaged page failed");
            }
        }
        ReadError::Damaged {
            from: found.key,
            to: found.end,
        }
    }
}
