//! The head file: what the storage engine must hold, kept outside it, in two copies.
//!
//! `"PARLHEAD" || key id (16) || sealed (number u64 || index u64 || marks)`; the associated data are the first
//! 24 bytes. Checkpoint `number` is also the epoch of the journal file that goes on from it, `index` the number
//! of that file's first record. Both copies are written at each checkpoint, one after the other, so losing one
//! loses nothing.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::batch::{decode_marks, encode_marks};
use super::bytes::Fields;
use super::permissions::{private_file, sync_dir};
use super::seal::{KEY_ID, Keys, NONCE};

pub(super) const COPIES: [&str; 2] = ["head-a", "head-b"];

const MAGIC: &[u8; 8] = b"PARLHEAD";
const TEMPORARY: &str = "head-new";
const FORMAT: u8 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) number: u64,
    pub(super) index: u64,
    pub(super) marks: BTreeMap<Vec<u8>, u64>,
}

/// One copy as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Copy {
    Missing,
    /// Written with another key, or its key id is damaged.
    OtherKey,
    Damaged,
    Good(Head),
}

impl Head {
    /// Writes both copies, each durable before the other is touched.
    pub(super) fn write(&self, dir: &Path, keys: &Keys, nonce: &[u8; NONCE]) -> io::Result<()> {
        let bytes = self.seal(keys, nonce);
        for copy in COPIES {
            replace(dir, copy, &bytes)?;
        }
        Ok(())
    }

    fn seal(&self, keys: &Keys, nonce: &[u8; NONCE]) -> Vec<u8> {
        let mut out = prefix(&keys.id);
        let sealed = keys.head.seal(nonce, &out, &self.encode());
        out.extend_from_slice(&sealed);
        out
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut plain = vec![FORMAT];
        plain.extend_from_slice(&self.number.to_le_bytes());
        plain.extend_from_slice(&self.index.to_le_bytes());
        encode_marks(&self.marks, &mut plain);
        plain
    }

    pub(super) fn decode(plain: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(plain);
        if fields.u8()? != FORMAT {
            return None;
        }
        let number = fields.u64()?;
        let index = fields.u64()?;
        let marks = decode_marks(&mut fields)?;
        fields.is_empty().then_some(Self { number, index, marks })
    }
}

/// Reads one copy.
pub(super) fn read(dir: &Path, copy: &str, keys: &Keys) -> io::Result<Copy> {
    let bytes = match fs::read(dir.join(copy)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Copy::Missing),
        Err(error) => return Err(error),
    };
    let mut fields = Fields::new(&bytes);
    let (Some(magic), Some(id)) = (fields.array::<8>(), fields.array::<KEY_ID>()) else {
        return Ok(Copy::Damaged);
    };
    let sealed = bytes.get(MAGIC.len().saturating_add(KEY_ID)..);
    let head = sealed
        .and_then(|sealed| keys.head.open(&prefix(&keys.id), sealed))
        .and_then(|plain| Head::decode(&plain));
    Ok(match head {
        Some(head) if magic == *MAGIC && id == keys.id => Copy::Good(head),
        None if magic == *MAGIC && id != keys.id => Copy::OtherKey,
        _ => Copy::Damaged,
    })
}

/// Puts `bytes` in place of the file `name`, durably, all or nothing.
pub(super) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = dir.join(TEMPORARY);
    let mut file = private_file(&temporary)?;
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(name))?;
    sync_dir(dir)
}

fn prefix(id: &[u8; KEY_ID]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(id);
    out
}
