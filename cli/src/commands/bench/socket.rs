//! A WebSocket that costs its client little: it knows only what this program's own node says, and reads of an event no more than
//! its number and its kind.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::http::Door;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The head of a frame with the longest length.
const HEAD: usize = 10;
/// An event may not be longer.
const MAX_FRAME: usize = 4 << 20;
const READ: usize = 16 * 1024;

/// A socket that the node has let in.
pub(super) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    taken: usize,
}

/// What a frame says.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// A change of the feed, and whether it shows a message for the first time.
    Event {
        seq: u64,
        is_message: bool,
    },
    /// The reader is far behind.
    Lagged,
    Other,
}

impl Socket {
    /// Comes in. `window` is how many bytes the system keeps for it, if not as many as usual.
    pub(super) async fn open(door: &Door, window: Option<u32>) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = window {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(door.api).await.context("cannot connect to a node")?;
        stream.set_nodelay(true)?;
        let mut socket = Self {
            stream,
            buffer: Vec::new(),
            taken: 0,
        };
        let upgrade = format!(
            "GET /api/v1/ws HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            door.api
        );
        socket.stream.write_all(upgrade.as_bytes()).await?;
        socket.upgraded().await?;
        socket.say(&json!({ "type": "auth", "token": door.token })).await?;
        let ready: Value = serde_json::from_slice(socket.next().await?)?;
        ensure!(ready["type"] == "ready", "the node did not let a socket in: {ready}");
        Ok(socket)
    }

    /// Asks for what comes after `cursor`.
    pub(super) async fn subscribe(&mut self, cursor: u64) -> Result<()> {
        let wish = json!({ "type": "subscribe", "id": 1, "after": cursor });
        self.say(&wish).await?;
        let reply: Value = serde_json::from_slice(self.next().await?)?;
        ensure!(
            reply["ok"]["after"] == cursor,
            "the node did not take a subscription: {reply}"
        );
        Ok(())
    }

    /// Waits for what is said next.
    pub(super) async fn hear(&mut self) -> Result<Heard> {
        Ok(heard(self.next().await?))
    }

    async fn upgraded(&mut self) -> Result<()> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|end| end == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let head = self.buffer.get(..end).unwrap_or_default();
        ensure!(
            head.starts_with(b"HTTP/1.1 101 "),
            "the node refused a WebSocket: {}",
            String::from_utf8_lossy(head)
        );
        self.taken = end;
        Ok(())
    }

    async fn say(&mut self, value: &Value) -> Result<()> {
        self.write(TEXT, &serde_json::to_vec(value)?).await
    }

    async fn write(&mut self, kind: u8, data: &[u8]) -> Result<()> {
        let mut frame = vec![0x80 | kind];
        match u8::try_from(data.len()) {
            Ok(length @ 0..126) => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(data.len())?.to_be_bytes());
            }
        }
        // A mask of zeros leaves the data as it is.
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(data);
        Ok(self.stream.write_all(&frame).await?)
    }

    /// The next text.
    async fn next(&mut self) -> Result<&[u8]> {
        let (from, to) = loop {
            let rest = self.buffer.get(self.taken..).unwrap_or_default();
            let Some((kind, head, length)) = frame_head(rest) else {
                self.read().await?;
                continue;
            };
            ensure!(length <= MAX_FRAME, "the node's frame has no end");
            let (from, to) = (self.taken + head, self.taken + head + length);
            if self.buffer.len() < to {
                self.read().await?;
                continue;
            }
            self.taken = to;
            match kind {
                TEXT => break (from, to),
                PING => self.write(PONG, &[]).await?,
                CLOSE => bail!(
                    "the node closed a socket: {}",
                    String::from_utf8_lossy(self.buffer.get(from..to).unwrap_or_default())
                ),
                _ => {}
            }
        };
        Ok(self.buffer.get(from..to).unwrap_or_default())
    }

    async fn read(&mut self) -> Result<()> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.reserve(READ);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the node closed a socket without a word");
        }
        Ok(())
    }
}

/// Kind, bytes of the head and of the payload, once the head is there. A node masks nothing.
fn frame_head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (kind, short) = (*bytes.first()? & 0x0f, *bytes.get(1)? & 0x7f);
    let (head, length) = match short {
        126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (HEAD, u64::from_be_bytes(bytes.get(2..HEAD)?.try_into().ok()?)),
        short => (2, u64::from(short)),
    };
    Some((kind, head, usize::try_from(length).unwrap_or(usize::MAX)))
}

fn heard(text: &[u8]) -> Heard {
    if text.starts_with(b"{\"type\":\"lagged\"") {
        return Heard::Lagged;
    }
    event(text).map_or(Heard::Other, |(seq, is_message)| Heard::Event { seq, is_message })
}

/// `{"type":"event","seq":7,"event":{"seq":7,"type":"message",…`
fn event(text: &[u8]) -> Option<(u64, bool)> {
    let rest = text.strip_prefix(b"{\"type\":\"event\",\"seq\":")?;
    let (seq, rest) = number(rest)?;
    let (_, rest) = number(rest.strip_prefix(b",\"event\":{\"seq\":")?)?;
    Some((seq, rest.starts_with(b",\"type\":\"message\",")))
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = text.split_at_checked(end)?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_its_number_and_whether_it_is_a_message() {
        let message = br#"{"type":"event","seq":7,"event":{"seq":7,"type":"message","message":{}}}"#;
        let seq = 7;
        assert_eq!(heard(message), Heard::Event { seq, is_message: true });
        let other = br#"{"type":"event","seq":7,"event":{"seq":7,"type":"message_updated","message":{}}}"#;
        assert_eq!(heard(other), Heard::Event { seq, is_message: false });
        assert_eq!(heard(br#"{"type":"lagged","after":1,"last":9}"#), Heard::Lagged);
        assert_eq!(heard(br#"{"type":"reply","id":1}"#), Heard::Other);
    }

    #[test]
    fn heads_of_frames_are_read_once_they_are_whole() {
        assert_eq!(frame_head(&[0x81, 5]), Some((TEXT, 2, 5)));
        assert_eq!(frame_head(&[0x81, 126, 1]), None);
        assert_eq!(frame_head(&[0x81, 126, 1, 2]), Some((TEXT, 4, 258)));
        assert_eq!(
            frame_head(&[0x89, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            Some((PING, HEAD, 65_536))
        );
    }
}
