//! tantivy's locks on the folder, held in memory: one process owns the folder, and none is left stale by a crash.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tantivy::directory::error::LockError;
use tantivy::directory::{DirectoryLock, Lock};

/// Which locks are held.
#[derive(Default)]
pub(super) struct Locks {
    held: Mutex<HashSet<PathBuf>>,
    unlocked: Condvar,
}

impl Locks {
    /// Takes `lock`, waiting for it if it says so.
    pub(super) fn acquire(self: &Arc<Self>, lock: &Lock) -> Result<DirectoryLock, LockError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while held.contains(&lock.filepath) {
            if !lock.is_blocking {
                return Err(LockError::LockBusy);
            }
            held = self.unlocked.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        held.insert(lock.filepath.clone());
        drop(held);
        Ok(DirectoryLock::from(Box::new(Held {
            locks: Arc::clone(self),
            name: lock.filepath.clone(),
        })))
    }
}

/// A held lock; dropping it lets the next one in.
struct Held {
    locks: Arc<Locks>,
    name: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.locks.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&self.name);
        self.locks.unlocked.notify_all();
    }
}
