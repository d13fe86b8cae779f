//! Many at once: the same thing said a hundred times, packets that promise what never comes, requests that never end.

use std::time::Duration;

use parlour_node::{ApiLimits, RateLimit, SendText};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::echoroom::Gate;
use super::socket::Socket;
use super::support::{Program, TestApi, patient, read_to_end};

const TIMES: usize = 100;

/// For which a hundred requests at once are nothing.
pub(super) fn generous() -> ApiLimits {
    ApiLimits {
        paired: RateLimit {
            burst: 1_000,
            per_second: 1_000.0,
        },
        ..ApiLimits::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_client_id_a_hundred_times_at_once_is_one_message_with_one_answer() {
    let api = TestApi::start().await;
    let body = json!({ "text": "once", "client_id": "storm" }).to_string();
    let path = format!("/api/v1/conversations/{}/messages", api.conversation);
    let request = api
        .request("POST", &path)
        .set("Content-Type", "application/json")
        .body(&body);
    let mut asking = JoinSet::new();
    for _ in 0..TIMES {
        let program = Program {
            address: api.address,
            token: api.token.clone(),
        };
        let request = request.clone();
        asking.spawn(async move { program.send(&request).await });
    }
    let replies = patient("the answers", asking.join_all()).await;
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    let mut expected = vec![200; TIMES - 1];
    expected.push(201);
    assert_eq!(statuses, expected);
    assert!(
        replies
            .iter()
            .all(|reply| reply.json()["id"] == replies[0].json()["id"])
    );

    // The same over a WebSocket, all of them before the first answer is read.
    let mut socket = Socket::open(&api).await;
    socket.say(&json!({ "type": "auth", "token": api.token })).await;
    assert_eq!(socket.text().await["type"], "ready");
    for n in 0..TIMES {
        let send =
            json!({ "type": "send", "id": n, "conversation": api.conversation, "text": "once", "client_id": "storm" });
        socket.say(&send).await;
    }
    for n in 0..TIMES {
        let reply = socket.text().await;
        assert_eq!(
            (&reply["id"], &reply["ok"]["id"]),
            (&json!(n), &replies[0].json()["id"])
        );
    }
    let page = api.get(&path).await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page}");
}

/// What is said next, beside pings, which are answered.
pub(super) async fn said(socket: &mut Socket) -> Option<String> {
    loop {
        match socket.packet().await?.as_str() {
            "2" => socket.put("3").await,
            packet => return Some(packet.to_owned()),
        }
    }
}

/// Where a Socket.IO connection over a WebSocket begins.
pub(super) const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// A Socket.IO connection over a WebSocket that is logged in.
pub(super) async fn socket_io(gate: &Program, token: &str) -> Socket {
    let mut socket = Socket::at(gate, WEBSOCKET).await;
    log_in(&mut socket, token).await;
    socket
}

/// Says over a WebSocket that has just been opened who one is.
pub(super) async fn log_in(socket: &mut Socket, token: &str) {
    assert!(said(socket).await.unwrap().starts_with("0{"));
    socket.put(&format!("40{}", json!({ "token": token }))).await;
    let welcome = said(socket).await.unwrap();
    assert!(welcome.starts_with("40{"), "{welcome}");
}

/// The next event of a name, and what it carries.
pub(super) async fn event(socket: &mut Socket, name: &str) -> Value {
    patient(name, async { next_event(socket, name).await }).await
}

async fn next_event(socket: &mut Socket, name: &str) -> Value {
    loop {
        let packet = said(socket).await.unwrap_or_else(|| panic!("ended before {name}"));
        assert_ne!(packet, "41", "disconnected before {name}");
        let Some(json) = packet.strip_prefix("42") else {
            continue;
        };
        let mut event: Value = serde_json::from_str(json).unwrap();
        assert!(event[0] != "error", "{event}");
        if event[0] == name {
            return event[1].take();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_temporary_id_a_hundred_times_at_once_is_one_message_in_a_gateway() {
    let data = TempDir::new().unwrap();
    let gate = Gate::with(&data, generous(), |_| ()).await;
    let (page, _) = gate.log_in().await;
    let mut socket = socket_io(&gate.gate, &page.token).await;
    socket.put("42[\"room:join\",{\"roomId\":\"garden\"}]").await;
    event(&mut socket, "room:joined").await;
    let send = json!(["message:send", { "roomId": "garden", "text": "once", "tempId": "1" }]);
    for _ in 0..TIMES {
        socket.put(&format!("42{send}")).await;
    }
    let first = event(&mut socket, "message:ack").await;
    for _ in 1..TIMES {
        assert_eq!(event(&mut socket, "message:ack").await, first);
    }
    let messages = page.get("/rooms/garden/messages").await.json();
    let messages = messages.as_array().unwrap();
    assert_eq!((messages.len(), &messages[0]["_id"]), (1, &first["realId"]));
    gate.node.stop().await;
}

/// Requests that are begun and never ended, in three ways.
async fn half_open(program: &Program, count: usize) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for n in 0..count {
        let mut socket = TcpStream::connect(program.address).await.unwrap();
        let begun = format!("POST /api/v1/x HTTP/1.1\r\nHost: {}\r\n", program.address);
        let said = match n % 3 {
            0 => String::new(),
            1 => begun,
            _ => format!("{begun}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{"),
        };
        socket.write_all(said.as_bytes()).await.unwrap();
        held.push(socket);
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_half_open_requests_are_closed_in_time_and_nobody_waits_for_them() {
    const LONGEST: Duration = Duration::from_secs(15);
    let data = TempDir::new().unwrap();
    let gate = Gate::with(&data, ApiLimits::default(), |_| ()).await;
    let began = Instant::now();
    let mut held = half_open(&gate.native, 200).await;
    held.extend(half_open(&gate.gate, 200).await);
    let mut times = Vec::new();
    for _ in 0..50 {
        for (program, path) in [(&gate.native, "/api/v1/me"), (&gate.gate, "/health")] {
            let asked = Instant::now();
            assert_eq!(program.get(path).await.status, 200);
            times.push(asked.elapsed());
        }
    }
    times.sort_unstable();
    assert!(times[times.len() / 2] < Duration::from_millis(100), "{times:?}");
    for socket in &mut held {
        read_to_end(socket).await;
    }
    assert!(began.elapsed() < LONGEST, "{:?}", began.elapsed());
    gate.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_an_account_that_has_stopped_is_told_so_at_once() {
    let data = TempDir::new().unwrap();
    let gate = Gate::with(&data, ApiLimits::default(), |_| ()).await;
    let account = gate.node.account().clone();
    let own = account.facts().own.user;
    gate.node.stop().await;
    let send = SendText::plain(parlour_crypto::ConversationId::direct(&own, &own), "late");
    assert!(patient("a refusal", account.send(send)).await.is_err());
}
