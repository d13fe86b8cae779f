//! The account's feed as JSON, encoded once for all its readers. The newest changes are kept encoded, in bounded memory;
//! everything else is read from the store.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::ws::Utf8Bytes;
use parlour_crypto::ConversationId;
use parlour_store::meta::{self, CounterName};
use parlour_store::{StoreError, feed};

use super::dto;
use super::frames::Lagged;
use super::reader::Reader;
use crate::api::auth::Grant;
use crate::handle::AccountHandle;

/// Changes read at once.
const PAGE: usize = 256;
/// Bytes of JSON after which a page ends.
const PAGE_BYTES: usize = 64 * 1024;
/// Changes kept encoded.
const MAX_KEPT: usize = 1024;
/// Bytes of JSON kept.
const MAX_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// Behind the change in its frame.
const FRAME_END: &str = "}";

/// One change, encoded.
#[derive(Debug, Clone)]
pub(crate) struct EncodedChange {
    pub(crate) seq: u64,
    pub(crate) name: &'static str,
    /// Where it happened, if in a conversation.
    pub(crate) conversation: Option<ConversationId>,
    /// `{"type":"event","seq":…,"event":{"seq":…,"type":…,…}}`, shared by all sockets.
    pub(crate) frame: Utf8Bytes,
    /// Bytes of the frame before the change itself.
    head: usize,
}

impl EncodedChange {
    /// `{"seq":…,"type":…,…}`
    pub(crate) fn json(&self) -> &str {
        let end = self.frame.len().saturating_sub(FRAME_END.len());
        self.frame.get(self.head..end).unwrap_or_default()
    }
}

/// Where readers of one account's feed get its changes.
pub(crate) struct Changes {
    account: AccountHandle,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    changes: BTreeMap<u64, Option<EncodedChange>>,
    bytes: usize,
    /// Bodies erased when the first of them was encoded.
    erased: u64,
}

/// Some changes, and from where to go on.
pub(crate) struct ChangePage {
    pub(crate) changes: Vec<EncodedChange>,
    pub(crate) cursor: u64,
    /// The newest change there was.
    last: u64,
}

impl ChangePage {
    /// Without what a caller may not hear of.
    pub(crate) fn heard_by(mut self, caller: &Grant) -> Self {
        if caller.conversation.is_some() {
            self.changes
                .retain(|change| caller.may_hear_of(change.conversation.as_ref()));
        }
        self
    }
}

/// Whether a reader is far behind, and has been told.
#[derive(Debug, Default)]
pub(super) struct Lag {
    told: bool,
}

impl Lag {
    /// What a reader at `cursor` is told before `page`: once, until it has caught up.
    pub(super) fn before(&mut self, cursor: u64, page: &ChangePage) -> Option<Lagged> {
        let is_far = page.last.saturating_sub(cursor) > u64::try_from(MAX_KEPT).unwrap_or(u64::MAX);
        if page.cursor >= page.last {
            self.told = false;
        }
        (is_far && !std::mem::replace(&mut self.told, page.cursor < page.last)).then_some(Lagged {
            after: cursor,
            last: page.last,
        })
    }
}

/// A change to which only the feed's past may refer.
type Encoded = (u64, Option<EncodedChange>);

impl Changes {
    pub(crate) fn new(account: AccountHandle) -> Self {
        Self {
            account,
            kept: Mutex::new(Kept::default()),
        }
    }

    /// The seq of the newest change.
    pub(crate) fn last(&self) -> Result<u64, StoreError> {
        feed::last(self.account.store())
    }

    /// The next changes after `cursor`; `None` if there are none yet.
    pub(crate) fn after(&self, cursor: u64) -> Result<Option<ChangePage>, StoreError> {
        let erased = meta::counter(self.account.store(), CounterName::Erased)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.erased != erased {
            // What was encoded before may say what nobody is to read any more.
            *kept = Kept {
                erased,
                ..Kept::default()
            };
        }
        let last = self.last()?;
        let mut encoded = kept.run(cursor);
        if encoded.is_empty() {
            let near_the_end = last.saturating_sub(cursor) <= u64::try_from(MAX_KEPT).unwrap_or(u64::MAX);
            if near_the_end {
                // Under the lock: a thousand readers that wake together encode a change once.
                encoded = self.encode(cursor)?;
                encoded.iter().for_each(|change| kept.insert(change));
            } else {
                drop(kept);
                encoded = self.encode(cursor)?;
            }
        }
        let Some((cursor, _)) = encoded.last() else {
            return Ok(None);
        };
        let cursor = *cursor;
        Ok(Some(ChangePage {
            changes: encoded.into_iter().filter_map(|(_, change)| change).collect(),
            cursor,
            last: last.max(cursor),
        }))
    }

    fn encode(&self, cursor: u64) -> Result<Vec<Encoded>, StoreError> {
        let mut reader = Reader::new(&self.account);
        let mut encoded = Vec::new();
        let mut bytes = 0usize;
        for (seq, row) in feed::after(self.account.store(), cursor, PAGE)? {
            let change = reader.change(&row)?.map(|what| encode(seq, what)).transpose()?;
            bytes = bytes.saturating_add(size(&change));
            encoded.push((seq, change));
            if bytes >= PAGE_BYTES {
                break;
            }
        }
        Ok(encoded)
    }
}

