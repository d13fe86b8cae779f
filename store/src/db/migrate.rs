//! From format 1, in which every row is a record of the storage engine: its rows are copied into pages once, as a compaction does it,
//! when the database is opened.
//!
//! Until the new files take the place of the old ones, these stand as they were; the version file says first that an older parlour
//! cannot read what comes. Cut off at any point, it is begun anew or is done.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::DbOptions;
use super::compact::{self, CompactError};
use super::damage::Damage;
use super::open::{OpenError, OpenReport, failed, set_state_aside};
use super::seal::Keys;
use super::state::State;
use super::version::{Found, replace_version};

/// Gives `state` back with its rows in pages, and a version file that says so. Rows that do not open are named and left behind.
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
    let lost = RefCell::new(BTreeSet::new());
    let rows = || {
        state.engine.older_rows().filter_map(|row| match row {
            Ok((key, sealed)) => match keys.open_record(&key, &sealed) {
                Some(value) => Some(Ok((key.to_vec(), value))),
                None => {
                    lost.borrow_mut().insert(key.to_vec());
                    None
                }
            },
            Err(error) => Some(Err(error)),
        })
    };
    let mut progress = |count: u64| tracing::info!(rows = count, "moving the history into pages");
    compact::copy(dir, keys, options, &state.engine, rows, &mut progress).map_err(not_moved)?;
    let lost = lost.into_inner();
    if !lost.is_empty() {
        for from in lost {
            let to = Some([from.as_slice(), &[0]].concat());
            report.damage.push(Damage::Rows { from, to });
        }
        set_state_aside(dir, report)?;
    }
    replace_version(dir, version)?;
    compact::put_in_place(dir, state, options).map_err(failed("putting the pages in place"))?;
    State::open(&dir.join("state"), keys, options.state()).map_err(|detail| OpenError::State { detail })
}

fn not_moved(error: CompactError) -> OpenError {
    match error {
        CompactError::Io(source) => failed("moving rows into pages")(source),
        error => OpenError::State {
            detail: format!("moving rows into pages: {error}"),
        },
    }
}
