//! A page: a sorted run of rows in one piece.
//!
//! Plain: `(shared varint || rest varint || value length varint || rest of the key || value)*`, keys strictly ascending; a key begins
//! with the `shared` first bytes of the one before. Packed: `0 || plain`, or `1 || plain length u32 || LZ4 block`.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::super::batch::{KEY_MAX, VALUE_MAX};
use super::super::bytes::Fields;
use crate::wiped::Wiped;
use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};

const AS_IT_IS: u8 = 0;
const LZ4: u8 = 1;
/// Longest plain page that is read: one full of small rows, and the greatest row.
const PLAIN_MAX: usize = 256 * 1024;

/// The rows of a page, known to be whole.
pub(in super::super) struct Page {
    plain: Wiped,
}

impl Page {
    /// The page of packed bytes; `None` unless every row in them is whole and in order.
    pub(super) fn unpack(packed: &[u8]) -> Option<Self> {
        let (form, rest) = packed.split_first()?;
        let plain = match *form {
            AS_IT_IS => Wiped::from(rest.to_vec()),
            LZ4 => {
                let mut fields = Fields::new(rest);
                let len = usize::try_from(fields.u32()?).ok().filter(|len| *len <= PLAIN_MAX)?;
                let mut plain = Wiped::zeroed(len);
                let written = decompress_into(fields.rest(), &mut plain).ok()?;
                (written == len).then_some(plain)?
            }
            _ => return None,
        };
        let page = Self { plain };
        let mut rows = page.rows();
        let mut before: Option<Vec<u8>> = None;
        while !rows.rest.is_empty() {
            let (key, _) = rows.next()?;
            if before.as_ref().is_some_and(|before| before.as_slice() >= key) {
                return None;
            }
            let before = before.get_or_insert_default();
            before.clear();
            before.extend_from_slice(key);
        }
        Some(page)
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        Rows {
            rest: &self.plain,
            key: Vec::with_capacity(64),
        }
    }

    pub(super) fn get(&self, wanted: &[u8]) -> Option<&[u8]> {
        let mut rows = self.rows();
        while let Some((key, value)) = rows.next() {
            if key >= wanted {
                return (key == wanted).then_some(value);
            }
        }
        None
    }

    /// Bytes it takes in memory.
    pub(super) fn len(&self) -> usize {
        self.plain.len()
    }
}

/// Goes through a page's rows.
pub(super) struct Rows<'a> {
    rest: &'a [u8],
    key: Vec<u8>,
}

impl<'a> Rows<'a> {
    pub(super) fn next(&mut self) -> Option<(&[u8], &'a [u8])> {
        let mut rest = self.rest;
        let shared = varint(&mut rest)?;
        let more = varint(&mut rest)?;
        let value = varint(&mut rest)?;
        if shared > self.key.len() || shared.saturating_add(more) > KEY_MAX || value > VALUE_MAX {
            return None;
        }
        let (more, rest) = rest.split_at_checked(more)?;
        let (value, rest) = rest.split_at_checked(value)?;
        self.key.truncate(shared);
        self.key.extend_from_slice(more);
        self.rest = rest;
        Some((&self.key, value))
    }
}

/// How a page is packed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Whichever takes less room.
    Shortest,
    /// Not compressed: where keys are hashes there is next to nothing to gain.
    AsItIs,
}

/// Puts a page together.
#[derive(Default)]
pub(super) struct Packer {
    plain: Wiped,
    last: Vec<u8>,
}

