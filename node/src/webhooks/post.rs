//! Sends a delivery: one request with one answer, bounded in time and size. No redirect is followed, and no proxy asked.

use std::io;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{HOST, USER_AGENT};
use axum::http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::delivery::Signed;
use super::retry_after::asked_for;
use super::{AGENT, Target, tls_of_this_machine};
use crate::api::Door;
use crate::runner::now_ms;

/// From the look for the address to the end of the answer.
const TIME: Duration = Duration::from_secs(10);
/// Bytes of an answer's head, and of its body: what it says is of no interest.
const MAX_HEAD: usize = 16 * 1024;
const MAX_BODY: usize = 64 * 1024;

/// Why a delivery was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("the name of the server was not found")]
    NoAddress,
    #[error("the name leads to an address that is not of this machine")]
    Elsewhere,
    #[error("the server could not be reached: {}", .0.kind())]
    Connect(io::Error),
    #[error("no TLS with the server: {0}")]
    Tls(String),
    #[error("the server ended the connection without an answer")]
    Cut,
    #[error("the server did not answer within {} s", TIME.as_secs())]
    Late,
    #[error("the server answered {0}; redirects are not followed")]
    Redirect(u16),
    #[error("the server answered {status}")]
    Refused {
        status: u16,
        /// How long it asks to be left alone.
        wait: Option<Duration>,
    },
}

impl PostError {
    /// How long the server asks to be left alone.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Refused { wait, .. } => *wait,
            _ => None,
        }
    }
}

/// What an answer says.
struct Answered {
    status: u16,
    wait: Option<Duration>,
}

/// The way to one server, kept open between deliveries.
pub(super) struct Line {
    door: Door,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Line {
    pub(super) fn new(door: &Door) -> Self {
        Self {
            door: door.clone(),
            open: None,
        }
    }

    /// Sends a delivery; it is taken when the answer says so (2xx).
    pub(super) async fn post(&mut self, target: &Target, signed: &Signed) -> Result<(), PostError> {
        let sent = tokio::time::timeout(TIME, self.exchange(target, signed)).await;
        let sent = sent.unwrap_or(Err(PostError::Late)).inspect_err(|_| self.open = None);
        let Answered { status, wait } = sent?;
        match status {
            200..=299 => Ok(()),
            300..=399 => Err(PostError::Redirect(status)),
            _ => Err(PostError::Refused { status, wait }),
        }
    }

    async fn exchange(&mut self, target: &Target, signed: &Signed) -> Result<Answered, PostError> {
        // A server may have closed what was kept: that is no failure of its own.
        if let Some(mut kept) = self.open.take()
            && kept.ready().await.is_ok()
            && let Ok(answer) = kept.send_request(request(target, signed)).await
        {
            return Ok(self.finish(kept, answer).await);
        }
        let mut line = self.connect(target).await?;
        let answer = line.send_request(request(target, signed)).await;
        Ok(self.finish(line, answer.map_err(|_| PostError::Cut)?).await)
    }

    /// Keeps the connection if the answer ends soon enough.
    async fn finish(&mut self, line: SendRequest<Full<Bytes>>, answer: Response<Incoming>) -> Answered {
        let (head, body) = answer.into_parts();
        let is_read = Limited::new(body, MAX_BODY).collect().await.is_ok();
        self.open = is_read.then_some(line);
        Answered {
            status: head.status.as_u16(),
            wait: asked_for(head.status, &head.headers, now_ms()),
        }
    }

    async fn connect(&self, target: &Target) -> Result<SendRequest<Full<Bytes>>, PostError> {
        let stream = reach(target).await?;
        let _ = stream.set_nodelay(true);
        if !target.tls {
            return self.greet(stream).await;
        }
        let config = tls_of_this_machine()
            .await
            .map_err(|error| PostError::Tls(error.to_string()))?;
        let name = ServerName::try_from(target.host.clone()).map_err(|error| PostError::Tls(error.to_string()))?;
        let stream = TlsConnector::from(config).connect(name, stream).await;
        self.greet(stream.map_err(|error| PostError::Tls(error.to_string()))?)
            .await
    }

    async fn greet(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<SendRequest<Full<Bytes>>, PostError> {
        let made = Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await;
        let (line, connection) = made.map_err(|_| PostError::Cut)?;
        let stop = self.door.stop.clone();
        // It ends with the line.
        self.door.tasks.spawn(async move {
            tokio::select! {
                _ = connection => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(line)
    }
}

/// A connection to the first address of the target that takes one.
async fn reach(target: &Target) -> Result<TcpStream, PostError> {
    let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
    let found = found.map_err(|_| PostError::NoAddress)?;
    let mut last = PostError::NoAddress;
    for address in found {
        if !target.may_reach(&address) {
            last = PostError::Elsewhere;
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = PostError::Connect(error),
        }
    }
    Err(last)
}

fn request(target: &Target, signed: &Signed) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(signed.body.clone()));
    *request.method_mut() = axum::http::Method::POST;
    // Both were parts of an address that was read.
    *request.uri_mut() = target.path.parse().unwrap_or_default();
    let host = HeaderValue::from_str(&target.authority).unwrap_or(HeaderValue::from_static(""));
    let headers = request.headers_mut();
    headers.extend([(HOST, host), (USER_AGENT, HeaderValue::from_static(AGENT))]);
    headers.extend(signed.headers.iter().cloned());
    request
}
