//! The node's stream of changes (server-sent events), read one event at a time.

use serde_json::Value;

use crate::client::CallError;

/// One event may not be longer than this; the node's own are far shorter.
const MAX_EVENT: usize = 4 << 20;

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Feed seq.
    pub id: Option<u64>,
    /// `message`, `receipt`, `contact`, `conversation` or `lagged`.
    pub name: String,
    pub data: Value,
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Events {
    response: reqwest::Response,
    parser: Parser,
}

impl Events {
    pub(crate) fn new(response: reqwest::Response) -> Self {
        Self {
            response,
            parser: Parser::default(),
        }
    }

    /// Waits for the next change; `None` when the node has ended the stream. May be dropped while waiting without losing any.
    ///
    /// # Errors
    /// The connection broke, or what came is no event stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, CallError> {
        loop {
            if let Some(event) = self.parser.next()? {
                return Ok(Some(event));
            }
            match self.response.chunk().await.map_err(CallError::Unreachable)? {
                Some(bytes) => self.parser.push(&bytes),
                None => return Ok(None),
            }
        }
    }
}

#[derive(Debug, Default)]
struct Parser {
    bytes: Vec<u8>,
    id: Option<u64>,
    name: String,
    data: String,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Result<Option<Event>, CallError> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if let Some(event) = self.line(line.trim_end_matches(['\r', '\n']))? {
                return Ok(Some(event));
            }
        }
        if self.bytes.len() + self.data.len() > MAX_EVENT {
            return Err(CallError::Unreadable("an event without end".to_owned()));
        }
        Ok(None)
    }

    fn line(&mut self, line: &str) -> Result<Option<Event>, CallError> {
        if line.is_empty() {
            return self.finish();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = value.parse().ok(),
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            _ => {}
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<Option<Event>, CallError> {
        let (id, name, data) = (self.id, std::mem::take(&mut self.name), std::mem::take(&mut self.data));
        if data.is_empty() {
            return Ok(None);
        }
        let data = serde_json::from_str(&data).map_err(|error| CallError::Unreadable(error.to_string()))?;
        Ok(Some(Event { id, name, data }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_come_out_whole_however_the_bytes_are_cut() {
        let stream =
            b": ping\n\nid: 7\nevent: message\ndata: {\"a\":\ndata: 1}\n\r\nid: 8\nevent:receipt\r\ndata:{}\n\n";
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            let mut seen = Vec::new();
            for part in stream.chunks(size) {
                parser.push(part);
                while let Some(event) = parser.next().unwrap() {
                    seen.push(event);
                }
            }
            let expected = [
                Event {
                    id: Some(7),
                    name: "message".to_owned(),
                    data: json!({ "a": 1 }),
                },
                Event {
                    id: Some(8),
                    name: "receipt".to_owned(),
                    data: json!({}),
                },
            ];
            assert_eq!(seen, expected, "chunks of {size}");
        }
    }

    #[test]
    fn a_stream_that_is_no_json_is_an_error() {
        let mut parser = Parser::default();
        parser.push(b"data: nonsense\n\n");
        assert!(matches!(parser.next(), Err(CallError::Unreadable(_))));
    }

    #[test]
    fn an_endless_event_is_an_error() {
        let mut parser = Parser::default();
        parser.push(&vec![b'x'; MAX_EVENT + 1]);
        assert!(matches!(parser.next(), Err(CallError::Unreadable(_))));
    }
}
