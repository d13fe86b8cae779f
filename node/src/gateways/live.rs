//! What the Socket.IO sides of all families share: who is let in, how many, how much one of them may ask, the account's feed,
//! and the end. A family says what events mean ([`Dialect`]).

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{Extension, SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use super::inside::{Inside, Refused};
use super::request::{Asker, Here};
use crate::api::Door;

/// Bytes of a packet.
const MAX_PAYLOAD: u64 = 64 * 1024;
/// Time for saying who one is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Events of one socket that wait for their turn.
const MAX_WAITING: usize = 128;
/// Between tries to tell a client that it is cut off, for whose word there is no room.
const FAREWELL_PAUSE: Duration = Duration::from_millis(200);

/// For closing all sockets when the node stops.
const CLOSING: Duration = Duration::from_secs(1);
/// Tries to tell a client something for which it has no room: ten seconds.
const MAX_TRIES: usize = 50;

/// Between words that somebody is still there, which count for five minutes.
const STILL_THERE: Duration = Duration::from_secs(240);

/// What a family's events mean.
pub(super) trait Dialect: Sized + Send + Sync + 'static {
    /// The events that clients send.
    const EVENTS: &'static [&'static str];
    /// What is said to whoever brings no token, and to whoever brings a wrong one.
    const NO_TOKEN: &'static str;
    const WRONG_TOKEN: &'static str;
    /// What is kept for one socket.
    type Seat: Default + Send + Sync + 'static;

    /// A socket has come; what is said from now on, its feed tells.
    fn greet(peer: &Peer<Self>) -> impl Future<Output = ()> + Send;
    /// A client says something.
    fn take(peer: &Peer<Self>, event: &str, data: &Value) -> impl Future<Output = Result<(), Refused>> + Send;
    /// The account's feed says something.
    fn tell(peer: &Peer<Self>, news: &Value) -> impl Future<Output = ()> + Send;
    /// The gateway says something beside the feed.
    fn overhear(peer: &Peer<Self>, news: &Value) -> impl Future<Output = ()> + Send;
}

/// One socket's holder. Events of a socket are dealt with one after the other.
pub(super) struct Member<D: Dialect> {
    pub(super) asker: Asker,
    pub(super) seat: D::Seat,
    /// The user does not want to be seen.
    hides: AtomicBool,
    crowd: Crowd,
    turn: Mutex<()>,
    /// Its feed is open, so that events can be dealt with.
    listens: CancellationToken,
    waiting: Semaphore,
    /// Nothing is taken any more, and it is to be disconnected.
    cut: CancellationToken,
    gone: CancellationToken,
    _place: OwnedSemaphorePermit,
}

/// A socket with its holder.
pub(super) struct Peer<D: Dialect> {
    pub(super) socket: SocketRef,
    member: Arc<Member<D>>,
}

impl<D: Dialect> Deref for Peer<D> {
    type Target = Member<D>;

    fn deref(&self) -> &Member<D> {
        &self.member
    }
}

