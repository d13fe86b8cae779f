//! What can be wrong with the files, and setting them aside before they are changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::permissions::{private_dir, private_file, sync_dir};

/// A contradiction found at open. What is named here was acknowledged once and may be gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The format version file is missing or unreadable; nothing else is implied.
    #[error("the format version file is missing or unreadable")]
    Version,
    /// One of the two head copies is bad; the other one stands in and nothing is lost.
    #[error("head copy {name} is missing or damaged")]
    HeadCopy {
        /// The file's name.
        name: &'static str,
    },
    /// Both head copies are gone or bad. The marks are lost, except those in the journal.
    #[error("both head copies are missing or damaged")]
    HeadMissing,
    /// The head is from before the last checkpoint: an older copy of it was put back.
    #[error("the head is of checkpoint {found}, the state of checkpoint {expected}")]
    HeadOlder {
        /// The head's checkpoint.
        found: u64,
        /// The storage engine's checkpoint.
        expected: u64,
    },
    /// The journal that goes on from the last checkpoint is missing; what was written since is lost.
    #[error("journal {epoch:016x} is missing")]
    JournalMissing {
        /// The journal's epoch.
        epoch: u64,
    },
    /// A journal is changed or has a hole; its records from `index` on are lost.
    #[error("journal {epoch:016x} is damaged at byte {offset}, records from number {index} on are lost")]
    Journal {
        /// The journal's epoch.
        epoch: u64,
        /// The first record lost.
        index: u64,
        /// Where in the file.
        offset: u64,
    },
    /// The journal ends before records that are known to have been written: it was cut off, and more may have been on it.
    #[error("the journal ends at record {index}, records up to {written} were written")]
    JournalShort {
        /// The first record that is not in the journal.
        index: u64,
        /// The first record that is not known to have been written.
        written: u64,
    },
    /// The storage engine's files are gone; only what the journal held is left.
    #[error("the state directory is missing")]
    StateMissing,
    /// The storage engine lost history: its last checkpoint is older than the head's.
    #[error("the state is of checkpoint {found}, the head of checkpoint {expected}")]
    StateOlder {
        /// The storage engine's checkpoint.
        found: u64,
        /// The head's checkpoint.
        expected: u64,
    },
    /// Pages of the state do not open: the rows with these keys are lost, if there were any.
    #[error("rows with keys from {} up to {} are lost", hex(from), to.as_deref().map_or_else(|| "the end".to_owned(), hex))]
    Rows {
        /// The first key that may be lost.
        from: Vec<u8>,
        /// The first one after it that is not; `None` where all are.
        to: Option<Vec<u8>>,
    },
    /// The directory of pages lost entries: any rows may be missing.
    #[error("the directory of pages is not whole")]
    Directory,
    /// Messages are missing that were acknowledged once; they count as missing and are fetched again.
    #[error("conversation {conversation}, device {device}, log {log}: {held} of {bound} messages are left")]
    Messages {
        /// This node's number of the conversation.
        conversation: u32,
        /// This node's number of the author's device.
        device: u32,
        /// The log.
        log: u32,
        /// Messages that are here.
        held: u64,
        /// Messages that were here.
        bound: u64,
    },
    /// An earlier loss was not made good to the end: the process was stopped in the middle.
    #[error("repairing an earlier loss was cut short")]
    HalfRepaired,
    /// The storage engine cannot open its files; only what the journal held is left.
    #[error("the state cannot be opened: {detail}")]
    StateUnreadable {
        /// What the engine said.
        detail: String,
    },
}

impl Damage {
    /// Whether something that was acknowledged may be gone.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        !matches!(self, Self::Version | Self::HeadCopy { .. })
    }
}

fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

const COPIED: [&str; 7] = ["VERSION", "head-a", "head-b", "kept", "reached", "journal", "state"];

/// Copies the database's files to a new `damaged-<n>/` and makes the copy durable; the storage engine's own,
/// which can be large, only `with_state`.
pub(super) fn set_aside(dir: &Path, with_state: bool) -> io::Result<PathBuf> {
    let to = fresh_dir(dir)?;
    for name in COPIED {
        if name == "state" && !with_state {
            continue;
        }
        let from = dir.join(name);
        if from.is_dir() {
            copy_tree(&from, &to.join(name))?;
        } else if from.exists() {
            copy_file(&from, &to.join(name))?;
        }
    }
    sync_dir(&to)?;
    sync_dir(dir)?;
    Ok(to)
}

/// Writes down beside the copies what was found.
pub(super) fn describe(to: &Path, damage: &[Damage]) -> io::Result<()> {
    let text: String = damage.iter().map(|one| format!("{one}\n")).collect();
    let path = to.join("damage.txt");
    drop(private_file(&path)?);
    fs::write(&path, text)
}

fn fresh_dir(dir: &Path) -> io::Result<PathBuf> {
    let mut number: u32 = 1;
    loop {
        let to = dir.join(format!("damaged-{number}"));
        if !to.exists() {
            private_dir(&to)?;
            return Ok(to);
        }
        number = number.saturating_add(1);
    }
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    private_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_file() {
            copy_file(&entry.path(), &target)?;
        }
    }
    sync_dir(to)
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut target = private_file(to)?;
    io::copy(&mut fs::File::open(from)?, &mut target)?;
    target.sync_all()
}
