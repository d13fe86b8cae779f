//! Polls: the question, votes, and closing (PROTOCOL.md section 7). What they come to is decided elsewhere.

use serde::{Deserialize, Serialize};

use super::content::line;
use super::{BodyError, Bounded, Ext, MAX_EXT, limit};
use crate::ids::EventId;

/// Event kind of a [`Vote`].
pub const KIND_VOTE: u16 = 8;
/// Event kind of a [`ClosePoll`].
pub const KIND_CLOSE_POLL: u16 = 9;
/// Longest question, bytes.
pub const MAX_QUESTION: usize = 1_024;
/// Longest option, bytes.
pub const MAX_OPTION: usize = 256;
/// Fewest options of a poll.
pub const MIN_OPTIONS: usize = 2;
/// Most options of a poll.
pub const MAX_OPTIONS: usize = 20;
/// Most votes that closing a poll counts.
pub const MAX_COUNTED: usize = 1_024;

/// A question to vote on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// What is asked, 1–1 024 bytes on one line.
    pub question: String,
    /// What can be answered: 2–20, 1–256 bytes each on one line, no two the same.
    pub options: Vec<String>,
    /// Whether one user may choose several.
    pub multiple: bool,
    /// Whether readers are shown how many chose an option, and not who.
    pub anonymous: bool,
    /// When it closes by itself, ms.
    pub closes_at: Option<u64>,
}

/// A user's answer to a poll. The last one counts, by (clock, event id).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The message with the poll.
    pub poll: EventId,
    /// Numbers of the chosen options from 0, ascending; none: the vote is taken back.
    pub options: Vec<u8>,
    /// Fields of later versions.
    pub ext: Ext,
}

/// Closes a poll. Counts if it is by the poll's own author; of several, the one with the lowest (clock, event id).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosePoll {
    /// The message with the poll.
    pub poll: EventId,
    /// The votes that count, ascending by id: the last one of each user, as the author has them. No other one counts from then on.
    pub counted: Vec<EventId>,
    /// Fields of later versions.
    pub ext: Ext,
}

impl Poll {
    pub(super) fn validate(&self) -> Result<(), BodyError> {
        line("question", &self.question, MAX_QUESTION)?;
        if self.options.len() < MIN_OPTIONS {
            return Err(BodyError::TooFewOptions {
                got: self.options.len(),
                min: MIN_OPTIONS,
            });
        }
        limit("options", self.options.len(), MAX_OPTIONS)?;
        for option in &self.options {
            line("option", option, MAX_OPTION)?;
        }
        let distinct: std::collections::BTreeSet<&str> = self.options.iter().map(String::as_str).collect();
        if distinct.len() < self.options.len() {
            return Err(BodyError::OptionTwice);
        }
        Ok(())
    }

    /// Whether somebody may answer with these options: they are there, and one alone where only one can be chosen.
    #[must_use]
    pub fn allows(&self, options: &[u8]) -> bool {
        let there = options.iter().all(|option| usize::from(*option) < self.options.len());
        there && (self.multiple || options.len() <= 1)
    }
}

impl Bounded for Vote {
    fn validate(&self) -> Result<(), BodyError> {
        limit("options", self.options.len(), MAX_OPTIONS)?;
        if self.options.iter().any(|option| usize::from(*option) >= MAX_OPTIONS) {
            return Err(BodyError::NoSuchOption);
        }
        ascending("options", &self.options)?;
        limit("ext", self.ext.len(), MAX_EXT)
    }
}

impl Bounded for ClosePoll {
    fn validate(&self) -> Result<(), BodyError> {
        limit("counted", self.counted.len(), MAX_COUNTED)?;
        ascending("counted", &self.counted)?;
        limit("ext", self.ext.len(), MAX_EXT)
    }
}

fn ascending<T: Ord>(field: &'static str, items: &[T]) -> Result<(), BodyError> {
    if items.is_sorted_by(|a, b| a < b) {
        Ok(())
    } else {
        Err(BodyError::NotDistinct { field })
    }
}
