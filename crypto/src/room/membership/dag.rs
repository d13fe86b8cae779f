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

    pub(super) fn as_slice(&self) -> &[u64] {
        &self.0
    }

    fn insert(&mut self, at: At) {
        if let Some(word) = self.0.get_mut(at >> 6) {
            *word |= bit(at);
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

fn bit(at: At) -> u64 {
    1u64.wrapping_shl((at & 63) as u32)
}

/// Whether a row has this bit.
pub(super) fn contains(row: &[u64], at: At) -> bool {
    row.get(at >> 6).is_some_and(|word| word & bit(at) != 0)
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

    /// A parent of the operation that is not here.
    pub(super) fn missing_parent(&self, operation: &RoomOperation) -> Option<EventId> {
        let mut missing = operation.parents.iter().filter(|parent| self.place(parent).is_none());
        missing.next().copied()
    }

    /// Appends an operation whose parents are all here.
    pub(super) fn push(&mut self, operation: RoomOperation) -> At {
        let parents: Vec<At> = operation
            .parents
            .iter()
            .filter_map(|parent| self.place(parent))
            .collect();
        let at = self.operations.len();
        let row = self.closure_of(&parents, at);
        self.starts.push(self.rows.len());
        self.rows.extend_from_slice(row.as_slice());
        self.heads.retain(|head| !parents.contains(head));
        self.heads.push(at);
        self.places.insert(operation.id, at);
        self.operations.push(operation);
        at
    }

    /// These operations and their pasts; nothing if one is not here.
    pub(super) fn closure(&self, ids: &[EventId]) -> Option<Bits> {
        let places: Option<Vec<At>> = ids.iter().map(|id| self.place(id)).collect();
        Some(self.closure_of(&places?, self.len()))
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

    fn closure_of(&self, places: &[At], count: usize) -> Bits {
        let mut bits = Bits(vec![0; words(count)]);
        for &at in places {
            bits.join(self.past(at));
            bits.insert(at);
        }
        bits
    }
}
