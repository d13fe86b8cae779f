//! Passes requests on to a server of this machine, WebSockets and other upgrades included. It is shown no login.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONNECTION, COOKIE, HOST, ORIGIN, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::cookie::is_of_gateway;
use super::super::inside::Refused;
use super::OF_CONNECTIONS;
use crate::api::Door;

/// Time to get through to the server, and for the head of its answer.
const CONNECT_TIME: Duration = Duration::from_secs(5);
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Bytes of the head of an answer.
const MAX_HEAD: usize = 64 * 1024;

/// The way to the server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Proxy {
    server: Arc<str>,
    door: Door,
    /// Requests and upgraded connections at once.
    places: Arc<Semaphore>,
}

fn unavailable() -> Refused {
    Refused::new(
        StatusCode::BAD_GATEWAY,
        "the server of the user interface does not answer; is it running?",
    )
}

impl Proxy {
    pub(super) fn new(server: &str, door: &Door) -> Self {
        Self {
            server: server.into(),
            door: door.clone(),
            places: Arc::new(Semaphore::new(door.limits.connections)),
        }
    }

    /// The server's answer to a request.
    pub(super) async fn pass_on(&self, mut request: Request) -> Result<Response, Refused> {
        let full = || Refused::new(StatusCode::SERVICE_UNAVAILABLE, "too many connections are open").after(1);
        let place = self.places.clone().try_acquire_owned().map_err(|_| full())?;
        let connecting = TcpStream::connect(&*self.server);
        let Ok(Ok(stream)) = tokio::time::timeout(CONNECT_TIME, connecting).await else {
            return Err(unavailable());
        };
        let _ = stream.set_nodelay(true);
        let made = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake::<_, Body>(TokioIo::new(stream))
            .await;
        let (mut sender, connection) = made.map_err(|_| unavailable())?;
        let stop = self.door.stop.clone();
        self.door.tasks.spawn(async move {
            tokio::select! {
                _ = connection.with_upgrades() => {}
                () = stop.cancelled() => {}
            }
        });
        let upgrade = upgrade_of(request.headers());
        let client = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        let sending = sender.send_request(self.addressed(request, upgrade.as_ref())?);
        let Ok(Ok(mut answer)) = tokio::time::timeout(ANSWER_TIME, sending).await else {
            return Err(unavailable());
        };
        let kind = upgrade_of(answer.headers());
        clean_answer(answer.headers_mut());
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let (Some(client), Some(kind)) = (client, kind) else {
                return Err(unavailable());
            };
            let server = hyper::upgrade::on(&mut answer);
            self.join(client, server, place);
            let connection = HeaderValue::from_static("upgrade");
            answer.headers_mut().extend([(CONNECTION, connection), (UPGRADE, kind)]);
            return Ok(answer.map(|_| Body::empty()));
        }
        Ok(answer.map(move |body| {
            // The place is held until the last byte is passed on.
            Body::new(body.map_frame(move |frame| {
                let _place = &place;
                frame
            }))
        }))
    }

    /// The request as the server gets it.
    fn addressed(&self, request: Request, upgrade: Option<&HeaderValue>) -> Result<Request, Refused> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = path
            .parse()
            .map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "this path is not valid"))?;
        parts.extensions.clear();
        let headers = &mut parts.headers;
        for name in OF_CONNECTIONS {
            headers.remove(name);
        }
        headers.remove(AUTHORIZATION);
        hide_cookies(headers);
        let value = |text: String| HeaderValue::from_str(&text).map_err(|_| unavailable());
        headers.insert(HOST, value(self.server.to_string())?);
        if headers.contains_key(ORIGIN) {
            headers.insert(ORIGIN, value(format!("http://{}", self.server))?);
        }
        if let Some(kind) = upgrade {
            let connection = HeaderValue::from_static("upgrade");
            headers.extend([(CONNECTION, connection), (UPGRADE, kind.clone())]);
        }
        Ok(Request::from_parts(parts, body))
    }

    /// Lets both sides of an upgraded connection talk, until one of them or the node ends it.
    fn join(&self, client: hyper::upgrade::OnUpgrade, server: hyper::upgrade::OnUpgrade, place: OwnedSemaphorePermit) {
        let stop = self.door.stop.clone();
        self.door.tasks.spawn(async move {
            let _place = place;
            let talk = async {
                let (Ok(client), Ok(server)) = (client.await, server.await) else {
                    return;
                };
                let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                // Whoever went away is told to neither side but by the end.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            };
            tokio::select! {
                () = talk => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// What a connection is to become.
fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let connection = headers.get(CONNECTION)?.to_str().ok()?;
    let mut words = connection.split(',').map(str::trim);
    let upgrades = words.any(|word| word.eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| upgrades).cloned()
}

/// Takes the cookies of logins out.
fn hide_cookies(headers: &mut HeaderMap) {
    let cookies = headers.get_all(COOKIE).into_iter();
    let texts: Vec<_> = cookies.filter_map(|value| value.to_str().ok()).collect();
    let pairs = texts.iter().flat_map(|text| text.split(';')).map(str::trim);
    let kept: Vec<_> = pairs.filter(|pair| !is_of_gateway(pair.as_bytes())).collect();
    let kept = HeaderValue::from_str(&kept.join("; ")).ok();
    headers.remove(COOKIE);
    headers.extend(kept.filter(|kept| !kept.is_empty()).map(|kept| (COOKIE, kept)));
}

/// Which origins may read an answer says the gateway, and cookies of its name are its own.
fn clean_answer(headers: &mut HeaderMap) {
    for name in OF_CONNECTIONS {
        headers.remove(name);
    }
    let cors: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    for name in cors {
        headers.remove(name);
    }
    let cookies = headers.get_all(axum::http::header::SET_COOKIE).into_iter();
    let kept: Vec<_> = cookies
        .filter(|cookie| !is_of_gateway(cookie.as_bytes().trim_ascii_start()))
        .cloned()
        .collect();
    headers.remove(axum::http::header::SET_COOKIE);
    for cookie in kept {
        headers.append(axum::http::header::SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_shown_no_login_and_decides_nothing_for_the_gateway() {
        let mut headers = HeaderMap::new();
        headers.append(
            COOKIE,
            "a=1; refreshToken_3000=secret; b=2; chatterboxSession_9002=secret"
                .parse()
                .unwrap(),
        );
        headers.append(COOKIE, "refreshToken_3000=secret".parse().unwrap());
        hide_cookies(&mut headers);
        assert_eq!(headers.get(COOKIE).unwrap(), "a=1; b=2");
        headers.clear();
        headers.append(COOKIE, "refreshToken_3000=secret".parse().unwrap());
        hide_cookies(&mut headers);
        assert!(!headers.contains_key(COOKIE));

        let mut answer = HeaderMap::new();
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-credentials", "true"),
            ("set-cookie", "refreshToken_3000=theirs"),
            ("set-cookie", " chatterboxSession_9002=theirs"),
            ("set-cookie", "theme=dark"),
            ("transfer-encoding", "chunked"),
            ("content-type", "text/html"),
        ] {
            answer.append(name, value.parse().unwrap());
        }
        clean_answer(&mut answer);
        let left: Vec<_> = answer
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left.contains(&("set-cookie", "theme=dark")) && left.contains(&("content-type", "text/html")));
    }

    #[test]
    fn an_upgrade_is_asked_for_by_two_headers() {
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, "websocket".parse().unwrap());
        assert!(upgrade_of(&headers).is_none());
        headers.insert(CONNECTION, "keep-alive, Upgrade".parse().unwrap());
        assert_eq!(upgrade_of(&headers).unwrap(), "websocket");
    }
}
