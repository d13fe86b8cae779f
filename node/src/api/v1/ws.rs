//! The WebSocket: a token first, then the feed from a cursor, and commands with answers.
//!
//! A slow reader lags behind in the feed; nothing is queued for it. Commands are taken in order, and while one waits for the
//! disk the next can go on.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{SinkExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use zeroize::Zeroizing;

use super::changes::Lag;
use super::events::check_cursor;
use super::frames::{
    ClientFrame, CommandId, Subscribed, error_text, lagged_text, passing_text, ready_text, reply_text,
};
use super::passing::PassingReader;
use super::{dto, messages};
use crate::api::access;
use crate::api::auth::Caller;
use crate::api::connection::Connection;
use crate::api::error::ApiError;
use crate::api::extract::parse_json;
use crate::api::state::{ApiState, Shared};

/// Commands of one socket under way at once.
const MAX_COMMANDS: usize = 64;
/// What one socket reads at once: thousands of them must stay small, and commands are short.
const READ: usize = 1024;
/// What one socket writes at once, if there is as much.
const WRITE: usize = 8 * 1024;
/// More than the largest event.
const MAX_UNSENT: usize = 1024 * 1024;
/// Time for saying goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Close codes.
mod code {
    pub(super) const NORMAL: u16 = 1000;
    pub(super) const GOING_AWAY: u16 = 1001;
    pub(super) const PROTOCOL: u16 = 1002;
    pub(super) const UNSUPPORTED: u16 = 1003;
    pub(super) const TOO_BIG: u16 = 1009;
    pub(super) const INTERNAL: u16 = 1011;
    pub(super) const UNAUTHORIZED: u16 = 4401;
    pub(super) const SILENT: u16 = 4408;
}

pub(crate) fn router() -> Router<ApiState> {
    Router::new().route("/ws", get(upgrade))
}

async fn upgrade(
    State(state): State<ApiState>,
    Extension(connection): Extension<Arc<Connection>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|rejection| {
        let detail = "this path takes WebSocket upgrades (version 13) only";
        ApiError::new(rejection_status(&rejection), "not_a_websocket", detail)
    })?;
    let place = state.sockets.clone().try_acquire_owned().map_err(|_| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_sockets",
            format!(
                "this node has {} WebSockets open, and takes no more",
                state.door.limits.sockets
            ),
        )
    })?;
    connection.streams();
    let (alive, from) = (state.door.tasks.token(), connection.from);
    // One frame more than allowed is let in, to be refused with its own code.
    let max = state.door.limits.body_bytes.saturating_mul(2);
    let upgrade = upgrade
        .read_buffer_size(READ)
        .write_buffer_size(WRITE)
        .max_write_buffer_size(MAX_UNSENT);
    Ok(upgrade
        .max_frame_size(max)
        .max_message_size(max)
        .on_upgrade(move |socket| async move {
            Session::new(socket, state, from).run().await;
            drop((place, alive));
        }))
}

