//! The frames of the WebSocket: JSON text both ways.

use serde::{Deserialize, Serialize};

use super::dto;
use super::dto::Passing;
use crate::api::error::{ApiError, Problem};

/// What clients send.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ClientFrame {
    Auth {
        token: String,
    },
    Subscribe {
        id: Option<CommandId>,
        after: Option<u64>,
        /// Typing and presence, too.
        #[serde(default)]
        ephemeral: bool,
    },
    Send {
        id: CommandId,
        conversation: String,
        text: Option<String>,
        poll: Option<Box<dto::AskPoll>>,
        location: Option<Box<dto::Place>>,
        sticker: Option<Box<dto::PutSticker>>,
        client_id: Option<String>,
        thread: Option<String>,
        reply_to: Option<String>,
        #[serde(default)]
        mentions: Vec<String>,
        #[serde(default, deserialize_with = "dto::given")]
        expires_after_ms: Option<Option<u64>>,
        #[serde(default)]
        view_once: dto::ViewOnce,
    },
}

/// How a client names its command.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum CommandId {
    Number(i64),
    Text(String),
}

/// What clients get beside events.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ServerFrame<'a, T: Serialize> {
    Ready {
        /// The newest event.
        seq: u64,
    },
    Reply {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a CommandId>,
        #[serde(flatten)]
        outcome: Outcome<'a, T>,
    },
    Error {
        error: Problem<'a>,
    },
    Lagged(Lagged),
    Ephemeral {
        event: T,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome<'a, T> {
    Ok(T),
    Error(Problem<'a>),
}

/// A frame that carries no answer.
type PlainFrame<'a> = ServerFrame<'a, ()>;

#[derive(Serialize)]
pub(super) struct Subscribed {
    pub(super) after: u64,
}

/// That a reader is far behind. It has missed nothing: what comes next is what follows `after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Lagged {
    /// The cursor to read from.
    pub(super) after: u64,
    /// The newest event.
    pub(super) last: u64,
}

/// The token was taken.
pub(super) fn ready_text(seq: u64) -> String {
    to_text(&PlainFrame::Ready { seq })
}

/// The answer to a command.
pub(super) fn reply_text<T: Serialize>(id: Option<&CommandId>, outcome: &Result<T, ApiError>) -> String {
    let outcome = match outcome {
        Ok(value) => Outcome::Ok(value),
        Err(error) => Outcome::Error(error.problem()),
    };
    to_text(&ServerFrame::Reply { id, outcome })
}

/// The reader is far behind. On both kinds of streams.
pub(super) fn lagged_text(lagged: Lagged) -> String {
    to_text(&PlainFrame::Lagged(lagged))
}

/// What happens just now.
pub(super) fn passing_text(passing: &Passing) -> String {
    to_text(&ServerFrame::Ephemeral { event: passing })
}

/// What is said about a frame that is no command.
pub(super) fn error_text(error: &ApiError) -> String {
    to_text(&PlainFrame::Error { error: error.problem() })
}

fn to_text<T: Serialize>(frame: &ServerFrame<'_, T>) -> String {
    serde_json::to_string(frame).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        String::from("{\"type\":\"error\"}")
    })
}
