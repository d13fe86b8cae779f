//! The accept loop: every request of every connection passes the guard, then the router, and every answer leaves hardened.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service;
use zeroize::Zeroizing;

use super::connection::{Connection, TimedStream};
use super::door::Door;
use super::error::ApiError;
use super::limits::ApiLimits;
use super::setup::{self, Setup};
use super::state::{ApiState, Shared};
use super::{access, health, openapi, v1, web};
use crate::handle::AccountHandle;

/// Pause after the system refused to hand out a connection (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For a request to a gateway, long enough for a poll that waits for something to be told.
const GATEWAY_PATIENCE: Duration = Duration::from_secs(60);
/// Told to a client for which there is no room.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How to serve the API.
pub struct ApiConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The token of the command line.
    pub token: Zeroizing<String>,
    /// How much it serves.
    pub limits: ApiLimits,
    /// Further `HOST:PORT` it answers for.
    pub allowed_hosts: Vec<String>,
    /// Further origins (`https://HOST`) whose pages may use it.
    pub allowed_origins: Vec<String>,
}

impl ApiConfig {
    /// The defaults for an address and a token.
    #[must_use]
    pub fn new(listen: SocketAddr, token: Zeroizing<String>) -> Self {
        Self {
            listen,
            token,
            limits: ApiLimits::default(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
        }
    }
}

impl std::fmt::Debug for ApiConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiConfig")
            .field("listen", &self.listen)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Why the API's address cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there already.
    #[error("the API address {address} is in use: is a node already running, or does another program use this port?")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The system does not allow it.
    #[error("the system does not allow listening on the API address {address}; ports below 1024 need special rights")]
    Denied {
        /// The address.
        address: SocketAddr,
    },
    /// Not an address of this machine.
    #[error("the API address {address} is not one of this machine")]
    NotHere {
        /// The address.
        address: SocketAddr,
    },
    /// Something else.
    #[error("listening on the API address {address} failed")]
    Failed {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Takes the API's address.
///
/// # Errors
/// See [`BindError`].
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address },
        io::ErrorKind::PermissionDenied => BindError::Denied { address },
        io::ErrorKind::AddrNotAvailable => BindError::NotHere { address },
        _ => BindError::Failed { address, source },
    })
}

/// Serves an account until `stop` is cancelled; returns when requests under way are answered and sockets are closed.
pub async fn serve(listener: TcpListener, account: AccountHandle, config: ApiConfig, stop: CancellationToken) {
    let address = listener.local_addr().unwrap_or(config.listen);
    let door = Door::new(address, config, stop);
    let (_, rooms) = watch::channel(account_rooms(&door, vec![account]));
    run(listener, door, rooms).await;
}

/// Serves whatever is behind the door at the time of each request, until the door's `stop` is cancelled.
pub(crate) async fn run(listener: TcpListener, door: Door, rooms: watch::Receiver<Rooms>) {
    let limits = &door.limits;
    let upgraded = if door.guard.is_gateway() {
        limits.gateway_sockets()
    } else {
        0
    };
    let places = Arc::new(Semaphore::new(limits.connections.saturating_add(upgraded)));
    let abort = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = door.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, from)) => match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let to = door.tls.as_ref().and_then(|_| socket.local_addr().ok());
                    let to = to.map(|to| SocketAddr::new(to.ip().to_canonical(), to.port()));
                    let connection = Arc::new(Connection::new(from.ip().to_canonical(), to));
                    let served = converse(socket, connection, door.clone(), rooms.clone(), abort.clone(), place);
                    door.tasks.spawn(served);
                }
                Err(_) => drop(door.tasks.spawn(refuse(socket))),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    door.tasks.close();
    if tokio::time::timeout(door.limits.drain, door.tasks.wait())
        .await
        .is_err()
    {
        abort.cancel();
        door.tasks.wait().await;
    }
}

/// What is behind a door: one router for each account, by number. The first one answers what needs no token.
pub(crate) type Rooms = Arc<[Router]>;

/// What is behind the door of a node with accounts.
pub(crate) fn account_rooms(door: &Door, accounts: Vec<AccountHandle>) -> Rooms {
    accounts
        .into_iter()
        .map(|account| account_room(door, account))
        .collect()
}

/// One more account behind a door.
pub(crate) fn account_room(door: &Door, account: AccountHandle) -> Router {
    let state: ApiState = Shared::of(door, account);
    let routes = Router::new()
        .merge(web::app())
        .merge(health::router())
        .merge(openapi::router())
        .route("/metrics", get(v1::metrics))
        .nest("/api/v1", v1::router());
    let routes = routes.route_layer(from_fn_with_state(state.clone(), access::check));
    with_fallbacks(routes).with_state(state)
}

/// What is behind the door of a node that waits for its account.
pub(crate) fn setup_rooms(setup: Setup) -> Rooms {
    let routes = setup::router().route_layer(from_fn(access::check_waiting));
    Arc::new([with_fallbacks(routes).with_state(setup)])
}

fn with_fallbacks<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .fallback(async || ApiError::not_found("there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this path does not take this method",
            )
        })
}

async fn refuse(mut socket: TcpStream) {
    tracing::warn!("a connection was refused: too many are open");
    // The client hears it or not.
    let _ = tokio::time::timeout(ACCEPT_PAUSE, socket.write_all(FULL)).await;
}

