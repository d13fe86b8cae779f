//! Pages that were opened lately, up to so many bytes of them. They are known by their tags: one that was written anew has
//! another.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::super::seal::TAG;
use super::page::Page;

/// What a page takes in memory beside its rows, about.
const EACH: usize = 256;

pub(super) struct Cache {
    room: usize,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    by_tag: HashMap<[u8; TAG], (u64, Arc<Page>)>,
    /// Who was used when.
    turns: BTreeMap<u64, [u8; TAG]>,
    turn: u64,
    bytes: usize,
}

impl Cache {
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            pages: Mutex::default(),
        }
    }

    pub(super) fn get(&self, tag: &[u8; TAG]) -> Option<Arc<Page>> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let pages = &mut *pages;
        let (used, page) = pages.by_tag.get_mut(tag)?;
        pages.turns.remove(used);
        pages.turn = pages.turn.wrapping_add(1);
        *used = pages.turn;
        pages.turns.insert(pages.turn, *tag);
        Some(Arc::clone(page))
    }

    pub(super) fn put(&self, tag: [u8; TAG], page: &Arc<Page>) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let pages = &mut *pages;
        pages.turn = pages.turn.wrapping_add(1);
        if let Some((used, old)) = pages.by_tag.insert(tag, (pages.turn, Arc::clone(page))) {
            pages.turns.remove(&used);
            pages.bytes = pages.bytes.saturating_sub(weight(&old));
        }
        pages.turns.insert(pages.turn, tag);
        pages.bytes = pages.bytes.saturating_add(weight(page));
        while pages.bytes > self.room
            && let Some((_, tag)) = pages.turns.pop_first()
        {
            if let Some((_, old)) = pages.by_tag.remove(&tag) {
                pages.bytes = pages.bytes.saturating_sub(weight(&old));
            }
        }
    }
}

fn weight(page: &Page) -> usize {
    page.len().saturating_add(EACH)
}
