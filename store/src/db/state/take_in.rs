//! Taking a memtable's rows in: each page they touch is opened, merged with them, and written anew, in several pages if it grew too
//! large, together with the next one if it shrank.

use std::collections::{BTreeSet, btree_map};
use std::iter::Peekable;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use zeroize::Zeroizing;

use super::super::memtable::{Memtable, Plain};
use super::super::read::ReadError;
use super::directory::{Found, kind_end};
use super::page::{Packer, Page, shared};
use super::{Changes, Gap, Place, State};

/// Bytes of rows in a page, before they are packed.
const FULL: usize = 8 * 1024;
/// The same where keys come in no order: each new row has a page written anew.
const FULL_SCATTERED: usize = 2 * 1024;
/// What a row takes beside its key and value.
const ROW: usize = 4;

/// Why rows could not be taken in.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum TakeInError {
    /// They belong into a page that does not open.
    #[error("the page they belong into is damaged")]
    Damaged(Gap),
    /// What the engine or the system said.
    #[error("{0}")]
    Failed(String),
}

type Writes<'a> = Peekable<btree_map::Iter<'a, Vec<u8>, Plain>>;

/// Rows on their way into pages, in order.
#[derive(Default)]
struct Run {
    rows: Vec<(Vec<u8>, Zeroizing<Vec<u8>>)>,
    bytes: usize,
    changed: bool,
    /// Whether something was written before or between the rows that were there.
    inserted: bool,
}

impl State {
    /// Takes in the rows of `table`, which holds the journal's records up to `next`. Should that be cut off, the journal still
    /// has them all.
    ///
    /// # Errors
    /// What the engine or the system said; or a page does not open.
    pub(in super::super) fn take_in(&self, table: &Memtable, next: u64, step: impl Fn(u32)) -> Result<(), TakeInError> {
        // What is free now may still be in use on the disk: a killed process need not have waited for it.
        if !self.settled.load(Ordering::Acquire) {
            let synced = self.engine.sync(&mut BTreeSet::new());
            synced.map_err(|error| TakeInError::Failed(error.to_string()))?;
            self.settled.store(true, Ordering::Release);
        }
        let rows = table.rows();
        self.widen(rows.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key));
        let (mut changes, mut gone) = (Changes::new(), Vec::new());
        let mut writes = rows.iter().peekable();
        while let Some((first, _)) = writes.peek().copied() {
            let (run, replaced) = self.merge(first, &mut writes)?;
            if !run.changed {
                continue;
            }
            for found in &replaced {
                changes.insert(found.key.clone(), None);
                gone.push(found.place);
            }
            self.write_run(&run, replaced.first(), &mut changes)?;
        }
        step(7);
        self.file
            .sync()
            .map_err(|error| TakeInError::Failed(error.to_string()))?;
        step(8);
        self.change(changes, gone, next).map_err(TakeInError::Failed)?;
        step(9);
        Ok(())
    }

    /// The rows of the page that `first` belongs to, with those of `writes` that do; and the pages they were in.
    fn merge(&self, first: &[u8], writes: &mut Writes<'_>) -> Result<(Run, Vec<Found>), TakeInError> {
        let mut run = Run::default();
        let mut replaced = Vec::new();
        let mut found = self.directory().taking(first);
        loop {
            let page = found.as_ref().map(|found| self.page_to_change(found)).transpose()?;
            let end = found
                .as_ref()
                .map_or_else(|| kind_end(first), |found| found.end.clone());
            run.merge(page.as_ref(), end.as_deref(), writes);
            replaced.extend(found.take());
            let small = run.bytes < self.full(first) / 4;
            if !run.changed || !small || run.rows.is_empty() {
                return Ok((run, replaced));
            }
            // Small pages are joined with the next one.
            found = end
                .and_then(|end| self.directory().taking(&end))
                .filter(|next| next.key.first() == first.first());
            if found.is_none() {
                return Ok((run, replaced));
            }
        }
    }

    fn page_to_change(&self, found: &Found) -> Result<Page, TakeInError> {
        self.open_page(found)
            .map_err(|error| match self.lost(found.clone(), error) {
                ReadError::Damaged { from, to } => TakeInError::Damaged(Gap { from, to }),
                ReadError::State { detail } => TakeInError::Failed(detail),
            })
    }

    fn full(&self, key: &[u8]) -> usize {
        let scattered = key.first().is_some_and(|first| self.options.scattered.contains(first));
        if scattered { FULL_SCATTERED } else { FULL }
    }

    /// Writes the rows of `run` into pages of about the same size; full ones where rows are only ever added at the end.
    fn write_run(&self, run: &Run, old: Option<&Found>, changes: &mut Changes) -> Result<(), TakeInError> {
        let Some((first, _)) = run.rows.first() else {
            return Ok(());
        };
        let full = self.full(first);
        let target = if run.inserted {
            run.bytes.div_ceil(run.bytes.div_ceil(full).max(1))
        } else {
            full
        };
        let mut key = match old {
            Some(old) if old.key <= *first => old.key.clone(),
            _ => first.get(..1).unwrap_or_default().to_vec(),
        };
        let (mut packer, mut bytes) = (Packer::default(), 0_usize);
        let mut last: Option<&[u8]> = None;
        for (row, value) in &run.rows {
            let more = cost(last, row, value);
            // A great row is not put with many small ones.
            let too_large = bytes.saturating_add(more) > full.saturating_mul(2);
            if let Some(last) = last.filter(|_| bytes >= target || too_large) {
                self.write_page(key, &packer, changes)?;
                (packer, bytes) = (Packer::default(), 0);
                key = row.get(..=shared(last, row)).unwrap_or(row).to_vec();
            }
            packer.push(row, value);
            bytes = bytes.saturating_add(more);
            last = Some(row);
        }
        self.write_page(key, &packer, changes)
    }

    fn write_page(&self, key: Vec<u8>, packer: &Packer, changes: &mut Changes) -> Result<(), TakeInError> {
        let nonce = self.keys.nonces.one();
        let nonce = nonce.map_err(|error| TakeInError::Failed(error.to_string()))?;
        let (sealed, tag) = self.keys.seal_page(&nonce, &key, &packer.pack());
        let len = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
        let at = self.space.lock().unwrap_or_else(PoisonError::into_inner).take(len);
        let written = self.file.write_at(&sealed, at);
        written.map_err(|error| TakeInError::Failed(format!("writing a page: {error}")))?;
        changes.insert(key, Some(Place { at, len, tag }));
        Ok(())
    }
}

