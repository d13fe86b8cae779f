//! The state: all rows that checkpoints have taken in, in pages of one file; the engine holds the directory of the pages.
//!
//! ```text
//! page        sorted rows -> LZ4 -> XChaCha20-Poly1305: `nonce (24) || ciphertext` in the file `pages`, the tag in the directory
//! read        directory (in memory) -> cache of opened pages -> file
//! checkpoint  changed pages into free space -> fdatasync -> directory, all at once -> flush and fdatasync -> old pages' space is free
//! ```
//! So whatever the directory says at a power cut, the pages are there that it leads to. A page that does not open is damage: all rows
//! with keys from its own up to the next page's are lost, and are forgotten together when the database is opened.

mod cache;
mod directory;
mod gaps;
mod page;
mod range;
mod space;
mod spans;
mod take_in;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use self::cache::Cache;
use self::directory::Found;
pub(super) use self::directory::{Changes, Directory, Place};
pub(super) use self::gaps::Gap;
use self::page::Page;
#[cfg(any(test, fuzzing))]
pub(super) use self::page::check::page;
#[cfg(test)]
pub(super) use self::page::check::pages;
use self::range::Range;
use self::space::Space;
use self::spans::Spans;
pub(super) use self::take_in::TakeInError;
use super::disk::Disk;
use super::engine::{Engine, Note};
use super::permissions::private_file;
use super::read::ReadError;
use super::seal::{Keys, NONCE};
use crate::wiped::Wiped;

const PAGES: &str = "pages";
/// Says that a page did not open while the database was in use: the next start looks at all of them.
const SUSPECT: &str = "suspect";
/// Longest sealed page that is read.
const SEALED_MAX: u32 = 512 * 1024;

/// What the state is opened with.
#[derive(Clone, Copy)]
pub(super) struct StateOptions {
    /// Memory for the engine and for opened pages, in bytes.
    pub(super) cache_bytes: u64,
    /// First bytes of keys that come in no order.
    pub(super) scattered: &'static [u8],
}

pub(super) struct State {
    pub(super) engine: Engine,
    keys: Arc<Keys>,
    options: StateOptions,
    dir: PathBuf,
    file: Disk,
    directory: RwLock<Directory>,
    space: Mutex<Space>,
    cache: Cache,
    spans: RwLock<Spans>,
    /// The engine's files are what a power cut leaves, as far as free space goes.
    settled: AtomicBool,
    suspect: AtomicBool,
    /// The directory that was found is not the one that was written.
    torn: AtomicBool,
    /// Pages that were forgotten here; the next change of the directory says so.
    forgotten: Mutex<Changes>,
}

/// Why a page did not open.
enum PageError {
    /// It is not what was written there.
    Damaged,
    Io(io::Error),
}

impl State {
    /// Opens or creates the state in `dir`.
    ///
    /// # Errors
    /// What the engine or the system said; the engine may have changed its files.
    pub(super) fn open(dir: &Path, keys: &Arc<Keys>, options: StateOptions) -> Result<Self, String> {
        let engine = Engine::open(dir, options.cache_bytes / 4)?;
        let directory = engine.directory()?;
        let opening = |error: io::Error| format!("opening the file of pages: {error}");
        let file = private_file(&dir.join(PAGES)).map_err(opening)?;
        let len = file.metadata().map_err(opening)?.len();
        let is_there = |place: &Place| place.at.checked_add(u64::from(place.len)).is_some_and(|end| end <= len);
        let suspect = dir.join(SUSPECT).exists() || !directory.places().all(|place| is_there(&place));
        let room = usize::try_from(options.cache_bytes / 4 * 3).unwrap_or(usize::MAX);
        let note = engine.note(keys).map_err(|error| error.to_string())?;
        let torn = !engine.is_older() && note.sum != directory.sum();
        let state = Self {
            engine,
            keys: Arc::clone(keys),
            options,
            dir: dir.to_path_buf(),
            file: Disk::without_faults(file),
            space: Mutex::new(Space::around(directory.places().filter(is_there))),
            directory: RwLock::new(directory),
            cache: Cache::new(room),
            spans: RwLock::default(),
            settled: AtomicBool::new(false),
            suspect: AtomicBool::new(suspect),
            torn: AtomicBool::new(torn),
            forgotten: Mutex::default(),
        };
        *state.spans.write().unwrap_or_else(PoisonError::into_inner) = state.find_spans();
        Ok(state)
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// `Damaged`: its page does not open. `State`: the file cannot be read.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let found = self.read_page(|directory| directory.holding(key))?;
        Ok(found.and_then(|(_, page)| page.get(key).map(<[u8]>::to_vec)))
    }

