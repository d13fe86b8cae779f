//! Reading a journal file back: good records, a torn tail, or damage.
//!
//! Only the last record of a journal can be half written, because each one is synced before the next is
//! begun. So bad bytes with nothing of this epoch after them are a torn tail, and bad bytes with any later
//! record header of this epoch after them are damage.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::batch::{BATCH_MAX, Batch};
use super::bytes::Fields;
use super::journal::{FILE_HEADER, MAGIC, Position, RECORD_HEADER, file_header, header_check, marker};
use super::seal::{KEY_ID, Keys, NONCE, OVERHEAD, TAG};

/// What a file said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replayed {
    /// Records handed on.
    pub(super) records: u64,
    /// Index of the record after the last good one.
    pub(super) next: u64,
    pub(super) end: End,
}

/// How the good records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing was written after them.
    Clean,
    /// So many bytes of a record that never became whole.
    Torn(u64),
    /// Records are missing or changed from `offset` in the file on.
    Damaged { offset: u64 },
    /// The file's own header is wrong.
    Header,
}

struct Framing {
    len: u32,
    index: u64,
}

impl Replayed {
    pub(super) fn torn(&self) -> u64 {
        match self.end {
            End::Torn(bytes) => bytes,
            _ => 0,
        }
    }

    pub(super) fn damaged_at(&self) -> Option<u64> {
        match self.end {
            End::Damaged { offset } => Some(offset),
            End::Header => Some(0),
            End::Clean | End::Torn(_) => None,
        }
    }
}

/// Whether `bytes` are those of a journal another key wrote.
pub(super) fn written_with_other_key(bytes: &[u8], keys: &Keys) -> bool {
    let mut fields = Fields::new(bytes);
    let magic = fields.array::<8>();
    let id = fields.u64().and_then(|_| fields.array::<KEY_ID>());
    magic.as_ref() == Some(MAGIC) && id.is_some_and(|id| id != keys.id)
}

/// Whether `bytes` begin with the header of `epoch`.
pub(super) fn header_is_ours(bytes: &[u8], keys: &Keys, epoch: u64) -> bool {
    bytes.get(..FILE_HEADER) == Some(file_header(keys, epoch).as_slice())
}

/// Hands the good records of one file to `apply`, in order. `first` is the index the first one must have;
/// `None` takes it on faith (the head is lost). After `most` records the rest is not looked at.
pub(super) fn replay<E>(
    bytes: &[u8],
    keys: &Keys,
    epoch: u64,
    first: Option<u64>,
    most: u64,
    mut apply: impl FnMut(Batch) -> Result<(), E>,
) -> Result<Replayed, E> {
    let mut replayed = Replayed {
        records: 0,
        next: first.unwrap_or_default(),
        end: End::Header,
    };
    if !header_is_ours(bytes, keys, epoch) {
        return Ok(replayed);
    }
    let marker = marker(keys, epoch);
    let mut rest = bytes.get(FILE_HEADER..).unwrap_or_default();
    let faith = first
        .or_else(|| framing(rest, keys, epoch, &marker).map(|framing| framing.index))
        .unwrap_or_default();
    let mut position = Position::start(keys, epoch, faith);
    replayed.end = End::Clean;
    replayed.next = position.index;
    while replayed.records < most {
        let Some((batch, after, tail)) = record(rest, keys, epoch, &position, &marker) else {
            let offset = bytes.len().saturating_sub(rest.len());
            replayed.end = classify(rest, offset, keys, epoch, position.index);
            return Ok(replayed);
        };
        apply(batch)?;
        replayed.records = replayed.records.saturating_add(1);
        position = after;
        replayed.next = position.index;
        rest = tail;
    }
    Ok(replayed)
}

fn record<'a>(
    rest: &'a [u8],
    keys: &Keys,
    epoch: u64,
    position: &Position,
    marker: &[u8; 8],
) -> Option<(Batch, Position, &'a [u8])> {
    let framing = framing(rest, keys, epoch, marker)?;
    if framing.index != position.index {
        return None;
    }
    let mut fields = Fields::new(rest.get(RECORD_HEADER..)?);
    let len = usize::try_from(framing.len).ok()?;
    let body = fields.take(len)?;
    let aad = position.aad(epoch, framing.len);
    let plain = zeroize::Zeroizing::new(keys.journal.open(&aad, body)?);
    let batch = Batch::decode(&plain)?;
    let after = position.next(body.first_chunk::<NONCE>()?, body.last_chunk::<TAG>()?);
    let used = RECORD_HEADER.checked_add(len)?;
    Some((batch, after, rest.get(used..)?))
}

/// The record header at the start of `bytes`, if there is one of this epoch.
fn framing(bytes: &[u8], keys: &Keys, epoch: u64, marker: &[u8; 8]) -> Option<Framing> {
    if !bytes.starts_with(marker) {
        return None;
    }
    checked_framing(bytes, keys, epoch)
}

fn checked_framing(bytes: &[u8], keys: &Keys, epoch: u64) -> Option<Framing> {
    let mut fields = Fields::new(bytes);
    fields.take(8)?;
    let len = fields.u32()?;
    let index = fields.u64()?;
    let check = fields.array::<8>()?;
    let long = usize::try_from(len).ok()?;
    let most = BATCH_MAX.saturating_add(OVERHEAD);
    let sane = (OVERHEAD..=most).contains(&long);
    (sane && check == header_check(keys, epoch, index, len)).then_some(Framing { len, index })
}

/// What the bytes after the last good record are.
fn classify(rest: &[u8], offset: usize, keys: &Keys, epoch: u64, expected: u64) -> End {
    let marker = &marker(keys, epoch);
    let other = framing(rest, keys, epoch, marker).is_some_and(|here| here.index != expected);
    let later = rest.get(1..).unwrap_or_default();
    if other || find_framing(later, keys, epoch, marker) {
        return End::Damaged { offset: offset as u64 };
    }
    // With the marker or with the check intact it was a record of this epoch once.
    match checked_framing(rest, keys, epoch) {
        Some(framing) => {
            let whole = (RECORD_HEADER as u64).saturating_add(u64::from(framing.len));
            End::Torn(whole.min(rest.len() as u64))
        }
        None if rest.starts_with(marker) => End::Torn(RECORD_HEADER.min(rest.len()) as u64),
        // A file cut inside its last marker.
        None if !rest.is_empty() && marker.starts_with(rest) => End::Torn(rest.len() as u64),
        None => End::Clean,
    }
}

fn find_framing(bytes: &[u8], keys: &Keys, epoch: u64, marker: &[u8; 8]) -> bool {
    let [lead, ..] = *marker;
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == lead) {
        rest = rest.get(at..).unwrap_or_default();
        if framing(rest, keys, epoch, marker).is_some() {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}
