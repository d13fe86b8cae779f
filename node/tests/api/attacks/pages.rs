//! Hosts and origins: names that lead here from elsewhere, and pages that are not ours.

use super::{Case, Door, Doors};

#[tokio::test(flavor = "multi_thread")]
async fn hostile_hosts_are_refused() {
    let doors = Doors::open().await;
    doors.check(hosts).await;
    for door in &doors.all {
        let port = door.program.address.port();
        for own in [
            format!("127.0.0.1:{port}"),
            format!("localhost:{port}"),
            format!("[::1]:{port}"),
            format!("LocalHost:{port}"),
        ] {
            let reply = door.program.send(&door.read.clone().set("Host", &own)).await;
            assert_eq!(reply.status, 200, "{}: {own}", door.name);
        }
        let absolute = format!("http://127.0.0.1:{port}{}", door.read.target);
        let absolute = door.read.clone().target(&absolute);
        assert_eq!(door.program.send(&absolute).await.status, 200, "{}", door.name);
    }
}

pub(super) fn hosts(door: &Door) -> Vec<Case> {
    let (w, port) = (&door.write, door.program.address.port());
    let host = |value: &str| w.clone().set("Host", value);
    vec![
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
            w.clone().add("Host", &door.program.address.to_string()),
        ),
        ("two hosts", 400, w.clone().add("Host", "evil.example")),
        (
            "forwarded host does not help",
            403,
            host("evil.example").add("X-Forwarded-Host", &door.program.address.to_string()),
        ),
        (
            "foreign host of a read",
            403,
            door.read.clone().set("Host", "evil.example"),
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
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_are_refused() {
    let doors = Doors::open().await;
    doors.check(|door| [origins(door), streams(door)].concat()).await;
    for door in &doors.all {
        let port = door.program.address.port();
        let own = door.read.clone().set("Origin", &format!("http://localhost:{port}"));
        let reply = door.program.send(&own.set("Sec-Fetch-Site", "same-origin")).await;
        assert_eq!(reply.status, 200, "{}", door.name);
    }
}

pub(super) fn origins(door: &Door) -> Vec<Case> {
    let (w, port) = (&door.write, door.program.address.port());
    let origin = |value: &str| w.clone().set("Origin", value);
    vec![
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
            door.read.clone().set("Origin", "http://evil.example"),
        ),
        (
            "foreign preflight",
            403,
            w.clone().method("OPTIONS").set("Origin", "http://evil.example"),
        ),
    ]
}

/// What stays open is asked for by foreign pages, too.
pub(super) fn streams(door: &Door) -> Vec<Case> {
    let each = door.live.iter().flat_map(|live| {
        [
            ("foreign stream", 403, live.clone().set("Origin", "http://evil.example")),
            ("stream of a file", 403, live.clone().set("Origin", "null")),
            (
                "stream of another port",
                403,
                live.clone().set("Origin", "http://localhost:1"),
            ),
            (
                "stream of a foreign host",
                403,
                live.clone().set("Host", "evil.example"),
            ),
            ("stream without a host", 400, live.clone().without("Host")),
            (
                "cross-site stream",
                403,
                live.clone().set("Sec-Fetch-Site", "cross-site"),
            ),
        ]
    });
    each.collect()
}
