//! What can be wrong.

use parlour_crypto::{EventId, Intervals};

use crate::keyspace::{EventKey, LogKey};

/// One thing that is wrong, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A page of rows does not open under its seal.
    #[error("a page of {noun} rows does not open: its bytes were changed")]
    Unreadable {
        /// What kind of rows.
        noun: &'static str,
        /// The first key that may have been in it.
        from: Vec<u8>,
        /// The first one after it that was not; `None` where all were.
        to: Option<Vec<u8>>,
    },
    /// A part of the files cannot be read.
    #[error("the {noun} rows cannot be read: {detail}")]
    Unreachable {
        /// What kind of row.
        noun: &'static str,
        /// What the system said.
        detail: String,
    },
    /// A log lists events that are not there.
    #[error(
        "conversation {}, device {}, log {}: {} messages are missing ({})",
        log.conversation.0, log.device.0, log.log, seqs.count(), ranges(seqs)
    )]
    Missing {
        /// The log.
        log: LogKey,
        /// The missing ones.
        seqs: Intervals,
    },
    /// The head file knows of more events than the log lists.
    #[error("conversation {}, device {}, log {}: {held} messages are listed, {bound} were stored", log.conversation.0, log.device.0, log.log)]
    Short {
        /// The log.
        log: LogKey,
        /// Messages listed.
        held: u64,
        /// Messages that were acknowledged once.
        bound: u64,
    },
    /// Events are there that their log does not list.
    #[error(
        "conversation {}, device {}, log {}: {} messages are not listed ({})",
        log.conversation.0, log.device.0, log.log, seqs.count(), ranges(seqs)
    )]
    Unlisted {
        /// The log.
        log: LogKey,
        /// The unlisted ones.
        seqs: Intervals,
    },
    /// An event is not what its author signed.
    #[error("the signature of event {} does not verify", id.short())]
    Signature {
        /// Which.
        id: EventId,
        /// Where it is.
        at: EventKey,
    },
    /// An event names an author or a conversation that nothing is known of.
    #[error("the event at conversation {}, device {}, number {} belongs to nobody that is known", at.log.conversation.0, at.log.device.0, at.seq)]
    Orphan {
        /// Where it is.
        at: EventKey,
    },
    /// The way from an event's id to its place is wrong.
    #[error("event {} is not found by its id", id.short())]
    Place {
        /// Which.
        id: EventId,
    },
    /// An id leads to a place without that event.
    #[error("{count} ids lead to events that are not there")]
    Dangling {
        /// How many.
        count: u64,
    },
    /// A message is not in the timeline, or not by its arrival number.
    #[error("message {} is not shown", id.short())]
    NotShown {
        /// Which.
        id: EventId,
    },
    /// The timeline shows what is not there.
    #[error("{count} messages are shown that are not there")]
    ShownInVain {
        /// How many.
        count: u64,
    },
    /// An event names another one that is neither here nor known to be missing.
    #[error("event {} names one that is not here, and nobody is asked for it", id.short())]
    Unasked {
        /// Which one names it.
        id: EventId,
    },
    /// A conversation's row does not fit its messages.
    #[error("conversation {conversation}: its {what} does not fit its messages")]
    Conversation {
        /// Which.
        conversation: u32,
        /// Which part of the row.
        what: &'static str,
    },
    /// Changes are not in order.
    #[error("the stream of changes: {what}")]
    Feed {
        /// What is wrong.
        what: &'static str,
    },
    /// The search index does not fit the messages.
    #[error("the search index lacks {lacking} messages and holds {surplus} that are not there")]
    Search {
        /// Messages it lacks.
        lacking: u64,
        /// Messages it should not have.
        surplus: u64,
    },
    /// The search index cannot be read.
    #[error("the search index cannot be read: {detail}")]
    SearchUnreadable {
        /// Why.
        detail: String,
    },
}

impl Problem {
    /// What would help, as a sentence for people.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Search { .. } | Self::SearchUnreadable { .. } => "`parlour store reindex` makes the index anew",
            Self::Missing { .. } | Self::Short { .. } | Self::Unasked { .. } => {
                "contacts give missing messages back: run `parlour up` and let it connect"
            }
            Self::Unreadable { .. } => {
                "the next start copies everything aside and forgets these rows; contacts give missing messages back"
            }
            _ => "restore a backup, or keep the directory aside and let contacts give the messages back",
        }
    }
}

fn ranges(seqs: &Intervals) -> String {
    let mut text: Vec<String> = seqs
        .iter()
        .take(8)
        .map(|(from, to)| {
            if from == to {
                from.to_string()
            } else {
                format!("{from}-{to}")
            }
        })
        .collect();
    if seqs.as_slice().len() > 8 {
        text.push("…".to_owned());
    }
    text.join(", ")
}
