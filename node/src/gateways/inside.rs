//! API v1, asked from inside the process: the same router, and so the same checks, scopes, limits and errors.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard, broadcast, watch};
use tokio::time::Instant;
use tower::Service;
use zeroize::Zeroizing;

use super::pictures::Pictures;
use crate::api::{ApiError, Caller, Connection, Door, Rooms, is_open};
use crate::runner::now_ms;

/// Bytes of an answer.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The way in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Inside {
    native: Door,
    rooms: watch::Receiver<Rooms>,
    /// What sockets of this gateway hear of each other beside their feeds.
    aside: broadcast::Sender<Arc<Value>>,
    alone: Arc<Mutex<()>>,
    pub(super) pictures: Arc<Pictures>,
}

/// News beside the feed that wait for a socket; one that is slower misses the oldest.
const MAX_ASIDE: usize = 256;

/// Why something was not done.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    /// For the user.
    pub(crate) detail: String,
    /// For programs.
    pub(crate) code: String,
    pub(crate) retry_after: Option<String>,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            code: String::new(),
            retry_after: None,
        }
    }

    /// To be tried again after so many seconds.
    pub(crate) fn after(self, seconds: u64) -> Self {
        let retry_after = Some(seconds.to_string());
        Self { retry_after, ..self }
    }

    /// As families say it that have one status for all that cannot be.
    pub(crate) fn without_conflict(self) -> Self {
        match self.status {
            StatusCode::CONFLICT => Self {
                status: StatusCode::BAD_REQUEST,
                ..self
            },
            _ => self,
        }
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the node made a mistake; its log says more",
        )
    }
}

impl Inside {
    pub(crate) fn new(native: Door, rooms: watch::Receiver<Rooms>) -> Self {
        Self {
            native,
            rooms,
            aside: broadcast::Sender::new(MAX_ASIDE),
            alone: Arc::default(),
            pictures: Arc::new(Pictures::new()),
        }
    }

    /// Tells the sockets of this gateway something beside their feeds.
    pub(crate) fn mention(&self, news: Value) {
        // Nobody may be there.
        let _ = self.aside.send(Arc::new(news));
    }

    /// What sockets are told beside their feeds, from now on.
    pub(crate) fn asides(&self) -> broadcast::Receiver<Arc<Value>> {
        self.aside.subscribe()
    }

    /// Nobody else is between looking and making meanwhile.
    pub(crate) async fn alone(&self) -> OwnedMutexGuard<()> {
        self.alone.clone().lock_owned().await
    }

    /// Whether the people of this node find each other by themselves.
    pub(crate) fn are_neighbours(&self) -> bool {
        self.native.newcomers.are_neighbours()
    }

    /// Whose token this is.
    pub(crate) fn accepts(&self, token: &str) -> Option<Caller> {
        self.native.guard.auth().accepts(token, now_ms())
    }

    /// A caller of this name, if the login or the token that it names is still good.
    pub(super) fn seated(&self, seat: &str) -> Option<Caller> {
        self.native.guard.auth().seated(seat, now_ms())
    }

    /// Whose token the `Authorization` header carries, and whether they may ask again so soon.
    pub(crate) fn caller(&self, headers: &HeaderMap, from: IpAddr) -> Result<Caller, Refused> {
        self.native
            .guard
            .check_token(headers, from, Instant::now())
            .map_err(|error| from_error(&error))
    }

    /// Whose token a cookie holds, and whether they may ask again so soon.
    pub(crate) fn caller_of_cookie(&self, token: Option<&str>, from: IpAddr) -> Result<Caller, Refused> {
        self.native
            .guard
            .check_cookie(token, from, Instant::now())
            .map_err(|error| from_error(&error))
    }

    /// Whether this caller may ask once more now.
    pub(crate) fn admit(&self, caller: &Caller) -> Result<(), Refused> {
        let guard = &self.native.guard;
        guard
            .admit_command(caller, Instant::now())
            .map_err(|error| from_error(&error))
    }

    /// Ends the login that a refresh token belongs to. One that belongs to none counts as a wrong password does.
    pub(crate) async fn end_login(&self, refresh: String, from: IpAddr) -> Result<(), Refused> {
        let (guard, refresh) = (self.native.guard.clone(), Zeroizing::new(refresh));
        let auth = guard.auth().clone();
        let ended = tokio::task::spawn_blocking(move || auth.end_by_refresh(&refresh)).await;
        match ended.map_err(|_| Refused::internal())? {
            Ok(true) => Ok(()),
            Ok(false) => guard.try_once(from, Instant::now()).map_err(|error| from_error(&error)),
            Err(error) => Err(from_error(&error.into())),
        }
    }

