//! Opening: survey the files, set aside what is damaged, open the state, replay the journals.
//!
//! The survey changes nothing. It reads head and journals, decides whether the key is right and what is
//! missing; only then is anything written. Journals are never appended to after a restart: whatever was
//! replayed is followed by a checkpoint and a new journal, so bytes that an earlier process failed to sync
//! are never built upon.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::checkpoint::Checkpoints;
use super::damage::{Damage, set_aside};
use super::engine::Engine;
use super::head::Head;
use super::journal::{Journal, Position};
use super::lock::{DataLock, LockError};
use super::memtable::Memtables;
use super::permissions::{private_dir, sync_dir};
use super::reached::{self, Reached};
use super::restore::{Restore, is_of_pages, is_of_state};
use super::seal::Keys;
use super::state::State;
use super::survey::{Survey, read_journals};
use super::version::{Found as Version, read_version, replace_version};
use super::writer::{CommitError, Writer};
use super::{Db, DbOptions, Inner, compact, migrate};

const LOCK: &str = "db.lock";

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer parlour wrote these files; nothing was touched.
    #[error("the data has format {found} and this version reads up to {supported}: it needs {needs}")]
    NewerFormat {
        /// The format on disk.
        found: u32,
        /// The newest format this version reads.
        supported: u32,
        /// What to do about it.
        needs: String,
    },
    /// The files were written with another key; nothing was touched.
    #[error("the key is not the one this store was written with")]
    WrongKey,
    /// Another process has the database open.
    #[error("data directory is in use by pid {pid}")]
    InUse {
        /// The process that holds it; 0 when not known.
        pid: u32,
    },
    /// A file could not be read or written.
    #[error("{doing} failed")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something is damaged and could not be copied aside; nothing was changed.
    #[error("copying damaged files aside failed")]
    SetAside(#[source] io::Error),
    /// The storage engine works on no files at all here, or refused the replayed records.
    #[error("the storage engine failed: {detail}")]
    State {
        /// What it said.
        detail: String,
    },
    /// The checkpoint after a replay failed.
    #[error("the checkpoint at the start failed")]
    Checkpoint(#[source] CommitError),
}

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// The database was created.
    pub first_open: bool,
    /// Journal records applied again.
    pub replayed_records: u64,
    /// Bytes of a record that was being written when the process ended; it was never acknowledged.
    pub torn_tail_bytes: u64,
    /// Contradictions found; empty when all is well.
    pub damage: Vec<Damage>,
    /// Where the files were copied before anything was changed, if there was damage.
    pub set_aside: Option<PathBuf>,
}

pub(super) fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}

pub(super) fn failed(doing: &'static str) -> impl Fn(io::Error) -> OpenError {
    move |source| OpenError::Io { doing, source }
}

fn no_random(error: &getrandom::Error) -> OpenError {
    failed("getting random bytes")(io::Error::other(error.to_string()))
}

pub(super) fn open(dir: &Path, key: &[u8; 32], options: DbOptions) -> Result<(Db, OpenReport), OpenError> {
    let version = read_version(dir)?;
    let lock = DataLock::acquire_named(dir, LOCK).map_err(|error| match error {
        LockError::InUse { pid } => OpenError::InUse { pid },
        LockError::Io(source) => failed("locking the store")(source),
    })?;
    open_locked(dir, key, options, lock, version)
}

/// Opens again what was closed without being unlocked.
pub(super) fn open_again(
    dir: &Path,
    key: &[u8; 32],
    options: DbOptions,
    lock: DataLock,
) -> Result<(Db, OpenReport), OpenError> {
    let version = read_version(dir)?;
    open_locked(dir, key, options, lock, version)
}

fn open_locked(
    dir: &Path,
    key: &[u8; 32],
    options: DbOptions,
    lock: DataLock,
    version: Version,
) -> Result<(Db, OpenReport), OpenError> {
    compact::finish(dir).map_err(failed("finishing a compaction"))?;
    let keys = Arc::new(Keys::new(key));
    let mut survey = Survey::take(dir, &keys, version)?;
    let mut report = OpenReport::default();
    if survey.is_first(&keys) {
        report.first_open = true;
        survey.head = Some(begin(dir, &keys, &options)?);
        survey.journals = read_journals(dir)?;
    } else {
        report.damage = survey.damage();
    }
    let mut plan = survey.plan(&keys);
    report.torn_tail_bytes = plan.torn;
    report.damage.extend(plan.damage.clone());
    if !report.damage.is_empty() {
        let with_state = report.damage.iter().any(Damage::is_loss);
        report.set_aside = Some(set_aside(dir, with_state).map_err(OpenError::SetAside)?);
    }
    let state = open_state(dir, &keys, &options, &mut report)?;
    let version = if report.first_open { Version::Current } else { version };
    let state = migrate::run(dir, state, &keys, &options, version, &mut report)?;
    let reached = compare(dir, &state, &keys, &survey, &mut report)?;
    let applied = state.engine.note(&keys).map_err(state_failed)?.applied;
    let written = applied.max(reached::read(dir, &keys));
    let known = |one: &Damage| is_of_state(one) || matches!(one, Damage::HeadOlder { .. });
    if written > plan.next && plan.damage.is_none() && survey.head.is_some() && !report.damage.iter().any(known) {
        report.damage.push(Damage::JournalShort {
            index: plan.next,
            written,
        });
        set_state_aside(dir, &mut report)?;
    }
    let cut_off = applied > plan.next && !report.damage.iter().any(is_of_state);
    plan.next = plan.next.max(written);
    let marks = Restore {
        dir,
        state: &state,
        keys: &keys,
        options: &options,
        survey: &survey,
        plan: &plan,
        marks_only: cut_off,
    }
    .run(applied, &mut report)?;
    let quiet = report.damage.is_empty() && report.replayed_records == 0 && plan.torn == 0;
    let settled = report.first_open || (quiet && survey.is_settled());
    let newest = reached.max(survey.newest());
    let writer = start_writer(dir, &keys, &options, newest, plan.next, settled, marks)?;
    let inner = Inner::start(dir, options, keys, state, writer, lock);
    if !settled {
        inner.settle_first().map_err(OpenError::Checkpoint)?;
    }
    if report.damage.iter().any(is_of_pages) {
        let cleared = inner.state.clear_suspicion();
        cleared.map_err(failed("noting that damaged pages are forgotten"))?;
    }
    Ok((Db(Arc::new(inner)), report))
}