    /// The rows with `from <= key < to`, from either end, as `project` makes them of their values.
    pub(super) fn range<V, F: Fn(&[u8]) -> V>(&self, from: &[u8], to: &[u8], project: F) -> Range<'_, V, F> {
        // An empty range where the bounds are the wrong way round.
        let to = if self.is_outside(from, to) { from } else { to.max(from) };
        Range::new(self, from, to, project)
    }

    fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page that `find` chooses, opened.
    fn read_page(&self, find: impl Fn(&Directory) -> Option<Found>) -> Result<Option<(Found, Arc<Page>)>, ReadError> {
        loop {
            let Some(found) = find(&self.directory()) else {
                return Ok(None);
            };
            if let Some(page) = self.cache.get(&found.place.tag) {
                return Ok(Some((found, page)));
            }
            match self.open_page(&found) {
                Ok(page) => {
                    let page = Arc::new(page);
                    self.cache.put(found.place.tag, &page);
                    return Ok(Some((found, page)));
                }
                // It was written anew meanwhile, and something else may stand where it stood.
                Err(_) if self.directory().place(&found.key) != Some(found.place) => {}
                Err(error) => return Err(self.lost(found, error)),
            }
        }
    }

    fn open_page(&self, found: &Found) -> Result<Page, PageError> {
        let Place { at, len, tag } = found.place;
        if len > SEALED_MAX || len == 0 {
            return Err(PageError::Damaged);
        }
        let mut sealed = Wiped::zeroed(usize::try_from(len).unwrap_or_default());
        match self.file.read_at(&mut sealed, at) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(PageError::Damaged),
            outcome => outcome.map_err(PageError::Io)?,
        }
        let packed = self.keys.open_page(&found.key, &mut sealed, &tag);
        packed.and_then(Page::unpack).ok_or(PageError::Damaged)
    }

    /// Whether entries of the directory were lost: nothing says which rows stood in their pages.
    pub(super) fn is_torn(&self) -> bool {
        self.torn.load(Ordering::Acquire)
    }

    /// Changes the directory; the places of `gone` are free once that is durable.
    fn change(&self, changes: Changes, gone: Vec<Place>, applied: u64) -> Result<(), String> {
        let mut forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = self.directory().sum_after(&changes);
        let mut all = forgotten.clone();
        all.extend(changes);
        self.engine.change(&self.keys, &all, Note { applied, sum })?;
        self.torn.store(false, Ordering::Release);
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        directory.apply(&all);
        drop(directory);
        let mut space = self.space.lock().unwrap_or_else(PoisonError::into_inner);
        space.leave(gone.into_iter().filter(|place| *place != Place::NOWHERE));
        // A page that was forgotten says nothing about the file: its place may be beyond the end, or another page's by now.
        if !std::mem::take(&mut *forgotten).is_empty() {
            space.begin_anew(self.directory().places());
        }
        Ok(())
    }

    /// Writes the checkpoint's number and flushes all the engine holds in memory to its files.
    pub(super) fn flush(&self, nonce: &[u8; NONCE], number: u64) -> Result<(), String> {
        let flushed = self.engine.flush(&self.keys, nonce, number);
        flushed.map_err(|error| error.to_string())
    }

    /// Makes the files durable after a flush; then the space of old pages is free.
    pub(super) fn sync(&self, synced: &mut BTreeSet<OsString>) -> io::Result<()> {
        self.engine.sync(synced)?;
        self.settled.store(true, Ordering::Release);
        let end = self.space.lock().unwrap_or_else(PoisonError::into_inner).release();
        if self.file.len()? > end {
            self.file.cut(end)?;
        }
        Ok(())
    }
}
