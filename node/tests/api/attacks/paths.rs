//! Paths, hidden requests, and what every answer has.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::super::support::{Reply, patient, read_reply, read_to_end};
use super::{Case, Doors, check};

#[tokio::test(flavor = "multi_thread")]
async fn strange_paths_lead_nowhere() {
    let doors = Doors::open().await;
    let (api, native) = (&doors.api, &doors.all[0]);
    let get = |path: &str| api.request("GET", path);
    let (unknown, user) = (
        parlour_crypto::EventId::from_bytes([9; 32]),
        parlour_crypto::UserId::from_bytes([9; 32]),
    );
    let cases: Vec<Case> = vec![
        ("nothing", 404, get("/api/v1/nothing")),
        ("two slashes", 404, get("//api/v1/me")),
        ("dots", 404, get("/api/v1/../v1/me")),
        ("encoded dots", 404, get("/api/v1/%2e%2e/v1/me")),
        ("encoded slash", 404, get("/api%2fv1/me")),
        ("a slash at the end", 404, get("/api/v1/me/")),
        ("another case", 404, get("/API/V1/me")),
        ("no UTF-8", 400, get("/api/v1/conversations/%ff")),
        ("bad message id", 400, get("/api/v1/messages/msg_zzz")),
        ("another kind of id", 400, get(&format!("/api/v1/messages/{user}"))),
        ("unknown message", 404, get(&format!("/api/v1/messages/{unknown}"))),
        ("bad user id", 400, get("/api/v1/contacts/user_abc")),
        ("bad beginning of an id", 400, get("/api/v1/contacts/user_ABCDEFGH")),
        ("unknown user", 404, get(&format!("/api/v1/contacts/{user}"))),
        ("unknown beginning", 404, get("/api/v1/contacts/user_zzzzzz")),
        ("unknown name", 404, get("/api/v1/contacts/nobody")),
        ("bad conversation id", 400, get("/api/v1/conversations/conv_!")),
        (
            "unknown conversation",
            404,
            get("/api/v1/conversations/nobody/messages"),
        ),
        ("bad invite", 400, api.request("DELETE", "/api/v1/invites/xyz")),
        (
            "unknown invite",
            404,
            api.request("DELETE", &format!("/api/v1/invites/{}", "00".repeat(16))),
        ),
        ("bad limit", 400, get("/api/v1/conversations/bob/messages?limit=0")),
        (
            "limit too high",
            400,
            get("/api/v1/conversations/bob/messages?limit=201"),
        ),
        (
            "limit is no number",
            400,
            get("/api/v1/conversations/bob/messages?limit=many"),
        ),
        ("bad cursor", 400, get("/api/v1/conversations/bob/messages?before=xyz")),
        (
            "both cursors",
            400,
            get("/api/v1/conversations/bob/messages?before=a&after=b"),
        ),
        (
            "unknown parameter",
            400,
            get("/api/v1/conversations/bob/messages?page=1"),
        ),
        (
            "a parameter twice",
            400,
            get("/api/v1/conversations/bob/messages?limit=1&limit=2"),
        ),
        ("search for nothing", 400, get("/api/v1/search")),
        ("search for nothing much", 400, get("/api/v1/search?q=...")),
        (
            "search too long",
            400,
            get(&format!("/api/v1/search?q={}", "a".repeat(1100))),
        ),
        ("search at no time", 400, get("/api/v1/search?q=a&after=yesterday")),
        ("search in no order", 400, get("/api/v1/search?q=a&order=random")),
        ("search nowhere", 404, get("/api/v1/search?q=a&conversation=nobody")),
        ("events from the future", 400, get("/api/v1/events?after=999999")),
        ("events from nonsense", 400, get("/api/v1/events?after=-1")),
        (
            "events after nonsense",
            400,
            get("/api/v1/events").add("Last-Event-ID", "1x"),
        ),
        ("no WebSocket", 426, get("/api/v1/ws")),
        (
            "an old WebSocket",
            400,
            get("/api/v1/ws")
                .set("Connection", "Upgrade")
                .set("Upgrade", "websocket")
                .add("Sec-WebSocket-Version", "12")
                .add("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ),
        (
            "a WebSocket without key",
            400,
            get("/api/v1/ws")
                .set("Connection", "Upgrade")
                .set("Upgrade", "websocket")
                .add("Sec-WebSocket-Version", "13"),
        ),
    ];
    check(api, native, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_hidden_in_a_body_is_never_read() {
    let doors = Doors::open().await;
    for door in &doors.all {
        let before = doors.api.feed();
        let hidden = door.write.bytes();
        let outer = door.write.clone().without("Connection");
        let mut outer = outer
            .add("Transfer-Encoding", "chunked")
            .set("Content-Length", &hidden.len().to_string());
        outer.body = [b"0\r\n\r\n".as_slice(), &hidden].concat();
        let mut socket = TcpStream::connect(door.program.address).await.unwrap();
        socket.write_all(&outer.bytes()).await.unwrap();
        let reply = patient("an answer", read_reply(&mut socket)).await;
        assert_eq!(reply.status, 411, "{}", door.name);
        assert_eq!(read_to_end(&mut socket).await, b"", "{}: no second answer", door.name);
        assert_eq!(doors.api.feed(), before, "{}", door.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_hardened_and_tells_no_internals() {
    let doors = Doors::open().await;
    for door in &doors.all {
        let is_native = door.name == "API";
        let bare = door.read.clone().without("Authorization").without("Cookie");
        let mut requests = vec![
            door.read.clone(),
            bare.clone().target("/nothing"),
            door.read.clone().method("PUT").set("Content-Type", "application/json"),
            door.read.clone().set("Host", "evil.example"),
            door.read.clone().set("Origin", "http://evil.example"),
            bare.clone(),
            door.write.clone().body("{"),
            door.write.clone().set("Content-Type", "text/plain"),
        ];
        if is_native {
            requests.extend(["/", "/health/live"].map(|path| bare.clone().target(path)));
        }
        for request in requests {
            let name = format!("{}: {} {}", door.name, request.method, request.target);
            let reply = door.program.send(&request).await;
            is_hardened(&reply, &name);
            if reply.status >= 400 {
                tells_no_internals(&reply, is_native, &name);
            }
        }
    }
}

fn is_hardened(reply: &Reply, name: &str) {
    for (header, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(reply.header(header), Some(value), "{name}");
    }
    let policy = reply.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{name}"
    );
}

fn tells_no_internals(reply: &Reply, is_native: bool, name: &str) {
    let problem = reply.json();
    let (kind, fields) = match is_native {
        true => ("application/problem+json", &["type", "title", "detail", "code"][..]),
        false => ("application/json", &["error", "message"][..]),
    };
    assert_eq!(reply.header("content-type"), Some(kind), "{name}");
    for field in fields {
        assert!(problem[field].is_string(), "{name}: {problem}");
    }
    if is_native {
        assert_eq!(problem["status"], reply.status, "{name}");
    }
    let text = reply.text();
    for internal in ["panicked", ".rs", "sled", "serde", "axum", "parlour_", "/tmp"] {
        assert!(!text.contains(internal), "{name}: {text}");
    }
}