/// One connection, from its handshake, where there is one, to its end.
async fn converse(
    socket: TcpStream,
    connection: Arc<Connection>,
    door: Door,
    rooms: watch::Receiver<Rooms>,
    abort: CancellationToken,
    place: OwnedSemaphorePermit,
) {
    // Without it, small answers may wait for the acknowledgement of earlier ones.
    let _ = socket.set_nodelay(true);
    let Some(tls) = door.tls.clone() else {
        return speak(socket, connection, door, rooms, abort, place).await;
    };
    let greeted = tokio::select! {
        () = door.stop.cancelled() => None,
        greeted = tls.greet(socket, door.limits.header_timeout) => greeted,
    };
    if let Some(stream) = greeted {
        speak(stream, connection, door, rooms, abort, place).await;
    }
}

/// A connection from its first request on.
async fn speak(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    connection: Arc<Connection>,
    door: Door,
    rooms: watch::Receiver<Rooms>,
    abort: CancellationToken,
    place: OwnedSemaphorePermit,
) {
    let limits = &door.limits;
    // The API counts its WebSockets by themselves; behind a gateway whatever was upgraded goes on counting here.
    let (_place, kept) = match door.guard.is_gateway() {
        true => (None, Some(place)),
        false => (Some(place), None),
    };
    let stream = TimedStream::new(socket, connection.clone(), limits, kept);
    let service = service_fn(|request| {
        let (door, rooms, connection) = (door.clone(), rooms.borrow().clone(), connection.clone());
        async move { Ok::<_, Infallible>(answer(&door, rooms, &connection, request).await) }
    });
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        .max_headers(limits.headers)
        .max_header_size(limits.header_bytes)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut conversation = std::pin::pin!(conversation);
    let mut stopping = false;
    loop {
        tokio::select! {
            // Clients that go away or send nonsense are no news.
            ended = conversation.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = door.stop.cancelled(), if !stopping => {
                stopping = true;
                conversation.as_mut().graceful_shutdown();
            }
            () = abort.cancelled() => return,
        }
    }
}

/// Guard, router, hardening.
async fn answer(door: &Door, rooms: Rooms, connection: &Arc<Connection>, request: Request<Incoming>) -> Response {
    connection.begin();
    let asks_options = request.method() == Method::OPTIONS;
    let has_body = !request.body().is_end_stream();
    let gateway = door.guard.is_gateway();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let shares = door.guard.shares_with(origin.as_ref());
    let is_preflight = asks_options && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match door.guard.check(&request, connection, Instant::now()) {
        Err(refused) if gateway => return finish(refused.for_gateway(), connection, has_body),
        Err(refused) => refused.into_response(),
        Ok(_) if shares && is_preflight => StatusCode::NO_CONTENT.into_response(),
        Ok(caller) => {
            if gateway && request.headers().contains_key(header::UPGRADE) {
                connection.streams();
            }
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(connection.clone());
            let account = caller.as_ref().map_or(0, |caller| caller.account);
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            match rooms.get(account).cloned() {
                Some(mut router) if gateway => {
                    // What reads bodies there is not all ours.
                    match tokio::time::timeout(GATEWAY_PATIENCE, router.call(request)).await {
                        Ok(Ok(response)) => response,
                        Err(_) => ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the request took too long")
                            .for_gateway(),
                    }
                }
                Some(mut router) => {
                    let Ok(response) = router.call(request).await;
                    response
                }
                None => ApiError::internal().into_response(),
            }
        }
    };
    if asks_options && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = options(response.headers().get(header::ALLOW).cloned());
    }
    if let Some(origin) = origin.filter(|_| shares) {
        allow_origin(response.headers_mut(), origin);
        if gateway {
            // Their pages have cookies; the API itself takes none.
            let credentials = header::ACCESS_CONTROL_ALLOW_CREDENTIALS;
            response
                .headers_mut()
                .insert(credentials, HeaderValue::from_static("true"));
        }
    }
    finish(response, connection, has_body)
}

fn finish(mut response: Response, connection: &Connection, has_body: bool) -> Response {
    if has_body && response.status().is_client_error() {
        connection.linger();
    }
    let resource = match response.extensions().get::<ForEveryPage>() {
        Some(ForEveryPage) => HeaderValue::from_static("cross-origin"),
        None => HeaderValue::from_static("same-origin"),
    };
    harden(response.headers_mut(), resource);
    connection.end();
    response
}

/// Lets a page of an origin that the guard has let pass read the answers.
fn allow_origin(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.extend([
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"),
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type, last-event-id"),
        ),
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("retry-after"),
        ),
        (header::VARY, HeaderValue::from_static("origin")),
    ]);
}

/// Tells which methods a path takes. No page of another origin is allowed anything, so there is nothing else to say.
fn options(allow: Option<HeaderValue>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().extend(allow.map(|allow| (header::ALLOW, allow)));
    response
}

/// Marks an answer that pages of any origin may show; they cannot read it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForEveryPage;

/// What every answer tells a browser: show it nowhere, keep it nowhere, guess nothing. A page may be allowed its own files.
fn harden(headers: &mut HeaderMap, resource: HeaderValue) {
    const HARDENING: [(HeaderName, HeaderValue); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    headers.extend(HARDENING);
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), resource);
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    let nothing =
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(nothing);
}
