//! Who may ask: one check in front of everything. It looks at the request's line and headers only.
//!
//! A page in a browser can send requests here, by name or address, rebinding names at will. So the `Host` must be ours, an
//! `Origin` must be ours, and the token travels in a header that no browser adds on its own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use tokio::time::Instant;

use super::auth::{Auth, Caller, Program};
use super::connection::Connection;
use super::error::ApiError;
use super::limits::ApiLimits;
use super::operations;
use super::rate::{Buckets, client};
use super::tls::authority_of;
use super::web;
use crate::runner::now_ms;

/// Takes a picture instead of JSON, and so does a room's.
const AVATAR: &str = "/api/v1/me/avatar";
const ROOMS: &str = "/api/v1/rooms/";
const OF_ROOM: &str = "/avatar";
/// Where gateways show pictures by addresses that nobody guesses, below a name that no file of a UI has.
pub(crate) const PICTURES: &str = "/.avatars/";
/// Takes its token in the first frame.
pub(crate) const SOCKET: &str = "/api/v1/ws";

/// What a guard stands in front of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Api,
    /// A gateway, whose family says what a token looks like and where it is needed; whether pages of origins that are let in
    /// may read what it answers.
    Gateway {
        shares: bool,
    },
}

/// The checks before routing.
pub(crate) struct Guard {
    before: Before,
    /// `http`, or `https` at a door to the network.
    scheme: &'static str,
    hosts: Vec<String>,
    origins: Vec<String>,
    /// Those of them that somebody named.
    named: Vec<String>,
    auth: Arc<Auth>,
    body_bytes: usize,
    anonymous: Buckets<IpAddr>,
    cookie: Buckets<usize>,
    paired: Buckets<u64>,
}

impl Guard {
    pub(crate) fn new(
        listen: SocketAddr,
        hosts: &[String],
        origins: &[String],
        auth: Arc<Auth>,
        limits: &ApiLimits,
    ) -> Self {
        let port = listen.port();
        let mut own = vec![
            format!("127.0.0.1:{port}"),
            format!("localhost:{port}"),
            format!("[::1]:{port}"),
        ];
        if !listen.ip().is_unspecified() {
            own.push(listen.to_string());
        }
        own.extend(hosts.iter().map(|host| host.to_ascii_lowercase()));
        let named = origins.to_vec();
        let origins = own
            .iter()
            .map(|host| format!("http://{host}"))
            .chain(origins.iter().cloned())
            .collect();
        Self {
            before: Before::Api,
            scheme: "http",
            hosts: own,
            origins,
            named,
            auth,
            body_bytes: limits.body_bytes,
            anonymous: Buckets::new(limits.anonymous),
            cookie: Buckets::new(limits.cookie),
            paired: Buckets::new(limits.paired),
        }
    }

    /// The same in front of a gateway at this address, which shares what it answers with pages of these origins or with its own alone.
    pub(crate) fn gateway(&self, listen: SocketAddr, origins: &[String], shares: bool, limits: &ApiLimits) -> Self {
        Self {
            before: Before::Gateway { shares },
            ..Self::new(listen, &[], origins, self.auth.clone(), limits)
        }
    }

    /// The same in front of a door to the network, which may be called by these and by the address a request came to.
    pub(crate) fn lan(&self, hosts: Vec<String>, limits: &ApiLimits) -> Self {
        Self {
            before: Before::Api,
            scheme: "https",
            origins: hosts.iter().map(|host| format!("https://{host}")).collect(),
            hosts,
            // Pages that somebody named are of this machine.
            named: Vec::new(),
            auth: self.auth.clone(),
            body_bytes: limits.body_bytes,
            anonymous: Buckets::new(limits.anonymous),
            cookie: Buckets::new(limits.cookie),
            paired: Buckets::new(limits.paired),
        }
    }

    pub(crate) fn is_gateway(&self) -> bool {
        self.before != Before::Api
    }

    /// Whether a page of this origin, which was let in, may read the answers, too.
    pub(crate) fn shares_with(&self, origin: Option<&HeaderValue>) -> bool {
        match self.before {
            Before::Api => self.is_named(origin),
            Before::Gateway { shares } => shares,
        }
    }

    fn is_named(&self, origin: Option<&HeaderValue>) -> bool {
        origin.is_some_and(|origin| self.named.iter().any(|named| named.as_bytes() == origin.as_bytes()))
    }

    /// Whether the request may go on to the router, and whose token it has shown where one is required.
    pub(crate) fn check<B>(
        &self,
        request: &Request<B>,
        connection: &Connection,
        now: Instant,
    ) -> Result<Option<Caller>, ApiError> {
        let from = connection.from;
        // No name leads here: whoever gives the very address a connection came to can only mean this door.
        let here = connection.to.map(authority_of);
        self.check_target(request, here.as_deref())?;
        self.check_host(request, here.as_deref())?;
        self.check_origin(request, here.as_deref())?;
        if self.is_gateway() {
            self.check_length(request.headers())?;
            return Ok(None);
        }
        let path = request.uri().path();
        let headers = request.headers();
        let asks_first =
            *request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if asks_first && self.is_named(headers.get(header::ORIGIN)) {
            // A browser asks without a token, and does nothing by it.
            return Ok(None);
        }
        let mut caller = None;
        if path != SOCKET && !web::is_file(path) && !operations::is_open(path) {
            caller = Some(self.check_token(request.headers(), from, now)?);
        }
        self.check_body(request.method(), path, request.headers())?;
        Ok(caller)
    }

