//! What is said in a message beside text: places, files, stickers, calls.

use serde::{Deserialize, Serialize};

/// At most one of them is there.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Parts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<File>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sticker: Option<Sticker>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) call: Option<Call>,
}

/// A place, in degrees.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) accuracy_m: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// A file as its sender describes it; its caption is the message's text.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct File {
    /// `file`, `image`, `video`, `audio` or `voice`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    /// What the sender takes it for: a label and no promise.
    pub(crate) media_type: String,
    pub(crate) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sticker {
    pub(crate) emoji: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<File>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    pub(crate) video: bool,
    /// `ended`, `missed`, `declined` or `failed`.
    pub(crate) outcome: &'static str,
    pub(crate) duration_ms: u64,
}

/// A sticker to send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutSticker {
    /// Exactly one emoji.
    pub(crate) emoji: String,
    #[serde(default)]
    pub(crate) name: String,
}
