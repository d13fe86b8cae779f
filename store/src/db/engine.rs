//! The storage engine, sled, behind what this layer needs of it: it keeps the directory, which says where in the file of pages each
//! page stands.
//!
//! Its flush does not reach the disk on every system, and it may lose history quietly when its file is
//! damaged. So its files are synced through handles of our own, and it holds the number of the last checkpoint
//! as a row, to be compared with the head. It is written to by checkpoints alone.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::bytes::Fields;
use super::permissions::{private_dir, private_file, restrict_tree, sync_dir};
use super::read::ReadError;
use super::seal::{Keys, NONCE};
use super::state::{Changes, Directory, Place};

/// What the engine writes down about itself when it makes its files, and never syncs.
const CONF: &str = "conf";
const CONF_BYTES: &[u8] = b"segment_size: 524288\nuse_compression: false\nversion: 0.34\nv\x19Q\xc1";
/// The tree of rows that format 1 has.
const ROWS: &str = "records";
const PAGES: &str = "pages";
/// Stands before the keys of pages.
const PAGE_PREFIX: u8 = b'p';
pub(super) const CHECKPOINT_KEY: &[u8] = b"checkpoint";
/// Stands beside the directory, and beside the rows of format 1.
pub(super) const NOTE_KEY: &[u8] = b"\0journal records taken in";
/// The engine lets go of its file a moment after its last handle is dropped.
const OPEN_TRIES: u32 = 200;

/// Writes whose garbage one collection frees: it takes eight bags of 64 objects.
const WRITES_A_COLLECTION: usize = 128;
/// Nothing is freed before the epoch has gone on twice.
const COLLECTIONS_LEAST: usize = 4;

/// What is noted about the directory with each of its changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// The number of the first journal record that the rows have not taken in; 0 if nothing says so.
    pub(super) applied: u64,
    /// The sum of the directory's entries, by which a lost one is noticed. Format 1 has none.
    pub(super) sum: u128,
}

impl Note {
    pub(super) fn encode(self) -> Vec<u8> {
        [self.applied.to_le_bytes().as_slice(), &self.sum.to_le_bytes()].concat()
    }

    pub(super) fn decode(plain: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(plain);
        let applied = fields.u64()?;
        let sum = fields.array().map_or(0, u128::from_le_bytes);
        fields.is_empty().then_some(Self { applied, sum })
    }
}

/// The engine's open files.
pub(super) struct Engine {
    handles: Open,
    dir: PathBuf,
    file: File,
    /// The tree holds rows, as format 1 has them, not the directory of pages.
    older: bool,
}

/// The engine's handles. It flushes when the last one goes, and asserts where the disk then fails: what counts was synced by a
/// checkpoint, so that is no loss and must not take the process along.
struct Open(Option<Handles>);

struct Handles {
    tree: sled::Tree,
    meta: sled::Tree,
    db: sled::Db,
}

impl Drop for Open {
    fn drop(&mut self) {
        let handles = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(handles))).is_err() {
            tracing::error!("the storage engine could not write its last pages; the journal has what they hold");
        }
    }
}

impl std::ops::Deref for Open {
    type Target = Handles;

    #[expect(clippy::expect_used, reason = "taken by drop only")]
    fn deref(&self) -> &Handles {
        self.0.as_ref().expect("the engine is open")
    }
}

