//! Whoever asks to become a contact, and where this account can be asked.

use parlour_crypto::UserId;
use serde::{Deserialize, Serialize};

use super::Time;

/// Somebody who asks to become a contact.
#[derive(Debug, Serialize)]
pub(crate) struct Request {
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) display: String,
    pub(crate) note: String,
    pub(crate) received_at: Time,
    pub(crate) expires_at: Time,
}

/// Where this account can be asked.
#[derive(Debug, Serialize)]
pub(crate) struct ContactAddress {
    pub(crate) link: String,
    pub(crate) addresses: Vec<String>,
    /// From where it can be used, and what would widen that.
    pub(crate) works: &'static str,
    pub(crate) hint: &'static str,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptRequest {
    pub(crate) petname: Option<String>,
}
