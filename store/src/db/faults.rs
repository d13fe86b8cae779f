//! Disk faults on demand, for tests.

use std::io;
use std::sync::Mutex;

/// What the next operations of the journal's disk do.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Plan>);

#[derive(Debug, Default, Clone)]
pub(crate) struct Plan {
    /// Writes stop with this error once `room` bytes were written.
    pub(crate) write: Option<io::ErrorKind>,
    pub(crate) room: usize,
    /// Syncs fail.
    pub(crate) sync: bool,
    /// The so-manieth write, sync or cut from now on fails, once.
    pub(crate) nth: Option<(Operation, u32, io::ErrorKind)>,
    /// Cuts fail.
    pub(crate) cut: bool,
    /// The process ends as if killed after this many replayed records.
    pub(crate) die_after_replayed: Option<u64>,
    /// The process ends as if killed at this step of a checkpoint.
    pub(crate) die_at_step: Option<u32>,
}

/// What the journal does to its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Write,
    Sync,
    Cut,
}

impl Plan {
    /// Whether this operation is the one to fail.
    fn is_due(&mut self, operation: Operation) -> Option<io::Error> {
        let (wanted, left, kind) = self.nth.as_mut()?;
        if *wanted != operation {
            return None;
        }
        *left -= 1;
        if *left > 0 {
            return None;
        }
        let error = (*kind).into();
        self.nth = None;
        Some(error)
    }
}

impl Faults {
    pub(crate) fn set(&self, plan: Plan) {
        *self.0.lock().unwrap() = plan;
    }

    pub(super) fn write<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], io::Error)> {
        let mut plan = self.0.lock().unwrap();
        if let Some(error) = plan.is_due(Operation::Write) {
            return Some((&bytes[..bytes.len() / 2], error));
        }
        let kind = plan.write?;
        if bytes.len() <= plan.room {
            plan.room -= bytes.len();
            return None;
        }
        let part = &bytes[..plan.room];
        plan.room = 0;
        Some((part, kind.into()))
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        let mut plan = self.0.lock().unwrap();
        if let Some(error) = plan.is_due(Operation::Sync) {
            return Err(error);
        }
        if plan.sync {
            return Err(io::ErrorKind::Other.into());
        }
        Ok(())
    }

    pub(super) fn cut(&self) -> io::Result<()> {
        let mut plan = self.0.lock().unwrap();
        if let Some(error) = plan.is_due(Operation::Cut) {
            return Err(error);
        }
        if plan.cut {
            return Err(io::ErrorKind::Other.into());
        }
        Ok(())
    }

    pub(super) fn replayed(&self, count: u64) {
        if self.0.lock().unwrap().die_after_replayed == Some(count) {
            std::process::abort();
        }
    }

    pub(super) fn step(&self, step: u32) {
        if self.0.lock().unwrap().die_at_step == Some(step) {
            std::process::abort();
        }
    }
}