/// Why a socket is not let in.
#[derive(Debug, thiserror::Error)]
enum NotLetIn {
    /// No valid token; as the family says it.
    #[error("{0}")]
    Token(&'static str),
    /// There are enough.
    #[error("too many connections are open")]
    Full,
}

/// Adds the family's sockets to its REST calls.
pub(super) fn with_sockets<D: Dialect>(router: Router, inside: &Inside, door: &Door) -> Router {
    let limit = usize::try_from(MAX_PAYLOAD).unwrap_or(usize::MAX);
    let (layer, io) = SocketIo::builder()
        .max_payload(MAX_PAYLOAD)
        .ws_max_message_size(limit)
        .ws_max_frame_size(limit)
        .ws_read_buffer_size(4 * 1024)
        .connect_timeout(CONNECT_TIMEOUT)
        .build_layer();
    let (way_in, tasks, stopping) = (inside.clone(), door.tasks.clone(), door.stop.clone());
    let places = Arc::new(Semaphore::new(door.limits.gateway_sockets()));
    let crowd = Crowd::default();
    let let_in = async move |socket: SocketRef, TryData(handshake): TryData<Value>| {
        let token = token_of(&socket, &handshake.unwrap_or_default()).ok_or(NotLetIn::Token(D::NO_TOKEN))?;
        let wrong = || NotLetIn::Token(D::WRONG_TOKEN);
        let here = Here::of(socket.req_parts());
        let member = Member::<D> {
            asker: Asker {
                caller: way_in.accepts(&token).ok_or_else(wrong)?,
                inside: way_in.clone(),
                here: here.ok_or_else(wrong)?,
            },
            seat: D::Seat::default(),
            hides: AtomicBool::new(false),
            crowd: crowd.clone(),
            turn: Mutex::new(()),
            listens: CancellationToken::new(),
            waiting: Semaphore::new(MAX_WAITING),
            cut: CancellationToken::new(),
            gone: CancellationToken::new(),
            _place: places.clone().try_acquire_owned().map_err(|_| NotLetIn::Full)?,
        };
        let member = Arc::new(member);
        // Before the client is told that it is in: what it says at once is to be heard.
        listen(&socket, &member);
        socket.extensions.insert(member);
        Ok::<(), NotLetIn>(())
    };
    let connected = async move |socket: SocketRef, Extension(member): Extension<Arc<Member<D>>>| {
        // Before the client can join anything, so that nothing falls between a page and the feed.
        let Asker { inside, caller, here } = &member.asker;
        let (events, asides) = (inside.events(caller, here.from).await, inside.asides());
        member.listens.cancel();
        tasks.spawn(attend(Peer { socket, member }, events, asides, stopping.clone()));
    };
    io.ns("/", connected.with(let_in));
    // The layer holds it from now on; the node's stop ends the sockets.
    let stop = door.stop.clone();
    door.tasks.spawn(async move {
        stop.cancelled().await;
        // It waits for every transport to be let go, which a client that has gone astray can hold up.
        let _ = tokio::time::timeout(CLOSING, io.close()).await;
    });
    let sessions = Arc::new(Semaphore::new(door.limits.gateway_sockets()));
    // A fallback that still waits for its state would be layered anew for each request, with sessions of its own.
    let router: Router = router.with_state(());
    router.layer(layer).layer(from_fn_with_state(sessions, count))
}

/// Gives each session that begins a place, which it holds for as long as there is the session, logged in or not.
async fn count(State(sessions): State<Arc<Semaphore>>, mut request: Request, next: Next) -> Response {
    let mut pairs = request.uri().query().unwrap_or_default().split('&');
    if request.uri().path().starts_with("/socket.io") && !pairs.any(|pair| pair.starts_with("sid=")) {
        let Ok(place) = sessions.try_acquire_owned() else {
            let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE, "too many connections are open");
            return refused.after(1).into_response();
        };
        // A session keeps the head of its first request.
        request.extensions_mut().insert(Arc::new(place));
    }
    next.run(request).await
}

