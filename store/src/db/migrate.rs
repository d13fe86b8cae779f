//! From format 1, in which every row is a record of the storage engine: its rows are copied into pages once, as a compaction does it,
//! when the database is opened.
//!
//! Until the new files take the place of the old ones, these stand as they were; the version file says first that an older parlour
//! cannot read what comes. Cut off at any point, it is begun anew or is done.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::DbOptions;
use super::compact::{self, CompactError};
use super::damage::Damage;
use super::engine::{Engine, Sealed};
use super::open::{OpenError, OpenReport, failed, set_state_aside};
use super::read::{ReadError, Row};
use super::seal::Keys;
use super::state::State;
use super::version::{Found, replace_version};

/// Gives `state` back with its rows in pages, and a version file that says so. What cannot be read is named and left behind.
pub(super) fn run(
    dir: &Path,
    state: State,
    keys: &Arc<Keys>,
    options: &DbOptions,
    version: Found,
    report: &mut OpenReport,
) -> Result<State, OpenError> {
    if !state.engine.is_older() {
        replace_version(dir, version)?;
        return Ok(state);
    }
    let source = Source::survey(&state.engine, keys);
    let lost = source.lost();
    if !lost.is_empty() {
        report.damage.extend(lost);
        set_state_aside(dir, report)?;
    }
    let is_loss = report.damage.iter().any(Damage::is_loss);
    let mark = options.on_loss.as_ref().filter(|_| is_loss);
    let rows = || with_row(source.rows(), mark.cloned());
    let mut progress = |count: u64| tracing::info!(rows = count, "moving the history into pages");
    compact::copy(dir, keys, options, &state.engine, rows, &mut progress).map_err(not_moved)?;
    replace_version(dir, version)?;
    compact::put_in_place(dir, state, options).map_err(failed("putting the pages in place"))?;
    State::open(&dir.join("state"), keys, options.state()).map_err(|detail| OpenError::State { detail })
}

/// The rows of format 1, as far as they can be read: from either end up to what the engine cannot read.
struct Source<'a> {
    engine: &'a Engine,
    keys: &'a Keys,
    /// Keys of rows that do not open.
    sealed: BTreeSet<Vec<u8>>,
    gap: Option<Unread>,
}

/// What the engine cannot read lies between these two keys; all before or all after them where there is none.
#[derive(Default)]
struct Unread {
    after: Option<Vec<u8>>,
    until: Option<Vec<u8>>,
}

impl<'a> Source<'a> {
    fn survey(engine: &'a Engine, keys: &'a Keys) -> Self {
        let mut source = Self {
            engine,
            keys,
            sealed: BTreeSet::new(),
            gap: None,
        };
        let mut gap = Unread::default();
        if source.walk(false, &mut gap.after) {
            return source;
        }
        source.walk(true, &mut gap.until);
        source.gap = Some(gap);
        source
    }

    /// Goes through the rows from one end, noting the last one; `false` where the engine cannot read on.
    fn walk(&mut self, backwards: bool, last: &mut Option<Vec<u8>>) -> bool {
        for row in self.engine.older_rows(&[], backwards) {
            let Ok((key, sealed)) = row else { return false };
            if self.keys.open_record(&key, &sealed).is_none() {
                self.sealed.insert(key.to_vec());
            }
            *last = Some(key.to_vec());
        }
        true
    }

    fn lost(&self) -> Vec<Damage> {
        let after = |key: &[u8]| [key, &[0]].concat();
        let sealed = self.sealed.iter().map(|key| Damage::Rows {
            from: key.clone(),
            to: Some(after(key)),
        });
        let gap = self.gap.as_ref().map(|gap| Damage::Rows {
            from: gap.after.as_deref().map_or_else(Vec::new, after),
            to: gap.until.clone(),
        });
        sealed.chain(gap).collect()
    }

    /// The rows in order.
    fn rows(&self) -> impl Iterator<Item = Result<Row, ReadError>> {
        let rows = |from: &[u8]| self.engine.older_rows(from, false);
        let (all, before, behind) = match &self.gap {
            None => (Some(rows(&[])), None, None),
            Some(Unread { after, until }) => {
                let before = after.as_ref().map(|last| up_to(rows(&[]), last.clone()));
                (None, before, until.as_deref().map(rows))
            }
        };
        let sealed = all.into_iter().flatten();
        let sealed = sealed.chain(before.into_iter().flatten());
        sealed.chain(behind.into_iter().flatten()).filter_map(|row| match row {
            Ok((key, _)) if self.sealed.contains(key.as_ref()) => None,
            Ok((key, sealed)) => {
                let damaged = || ReadError::Damaged {
                    from: key.to_vec(),
                    to: None,
                };
                let value = self.keys.open_record(&key, &sealed).ok_or_else(damaged);
                Some(value.map(|value| (key.to_vec(), value)))
            }
            Err(error) => Some(Err(error)),
        })
    }
}

/// `rows` up to the one with the key `last`: the engine is not asked what comes then.
fn up_to(
    rows: impl Iterator<Item = Result<Sealed, ReadError>>,
    last: Vec<u8>,
) -> impl Iterator<Item = Result<Sealed, ReadError>> {
    let mut rows = Some(rows);
    std::iter::from_fn(move || {
        let row = rows.as_mut()?.next();
        if matches!(&row, Some(Ok((key, _))) if key.as_ref() >= last.as_slice()) {
            rows = None;
        }
        row
    })
}

/// `rows`, which ascend, with one more among them or in place of the one with its key.
fn with_row(
    rows: impl Iterator<Item = Result<Row, ReadError>>,
    mut one: Option<Row>,
) -> impl Iterator<Item = Result<Row, ReadError>> {
    let mut rows = rows.peekable();
    std::iter::from_fn(move || {
        let Some((key, _)) = &one else { return rows.next() };
        let is_due = match rows.peek() {
            Some(Ok((next, _))) => next >= key,
            Some(Err(_)) => false,
            None => true,
        };
        if is_due {
            rows.next_if(|row| matches!(row, Ok((next, _)) if next == key));
            return one.take().map(Ok);
        }
        rows.next()
    })
}

fn not_moved(error: CompactError) -> OpenError {
    match error {
        CompactError::Io(source) => failed("moving rows into pages")(source),
        error => OpenError::State {
            detail: format!("moving rows into pages: {error}"),
        },
    }
}