fn encode(seq: u64, what: dto::What) -> Result<EncodedChange, StoreError> {
    let (name, conversation) = (what.name(), place(&what));
    let mut frame = format!("{{\"type\":\"event\",\"seq\":{seq},\"event\":").into_bytes();
    let head = frame.len();
    let malformed = || StoreError::Malformed { noun: "change" };
    serde_json::to_writer(&mut frame, &dto::Change { seq, what }).map_err(|_| malformed())?;
    frame.extend_from_slice(FRAME_END.as_bytes());
    // It is kept: what it does not fill would be kept with it.
    frame.shrink_to_fit();
    Ok(EncodedChange {
        seq,
        name,
        conversation,
        frame: Utf8Bytes::try_from(frame).map_err(|_| malformed())?,
        head,
    })
}

fn place(what: &dto::What) -> Option<ConversationId> {
    match what {
        dto::What::Message { message } | dto::What::System { message } | dto::What::MessageUpdated { message } => {
            Some(message.conversation)
        }
        dto::What::MessageHidden { conversation, .. } | dto::What::Receipt { conversation, .. } => Some(*conversation),
        dto::What::Report { conversation, .. } | dto::What::RoomRequest { conversation, .. } => Some(*conversation),
        dto::What::Conversation { conversation } => Some(conversation.id),
        dto::What::Contact { .. } | dto::What::Request { .. } | dto::What::PublicRoom { .. } | dto::What::Me { .. } => {
            None
        }
    }
}

impl Kept {
    /// The kept changes directly after `cursor`, without a gap.
    fn run(&self, cursor: u64) -> Vec<Encoded> {
        let mut bytes = 0usize;
        (cursor.saturating_add(1)..)
            .map_while(|seq| Some((seq, self.changes.get(&seq)?.clone())))
            .take(PAGE)
            .take_while(|(_, change)| {
                let fits = bytes < PAGE_BYTES;
                bytes = bytes.saturating_add(size(change));
                fits
            })
            .collect()
    }

    fn insert(&mut self, (seq, change): &Encoded) {
        self.bytes = self.bytes.saturating_add(size(change));
        if let Some(before) = self.changes.insert(*seq, change.clone()) {
            self.bytes = self.bytes.saturating_sub(size(&before));
        }
        while (self.changes.len() > MAX_KEPT || self.bytes > MAX_KEPT_BYTES)
            && let Some((_, oldest)) = self.changes.pop_first()
        {
            self.bytes = self.bytes.saturating_sub(size(&oldest));
        }
    }
}

fn size(change: &Option<EncodedChange>) -> usize {
    change.as_ref().map_or(0, |change| change.frame.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(seq: u64, bytes: usize) -> Encoded {
        (
            seq,
            Some(EncodedChange {
                seq,
                name: "message",
                conversation: None,
                frame: "x".repeat(bytes).into(),
                head: 0,
            }),
        )
    }

    #[test]
    fn the_newest_are_kept_in_bounded_memory() {
        let mut kept = Kept::default();
        (1..=3000).for_each(|seq| kept.insert(&change(seq, 10)));
        assert_eq!((kept.changes.len(), kept.bytes), (MAX_KEPT, MAX_KEPT * 10));
        assert!(kept.run(1).is_empty());
        assert_eq!(
            kept.run(2990).iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
            (2991..=3000).collect::<Vec<_>>()
        );
        kept.insert(&change(1, 10));
        assert!(
            !kept.changes.contains_key(&1),
            "a reader of the past pushes nothing out"
        );
        (3001..=3100).for_each(|seq| kept.insert(&change(seq, 100_000)));
        assert!(kept.bytes <= MAX_KEPT_BYTES && kept.changes.contains_key(&3100));
    }

    #[test]
    fn a_frame_holds_the_change_itself() {
        let what = dto::What::Request {
            user_id: parlour_crypto::UserId::from_bytes([1; 32]),
            request: None,
        };
        let change = encode(7, what).unwrap();
        let frame: serde_json::Value = serde_json::from_str(&change.frame).unwrap();
        let event: serde_json::Value = serde_json::from_str(change.json()).unwrap();
        assert_eq!(
            (&frame["type"], &frame["seq"], &event["seq"]),
            (&"event".into(), &7.into(), &7.into())
        );
        assert_eq!(frame["event"], event);
    }

    #[test]
    fn a_reader_is_told_once_that_it_lags() {
        let page = |cursor, last| ChangePage {
            changes: Vec::new(),
            cursor,
            last,
        };
        let far = u64::try_from(MAX_KEPT).unwrap() + 1;
        let mut lag = Lag::default();
        assert_eq!(lag.before(0, &page(256, far - 1)), None, "it is near");
        assert_eq!(lag.before(0, &page(256, far)), Some(Lagged { after: 0, last: far }));
        assert_eq!(lag.before(256, &page(512, far + 300)), None, "it knows");
        assert_eq!(lag.before(512, &page(far + 300, far + 300)), None, "it has caught up");
        let again = lag.before(far + 300, &page(far + 400, 3 * far));
        assert_eq!(again.map(|lagged| lagged.after), Some(far + 300));
        let mut huge = Lag::default();
        assert!(huge.before(0, &page(2 * far, 2 * far)).is_some());
        assert!(!huge.told, "one page was enough");
    }

    #[test]
    fn a_run_stops_at_gaps_and_when_it_is_long() {
        let mut kept = Kept::default();
        [5, 6, 8].iter().for_each(|seq| kept.insert(&change(*seq, 10)));
        let seqs = |run: Vec<Encoded>| run.iter().map(|(seq, _)| *seq).collect::<Vec<_>>();
        assert_eq!(seqs(kept.run(4)), [5, 6]);
        assert!(kept.run(3).is_empty());
        (10..20).for_each(|seq| kept.insert(&change(seq, PAGE_BYTES / 2)));
        assert_eq!(seqs(kept.run(9)), [10, 11]);
    }
}
