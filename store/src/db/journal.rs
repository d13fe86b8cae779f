//! The journal's bytes and its append side.
//!
//! ```text
//! file    = "PARLJRN1" || epoch u64 || key id (16) || check (32) || record*
//! record  = marker (8) || length u32 || index u64 || check (8) || nonce (24) || sealed batch || tag (16)
//! chain_0 = H(check key, "chain", epoch); chain_n+1 = BLAKE3(chain_n || index || nonce || tag)
//! AAD     = "journal" || epoch || index || length || chain_n
//! ```
//! `length` counts the bytes after the record's 28-byte header. Indexes go on from file to file, so a missing
//! record shows at a file's border too. A file is overwritten in place, over zeros or over the records of an
//! older epoch, because a write that does not grow the file is synced much faster; marker and checks are keyed
//! and differ by epoch, so old bytes never pass for new ones.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::permissions::{private_file, sync_dir};
use super::seal::{Keys, NONCE, TAG, first};

pub(super) const FILE_HEADER: usize = 64;
pub(super) const RECORD_HEADER: usize = 28;
pub(super) const MAGIC: &[u8; 8] = b"PARLJRN1";
/// Space a record's batch is encoded after, so that it is sealed where it lies.
pub(super) const FRAME_ROOM: usize = RECORD_HEADER + NONCE;

const FIRST_SPACE: u64 = 256 * 1024;
const MAX_GROWTH: u64 = 4 * 1024 * 1024;
const SPARE: &str = "spare";

/// Where the next record goes in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) index: u64,
    pub(super) chain: [u8; 32],
}

impl Position {
    /// The start of the file of `epoch`, whose first record is number `index`.
    pub(super) fn start(keys: &Keys, epoch: u64, index: u64) -> Self {
        Self {
            index,
            chain: keys.check(b"chain\0\0\0", &[epoch]),
        }
    }

    pub(super) fn next(&self, nonce: &[u8; NONCE], tag: &[u8; TAG]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.chain);
        hasher.update(&self.index.to_le_bytes());
        hasher.update(nonce);
        hasher.update(tag);
        Self {
            index: self.index.saturating_add(1),
            chain: *hasher.finalize().as_bytes(),
        }
    }

    pub(super) fn aad(&self, epoch: u64, len: u32) -> [u8; 59] {
        let mut aad = [0; 59];
        let parts = [
            b"journal".as_slice(),
            &epoch.to_le_bytes(),
            &self.index.to_le_bytes(),
            &len.to_le_bytes(),
            &self.chain,
        ];
        for (to, from) in aad.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        aad
    }
}

pub(super) fn marker(keys: &Keys, epoch: u64) -> [u8; 8] {
    first(&keys.check(b"marker\0\0", &[epoch]))
}

pub(super) fn header_check(keys: &Keys, epoch: u64, index: u64, len: u32) -> [u8; 8] {
    first(&keys.check(b"record\0\0", &[epoch, index, u64::from(len)]))
}

pub(super) fn file_header(keys: &Keys, epoch: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(FILE_HEADER);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&epoch.to_le_bytes());
    out.extend_from_slice(&keys.id);
    out.extend_from_slice(&keys.check(b"file\0\0\0\0", &[epoch]));
    out
}

pub(super) fn path_of(dir: &Path, epoch: u64) -> PathBuf {
    dir.join(format!("{epoch:016x}.log"))
}

/// The epochs that have a file in `dir`, ascending.
pub(super) fn epochs(dir: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        let epoch = name
            .to_str()
            .and_then(|name| name.strip_suffix(".log"))
            .filter(|stem| stem.len() == 16)
            .and_then(|stem| u64::from_str_radix(stem, 16).ok());
        found.extend(epoch);
    }
    found.sort_unstable();
    Ok(found)
}

/// How an append failed.
#[derive(Debug)]
pub(super) enum AppendError {
    /// The disk is full; the file is as it was before.
    Full(io::Error),
    /// The file can no longer be trusted to take records.
    Broken(io::Error),
}

/// The open journal file.
pub(super) struct Journal {
    disk: Disk,
    epoch: u64,
    /// End of the last good record.
    end: u64,
    /// End of the bytes the file has.
    space: u64,
}

