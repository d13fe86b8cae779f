//! A second copy of the rows nobody could give back: the caller names them by the first byte of their keys.
//!
//! `"PARLKEPT" || key id (16) || sealed batch`; the associated data are the first 24 bytes. It is written at each checkpoint at
//! which it changed, before the head, and read only when the storage engine has lost something: the journals are then
//! replayed over it.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fs;
use std::io;
use std::path::Path;

use super::batch::Batch;
use super::head;
use super::read::ReadError;
use super::seal::{KEY_ID, Keys};
use super::state::State;

pub(super) const FILE: &str = "kept";
const MAGIC: &[u8; 8] = b"PARLKEPT";
/// More than this is not kept twice: it would be written again and again.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The rows of `state` under these first bytes; `None` if some cannot be read or they are too many.
fn gather(state: &State, first_bytes: &[u8]) -> Option<Batch> {
    let mut batch = Batch::new();
    let mut bytes: usize = 0;
    for first in first_bytes {
        let to = first
            .checked_add(1)
            .map_or_else(|| vec![u8::MAX; 64], |next| vec![next]);
        for row in state.range(&[*first], &to, <[u8]>::to_vec) {
            let (key, value) = row.ok()?;
            let Some(value) = value else { continue };
            bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
            if bytes > MAX_BYTES {
                return None;
            }
            batch.put(key, value);
        }
    }
    Some(batch)
}

/// Writes the copy unless it says what `last` is the hash of. What cannot be gathered leaves the older copy as it is.
pub(super) fn write(
    dir: &Path,
    state: &State,
    keys: &Keys,
    first_bytes: &[u8],
    last: &mut Option<[u8; 32]>,
) -> io::Result<()> {
    let mut plain = zeroize::Zeroizing::new(Vec::new());
    let Some(batch) = gather(state, first_bytes) else {
        return Ok(());
    };
    if batch.is_empty() || batch.encode(&mut plain).is_err() {
        return Ok(());
    }
    let hash = *blake3::hash(&plain).as_bytes();
    if *last == Some(hash) {
        return Ok(());
    }
    let nonce = keys.nonces.one().map_err(|error| io::Error::other(error.to_string()))?;
    let mut out = prefix(keys);
    let sealed = keys.head.seal(&nonce, &out, &plain);
    out.extend_from_slice(&sealed);
    head::replace(dir, FILE, &out)?;
    *last = Some(hash);
    Ok(())
}

/// The copy, if it is there and whole.
pub(super) fn read(dir: &Path, keys: &Keys) -> Result<Option<Batch>, ReadError> {
    let bytes = match fs::read(dir.join(FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(ReadError::State {
                detail: error.to_string(),
            });
        }
    };
    let prefix = prefix(keys);
    let sealed = bytes.strip_prefix(prefix.as_slice());
    let plain = sealed.and_then(|sealed| keys.head.open(&prefix, sealed));
    Ok(plain
        .map(zeroize::Zeroizing::new)
        .and_then(|plain| Batch::decode(&plain)))
}

fn prefix(keys: &Keys) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAGIC.len().saturating_add(KEY_ID));
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&keys.id);
    out
}
