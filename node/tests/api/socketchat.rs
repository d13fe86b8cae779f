//! The gateway `socketchat`: its refusals, and two nodes whose users talk through gateways of two families.

use std::path::{Path, PathBuf};

use parlour_node::now_ms;
use serde_json::{Value, json};

use super::house::{House, PASSWORD};
use super::support::Program;

/// Where the client library is; `None`, said clearly, where it is not installed.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn clients() -> Option<PathBuf> {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    if clients.join("node_modules/socket.io-client").is_dir() {
        return Some(clients);
    }
    eprintln!("SKIPPED: `npm install` in node/tests/clients installs what this test needs");
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_on_two_nodes_talk_through_gateways_of_two_families() {
    let Some(clients) = clients() else {
        return;
    };
    let (ada, bo) = (House::of("ada", "echoroom").await, House::of("bo", "socketchat").await);
    bo.befriend(&ada).await;
    let room = json!({ "name": "Garden" });
    assert_eq!(ada.native.post("/api/v1/rooms", &room).await.status, 201);
    ada.invite_into("garden", &bo, "bo").await;
    let slug = bo.native.get("/api/v1/rooms").await.json()["items"][0]["slug"].clone();
    assert_eq!(slug, "garden");
    // What bo calls it is bo's affair.
    let alias = bo
        .native
        .patch("/api/v1/rooms/garden", &json!({ "slug": "greens" }))
        .await;
    assert_eq!(alias.status, 200, "{}", alias.text());
    let mut command = std::process::Command::new("node");
    command.arg(clients.join("socketchat.mjs"));
    command.args([
        ada.gate_url(),
        bo.gate_url(),
        ada.node.api_url(),
        ada.node.token().to_owned(),
    ]);
    command.args([PASSWORD, "garden", "greens"]);
    let run = tokio::task::spawn_blocking(move || command.output()).await;
    let run = run.unwrap().unwrap();
    let (out, error) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success() && out.trim() == "ok", "{out}\n{error}");
    // What the family made is an ordinary room.
    let fresh = bo.native.get("/api/v1/rooms/fresh").await.json();
    assert_eq!(
        (&fresh["policy"]["join"], &fresh["members"]),
        (&json!("public"), &json!(1))
    );
    ada.node.stop().await;
    bo.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_get_the_familys_refusal() {
    let bo = House::of("bo", "socketchat").await;
    let login = json!({ "email": "bo@example.org", "password": PASSWORD });
    let login = bo.gate.post("/api/auth/login", &login).await;
    assert_eq!(login.status, 200, "{}", login.text());
    let page = Program {
        address: bo.gate.address,
        token: login.json()["data"]["token"].as_str().unwrap().to_owned(),
    };
    let sent = page.post("/api/messages", &json!({ "content": "hello" })).await;
    assert_eq!(
        (sent.status, &sent.json()["data"]["message"]["room"]),
        (201, &json!("general"))
    );
    let id = sent.json()["data"]["message"]["_id"].as_str().unwrap().to_owned();
    let message = format!("/api/messages/{id}");
    let short = format!("/api/messages/{}", &id[..id.len() - 4]);
    let long = json!({ "content": "x".repeat(1001) });
    let x = json!({ "content": "x" });
    for (method, path, body, status) in [
        ("GET", "/api/messages?limit=0", Value::Null, 400),
        ("GET", "/api/messages?limit=-1", Value::Null, 400),
        ("GET", "/api/messages?skip=x", Value::Null, 400),
        ("GET", "/api/messages?skip=99999999", Value::Null, 400),
        ("GET", "/api/messages?room=..%2Fme", Value::Null, 400),
        ("GET", "/api/messages?room=", Value::Null, 400),
        ("POST", "/api/messages", json!({}), 400),
        ("POST", "/api/messages", json!({ "content": 1 }), 400),
        ("POST", "/api/messages", json!({ "content": " " }), 400),
        ("POST", "/api/messages", long.clone(), 400),
        ("POST", "/api/messages", json!({ "content": "x", "room": 1 }), 400),
        (
            "POST",
            "/api/messages",
            json!({ "content": "x", "messageType": "file" }),
            400,
        ),
        ("POST", "/api/messages", json!([1]), 400),
        ("PUT", message.as_str(), long, 400),
        ("PUT", "/api/messages/nonsense", x.clone(), 400),
        ("PUT", short.as_str(), x.clone(), 404),
        ("PUT", "/api/messages/..%2Fme", x, 400),
        ("POST", "/api/messages/%ff/read", json!({}), 400),
        ("POST", &format!("{message}/react"), json!({}), 400),
        ("POST", &format!("{message}/react"), json!({ "emoji": "no emoji" }), 400),
        ("PUT", "/api/users/profile", json!({ "username": "ab" }), 400),
        ("PUT", "/api/users/profile", json!({ "username": "x".repeat(31) }), 400),
        ("GET", "/api/users/search?q=a", Value::Null, 400),
        ("GET", "/api/users/search?q=ab&limit=x", Value::Null, 400),
        ("GET", "/api/users/nobody", Value::Null, 404),
        ("POST", "/api/users/status", json!({ "isOnline": 1 }), 400),
        ("POST", "/api/files/upload", json!({}), 501),
        ("POST", "/api/users/avatar", json!({}), 400),
        ("GET", "/api/v1/me", Value::Null, 404),
        ("DELETE", "/api/messages", Value::Null, 405),
        ("GET", "/nowhere", Value::Null, 404),
        (
            "POST",
            "/api/auth/login",
            json!({ "email": { "$ne": 1 }, "password": "x" }),
            400,
        ),
        (
            "POST",
            "/api/auth/register",
            json!({ "username": "eve", "email": "eve@example.org", "password": PASSWORD }),
            403,
        ),
    ] {
        let mut request = page.request(method, path);
        if !body.is_null() {
            request = request.set("Content-Type", "application/json").body(&body.to_string());
        }
        let reply = page.send(&request).await;
        assert_eq!(reply.status, status, "{method} {path} {body}: {}", reply.text());
        let refusal = reply.json();
        assert_eq!(refusal["success"], false, "{path}");
        assert!(refusal["message"].is_string(), "{path}");
    }
    let stranger = bo.gate.request("GET", "/api/messages").without("Authorization");
    assert_eq!(bo.gate.send(&stranger).await.status, 401);
    let foreign = page
        .request("GET", "/api/messages")
        .set("Origin", "http://evil.example");
    assert_eq!(page.send(&foreign).await.status, 403);
    // None of it has made a room, or changed the message.
    let rooms = bo.native.get("/api/v1/rooms").await.json();
    assert_eq!(rooms["items"].as_array().unwrap().len(), 1, "{rooms}");
    let listed = page.get("/api/messages").await.json();
    assert_eq!(listed["data"]["messages"][0]["content"], "hello");
    // A token of this family outlives the time for which others are renewed.
    let until: jiff::Timestamp = page.get_session(&bo.native).await;
    assert!(until.as_millisecond() > i64::try_from(now_ms()).unwrap() + 6 * 24 * 3_600_000);
    bo.node.stop().await;
}

impl Program {
    /// Until when this program's token is good, as the API itself says.
    async fn get_session(&self, native: &Program) -> jiff::Timestamp {
        let asker = Program {
            address: native.address,
            token: self.token.clone(),
        };
        let session = asker.get("/api/v1/session").await.json();
        session["expires_at"].as_str().unwrap().parse().unwrap()
    }
}
