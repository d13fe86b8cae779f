//! How far the journal has come, in a file of its own: a journal that lost its end is noticed by it.
//!
//! `record number u64 || check (24)`, written over after each commit and never waited for. It may be behind what is durable, and
//! is never ahead of it. A file that is missing or does not verify says nothing.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fs;
use std::io;
use std::path::Path;

use super::bytes::Fields;
use super::disk::Disk;
use super::permissions::private_file;
use super::seal::{Keys, first};

pub(super) const FILE: &str = "reached";
const CHECK: usize = 24;

/// The open file.
pub(super) struct Reached(Disk);

impl Reached {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let file = private_file(&dir.join(FILE))?;
        Ok(Self(Disk::without_faults(file)))
    }

    /// Notes that the next record has the number `next`. Where that fails, less is noticed later and nothing is lost.
    pub(super) fn note(&self, keys: &Keys, next: u64) {
        let mut out = [0; 8 + CHECK];
        let check = check(keys, next);
        for (to, from) in out.iter_mut().zip(next.to_le_bytes().iter().chain(&check)) {
            *to = *from;
        }
        if let Err(error) = self.0.write_at(&out, 0) {
            tracing::debug!(%error, "noting the journal's end failed");
        }
    }
}

/// The number of the record after the last one that was noted; 0 if nothing says so.
pub(super) fn read(dir: &Path, keys: &Keys) -> u64 {
    let Ok(bytes) = fs::read(dir.join(FILE)) else {
        return 0;
    };
    let mut fields = Fields::new(&bytes);
    let (Some(next), Some(found)) = (fields.u64(), fields.array::<CHECK>()) else {
        return 0;
    };
    if found == check(keys, next) { next } else { 0 }
}

fn check(keys: &Keys, next: u64) -> [u8; CHECK] {
    first(&keys.check(b"reached\0", &[next]))
}
