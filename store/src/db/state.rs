//! The storage engine, sled, behind what this layer needs of it.
//!
//! Its flush does not reach the disk on every system, and it may lose history quietly when its file is
//! damaged. So its files are synced through handles of our own, and it holds the number of the last checkpoint
//! as a row, to be compared with the head. It is written to by checkpoints alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use super::memtable::Memtable;
use super::permissions::{private_dir, private_file, restrict_tree, sync_dir};
use super::read::ReadError;
use super::seal::{Keys, NONCE};

/// What the engine writes down about itself when it makes its files, and never syncs.
const CONF: &str = "conf";
const CONF_BYTES: &[u8] = b"segment_size: 524288\nuse_compression: false\nversion: 0.34\nv\x19Q\xc1";
const CHECKPOINT_KEY: &[u8] = b"checkpoint";
/// The row, among all others, that says how many journal records the rows have taken in. It goes in after them.
pub(super) const APPLIED_KEY: &[u8] = b"\0journal records taken in";
/// The engine lets go of its file a moment after its last handle is dropped.
const OPEN_TRIES: u32 = 200;

pub(super) struct State {
    engine: Engine,
    dir: PathBuf,
    file: File,
    spans: RwLock<Spans>,
}

/// By the first byte of the keys: between which two all keys of the engine lie, and maybe no key any more. A range of the engine
/// copies a whole page to begin with, which is much for one that is empty, as it is for whoever follows what comes at the end.
type Spans = BTreeMap<u8, (Vec<u8>, Vec<u8>)>;

/// The engine's handles. It flushes when the last one goes, and asserts where the disk then fails: what counts was synced by a
/// checkpoint, so that is no loss and must not take the process along.
struct Engine(Option<Handles>);

struct Handles {
    records: sled::Tree,
    meta: sled::Tree,
    db: sled::Db,
}

impl Drop for Engine {
    fn drop(&mut self) {
        let handles = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(handles))).is_err() {
            tracing::error!("the storage engine could not write its last pages; the journal has what they hold");
        }
    }
}

impl std::ops::Deref for Engine {
    type Target = Handles;

    #[expect(clippy::expect_used, reason = "taken by drop only")]
    fn deref(&self) -> &Handles {
        self.0.as_ref().expect("the engine is open")
    }
}