impl Journal {
    /// A new, empty and durable file for `epoch`, made of the spare one if there is one.
    pub(super) fn create(dir: &Path, keys: &Keys, epoch: u64, disk: impl FnOnce(File) -> Disk) -> io::Result<Self> {
        let spare = dir.join(SPARE);
        let file = private_file(&spare)?;
        let mut space = file.metadata()?.len();
        let disk = disk(file);
        disk.write_at(&file_header(keys, epoch), 0)?;
        let header = FILE_HEADER as u64;
        if space < FIRST_SPACE {
            disk.zero(space.max(header), FIRST_SPACE)?;
            space = FIRST_SPACE;
        }
        disk.sync()?;
        fs::rename(&spare, path_of(dir, epoch))?;
        sync_dir(dir)?;
        Ok(Self {
            disk,
            epoch,
            end: header,
            space,
        })
    }

    /// The file of `epoch`, which exists and holds no record.
    pub(super) fn reopen_empty(dir: &Path, epoch: u64, disk: impl FnOnce(File) -> Disk) -> io::Result<Self> {
        let file = private_file(&path_of(dir, epoch))?;
        let space = file.metadata()?.len();
        Ok(Self {
            disk: disk(file),
            epoch,
            end: FILE_HEADER as u64,
            space,
        })
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Seals the batch in `frame` (which begins with `FRAME_ROOM` free bytes) as the record at `position`.
    pub(super) fn seal(&self, keys: &Keys, position: &Position, nonce: &[u8; NONCE], frame: &mut Vec<u8>) -> Position {
        let body_len = frame.len().saturating_sub(RECORD_HEADER).saturating_add(TAG);
        let len = u32::try_from(body_len).unwrap_or(u32::MAX);
        let aad = position.aad(self.epoch, len);
        let mut room = Vec::with_capacity(FRAME_ROOM);
        room.extend_from_slice(&marker(keys, self.epoch));
        room.extend_from_slice(&len.to_le_bytes());
        room.extend_from_slice(&position.index.to_le_bytes());
        room.extend_from_slice(&header_check(keys, self.epoch, position.index, len));
        room.extend_from_slice(nonce);
        let room_len = FRAME_ROOM.min(frame.len());
        let (head, body) = frame.split_at_mut(room_len);
        head.copy_from_slice(&room);
        let tag = keys.journal.seal_in_place(nonce, &aad, body);
        frame.extend_from_slice(&tag);
        position.next(nonce, &tag)
    }

    /// Writes `frame` after the last record and makes it durable.
    pub(super) fn append(&mut self, frame: &[u8]) -> Result<(), AppendError> {
        let end = self.end.saturating_add(frame.len() as u64);
        if let Err(error) = self.disk.write_at(frame, self.end) {
            return Err(self.undo(error));
        }
        if end > self.space {
            let growth = end.clamp(FIRST_SPACE, MAX_GROWTH);
            // Without room to grow the record itself is still whole.
            self.space = match self.disk.zero(end, end.saturating_add(growth)) {
                Ok(()) => end.saturating_add(growth),
                Err(_) => end,
            };
        }
        self.disk.sync().map_err(AppendError::Broken)?;
        self.end = end;
        Ok(())
    }

    /// Takes back a part of a record, so that the next one follows the last good one.
    fn undo(&mut self, cause: io::Error) -> AppendError {
        if !is_full(&cause) {
            return AppendError::Broken(cause);
        }
        match self.disk.cut(self.end).and_then(|()| self.disk.sync()) {
            Ok(()) => {
                self.space = self.end;
                AppendError::Full(cause)
            }
            Err(error) => AppendError::Broken(error),
        }
    }

    /// Gives back the space after the last record.
    pub(super) fn trim(&mut self) -> io::Result<()> {
        self.disk.cut(self.end)?;
        self.space = self.end;
        Ok(())
    }
}

/// Removes the files of epochs before `kept`, keeping one as the spare unless it is over `spare_max` bytes.
pub(super) fn retire(dir: &Path, kept: u64, spare_max: u64) -> io::Result<()> {
    let spare = dir.join(SPARE);
    for epoch in epochs(dir)? {
        if epoch >= kept {
            continue;
        }
        let path = path_of(dir, epoch);
        if !spare.exists() && fs::metadata(&path)?.len() <= spare_max {
            fs::rename(&path, &spare)?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Whether the cause is a lack of space, which can pass.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
