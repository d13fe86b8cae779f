//! How many webhooks there are, and how their deliveries go.

use serde::Serialize;

use crate::api::v1::webhooks::state_of;
use crate::webhooks::Webhooks;

#[derive(Debug, Serialize)]
pub(super) struct WebhookStats {
    pub(super) count: usize,
    pub(super) retrying: usize,
    pub(super) paused: usize,
}

impl WebhookStats {
    /// None, where their file cannot be read.
    pub(super) fn of(webhooks: &Webhooks) -> Self {
        let hooks = webhooks.all().unwrap_or_default();
        let count = |state: &str| hooks.iter().filter(|hook| state_of(hook) == state).count();
        Self {
            count: hooks.len(),
            retrying: count("retrying"),
            paused: count("paused"),
        }
    }
}
