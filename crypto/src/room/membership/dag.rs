//! Operations in an order of causality, and which comes before which.
//!
//! Row i has a bit for each of the operations before i: those in its causal past. 10 000 operations take 6 MB.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::ids::EventId;
use crate::room::operation::RoomOperation;
use std::collections::HashMap;

/// Where an operation stands in the order.
pub(super) type At = usize;

/// A set of operations, one bit each; what is beyond its end is not in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// The first `count`.
    pub(super) fn all(count: usize) -> Self {
        let mut bits = Self(vec![0; words(count)]);
        (0..count).for_each(|at| bits.insert(at));
        bits
    }

    pub(super) fn contains(&self, at: At) -> bool {
        contains(&self.0, at)
    }

    pub(super) fn as_slice(&self) -> &[u64] {
        &self.0
    }

    fn insert(&mut self, at: At) {
        if let Some(word) = self.0.get_mut(at >> 6) {
            *word |= 1 << (at & 63);
        }
    }

    fn join(&mut self, row: &[u64]) {
        for (word, other) in self.0.iter_mut().zip(row) {
            *word |= other;
        }
    }
}

fn words(count: usize) -> usize {
    count.div_ceil(64)
}

/// Whether a row has this bit.
pub(super) fn contains(row: &[u64], at: At) -> bool {
    row.get(at >> 6).is_some_and(|word| word >> (at & 63) & 1 == 1)
}

/// Operations, ancestors first.
#[derive(Debug, Default)]
pub(super) struct Dag {
    operations: Vec<RoomOperation>,
    places: HashMap<EventId, At>,
    rows: Vec<u64>,
    starts: Vec<usize>,
    /// Those that no other names as a parent.
    heads: Vec<At>,
}

impl Dag {
    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }

    pub(super) fn place(&self, id: &EventId) -> Option<At> {
        self.places.get(id).copied()
    }

    pub(super) fn get(&self, at: At) -> Option<&RoomOperation> {
        self.operations.get(at)
    }

    /// All of them with their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (At, &RoomOperation)> {
        self.operations.iter().enumerate()
    }

    /// The causal past of an operation.
    pub(super) fn past(&self, at: At) -> &[u64] {
        let start = self.starts.get(at).copied().unwrap_or(self.rows.len());
        let end = start.saturating_add(words(at));
        self.rows.get(start..end).unwrap_or_default()
    }

    /// Whether `one` is in the past of `other`.
    pub(super) fn is_before(&self, one: At, other: At) -> bool {
        one < other && contains(self.past(other), one)
    }

    /// Whether neither is in the past of the other.
    pub(super) fn is_beside(&self, one: At, other: At) -> bool {
        one != other && !self.is_before(one, other) && !self.is_before(other, one)
    }

    /// Whether all operations are in the past of those with these parents, which is so if all heads are among them.
    pub(super) fn covers_all(&self, parents: &[EventId]) -> bool {
        self.heads.iter().all(|&head| {
            let id = self.get(head).map(RoomOperation::id);
            id.is_some_and(|id| parents.contains(&id))
        })
    }

    /// Appends an operation whose parents are all here; gives it back otherwise.
    pub(super) fn push(&mut self, operation: RoomOperation) -> Result<At, RoomOperation> {
        let Some(parents) = self.places_of(&operation.parents) else {
            return Err(operation);
        };
        let at = self.operations.len();
        let row = self.closure_of(&parents, at);
        self.starts.push(self.rows.len());
        self.rows.extend_from_slice(row.as_slice());
        self.heads.retain(|head| !parents.contains(head));
        self.heads.push(at);
        self.places.insert(operation.id, at);
        self.operations.push(operation);
        Ok(at)
    }

    /// These operations and their pasts; nothing if one is not here.
    pub(super) fn closure(&self, ids: &[EventId]) -> Option<Bits> {
        Some(self.closure_of(&self.places_of(ids)?, self.len()))
    }

    /// The heads, as ids, ascending.
    pub(super) fn heads(&self) -> Vec<EventId> {
        let mut heads: Vec<_> = self.heads.iter().filter_map(|&at| Some(self.get(at)?.id)).collect();
        heads.sort_unstable();
        heads
    }

    /// Those of `candidates`, which ascend, that are in `set`, are wanted and are in the past of no other such.
    pub(super) fn tops(&self, candidates: &[At], set: &[u64], wanted: impl Fn(At) -> bool) -> Vec<At> {
        let mut tops: Vec<At> = Vec::new();
        for &at in candidates.iter().rev() {
            if contains(set, at) && wanted(at) && !tops.iter().any(|&top| self.is_before(at, top)) {
                tops.push(at);
            }
        }
        tops
    }

    pub(super) fn into_operations(self) -> Vec<RoomOperation> {
        self.operations
    }

    fn places_of(&self, ids: &[EventId]) -> Option<Vec<At>> {
        ids.iter().map(|id| self.place(id)).collect()
    }

    fn closure_of(&self, places: &[At], count: usize) -> Bits {
        let mut bits = Bits(vec![0; words(count)]);
        for &at in places {
            bits.join(self.past(at));
            bits.insert(at);
        }
        bits
    }
}
