//! What happened in a conversation, where others were to be told of it.

use parlour_crypto::{EventId, UserId};
use serde::Serialize;

use super::{Quote, ShownRules};

/// The message's author did it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct System {
    /// `created`, `info`, `policy`, `joined`, `left`, `removed`, `banned`, `unbanned`, `device_removed`, `role`, `transferred`, `pinned`,
    /// `unpinned` or `timer`; others may come.
    pub(crate) kind: &'static str,
    /// The same as a sentence, which begins with who did it.
    pub(crate) text: String,
    /// Whom it was done to, or who let them in that joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<String>,
    /// Why somebody was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The rules as they were set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<ShownRules>,
    /// The message that was pinned or is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quote: Option<Quote>,
}
