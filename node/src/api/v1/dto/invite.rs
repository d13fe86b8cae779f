//! Invites.

use serde::{Deserialize, Serialize};

use super::Time;

#[derive(Debug, Serialize)]
pub(crate) struct Invite {
    pub(crate) token: String,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Time,
    pub(crate) max_uses: u32,
    pub(crate) uses: usize,
    pub(crate) state: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct NewInvite {
    pub(crate) link: String,
    pub(crate) token: String,
    pub(crate) expires_at: Time,
    pub(crate) max_uses: u32,
    pub(crate) addresses: Vec<String>,
    pub(crate) works: &'static str,
    pub(crate) hint: &'static str,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeInvite {
    #[serde(default = "MakeInvite::week")]
    pub(crate) expires_in_s: u64,
    #[serde(default = "MakeInvite::once")]
    pub(crate) max_uses: u32,
}

impl MakeInvite {
    fn week() -> u64 {
        7 * 24 * 3600
    }

    fn once() -> u32 {
        1
    }
}