    /// Asks for JSON; null, if there is none.
    pub(crate) async fn ask(
        &self,
        caller: Option<&Caller>,
        from: IpAddr,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Refused> {
        let response = self.answer(caller, from, method, path, body).await?;
        let status = response.status();
        let retry_after = response.headers().get(header::RETRY_AFTER).cloned();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let bytes = body.map_err(|_| Refused::internal())?.to_bytes();
        let value = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes).map_err(|_| Refused::internal())?,
        };
        if status.is_success() {
            return Ok(value);
        }
        let mut refused = from_problem(value);
        refused.retry_after = retry_after.and_then(|value| Some(value.to_str().ok()?.to_owned()));
        Err(refused)
    }

    /// Asks for a picture: the answer as it is.
    pub(crate) async fn picture(&self, caller: &Caller, from: IpAddr, path: &str) -> Result<Response, Refused> {
        let response = self.answer(Some(caller), from, Method::GET, path, None).await?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(Refused::new(status, "there is no picture")),
        }
    }

    /// Opens the feed from now on, with typing, as the bytes of server-sent events.
    pub(crate) async fn events(&self, caller: &Caller, from: IpAddr) -> Result<Body, Refused> {
        let path = "/api/v1/events?ephemeral=true";
        let response = self.answer(Some(caller), from, Method::GET, path, None).await?;
        if response.status().is_success() {
            Ok(response.into_body())
        } else {
            Err(Refused::internal())
        }
    }

    async fn answer(
        &self,
        caller: Option<&Caller>,
        from: IpAddr,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response, Refused> {
        // The guard that stands in front of everything from outside would say the same.
        if caller.is_none() && !is_open(path) {
            return Err(Refused::new(StatusCode::UNAUTHORIZED, "this needs a login"));
        }
        if caller.is_some_and(|caller| caller.is_over(now_ms())) {
            return Err(Refused::new(StatusCode::UNAUTHORIZED, "this login has ended"));
        }
        let account = caller.map_or(0, |caller| caller.account);
        let router = self.rooms.borrow().get(account).cloned();
        let mut router = router.ok_or_else(Refused::internal)?;
        let bytes = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(bytes))
            .map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "this id is not valid"))?;
        request.extensions_mut().insert(Arc::new(Connection::new(from, None)));
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller.clone());
        }
        let Ok(response) = router.call(request).await;
        Ok(response)
    }
}

pub(crate) fn from_error(error: &ApiError) -> Refused {
    let problem = serde_json::to_value(error.problem()).unwrap_or_default();
    Refused {
        retry_after: error.retry_after().map(|seconds| seconds.to_string()),
        ..from_problem(problem)
    }
}

fn from_problem(problem: Value) -> Refused {
    let status = problem["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    Refused {
        status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        detail: problem["detail"].as_str().unwrap_or("it failed").to_owned(),
        code: problem["code"].as_str().unwrap_or_default().to_owned(),
        retry_after: None,
    }
}

/// One part of a path: whatever a UI calls a thing, it stays in its place.
pub(crate) fn part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ApiConfig;

    /// What a socket was opened with may have ended while its feed had not said so yet.
    #[tokio::test]
    async fn nothing_is_asked_for_a_caller_whose_token_is_over() {
        let address = "127.0.0.1:1".parse().unwrap();
        let config = ApiConfig::new(address, Zeroizing::new("cookie".into()));
        let door = Door::new(address, config, tokio_util::sync::CancellationToken::new());
        let auth = door.guard.auth().clone();
        let token = auth.open_session(0, now_ms(), now_ms() + 60_000);
        let caller = auth.accepts(&token, now_ms()).unwrap();
        let router = axum::Router::new().fallback(async || "{}");
        let (_rooms, rooms) = watch::channel(Rooms::from([router]));
        let inside = Inside::new(door, rooms);
        let from = IpAddr::from([127, 0, 0, 1]);
        let ask = async || inside.ask(Some(&caller), from, Method::GET, "/api/v1/me", None).await;
        assert_eq!(ask().await.unwrap(), serde_json::json!({}));
        auth.log_out(&caller).unwrap();
        assert_eq!(ask().await.unwrap_err().status, StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn a_part_of_a_path_leads_nowhere_else() {
        assert_eq!(part("conv_abc2"), "conv_abc2");
        assert_eq!(part("../me?x#y/ä\0"), "%2E%2E%2Fme%3Fx%23y%2F%C3%A4%00");
    }
}
