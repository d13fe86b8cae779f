//! What a parlour account keeps on disk: a durable, sealed key-value database, the nouns stored in it, and the search index.
//!
//! Synchronous; knows no network and no clock. Modules named after a stored noun are public on purpose: `events::get`
//! reads better than forty re-exported names.
#![deny(missing_docs)]

mod audit;
mod db;
mod finder;
mod keyspace;
mod record;
mod repair;
mod search;
mod store;

pub mod annotations;
pub mod chains;
pub mod client_ids;
pub mod contacts;
pub mod conversations;
pub mod devices;
pub mod events;
pub mod feed;
pub mod invites;
pub mod logs;
pub mod meta;
pub mod outbox;
pub mod prekeys;
pub mod read_marks;
pub mod registers;
pub mod requests;
pub mod rooms;
pub mod sessions;
pub mod system;
pub mod timeline;
pub mod view;
mod wiped;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod decoders;

pub use audit::{AuditReport, Problem, check};
pub use db::{
    Batch, CommitError, CompactError, Compacted, Damage, DataLock, Db, DbOptions, Health, LockError, OpenError,
    OpenReport, Read, ReadError, Row, RowKeys, Rows, Txn, private_dir, private_file,
};
pub use finder::{FindError, Finder, Found};
pub use keyspace::{ConversationNo, DeviceNo, EventKey, LogKey};
pub use record::StoreError;
pub use repair::RepairError;
pub use search::{
    DocRef, Filter, Hit, IndexDoc, IndexError, MAX_QUERY_BYTES, MAX_QUERY_TERMS, MAX_QUERY_TOKENS, Order, Query,
    QueryError, SearchError, SearchIndex, SearchOpenError, SearchOptions, Snippet,
};
pub use store::{Committed, Store, StoreOpenError};