    /// Whose token a WebSocket's first frame carried. A wrong one counts against the client.
    pub(crate) fn admit_socket(&self, token: Option<&str>, from: IpAddr, now: Instant) -> Option<Caller> {
        let caller = token.and_then(|token| self.auth.accepts(token, now_ms()));
        if caller.is_none() {
            // Over the limit or not, the socket is closed.
            let _ = self.anonymous.take(client(from), now);
        }
        caller
    }

    /// Whether this caller may send one more command.
    pub(crate) fn admit_command(&self, caller: &Caller, now: Instant) -> Result<(), ApiError> {
        // What was opened by a token may live a moment longer than the token.
        if caller.is_over(now_ms()) {
            return Err(ApiError::unauthorized("the token is not valid any more"));
        }
        let taken = match caller.program {
            Program::CommandLine => self.cookie.take(caller.account, now),
            Program::Page | Program::Token | Program::Login => self.paired.take(caller.number, now),
        };
        taken.map_err(ApiError::too_many)
    }

    /// Counts that a client tries a secret without a token; who failed too often may not.
    pub(crate) fn try_once(&self, from: IpAddr, now: Instant) -> Result<(), ApiError> {
        self.anonymous.take(client(from), now).map_err(ApiError::too_many)
    }

    /// What was counted was right, or was not looked at.
    pub(crate) fn was_no_failure(&self, from: IpAddr) {
        self.anonymous.give_back(client(from));
    }

    /// The tokens it lets in.
    pub(crate) fn auth(&self) -> &Arc<Auth> {
        &self.auth
    }

    fn check_target<B>(&self, request: &Request<B>, here: Option<&str>) -> Result<(), ApiError> {
        let uri = request.uri();
        if request.version() < Version::HTTP_10 || !uri.path().starts_with('/') {
            return Err(ApiError::bad_request("bad_target", "the request target must be a path"));
        }
        let Some(authority) = uri.authority() else {
            return Ok(());
        };
        if uri.scheme_str() != Some(self.scheme) || !self.is_own_host(authority.as_str(), here) {
            return Err(ApiError::forbidden(
                "host_not_allowed",
                "the request target names a host this node does not answer for",
            ));
        }
        Ok(())
    }

    fn check_host<B>(&self, request: &Request<B>, here: Option<&str>) -> Result<(), ApiError> {
        let host = single(request.headers(), header::HOST)?;
        let host = host.ok_or_else(|| ApiError::bad_request("no_host", "the request has no Host header"))?;
        let host = host.to_str().unwrap_or_default();
        if !self.is_own_host(host, here) {
            return Err(ApiError::forbidden(
                "host_not_allowed",
                "the Host header names a host this node does not answer for",
            ));
        }
        match request.uri().authority() {
            Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => Err(ApiError::bad_request(
                "bad_target",
                "the request target and the Host header differ",
            )),
            _ => Ok(()),
        }
    }

    fn is_own_host(&self, host: &str, here: Option<&str>) -> bool {
        let mut own = self.hosts.iter().map(String::as_str).chain(here);
        own.any(|own| own.eq_ignore_ascii_case(host))
    }

    fn check_origin<B>(&self, request: &Request<B>, here: Option<&str>) -> Result<(), ApiError> {
        let headers = request.headers();
        let origin = single(headers, header::ORIGIN)?;
        let is_here = |origin: &HeaderValue| {
            let rest = origin.as_bytes().strip_prefix(b"https://");
            here.is_some() && rest == here.map(str::as_bytes)
        };
        if let Some(origin) = origin
            && !self.origins.iter().any(|own| own.as_bytes() == origin.as_bytes())
            && !is_here(origin)
        {
            return Err(ApiError::forbidden(
                "origin_not_allowed",
                "pages of this origin may not use this node",
            ));
        }
        let site = single(headers, HeaderName::from_static("sec-fetch-site"))?.map(HeaderValue::as_bytes);
        match (site, origin) {
            (None | Some(b"same-origin" | b"none"), _) | (Some(b"same-site"), Some(_)) => Ok(()),
            // An `<img>` says where it stands and not in whose page, and no cookie counts there.
            (Some(_), None) if self.shows_picture(request) => Ok(()),
            // Gateways read cookies, which other sites' pages would bring along.
            (Some(_), Some(_)) if !self.is_gateway() && self.is_named(origin) => Ok(()),
            _ => Err(ApiError::forbidden(
                "cross_site",
                "pages of other sites may not use this node",
            )),
        }
    }

