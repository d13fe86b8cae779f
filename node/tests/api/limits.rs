//! Slow, silent and greedy clients.

use std::time::Duration;

use super::support::{TestApi, patient, read_head, read_reply, read_to_end};
use parlour_node::{ApiLimits, RateLimit};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread")]
async fn half_open_and_dripping_connections_are_closed() {
    let api = TestApi::with(ApiLimits {
        header_timeout: SHORT,
        ..ApiLimits::default()
    })
    .await;
    let silent = TcpStream::connect(api.address).await.unwrap();
    let mut half = TcpStream::connect(api.address).await.unwrap();
    half.write_all(b"GET /api/v1/me HTTP/1.1\r\nHost: ").await.unwrap();
    let dripping = drip(TcpStream::connect(api.address).await.unwrap());
    for mut socket in [silent, half] {
        assert_eq!(read_to_end(&mut socket).await, b"");
    }
    patient("the end of a dripping client", dripping).await;
    assert_eq!(api.get("/api/v1/me").await.status, 200);
}

/// Sends a header that never ends, a byte at a time, until the other side has closed.
async fn drip(mut socket: TcpStream) {
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    socket.write_all(b"GET / HTTP/1.1\r\nX-Drip: ").await.unwrap();
    loop {
        beat.tick().await;
        if socket.write_all(b"x").await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_is_closed_on_a_used_connection_too() {
    let api = TestApi::with(ApiLimits {
        header_timeout: SHORT,
        ..ApiLimits::default()
    })
    .await;
    let mut socket = TcpStream::connect(api.address).await.unwrap();
    let request = api.request("GET", "/health/live").without("Connection").bytes();
    socket.write_all(&request).await.unwrap();
    assert_eq!(patient("an answer", read_reply(&mut socket)).await.status, 200);
    socket.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(read_to_end(&mut socket).await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_is_refused() {
    let api = TestApi::with(ApiLimits {
        body_timeout: SHORT,
        ..ApiLimits::default()
    })
    .await;
    let before = api.feed();
    let mut request = api.write();
    request.body.truncate(5);
    let reply = api.send(&request).await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (408, Some("timeout")));
    assert_eq!(api.feed(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_cut_short_writes_nothing() {
    let api = TestApi::start().await;
    let before = api.feed();
    let mut request = api.write();
    request.body.truncate(5);
    let mut socket = TcpStream::connect(api.address).await.unwrap();
    socket.write_all(&request.bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    read_to_end(&mut socket).await;
    assert_eq!(api.feed(), before);
    assert_eq!(api.get("/api/v1/me").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resting_connection_is_kept_and_then_closed() {
    let api = TestApi::with(ApiLimits {
        header_timeout: SHORT / 3,
        idle_timeout: SHORT * 2,
        ..ApiLimits::default()
    })
    .await;
    let mut socket = TcpStream::connect(api.address).await.unwrap();
    let request = api.request("GET", "/health/live").without("Connection").bytes();
    let mut beat = tokio::time::interval(SHORT);
    for _ in 0..3 {
        beat.tick().await;
        socket.write_all(&request).await.unwrap();
        assert_eq!(patient("an answer", read_reply(&mut socket)).await.status, 200);
    }
    assert_eq!(read_to_end(&mut socket).await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_closed() {
    let api = TestApi::with(ApiLimits {
        write_timeout: SHORT,
        ..ApiLimits::default()
    })
    .await;
    for n in 0..50 {
        api.post_text(&format!("{n} {}", "long ".repeat(3000))).await;
    }
    let socket = TcpStream::connect(api.address).await.unwrap();
    let (reader, mut writer) = socket.into_split();
    let request = api
        .request("GET", "/api/v1/conversations/bob/messages")
        .without("Connection")
        .bytes();
    // Asks again and again and never reads, until the node has had enough.
    let asking = async { while writer.write_all(&request).await.is_ok() {} };
    patient("the node to hang up", asking).await;
    drop(reader);
    assert_eq!(api.get("/api/v1/me").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_of_a_stream_is_closed() {
    let api = TestApi::with(ApiLimits {
        write_timeout: SHORT,
        ..ApiLimits::default()
    })
    .await;
    for n in 0..400 {
        api.post_text(&format!("{n} {}", "long ".repeat(3000))).await;
    }
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let (reader, mut writer) = socket.connect(api.address).await.unwrap().into_split();
    let request = api
        .request("GET", "/api/v1/events?after=0")
        .without("Connection")
        .bytes();
    let asking = async { while writer.write_all(&request).await.is_ok() {} };
    patient("the node to hang up", asking).await;
    drop(reader);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_allowed_are_told_so() {
    let api = TestApi::with(ApiLimits {
        connections: 2,
        ..ApiLimits::default()
    })
    .await;
    let request = api.request("GET", "/health/live").without("Connection").bytes();
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut socket = TcpStream::connect(api.address).await.unwrap();
        socket.write_all(&request).await.unwrap();
        assert_eq!(patient("an answer", read_reply(&mut socket)).await.status, 200);
        held.push(socket);
    }
    let mut third = TcpStream::connect(api.address).await.unwrap();
    let reply = patient("a refusal", read_reply(&mut third)).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    held.clear();
    let served = async { while api.get("/health/live").await.status != 200 {} };
    patient("a free place", served).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_run_out_of_tries_and_others_do_not() {
    let anonymous = RateLimit {
        burst: 3,
        per_second: 0.001,
    };
    let api = TestApi::with(ApiLimits {
        anonymous,
        ..ApiLimits::default()
    })
    .await;
    let stranger = api.request("GET", "/api/v1/me").set("Authorization", "Bearer guess");
    for _ in 0..3 {
        assert_eq!(api.send(&stranger).await.status, 401);
    }
    let reply = api.send(&stranger).await;
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (429, &"too_many_requests".into())
    );
    assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() > 100);
    assert_eq!(
        api.send(&api.request("GET", "/health/live").without("Authorization"))
            .await
            .status,
        200
    );
    assert_eq!(api.get("/api/v1/me").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_runs_out_of_requests() {
    let cookie = RateLimit {
        burst: 3,
        per_second: 0.001,
    };
    let api = TestApi::with(ApiLimits {
        cookie,
        ..ApiLimits::default()
    })
    .await;
    for _ in 0..3 {
        assert_eq!(api.get("/api/v1/me").await.status, 200);
    }
    let before = api.feed();
    let reply = api.send(&api.write()).await;
    assert_eq!(reply.status, 429);
    assert!(reply.header("retry-after").is_some());
    assert_eq!(api.feed(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_resting_connections_at_once() {
    let mut api = TestApi::start().await;
    let mut socket = TcpStream::connect(api.address).await.unwrap();
    let request = api.request("GET", "/health/live").without("Connection").bytes();
    socket.write_all(&request).await.unwrap();
    assert_eq!(patient("an answer", read_reply(&mut socket)).await.status, 200);
    api.stop.cancel();
    assert_eq!(read_to_end(&mut socket).await, b"");
    patient("the API to end", api.served.take().unwrap()).await.unwrap();
    assert!(TcpStream::connect(api.address).await.is_err());
}

/// A request whose body the node is waiting for.
async fn half_sent(api: &TestApi) -> (TcpStream, Vec<u8>) {
    let mut request = api.write().add("Expect", "100-continue");
    let body = std::mem::take(&mut request.body);
    let mut socket = TcpStream::connect(api.address).await.unwrap();
    socket.write_all(&request.bytes()).await.unwrap();
    assert_eq!(patient("the go-ahead", read_head(&mut socket)).await.status, 100);
    (socket, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_at_the_stop_is_answered() {
    let mut api = TestApi::start().await;
    let (mut socket, body) = half_sent(&api).await;
    api.stop.cancel();
    socket.write_all(&body).await.unwrap();
    let reply = patient("an answer", read_reply(&mut socket)).await;
    assert_eq!((reply.status, reply.json()["text"].as_str()), (201, Some("attack")));
    drop(socket);
    patient("the API to end", api.served.take().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_too_long_does_not_hold_up_the_stop() {
    let mut api = TestApi::with(ApiLimits {
        drain: SHORT,
        ..ApiLimits::default()
    })
    .await;
    let (mut socket, _) = half_sent(&api).await;
    api.stop.cancel();
    patient("the API to end", api.served.take().unwrap()).await.unwrap();
    assert_eq!(read_to_end(&mut socket).await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_a_clear_error() {
    let api = TestApi::start().await;
    let error = parlour_node::bind_api(api.address).await.unwrap_err();
    assert!(matches!(error, parlour_node::BindError::InUse { .. }));
    assert!(error.to_string().contains(&api.address.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_names_and_pages_are_let_in() {
    let api = TestApi::configured(|config| {
        config.allowed_hosts = vec!["chat.example:443".into()];
        config.allowed_origins = vec!["https://chat.example".into()];
    })
    .await;
    let request = api
        .request("GET", "/api/v1/me")
        .set("Host", "chat.example:443")
        .set("Origin", "https://chat.example");
    assert_eq!(api.send(&request).await.status, 200);
    assert_eq!(
        api.send(&request.set("Origin", "https://chat.example.evil"))
            .await
            .status,
        403
    );
    // A page of that origin may ask first, without a token, and read what it gets; others may not.
    let page = |method: &str, origin: &str| {
        let request = api.request(method, "/api/v1/me").set("Origin", origin);
        request.set("Sec-Fetch-Site", "cross-site")
    };
    let asks = |origin: &str| {
        let request = page("OPTIONS", origin).without("Authorization");
        request.set("Access-Control-Request-Method", "PATCH")
    };
    let named = "https://chat.example";
    for (request, status) in [(asks(named), 204), (page("GET", named), 200)] {
        let reply = api.send(&request).await;
        assert_eq!(
            (reply.status, reply.header("access-control-allow-origin")),
            (status, Some(named))
        );
        assert_eq!(
            reply.header("access-control-allow-credentials"),
            None,
            "there are no cookies"
        );
    }
    let without = api.send(&page("GET", named).without("Authorization")).await;
    assert_eq!(without.status, 401);
    for other in ["https://chat.example.evil", "null", "http://localhost:5173"] {
        for request in [asks(other), page("GET", other)] {
            let reply = api.send(&request).await;
            assert_eq!(
                (reply.status, reply.header("access-control-allow-origin")),
                (403, None),
                "{other}"
            );
        }
    }
    let own = format!("http://{}", api.address);
    let reply = api.send(&api.request("GET", "/api/v1/me").set("Origin", &own)).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, None));
}
