//! Taking a memtable's rows in: each page they touch is opened, merged with them, and written anew, in several pages if it grew too
//! large, together with the next one if it shrank.

use std::collections::{BTreeSet, btree_map};
use std::iter::Peekable;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::super::memtable::{Memtable, Plain};
use super::super::read::ReadError;
use super::directory::{Found, kind_end};
use super::page::{Form, Packer, Page, shared};
use super::{Changes, Gap, Place, State};
use crate::wiped::Wiped;

/// Bytes of rows in a page, before they are packed.
const FULL: usize = 8 * 1024;
/// The same where keys come in no order: each new row has a page written anew.
const FULL_SCATTERED: usize = 2 * 1024;
/// Bytes of keys and values from which on a run is written, though more of them are to come: of rows that are only ever added at the
/// end, one page takes all that a memtable has.
const RUN_MAX: usize = 128 * 1024;
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
type Merged = (Vec<Found>, Option<Vec<u8>>);

/// Rows on their way into pages, in order, one behind the other in one buffer.
#[derive(Default)]
struct Run {
    plain: Wiped,
    rows: Vec<Span>,
    /// What they take in pages.
    bytes: usize,
    changed: bool,
    /// Whether something was written before or between the rows that were there.
    inserted: bool,
    /// Whether more rows belong behind these, which would be too many at once.
    is_cut: bool,
}

/// Where a row begins in a run's buffer: its key, then its value.
#[derive(Clone, Copy)]
struct Span {
    at: usize,
    key: usize,
    value: usize,
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
        let mut run = Run::default();
        while let Some((first, _)) = writes.peek().copied() {
            run.clear();
            let (replaced, end) = self.merge(first, &mut writes, &mut run)?;
            if !run.changed {
                continue;
            }
            for found in &replaced {
                changes.insert(found.key.clone(), None);
                gone.push(found.place);
            }
            let mut key = run.key(replaced.first());
            while !run.rows.is_empty() {
                key = self.write_run(&mut run, key, &mut changes)?;
                run.merge(None, end.as_deref(), &mut writes);
            }
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

    /// Puts into `run` the rows of the page that `first` belongs to, with those of `writes` that do. The pages they were in, and the
    /// key at which what belongs there ends.
    fn merge(&self, first: &[u8], writes: &mut Writes<'_>, run: &mut Run) -> Result<Merged, TakeInError> {
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
                return Ok((replaced, end));
            }
            // Small pages are joined with the next one.
            let next = end.as_ref().and_then(|end| self.directory().taking(end));
            found = next.filter(|next| next.key.first() == first.first());
            if found.is_none() {
                return Ok((replaced, end));
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

    fn is_scattered(&self, key: &[u8]) -> bool {
        key.first().is_some_and(|first| self.options.scattered.contains(first))
    }

    fn full(&self, key: &[u8]) -> usize {
        if self.is_scattered(key) { FULL_SCATTERED } else { FULL }
    }

    /// Writes the rows of `run` into pages of about the same size, full ones where rows are only ever added at the end; the first is
    /// that of `key`. If there are more rows to come, those of the last page stay in `run`, and its key is the answer.
    fn write_run(&self, run: &mut Run, mut key: Vec<u8>, changes: &mut Changes) -> Result<Vec<u8>, TakeInError> {
        let (full, form) = if self.is_scattered(&key) {
            (FULL_SCATTERED, Form::AsItIs)
        } else {
            (FULL, Form::Shortest)
        };
        let target = if run.inserted {
            run.bytes.div_ceil(run.bytes.div_ceil(full).max(1))
        } else {
            full
        };
        let (mut packer, mut bytes, mut written) = (Packer::default(), 0_usize, 0);
        let mut last: Option<&[u8]> = None;
        for (index, (row, value)) in run.rows().enumerate() {
            let more = cost(last, row, value);
            // A great row is not put with many small ones.
            let too_large = bytes.saturating_add(more) > full.saturating_mul(2);
            if let Some(last) = last.filter(|_| bytes >= target || too_large) {
                self.write_page(key, &packer.pack(form), changes)?;
                packer.clear();
                bytes = 0;
                written = index;
                key = row.get(..=shared(last, row)).unwrap_or(row).to_vec();
            }
            packer.push(row, value);
            bytes = bytes.saturating_add(more);
            last = Some(row);
        }
        if run.is_cut {
            run.keep_from(written, bytes);
        } else {
            self.write_page(key.clone(), &packer.pack(form), changes)?;
            run.clear();
        }
        Ok(key)
    }

    fn write_page(&self, key: Vec<u8>, packed: &[u8], changes: &mut Changes) -> Result<(), TakeInError> {
        let nonce = self.keys.nonces.one();
        let nonce = nonce.map_err(|error| TakeInError::Failed(error.to_string()))?;
        let (sealed, tag) = self.keys.seal_page(&nonce, &key, packed);
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
            if self.plain.len() >= RUN_MAX {
                self.is_cut = true;
                return;
            }
        }
        self.is_cut = false;
    }

    /// The key of the page that the rows begin in, where `old` was before.
    fn key(&self, old: Option<&Found>) -> Vec<u8> {
        let first = self.rows().next().map_or(&[][..], |(first, _)| first);
        match old {
            Some(old) if old.key.as_slice() <= first => old.key.clone(),
            _ => first.get(..1).unwrap_or_default().to_vec(),
        }
    }

    fn write(&mut self, key: &[u8], value: &Plain) {
        if let Some(value) = value {
            self.push(key, value);
        }
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        let last = self.rows.last().map(|last| self.row(last).0);
        self.bytes = self.bytes.saturating_add(cost(last, key, value));
        self.rows.push(Span {
            at: self.plain.len(),
            key: key.len(),
            value: value.len(),
        });
        self.plain.append(key);
        self.plain.append(value);
    }

    fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows.iter().map(|span| self.row(span))
    }

    fn row(&self, span: &Span) -> (&[u8], &[u8]) {
        let row = self.plain.get(span.at..).unwrap_or_default();
        let (key, rest) = row.split_at_checked(span.key).unwrap_or_default();
        (key, rest.get(..span.value).unwrap_or_default())
    }

    /// Lets go of the rows before the one with this index; what is left takes `bytes` in pages.
    fn keep_from(&mut self, index: usize, bytes: usize) {
        let from = self.rows.get(index).map_or(self.plain.len(), |span| span.at);
        self.plain.drain(..from);
        self.rows.drain(..index);
        for span in &mut self.rows {
            span.at = span.at.saturating_sub(from);
        }
        self.bytes = bytes;
        self.inserted = false;
    }

    fn clear(&mut self) {
        self.plain.clear();
        self.rows.clear();
        self.bytes = 0;
        self.changed = false;
        self.inserted = false;
        self.is_cut = false;
    }
}

fn cost(last: Option<&[u8]>, key: &[u8], value: &[u8]) -> usize {
    let shared = last.map_or(0, |last| shared(last, key));
    ROW.saturating_add(key.len().saturating_sub(shared))
        .saturating_add(value.len())
}
