//! What users say about themselves.

use serde::{Deserialize, Serialize};

use super::{Time, given};

/// What somebody says about themselves.
#[derive(Debug, Serialize)]
pub(crate) struct Profile {
    pub(crate) about: Option<String>,
    pub(crate) pronouns: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) status_emoji: Option<String>,
    pub(crate) status_expires_at: Option<Time>,
    /// The media type of the picture, if there is one.
    pub(crate) avatar: Option<&'static str>,
    /// Of the picture: another one has another.
    pub(crate) avatar_hash: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OwnProfile {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) profile: Profile,
}

/// What is not there stays; null takes away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeProfile {
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) about: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) pronouns: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) status: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) status_emoji: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) status_expires_at: Option<Option<String>>,
    /// Base64.
    #[serde(default, deserialize_with = "given")]
    pub(crate) avatar: Option<Option<String>>,
}
