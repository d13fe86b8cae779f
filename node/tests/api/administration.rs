//! Looking after a node: roles, and who is kept out.

use std::net::SocketAddr;

use parlour_node::{DataDir, NewAccount, Node, Registration, create_account, now_ms};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::house::PASSWORD;
use super::socket::Socket;
use super::support::{Program, Reply, options, patient};

/// A node with a gateway that takes newcomers.
struct Place {
    node: Node,
    /// With the command line's token for the first account.
    native: Program,
    gate: SocketAddr,
}

impl Place {
    async fn start(data: &TempDir) -> Self {
        if DataDir::new(data.path()).accounts().unwrap().is_empty() {
            create_account(&DataDir::new(data.path()), &NewAccount::named("ada"), now_ms()).unwrap();
        }
        let mut node = Node::start(options(data)).await.unwrap();
        node.set_local_contacts(Some(false));
        node.set_registration(Registration::Open);
        let gate = node
            .open_gateway("echoroom=127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let native = Program {
            address: node.api_url().strip_prefix("http://").unwrap().parse().unwrap(),
            token: node.token().to_owned(),
        };
        Self { node, native, gate }
    }

    fn with(&self, token: &Value) -> Program {
        Program {
            address: self.native.address,
            token: token.as_str().unwrap().to_owned(),
        }
    }

    async fn register(&self, name: &str) -> Program {
        let wish = json!({ "name": name, "email": format!("{name}@example.org"), "password": PASSWORD });
        let made = self.native.post("/api/v1/session/register", &wish).await;
        assert_eq!(made.status, 201, "{}", made.text());
        self.with(&made.json()["token"])
    }

    async fn log_in(&self, name: &str, password: &str) -> Reply {
        let wish = json!({ "name": format!("{name}@example.org"), "password": password });
        self.native.post("/api/v1/session/login", &wish).await
    }
}

async fn change(program: &Program, account: &str, wish: &Value) -> Reply {
    program.patch(&format!("/api/v1/node/accounts/{account}"), wish).await
}

fn code(reply: &Reply) -> (u16, String) {
    (
        reply.status,
        reply.json()["code"].as_str().unwrap_or_default().to_owned(),
    )
}

