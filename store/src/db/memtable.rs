//! Rows that are durable in the journal and not yet in the storage engine, plain and in order.
//!
//! The engine takes rows in at checkpoints only: what was written many times since then goes in once, sealed once, and what came
//! and went not at all. Between checkpoints the engine's files rest.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::batch::Batch;
use super::merge::Entry;
use crate::wiped::Wiped;

/// A value, or `None` where the key is deleted.
pub(super) type Plain = Option<Wiped>;

/// Rows taken from a table in one step: few at first, most ranges are left early.
const FIRST_CHUNK: usize = 4;
const LAST_CHUNK: usize = 64;

/// The newest write of each key since a checkpoint began.
#[derive(Default)]
pub(super) struct Memtable(RwLock<BTreeMap<Vec<u8>, Plain>>);

impl Memtable {
    /// Takes in the writes of `batch`, all at once.
    pub(super) fn apply(&self, batch: Batch) {
        let writes = batch.into_writes();
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (mut key, value) in writes {
            // They stay for a while, and were made with room to grow.
            key.shrink_to_fit();
            rows.insert(key, value.map(|value| Wiped::from(value).shrunk()));
        }
    }

    /// The newest write of `key`; `None` if there is none.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let rows = self.rows();
        rows.get(key).map(|value| value.as_ref().map(|value| value.to_vec()))
    }

    pub(super) fn rows(&self) -> RwLockReadGuard<'_, BTreeMap<Vec<u8>, Plain>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The table that commits write to, and the one that a checkpoint moves into the engine.
#[derive(Default)]
pub(super) struct Memtables(RwLock<Tables>);

#[derive(Default, Clone)]
struct Tables {
    active: Arc<Memtable>,
    frozen: Option<Frozen>,
}

/// A table that no longer changes, with the number of the first journal record that is not in it.
#[derive(Clone)]
pub(super) struct Frozen {
    pub(super) table: Arc<Memtable>,
    pub(super) next: u64,
}

impl Memtables {
    /// Takes in the writes of `batch`, which is durable.
    pub(super) fn apply(&self, batch: Batch) {
        self.tables().active.apply(batch);
    }

    /// The newest write of `key`; `None` if the engine is to be asked.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let tables = self.tables();
        let frozen = || tables.frozen.as_ref().and_then(|frozen| frozen.table.get(key));
        tables.active.get(key).or_else(frozen)
    }

    /// Whether there is a write, if only a deletion, with `from <= key < to`.
    pub(super) fn touch(&self, from: &[u8], to: &[u8]) -> bool {
        let touches = |table: &Memtable| {
            let rows = table.rows();
            let mut range = rows.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to.max(from))));
            range.next().is_some()
        };
        let tables = self.tables();
        touches(&tables.active) || tables.frozen.as_ref().is_some_and(|frozen| touches(&frozen.table))
    }

    /// Ends the active table before record `next` of the journal. An earlier frozen one must have been taken into the engine.
    pub(super) fn freeze(&self, next: u64) {
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let table = std::mem::take(&mut tables.active);
        tables.frozen = Some(Frozen { table, next });
    }

    pub(super) fn frozen(&self) -> Option<Frozen> {
        self.tables().frozen.clone()
    }

    /// Forgets the frozen table: the engine has its rows.
    pub(super) fn forget_frozen(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).frozen = None;
    }

    /// The rows with `from <= key < to` in the older and in the newer table. They stay to be read when a checkpoint forgets them.
    pub(super) fn ranges<V>(&self, from: &[u8], to: &[u8], project: Project<V>) -> [TableRange<V>; 2] {
        let Tables { active, frozen } = self.tables().clone();
        let frozen = frozen.map_or_else(Arc::default, |frozen| frozen.table);
        [frozen, active].map(|table| TableRange::new(table, from, to, project))
    }

    fn tables(&self) -> RwLockReadGuard<'_, Tables> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a reader wants of a value.
pub(super) type Project<V> = fn(&Wiped) -> V;

/// A range of a table, copied out a few rows at a time, so that nobody waits for a slow reader.
pub(super) struct TableRange<V> {
    table: Arc<Memtable>,
    project: Project<V>,
    /// What is left in the table.
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    front: VecDeque<(Vec<u8>, Option<V>)>,
    back: VecDeque<(Vec<u8>, Option<V>)>,
    chunk: usize,
}

impl<V> TableRange<V> {
    fn new(table: Arc<Memtable>, from: &[u8], to: &[u8], project: Project<V>) -> Self {
        Self {
            table,
            project,
            from: Bound::Included(from.to_vec()),
            to: Bound::Excluded(to.max(from).to_vec()),
            front: VecDeque::new(),
            back: VecDeque::new(),
            chunk: FIRST_CHUNK,
        }
    }

    fn fill_front(&mut self) {
        let rows = self.table.rows();
        let range = rows.range::<[u8], _>((as_slice(&self.from), as_slice(&self.to)));
        for (key, value) in range.take(self.chunk) {
            self.front.push_back((key.clone(), value.as_ref().map(self.project)));
        }
        drop(rows);
        if let Some((last, _)) = self.front.back() {
            self.from = Bound::Excluded(last.clone());
        }
        self.chunk = self.chunk.saturating_mul(2).min(LAST_CHUNK);
    }

    fn fill_back(&mut self) {
        let rows = self.table.rows();
        let range = rows.range::<[u8], _>((as_slice(&self.from), as_slice(&self.to)));
        for (key, value) in range.rev().take(self.chunk) {
            self.back.push_front((key.clone(), value.as_ref().map(self.project)));
        }
        drop(rows);
        if let Some((first, _)) = self.back.front() {
            self.to = Bound::Excluded(first.clone());
        }
        self.chunk = self.chunk.saturating_mul(2).min(LAST_CHUNK);
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

impl<V> Iterator for TableRange<V> {
    type Item = Entry<V>;

    fn next(&mut self) -> Option<Entry<V>> {
        if self.front.is_empty() {
            self.fill_front();
        }
        self.front.pop_front().or_else(|| self.back.pop_front()).map(Ok)
    }
}

impl<V> DoubleEndedIterator for TableRange<V> {
    fn next_back(&mut self) -> Option<Entry<V>> {
        if self.back.is_empty() {
            self.fill_back();
        }
        self.back.pop_back().or_else(|| self.front.pop_back()).map(Ok)
    }
}
