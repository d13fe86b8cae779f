//! A batch: the puts, deletes and marks that become durable together, and its bytes in the journal.
//!
//! Puts and deletes are pure, so applying a batch twice is applying it once. Layout, little-endian:
//! `format u8 = 1 || count u32 || (key length u16, value length u32 or 2^32-1 for a delete, key, value)*
//! || marks u32 || (name length u16, name, value u64)*`, keys and names strictly ascending.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::fmt;

use super::bytes::Fields;

/// Longest key, in bytes.
pub(super) const KEY_MAX: usize = 4096;
/// Longest value, in bytes before sealing.
pub(super) const VALUE_MAX: usize = 64 * 1024;
/// Longest encoded batch.
pub(super) const BATCH_MAX: usize = 32 * 1024 * 1024;

const FORMAT: u8 = 1;
const DELETED: u32 = u32::MAX;

/// Writes that are made durable in one step: all of them or none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Batch {
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    marks: BTreeMap<Vec<u8>, u64>,
}

/// A batch breaks one of the size limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oversize {
    Key(usize),
    Value(usize),
    Batch(usize),
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores `value` under `key`. The last write of a key wins.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    /// Removes `key`, if it is there.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// Raises the mark `name` to at least `value`. Marks never fall; they are lower bounds kept outside the
    /// storage engine, by which lost history is noticed.
    pub fn mark(&mut self, name: Vec<u8>, value: u64) {
        raise(&mut self.marks, name, value);
    }

    /// Adds the writes and marks of `other`; its writes win over the ones already here.
    pub fn merge(&mut self, other: Self) {
        if self.writes.is_empty() {
            self.writes = other.writes;
        } else {
            self.writes.extend(other.writes);
        }
        for (name, value) in other.marks {
            self.mark(name, value);
        }
    }

    /// Whether there is nothing to write: no put, no delete, no mark.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.marks.is_empty()
    }

    /// The number of keys put or deleted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    pub(super) fn writes(&self) -> &BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        &self.writes
    }

    pub(super) fn into_writes(self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        self.writes
    }

    pub(super) fn marks(&self) -> &BTreeMap<Vec<u8>, u64> {
        &self.marks
    }

    /// Appends the batch's bytes to `out`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), Oversize> {
        let len = self.encoded_len()?;
        out.reserve(len);
        out.push(FORMAT);
        out.extend_from_slice(&narrow32(self.writes.len()).to_le_bytes());
        for (key, value) in &self.writes {
            out.extend_from_slice(&narrow16(key.len()).to_le_bytes());
            let value_len = value.as_ref().map_or(DELETED, |v| narrow32(v.len()));
            out.extend_from_slice(&value_len.to_le_bytes());
            out.extend_from_slice(key);
            out.extend_from_slice(value.as_deref().unwrap_or_default());
        }
        encode_marks(&self.marks, out);
        Ok(())
    }

    fn encoded_len(&self) -> Result<usize, Oversize> {
        let mut len: usize = 9;
        for (key, value) in &self.writes {
            if key.len() > KEY_MAX {
                return Err(Oversize::Key(key.len()));
            }
            let value_len = value.as_ref().map_or(0, Vec::len);
            if value_len > VALUE_MAX {
                return Err(Oversize::Value(value_len));
            }
            len = len.saturating_add(6).saturating_add(key.len());
            len = len.saturating_add(value_len);
        }
        for name in self.marks.keys() {
            if name.len() > KEY_MAX {
                return Err(Oversize::Key(name.len()));
            }
            len = len.saturating_add(10).saturating_add(name.len());
        }
        if len > BATCH_MAX {
            return Err(Oversize::Batch(len));
        }
        Ok(len)
    }

    /// The batch of `bytes`; `None` unless they are exactly what `encode` writes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        if fields.u8()? != FORMAT {
            return None;
        }
        let mut writes = BTreeMap::new();
        for _ in 0..fields.u32()? {
            let key_len = usize::from(fields.u16()?);
            let value_len = fields.u32()?;
            let key = fields.take(key_len)?.to_vec();
            let value = if value_len == DELETED {
                None
            } else {
                let value_len = usize::try_from(value_len).ok()?;
                if value_len > VALUE_MAX {
                    return None;
                }
                Some(fields.take(value_len)?.to_vec())
            };
            if key.len() > KEY_MAX || !ascends(&writes, &key) {
                return None;
            }
            writes.insert(key, value);
        }
        let marks = decode_marks(&mut fields)?;
        fields.is_empty().then_some(Self { writes, marks })
    }
}

impl fmt::Debug for Batch {
    /// Sizes only: keys and values are private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("writes", &self.writes.len())
            .field("marks", &self.marks.len())
            .finish()
    }
}

/// Sets `marks[name]` to the larger of what it is and `value`.
pub(super) fn raise(marks: &mut BTreeMap<Vec<u8>, u64>, name: Vec<u8>, value: u64) {
    marks
        .entry(name)
        .and_modify(|held| *held = (*held).max(value))
        .or_insert(value);
}

/// `count u32 || (name length u16, name, value u64)*`.
pub(super) fn encode_marks(marks: &BTreeMap<Vec<u8>, u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(&narrow32(marks.len()).to_le_bytes());
    for (name, value) in marks {
        out.extend_from_slice(&narrow16(name.len()).to_le_bytes());
        out.extend_from_slice(name);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

pub(super) fn decode_marks(fields: &mut Fields<'_>) -> Option<BTreeMap<Vec<u8>, u64>> {
    let mut marks = BTreeMap::new();
    for _ in 0..fields.u32()? {
        let name_len = usize::from(fields.u16()?);
        let name = fields.take(name_len)?.to_vec();
        let value = fields.u64()?;
        if name.len() > KEY_MAX || !ascends(&marks, &name) {
            return None;
        }
        marks.insert(name, value);
    }
    Some(marks)
}

fn ascends<V>(map: &BTreeMap<Vec<u8>, V>, next: &[u8]) -> bool {
    map.last_key_value().is_none_or(|(last, _)| last.as_slice() < next)
}

/// Lengths here are bounded by the limits above; a longer one is caught before it is written.
fn narrow16(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

fn narrow32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
