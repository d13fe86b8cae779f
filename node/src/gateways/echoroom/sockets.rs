//! The family's Socket.IO side. Each socket follows its account's feed, and is told of the rooms it has joined under the name
//! it has joined them by.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use futures::StreamExt;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{Extension, SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::layer::SocketIoLayer;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::super::inside::{Inside, Refused, part};
use super::show;
use crate::api::{Caller, Connection, Door};

/// Rooms that one socket is in.
const MAX_ROOMS: usize = 64;
/// Bytes of a packet.
const MAX_PAYLOAD: u64 = 64 * 1024;
/// Time for saying who one is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages looked through for a socket that comes back.
const RECOVERED: usize = 200;

/// One socket's holder. Events of a socket are dealt with one after the other.
struct Member {
    inside: Inside,
    caller: Caller,
    from: IpAddr,
    /// Conversation id → what the client calls it, and how many it was told are in it.
    joined: StdMutex<BTreeMap<String, Joined>>,
    turn: Mutex<()>,
    gone: CancellationToken,
    _place: OwnedSemaphorePermit,
}

#[derive(Clone)]
struct Joined {
    alias: String,
    count: Option<usize>,
}

type Here = Extension<Arc<Member>>;

/// Why a socket is not let in.
#[derive(Debug, thiserror::Error)]
enum NotLetIn {
    /// No valid token.
    #[error("Authentication error")]
    Token,
    /// There are enough.
    #[error("too many connections are open")]
    Full,
}

pub(super) fn layer(inside: &Inside, door: &Door) -> SocketIoLayer {
    let limit = usize::try_from(MAX_PAYLOAD).unwrap_or(usize::MAX);
    let (layer, io) = SocketIo::builder()
        .max_payload(MAX_PAYLOAD)
        .ws_max_message_size(limit)
        .ws_max_frame_size(limit)
        .ws_read_buffer_size(4 * 1024)
        .connect_timeout(CONNECT_TIMEOUT)
        .build_layer();
    let (way_in, tasks) = (inside.clone(), door.tasks.clone());
    let places = Arc::new(Semaphore::new(door.limits.sockets));
    let let_in = async move |socket: SocketRef, TryData(handshake): TryData<Value>| {
        let token = handshake
            .ok()
            .and_then(|value| Some(value["token"].as_str()?.to_owned()));
        let caller = token.and_then(|token| way_in.accepts(&token)).ok_or(NotLetIn::Token)?;
        let from = socket.req_parts().extensions.get::<Arc<Connection>>();
        let member = Member {
            inside: way_in.clone(),
            caller,
            from: from.ok_or(NotLetIn::Token)?.from,
            joined: StdMutex::default(),
            turn: Mutex::new(()),
            gone: CancellationToken::new(),
            _place: places.clone().try_acquire_owned().map_err(|_| NotLetIn::Full)?,
        };
        socket.extensions.insert(Arc::new(member));
        Ok::<(), NotLetIn>(())
    };
    let connected = async move |socket: SocketRef, Extension(member): Here| {
        listen(&socket);
        // Before the client can join anything, so that nothing falls between a page and the feed.
        let events = member.inside.events(&member.caller, member.from).await;
        tasks.spawn(follow(socket, member, events));
    };
    io.ns("/", connected.with(let_in));
    // The layer holds it from now on; the node's stop ends the sockets.
    let stop = door.stop.clone();
    door.tasks.spawn(async move {
        stop.cancelled().await;
        io.close().await;
    });
    layer
}

fn listen(socket: &SocketRef) {
    socket.on(
        "auth:identify",
        async |socket: SocketRef, Extension(member): Here, TryData(data): TryData<Value>| {
            identify(&socket, &member, &data.unwrap_or_default());
        },
    );
    macro_rules! on {
        ($event:literal, $handle:expr) => {
            socket.on($event, async |socket: SocketRef, Extension(member): Here, TryData(data): TryData<Value>| {
                let _turn = member.turn.lock().await;
                let data = data.unwrap_or_default();
                let done = match member.inside.admit(&member.caller) {
                    Ok(()) => $handle(&socket, &member, &data).await,
                    Err(refused) => Err(refused),
                };
                if let Err(refused) = done {
                    say(&socket, "error", &json!({ "message": refused.detail }));
                }
            });
        };
    }
    on!("room:join", join);
    on!("room:leave", leave);
    on!("message:send", send);
    on!("typing:start", start_typing);
    on!("typing:stop", stop_typing);
    on!("connection:recover", recover);
    socket.on_disconnect(async |Extension(member): Here| member.gone.cancel());
}