fn kept_out() -> Value {
    json!({ "suspended": true, "reason": "sent spam" })
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_kept_out_is_cut_off_and_told_why_and_comes_back() {
    let data = TempDir::new().unwrap();
    let place = Place::start(&data).await;
    let bo = place.register("bo").await;
    let login = place.log_in("bo", PASSWORD).await.json();
    let mut socket = Socket::open(&bo).await;
    socket.say(&json!({ "type": "auth", "token": bo.token })).await;
    assert_eq!(socket.text().await["type"], "ready");
    let mut io = Socket::at(
        &Program {
            address: place.gate,
            token: bo.token.clone(),
        },
        "/socket.io/?EIO=4&transport=websocket",
    )
    .await;
    io.put(&format!("40{}", json!({ "token": bo.token }))).await;
    while !io.packet().await.unwrap().starts_with("40{") {}

    let suspended = change(&place.native, "bo", &kept_out()).await;
    assert_eq!(suspended.status, 200, "{}", suspended.text());
    assert_eq!(
        (&suspended.json()["reason"], &suspended.json()["removed"]),
        (&json!("sent spam"), &json!(false))
    );
    assert_eq!(socket.closed().await, 4401);
    let cut = async { while io.packet().await.is_some_and(|packet| packet != "41") {} };
    patient("the end of a gateway's socket", cut).await;
    let why = "this account has been suspended by those who look after this node: sent spam";
    let refused = bo.get("/api/v1/me").await;
    assert_eq!(
        (code(&refused), &refused.json()["detail"]),
        ((403, "suspended".into()), &json!(why))
    );
    let refused = place.log_in("bo", PASSWORD).await;
    assert_eq!(
        (code(&refused), &refused.json()["detail"]),
        ((403, "suspended".into()), &json!(why))
    );
    // Nobody else learns of it.
    assert_eq!(
        code(&place.log_in("bo", "a wrong one").await),
        (401, "wrong_password".into())
    );
    let refresh = json!({ "refresh_token": login["refresh_token"] });
    assert_eq!(
        code(&place.native.post("/api/v1/session/refresh", &refresh).await),
        (403, "suspended".into())
    );
    let gate = Program {
        address: place.gate,
        token: bo.token.clone(),
    };
    let wish = json!({ "email": "bo@example.org", "password": PASSWORD });
    let refused = gate.post("/auth/login", &wish).await;
    assert_eq!((refused.status, &refused.json()["message"]), (403, &json!(why)));
    place.node.stop().await;

    // Also after a restart, until it is let in again; then everything is good that was.
    let place = Place::start(&data).await;
    assert_eq!(code(&place.log_in("bo", PASSWORD).await), (403, "suspended".into()));
    let back = change(&place.native, "bo", &json!({ "suspended": false })).await;
    assert_eq!(
        (back.status, &back.json()["suspended_at"]),
        (200, &Value::Null),
        "{}",
        back.text()
    );
    let renewed = place.native.post("/api/v1/session/refresh", &refresh).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    let bo = place.with(&renewed.json()["token"]);
    assert_eq!(bo.get("/api/v1/me").await.json()["account"], "bo");
    place.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_whoever_looks_after_the_node_does_and_somebody_always_is_left() {
    let data = TempDir::new().unwrap();
    let place = Place::start(&data).await;
    let (bo, cy) = (place.register("bo").await, place.register("cy").await);
    let listed = place.native.get("/api/v1/node/accounts").await.json();
    let roles: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["role"].clone())
        .collect();
    assert_eq!(roles, ["owner", "user", "user"]);
    assert_eq!(
        code(&bo.get("/api/v1/node/accounts").await),
        (403, "not_node_admin".into())
    );
    assert_eq!(
        code(&change(&bo, "cy", &kept_out()).await),
        (403, "not_node_admin".into())
    );
    let own = bo.patch("/api/v1/node/accounts/bo", &json!({ "role": "owner" })).await;
    assert_eq!(code(&own), (403, "not_node_admin".into()));

    let admin = json!({ "role": "admin" });
    assert_eq!(change(&place.native, "bo", &admin).await.status, 200);
    assert_eq!(bo.get("/api/v1/node/accounts").await.json()["items"][1]["own"], true);
    assert_eq!(change(&bo, "cy", &kept_out()).await.status, 200);
    assert_eq!(cy.get("/api/v1/me").await.status, 403);
    assert_eq!(change(&bo, "cy", &json!({ "suspended": false })).await.status, 200);
    assert_eq!(
        code(&change(&bo, "ada", &kept_out()).await),
        (403, "not_node_owner".into())
    );
    assert_eq!(code(&change(&bo, "cy", &admin).await), (403, "not_node_owner".into()));
    // A token that may not administer its own account may not administer the node either.
    let token = json!({ "scope": "send" });
    let made = place.native.post("/api/v1/tokens", &token).await.json();
    assert_eq!(
        code(&change(&place.with(&made["token"]), "cy", &kept_out()).await),
        (403, "scope".into())
    );

    for wrong in [
        json!({}),
        json!({ "role": "king" }),
        json!({ "role": "user", "suspended": true }),
        json!({ "suspended": false, "reason": "x" }),
        json!({ "reason": "x" }),
        json!({ "suspended": true, "reason": "x".repeat(257) }),
        json!({ "suspended": true, "reason": "two\nlines" }),
        json!({ "suspended": "yes" }),
    ] {
        assert_eq!(change(&place.native, "cy", &wrong).await.status, 400, "{wrong}");
    }
    assert_eq!(change(&place.native, "nobody", &kept_out()).await.status, 404);
    assert_eq!(
        code(&change(&place.native, "cy", &json!({ "suspended": false })).await),
        (409, "not_suspended".into())
    );
    assert_eq!(
        change(&place.native, "ada", &kept_out()).await.status,
        200,
        "bo is left"
    );
    assert_eq!(
        code(&change(&place.native, "bo", &kept_out()).await),
        (409, "last_admin".into())
    );
    assert_eq!(
        code(&change(&place.native, "bo", &json!({ "role": "user" })).await),
        (409, "last_admin".into())
    );
    let remove = place.native.request("DELETE", "/api/v1/node/accounts/bo");
    assert_eq!(code(&place.native.send(&remove).await), (409, "last_admin".into()));
    place.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_removed_is_out_at_once_and_gone_with_the_next_start() {
    let data = TempDir::new().unwrap();
    let place = Place::start(&data).await;
    let bo = place.register("bo").await;
    let remove = place.native.request("DELETE", "/api/v1/node/accounts/bo");
    assert_eq!(place.native.send(&remove).await.status, 204);
    let refused = bo.get("/api/v1/me").await;
    assert!(
        refused.status == 403 && refused.text().contains("removed"),
        "{}",
        refused.text()
    );
    let folder = DataDir::new(data.path());
    assert_eq!(folder.accounts().unwrap(), ["ada", "bo"]);
    place.node.stop().await;
    let place = Place::start(&data).await;
    assert_eq!(folder.accounts().unwrap(), ["ada"]);
    assert_eq!(place.log_in("bo", PASSWORD).await.status, 401);
    // The name is free again, and whoever takes it is nobody else.
    place.register("bo").await;
    let listed = place.native.get("/api/v1/node/accounts").await.json();
    assert_eq!(
        (&listed["items"][1]["account"], &listed["items"][1]["suspended_at"]),
        (&json!("bo"), &Value::Null)
    );
    place.node.stop().await;
}
