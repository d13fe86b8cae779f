//! What a start takes in: copies of lost rows, what the journals hold, and the row that tells of a loss; in one step with forgetting
//! the pages that do not open.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use super::batch::{Batch, raise};
use super::damage::{Damage, describe};
use super::memtable::Memtable;
use super::open::{OpenError, OpenReport, failed, journal_dir, set_state_aside, state_failed};
use super::replay::replay;
use super::seal::Keys;
use super::state::{State, TakeInError};
use super::survey::{Plan, Survey};
use super::{DbOptions, journal, kept};

/// Bytes of pages that every start looks at, those with the first keys. Others show their damage when they are read, or by
/// `store check`, and the next start then looks at all of them.
const CHECKED: u64 = 8 * 1024 * 1024;

type Marks = BTreeMap<Vec<u8>, u64>;

/// Whether the rows, all of them, are not what they were.
pub(super) fn is_of_state(damage: &Damage) -> bool {
    matches!(
        damage,
        Damage::StateMissing | Damage::StateOlder { .. } | Damage::StateUnreadable { .. }
    )
}

/// Whether some rows, those of damaged pages, are gone.
pub(super) fn is_of_pages(damage: &Damage) -> bool {
    matches!(damage, Damage::Rows { .. } | Damage::Directory)
}

/// What is known when the state is open.
pub(super) struct Restore<'a> {
    pub(super) dir: &'a Path,
    pub(super) state: &'a State,
    pub(super) keys: &'a Keys,
    pub(super) options: &'a DbOptions,
    pub(super) survey: &'a Survey,
    pub(super) plan: &'a Plan,
    /// The state has newer rows than the journals.
    pub(super) marks_only: bool,
}

impl Restore<'_> {
    /// Lets the state, which has taken in the records before `applied`, take in the others, and what a loss asks for. Returns the marks
    /// as of the last record.
    pub(super) fn run(&self, applied: u64, report: &mut OpenReport) -> Result<Marks, OpenError> {
        find_gaps(self.dir, self.state, report)?;
        loop {
            let (table, marks) = self.gather(report)?;
            if self.plan.next == applied && !report.damage.iter().any(Damage::is_loss) {
                return Ok(marks);
            }
            sync_journals(self.dir, self.plan).map_err(failed("syncing the journal"))?;
            let step = |step| self.options.step(step);
            match self.state.take_in(&table, self.plan.next, step) {
                // That has been noted: now all pages are looked at.
                Err(TakeInError::Damaged(_)) if !report.damage.iter().any(is_of_pages) => {
                    find_gaps(self.dir, self.state, report)?;
                }
                outcome => return outcome.map(|()| marks).map_err(state_failed),
            }
        }
    }

    fn gather(&self, report: &mut OpenReport) -> Result<(Memtable, Marks), OpenError> {
        let table = Memtable::default();
        let has_lost_rows = |one: &Damage| is_of_state(one) || is_of_pages(one);
        if report.damage.iter().any(has_lost_rows)
            && let Some(batch) = kept::read(self.dir, self.keys).map_err(state_failed)?
        {
            table.apply(batch);
        }
        let marks = self.replay_all(&table, |count| {
            report.replayed_records = count;
            #[cfg(test)]
            self.options.faults.replayed(count);
        })?;
        if let Some((key, value)) = &self.options.on_loss
            && report.damage.iter().any(Damage::is_loss)
        {
            let mut batch = Batch::new();
            batch.put(key.clone(), value.clone());
            table.apply(batch);
        }
        Ok((table, marks))
    }

    /// Applies the planned records to `table`, telling `done` how many; returns the marks as of the last one.
    fn replay_all(&self, table: &Memtable, mut done: impl FnMut(u64)) -> Result<Marks, OpenError> {
        let Self { keys, survey, plan, .. } = self;
        let head = survey.head.as_ref();
        let mut marks = head.map(|head| head.marks.clone()).unwrap_or_default();
        let mut count: u64 = 0;
        for (epoch, first, records) in &plan.files {
            let Some((_, bytes)) = survey.journals.iter().find(|(found, _)| found == epoch) else {
                continue;
            };
            replay(bytes, keys, *epoch, *first, *records, |batch| {
                for (name, value) in batch.marks() {
                    raise(&mut marks, name.clone(), *value);
                }
                // Rows that are newer already are not put back.
                if !self.marks_only {
                    table.apply(batch);
                }
                count = count.saturating_add(1);
                done(count);
                Ok::<(), OpenError>(())
            })?;
        }
        Ok(marks)
    }
}

/// What is replayed need not be durable: a process that was killed may not have got to its sync. The state must not know of records that
/// a power cut takes from the journal.
fn sync_journals(dir: &Path, plan: &Plan) -> io::Result<()> {
    for (epoch, _, _) in &plan.files {
        let path = journal::path_of(&journal_dir(dir), *epoch);
        File::options().read(true).write(true).open(path)?.sync_data()?;
    }
    Ok(())
}

/// Names the rows that are lost in damaged pages, sets everything aside, and forgets these pages. Writes down all that was found.
fn find_gaps(dir: &Path, state: &State, report: &mut OpenReport) -> Result<(), OpenError> {
    let gaps = state.gaps(if report.damage.is_empty() { CHECKED } else { u64::MAX });
    let gaps = gaps.map_err(state_failed)?;
    let lost = !gaps.is_empty() || state.is_torn();
    if state.is_torn() {
        report.damage.push(Damage::Directory);
    }
    let named = gaps.into_iter().map(|gap| Damage::Rows {
        from: gap.from,
        to: gap.to,
    });
    report.damage.extend(named);
    if lost {
        set_state_aside(dir, report)?;
    }
    if let Some(to) = &report.set_aside {
        describe(to, &report.damage).map_err(OpenError::SetAside)?;
    }
    if lost {
        state.forget_damaged().map_err(state_failed)?;
    }
    Ok(())
}
