//! Sets of numbers as closed intervals: which events of a log someone holds (PROTOCOL.md sections 8 and 9).
//!
//! Always normalized: ascending, not touching. The postcard form is `Vec<(u64, u64)>`; anything not normalized is refused.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Most intervals a log's entry on the wire can have.
pub const MAX_INTERVALS: usize = 64;

/// A set of `u64`, held as closed intervals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals(Vec<(u64, u64)>);

impl Intervals {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The set of `from ..= to`; empty when `from > to`.
    #[must_use]
    pub fn range(from: u64, to: u64) -> Self {
        let mut out = Self::new();
        out.insert_range(from, to);
        out
    }

    /// Takes intervals that are already normalized.
    #[must_use]
    pub fn from_normalized(intervals: Vec<(u64, u64)>) -> Option<Self> {
        let ordered = intervals.iter().all(|(from, to)| from <= to);
        let apart = intervals.is_sorted_by(|(_, end), (start, _)| end.checked_add(1).is_some_and(|next| next < *start));
        (ordered && apart).then_some(Self(intervals))
    }

    /// Adds one number; says whether it was new.
    pub fn insert(&mut self, value: u64) -> bool {
        let new = !self.contains(value);
        if new {
            self.insert_range(value, value);
        }
        new
    }

    /// Adds `from ..= to`; nothing when `from > to`.
    pub fn insert_range(&mut self, from: u64, to: u64) {
        if from > to {
            return;
        }
        // Everything that overlaps or touches the new interval lies in low..high.
        let low = self.0.partition_point(|(_, end)| end.saturating_add(1) < from);
        let high = self
            .0
            .partition_point(|(start, _)| *start <= to.saturating_add(1))
            .max(low);
        let merged = self.0.get(low..high).unwrap_or_default();
        let start = merged.first().map_or(from, |first| first.0.min(from));
        let end = merged.last().map_or(to, |last| last.1.max(to));
        self.0.splice(low..high, [(start, end)]);
    }

    /// The first value for which something holds that holds for all behind it, too; found by bisection.
    ///
    /// # Errors
    /// That of `holds`.
    pub fn first_where<E>(&self, mut holds: impl FnMut(u64) -> Result<bool, E>) -> Result<Option<u64>, E> {
        let (mut low, mut high) = (0, self.0.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.0.get(middle) {
                Some((start, _)) if !holds(*start)? => low = middle.saturating_add(1),
                _ => high = middle,
            }
        }
        // It holds from the beginning of the interval at `low`, and perhaps from within the one before.
        let before = low.checked_sub(1).and_then(|before| self.0.get(before));
        if let Some(&(mut not, mut first)) = before
            && holds(first)?
        {
            while not.saturating_add(1) < first {
                let middle = not.midpoint(first);
                match holds(middle)? {
                    true => first = middle,
                    false => not = middle,
                }
            }
            return Ok(Some(first));
        }
        Ok(self.0.get(low).map(|(start, _)| *start))
    }

    /// Whether `value` is in the set.
    #[must_use]
    pub fn contains(&self, value: u64) -> bool {
        let at = self.0.partition_point(|(_, end)| *end < value);
        self.0.get(at).is_some_and(|(start, _)| *start <= value)
    }

    /// Numbers in this set or in `other`.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        for (from, to) in &other.0 {
            out.insert_range(*from, *to);
        }
        out
    }

    /// Numbers in this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut out = Vec::new();
        for (from, to) in &self.0 {
            let first = other.0.partition_point(|(_, end)| end < from);
            let mut cursor = Some(*from);
            for (start, end) in other.0.iter().skip(first).take_while(|(start, _)| start <= to) {
                if let (Some(at), Some(before)) = (cursor, start.checked_sub(1))
                    && at <= before
                {
                    out.push((at, before));
                }
                cursor = end.checked_add(1);
            }
            if let Some(at) = cursor
                && at <= *to
            {
                out.push((at, *to));
            }
        }
        Self(out)
    }

    /// Numbers of `1 ..= n` that are not in the set.
    #[must_use]
    pub fn missing(&self, n: u64) -> Self {
        Self::range(1, n).difference(self)
    }

    /// How many numbers are in the set, at most `u64::MAX`.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, interval| sum.saturating_add(width(interval)))
    }

    /// The largest number in the set.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        self.0.last().map(|last| last.1)
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The intervals, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// The intervals, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// What both sets hold.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.difference(&self.difference(other))
    }

    /// The numbers, one by one.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.0.iter().flat_map(|&(from, to)| from..=to)
    }

    /// A part of the set with at most `max` intervals: the widest ones, the newer of two equal ones. Leaving out what is
    /// held costs a repeat; it can never claim what is not held.
    #[must_use]
    pub fn bounded(&self, max: usize) -> Self {
        if self.0.len() <= max {
            return self.clone();
        }
        let mut widest = self.0.clone();
        widest.sort_by_key(|interval| std::cmp::Reverse((width(interval), interval.0)));
        widest.truncate(max);
        widest.sort_unstable();
        Self(widest)
    }
}

fn width((from, to): &(u64, u64)) -> u64 {
    to.saturating_sub(*from).saturating_add(1)
}

impl FromIterator<u64> for Intervals {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let mut out = Self::new();
        for value in values {
            out.insert(value);
        }
        out
    }
}

impl Serialize for Intervals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Intervals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let intervals = Vec::deserialize(deserializer)?;
        Self::from_normalized(intervals).ok_or_else(|| D::Error::custom("intervals touch or are out of order"))
    }
}

#[cfg(test)]
mod tests;