impl Packer {
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        let shared = shared(&self.last, key);
        let more = key.get(shared..).unwrap_or_default();
        put_varint(&mut self.plain, shared);
        put_varint(&mut self.plain, more.len());
        put_varint(&mut self.plain, value.len());
        self.plain.append(more);
        self.plain.append(value);
        self.last.truncate(shared);
        self.last.extend_from_slice(more);
    }

    /// Begins another page.
    pub(super) fn clear(&mut self) {
        self.plain.clear();
        self.last.clear();
    }

    pub(super) fn pack(&self, form: Form) -> Wiped {
        match form {
            Form::Shortest => self.pack_shortest(),
            Form::AsItIs => self.pack_as_it_is(),
        }
    }

    fn pack_as_it_is(&self) -> Wiped {
        let mut out = Wiped::with_capacity(self.plain.len().saturating_add(1));
        out.append(&[AS_IT_IS]);
        out.append(&self.plain);
        out
    }

    fn pack_shortest(&self) -> Wiped {
        let plain = self.plain.as_slice();
        let head = 5;
        let room = get_maximum_output_size(plain.len());
        let mut out = Wiped::zeroed(room.saturating_add(head));
        let packed = out.get_mut(head..).and_then(|body| compress_into(plain, body).ok());
        let whole = packed.map(|len| len.saturating_add(head));
        let Some(len) = whole.filter(|len| *len <= plain.len()) else {
            return self.pack_as_it_is();
        };
        out.truncate(len);
        let count = u32::try_from(plain.len()).unwrap_or(u32::MAX).to_le_bytes();
        for (to, from) in out.iter_mut().zip([LZ4].iter().chain(&count)) {
            *to = *from;
        }
        out
    }
}

/// Bytes that two keys begin with alike.
pub(super) fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn varint(rest: &mut &[u8]) -> Option<usize> {
    let mut out: usize = 0;
    for shift in [0, 7, 14] {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        out |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(out);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(0x80 | u8::try_from(number & 0x7f).unwrap_or_default());
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

#[cfg(any(test, fuzzing))]
pub(super) mod check;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn packed(rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
        let mut packer = Packer::default();
        for (key, value) in rows {
            packer.push(key, value);
        }
        packer.pack(Form::Shortest).to_vec()
    }

    fn all(page: &Page) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut rows = page.rows();
        let mut out = BTreeMap::new();
        while let Some((key, value)) = rows.next() {
            out.insert(key.to_vec(), value.to_vec());
        }
        out
    }

    #[test]
    fn the_greatest_row_and_repetitive_ones_come_back() {
        let rows = BTreeMap::from([(vec![255; KEY_MAX], vec![7; VALUE_MAX]), (vec![], vec![1])]);
        let bytes = packed(&rows);
        assert!(bytes.len() < 2_000);
        assert_eq!(all(&Page::unpack(&bytes).unwrap()), rows);
    }

    #[test]
    fn what_is_out_of_order_or_claims_too_much_is_no_page() {
        for rows in [[&b"b"[..], b"a"], [b"a", b"a"]] {
            let mut packer = Packer::default();
            rows.iter().for_each(|key| packer.push(key, b""));
            assert!(Page::unpack(&packer.pack(Form::AsItIs)).is_none());
        }
        for bytes in [
            &[][..],
            &[2],
            &[0, 1, 0, 0],
            &[0, 0, 5, 0, 1],
            &[0, 0xff, 0xff, 0xff, 0],
            &[1, 255, 255, 255, 255, 0],
        ] {
            assert!(Page::unpack(bytes).is_none(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn rows_come_back(
            rows in prop::collection::btree_map(
                prop::collection::vec(0..3u8, 0..9),
                prop::collection::vec(any::<u8>(), 0..300),
                0..40,
            ),
            wanted in prop::collection::vec(0..3u8, 0..9),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = packed(&rows);
            let page = Page::unpack(&bytes).unwrap();
            prop_assert_eq!(page.get(&wanted), rows.get(&wanted).map(Vec::as_slice));
            prop_assert_eq!(all(&page), rows);
            // Whatever the bytes are, nothing panics.
            let _ = Page::unpack(&bytes[..cut.index(bytes.len())]);
        }

        #[test]
        fn any_bytes_are_a_page_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(page) = Page::unpack(&bytes) {
                all(&page);
            }
        }
    }
}