/// The token of a handshake, or else of its first request.
fn token_of(socket: &SocketRef, handshake: &Value) -> Option<String> {
    if let Some(token) = handshake["token"].as_str() {
        return Some(token.to_owned());
    }
    let header = socket.req_parts().headers.get("authorization")?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn listen<D: Dialect>(socket: &SocketRef, member: &Arc<Member<D>>) {
    for &event in D::EVENTS {
        let member = member.clone();
        socket.on(event, move |socket: SocketRef, TryData(data): TryData<Value>| {
            let peer = Peer::<D> {
                socket,
                member: member.clone(),
            };
            async move { peer.heard(event, &data.unwrap_or_default()).await }
        });
    }
    let member = member.clone();
    socket.on_disconnect(async move || member.gone.cancel());
}

impl<D: Dialect> Peer<D> {
    /// Deals with an event in its turn.
    async fn heard(&self, event: &str, data: &Value) {
        if self.cut.is_cancelled() {
            return;
        }
        let Ok(_waits) = self.waiting.try_acquire() else {
            self.say(
                "error",
                &json!({ "message": "too many events are waiting to be dealt with" }),
            );
            return self.cut.cancel();
        };
        tokio::select! {
            () = self.listens.cancelled() => {}
            () = self.gone.cancelled() => return,
        }
        let _turn = self.turn.lock().await;
        let done = match self.asker.inside.admit(&self.asker.caller) {
            Ok(()) => D::take(self, event, data).await,
            Err(refused) => Err(refused),
        };
        if let Err(refused) = done {
            self.say("error", &json!({ "message": refused.detail }));
        }
    }

    /// Tells the client something. One that does not read is cut off: it comes back and recovers.
    pub(super) fn say(&self, event: &str, data: &Value) {
        if self.socket.emit(event, data).is_err() {
            self.cut.cancel();
        }
    }

    /// Tells the client something long, as soon as it has room for it; `false` if it has gone or takes nothing.
    pub(super) async fn say_patiently(&self, event: &str, data: &Value) -> bool {
        for _ in 0..MAX_TRIES {
            if self.cut.is_cancelled() || self.gone.is_cancelled() {
                return false;
            }
            if self.socket.emit(event, data).is_ok() {
                return true;
            }
            tokio::select! {
                () = self.gone.cancelled() => return false,
                () = self.cut.cancelled() => return false,
                () = tokio::time::sleep(FAREWELL_PAUSE) => {}
            }
        }
        self.cut.cancel();
        false
    }

    /// Tells contacts whether the user is there, as the user says.
    pub(super) async fn set_there(&self, there: bool) -> Result<(), Refused> {
        self.hides.store(!there, Ordering::Relaxed);
        self.asker.say_there(there).await
    }

    /// Whoever has a socket open is there, unless they say otherwise.
    async fn still_there(&self) {
        if !self.hides.load(Ordering::Relaxed) {
            // A token that may not say so is good for the rest.
            let _ = self.asker.say_there(true).await;
        }
    }
}

/// How many sockets each account has.
#[derive(Clone, Default)]
struct Crowd(Arc<StdMutex<BTreeMap<usize, usize>>>);

impl Crowd {
    fn come(&self, account: usize) {
        let mut crowd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = crowd.entry(account).or_default();
        *count = count.saturating_add(1);
    }

    /// Whether that was the last one.
    fn go(&self, account: usize) -> bool {
        let mut crowd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = crowd.get(&account).map_or(0, |count| count.saturating_sub(1));
        crowd.insert(account, left);
        left == 0
    }
}

/// Everything of one socket from its beginning to its end.
async fn attend<D: Dialect>(
    peer: Peer<D>,
    events: Result<Body, Refused>,
    asides: broadcast::Receiver<Arc<Value>>,
    stop: CancellationToken,
) {
    let account = peer.asker.caller.account;
    peer.crowd.come(account);
    if let Ok(events) = events {
        follow(&peer, events, asides).await;
    }
    peer.cut.cancel();
    if peer.crowd.go(account) {
        // Without it they would be taken for there some minutes longer. A token that is over cannot say it.
        let _ = peer.asker.say_there(false).await;
    }
    // Fails only for want of room for that word, and has done nothing then.
    while peer.socket.clone().disconnect().is_err() {
        tokio::select! {
            () = peer.gone.cancelled() => return,
            // All sockets are closed then, in a way of their own.
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FAREWELL_PAUSE) => {}
        }
    }
}

/// Passes the account's feed on, until the client goes, is cut off, or its token ends with the feed.
async fn follow<D: Dialect>(peer: &Peer<D>, events: Body, mut asides: broadcast::Receiver<Arc<Value>>) {
    let mut still_there = tokio::time::interval(STILL_THERE);
    let mut chunks = events.into_data_stream();
    still_there.tick().await;
    peer.still_there().await;
    D::greet(peer).await;
    loop {
        tokio::select! {
            () = peer.gone.cancelled() => return,
            () = peer.cut.cancelled() => return,
            chunk = chunks.next() => {
                let Some(Ok(chunk)) = chunk else { return };
                for event in events_of(&chunk) {
                    D::tell(peer, &event).await;
                }
            }
            // Whoever is too slow for these misses some.
            Ok(news) = asides.recv() => D::overhear(peer, &news).await,
            _ = still_there.tick() => peer.still_there().await,
        }
    }
}

/// The events of a chunk, which has whole ones.
fn events_of(chunk: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(chunk);
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|json| serde_json::from_str(json).ok()).collect()
}