/// Tells a client something. One that does not read is cut off: it comes back and recovers.
fn say(socket: &SocketRef, event: &str, data: &Value) {
    if socket.emit(event, data).is_err() {
        let _ = socket.clone().disconnect();
    }
}

fn identify(socket: &SocketRef, member: &Member, data: &Value) {
    let token = data["token"].as_str().and_then(|token| member.inside.accepts(token));
    match token {
        Some(caller) if caller.account == member.caller.account => {
            let (socket, inside, from) = (socket.clone(), member.inside.clone(), member.from);
            tokio::spawn(async move {
                let me = inside
                    .ask(Some(&caller), from, Method::GET, "/api/v1/session", None)
                    .await;
                if let Ok(me) = me {
                    say(&socket, "auth:ok", &json!({ "userId": me["user_id"] }));
                }
            });
        }
        _ => say(
            socket,
            "auth:error",
            &json!({ "message": "this token is not valid, or not any more" }),
        ),
    }
}

impl Member {
    async fn get(&self, path: &str) -> Result<Value, Refused> {
        self.inside
            .ask(Some(&self.caller), self.from, Method::GET, path, None)
            .await
    }

    fn joined<T>(&self, look: impl FnOnce(&mut BTreeMap<String, Joined>) -> T) -> T {
        look(&mut self.joined.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The conversation that the client calls so.
    fn conversation(&self, data: &Value) -> Result<(String, String), Refused> {
        let alias = room_id(data)?;
        let found = self.joined(|joined| {
            let mut rooms = joined.iter();
            rooms.find(|(_, room)| room.alias == alias).map(|(id, _)| id.clone())
        });
        let outside = || Refused::new(StatusCode::FORBIDDEN, "join the room first");
        Ok((found.ok_or_else(outside)?, alias.to_owned()))
    }

    async fn page(&self, conversation: &str, limit: usize, alias: &str) -> Result<Vec<Value>, Refused> {
        let path = format!("/api/v1/conversations/{conversation}/messages?limit={limit}");
        Ok(show::messages(&self.get(&path).await?, alias))
    }

    /// Tells how many are in a room, if that is news.
    async fn tell_count(&self, socket: &SocketRef, conversation: &str) -> Result<(), Refused> {
        let members = self.get(&format!("/api/v1/rooms/{conversation}/members")).await?;
        let count = members["items"].as_array().map_or(0, Vec::len);
        let news = self.joined(|joined| {
            let room = joined.get_mut(conversation)?;
            let is_news = room.count.replace(count) != Some(count);
            is_news.then(|| room.alias.clone())
        });
        if let Some(alias) = news {
            say(socket, "room:user_count", &json!({ "roomId": alias, "count": count }));
        }
        Ok(())
    }
}

fn room_id(data: &Value) -> Result<&str, Refused> {
    data["roomId"]
        .as_str()
        .ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, "roomId must be a text"))
}

async fn join(socket: &SocketRef, member: &Member, data: &Value) -> Result<(), Refused> {
    let alias = room_id(data)?;
    let room = member.get(&format!("/api/v1/rooms/{}", part(alias))).await?;
    let id = room["id"].as_str().unwrap_or_default().to_owned();
    let is_full = member.joined(|joined| {
        if joined.len() >= MAX_ROOMS && !joined.contains_key(&id) {
            return true;
        }
        let (alias, count) = (alias.to_owned(), None);
        joined.insert(id.clone(), Joined { alias, count });
        false
    });
    if is_full {
        return Err(Refused::new(
            StatusCode::CONFLICT,
            "this connection is in too many rooms",
        ));
    }
    let messages = member.page(&id, super::PAGE, alias).await?;
    say(socket, "room:joined", &json!({ "roomId": alias, "messages": messages }));
    member.tell_count(socket, &id).await
}

async fn leave(socket: &SocketRef, member: &Member, data: &Value) -> Result<(), Refused> {
    let alias = room_id(data)?;
    member.joined(|joined| joined.retain(|_, room| room.alias != alias));
    say(socket, "room:left", &json!({ "roomId": alias }));
    Ok(())
}

