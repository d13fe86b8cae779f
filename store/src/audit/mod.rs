//! Reading everything there is and comparing it: seals, signatures, and every row that follows from an event with the event.
//!
//! It changes nothing but the search index, which is brought up to date first. What can be wrong is a [`Problem`]; each says
//! what would help.

mod events;
mod problem;
mod rows;
mod search;

pub use problem::Problem;

use crate::record::StoreError;
use crate::store::Store;

/// Problems that are named; further ones are only counted.
pub(crate) const NAMED_MAX: usize = 1_000;

/// What a check found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AuditReport {
    /// Rows read.
    pub rows: u64,
    /// Events whose seal and signature hold.
    pub events: u64,
    /// Messages that are shown.
    pub shown: u64,
    /// Messages in the search index.
    pub indexed: u64,
    /// What is wrong, the first thousand of it.
    pub problems: Vec<Problem>,
    /// How much is wrong.
    pub problem_count: u64,
}

impl AuditReport {
    pub(crate) fn found(&mut self, problem: Problem) {
        self.problem_count = self.problem_count.saturating_add(1);
        if self.problems.len() < NAMED_MAX {
            self.problems.push(problem);
        }
    }
}

/// Reads and compares everything. `progress` is told what is being read and how many of it were done.
///
/// # Errors
/// The database cannot be read at all. Single rows that cannot be read are in the report.
pub fn check(store: &Store, mut progress: impl FnMut(&'static str, u64)) -> Result<AuditReport, StoreError> {
    let mut report = AuditReport::default();
    rows::check(store, &mut report, &mut progress);
    let messages = events::check(store, &mut report, &mut progress)?;
    search::check(store, &messages, &mut report, &mut progress);
    Ok(report)
}