impl Run {
    /// Adds the rows of `page` and those of `writes` below `end`, in order; a write stands before the page's row.
    fn merge(&mut self, page: Option<&Page>, end: Option<&[u8]>, writes: &mut Writes<'_>) {
        let mut rows = page.map(Page::rows);
        let mut is_due = |least: Option<&[u8]>| {
            writes.next_if(|(key, _)| {
                end.is_none_or(|end| key.as_slice() < end) && least.is_none_or(|least| key.as_slice() <= least)
            })
        };
        while let Some((key, value)) = rows.as_mut().and_then(|rows| rows.next()) {
            let mut replaced = false;
            while let Some((written, new)) = is_due(Some(key)) {
                replaced = written.as_slice() == key;
                let same = replaced && new.as_ref().is_some_and(|new| new.as_slice() == value);
                let change = !same && (replaced || new.is_some());
                self.changed |= change;
                self.inserted |= change;
                self.write(written, new);
            }
            if !replaced {
                self.push(key, value);
            }
        }
        while let Some((written, new)) = is_due(None) {
            self.changed |= new.is_some();
            self.write(written, new);
        }
    }

    fn write(&mut self, key: &[u8], value: &Plain) {
        if let Some(value) = value {
            self.push(key, value);
        }
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        let last = self.rows.last().map(|(last, _)| last.as_slice());
        self.bytes = self.bytes.saturating_add(cost(last, key, value));
        self.rows.push((key.to_vec(), Zeroizing::new(value.to_vec())));
    }
}

fn cost(last: Option<&[u8]>, key: &[u8], value: &[u8]) -> usize {
    let shared = last.map_or(0, |last| shared(last, key));
    ROW.saturating_add(key.len().saturating_sub(shared))
        .saturating_add(value.len())
}
