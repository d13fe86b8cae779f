//! The index as a whole: against a linear scan, over restarts, with damaged files.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{DocRef, Filter, Hit, IndexDoc, IndexError, Order, Query, SearchError, SearchIndex, SearchOptions};

mod damage;
mod life;
mod merges;
mod model;

/// Asked before a writer makes a file of this name; may refuse, and may wait.
pub(super) type OnCreate = Arc<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;

const KEY: [u8; 32] = [9; 32];

/// A message as the tests keep it.
#[derive(Clone, Debug)]
struct Message {
    conversation: u32,
    author: u32,
    kind: u8,
    clock_ms: u64,
    text: String,
}

fn address(number: u64) -> DocRef {
    let mut bytes = [0; 24];
    bytes[16..].copy_from_slice(&number.to_be_bytes());
    DocRef(bytes)
}

impl Message {
    fn new(number: u64, text: &str) -> Self {
        Self {
            conversation: number as u32 % 3,
            author: number as u32 % 5,
            kind: number as u8 % 2,
            clock_ms: 1_000 + number,
            text: text.to_owned(),
        }
    }

    fn at(&self, doc: DocRef) -> IndexDoc<'_> {
        IndexDoc {
            doc,
            conversation: self.conversation,
            author: self.author,
            kind: self.kind,
            clock_ms: self.clock_ms,
            text: &self.text,
        }
    }
}

fn open(dir: &Path) -> SearchIndex {
    SearchIndex::open(dir, &KEY, SearchOptions::default()).unwrap()
}

fn fill(index: &SearchIndex, texts: &[&str]) -> BTreeMap<DocRef, Message> {
    let mut messages = BTreeMap::new();
    for (number, text) in (0..).zip(texts) {
        let message = Message::new(number, text);
        index.add(&message.at(address(number))).unwrap();
        messages.insert(address(number), message);
    }
    index.commit(texts.len() as u64).unwrap();
    messages
}

fn search(index: &SearchIndex, query: &str, order: Order) -> Vec<Hit> {
    index
        .search(&Query::parse(query).unwrap(), &Filter::default(), order, 0, 100)
        .unwrap()
}

fn found(index: &SearchIndex, query: &str) -> Vec<DocRef> {
    search(index, query, Order::Newest)
        .into_iter()
        .map(|hit| hit.doc)
        .collect()
}