fn rejection_status(rejection: &WebSocketUpgradeRejection) -> StatusCode {
    match rejection {
        WebSocketUpgradeRejection::MethodNotGet(_) => StatusCode::METHOD_NOT_ALLOWED,
        WebSocketUpgradeRejection::InvalidConnectionHeader(_)
        | WebSocketUpgradeRejection::InvalidUpgradeHeader(_)
        | WebSocketUpgradeRejection::ConnectionNotUpgradable(_) => StatusCode::UPGRADE_REQUIRED,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// Why a session ends.
enum End {
    Close(u16, &'static str),
    Gone,
}

struct Session {
    socket: WebSocket,
    state: ApiState,
    /// Whose socket it is, once that is known.
    caller: Option<Caller>,
    from: IpAddr,
    feed: watch::Receiver<u64>,
    passing: Option<PassingReader>,
    cursor: Option<u64>,
    lag: Lag,
    /// There may be events after the cursor.
    behind: bool,
    commands: FuturesOrdered<BoxFuture<'static, String>>,
    ping: Interval,
    unanswered: u8,
}

impl Session {
    fn new(socket: WebSocket, state: ApiState, from: IpAddr) -> Self {
        let mut ping = interval(state.door.limits.socket_ping);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        let feed = state.account.feed();
        let commands = FuturesOrdered::new();
        Self {
            socket,
            state,
            caller: None,
            from,
            feed,
            passing: None,
            cursor: None,
            lag: Lag::default(),
            behind: false,
            commands,
            ping,
            unanswered: 0,
        }
    }

    async fn run(mut self) {
        let end = match self.authenticate().await {
            Ok(caller) => self.converse(caller).await,
            Err(end) => end,
        };
        let End::Close(code, reason) = end else { return };
        // A client that does not listen misses the reason.
        let _ = timeout(GOODBYE, self.say_goodbye(code, reason)).await;
    }

    /// The first frame is the token, and comes soon.
    async fn authenticate(&mut self) -> Result<Caller, End> {
        let limit = self.state.door.limits.socket_auth_timeout;
        let first = tokio::select! {
            () = self.state.door.stop.cancelled() => return Err(stopping()),
            first = timeout(limit, self.socket.recv()) => first,
        };
        let token = match first {
            Ok(Some(Ok(Message::Text(text)))) => match parse_json(text.as_bytes()) {
                Ok(ClientFrame::Auth { token }) => Some(Zeroizing::new(token)),
                Ok(ClientFrame::Subscribe { .. } | ClientFrame::Send { .. }) | Err(_) => None,
            },
            _ => None,
        };
        let token = token.as_ref().map(|token| token.as_str());
        let Some(caller) = self.state.door.guard.admit_socket(token, self.from, Instant::now()) else {
            return Err(End::Close(
                code::UNAUTHORIZED,
                "the first frame must be {type:\"auth\",token} with a valid token",
            ));
        };
        // Until now it was not known whose socket this is.
        self.state = self.state.neighbour(caller.account).ok_or_else(stopping)?;
        self.feed = self.state.account.feed();
        let seq = self.state.changes.last().map_err(|error| broken(&error))?;
        self.caller = Some(caller.clone());
        self.put(ready_text(seq)).await?;
        Ok(caller)
    }

    async fn converse(&mut self, caller: Caller) -> End {
        let holder = caller.clone();
        let mut ended = std::pin::pin!(holder.ended());
        loop {
            let step = tokio::select! {
                biased;
                () = self.state.door.stop.cancelled() => Err(stopping()),
                () = ended.as_mut() => Err(token_ended()),
                Some(reply) = self.commands.next(), if !self.commands.is_empty() => self.put(reply).await,
                frame = self.socket.recv(), if self.commands.len() < MAX_COMMANDS => self.take(&caller, frame).await,
                changed = self.feed.changed(), if self.cursor.is_some() => {
                    self.behind = true;
                    changed.map_err(|_| stopping())
                }
                there = passing(&mut self.passing) => self.put_passing(there).await,
                _ = self.ping.tick() => self.ping().await,
                () = std::future::ready(()), if self.behind => self.send_page().await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn take(&mut self, caller: &Caller, frame: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        match frame {
            Some(Ok(Message::Text(text))) if text.len() > self.state.door.limits.body_bytes => {
                Err(End::Close(code::TOO_BIG, "a frame has at most 64 KiB"))
            }
            Some(Ok(Message::Text(text))) => self.command(caller, text.as_bytes()).await,
            Some(Ok(Message::Binary(_))) => Err(End::Close(code::UNSUPPORTED, "frames are JSON text")),
            Some(Ok(Message::Pong(_))) => {
                self.unanswered = 0;
                Ok(())
            }
            Some(Ok(Message::Ping(_))) => Ok(()),
            Some(Ok(Message::Close(_))) => Err(End::Close(code::NORMAL, "")),
            Some(Err(error)) => {
                tracing::debug!(%error, "a WebSocket sent what is no frame");
                Err(End::Close(
                    code::PROTOCOL,
                    "no valid frame, or one that is far too long",
                ))
            }
            None => Err(End::Gone),
        }
    }

    async fn command(&mut self, caller: &Caller, text: &[u8]) -> Result<(), End> {
        let frame = self
            .state
            .door
            .guard
            .admit_command(caller, Instant::now())
            .and_then(|()| parse_json(text));
        match frame {
            Ok(ClientFrame::Auth { .. }) => {
                let error = ApiError::bad_request("already_authenticated", "this socket is authenticated already");
                self.put(error_text(&error)).await
            }
            Ok(ClientFrame::Subscribe { id, after, ephemeral }) => {
                self.passing = ephemeral.then(|| PassingReader::new(&self.state.account, caller.clone()));
                self.subscribe(id.as_ref(), after).await
            }
            Ok(ClientFrame::Send {
                id,
                conversation,
                text,
                poll,
                location,
                sticker,
                client_id,
                thread,
                reply_to,
                mentions,
                expires_after_ms,
                view_once,
            }) => {
                let wish = dto::SendMessage {
                    text,
                    poll,
                    location,
                    sticker,
                    client_id,
                    thread,
                    reply_to,
                    mentions,
                    expires_after_ms,
                    view_once,
                };
                let may_send = access::may_send(caller, &conversation);
                let may_name = || wish.mentions.iter().try_for_each(|who| access::may_name(caller, who));
                if let Err(error) = may_send.and_then(|()| may_name()) {
                    return self.put(reply_text::<()>(Some(&id), &Err(error))).await;
                }
                let state = self.state.clone();
                self.start(Box::pin(async move { send(&state, &id, &conversation, wish).await }))
                    .await
            }
            Err(error) => self.put(error_text(&error)).await,
        }
    }

    /// Lets a command reach the account before the next one is read.
    async fn start(&mut self, mut command: BoxFuture<'static, String>) -> Result<(), End> {
        let first = std::future::poll_fn(|cx| Poll::Ready(command.as_mut().poll(cx))).await;
        match first {
            Poll::Ready(reply) if self.commands.is_empty() => self.put(reply).await,
            Poll::Ready(reply) => {
                self.commands.push_back(Box::pin(std::future::ready(reply)));
                Ok(())
            }
            Poll::Pending => {
                self.commands.push_back(command);
                Ok(())
            }
        }
    }

    async fn subscribe(&mut self, id: Option<&CommandId>, after: Option<u64>) -> Result<(), End> {
        self.feed.borrow_and_update();
        let cursor = match after {
            Some(after) => check_cursor(&self.state, after),
            None => self.state.changes.last().map_err(ApiError::from),
        };
        if let Ok(after) = &cursor {
            self.cursor = Some(*after);
            self.lag = Lag::default();
            self.behind = true;
        }
        let cursor = cursor.map(|after| Subscribed { after });
        self.put(reply_text(id, &cursor)).await
    }

    async fn put_passing(&mut self, there: bool) -> Result<(), End> {
        let Some(reader) = self.passing.as_mut().filter(|_| there) else {
            return Err(stopping());
        };
        let frames: Vec<Message> = reader
            .take()
            .iter()
            .map(|one| Message::Text(passing_text(one).into()))
            .collect();
        self.put_all(frames).await
    }

    async fn send_page(&mut self) -> Result<(), End> {
        let Some(cursor) = self.cursor else { return Ok(()) };
        let Some(page) = self.state.changes.after(cursor).map_err(|error| broken(&error))? else {
            self.behind = false;
            return Ok(());
        };
        let lagged = self.lag.before(cursor, &page);
        self.cursor = Some(page.cursor);
        let page = match &self.caller {
            Some(caller) => page.heard_by(caller),
            None => return Err(stopping()),
        };
        let lagged = lagged.map(|lagged| lagged_text(lagged).into());
        // The frames themselves are shared by all sockets.
        let events = page.changes.into_iter().map(|change| change.frame);
        self.put_all(lagged.into_iter().chain(events).map(Message::Text)).await
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.unanswered >= 2 {
            return Err(End::Close(code::SILENT, "two pings went unanswered"));
        }
        self.unanswered = self.unanswered.saturating_add(1);
        self.put_all([Message::Ping(axum::body::Bytes::new())]).await
    }

    async fn put(&mut self, text: String) -> Result<(), End> {
        self.put_all([Message::Text(text.into())]).await
    }

    /// Hands frames to the client; one that takes nothing for two pings is gone.
    async fn put_all(&mut self, frames: impl IntoIterator<Item = Message>) -> Result<(), End> {
        let patience = self.state.door.limits.socket_ping.saturating_mul(2);
        let socket = &mut self.socket;
        let sending = async {
            for frame in frames {
                socket.feed(frame).await?;
            }
            socket.flush().await
        };
        tokio::select! {
            () = self.state.door.stop.cancelled() => Err(stopping()),
            () = ended(self.caller.as_ref()) => Err(token_ended()),
            sent = timeout(patience, sending) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(End::Gone),
            },
        }
    }

    /// Answers what is under way, closes, and waits for the client to close too.
    async fn say_goodbye(&mut self, code: u16, reason: &'static str) {
        while let Some(reply) = self.commands.next().await {
            if self.socket.send(Message::Text(reply.into())).await.is_err() {
                return;
            }
        }
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = self.socket.recv().await {}
        }
    }
}

/// Waits for something that happens just now; for ever, if nobody asked for it.
async fn passing(reader: &mut Option<PassingReader>) -> bool {
    match reader {
        Some(reader) => reader.changed().await,
        None => std::future::pending().await,
    }
}

/// Waits for the end of a token; for ever, if there is none.
async fn ended(caller: Option<&Caller>) {
    match caller {
        Some(caller) => caller.ended().await,
        None => std::future::pending().await,
    }
}

fn token_ended() -> End {
    End::Close(code::UNAUTHORIZED, "the token has ended")
}

fn stopping() -> End {
    End::Close(code::GOING_AWAY, "the node is stopping")
}

fn broken(error: &parlour_store::StoreError) -> End {
    tracing::error!(%error, "a WebSocket ends: the feed could not be read");
    End::Close(code::INTERNAL, "the account's storage failed")
}

async fn send(state: &Shared, id: &CommandId, conversation: &str, wish: dto::SendMessage) -> String {
    let outcome = messages::send(state, conversation, wish)
        .await
        .map(|(_, message)| message);
    reply_text(Some(id), &outcome)
}