async fn send(socket: &SocketRef, member: &Member, data: &Value) -> Result<(), Refused> {
    let (conversation, _) = member.conversation(data)?;
    let text = data["text"].as_str();
    let text = text.ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, "text must be a text"))?;
    let mut wish = json!({ "text": text });
    if let Some(temporary) = data["tempId"].as_str() {
        // UIs count these from one with each connection.
        let unique = blake3::hash(format!("{}/{temporary}", socket.id).as_bytes());
        wish["client_id"] = json!(unique.to_hex().get(..32));
    }
    if let Some(parent) = data["parentId"].as_str() {
        wish["reply_to"] = json!(parent);
    }
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let sent = member
        .inside
        .ask(Some(&member.caller), member.from, Method::POST, &path, Some(&wish))
        .await?;
    say(
        socket,
        "message:ack",
        &json!({ "tempId": data["tempId"], "realId": sent["id"] }),
    );
    Ok(())
}

async fn start_typing(_: &SocketRef, member: &Member, data: &Value) -> Result<(), Refused> {
    typing(member, data, true).await
}

async fn stop_typing(_: &SocketRef, member: &Member, data: &Value) -> Result<(), Refused> {
    typing(member, data, false).await
}

async fn typing(member: &Member, data: &Value, typing: bool) -> Result<(), Refused> {
    let (conversation, _) = member.conversation(data)?;
    let path = format!("/api/v1/conversations/{conversation}/typing");
    let wish = json!({ "typing": typing });
    let (caller, from) = (Some(&member.caller), member.from);
    member
        .inside
        .ask(caller, from, Method::PUT, &path, Some(&wish))
        .await
        .map(drop)
}

/// What came after the last message a client saw, as far as one page goes back.
async fn recover(socket: &SocketRef, member: &Member, data: &Value) -> Result<(), Refused> {
    let alias = room_id(data)?;
    let last = data["lastSeenSeq"].as_u64().unwrap_or(0);
    let room = member.get(&format!("/api/v1/rooms/{}", part(alias))).await?;
    if room["last_seq"].as_u64().unwrap_or(0) <= last {
        return Ok(());
    }
    let id = room["id"].as_str().unwrap_or_default();
    let mut missed = member.page(id, RECOVERED, alias).await?;
    missed.retain(|message| message["seq"].as_u64().is_some_and(|seq| seq > last));
    missed.sort_by_key(|message| message["seq"].as_u64());
    if let (Some(first), Some(end)) = (missed.first(), missed.last()) {
        let (from, to) = (first["seq"].clone(), end["seq"].clone());
        let told = json!({ "roomId": alias, "messages": missed, "fromSeq": from, "toSeq": to });
        say(socket, "connection:missed", &told);
    }
    Ok(())
}

/// Passes the account's feed on, until the client goes, or its token ends with the feed.
async fn follow(socket: SocketRef, member: Arc<Member>, events: Result<axum::body::Body, Refused>) {
    if let Ok(events) = events {
        let mut chunks = events.into_data_stream();
        loop {
            let chunk = tokio::select! {
                () = member.gone.cancelled() => return,
                chunk = chunks.next() => chunk,
            };
            let Some(Ok(chunk)) = chunk else { break };
            for event in events_of(&chunk) {
                tell(&socket, &member, &event).await;
            }
        }
    }
    let _ = socket.disconnect();
}

/// The events of a chunk, which has whole ones.
fn events_of(chunk: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(chunk);
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|json| serde_json::from_str(json).ok()).collect()
}

async fn tell(socket: &SocketRef, member: &Member, event: &Value) {
    let room = |id: &Value| {
        let id = id.as_str()?;
        member.joined(|joined| joined.get(id).map(|room| room.alias.clone()))
    };
    match event["type"].as_str() {
        Some("message") => {
            let message = &event["message"];
            if let Some(alias) = room(&message["conversation"]) {
                let told = json!({ "message": show::message(message, &alias), "seq": message["seq"] });
                say(socket, "message:new", &told);
            }
        }
        Some("typing") => {
            if let Some(alias) = room(&event["conversation"]) {
                let told = json!({ "roomId": alias, "userId": event["user_id"], "isTyping": event["typing"] });
                say(socket, "typing:update", &told);
            }
        }
        Some("conversation") => {
            let conversation = &event["conversation"]["id"];
            if room(conversation).is_some() {
                // What cannot be read now is told with the next change.
                let _ = member
                    .tell_count(socket, conversation.as_str().unwrap_or_default())
                    .await;
            }
        }
        _ => {}
    }
}