impl Inner {
    fn start(dir: &Path, options: DbOptions, keys: Arc<Keys>, state: State, writer: Writer, lock: DataLock) -> Self {
        let next_epoch = writer.journal.epoch().saturating_add(1);
        Self {
            dir: dir.to_path_buf(),
            options,
            keys,
            state,
            memtables: Memtables::default(),
            writer: Mutex::new(writer),
            checkpoints: Mutex::new(Checkpoints {
                next_epoch,
                synced: std::collections::BTreeSet::new(),
                kept: None,
            }),
            read_only: std::sync::OnceLock::new(),
            disk_full: false.into(),
            journal_bytes: 0.into(),
            waiting_since_ms: 0.into(),
            _lock: lock,
        }
    }
}

/// Writes the first journal, head and version.
fn begin(dir: &Path, keys: &Keys, options: &DbOptions) -> Result<Head, OpenError> {
    let journals = journal_dir(dir);
    private_dir(&journals).map_err(failed("making the journal directory"))?;
    let beginning = failed("beginning the journal");
    Journal::create(&journals, keys, 1, |file| options.disk(file)).map_err(beginning)?;
    let first = Head {
        number: 1,
        index: 0,
        marks: BTreeMap::new(),
    };
    let nonce = keys.nonces.one();
    let nonce = nonce.map_err(|error| no_random(&error))?;
    first.write(dir, keys, &nonce).map_err(failed("writing the head"))?;
    replace_version(dir, Version::Nothing)?;
    if let Some(parent) = dir.parent() {
        let here = parent.as_os_str().is_empty();
        let parent = if here { Path::new(".") } else { parent };
        sync_dir(parent).map_err(failed("syncing the data directory"))?;
    }
    Ok(first)
}

pub(super) fn state_failed(error: impl std::fmt::Display) -> OpenError {
    OpenError::State {
        detail: error.to_string(),
    }
}

/// Opens the state; if the engine cannot open its files, sets them aside and begins with none.
fn open_state(dir: &Path, keys: &Arc<Keys>, options: &DbOptions, report: &mut OpenReport) -> Result<State, OpenError> {
    let path = dir.join("state");
    let detail = match State::open(&path, keys, options.state()) {
        Ok(state) => return Ok(state),
        Err(detail) => detail,
    };
    set_state_aside(dir, report)?;
    Engine::remove_snapshots(&path).map_err(failed("removing the snapshots of the state"))?;
    if let Ok(state) = State::open(&path, keys, options.state()) {
        return Ok(state);
    }
    report.damage.push(Damage::StateUnreadable { detail });
    fs::remove_dir_all(&path).map_err(failed("removing the unreadable state"))?;
    State::open(&path, keys, options.state()).map_err(state_failed)
}

/// Copies everything aside, unless that was done.
pub(super) fn set_state_aside(dir: &Path, report: &mut OpenReport) -> Result<(), OpenError> {
    let done = report.set_aside.as_ref();
    if done.is_none_or(|to| !to.join("state").exists()) {
        report.set_aside = Some(set_aside(dir, true).map_err(OpenError::SetAside)?);
    }
    Ok(())
}

/// Compares the engine's checkpoint with the head's; returns the engine's.
fn compare(dir: &Path, state: &State, keys: &Keys, survey: &Survey, report: &mut OpenReport) -> Result<u64, OpenError> {
    let found = state.engine.checkpoint(keys).map_err(state_failed)?;
    let Some(head) = &survey.head else {
        return Ok(found);
    };
    let known = report
        .damage
        .iter()
        .any(|one| matches!(one, Damage::StateMissing | Damage::StateUnreadable { .. }));
    let expected = head.number;
    let damage = if found < expected && expected > 1 && !known {
        Damage::StateOlder { found, expected }
    } else if found > survey.newest() {
        Damage::HeadOlder {
            found: expected,
            expected: found,
        }
    } else {
        return Ok(found);
    };
    report.damage.push(damage);
    set_state_aside(dir, report)?;
    Ok(found)
}

/// The write side: on the empty journal that is there when all is settled, else on a new one.
fn start_writer(
    dir: &Path,
    keys: &Keys,
    options: &DbOptions,
    newest: u64,
    next: u64,
    settled: bool,
    marks: BTreeMap<Vec<u8>, u64>,
) -> Result<Writer, OpenError> {
    let journals = journal_dir(dir);
    private_dir(&journals).map_err(failed("making the journal directory"))?;
    let disk = |file| options.disk(file);
    let (epoch, journal) = if settled {
        (newest, Journal::reopen_empty(&journals, newest, disk))
    } else {
        let epoch = newest.saturating_add(1);
        (epoch, Journal::create(&journals, keys, epoch, disk))
    };
    Ok(Writer {
        journal: journal.map_err(failed("beginning a journal"))?,
        position: Position::start(keys, epoch, next),
        marks,
        reached: Reached::open(dir).map_err(failed("opening the note of the journal's end"))?,
    })
}
