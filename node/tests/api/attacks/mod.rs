//! Hostile and broken requests: each gets its status, changes nothing, and leaves the node answering others. Here: who asks.

mod bodies;
mod paths;

use super::support::{Raw, TestApi};

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
