//! Search over everything the account can read: the index for what is committed to it, a linear look at the newest changes
//! for the rest. The index reads the feed like any other reader, so it can always be made again.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::db::Read;
use crate::feed::{self, FeedRow};
use crate::keyspace::EventKey;
use crate::record::StoreError;
use crate::search::{
    DocRef, Filter, IndexDoc, IndexError, Order, Query, SearchError, SearchIndex, SearchOpenError, SearchOptions,
};
use crate::{events, view};

/// Changes given to the index in one commit.
const INDEX_BATCH: usize = 1_000;
/// Changes newer than the index that one search looks at.
const LINEAR_MAX: usize = 20_000;

/// Hits asked for in place of those that may be out of date.
const OUTDATED_MAX: usize = 1_000;

/// A message that matched.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Where the event is.
    pub event: EventKey,
    /// Its clock, ms.
    pub clock: u64,
    /// Relevance; comparable within one search only.
    pub score: f32,
}

/// A search did not work.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The index could not be asked or written.
    #[error("searching the index failed")]
    Index(#[from] SearchError),
    /// The index could not be emptied.
    #[error("emptying the search index failed")]
    Reset(#[from] SearchOpenError),
    /// The index could not be written.
    #[error("updating the search index failed")]
    Update(#[from] IndexError),
    /// The database could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The searcher of one account.
#[derive(Clone)]
pub struct Finder {
    index: Arc<SearchIndex>,
}

impl std::fmt::Debug for Finder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finder").field("position", &self.position()).finish()
    }
}

impl Finder {
    /// Opens the index in `dir`, or starts an empty one on any doubt.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn open(dir: &Path, key: &[u8; 32], options: SearchOptions) -> Result<Self, SearchOpenError> {
        Ok(Self {
            index: Arc::new(SearchIndex::open(dir, key, options)?),
        })
    }

    /// Gives the index what is new, at most one batch; `true` if there is more. One that is found damaged is emptied.
    ///
    /// # Errors
    /// The index or the database fails.
    pub fn catch_up(&self, read: &impl Read) -> Result<bool, FindError> {
        let outcome = self.take_in(read);
        if let Err(FindError::Update(IndexError::Damaged)) = &outcome {
            self.forget()?;
        }
        outcome
    }

    /// Whether there are changes that the index has not got.
    #[must_use]
    pub fn is_behind(&self, read: &impl Read) -> bool {
        feed::last(read).is_ok_and(|last| self.index.position() < last)
    }

    /// The feed seq up to which the index has what changed.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.index.position()
    }

    fn take_in(&self, read: &impl Read) -> Result<bool, FindError> {
        let rows = feed::after(read, self.index.position(), INDEX_BATCH)?;
        let Some((last, _)) = rows.last() else { return Ok(false) };
        for (_, row) in &rows {
            let (at, changed) = match row {
                FeedRow::Message { event, .. } => (event, false),
                FeedRow::Changed { event } => (event, true),
                _ => continue,
            };
            let Some(event) = events::get(read, at)? else { continue };
            let text = view::searchable(read, at, &event)?;
            if changed && text.is_none() {
                self.index.remove(&doc_ref(at))?;
            }
            if let Some(text) = text {
                self.index.add(&IndexDoc {
                    doc: doc_ref(at),
                    conversation: at.log.conversation.0,
                    author: at.log.device.0,
                    kind: u8::try_from(event.header().kind).unwrap_or(u8::MAX),
                    clock_ms: event.header().clock,
                    text: &text,
                })?;
            }
        }
        self.index.commit(*last)?;
        Ok(rows.len() == INDEX_BATCH)
    }

    /// Forgets all; what is stored is given to it again by [`Finder::catch_up`].
    ///
    /// # Errors
    /// The index cannot be emptied.
    pub(crate) fn forget(&self) -> Result<(), SearchOpenError> {
        self.index.reset()
    }

    /// Makes the index anew from what is stored; `progress` is told how many messages are in it. Returns how many there are.
    ///
    /// # Errors
    /// The index cannot be emptied or written, or the database cannot be read.
    pub fn rebuild(&self, read: &impl Read, mut progress: impl FnMut(u64)) -> Result<u64, FindError> {
        self.index.reset()?;
        while self.catch_up(read)? {
            progress(self.index.document_count());
        }
        Ok(self.index.document_count())
    }

    /// Where the messages are that the index holds; every file of it is read.
    ///
    /// # Errors
    /// The index is damaged.
    pub(crate) fn addresses(&self) -> Result<BTreeSet<EventKey>, FindError> {
        self.index.verify()?;
        let all = self.index.addresses()?.into_iter();
        let keys = all.map(|doc| EventKey::from_bytes(doc.0.get(..EventKey::LEN).unwrap_or_default()));
        let keys: Option<BTreeSet<EventKey>> = keys.collect();
        Ok(keys.ok_or(StoreError::Malformed { noun: "search hit" })?)
    }

    /// Frees the memory used for writing.
    pub fn rest(&self) {
        if let Err(error) = self.index.release_writer() {
            tracing::debug!(%error, "the search index kept its memory");
        }
    }

    /// Finds messages.
    ///
    /// # Errors
    /// The index or the database fails.
    pub fn find(
        &self,
        read: &impl Read,
        query: &Query,
        filter: &Filter,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Found>, FindError> {
        let (mut found, mut seen) = self.find_newest(read, query, filter)?;
        // What the index says of those is out of date and is left out; others come in their place.
        let asked = limit.saturating_add(seen.len().min(OUTDATED_MAX));
        let mut hits = self.index.search(query, filter, order, 0, asked);
        if let Err(SearchError::Damaged) = &hits {
            tracing::warn!("the search index is damaged and is made anew");
            self.forget()?;
            (found, seen) = self.find_newest(read, query, filter)?;
            hits = Ok(Vec::new());
        }
        for hit in hits? {
            let event = EventKey::from_bytes(hit.doc.0.get(..EventKey::LEN).unwrap_or_default())
                .ok_or(StoreError::Malformed { noun: "search hit" })?;
            if !seen.contains(&event) {
                found.push(Found {
                    event,
                    clock: hit.clock_ms,
                    score: hit.score,
                });
            }
        }
        match order {
            Order::Newest => found.sort_by_key(|hit| Reverse((hit.clock, hit.event))),
            Order::Ranked => found.sort_by(|a, b| b.score.total_cmp(&a.score)),
        }
        found.truncate(limit);
        Ok(found)
    }

    /// What matches among the changes that are newer than the index, and all messages they are about: what the index says of
    /// those is out of date.
    fn find_newest(
        &self,
        read: &impl Read,
        query: &Query,
        filter: &Filter,
    ) -> Result<(Vec<Found>, BTreeSet<EventKey>), FindError> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for (_, row) in feed::after(read, self.index.position(), LINEAR_MAX)? {
            let (FeedRow::Message { event: at, .. } | FeedRow::Changed { event: at }) = row else {
                continue;
            };
            if !seen.insert(at) {
                continue;
            }
            let Some(event) = events::get(read, &at)? else { continue };
            let clock = event.header().clock;
            let wanted = filter
                .conversations
                .as_ref()
                .is_none_or(|c| c.contains(&at.log.conversation.0))
                && filter.authors.as_ref().is_none_or(|a| a.contains(&at.log.device.0))
                && filter.after_ms.is_none_or(|t| clock >= t)
                && filter.before_ms.is_none_or(|t| clock < t);
            if wanted && view::searchable(read, &at, &event)?.is_some_and(|text| query.matches(&text)) {
                found.push(Found {
                    event: at,
                    clock,
                    score: f32::MAX,
                });
            }
        }
        Ok((found, seen))
    }
}

fn doc_ref(at: &EventKey) -> DocRef {
    let mut bytes = [0; 24];
    bytes[..EventKey::LEN].copy_from_slice(&at.to_bytes());
    DocRef(bytes)
}
