//! Methods, types, bodies, and how they are framed.

use super::super::support::{Raw, Reply};
use super::{Case, Door, Doors, check};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_methods_and_types_are_refused() {
    let doors = Doors::open().await;
    doors.check(types).await;
    let (api, native) = (&doors.api, &doors.all[0]);
    let w = api.write();
    let cases: Vec<Case> = vec![
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
    ];
    check(api, native, cases).await;
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

pub(super) fn types(door: &Door) -> Vec<Case> {
    let w = &door.write;
    let kind = |value: &str| w.clone().set("Content-Type", value);
    vec![
        ("PUT", 405, w.clone().method("PUT")),
        ("PATCH", 405, w.clone().method("PATCH")),
        ("DELETE", 405, w.clone().method("DELETE")),
        ("TRACE", 405, w.clone().method("TRACE")),
        ("a made-up method", 405, w.clone().method("FROB")),
        ("lower case", 405, w.clone().method("post")),
        (
            "CONNECT",
            400,
            w.clone().method("CONNECT").target(&door.program.address.to_string()),
        ),
        ("asterisk", 400, w.clone().method("OPTIONS").target("*")),
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
    ]
}

fn sorted(allow: &str) -> String {
    let mut methods: Vec<_> = allow.split(',').map(str::trim).collect();
    methods.sort_unstable();
    methods.join(",")
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_bodies_are_refused() {
    let doors = Doors::open().await;
    doors.check(broken).await;
    let (api, native) = (&doors.api, &doors.all[0]);
    let body = |text: &str| api.write().body(text);
    let missing = parlour_crypto::EventId::from_bytes([9; 32]);
    let cases: Vec<Case> = vec![
        ("an unknown field", 400, body("{\"text\":\"attack\",\"admin\":true}")),
        ("a field twice", 400, body("{\"text\":\"a\",\"text\":\"b\"}")),
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
    ];
    check(api, native, cases).await;
    let text = |length: usize| native.saying(&format!("\"{}\"", "a".repeat(length)));
    let detail = |reply: Reply| reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail(api.send(&text(64 * 1024)).await).contains("65536"));
    assert!(detail(api.send(&text(16_385)).await).contains("16384"));
    let wrong = api.send(&body("{\"text\":1}")).await.json();
    assert_eq!(wrong["field"], "text");
    assert!(detail(api.send(&body("{\"text\":\"attack\"")).await).contains("line 1 column 16"));
}

pub(super) fn broken(door: &Door) -> Vec<Case> {
    let w = &door.write;
    let whole = String::from_utf8(w.body.clone()).unwrap();
    let body = |text: &str| w.clone().body(text);
    let text = |length: usize| door.saying(&format!("\"{}\"", "a".repeat(length)));
    let bytes = |before: &[u8], after: &[u8]| w.clone().body_bytes(&[before, whole.as_bytes(), after].concat());
    let mut no_text = door.saying("\"#\"");
    for byte in no_text.body.iter_mut().filter(|byte| **byte == b'#') {
        *byte = 0xff;
    }
    vec![
        ("empty", 400, body("")),
        ("cut short", 400, body(&whole[..whole.len() - 1])),
        ("not JSON", 400, body("text=attack")),
        ("something after it", 400, bytes(b"", b"x")),
        ("two values", 400, bytes(whole.as_bytes(), b"")),
        ("a list", 400, body("[\"attack\"]")),
        ("null", 400, body("null")),
        ("no field", 400, body("{}")),
        ("null as text", 400, door.saying("null")),
        ("a number as text", 400, door.saying("1")),
        ("a list as text", 400, door.saying("[\"attack\"]")),
        ("a lone surrogate", 400, door.saying("\"\\ud800\"")),
        ("a control character", 400, door.saying("\"a\u{0}b\"")),
        ("a byte order mark", 400, bytes(b"\xef\xbb\xbf", b"")),
        ("no UTF-8", 400, no_text),
        ("very deep", 400, door.saying(&format!("{}1", "[".repeat(5000)))),
        ("empty text", 400, door.saying("\"\"")),
        ("blank text", 400, door.saying("\" \\n \"")),
        ("text too long", 400, text(16_385)),
        ("too large", 413, text(64 * 1024)),
        ("far too large", 413, w.clone().set("Content-Length", "99999999999")),
        (
            "more than a number",
            400,
            w.clone().set("Content-Length", "99999999999999999999999999"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn tricks_with_framing_are_refused() {
    Doors::open().await.check(framing).await;
}

pub(super) fn framing(door: &Door) -> Vec<Case> {
    let w = &door.write;
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
    vec![
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
    ]
}