impl State {
    /// Opens or creates the engine in `dir`.
    ///
    /// # Errors
    /// What the engine said; it may have changed its files.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, String> {
        // The engine asserts where its files are damaged.
        let opened = catch_unwind(AssertUnwindSafe(|| Self::try_open(dir, cache_bytes)));
        match opened {
            Ok(outcome) => outcome,
            Err(_) => Err("the storage engine stopped while opening its files".to_owned()),
        }
    }

    fn try_open(dir: &Path, cache_bytes: u64) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        private_dir(dir).map_err(|e| text(&e))?;
        private_dir(&dir.join("blobs")).map_err(|e| text(&e))?;
        let file = private_file(&dir.join("db")).map_err(|e| text(&e))?;
        remove_unfinished_snapshots(dir).map_err(|e| text(&e))?;
        remove_torn_conf(dir).map_err(|e| text(&e))?;
        let engine = open_engine(dir, cache_bytes).map_err(|e| text(&e))?;
        let records = engine.open_tree("records").map_err(|e| text(&e))?;
        let meta = engine.open_tree("meta").map_err(|e| text(&e))?;
        restrict_tree(dir).map_err(|e| text(&e))?;
        let handles = Handles {
            records,
            meta,
            db: engine,
        };
        let spans = spans(&handles.records).map_err(|e| text(&e))?;
        Ok(Self {
            engine: Engine(Some(handles)),
            dir: dir.to_path_buf(),
            file,
            spans: RwLock::new(spans),
        })
    }

    /// The rows with `from <= key < to`.
    pub(super) fn range(&self, from: &[u8], to: &[u8]) -> Range {
        if self.is_outside(from, to) {
            return Range::empty();
        }
        Range::new(self.records().range(from.to_vec()..to.to_vec()))
    }

    /// Whether no row has a key with `from <= key < to`, as far as can be told without looking; said of ranges below one first byte.
    fn is_outside(&self, from: &[u8], to: &[u8]) -> bool {
        let Some(first) = from.first() else { return false };
        let below_one = to.first() == Some(first) || to == [first.saturating_add(1)];
        let spans = self.spans.read().unwrap_or_else(PoisonError::into_inner);
        below_one
            && match spans.get(first) {
                Some((least, greatest)) => from > greatest.as_slice() || to <= least.as_slice(),
                None => true,
            }
    }

    /// Notes that these keys, which ascend, are about to go in.
    fn widen<'a>(&self, keys: impl Iterator<Item = &'a Vec<u8>>) {
        let mut spans = self.spans.write().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            let Some(first) = key.first() else { continue };
            match spans.get_mut(first) {
                Some((least, greatest)) if key < least => least.clone_from(key),
                Some((least, greatest)) if key > greatest => greatest.clone_from(key),
                Some(_) => {}
                None => drop(spans.insert(*first, (key.clone(), key.clone()))),
            }
        }
    }

    /// Makes what the engine wrote down about itself durable.
    fn sync_conf(&self) -> io::Result<()> {
        File::open(self.dir.join(CONF))?.sync_all()
    }

    /// Removes the engine's snapshots, which only shorten its start: it makes them again from its log.
    pub(super) fn remove_snapshots(dir: &Path) -> io::Result<()> {
        remove_files(dir, |name| name.starts_with("snap."))
    }

    /// The rows.
    pub(super) fn records(&self) -> &sled::Tree {
        &self.engine.records
    }

    /// The number of the last checkpoint the engine holds; 0 for none.
    pub(super) fn checkpoint(&self, keys: &Keys) -> Result<u64, String> {
        let found = self.engine.meta.get(CHECKPOINT_KEY).map_err(|e| e.to_string())?;
        let plain = found.and_then(|sealed| keys.open_record(CHECKPOINT_KEY, &sealed));
        let number = plain.and_then(|plain| Some(u64::from_le_bytes(plain.try_into().ok()?)));
        Ok(number.unwrap_or_default())
    }

    /// The number of the first journal record the rows have not taken in; 0 if they do not say.
    pub(super) fn applied(&self, keys: &Keys) -> Result<u64, ReadError> {
        let found = guarded(|| self.records().get(APPLIED_KEY))?;
        let plain = found.and_then(|sealed| keys.open_record(APPLIED_KEY, &sealed));
        let number = plain.and_then(|plain| Some(u64::from_le_bytes(plain.try_into().ok()?)));
        Ok(number.unwrap_or_default())
    }

    /// Takes in the rows of `table`, which holds the journal's records up to `next`. Should that be cut off, the journal still
    /// has them all.
    ///
    /// # Errors
    /// What the engine said, or that the system gave no random bytes.
    pub(super) fn take_in(&self, keys: &Keys, table: &Memtable, next: u64) -> Result<(), String> {
        let mut aad = Vec::with_capacity(128);
        let mut put = |key: &[u8], value: &[u8]| {
            let nonce = keys.nonces.one().map_err(|error| error.to_string())?;
            Keys::record_aad(&mut aad, key);
            let sealed = keys.records.seal(&nonce, &aad, value);
            let inserted = self.records().insert(key, sealed);
            inserted.map(|_| ()).map_err(|error| error.to_string())
        };
        let rows = table.rows();
        self.widen(rows.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key));
        for (key, value) in &*rows {
            match value {
                Some(value) => put(key, value)?,
                None => {
                    let removed = self.records().remove(key);
                    removed.map_err(|error| error.to_string())?;
                }
            }
        }
        put(APPLIED_KEY, &next.to_le_bytes())
    }

    /// Writes the checkpoint's number and flushes all the engine holds in memory to its files.
    pub(super) fn flush(&self, keys: &Keys, nonce: &[u8; NONCE], number: u64) -> sled::Result<()> {
        let mut aad = Vec::new();
        Keys::record_aad(&mut aad, CHECKPOINT_KEY);
        let sealed = keys.records.seal(nonce, &aad, &number.to_le_bytes());
        self.engine.meta.insert(CHECKPOINT_KEY, sealed)?;
        self.engine.db.flush()?;
        Ok(())
    }

    /// Makes the engine's files durable. Blob files are written once; `synced` names those already done.
    pub(super) fn sync(&self, synced: &mut BTreeSet<OsString>) -> io::Result<()> {
        self.file.sync_data()?;
        self.sync_conf()?;
        let blobs = self.dir.join("blobs");
        let mut present = BTreeSet::new();
        let mut fresh = false;
        for entry in fs::read_dir(&blobs)? {
            let name = entry?.file_name();
            if !synced.contains(&name) {
                match private_file_if_there(&blobs.join(&name)) {
                    Ok(file) => file.sync_data()?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
                fresh = true;
            }
            present.insert(name);
        }
        if fresh {
            sync_dir(&blobs)?;
        }
        *synced = present;
        sync_dir(&self.dir)?;
        restrict_tree(&self.dir)
    }

    /// Why the engine stopped writing in the background, if it did.
    pub(super) fn background_error(&self) -> Option<String> {
        let outcome = self.engine.db.context.global_error();
        outcome.err().map(|error| error.to_string())
    }
}

