//! The directory: which page holds which keys, and where in the file it stands.
//!
//! A page holds rows whose keys begin with the same byte, those from its own key up to the next page's. It is all in memory: some
//! hundred bytes for each page of eight kilobytes.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::ops::Bound;

use super::super::bytes::Fields;
use super::super::seal::{TAG, first};

/// Where a page stands. The tag also tells it from what stood there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Place {
    pub(super) at: u64,
    pub(super) len: u32,
    pub(super) tag: [u8; TAG],
}

impl Place {
    /// What a damaged entry says.
    pub(in super::super) const NOWHERE: Self = Self {
        at: 0,
        len: 0,
        tag: [0; TAG],
    };
    const LEN: usize = 12 + TAG;

    pub(in super::super) fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let (at, len) = (self.at.to_le_bytes(), self.len.to_le_bytes());
        for (to, from) in out.iter_mut().zip(at.iter().chain(&len).chain(&self.tag)) {
            *to = *from;
        }
        out
    }

    pub(in super::super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let place = Self {
            at: fields.u64()?,
            len: fields.u32()?,
            tag: fields.array()?,
        };
        fields.is_empty().then_some(place)
    }
}

/// Pages that are written anew, or gone.
pub(in super::super) type Changes = BTreeMap<Vec<u8>, Option<Place>>;

/// A page, and where the keys end that it holds; `None` where no key is beyond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) key: Vec<u8>,
    pub(super) place: Place,
    pub(super) end: Option<Vec<u8>>,
}

#[derive(Default)]
pub(in super::super) struct Directory {
    pages: BTreeMap<Vec<u8>, Place>,
    /// Of all entries' hashes.
    sum: u128,
}

impl Directory {
    pub(in super::super) fn insert(&mut self, key: Vec<u8>, place: Place) {
        self.sum = self.sum.wrapping_add(hash(&key, &place));
        self.pages.insert(key, place);
    }

    /// What the sum will be after these changes.
    pub(super) fn sum_after(&self, changes: &Changes) -> u128 {
        changes.iter().fold(self.sum, |sum, (key, place)| {
            let old = self.pages.get(key).map_or(0, |old| hash(key, old));
            let new = place.as_ref().map_or(0, |new| hash(key, new));
            sum.wrapping_sub(old).wrapping_add(new)
        })
    }

    pub(super) fn apply(&mut self, changes: &Changes) {
        self.sum = self.sum_after(changes);
        for (key, place) in changes {
            match place {
                Some(place) => self.pages.insert(key.clone(), *place),
                None => self.pages.remove(key),
            };
        }
    }

    pub(super) fn sum(&self) -> u128 {
        self.sum
    }

    pub(super) fn place(&self, key: &[u8]) -> Option<Place> {
        self.pages.get(key).copied()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.pages.values().copied()
    }

    /// The page that would hold `key`.
    pub(super) fn holding(&self, key: &[u8]) -> Option<Found> {
        let (page, place) = self
            .pages
            .range::<[u8], _>((Bound::Unbounded, Bound::Included(key)))
            .next_back()?;
        (page.first() == key.first()).then(|| self.found(page, *place))
    }

    /// The page that would hold `key`, or the first one after it.
    pub(super) fn from(&self, key: &[u8]) -> Option<Found> {
        self.holding(key).or_else(|| {
            let (page, place) = self
                .pages
                .range::<[u8], _>((Bound::Included(key), Bound::Unbounded))
                .next()?;
            Some(self.found(page, *place))
        })
    }

    /// The page that takes `key` in: the one that would hold it, or the first one after it of the same kind.
    pub(super) fn taking(&self, key: &[u8]) -> Option<Found> {
        self.from(key).filter(|found| found.key.first() == key.first())
    }

    /// The last page of all.
    pub(super) fn last(&self) -> Option<Found> {
        let (page, place) = self.pages.last_key_value()?;
        Some(self.found(page, *place))
    }

    /// The last page that may hold keys below `to`.
    pub(super) fn below(&self, to: &[u8]) -> Option<Found> {
        let (page, place) = self
            .pages
            .range::<[u8], _>((Bound::Unbounded, Bound::Excluded(to)))
            .next_back()?;
        Some(self.found(page, *place))
    }

    fn found(&self, page: &[u8], place: Place) -> Found {
        let above = (Bound::Excluded(page), Bound::Unbounded);
        let next = self.pages.range::<[u8], _>(above).next();
        let next = next.filter(|(next, _)| next.first() == page.first());
        Found {
            key: page.to_vec(),
            place,
            end: next.map_or_else(|| kind_end(page), |(next, _)| Some(next.clone())),
        }
    }
}

fn hash(key: &[u8], place: &Place) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&place.encode()).update(key);
    u128::from_le_bytes(first(hasher.finalize().as_bytes()))
}

/// Where the keys end that begin with the same byte.
pub(super) fn kind_end(key: &[u8]) -> Option<Vec<u8>> {
    match key.first() {
        None => Some(vec![0]),
        Some(first) => first.checked_add(1).map(|next| vec![next]),
    }
}