    /// Whether a picture is asked for that pages of other origins may show.
    fn shows_picture<B>(&self, request: &Request<B>) -> bool {
        let reads = *request.method() == Method::GET || *request.method() == Method::HEAD;
        self.before == Before::Gateway { shares: true } && reads && request.uri().path().starts_with(PICTURES)
    }

    /// Whose token the headers carry, and whether they may ask again so soon.
    pub(crate) fn check_token(&self, headers: &HeaderMap, from: IpAddr, now: Instant) -> Result<Caller, ApiError> {
        self.counted(self.auth.check(headers, now_ms()), from, now)
    }

    /// The same for a token that a gateway's cookie holds.
    pub(crate) fn check_cookie(&self, token: Option<&str>, from: IpAddr, now: Instant) -> Result<Caller, ApiError> {
        let found = token.and_then(|token| self.auth.accepts(token, now_ms()));
        let found = found.ok_or_else(|| ApiError::unauthorized("this needs a login"));
        self.counted(found, from, now)
    }

    /// A wrong token counts against the client, and a right one counts as a command.
    fn counted(&self, found: Result<Caller, ApiError>, from: IpAddr, now: Instant) -> Result<Caller, ApiError> {
        match found {
            Ok(caller) => {
                self.admit_command(&caller, now)?;
                Ok(caller)
            }
            Err(refused) => {
                self.anonymous.take(client(from), now).map_err(ApiError::too_many)?;
                Err(refused)
            }
        }
    }

    /// Bodies have a known length, and a bounded one.
    fn check_length(&self, headers: &HeaderMap) -> Result<u64, ApiError> {
        if headers.contains_key(header::TRANSFER_ENCODING) {
            let detail = "a request body needs a Content-Length; transfer codings are not taken";
            return Err(ApiError::new(StatusCode::LENGTH_REQUIRED, "length_required", detail));
        }
        let length =
            single(headers, header::CONTENT_LENGTH)?.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let length = length.unwrap_or(0);
        if length > u64::try_from(self.body_bytes).unwrap_or(u64::MAX) {
            return Err(ApiError::too_large(self.body_bytes));
        }
        Ok(length)
    }

    /// Bodies are JSON; a picture says that it is one.
    fn check_body(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
        let length = self.check_length(headers)?;
        let writes = *method == Method::POST || *method == Method::PUT || *method == Method::PATCH;
        if takes_picture(path) && *method == Method::PUT {
            if is_image(headers)? {
                return Ok(());
            }
            let detail =
                "a picture needs the header \"Content-Type\" with image/png, image/jpeg, image/gif or image/webp";
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_an_image",
                detail,
            ));
        }
        if (writes || (*method == Method::DELETE && length > 0)) && !is_json(headers)? {
            let detail = "a request that writes needs the header \"Content-Type: application/json\"";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail));
        }
        Ok(())
    }
}

/// The value of a header that may come at most once.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, ApiError> {
    let mut values = headers.get_all(&name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(ApiError::bad_request(
            "duplicate_header",
            format!("the request has more than one {name} header"),
        ));
    }
    Ok(first)
}

/// Whether what is put there is a picture.
fn takes_picture(path: &str) -> bool {
    let of_room = path
        .strip_prefix(ROOMS)
        .and_then(|rest| rest.strip_suffix(OF_ROOM))
        .is_some_and(|room| !room.is_empty() && !room.contains('/'));
    path == AVATAR || of_room
}

/// None of these is a type that a browser's form could send.
fn is_image(headers: &HeaderMap) -> Result<bool, ApiError> {
    let kind = single(headers, header::CONTENT_TYPE)?.and_then(|value| value.to_str().ok());
    let known = ["image/png", "image/jpeg", "image/gif", "image/webp"];
    let is_known = kind.is_some_and(|kind| known.iter().any(|known| kind.trim().eq_ignore_ascii_case(known)));
    Ok(is_known && !headers.contains_key(header::CONTENT_ENCODING))
}

/// Whether the headers say that the body is JSON, as no browser's form does.
pub(crate) fn is_json(headers: &HeaderMap) -> Result<bool, ApiError> {
    let Some(value) = single(headers, header::CONTENT_TYPE)?.and_then(|value| value.to_str().ok()) else {
        return Ok(false);
    };
    let mut parts = value.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let plain = parts.all(|parameter| parameter.eq_ignore_ascii_case("charset=utf-8"));
    Ok(is_json && plain && !headers.contains_key(header::CONTENT_ENCODING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_holds_a_token_that_is_over_may_not_go_on() {
        let limits = ApiLimits::default();
        let auth = Arc::new(Auth::of("cookie"));
        let guard = Guard::new("127.0.0.1:1".parse().unwrap(), &[], &[], auth, &limits);
        let until = now_ms() + 60_000;
        let token = guard.auth().open_session(0, now_ms(), until);
        let caller = guard.auth().accepts(&token, now_ms()).unwrap();
        assert!(guard.admit_command(&caller, Instant::now()).is_ok());
        guard.auth().log_out(&caller).unwrap();
        let refused = guard.admit_command(&caller, Instant::now()).unwrap_err();
        assert_eq!(refused.problem().status(), 401);
    }
}
