//! Polls.

use parlour_crypto::UserId;
use serde::{Deserialize, Serialize};

use super::Time;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Poll {
    pub(crate) question: String,
    pub(crate) options: Vec<PollOption>,
    pub(crate) multiple: bool,
    /// Who voted for what is not shown here; every member's node knows it.
    pub(crate) anonymous: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) closes_at: Option<Time>,
    /// How many users have voted.
    pub(crate) total: usize,
    pub(crate) closed: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct PollOption {
    pub(crate) text: String,
    pub(crate) votes: usize,
    pub(crate) mine: bool,
    /// Who, the earliest first; nothing where the poll is anonymous.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) voters: Option<Vec<UserId>>,
}

/// A question to ask.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskPoll {
    pub(crate) question: String,
    pub(crate) options: Vec<String>,
    #[serde(default)]
    pub(crate) multiple: bool,
    #[serde(default)]
    pub(crate) anonymous: bool,
    pub(crate) closes_at: Option<String>,
}

/// The options that somebody chooses, numbered from 0.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CastVote {
    pub(crate) options: Vec<u8>,
}
