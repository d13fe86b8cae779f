//! A client that costs little: it shares the machine with the nodes it measures. HTTP/1.1 over connections that stay open, and
//! the stream of changes over HTTP/1.0, whose answers have no chunks. It knows only what this program's own node answers.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer or an event may not be longer; a page of history is the longest.
const MAX_ANSWER: usize = 4 << 20;
const READ: usize = 64 * 1024;
const TOO_MANY_REQUESTS: u16 = 429;
/// As the node's `Retry-After` says.
const PAUSE: Duration = Duration::from_secs(1);

/// Where a node's API is, and how to use it.
#[derive(Clone)]
pub(super) struct Door {
    pub api: SocketAddr,
    pub token: String,
}

/// One connection that stays open.
pub(super) struct Connection {
    stream: TcpStream,
    headers: String,
    request: Vec<u8>,
    buffer: Vec<u8>,
    taken: usize,
}

impl Connection {
    pub(super) async fn open(door: &Door) -> Result<Self> {
        let stream = TcpStream::connect(door.api).await.context("cannot connect to a node")?;
        stream.set_nodelay(true)?;
        let (api, token) = (door.api, &door.token);
        Ok(Self {
            stream,
            headers: format!("host: {api}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"),
            request: Vec::new(),
            buffer: Vec::with_capacity(READ),
            taken: 0,
        })
    }

    /// One request and the body of its answer, which must be a success. `path` is below `/api/v1/`.
    pub(super) async fn call(&mut self, method: &str, path: &str, body: &[u8]) -> Result<&[u8]> {
        let (status, answer) = self.ask(method, path, body).await?;
        ensure!(
            (200..300).contains(&status),
            "{}",
            refused(method, path, status, answer)
        );
        Ok(answer)
    }

    /// The same; waits and asks again as long as the node says that this is too fast for it.
    pub(super) async fn call_patiently(&mut self, method: &str, path: &str, body: &[u8]) -> Result<()> {
        loop {
            let (status, answer) = self.ask(method, path, body).await?;
            match status {
                200..300 => return Ok(()),
                TOO_MANY_REQUESTS => tokio::time::sleep(PAUSE).await,
                _ => bail!(refused(method, path, status, answer)),
            }
        }
    }

    /// One request, its answer's status and body.
    async fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(u16, &[u8])> {
        let head = format!("{method} /api/v1/{path} HTTP/1.1\r\n");
        self.send(&head, body).await?;
        let (status, length) = self.head().await?;
        while self.buffer.len() < self.taken + length {
            self.read().await?;
        }
        let body = self.buffer.get(self.taken..self.taken + length).unwrap_or_default();
        self.taken += length;
        Ok((status, body))
    }

    /// A call whose answer is read.
    pub(super) async fn json(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() {
            Vec::new()
        } else {
            serde_json::to_vec(body)?
        };
        Ok(serde_json::from_slice(self.call(method, path, &body).await?)?)
    }

    /// The changes behind a feed seq.
    pub(super) async fn changes(mut self, after: u64) -> Result<Changes> {
        let head = format!("GET /api/v1/events?after={after} HTTP/1.0\r\n");
        self.send(&head, b"").await?;
        let (status, _) = self.head().await?;
        ensure!(status == 200, "the node answered its stream with {status}");
        Ok(Changes { connection: self })
    }

    async fn send(&mut self, head: &str, body: &[u8]) -> Result<()> {
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(self.headers.as_bytes());
        self.request
            .extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        self.request.extend_from_slice(body);
        Ok(self.stream.write_all(&self.request).await?)
    }

    /// Reads up to the end of a head; answers the status and the body's length.
    async fn head(&mut self) -> Result<(u16, usize)> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|end| end == b"\r\n\r\n") {
                break end;
            }
            self.read().await?;
        };
        self.taken = end + 4;
        let head = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default());
        parse_head(&head).context("the node's answer is no HTTP")
    }

    async fn read(&mut self) -> Result<()> {
        ensure!(
            self.buffer.len() - self.taken.min(self.buffer.len()) < MAX_ANSWER,
            "the node's answer has no end"
        );
        self.buffer.reserve(READ);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the node closed the connection");
        }
        Ok(())
    }
}

