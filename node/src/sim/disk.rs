//! What a crash leaves on a disk. A process that is killed leaves everything it wrote. A power cut leaves what was synced, and of the
//! rest any part: the storage engine's files are taken as they were at the last checkpoint, block by block mixed with what was written
//! since; a commit or a checkpoint in the middle is left half done. Old copies are put back whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use parlour_store::Store;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use super::Sim;

/// How far the journal came.
const NOTE: &str = "reached";
/// What lands on a disk as a whole.
const BLOCK: usize = 4096;
/// Memory as a disk, where the system has one: syncing costs nothing there.
const IN_MEMORY: &str = "/dev/shm";

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    /// It had decided and not written.
    BeforeCommit,
    /// The power goes while a record is written.
    InCommit,
    /// It is killed.
    Killed,
    /// The power goes.
    PowerCut,
    /// The power goes while a checkpoint is made.
    InCheckpoint,
}

impl Crash {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BeforeCommit => "crash before a commit",
            Self::InCommit => "power cut in a commit",
            Self::Killed => "kill",
            Self::PowerCut => "power cut",
            Self::InCheckpoint => "power cut in a checkpoint",
        }
    }
}

impl Sim {
    pub(super) fn draw_crash(&mut self) -> Crash {
        let power = self.chance(self.weather.power);
        match self.below(10) {
            0..3 => Crash::BeforeCommit,
            3..6 if power => Crash::InCommit,
            _ if power => Crash::PowerCut,
            _ => Crash::Killed,
        }
    }
}

/// Files by their paths below a folder.
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Both heads of the database.
type Heads = [Option<Vec<u8>>; 2];

/// The folder of one account.
pub(super) struct Disk {
    dir: tempfile::TempDir,
    /// The state's files when they were last synced, and the heads beside them then.
    synced: (Files, Heads),
    /// The journal, and the note of how far it came, before the commit that the power goes in.
    journal: Files,
}

impl Disk {
    pub(super) fn new() -> Self {
        let mut builder = tempfile::Builder::new();
        builder.prefix("parlour-sim");
        let dir = match Path::new(IN_MEMORY).is_dir() {
            true => builder.tempdir_in(IN_MEMORY).or_else(|_| builder.tempdir()),
            false => builder.tempdir(),
        };
        Self {
            dir: dir.expect("a directory"),
            synced: (Files::new(), Heads::default()),
            journal: Files::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn db(&self) -> PathBuf {
        self.dir.path().join("db")
    }

    /// The state's files were synced.
    pub(super) fn synced(&mut self) {
        self.synced = (read(&self.db().join("state")), self.heads());
    }

    fn heads(&self) -> Heads {
        ["head-a", "head-b"].map(|head| fs::read(self.db().join(head)).ok())
    }

    pub(super) fn remember_journal(&mut self) {
        self.journal = read(&self.db().join("journal"));
        if let Ok(note) = fs::read(self.db().join(NOTE)) {
            self.journal.insert(NOTE.into(), note);
        }
    }

    /// Everything that is written.
    pub(super) fn copy(&self) -> Files {
        read(self.dir.path())
    }

    pub(super) fn restore(&mut self, files: &Files) {
        write(self.dir.path(), files);
    }

    /// Ends the process whose store this is, and leaves what such an end leaves.
    pub(super) fn crash(&mut self, how: Crash, store: Store, end: impl FnOnce(), rng: &mut ChaCha8Rng) {
        let (db, state, journal) = (self.db(), self.db().join("state"), self.db().join("journal"));
        let written = read(&state);
        let before = (how == Crash::InCheckpoint).then(|| {
            let before = read(&db);
            store.db().checkpoint().expect("a checkpoint");
            (before, read(&db))
        });
        // What the storage engine writes when it is let go would not have been written.
        drop(store);
        end();
        match how {
            Crash::Killed | Crash::BeforeCommit => write(&state, &written),
            Crash::PowerCut => {
                // A commit may have made a checkpoint of its own.
                let (synced, heads) = &self.synced;
                let synced = if *heads == self.heads() { synced } else { &written };
                write(&state, &half_taken_in(synced, &written, rng));
                self.note_is_behind(rng);
            }
            Crash::InCommit => {
                write(&state, &written);
                let torn = torn(&self.journal, &read(&journal), rng);
                write(&journal, &torn);
                // The note is written after the record.
                match self.journal.get(Path::new(NOTE)) {
                    Some(note) => fs::write(self.db().join(NOTE), note).expect("a file"),
                    None => self.note_is_behind(rng),
                }
            }
            Crash::InCheckpoint => {
                if let Some((before, after)) = before {
                    write(&db, &half_done(before, &after, rng));
                }
            }
        }
    }

    /// The note of how far the journal came is never waited for.
    fn note_is_behind(&self, rng: &mut ChaCha8Rng) {
        if rng.next_u64().is_multiple_of(3) {
            let _ = fs::remove_file(self.db().join(NOTE));
        }
    }
}

pub(super) fn read(dir: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(dir.join(&folder)) else {
            continue;
        };
        for entry in entries {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            match entry.file_type().expect("a type").is_dir() {
                true => folders.push(path),
                false => {
                    // The storage engine removes files of its own behind our back.
                    if let Ok(bytes) = fs::read(entry.path()) {
                        files.insert(path, bytes);
                    }
                }
            }
        }
    }
    files
}

/// Makes the files of a folder these.
fn write(dir: &Path, files: &Files) {
    for (path, bytes) in read(dir) {
        if files.get(&path) != Some(&bytes) {
            fs::remove_file(dir.join(path)).expect("a file");
        }
    }
    for (path, bytes) in files {
        let path = dir.join(path);
        if !path.exists() {
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, bytes).expect("a file");
        }
    }
}

