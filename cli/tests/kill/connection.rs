//! The little HTTP that the local API needs.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use tokio::time::Instant;

use crate::node::PATIENCE;
use crate::writer::Address;

/// One connection to a node's API.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    api: SocketAddr,
    token: String,
}

impl Connection {
    pub(crate) fn open(address: &Address) -> io::Result<Self> {
        let stream = TcpStream::connect(address.api)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            api: address.api,
            token: address.token.clone(),
        })
    }

    fn send(&mut self, head: &str, body: &[u8]) -> io::Result<(u16, usize)> {
        let (api, token, length) = (self.api, &self.token, body.len());
        let mut request = format!(
            "{head}\r\nhost: {api}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request)?;
        let status = self.line()?.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut length = 0;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((status.ok_or(ErrorKind::InvalidData)?, length));
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(|_| ErrorKind::InvalidData)?;
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    pub(crate) fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<(u16, Value)> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let (status, length) = self.send(&format!("{method} /api/v1/{path} HTTP/1.1"), &body)?;
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        let answer = if answer.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&answer)?
        };
        Ok((status, answer))
    }

    /// The node's changes, for as long as they may take. HTTP/1.0 has no chunks, so that lines are lines.
    pub(crate) fn events(mut self, after: u64) -> impl Iterator<Item = io::Result<Value>> {
        let deadline = Instant::now() + PATIENCE;
        let opened = self.send(&format!("GET /api/v1/events?after={after} HTTP/1.0"), b"");
        let failed = opened.err();
        failed.map(Err).into_iter().chain(std::iter::from_fn(move || {
            loop {
                match self.line() {
                    // A stream without changes still shows that it is alive.
                    Ok(_) if Instant::now() > deadline => return Some(Err(ErrorKind::TimedOut.into())),
                    Ok(line) => {
                        if let Some(data) = line.strip_prefix("data: ") {
                            return Some(serde_json::from_str(data).map_err(io::Error::from));
                        }
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        }))
    }
}