impl Engine {
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
        let older = engine.tree_names().iter().any(|name| name.to_vec() == ROWS.as_bytes());
        let tree = engine
            .open_tree(if older { ROWS } else { PAGES })
            .map_err(|e| text(&e))?;
        let meta = engine.open_tree("meta").map_err(|e| text(&e))?;
        restrict_tree(dir).map_err(|e| text(&e))?;
        let handles = Handles { tree, meta, db: engine };
        Ok(Self {
            handles: Open(Some(handles)),
            dir: dir.to_path_buf(),
            file,
            older,
        })
    }

    /// Whether the engine holds rows, as format 1 has them.
    pub(super) fn is_older(&self) -> bool {
        self.older
    }

    /// The rows of a database of format 1 from a key on, as they were sealed; the last one first if `backwards`. They end after an
    /// error.
    pub(super) fn older_rows(
        &self,
        from: &[u8],
        backwards: bool,
    ) -> impl Iterator<Item = Result<Sealed, ReadError>> + use<> {
        let mut rows = self.older.then(|| self.handles.tree.range(from..));
        std::iter::from_fn(move || {
            let next = |rows: &mut sled::Iter| if backwards { rows.next_back() } else { rows.next() };
            let row = guarded(|| rows.as_mut().and_then(next).transpose()).transpose()?;
            if row.is_err() {
                rows = None;
            }
            Some(row)
        })
        .filter(|row| !matches!(row, Ok((key, _)) if key == NOTE_KEY))
    }

    /// The directory of pages.
    ///
    /// # Errors
    /// What the engine said.
    pub(super) fn directory(&self) -> Result<Directory, String> {
        let read = guarded(|| {
            let mut directory = Directory::default();
            let entries = (!self.older).then(|| self.handles.tree.scan_prefix([PAGE_PREFIX]));
            for entry in entries.into_iter().flatten() {
                let (key, place) = entry?;
                let key = key.get(1..).unwrap_or_default().to_vec();
                directory.insert(key, Place::decode(&place).unwrap_or(Place::NOWHERE));
            }
            Ok(directory)
        });
        read.map_err(|error| error.to_string())
    }

    /// Changes the directory, and what is noted about it, all at once.
    ///
    /// # Errors
    /// What the engine said, or that the system gave no random bytes.
    pub(super) fn change(&self, keys: &Keys, pages: &Changes, note: Note) -> Result<(), String> {
        let mut batch = sled::Batch::default();
        for (key, place) in pages {
            let mut name = Vec::with_capacity(key.len().saturating_add(1));
            name.push(PAGE_PREFIX);
            name.extend_from_slice(key);
            match place {
                Some(place) => batch.insert(name, place.encode().as_slice()),
                None => batch.remove(name),
            }
        }
        let nonce = keys.nonces.one().map_err(|error| error.to_string())?;
        let mut aad = Vec::new();
        Keys::record_aad(&mut aad, NOTE_KEY);
        batch.insert(NOTE_KEY, keys.records.seal(&nonce, &aad, &note.encode()));
        let applied = guarded(|| self.handles.tree.apply_batch(batch));
        collect_garbage(pages.len());
        applied.map_err(|error| error.to_string())
    }

    /// What is noted about the directory; nothing in a new one.
    pub(super) fn note(&self, keys: &Keys) -> Result<Note, ReadError> {
        let found = guarded(|| self.handles.tree.get(NOTE_KEY))?;
        let plain = found.and_then(|sealed| keys.open_record(NOTE_KEY, &sealed));
        Ok(plain.and_then(|plain| Note::decode(&plain)).unwrap_or_default())
    }

    /// Makes what the engine wrote down about itself durable.
    fn sync_conf(&self) -> io::Result<()> {
        File::open(self.dir.join(CONF))?.sync_all()
    }

    /// Removes the engine's snapshots, which only shorten its start: it makes them again from its log.
    pub(super) fn remove_snapshots(dir: &Path) -> io::Result<()> {
        remove_files(dir, |name| name.starts_with("snap."))
    }

    /// The number of the last checkpoint the engine holds; 0 for none.
    pub(super) fn checkpoint(&self, keys: &Keys) -> Result<u64, String> {
        let found = self.handles.meta.get(CHECKPOINT_KEY).map_err(|e| e.to_string())?;
        let plain = found.and_then(|sealed| keys.open_record(CHECKPOINT_KEY, &sealed));
        let number = plain.and_then(|plain| Some(u64::from_le_bytes(plain.try_into().ok()?)));
        Ok(number.unwrap_or_default())
    }

    /// Writes the checkpoint's number and flushes all the engine holds in memory to its files.
    pub(super) fn flush(&self, keys: &Keys, nonce: &[u8; NONCE], number: u64) -> sled::Result<()> {
        let mut aad = Vec::new();
        Keys::record_aad(&mut aad, CHECKPOINT_KEY);
        let sealed = keys.records.seal(nonce, &aad, &number.to_le_bytes());
        self.handles.meta.insert(CHECKPOINT_KEY, sealed)?;
        self.handles.db.flush()?;
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
        let outcome = self.handles.db.context.global_error();
        outcome.err().map(|error| error.to_string())
    }
}

/// Frees what `writes` writes have left. The engine leaves that to its epoch collector, which frees some hundreds of objects for each
/// 128 calls; a batch is one call and leaves a copy of a node for each of its writes, so that memory would grow without end.
fn collect_garbage(writes: usize) {
    for _ in 0..writes.div_ceil(WRITES_A_COLLECTION).saturating_add(COLLECTIONS_LEAST) {
        crossbeam_epoch::pin().flush();
    }
}

/// Runs `read`, which asks the engine; where its files are damaged it may assert.
fn guarded<T>(read: impl FnOnce() -> sled::Result<T>) -> Result<T, ReadError> {
    let detail = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the storage engine stopped while reading its files".to_owned(),
    };
    Err(ReadError::State { detail })
}

/// A row as format 1 stores it.
pub(super) type Sealed = (sled::IVec, sled::IVec);

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
