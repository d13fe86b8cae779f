//! The family's web UI behind the gateway's own address: files of a folder, or another server of this machine to which
//! everything is passed on that is not the API. Many UIs ask relative to where they came from.

mod files;
mod proxy;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use super::inside::Refused;
use crate::api::Door;
use proxy::Proxy;

/// Where a UI comes from: `DIR`, or `http://127.0.0.1:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ui {
    /// Files of this folder; paths that are no files are the UI's own, and get its `index.html`.
    Folder(PathBuf),
    /// Whatever is served there, `HOST:PORT` of this machine.
    Server(String),
}

/// Why a text names no UI.
#[derive(Debug, thiserror::Error)]
pub enum UiError {
    /// There is no such folder with an `index.html`.
    #[error("there is no index.html in {0:?}")]
    NoFolder(PathBuf),
    /// Another machine, or more than an address.
    #[error("{0:?} is no server of this machine: http://127.0.0.1:PORT, http://localhost:PORT or http://[::1]:PORT")]
    BadServer(String),
}

impl FromStr for Ui {
    type Err = UiError;

    fn from_str(text: &str) -> Result<Self, UiError> {
        if let Some(server) = text.strip_prefix("http://") {
            let server = server.strip_suffix('/').unwrap_or(server);
            let port = ["127.0.0.1:", "localhost:", "[::1]:"]
                .iter()
                .find_map(|host| server.strip_prefix(host));
            let port = port.and_then(|port| port.parse::<u16>().ok()).filter(|port| *port != 0);
            return match port {
                Some(_) => Ok(Self::Server(server.to_owned())),
                None => Err(UiError::BadServer(text.to_owned())),
            };
        }
        if text.contains("://") {
            return Err(UiError::BadServer(text.to_owned()));
        }
        let folder = PathBuf::from(text);
        let found = folder.canonicalize().ok();
        let found = found.filter(|folder| folder.join("index.html").is_file());
        found.map(Self::Folder).ok_or(UiError::NoFolder(folder))
    }
}

impl fmt::Display for Ui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Server(server) => write!(f, "http://{server}"),
        }
    }
}

/// What answers for the UI.
#[derive(Clone)]
enum Source {
    Folder(Arc<std::path::Path>),
    Server(Proxy),
}

/// Puts the UI behind everything that the family's calls and sockets leave over.
pub(super) fn with_ui(calls: Router, ui: Option<&Ui>, door: &Door) -> Router {
    let source = match ui {
        None => {
            let nothing = async || Refused::new(StatusCode::NOT_FOUND, "there is nothing at this path");
            return calls.fallback(nothing);
        }
        Some(Ui::Folder(folder)) => Source::Folder(folder.as_path().into()),
        Some(Ui::Server(server)) => Source::Server(Proxy::new(server, door)),
    };
    let answer = async |State(source): State<Source>, request: Request| serve(&source, request).await;
    let rest = Router::new().fallback(answer).with_state(source.clone());
    calls
        .fallback_service(rest)
        .layer(from_fn_with_state(source, pages_first))
}

/// Whoever goes to an address with a browser wants the page, also where the family has a call of that name.
async fn pages_first(State(source): State<Source>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let dest = headers.get("sec-fetch-dest").map(HeaderValue::as_bytes);
    let accepts = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_page = *request.method() == Method::GET
        && !headers.contains_key(AUTHORIZATION)
        && accepts.contains("text/html")
        && dest.is_none_or(|dest| dest == b"document");
    match is_page {
        true => serve(&source, request).await,
        false => next.run(request).await,
    }
}

async fn serve(source: &Source, request: Request) -> Response {
    let answer = match source {
        Source::Folder(folder) => files::serve(folder, &request.method().clone(), request.uri().path()).await,
        Source::Server(proxy) => proxy.pass_on(request).await,
    };
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    // What a UI says itself stands. Without it the answer would be as tight as one of the API, and no page would run.
    let policy = HeaderValue::from_static("frame-ancestors 'none'; object-src 'none'; base-uri 'self'");
    response.headers_mut().entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    response
}

/// Headers that are for one connection and not for who is behind it.
const OF_CONNECTIONS: [HeaderName; 8] = [
    HeaderName::from_static("connection"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("te"),
    HeaderName::from_static("trailer"),
    HeaderName::from_static("transfer-encoding"),
    HeaderName::from_static("upgrade"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ui_is_a_folder_with_a_page_or_a_server_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().to_str().unwrap();
        assert!(matches!(text.parse::<Ui>(), Err(UiError::NoFolder(_))));
        std::fs::write(folder.path().join("index.html"), "x").unwrap();
        assert!(matches!(text.parse::<Ui>(), Ok(Ui::Folder(_))));
        let server = "http://localhost:5173/".parse::<Ui>().unwrap();
        assert_eq!(server, Ui::Server("localhost:5173".into()));
        for wrong in [
            "http://example.org:80",
            "http://127.0.0.1",
            "http://127.0.0.1:0",
            "http://127.0.0.1:80/path",
            "http://127.0.0.1:80@evil.example:80",
            "https://127.0.0.1:443",
            "http://",
        ] {
            assert!(matches!(wrong.parse::<Ui>(), Err(UiError::BadServer(_))), "{wrong}");
        }
    }
}
