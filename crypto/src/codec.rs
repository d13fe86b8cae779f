//! Strict encodings: TLV for what is signed, postcard for bodies, and a plain byte reader (PROTOCOL.md section 1).
//!
//! A TLV structure is `tag u8 || len u16 || value` with strictly ascending tags. Readers ask for the fields in order, so
//! whatever is missing, unknown, repeated, out of order or left over is refused by the same comparison.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Builds a TLV structure, field by field in ascending tag order.
#[derive(Debug, Default)]
pub struct TlvWriter {
    out: Vec<u8>,
    last: Option<u8>,
}

impl TlvWriter {
    /// An empty structure.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty structure with room for `bytes`, so that writing secrets leaves no copies behind.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            out: Vec::with_capacity(bytes),
            last: None,
        }
    }

    /// Appends one field.
    ///
    /// # Panics
    /// If `tag` is not above the tag before it, or `value` is over 65 535 bytes: both are mistakes of the caller, who
    /// bounds its values first.
    pub fn field(&mut self, tag: u8, value: &[u8]) -> &mut Self {
        assert!(self.last.is_none_or(|last| last < tag), "tags must ascend");
        #[expect(clippy::expect_used, reason = "callers bound their values")]
        let len = u16::try_from(value.len()).expect("a value is at most 65 535 bytes");
        self.last = Some(tag);
        self.out.push(tag);
        self.out.extend_from_slice(&len.to_be_bytes());
        self.out.extend_from_slice(value);
        self
    }

    /// The finished bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// Reads a TLV structure whose fields are known.
#[derive(Clone, Debug)]
pub struct TlvReader<'a> {
    rest: ByteReader<'a>,
}

impl<'a> TlvReader<'a> {
    /// Starts at the first field of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: ByteReader::new(bytes),
        }
    }

    /// The value of the next field, which must have `tag`.
    ///
    /// # Errors
    /// `Missing` when another tag or nothing follows, `Truncated` when the value is cut.
    pub fn required(&mut self, tag: u8) -> Result<&'a [u8], TlvError> {
        self.optional(tag)?.ok_or(TlvError::Missing { tag })
    }

    /// The value of the next field if it has `tag`.
    ///
    /// # Errors
    /// `Truncated` when the value is cut.
    pub fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, TlvError> {
        if self.rest.peek() != Some(tag) {
            return Ok(None);
        }
        let mut rest = self.rest.clone();
        let _ = rest.u8();
        let len = rest.u16().ok_or(TlvError::Truncated)?;
        let value = rest.take(usize::from(len)).ok_or(TlvError::Truncated)?;
        self.rest = rest;
        Ok(Some(value))
    }

    /// A required field of exactly `N` bytes.
    ///
    /// # Errors
    /// As [`required`](Self::required); `Width` when the length differs.
    pub fn array<const N: usize>(&mut self, tag: u8) -> Result<[u8; N], TlvError> {
        let value = self.required(tag)?;
        value.try_into().map_err(|_| TlvError::Width { tag, got: value.len() })
    }

    /// A required `u8`.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn u8(&mut self, tag: u8) -> Result<u8, TlvError> {
        self.array(tag).map(u8::from_be_bytes)
    }

    /// A required `u16`.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn u16(&mut self, tag: u8) -> Result<u16, TlvError> {
        self.array(tag).map(u16::from_be_bytes)
    }

    /// A required `u32`.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn u32(&mut self, tag: u8) -> Result<u32, TlvError> {
        self.array(tag).map(u32::from_be_bytes)
    }

    /// A required `u64`.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn u64(&mut self, tag: u8) -> Result<u64, TlvError> {
        self.array(tag).map(u64::from_be_bytes)
    }

    /// Ends reading.
    ///
    /// # Errors
    /// `Trailing` when bytes are left: an unknown, repeated or misplaced field.
    pub fn finish(self) -> Result<(), TlvError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(TlvError::Trailing { bytes: self.rest.len() })
        }
    }
}

/// Why a TLV structure was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TlvError {
    /// The next field is not the one that must come here.
    #[error("field {tag} is missing or out of place")]
    Missing {
        /// Tag that was expected.
        tag: u8,
    },
    /// A length reaches past the end.
    #[error("a field is cut short")]
    Truncated,
    /// A field has the wrong length.
    #[error("field {tag} has {got} bytes")]
    Width {
        /// Tag of the field.
        tag: u8,
        /// Its length.
        got: usize,
    },
    /// Bytes are left after the last field.
    #[error("{bytes} bytes are left over")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

/// Walks over bytes of a fixed layout; nothing it does can panic.
#[derive(Clone, Debug)]
pub struct ByteReader<'a> {
    bytes: &'a [u8],
}

impl<'a> ByteReader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next `n` bytes, or nothing when fewer are left.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(n)?;
        self.bytes = tail;
        Some(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// The next byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    /// The next two bytes, big-endian.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four bytes, big-endian.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight bytes, big-endian.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Everything that is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.bytes
    }

    /// How many bytes are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }
}

/// Encodes `value` as postcard.
///
/// # Panics
/// If the `Serialize` implementation of `T` fails, which derived ones of plain data do not.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "plain data always serializes into memory")]
    postcard::to_stdvec(value).expect("plain data")
}

/// Appends `value` as postcard to `out`.
///
/// # Panics
/// As [`encode`].
#[must_use]
pub fn encode_into<T: Serialize>(out: Vec<u8>, value: &T) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "plain data always serializes into memory")]
    postcard::to_extend(value, out).expect("plain data")
}

/// Decodes postcard of at most `max` bytes, and only if encoding the result gives the same bytes.
///
/// # Errors
/// `TooLong` before anything is read; `Malformed`, `Trailing` or `NotCanonical` after.
pub fn decode_strict<T: Serialize + DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong { got: bytes.len(), max });
    }
    let value = decode_own(bytes)?;
    match postcard::to_stdvec(&value) {
        Ok(again) if again == bytes => Ok(value),
        _ => Err(DecodeError::NotCanonical),
    }
}

/// Reads all of `bytes`, which this program wrote and sealed itself: they are the canonical form, and that is not checked again.
///
/// # Errors
/// `Malformed` or `Trailing`.
pub fn decode_own<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|_| DecodeError::Malformed)?;
    if !rest.is_empty() {
        return Err(DecodeError::Trailing { bytes: rest.len() });
    }
    Ok(value)
}

/// Reads a value from the beginning of `bytes`, which this program wrote and sealed itself, whatever follows.
///
/// # Errors
/// `Malformed`.
pub fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, _) = postcard::take_from_bytes::<T>(bytes).map_err(|_| DecodeError::Malformed)?;
    Ok(value)
}

/// The number in front of a postcard enum: which variant follows.
pub(crate) fn variant_index(bytes: &[u8]) -> Option<u32> {
    postcard::take_from_bytes::<u32>(bytes).ok().map(|(index, _)| index)
}

/// Why postcard bytes were refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Longer than its place allows.
    #[error("{got} bytes are over the limit of {max}")]
    TooLong {
        /// Length found.
        got: usize,
        /// Length allowed.
        max: usize,
    },
    /// Not an encoding of this type.
    #[error("the bytes are not of this form")]
    Malformed,
    /// Bytes are left over.
    #[error("{bytes} bytes are left over")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// Not the one encoding of its value.
    #[error("the encoding is not canonical")]
    NotCanonical,
}

#[cfg(test)]
mod tests;