/// Runs `read`, which asks the engine; where its files are damaged it may assert.
pub(super) fn guarded<T>(read: impl FnOnce() -> sled::Result<T>) -> Result<T, ReadError> {
    let detail = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the storage engine stopped while reading its files".to_owned(),
    };
    Err(ReadError::State { detail })
}

/// The least and the greatest key below each first byte.
fn spans(records: &sled::Tree) -> sled::Result<Spans> {
    let mut spans = Spans::new();
    let mut next = records.iter().next().transpose()?;
    while let Some((least, _)) = next {
        let Some(first) = least.first().copied() else {
            // The empty key is nobody's.
            next = records.range([0u8].as_slice()..).next().transpose()?;
            continue;
        };
        let Some(above) = first.checked_add(1) else {
            let greatest = records.iter().next_back().transpose()?;
            spans.extend(greatest.map(|(greatest, _)| (first, (least.to_vec(), greatest.to_vec()))));
            break;
        };
        let greatest = records.range(..[above].as_slice()).next_back().transpose()?;
        spans.extend(greatest.map(|(greatest, _)| (first, (least.to_vec(), greatest.to_vec()))));
        next = records.range([above].as_slice()..).next().transpose()?;
    }
    Ok(spans)
}

/// A range of the engine's rows; it ends after an error.
pub(super) struct Range {
    inner: Option<sled::Iter>,
}

/// A row as it is stored.
pub(super) type Sealed = (sled::IVec, sled::IVec);

impl Range {
    pub(super) fn new(inner: sled::Iter) -> Self {
        Self { inner: Some(inner) }
    }

    pub(super) fn empty() -> Self {
        Self { inner: None }
    }

    /// All rows of the engine, as they are stored.
    pub(super) fn all(state: &State) -> Self {
        Self::new(state.records().iter())
    }

    fn step(
        &mut self,
        step: impl FnOnce(&mut sled::Iter) -> Option<sled::Result<Sealed>>,
    ) -> Option<Result<Sealed, ReadError>> {
        let inner = self.inner.as_mut()?;
        let row = guarded(|| step(inner).transpose());
        if row.is_err() {
            self.inner = None;
        }
        row.transpose()
    }
}

impl Iterator for Range {
    type Item = Result<Sealed, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(Iterator::next)
    }
}

impl DoubleEndedIterator for Range {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(DoubleEndedIterator::next_back)
    }
}

/// Opens a file only if it exists: the engine removes blobs that are no longer needed.
fn private_file_if_there(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

/// Removes snapshots that a killed process had not finished: the engine takes them for the newest ones and then finds them
/// empty. A finished one has been renamed, so nothing of use goes.
fn remove_unfinished_snapshots(dir: &Path) -> io::Result<()> {
    remove_files(dir, |name| name.starts_with("snap.") && name.ends_with(".generating"))
}

/// The engine does not open where a power cut has torn its `conf`, and makes a missing one again. It always says the same.
fn remove_torn_conf(dir: &Path) -> io::Result<()> {
    let path = dir.join(CONF);
    match fs::read(&path) {
        Ok(bytes) if bytes != CONF_BYTES => fs::remove_file(&path),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn remove_files(dir: &Path, unwanted: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&unwanted) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn open_engine(dir: &Path, cache_bytes: u64) -> sled::Result<sled::Db> {
    let config = sled::Config::default()
        .path(dir)
        .cache_capacity(cache_bytes)
        .mode(sled::Mode::LowSpace)
        .flush_every_ms(None);
    let mut tries: u32 = 0;
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if held(&error) && tries < OPEN_TRIES => {
                tries = tries.saturating_add(1);
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
}

fn held(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().contains("could not acquire lock")
}
