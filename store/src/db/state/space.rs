//! Which parts of the file of pages are free.
//!
//! A page never changes where it stands: it is written anew elsewhere, and its old place is free once the directory that says so
//! is durable.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::{BTreeMap, BTreeSet};

use super::directory::Place;

/// Places begin at multiples of this.
const GRAIN: u64 = 32;

#[derive(Default)]
pub(super) struct Space {
    /// Free stretches by their beginning, and by their length.
    free: BTreeMap<u64, u64>,
    lengths: BTreeSet<(u64, u64)>,
    end: u64,
    /// Free once the directory is durable.
    pending: Vec<(u64, u64)>,
}

impl Space {
    /// What these places leave free.
    pub(super) fn around(places: impl Iterator<Item = Place>) -> Self {
        Self::besides(places.map(stretch).collect())
    }

    /// Begins anew with what these places leave free; what is not yet free stays so.
    pub(super) fn begin_anew(&mut self, places: impl Iterator<Item = Place>) {
        let pending = std::mem::take(&mut self.pending);
        *self = Self::besides(places.map(stretch).chain(pending.iter().copied()).collect());
        self.pending = pending;
    }

    fn besides(mut taken: Vec<(u64, u64)>) -> Self {
        taken.retain(|(_, len)| *len > 0);
        taken.sort_unstable();
        let mut space = Self::default();
        for (at, len) in taken {
            if at > space.end {
                space.put(space.end, at.saturating_sub(space.end));
            }
            space.end = space.end.max(at.saturating_add(len));
        }
        space
    }

    /// Takes the shortest stretch that is long enough, or the file's end.
    pub(super) fn take(&mut self, len: u32) -> u64 {
        let len = grains(len);
        let fitting = self.lengths.range((len, 0)..).next().copied();
        if let Some((found, at)) = fitting {
            self.remove(at, found);
            if found > len {
                self.put(at.saturating_add(len), found.saturating_sub(len));
            }
            return at;
        }
        let at = self.end;
        self.end = self.end.saturating_add(len);
        at
    }

    /// Notes that nothing leads to these places any more.
    pub(super) fn leave(&mut self, places: impl IntoIterator<Item = Place>) {
        self.pending
            .extend(places.into_iter().map(stretch).filter(|(_, len)| *len > 0));
    }

    /// What was left may be written over from now on. Returns where the file may end.
    pub(super) fn release(&mut self) -> u64 {
        for (mut at, mut len) in std::mem::take(&mut self.pending) {
            let before = self.free.range(..at).next_back().map(|(at, len)| (*at, *len));
            if let Some((start, found)) = before.filter(|(start, found)| start.saturating_add(*found) == at) {
                self.remove(start, found);
                at = start;
                len = len.saturating_add(found);
            }
            let next = at.saturating_add(len);
            if let Some(found) = self.free.get(&next).copied() {
                self.remove(next, found);
                len = len.saturating_add(found);
            }
            if at.saturating_add(len) == self.end {
                self.end = at;
            } else {
                self.put(at, len);
            }
        }
        self.end
    }

    fn put(&mut self, at: u64, len: u64) {
        self.free.insert(at, len);
        self.lengths.insert((len, at));
    }

    fn remove(&mut self, at: u64, len: u64) {
        self.free.remove(&at);
        self.lengths.remove(&(len, at));
    }
}

fn stretch(place: Place) -> (u64, u64) {
    (place.at, grains(place.len))
}

fn grains(len: u32) -> u64 {
    u64::from(len).div_ceil(GRAIN).saturating_mul(GRAIN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(at: u64, len: u32) -> Place {
        Place { at, len, tag: [0; 16] }
    }

    proptest! {
        #[test]
        fn no_place_is_given_twice_before_it_is_released(
            steps in prop::collection::vec((0..3u8, 1..900u32, any::<prop::sample::Index>()), 1..200),
        ) {
            let mut space = Space::default();
            let (mut live, mut left): (Vec<Place>, Vec<Place>) = (Vec::new(), Vec::new());
            for (what, len, index) in steps {
                match what {
                    0 if !live.is_empty() => {
                        let gone = live.swap_remove(index.index(live.len()));
                        space.leave([gone]);
                        left.push(gone);
                    }
                    1 => {
                        let end = space.release();
                        left.clear();
                        prop_assert!(live.iter().all(|one| one.at.saturating_add(one.len.into()) <= end));
                        // The same is known after a start.
                        let again = Space::around(live.iter().copied());
                        prop_assert_eq!(&again.free, &space.free);
                        prop_assert_eq!((again.end, &again.lengths), (space.end, &space.lengths));
                    }
                    _ => {
                        let new = place(space.take(len), len);
                        let apart = |one: &Place| {
                            let ends = |(at, long): (u64, u64)| at.saturating_add(long);
                            ends(stretch(*one)) <= new.at || ends(stretch(new)) <= one.at
                        };
                        prop_assert!(live.iter().chain(&left).all(apart));
                        live.push(new);
                    }
                }
            }
        }
    }
}
