//! The way to the folder of one who writes: once it is shut, whatever of that writer still runs changes nothing.
//!
//! Dropping a tantivy writer does not end its merges. Their threads would go on to name, replace and delete files: those of
//! the next writer, or those in a folder that was emptied and begun anew.

use std::io;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

#[cfg(test)]
use super::tests::OnCreate;

/// One writer's way to the folder. Reading needs none.
#[derive(Default)]
pub(super) struct Gate {
    shut: RwLock<bool>,
    /// Asked before a file is made.
    #[cfg(test)]
    on_create: Option<OnCreate>,
}

/// While this is held the gate is open.
pub(super) type Pass<'a> = RwLockReadGuard<'a, bool>;

impl Gate {
    /// Lets one step through.
    ///
    /// # Errors
    /// The gate is shut.
    pub(super) fn pass(&self) -> io::Result<Pass<'_>> {
        let shut = self.shut.read().unwrap_or_else(PoisonError::into_inner);
        if *shut {
            return Err(io::Error::other("this writer of the search index was let go"));
        }
        Ok(shut)
    }

    /// Lets nothing through from now on; waits for the steps that are under way.
    pub(super) fn shut(&self) {
        *self.shut.write().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

#[cfg(test)]
impl Gate {
    pub(super) fn asking(self, on_create: Option<OnCreate>) -> Self {
        Self { on_create, ..self }
    }

    pub(super) fn ask(&self, name: &std::path::Path) -> io::Result<()> {
        self.on_create.as_ref().map_or(Ok(()), |ask| ask(name))
    }
}
