//! The feed as server-sent events. A reader goes on from its cursor; nothing is kept for it but that number.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures::stream;
use serde::Deserialize;
use tokio::sync::watch;

use super::changes::{ChangePage, Lag};
use super::dto::Passing;
use super::frames::{Lagged, lagged_text};
use super::passing::PassingReader;
use crate::api::auth::Caller;
use crate::api::connection::Connection;
use crate::api::error::ApiError;
use crate::api::extract::{Params, field};
use crate::api::state::{ApiState, Shared};
use crate::runner::now_ms;

/// Sent at once, so that a client sees that it is connected.
const HELLO: &str = "retry: 1000\n\n";
const PING: &str = ": ping\n\n";

pub(crate) fn router() -> Router<ApiState> {
    Router::new().route("/events", get(events))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventParams {
    after: Option<String>,
    /// Typing and presence, too; they have no id.
    ephemeral: Option<String>,
}

async fn events(
    State(state): State<ApiState>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<EventParams>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let named = headers
        .get("last-event-id")
        .map(|value| ("Last-Event-ID", value.to_str().unwrap_or_default()));
    let asked = named.or(params.after.as_deref().map(|text| ("after", text)));
    // Watched before the last seq is read: a change in between wakes the stream.
    let feed = state.account.feed();
    let cursor = start(&state, asked)?;
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    if method == Method::HEAD {
        return Ok(headers.into_response());
    }
    connection.streams();
    let passing = field::<bool>("ephemeral", params.ephemeral.as_deref(), "true or false")?
        .unwrap_or(false)
        .then(|| PassingReader::new(&state.account, caller.clone()));
    let reader = EventReader {
        passing,
        state,
        caller,
        feed,
        cursor,
        lag: Lag::default(),
        greeted: false,
    };
    let chunks = stream::unfold(reader, |mut reader| async {
        let chunk = reader.next().await?;
        Some((Ok::<_, Infallible>(chunk), reader))
    });
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// The cursor to start from: the one asked for, or now.
fn start(state: &Shared, asked: Option<(&str, &str)>) -> Result<u64, ApiError> {
    match asked {
        Some((name, text)) => {
            let cursor = field(name, Some(text), "the id of an event, a number")?;
            check_cursor(state, cursor.unwrap_or(0)).map_err(|error| error.at(name))
        }
        None => Ok(state.changes.last()?),
    }
}

/// Refuses a cursor from the future: its owner has seen another history than ours.
pub(super) fn check_cursor(state: &Shared, cursor: u64) -> Result<u64, ApiError> {
    let last = state.changes.last()?;
    if cursor > last {
        let detail = format!("the cursor {cursor} is ahead of the newest event {last}: read everything anew");
        return Err(ApiError::bad_request("cursor_ahead", detail));
    }
    Ok(cursor)
}

struct EventReader {
    passing: Option<PassingReader>,
    state: ApiState,
    caller: Caller,
    feed: watch::Receiver<u64>,
    cursor: u64,
    lag: Lag,
    greeted: bool,
}

impl EventReader {
    /// The next bytes; `None` at the node's stop, at the end of the token, or when the storage cannot be read.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(HELLO.as_bytes()));
        }
        loop {
            if self.caller.is_over(now_ms()) {
                return None;
            }
            self.feed.borrow_and_update();
            match self.state.changes.after(self.cursor) {
                Ok(Some(page)) => {
                    let lagged = self.lag.before(self.cursor, &page);
                    self.cursor = page.cursor;
                    return Some(frame(lagged, &page.heard_by(&self.caller)));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "an event stream ends: the feed could not be read");
                    return None;
                }
            }
            tokio::select! {
                () = self.state.door.stop.cancelled() => return None,
                () = self.caller.ended() => return None,
                changed = self.feed.changed() => changed.ok()?,
                there = passing(&mut self.passing) => return passing_frame(&there?),
                () = tokio::time::sleep(self.state.door.limits.stream_ping) => return Some(Bytes::from_static(PING.as_bytes())),
            }
        }
    }
}

/// What happens just now; never, for a reader that did not ask for it.
async fn passing(reader: &mut Option<PassingReader>) -> Option<Vec<Passing>> {
    let Some(reader) = reader else {
        return std::future::pending().await;
    };
    reader.changed().await.then(|| reader.take())
}

/// Without an id: there is nothing to come back to.
fn passing_frame(all: &[Passing]) -> Option<Bytes> {
    let mut out = String::new();
    for one in all {
        let json = serde_json::to_string(one).ok()?;
        // Writing into a string cannot fail.
        let _ = write!(out, "event: {}\ndata: {json}\n\n", one.name());
    }
    Some(if out.is_empty() {
        Bytes::from_static(PING.as_bytes())
    } else {
        Bytes::from(out)
    })
}

fn frame(lagged: Option<Lagged>, page: &ChangePage) -> Bytes {
    let mut out = Vec::with_capacity(
        page.changes
            .iter()
            .map(|change| change.frame.len().saturating_add(32))
            .sum(),
    );
    if let Some(lagged) = lagged {
        // Without an id: it is no place to come back to.
        out.extend_from_slice(format!("event: lagged\ndata: {}\n\n", lagged_text(lagged)).as_bytes());
    }
    for change in &page.changes {
        let mut head = String::with_capacity(48);
        // Writing into a string cannot fail.
        let _ = write!(head, "id: {}\nevent: {}\ndata: ", change.seq, change.name);
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(change.json().as_bytes());
        out.extend_from_slice(b"\n\n");
    }
    if out.is_empty() {
        // What the page referred to is gone; a comment keeps the stream going.
        out.extend_from_slice(PING.as_bytes());
    }
    Bytes::from(out)
}
