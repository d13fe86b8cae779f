//! The WebSocket, spoken byte by byte.

use std::time::Duration;

use super::support::{Program, TestApi, patient, read_head};
use parlour_node::{ApiLimits, RateLimit, SendText};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;

pub(crate) struct Socket {
    stream: TcpStream,
}

/// What came, beside pings.
#[derive(Debug)]
enum Frame {
    Text(Value),
    Close(u16),
    End,
}

impl Socket {
    pub(crate) async fn open(api: &Program) -> Self {
        Self::at(api, "/api/v1/ws").await
    }

    /// That of a gateway.
    pub(crate) async fn at(api: &Program, path: &str) -> Self {
        Self::over(TcpSocket::new_v4().unwrap(), api, path).await
    }

    /// For which the system keeps little.
    pub(crate) async fn narrow(api: &Program, path: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::over(socket, api, path).await
    }

    async fn over(socket: TcpSocket, api: &Program, path: &str) -> Self {
        let request = api
            .request("GET", path)
            .without("Authorization")
            .set("Connection", "Upgrade");
        let request = request.add("Upgrade", "websocket").add("Sec-WebSocket-Version", "13");
        let request = request.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        let mut stream = socket.connect(api.address).await.unwrap();
        stream.write_all(&request.bytes()).await.unwrap();
        let head = patient("the upgrade", read_head(&mut stream)).await;
        assert_eq!(
            (head.status, head.header("sec-websocket-accept")),
            (101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        );
        Self { stream }
    }

    async fn authenticated(api: &TestApi) -> Self {
        let mut socket = Self::open(api).await;
        socket.say(&json!({ "type": "auth", "token": api.token })).await;
        let ready = socket.text().await;
        assert_eq!(ready, json!({ "type": "ready", "seq": api.feed() }));
        socket
    }

    pub(crate) async fn say(&mut self, value: &Value) {
        self.write(TEXT, value.to_string().as_bytes()).await;
    }

    /// A text of any kind.
    pub(crate) async fn put(&mut self, text: &str) {
        self.write(TEXT, text.as_bytes()).await;
    }

    /// The next text of any kind; `None` at the end.
    pub(crate) async fn packet(&mut self) -> Option<String> {
        loop {
            let (kind, data) = patient("a packet", self.read()).await?;
            match kind {
                TEXT => return Some(String::from_utf8(data).unwrap()),
                CLOSE => return None,
                _ => {}
            }
        }
    }

    /// Bytes that need not be a frame.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    async fn write(&mut self, kind: u8, data: &[u8]) {
        let mut frame = vec![0x80 | kind];
        match u16::try_from(data.len()) {
            Ok(length @ 0..126) => frame.push(0x80 | u8::try_from(length).unwrap()),
            Ok(length) => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&u64::try_from(data.len()).unwrap().to_be_bytes());
            }
        }
        // A mask of zeros leaves the data as it is.
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(data);
        // The node may close before it has taken everything.
        let _ = self.stream.write_all(&frame).await;
    }

    async fn next(&mut self) -> Frame {
        loop {
            let Some((kind, data)) = patient("a frame", self.read()).await else {
                return Frame::End;
            };
            match kind {
                TEXT => return Frame::Text(serde_json::from_slice(&data).unwrap()),
                CLOSE => return Frame::Close(u16::from_be_bytes([data[0], data[1]])),
                PING => {}
                other => panic!("frame of kind {other}"),
            }
        }
    }

    async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = self.stream.read_u8().await.ok()? & 0x0f;
        let length = match self.stream.read_u8().await.ok()? {
            126 => u64::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()?,
            short => u64::from(short),
        };
        let mut data = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut data).await.ok()?;
        Some((kind, data))
    }

    pub(crate) async fn text(&mut self) -> Value {
        match self.next().await {
            Frame::Text(value) => value,
            other => panic!("expected text, got {other:?}"),
        }
    }

    /// The next answer to a command; events before it are passed over.
    pub(crate) async fn reply(&mut self) -> Value {
        loop {
            let frame = self.text().await;
            if frame["type"] == "reply" {
                return frame;
            }
        }
    }

    /// Why the node closes, whatever else it still says.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match self.next().await {
                Frame::Text(_) => {}
                Frame::Close(code) => return code,
                Frame::End => panic!("the node went away without a word"),
            }
        }
    }

    async fn close_code(&mut self) -> u16 {
        loop {
            match self.next().await {
                Frame::Close(code) => return code,
                Frame::Text(_) => {}
                Frame::End => panic!("ended without a close frame"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_of_a_paired_page_ends_with_its_token() {
    let api = TestApi::with(ApiLimits {
        paired_session: Duration::from_secs(1),
        ..ApiLimits::default()
    })
    .await;
    let token = api.paired().await;
    let mut socket = Socket::open(&api).await;
    socket.say(&json!({ "type": "auth", "token": token })).await;
    assert_eq!(socket.text().await["type"], "ready");
    assert_eq!(socket.close_code().await, 4401);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_a_socket_is_closed() {
    let limits = ApiLimits {
        socket_auth_timeout: Duration::from_millis(150),
        ..ApiLimits::default()
    };
    let api = TestApi::with(limits).await;
    let before = api.feed();
    let send = json!({ "type": "send", "id": 1, "conversation": "bob", "text": "attack" });
    let firsts = [
        json!({ "type": "auth", "token": "wrong" }),
        json!({ "type": "auth" }),
        json!({ "type": "auth", "token": 1 }),
        json!({ "type": "auth", "token": api.token, "more": 1 }),
        json!({ "type": "subscribe", "after": 0 }),
        json!([1]),
        send.clone(),
    ];
    for first in firsts {
        let mut socket = Socket::open(&api).await;
        socket.say(&first).await;
        socket.say(&send).await;
        assert_eq!(socket.close_code().await, 4401, "{first}");
    }
    let mut binary = Socket::open(&api).await;
    binary
        .write(
            BINARY,
            json!({ "type": "auth", "token": api.token }).to_string().as_bytes(),
        )
        .await;
    assert_eq!(binary.close_code().await, 4401);
    assert_eq!(Socket::open(&api).await.close_code().await, 4401, "silence");
    assert_eq!(api.feed(), before);
    Socket::authenticated(&api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_tokens_over_sockets_is_limited() {
    let anonymous = RateLimit {
        burst: 2,
        per_second: 0.001,
    };
    let api = TestApi::with(ApiLimits {
        anonymous,
        ..ApiLimits::default()
    })
    .await;
    // Valid ones do not count.
    for _ in 0..5 {
        Socket::authenticated(&api).await;
    }
    for _ in 0..2 {
        let mut socket = Socket::open(&api).await;
        socket.say(&json!({ "type": "auth", "token": "guess" })).await;
        assert_eq!(socket.close_code().await, 4401);
    }
    let guess = api.request("GET", "/api/v1/me").set("Authorization", "Bearer guess");
    assert_eq!(api.send(&guess).await.status, 429);
    // A page shows its token in the first frame, and is not held up by others who guess.
    Socket::authenticated(&api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_from_the_cursor_on() {
    let api = TestApi::start().await;
    let mut socket = Socket::authenticated(&api).await;
    let last = api.feed();
    socket.say(&json!({ "type": "subscribe", "after": 0, "id": "s" })).await;
    assert_eq!(
        socket.text().await,
        json!({ "type": "reply", "id": "s", "ok": { "after": 0 } })
    );
    for seq in 1..=last {
        let event = socket.text().await;
        assert_eq!(
            (&event["type"], &event["seq"], &event["event"]["seq"]),
            (&json!("event"), &json!(seq), &json!(seq))
        );
    }
    let posted = api.post_text("hello").await;
    let event = socket.text().await;
    assert_eq!(
        (&event["event"]["type"], &event["event"]["message"]["id"]),
        (&json!("message"), &posted["id"])
    );
    socket.say(&json!({ "type": "subscribe", "after": 1_000_000 })).await;
    assert_eq!(socket.text().await["error"]["code"], "cursor_ahead");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_answered_in_order() {
    const COMMANDS: usize = 200;
    let api = TestApi::start().await;
    let mut socket = Socket::authenticated(&api).await;
    let (mut reader, mut writer) = (Vec::new(), Vec::new());
    for n in 0..COMMANDS {
        writer.push(json!({ "type": "send", "id": n, "conversation": "bob", "text": format!("message {n}") }));
    }
    for command in &writer {
        socket.say(command).await;
    }
    for n in 0..COMMANDS {
        let reply = socket.text().await;
        assert_eq!((&reply["type"], &reply["id"]), (&json!("reply"), &json!(n)), "{reply}");
        reader.push(reply["ok"]["text"].clone());
    }
    assert!(
        reader
            .iter()
            .enumerate()
            .all(|(n, text)| *text == format!("message {n}"))
    );
    let page = api.get("/api/v1/conversations/bob/messages?limit=200").await.json();
    let stored: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["text"].clone())
        .collect();
    assert_eq!(stored, reader);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_commands_are_told_so_and_the_socket_lives() {
    let api = TestApi::start().await;
    let before = api.feed();
    let mut socket = Socket::authenticated(&api).await;
    socket.write(TEXT, b"{\"type\":\"send\"").await;
    assert_eq!(socket.text().await["error"]["code"], "bad_json");
    for (command, code) in [
        (json!({ "type": "auth", "token": api.token }), "already_authenticated"),
        (json!({ "type": "drop", "id": 1 }), "bad_field"),
        (json!({ "type": "send", "id": 1, "text": "attack" }), "bad_field"),
        (
            json!({ "type": "send", "id": 1, "conversation": "bob", "text": "a", "admin": true }),
            "bad_field",
        ),
    ] {
        socket.say(&command).await;
        let error = socket.text().await;
        assert_eq!(
            (&error["type"], &error["error"]["code"]),
            (&json!("error"), &json!(code)),
            "{error}"
        );
    }
    for (conversation, text, code) in [
        ("nobody", "a", "not_found"),
        ("conv_1", "a", "bad_id"),
        ("bob", " ", "empty"),
    ] {
        socket
            .say(&json!({ "type": "send", "id": "x", "conversation": conversation, "text": text }))
            .await;
        let reply = socket.text().await;
        assert_eq!(
            (&reply["id"], &reply["error"]["code"]),
            (&json!("x"), &json!(code)),
            "{reply}"
        );
    }
    assert_eq!(api.feed(), before);
    socket
        .say(&json!({ "type": "send", "id": 2, "conversation": "bob", "text": "fine", "client_id": "c" }))
        .await;
    assert_eq!(socket.text().await["ok"]["text"], "fine");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_too_much_close_the_socket() {
    let api = TestApi::start().await;
    let before = api.feed();
    let send = |length: usize| {
        json!({ "type": "send", "id": 1, "conversation": "bob", "text": "x".repeat(length) }).to_string()
    };
    let mut large = Socket::authenticated(&api).await;
    large.write(TEXT, send(64 * 1024).as_bytes()).await;
    assert_eq!(large.close_code().await, 1009);
    let mut huge = Socket::authenticated(&api).await;
    huge.write(TEXT, send(1024 * 1024).as_bytes()).await;
    assert!(matches!(huge.next().await, Frame::Close(1002) | Frame::End));
    let mut binary = Socket::authenticated(&api).await;
    binary.write(BINARY, send(1).as_bytes()).await;
    assert_eq!(binary.close_code().await, 1003);
    assert_eq!(api.feed(), before);
    assert_eq!(api.get("/api/v1/me").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_is_closed_after_two_pings() {
    let limits = ApiLimits {
        socket_ping: Duration::from_millis(60),
        ..ApiLimits::default()
    };
    let api = TestApi::with(limits).await;
    let mut socket = Socket::authenticated(&api).await;
    assert_eq!(socket.close_code().await, 4408);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sockets_than_allowed_are_refused() {
    let api = TestApi::with(ApiLimits {
        sockets: 1,
        ..ApiLimits::default()
    })
    .await;
    let _held = Socket::authenticated(&api).await;
    let upgrade = api
        .request("GET", "/api/v1/ws")
        .set("Connection", "Upgrade")
        .add("Upgrade", "websocket");
    let upgrade = upgrade
        .add("Sec-WebSocket-Version", "13")
        .add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(api.send(&upgrade).await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_lags_and_others_do_not_wait() {
    let api = TestApi::start().await;
    let mut slow = Socket::authenticated(&api).await;
    let start = api.feed();
    slow.say(&json!({ "type": "subscribe", "after": start })).await;
    for n in 0..150 {
        api.post_text(&format!("{n} {}", "x".repeat(16_000))).await;
    }
    assert_eq!(api.get("/api/v1/me").await.status, 200);
    slow.text().await;
    for seq in start + 1..=api.feed() {
        assert_eq!(slow.text().await["seq"], seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stop_says_goodbye() {
    let mut api = TestApi::start().await;
    let mut open = Socket::authenticated(&api).await;
    let mut fresh = Socket::open(&api).await;
    api.stop.cancel();
    assert_eq!(open.close_code().await, 1001);
    assert_eq!(fresh.close_code().await, 1001);
    drop((open, fresh));
    patient("the API to end", api.served.take().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_did_not_read_is_told_that_it_lags_and_misses_nothing() {
    const MESSAGES: u64 = 2_000;
    let api = TestApi::start().await;
    let mut absent = Socket::narrow(&api, "/api/v1/ws").await;
    absent.say(&json!({ "type": "auth", "token": api.token })).await;
    assert_eq!(absent.text().await["type"], "ready");
    let start = api.feed();
    absent.say(&json!({ "type": "subscribe", "after": start })).await;
    assert_eq!(absent.text().await["type"], "reply");
    // More than the system keeps for a socket, and than is kept encoded.
    let text = "x".repeat(8_000);
    for n in 0..MESSAGES {
        let send = SendText::plain(api.conversation.parse().unwrap(), format!("{n} {text}"));
        api.account().send(send).await.unwrap();
    }
    let last = api.feed();
    let (mut lagged, mut next) = (0, start + 1);
    while next <= last {
        let frame = absent.text().await;
        if frame["type"] == "lagged" {
            lagged += 1;
            assert_eq!(frame["after"], next - 1, "from where it goes on");
            assert!(frame["last"].as_u64().unwrap() > next + 1_000, "{frame}");
        } else {
            assert_eq!((&frame["type"], frame["seq"].as_u64()), (&json!("event"), Some(next)));
            next += 1;
        }
    }
    assert_eq!(lagged, 1, "told once");
    // Whoever has caught up is not told any more.
    api.post_text("after all").await;
    assert_eq!(absent.text().await["seq"], last + 1);
}
