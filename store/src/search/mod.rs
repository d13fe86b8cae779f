//! Full-text search over messages, names and file names: a sealed cache beside the store.
//!
//! `query` says what is looked for and what it means for one text, `tokenizer` and `fold` what a
//! word is, `index` keeps and finds (`core` is what is searched, `writing` what waits, `writer` what is at work on it),
//! `directory`, `seal` and `cache` keep plaintext off the disk, `gate` keeps a writer that was let go away from it.
//! It holds addresses and columns only: texts stay in the store, and snippets are cut from there.
//! Messages that are not committed yet are the caller's to check, with [`Query::matches`].

mod cache;
mod collect;
mod core;
mod directory;
mod document;
mod expansion;
mod fold;
mod gate;
mod index;
mod locks;
mod plan;
mod query;
mod removal;
mod seal;
mod segments;
mod snippet;
mod tokenizer;
mod union;
mod writer;
mod writing;

#[cfg(test)]
mod tests;

pub use document::{DocRef, Filter, Hit, IndexDoc, Order};
pub use index::{IndexError, SearchError, SearchIndex, SearchOpenError, SearchOptions};
pub use query::{MAX_QUERY_BYTES, MAX_QUERY_TERMS, MAX_QUERY_TOKENS, Query, QueryError};
pub use snippet::Snippet;
