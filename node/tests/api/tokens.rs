//! Tokens for programs: what each scope may do on every way, and that all of it ends when a token does.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::socket::Socket;
use super::support::{Program, Reply, TestApi, patient, read_head, read_to_end};

async fn make(api: &TestApi, wish: &Value) -> Value {
    let made = api.post("/api/v1/tokens", wish).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()
}

async fn with_token(api: &TestApi, wish: &Value) -> Program {
    Program {
        address: api.address,
        token: make(api, wish).await["token"].as_str().unwrap().to_owned(),
    }
}

fn outcome(reply: &Reply) -> (u16, String) {
    let code = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
    (reply.status, code["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(code: &str) -> (u16, String) {
    (403, code.to_owned())
}

async fn socket_of(program: &Program) -> Socket {
    let mut socket = Socket::open(program).await;
    socket.say(&json!({ "type": "auth", "token": program.token })).await;
    assert_eq!(socket.text().await["type"], "ready");
    socket
}

async fn stream_of(program: &Program, after: u64) -> TcpStream {
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    let events = program.request("GET", &format!("/api/v1/events?after={after}"));
    stream.write_all(&events.bytes()).await.unwrap();
    assert_eq!(patient("the stream", read_head(&mut stream)).await.status, 200);
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scope_does_what_it_is_for_and_no_more() {
    let api = TestApi::start().await;
    let messages = format!("/api/v1/conversations/{}/messages", api.conversation);
    for (rank, scope) in ["read", "send", "admin"].into_iter().enumerate() {
        let program = with_token(&api, &json!({ "scope": scope })).await;
        let allowed = |needs: usize, status: u16| {
            if needs <= rank {
                (status, String::new())
            } else {
                refused("scope")
            }
        };
        assert_eq!(program.get("/api/v1/session").await.json()["scope"], scope);
        assert_eq!(outcome(&program.get(&messages).await), allowed(0, 200));
        assert_eq!(outcome(&program.get("/api/v1/search?q=hello").await), allowed(0, 200));
        let written = program.post(&messages, &json!({ "text": "hello" })).await;
        assert_eq!(outcome(&written), allowed(1, 201), "{scope}");
        let typing = format!("/api/v1/conversations/{}/typing", api.conversation);
        let typing = program.put(&typing, &json!({ "typing": true })).await;
        assert_eq!(outcome(&typing), allowed(1, 204), "{scope}");
        let changed = program.patch("/api/v1/me/profile", &json!({ "about": scope })).await;
        assert_eq!(outcome(&changed), allowed(2, 200), "{scope}");
        assert_eq!(outcome(&program.get("/api/v1/tokens").await), allowed(2, 200));
        assert_eq!(outcome(&program.get("/api/v1/invites").await), allowed(2, 200));
        // No token makes another one, nor a link that is exchanged for one.
        let another = program.post("/api/v1/tokens", &json!({ "scope": "read" })).await;
        assert_eq!(outcome(&another), refused("not_for_pages"));
        let link = program.post("/api/v1/session/link", &json!({})).await;
        assert_eq!(outcome(&link), refused("not_for_pages"));

        let mut socket = socket_of(&program).await;
        socket.say(&json!({ "type": "subscribe" })).await;
        assert!(socket.text().await["ok"]["after"].is_u64());
        let send = json!({ "type": "send", "id": 1, "conversation": api.conversation, "text": "hello" });
        socket.say(&send).await;
        let reply = socket.reply().await;
        assert_eq!(reply["ok"].is_object(), rank >= 1, "{scope}: {reply}");
        assert_eq!(reply["error"]["code"] == "scope", rank < 1, "{scope}: {reply}");
        stream_of(&program, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_conversation_reaches_no_other() {
    let api = TestApi::start().await;
    let notes = api.put("/api/v1/notes", &json!({})).await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = |conversation: &str| format!("/api/v1/conversations/{conversation}/messages");
    let elsewhere = api.post_text("hello elsewhere").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let program = with_token(&api, &json!({ "scope": "admin", "conversation": "notes" })).await;
    assert_eq!(program.get("/api/v1/session").await.json()["conversation"], notes);

    let written = program.post(&path(&notes), &json!({ "text": "hello here" })).await;
    assert_eq!(written.status, 201);
    let here = written.json()["id"].as_str().unwrap().to_owned();
    for other in [api.conversation.as_str(), "bob", "notes"] {
        let read = program.get(&path(other)).await;
        assert_eq!(outcome(&read), refused("other_conversation"), "{other}");
        let written = program.post(&path(other), &json!({ "text": "x" })).await;
        assert_eq!(outcome(&written), refused("other_conversation"), "{other}");
    }
    let message = |id: &str| format!("/api/v1/messages/{id}");
    assert_eq!(program.get(&message(&here)).await.status, 200);
    assert_eq!(outcome(&program.get(&message(&elsewhere)).await).0, 404);
    let react = format!("{}/reactions/%F0%9F%91%8D", message(&elsewhere));
    assert_eq!(program.put(&react, &json!({})).await.status, 404);
    assert_eq!(
        program
            .send(&program.request("DELETE", &format!("{}?for=me", message(&elsewhere))))
            .await
            .status,
        404
    );
    let search = |query: &str| format!("/api/v1/search?q=hello{query}");
    assert_eq!(
        program.get(&search(&format!("&conversation={notes}"))).await.status,
        200
    );
    for query in [
        String::new(),
        format!("&conversation={}", api.conversation),
        format!("&conversation={notes}&conversation={}", api.conversation),
        format!("&conversation={notes}&%63onversation={}", api.conversation),
    ] {
        let found = program.get(&search(&query)).await;
        assert!(found.status == 403 || found.status == 400, "{query}: {}", found.text());
    }
    // … and does not learn either who else there is.
    for name in ["bob", "nobody"] {
        let found = program
            .get(&search(&format!("&conversation={notes}&author={name}")))
            .await;
        assert_eq!(outcome(&found), refused("other_conversation"), "{name}");
        let wish = json!({ "text": "x", "mentions": [name] });
        let written = program.post(&path(&notes), &wish).await;
        assert_eq!(outcome(&written), refused("other_conversation"), "{name}");
    }
    for everything in [
        "/api/v1/conversations",
        "/api/v1/contacts",
        "/api/v1/me",
        "/api/v1/stats",
        "/api/v1/tokens",
        "/api/v1/rooms",
    ] {
        assert_eq!(
            outcome(&program.get(everything).await),
            refused("other_conversation"),
            "{everything}"
        );
    }

    let mut socket = socket_of(&program).await;
    let send = |id: u64, conversation: &str| json!({ "type": "send", "id": id, "conversation": conversation, "text": "from a socket" });
    socket.say(&send(1, &api.conversation)).await;
    assert_eq!(socket.reply().await["error"]["code"], "other_conversation");
    socket.say(&send(2, "notes")).await;
    assert_eq!(socket.reply().await["error"]["code"], "other_conversation");
    socket.say(&send(3, &notes)).await;
    assert!(socket.reply().await["ok"].is_object());

    // Both streams tell of the one conversation and of nothing else.
    socket
        .say(&json!({ "type": "subscribe", "after": 0, "ephemeral": true }))
        .await;
    socket.reply().await;
    let mut stream = stream_of(&program, 0).await;
    api.post_text("again elsewhere").await;
    program.post(&path(&notes), &json!({ "text": "the last one" })).await;
    let mut told = Vec::new();
    while !told.iter().any(|text: &String| text.contains("the last one")) {
        told.push(socket.text().await.to_string());
    }
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).contains("the last one") {
        let mut some = [0; 4096];
        let length = patient("events", stream.read(&mut some)).await.unwrap();
        assert!(length > 0, "the stream ended");
        bytes.extend_from_slice(&some[..length]);
    }
    let told = told.concat();
    let streamed = String::from_utf8_lossy(&bytes).into_owned();
    for text in [&told, &streamed] {
        assert!(text.contains("hello here") && !text.contains("elsewhere"), "{text}");
        assert!(!text.contains(&api.conversation), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_there_for_prometheus_and_for_an_administrator_alone() {
    let api = TestApi::start().await;
    api.post_text("hello").await;
    let answer = api.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = answer.text();
    let feed = api.feed();
    for line in [
        "# TYPE parlour_feed gauge",
        "# TYPE parlour_events_received_total counter",
        "parlour_events_received_total 0",
        "parlour_refused_total{what=\"knocks\"} 0",
        "parlour_store_ok 1",
        &format!("parlour_feed {feed}"),
    ] {
        assert!(text.lines().any(|there| there == line), "{line}: {text}");
    }
    assert!(
        text.lines()
            .all(|line| line.starts_with("# ") || line.starts_with("parlour_")),
        "{text}"
    );
    let reader = with_token(&api, &json!({ "scope": "read" })).await;
    assert_eq!(reader.get("/metrics").await.status, 403);
    let nobody = api.send(&api.request("GET", "/metrics").without("Authorization")).await;
    assert_eq!(nobody.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_opened_ends_with_it() {
    let api = TestApi::start().await;
    let made = make(&api, &json!({ "scope": "send", "label": "bot" })).await;
    let id = made["id"].as_str().unwrap();
    let program = Program {
        address: api.address,
        token: made["token"].as_str().unwrap().to_owned(),
    };
    let listed = api.get("/api/v1/tokens").await.json();
    assert_eq!(listed["items"][0]["last_used_at"], Value::Null);
    assert!(listed["items"][0].get("token").is_none(), "it is told once");
    let (mut socket, mut stream) = (socket_of(&program).await, stream_of(&program, 0).await);
    let mut idle = stream_of(&program, api.feed()).await;
    let listed = api.get("/api/v1/tokens").await.json();
    assert_eq!(
        (&listed["items"][0]["label"], &listed["items"][0]["scope"]),
        (&json!("bot"), &json!("send"))
    );
    assert!(listed["items"][0]["last_used_at"].is_string());

    let path = format!("/api/v1/tokens/{id}");
    assert_eq!(api.send(&api.request("DELETE", &path)).await.status, 204);
    assert_eq!(socket.closed().await, 4401);
    read_to_end(&mut stream).await;
    read_to_end(&mut idle).await;
    assert_eq!(outcome(&program.get("/api/v1/session").await).0, 401);
    assert_eq!(api.send(&api.request("DELETE", &path)).await.status, 404);
    assert_eq!(api.get("/api/v1/tokens").await.json()["items"], json!([]));

    let short = with_token(&api, &json!({ "scope": "read", "expires_in_s": 1 })).await;
    let (mut socket, mut stream) = (socket_of(&short).await, stream_of(&short, 0).await);
    assert_eq!(socket.closed().await, 4401);
    read_to_end(&mut stream).await;
    assert_eq!(outcome(&short.get("/api/v1/session").await).0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn wishes_for_tokens_are_checked() {
    let api = TestApi::start().await;
    for (wish, status) in [
        (json!({}), 400),
        (json!({ "scope": "root" }), 400),
        (json!({ "scope": "read", "expires_in_s": 0 }), 400),
        (json!({ "scope": "read", "expires_in_s": u64::MAX }), 400),
        (json!({ "scope": "read", "expires_in_s": -1 }), 400),
        (json!({ "scope": "read", "conversation": "nobody" }), 404),
        (json!({ "scope": "read", "label": "x".repeat(65) }), 400),
        (json!({ "scope": "read", "label": "a\nb" }), 400),
        (json!({ "scope": "read", "account": 1 }), 400),
    ] {
        let reply = api.post("/api/v1/tokens", &wish).await;
        assert_eq!(reply.status, status, "{wish}: {}", reply.text());
    }
    for id in ["token_00", "..", "%00", &"x".repeat(10_000)] {
        let reply = api.send(&api.request("DELETE", &format!("/api/v1/tokens/{id}"))).await;
        assert_eq!(reply.status, 404, "{id}: {}", reply.text());
    }
    assert_eq!(api.get("/api/v1/tokens").await.json()["items"], json!([]));
}
