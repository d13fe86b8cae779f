//! The opened chunks kept in memory: least recently used go first, and are wiped when they go.
//!
//! The budget counts plain bytes. It does not count what tantivy itself holds (term dictionaries).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::wiped::Wiped;

/// One opened chunk.
pub(super) type Chunk = Arc<Wiped>;

/// Which chunk: the number of the open file (never used twice) and the number of the chunk.
pub(super) type ChunkKey = (u64, u64);

/// A bounded store of opened chunks, shared by all files of one index.
pub(super) struct ChunkCache {
    budget: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    chunks: HashMap<ChunkKey, (Chunk, u64)>,
    ages: BTreeMap<u64, ChunkKey>,
    clock: u64,
    bytes: usize,
}

impl ChunkCache {
    /// A cache of at most `budget` plain bytes.
    pub(super) fn new(budget: usize) -> Self {
        Self {
            budget,
            state: Mutex::default(),
        }
    }

    /// Most bytes held at once.
    pub(super) fn budget(&self) -> usize {
        self.budget
    }

    /// The chunk at `key`, which becomes the most recently used.
    pub(super) fn get(&self, key: ChunkKey) -> Option<Chunk> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clock += 1;
        let now = state.clock;
        let State { chunks, ages, .. } = &mut *state;
        let (chunk, age) = chunks.get_mut(&key)?;
        ages.remove(age);
        ages.insert(now, key);
        *age = now;
        Some(Arc::clone(chunk))
    }

    /// Keeps `chunk`, dropping the least recently used ones that no longer fit.
    pub(super) fn insert(&self, key: ChunkKey, chunk: &Chunk) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clock += 1;
        let now = state.clock;
        state.bytes += chunk.len();
        state.ages.insert(now, key);
        if let Some((old, age)) = state.chunks.insert(key, (Arc::clone(chunk), now)) {
            state.bytes -= old.len();
            state.ages.remove(&age);
        }
        while state.bytes > self.budget {
            let Some((_, oldest)) = state.ages.pop_first() else {
                break;
            };
            state.drop_chunk(oldest);
        }
    }

    /// Forgets every chunk of one closed file.
    pub(super) fn forget(&self, file: u64, chunks: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for number in 0..chunks {
            if let Some(age) = state.drop_chunk((file, number)) {
                state.ages.remove(&age);
            }
        }
    }
}

impl State {
    fn drop_chunk(&mut self, key: ChunkKey) -> Option<u64> {
        let (chunk, age) = self.chunks.remove(&key)?;
        self.bytes -= chunk.len();
        Some(age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(len: usize) -> Chunk {
        Arc::new(Wiped::from(vec![1; len]))
    }

    #[test]
    fn the_least_recently_used_chunk_goes_first() {
        let cache = ChunkCache::new(30);
        for number in 0..3 {
            cache.insert((1, number), &chunk(10));
        }
        assert!(cache.get((1, 0)).is_some());
        cache.insert((1, 3), &chunk(10));
        assert!(cache.get((1, 1)).is_none());
        assert!(cache.get((1, 0)).is_some());
        assert!(cache.get((1, 3)).is_some());
    }

    #[test]
    fn forgetting_a_file_frees_its_bytes_and_no_others() {
        let cache = ChunkCache::new(100);
        cache.insert((1, 0), &chunk(10));
        cache.insert((2, 0), &chunk(10));
        cache.forget(1, 1);
        assert!(cache.get((1, 0)).is_none());
        assert!(cache.get((2, 0)).is_some());
        assert_eq!(cache.state.lock().unwrap().bytes, 10);
    }
}
