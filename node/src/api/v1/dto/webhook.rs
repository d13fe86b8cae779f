//! Webhooks.

use parlour_crypto::ConversationId;
use serde::{Deserialize, Serialize};

use super::Time;

/// A webhook to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeWebhook {
    pub(crate) url: String,
    /// Names of changes; all without.
    pub(crate) events: Option<Vec<String>>,
    /// A name, an id or the beginning of one.
    pub(crate) conversation: Option<String>,
    /// Decrypted messages may leave this machine.
    #[serde(default)]
    pub(crate) anywhere: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Webhook {
    pub(crate) id: String,
    pub(crate) url: String,
    /// All, if there are none.
    pub(crate) events: Vec<String>,
    pub(crate) conversation: Option<ConversationId>,
    pub(crate) anywhere: bool,
    pub(crate) created_at: Time,
    pub(crate) state: &'static str,
    pub(crate) cursor: u64,
    /// Changes after the cursor.
    pub(crate) behind: u64,
    pub(crate) last_delivery_at: Option<Time>,
    pub(crate) failing_since: Option<Time>,
    pub(crate) tries: u32,
    pub(crate) error: Option<String>,
    pub(crate) next_try_at: Option<Time>,
}

/// The one answer that has the secret in it.
#[derive(Serialize)]
pub(crate) struct MadeWebhook {
    pub(crate) secret: String,
    #[serde(flatten)]
    pub(crate) webhook: Webhook,
}

/// How a test went.
#[derive(Debug, Serialize)]
pub(crate) struct WebhookTest {
    pub(crate) delivered: bool,
    pub(crate) error: Option<String>,
    pub(crate) took_ms: u64,
}