fn refused(method: &str, path: &str, status: u16, answer: &[u8]) -> String {
    let answer = String::from_utf8_lossy(answer);
    format!("the node answered {method} {path} with {status}: {answer}")
}

fn parse_head(head: &str) -> Option<(u16, usize)> {
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let fields = lines.filter_map(|line| line.split_once(':'));
    let length = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.last().map_or(Some(0), |(_, value)| value.trim().parse().ok())?;
    Some((status, length))
}

/// A node's changes as they come.
pub(super) struct Changes {
    connection: Connection,
}

/// What is measured of a change.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Change {
    pub seq: u64,
    #[serde(rename = "type")]
    kind: String,
    pub message: Option<Message>,
    /// Of a receipt.
    pub state: Option<State>,
    /// Messages that a receipt is about.
    pub count: Option<u64>,
}

/// How far a receipt says that messages have come.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Sent,
    Delivered,
    #[serde(other)]
    Other,
}

/// A message in a change or a page.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Message {
    pub id: String,
    pub text: Option<String>,
    pub own: bool,
    pub status: String,
}

impl Change {
    /// Whether it shows a message for the first time.
    pub(super) fn is_new_message(&self) -> bool {
        self.kind == "message"
    }
}

impl Changes {
    pub(super) async fn next(&mut self) -> Result<Change> {
        loop {
            while let Some(line) = next_line(&self.connection.buffer, &mut self.connection.taken) {
                if let Some(data) = line.strip_prefix(b"data: ") {
                    return serde_json::from_slice(data).context("a change cannot be read");
                }
            }
            let connection = &mut self.connection;
            connection.buffer.drain(..connection.taken);
            connection.taken = 0;
            connection.read().await?;
        }
    }
}

/// The next whole line behind `taken`, which moves past it.
fn next_line<'a>(buffer: &'a [u8], taken: &mut usize) -> Option<&'a [u8]> {
    let rest = buffer.get(*taken..)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    *taken += end + 1;
    rest.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_a_status_and_a_length() {
        assert_eq!(
            parse_head("HTTP/1.1 201 Created\r\nContent-Length: 12\r\nx: y"),
            Some((201, 12))
        );
        assert_eq!(
            parse_head("HTTP/1.0 200 OK\r\ncontent-type: text/event-stream"),
            Some((200, 0))
        );
        assert_eq!(parse_head("HTTP/1.1 200 OK\r\ncontent-length: many"), None);
        assert_eq!(parse_head("nonsense"), None);
    }

    #[test]
    fn lines_come_out_whole() {
        let buffer = b"id: 7\ndata: {}\n\nid";
        let mut taken = 0;
        let mut lines = Vec::new();
        while let Some(line) = next_line(buffer, &mut taken) {
            lines.push(line);
        }
        assert_eq!(lines, [&b"id: 7"[..], b"data: {}", b""]);
        assert_eq!(buffer.get(taken..), Some(&b"id"[..]));
    }

    #[test]
    fn changes_of_all_kinds_are_read() {
        let read = |json: &str| serde_json::from_str::<Change>(json).unwrap();
        let receipt = read(r#"{"seq":7,"type":"receipt","state":"delivered","count":300,"message_ids":[]}"#);
        assert!(!receipt.is_new_message());
        assert_eq!((receipt.state, receipt.count), (Some(State::Delivered), Some(300)));
        let message = read(r#"{"seq":8,"type":"message","message":{"id":"e","text":"hi","own":true,"status":"sent"}}"#);
        assert!(message.is_new_message());
        assert_eq!(message.message.unwrap().text.as_deref(), Some("hi"));
        assert_eq!(
            read(r#"{"seq":9,"type":"contact","contact":{"state":"accepted"}}"#).message,
            None
        );
    }
}
