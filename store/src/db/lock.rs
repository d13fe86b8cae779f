//! One process per data directory: a lock file that names its holder.
//!
//! The lock belongs to the open file, so the system drops it when the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use super::permissions::{private_dir, private_file};

const DATA_LOCK: &str = "LOCK";

/// Held while this process uses a data directory.
#[derive(Debug)]
pub struct DataLock {
    file: File,
}

impl Drop for DataLock {
    /// A program that another thread is just starting has the open file, too, for a moment: closing it here would not let go.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "letting go of the data directory's lock failed");
        }
    }
}

/// Why a data directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process (or another part of this one) holds the directory. `pid` is 0 when the holder
    /// has not written its number yet.
    #[error("data directory is in use by pid {pid}")]
    InUse {
        /// The process that holds the lock.
        pid: u32,
    },
    /// The lock file could not be made, read or locked.
    #[error("locking the data directory failed")]
    Io(#[from] io::Error),
}

impl DataLock {
    /// Locks `dir`, creating it (mode 0700) if it is missing.
    ///
    /// # Errors
    /// `InUse`: someone else holds it; nothing was changed. `Io`: the lock file could not be used.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        Self::acquire_named(dir, DATA_LOCK)
    }

    pub(super) fn acquire_named(dir: &Path, name: &str) -> Result<Self, LockError> {
        private_dir(dir)?;
        let mut file = private_file(&dir.join(name))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::InUse { pid: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // Fixed width: a reader never meets a shortened number.
        file.rewind()?;
        file.write_all(format!("{:010}\n", std::process::id()).as_bytes())?;
        Ok(Self { file })
    }
}

fn holder(file: &mut File) -> u32 {
    let mut text = String::new();
    let read = file.take(16).read_to_string(&mut text);
    match read {
        Ok(_) => text.trim().parse().unwrap_or(0),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_let_go_even_where_somebody_else_has_the_open_file() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DataLock::acquire(dir.path()).unwrap();
        let held_by_a_child = lock.file.try_clone().unwrap();
        assert!(matches!(
            DataLock::acquire(dir.path()),
            Err(LockError::InUse { pid }) if pid == std::process::id()
        ));
        drop(lock);
        DataLock::acquire(dir.path()).unwrap();
        drop(held_by_a_child);
    }
}
