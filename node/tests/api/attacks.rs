//! Hostile and broken requests: each gets its status, changes nothing, and leaves the node answering others.

use super::support::{Raw, TestApi, patient, read_reply, read_to_end};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

type Case = (&'static str, u16, Raw);

#[tokio::test(flavor = "multi_thread")]
async fn hostile_hosts_are_refused() {
    let api = TestApi::start().await;
    let (w, port) = (api.write(), api.address.port());
    let host = |value: &str| w.clone().set("Host", value);
    let cases: Vec<Case> = vec![
        ("no host", 400, w.clone().without("Host")),
        ("empty host", 403, host("")),
        ("foreign host", 403, host("evil.example")),
        ("foreign host with our port", 403, host(&format!("evil.example:{port}"))),
        ("no port", 403, host("127.0.0.1")),
        ("localhost without port", 403, host("localhost")),
        ("another port", 403, host("127.0.0.1:1")),
        (
            "our name as a subdomain",
            403,
            host(&format!("localhost.evil.example:{port}")),
        ),
        ("our address in a name", 403, host(&format!("127.0.0.1.nip.io:{port}"))),
        ("userinfo", 403, host(&format!("evil@127.0.0.1:{port}"))),
        ("trailing dot", 403, host(&format!("localhost.:{port}"))),
        ("unspecified address", 403, host(&format!("0.0.0.0:{port}"))),
        ("mapped address", 403, host(&format!("[::ffff:127.0.0.1]:{port}"))),
        ("short address", 403, host(&format!("127.1:{port}"))),
        ("number as address", 403, host(&format!("2130706433:{port}"))),
        ("padded port", 403, host(&format!("127.0.0.1:0{port}"))),
        ("port twice", 403, host(&format!("localhost:{port}:{port}"))),
        ("bytes that are no text", 403, host(&format!("localh\u{f6}st:{port}"))),
        (
            "the same host twice",
            400,
            w.clone().add("Host", &api.address.to_string()),
        ),
        ("two hosts", 400, w.clone().add("Host", "evil.example")),
        (
            "forwarded host does not help",
            403,
            host("evil.example").add("X-Forwarded-Host", &api.address.to_string()),
        ),
        (
            "foreign host on a public path",
            403,
            api.request("GET", "/health/live").set("Host", "evil.example"),
        ),
        (
            "absolute target elsewhere",
            403,
            w.clone().target(&format!("http://evil.example{}", w.target)),
        ),
        (
            "absolute target, foreign host",
            403,
            host("evil.example").target(&format!("http://127.0.0.1:{port}{}", w.target)),
        ),
        (
            "absolute target, another own host",
            400,
            w.clone().target(&format!("http://localhost:{port}{}", w.target)),
        ),
        (
            "absolute target, another scheme",
            403,
            w.clone().target(&format!("https://127.0.0.1:{port}{}", w.target)),
        ),
        (
            "absolute target with userinfo",
            403,
            w.clone().target(&format!("http://a@127.0.0.1:{port}{}", w.target)),
        ),
    ];
    check(&api, cases).await;
    let port = api.address.port();
    for own in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        format!("LocalHost:{port}"),
    ] {
        let reply = api.send(&api.request("GET", "/api/v1/me").set("Host", &own)).await;
        assert_eq!(reply.status, 200, "{own}");
    }
    let absolute = api.request("GET", &format!("http://127.0.0.1:{port}/api/v1/me"));
    assert_eq!(api.send(&absolute).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_are_refused() {
    let api = TestApi::start().await;
    let (w, port) = (api.write(), api.address.port());
    let origin = |value: &str| w.clone().set("Origin", value);
    let ws = api
        .request("GET", "/api/v1/ws")
        .set("Connection", "Upgrade")
        .set("Upgrade", "websocket");
    let ws = ws
        .set("Sec-WebSocket-Version", "13")
        .set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==");
    let cases: Vec<Case> = vec![
        ("foreign origin", 403, origin("http://evil.example")),
        ("null origin", 403, origin("null")),
        ("empty origin", 403, origin("")),
        ("own name, no port", 403, origin("http://localhost")),
        ("own name, another port", 403, origin("http://localhost:1")),
        (
            "own name, another scheme",
            403,
            origin(&format!("https://localhost:{port}")),
        ),
        (
            "own name as a beginning",
            403,
            origin(&format!("http://localhost:{port}.evil.example")),
        ),
        (
            "own name with a path",
            403,
            origin(&format!("http://localhost:{port}/")),
        ),
        (
            "own name, other letters",
            403,
            origin(&format!("http://LOCALHOST:{port}")),
        ),
        ("a file", 403, origin("file://")),
        ("an extension", 403, origin("chrome-extension://abcdef")),
        (
            "two origins",
            400,
            origin(&format!("http://localhost:{port}")).add("Origin", "http://evil.example"),
        ),
        (
            "two in one",
            403,
            origin(&format!("http://localhost:{port} http://evil.example")),
        ),
        ("cross-site", 403, w.clone().set("Sec-Fetch-Site", "cross-site")),
        (
            "cross-site from an own origin",
            403,
            origin(&format!("http://localhost:{port}")).set("Sec-Fetch-Site", "cross-site"),
        ),
        (
            "same-site, no origin",
            403,
            w.clone().set("Sec-Fetch-Site", "same-site"),
        ),
        ("unknown site", 403, w.clone().set("Sec-Fetch-Site", "friendly")),
        (
            "two sites",
            400,
            w.clone()
                .add("Sec-Fetch-Site", "same-origin")
                .add("Sec-Fetch-Site", "cross-site"),
        ),
        (
            "foreign read",
            403,
            api.request("GET", "/api/v1/me").set("Origin", "http://evil.example"),
        ),
        (
            "foreign event stream",
            403,
            api.request("GET", "/api/v1/events")
                .set("Origin", "http://evil.example"),
        ),
        (
            "foreign health check",
            403,
            api.request("GET", "/health/live").set("Origin", "http://evil.example"),
        ),
        (
            "foreign preflight",
            403,
            w.clone().method("OPTIONS").set("Origin", "http://evil.example"),
        ),
        (
            "foreign WebSocket",
            403,
            ws.clone().set("Origin", "http://evil.example"),
        ),
        ("WebSocket of a file", 403, ws.set("Origin", "null")),
    ];
    check(&api, cases).await;
    let own = api
        .request("GET", "/api/v1/me")
        .set("Origin", &format!("http://localhost:{port}"));
    assert_eq!(api.send(&own.set("Sec-Fetch-Site", "same-origin")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_counts_only_where_it_belongs() {
    let api = TestApi::start().await;
    let (w, token) = (api.write(), api.token.clone());
    let bare = w.clone().without("Authorization");
    let auth = |value: &str| w.clone().set("Authorization", value);
    let cases: Vec<Case> = vec![
        ("no token", 401, bare.clone()),
        ("empty", 401, auth("")),
        ("scheme only", 401, auth("Bearer ")),
        ("no scheme", 401, auth(&token)),
        ("another scheme", 401, auth(&format!("Basic {token}"))),
        ("wrong token", 401, auth(&format!("Bearer {}", "0".repeat(64)))),
        ("a part of it", 401, auth(&format!("Bearer {}", &token[..63]))),
        ("more than it", 401, auth(&format!("Bearer {token}0"))),
        ("other letters", 401, auth(&format!("Bearer {}", token.to_uppercase()))),
        ("very long", 401, auth(&format!("Bearer {}", "a".repeat(8000)))),
        ("twice", 400, w.clone().add("Authorization", &format!("Bearer {token}"))),
        (
            "a wrong one first",
            400,
            auth("Bearer x").add("Authorization", &format!("Bearer {token}")),
        ),
        (
            "in the query",
            401,
            bare.clone().target(&format!("{}?token={token}", w.target)),
        ),
        (
            "in the query by another name",
            401,
            bare.clone().target(&format!("{}?access_token={token}", w.target)),
        ),
        (
            "in a cookie",
            401,
            bare.clone()
                .add("Cookie", &format!("token={token}; Authorization=Bearer {token}")),
        ),
        ("in a header of ours", 401, bare.clone().add("X-Api-Key", &token)),
        (
            "for the proxy",
            401,
            bare.clone().add("Proxy-Authorization", &format!("Bearer {token}")),
        ),
        (
            "in the body",
            401,
            bare.clone().body(&format!("{{\"text\":\"x\",\"token\":\"{token}\"}}")),
        ),
        (
            "around a public path",
            401,
            bare.clone().target("/health/live/../../api/v1/me").method("GET"),
        ),
        ("two slashes", 401, bare.clone().target("//health/live").method("GET")),
        (
            "unknown path",
            401,
            bare.clone().target("/api/v1/nothing").method("GET"),
        ),
        ("preflight", 401, bare.method("OPTIONS")),
    ];
    check(&api, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_methods_and_types_are_refused() {
    let api = TestApi::start().await;
    let w = api.write();
    let kind = |value: &str| w.clone().set("Content-Type", value);
    let cases: Vec<Case> = vec![
        ("PUT", 405, w.clone().method("PUT")),
        ("PATCH", 405, w.clone().method("PATCH")),
        ("DELETE", 405, w.clone().method("DELETE")),
        ("TRACE", 405, w.clone().method("TRACE")),
        ("a made-up method", 405, w.clone().method("FROB")),
        ("lower case", 405, w.clone().method("post")),
        (
            "CONNECT",
            400,
            w.clone().method("CONNECT").target(&api.address.to_string()),
        ),
        ("asterisk", 400, w.clone().method("OPTIONS").target("*")),
        (
            "GET of what only writes",
            405,
            api.request("GET", &format!("/api/v1/conversations/{}/read", api.conversation)),
        ),
        (
            "DELETE of what cannot be deleted",
            405,
            api.request("DELETE", "/api/v1/contacts"),
        ),
        ("POST to health", 405, w.clone().target("/health/live")),
        (
            "a GET that wants to be a POST",
            200,
            w.clone().method("GET").add("X-HTTP-Method-Override", "POST"),
        ),
        (
            "a GET with a query of a write",
            400,
            api.request("GET", &format!("{}?text=attack", w.target)),
        ),
        ("no type", 415, w.clone().without("Content-Type")),
        ("plain text", 415, kind("text/plain")),
        ("a form", 415, kind("application/x-www-form-urlencoded")),
        ("parts", 415, kind("multipart/form-data; boundary=x")),
        ("nearly JSON", 415, kind("application/jsonp")),
        ("another charset", 415, kind("application/json; charset=utf-16")),
        ("JSON and more", 415, kind("application/json, text/plain")),
        (
            "two types",
            400,
            kind("application/json").add("Content-Type", "text/plain"),
        ),
        ("compressed", 415, w.clone().add("Content-Encoding", "gzip")),
    ];
    check(&api, cases).await;
    let reply = api.send(&w.clone().method("PUT")).await;
    assert_eq!(reply.header("allow").map(sorted).as_deref(), Some("GET,HEAD,POST"));
    let reply = api.send(&w.method("OPTIONS")).await;
    assert_eq!(
        (reply.status, reply.header("allow").map(sorted).as_deref()),
        (204, Some("GET,HEAD,POST"))
    );
    assert!(
        reply
            .headers
            .iter()
            .all(|(name, _)| !name.to_lowercase().starts_with("access-control"))
    );
}

fn sorted(allow: &str) -> String {
    let mut methods: Vec<_> = allow.split(',').map(str::trim).collect();
    methods.sort_unstable();
    methods.join(",")
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_bodies_are_refused() {
    let api = TestApi::start().await;
    let w = api.write();
    let body = |text: &str| w.clone().body(text);
    let text = |length: usize| body(&format!("{{\"text\":\"{}\"}}", "a".repeat(length)));
    let missing = parlour_crypto::EventId::from_bytes([9; 32]);
    let cases: Vec<Case> = vec![
        ("empty", 400, body("")),
        ("cut short", 400, body("{\"text\":\"attack\"")),
        ("not JSON", 400, body("text=attack")),
        ("something after it", 400, body("{\"text\":\"attack\"}x")),
        ("two values", 400, body("{\"text\":\"a\"}{\"text\":\"b\"}")),
        ("a list", 400, body("[\"attack\"]")),
        ("null", 400, body("null")),
        ("no text", 400, body("{}")),
        ("null text", 400, body("{\"text\":null}")),
        ("a number as text", 400, body("{\"text\":1}")),
        ("an unknown field", 400, body("{\"text\":\"attack\",\"admin\":true}")),
        ("a field twice", 400, body("{\"text\":\"a\",\"text\":\"b\"}")),
        ("a lone surrogate", 400, body("{\"text\":\"\\ud800\"}")),
        ("a control character", 400, body("{\"text\":\"a\u{0}b\"}")),
        (
            "a byte order mark",
            400,
            w.clone().body_bytes(b"\xef\xbb\xbf{\"text\":\"attack\"}"),
        ),
        ("no UTF-8", 400, w.clone().body_bytes(b"{\"text\":\"\xff\"}")),
        ("very deep", 400, body(&format!("{{\"text\":{}1", "[".repeat(5000)))),
        ("empty text", 400, body("{\"text\":\"\"}")),
        ("blank text", 400, body("{\"text\":\" \\n \"}")),
        ("text too long", 400, text(16_385)),
        (
            "a client id too long",
            400,
            body(&format!("{{\"text\":\"a\",\"client_id\":\"{}\"}}", "c".repeat(65))),
        ),
        (
            "a reply to nonsense",
            400,
            body("{\"text\":\"a\",\"reply_to\":\"msg_1\"}"),
        ),
        (
            "a reply to nothing",
            404,
            body(&format!("{{\"text\":\"a\",\"reply_to\":\"{missing}\"}}")),
        ),
        ("too large", 413, text(64 * 1024)),
        ("far too large", 413, w.clone().set("Content-Length", "99999999999")),
        (
            "more than a number",
            400,
            w.clone().set("Content-Length", "99999999999999999999999999"),
        ),
    ];
    check(&api, cases).await;
    let detail = |reply: super::support::Reply| reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail(api.send(&text(64 * 1024)).await).contains("65536"));
    assert!(detail(api.send(&text(16_385)).await).contains("16384"));
    let wrong = api.send(&body("{\"text\":1}")).await.json();
    assert_eq!(wrong["field"], "text");
    assert!(detail(api.send(&body("{\"text\":\"attack\"")).await).contains("line 1 column 16"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tricks_with_framing_are_refused() {
    let api = TestApi::start().await;
    let w = api.write();
    let length = |value: &str| w.clone().set("Content-Length", value);
    let chunked = w
        .clone()
        .body("")
        .without("Content-Length")
        .add("Transfer-Encoding", "chunked");
    let chunks = Raw {
        body: b"11\r\n{\"text\":\"attack\"}\r\n0\r\n\r\n".to_vec(),
        ..chunked.clone()
    };
    let many = (0..80).fold(w.clone(), |raw, n| raw.add(&format!("X-{n}"), "x"));
    let cases: Vec<Case> = vec![
        ("chunks", 411, chunks.clone()),
        ("chunks and a length", 411, chunks.clone().add("Content-Length", "4")),
        (
            "a length and chunks",
            411,
            Raw {
                headers: {
                    let mut h = chunks.headers.clone();
                    h.insert(0, ("Content-Length".into(), "4".into()));
                    h
                },
                ..chunks.clone()
            },
        ),
        (
            "unknown coding",
            400,
            chunks.clone().set("Transfer-Encoding", "xchunked"),
        ),
        (
            "identity coding",
            400,
            chunks.clone().set("Transfer-Encoding", "identity"),
        ),
        (
            "chunked is not last",
            400,
            chunks.clone().set("Transfer-Encoding", "chunked, gzip"),
        ),
        ("two lengths", 400, length("17").add("Content-Length", "18")),
        ("a list of lengths", 400, length("17, 18")),
        ("a negative length", 400, length("-1")),
        ("a signed length", 400, length("+17")),
        ("a hexadecimal length", 400, length("0x11")),
        ("a space before the colon", 400, w.clone().add("X-Bad ", "x")),
        ("a folded header", 400, w.clone().add("X-Fold", "a\r\n b")),
        ("a NUL in a header", 400, w.clone().add("X-Nul", "a\u{0}b")),
        ("an empty header name", 400, w.clone().add("", "x")),
        ("many headers", 431, many),
        ("a large header", 431, w.clone().add("X-Large", &"x".repeat(20_000))),
        (
            "a long target",
            431,
            w.clone().target(&format!("{}?{}", w.target, "x".repeat(20_000))),
        ),
        (
            "HTTP/1.0 without a host",
            400,
            w.clone().version("HTTP/1.0").without("Host"),
        ),
        ("HTTP/1.0 with chunks", 400, chunks.version("HTTP/1.0")),
        ("HTTP/3", 400, w.clone().version("HTTP/3.0")),
        ("no version", 400, w.clone().version("")),
        ("a space in the target", 400, w.clone().target("/api/v1/me and more")),
        (
            "a fragment of another protocol",
            400,
            w.clone().method("\u{16}\u{3}\u{1}"),
        ),
    ];
    check(&api, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_paths_lead_nowhere() {
    let api = TestApi::start().await;
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
    check(&api, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_hidden_in_a_body_is_never_read() {
    let api = TestApi::start().await;
    let before = api.feed();
    let hidden = api.write().bytes();
    let mut outer = api
        .write()
        .without("Connection")
        .add("Transfer-Encoding", "chunked")
        .set("Content-Length", &hidden.len().to_string());
    outer.body = [b"0\r\n\r\n".as_slice(), &hidden].concat();
    let mut socket = TcpStream::connect(api.address).await.unwrap();
    socket.write_all(&outer.bytes()).await.unwrap();
    let reply = patient("an answer", read_reply(&mut socket)).await;
    assert_eq!(reply.status, 411);
    assert_eq!(read_to_end(&mut socket).await, b"", "no second answer");
    assert_eq!(api.feed(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_hardened_and_tells_no_internals() {
    let api = TestApi::start().await;
    for request in [
        api.request("GET", "/"),
        api.request("GET", "/health/live"),
        api.request("GET", "/api/v1/me"),
        api.request("GET", "/nothing"),
        api.request("PUT", "/api/v1/me").set("Content-Type", "application/json"),
        api.request("GET", "/api/v1/me").set("Host", "evil.example"),
        api.request("GET", "/api/v1/me").without("Authorization"),
        api.write().body("{"),
    ] {
        let reply = api.send(&request).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{} {}", request.method, request.target);
        }
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        if reply.status >= 400 {
            assert_eq!(reply.header("content-type"), Some("application/problem+json"));
            let problem = reply.json();
            assert_eq!(problem["status"], reply.status);
            for field in ["type", "title", "detail", "code"] {
                assert!(problem[field].is_string(), "{problem}");
            }
            let text = reply.text();
            for internal in ["panicked", ".rs", "sled", "serde", "axum", "parlour_", "/tmp"] {
                assert!(!text.contains(internal), "{text}");
            }
        }
    }
}

/// Every case gets its status, changes nothing, and the node goes on answering.
async fn check(api: &TestApi, cases: Vec<Case>) {
    let before = api.feed();
    for (name, expected, raw) in cases {
        let reply = api.send(&raw).await;
        assert_eq!(reply.status, expected, "{name}: {}", reply.text());
        assert_eq!(api.feed(), before, "{name} changed something");
        let normal = api.get("/api/v1/me").await;
        assert_eq!(normal.status, 200, "after {name}");
    }
    // What the cases were made from is taken as it is.
    let written = api.send(&api.write()).await;
    assert_eq!((written.status, api.feed() > before), (201, true));
}