/// The state's files, a checkpoint having been cut off in them: the directory is written when the pages are synced that it leads to.
fn half_taken_in(old: &Files, new: &Files, rng: &mut ChaCha8Rng) -> Files {
    let split = |files: &Files| -> (Files, Files) {
        let all = files.iter().map(|(path, bytes)| (path.clone(), bytes.clone()));
        all.partition(|(path, _)| path.ends_with("pages"))
    };
    let ((old_pages, old_directory), (mut new_pages, new_directory)) = (split(old), split(new));
    for (path, pages) in &mut new_pages {
        // What is beyond the last page is cut off when the directory is durable.
        let beyond = old_pages.get(path).and_then(|old| old.get(pages.len()..));
        pages.extend_from_slice(beyond.unwrap_or_default());
    }
    let (mut pages, directory) = if rng.next_u64().is_multiple_of(2) {
        (mixed(&old_pages, &new_pages, rng), old_directory)
    } else {
        (new_pages, mixed(&old_directory, &new_directory, rng))
    };
    pages.extend(directory);
    pages
}

/// Old files, of which some part was written over.
fn mixed(old: &Files, new: &Files, rng: &mut ChaCha8Rng) -> Files {
    let how = rng.next_u64() % 4;
    match how {
        0 => return old.clone(),
        1 => return new.clone(),
        _ => {}
    }
    let mut mixed = Files::new();
    let paths: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for path in paths {
        let whole = how == 2;
        let luck = rng.next_u64().is_multiple_of(2);
        match (old.get(path), new.get(path)) {
            (Some(old), Some(new)) if whole => {
                mixed.insert(path.clone(), if luck { old } else { new }.clone());
            }
            (Some(old), Some(new)) => {
                let mut bytes = new.clone();
                for (at, block) in bytes.chunks_mut(BLOCK).enumerate() {
                    let before = old.get(at * BLOCK..).unwrap_or_default();
                    if rng.next_u64().is_multiple_of(2) {
                        let kept = before.len().min(block.len());
                        block[..kept].copy_from_slice(&before[..kept]);
                        // What a file grew by is zeros until it lands.
                        block[kept..].fill(0);
                    }
                }
                mixed.insert(path.clone(), bytes);
            }
            // A new name or a removal that may or may not have landed.
            (Some(one), None) | (None, Some(one)) if luck => {
                mixed.insert(path.clone(), one.clone());
            }
            _ => {}
        }
    }
    mixed
}

/// A journal whose last record was being written: some beginning of it, or some blocks.
fn torn(before: &Files, after: &Files, rng: &mut ChaCha8Rng) -> Files {
    let mut torn = after.clone();
    for (path, bytes) in &mut torn {
        let Some(old) = before.get(path).filter(|old| *old != bytes) else {
            continue;
        };
        let differs = |(a, b): (&u8, &u8)| a != b;
        let Some(from) = old.iter().zip(bytes.iter()).position(differs) else {
            continue;
        };
        let old_at = |at: usize| old.get(at).copied().unwrap_or(0);
        let blocks = rng.next_u64().is_multiple_of(2);
        let cut = from + (rng.next_u64() % (bytes.len() - from + 1) as u64) as usize;
        let cut = cut.min(from + (rng.next_u64() % 8_192) as usize);
        let lucky = rng.next_u64();
        for (at, byte) in bytes.iter_mut().enumerate().skip(from) {
            let landed = if blocks {
                lucky >> (at / 512 % 64) & 1 == 1
            } else {
                at < cut
            };
            if !landed {
                *byte = old_at(at);
            }
        }
    }
    torn
}

/// A checkpoint that the power went in, at some step.
fn half_done(before: Files, after: &Files, rng: &mut ChaCha8Rng) -> Files {
    let part = |files: &Files, name: &str| -> Files {
        let inside = files.iter().filter(|(path, _)| path.starts_with(name));
        inside.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
    };
    let step = rng.next_u64() % 5;
    let mut left = before;
    if step > 0 {
        // The new journal is made of the spare one, and is there before anything else.
        let (journals, spare) = (part(after, "journal"), Path::new("journal/spare"));
        for (path, bytes) in journals.into_iter().filter(|(path, _)| path != spare) {
            left.entry(path).or_insert(bytes);
        }
        left.remove(spare);
    }
    let state = match step {
        0 => part(&left, "state"),
        1 => half_taken_in(&part(&left, "state"), &part(after, "state"), rng),
        _ => part(after, "state"),
    };
    left.retain(|path, _| !path.starts_with("state"));
    left.extend(state);
    let landed: &[&str] = match step {
        0 | 1 => &[],
        2 => &["kept"],
        3 => &["kept", "head-a"],
        _ => &["kept", "head-a", "head-b"],
    };
    for name in landed {
        if let Some(bytes) = after.get(Path::new(name)) {
            left.insert(PathBuf::from(name), bytes.clone());
        }
    }
    left
}
