//! Hostile and broken requests to the API and to each gateway: each gets its status, changes nothing, and leaves the node
//! answering others.

mod bodies;
mod meanwhile;
mod pages;
mod paths;
mod tokens;

use serde_json::json;

use super::support::{Program, Raw, TestApi};

type Case = (&'static str, u16, Raw);

/// A door of a node, and what whoever may use it would ask.
struct Door {
    name: &'static str,
    program: Program,
    /// Changes something.
    write: Raw,
    /// Changes nothing, and has nothing behind it that is long.
    read: Raw,
    /// Would stay open: streams and sockets.
    live: Vec<Raw>,
}

impl Door {
    /// What it writes, with something else in the place of the text.
    fn saying(&self, json: &str) -> Raw {
        let body = String::from_utf8(self.write.body.clone()).unwrap();
        self.write.clone().body(&body.replace("\"attack\"", json))
    }
}

/// A node with all its doors.
struct Doors {
    api: TestApi,
    all: Vec<Door>,
}

impl Doors {
    async fn open() -> Self {
        let mut api = TestApi::start().await;
        let (own, conversation) = (api.account().facts().own.user.to_string(), api.conversation.clone());
        let mut all = vec![Door {
            name: "API",
            write: api.write(),
            read: api.request("GET", "/api/v1/me"),
            live: vec![
                api.request("GET", "/api/v1/events"),
                upgrade(api.request("GET", "/api/v1/ws")),
            ],
            program: Program {
                address: api.address,
                token: api.token.clone(),
            },
        }];
        let sockets = |program: &Program| {
            vec![
                program.request("GET", "/socket.io/?EIO=4&transport=polling"),
                upgrade(program.request("GET", "/socket.io/?EIO=4&transport=websocket")),
            ]
        };
        let program = api.gateway("echoroom").await;
        all.push(Door {
            name: "echoroom",
            write: with_json(program.request("POST", "/rooms"), &json!({ "name": "attack" })),
            read: program.request("GET", "/auth/me"),
            live: sockets(&program),
            program,
        });
        let program = api.gateway("socketchat").await;
        all.push(Door {
            name: "socketchat",
            write: with_json(
                program.request("POST", "/api/messages"),
                &json!({ "content": "attack" }),
            ),
            read: program.request("GET", "/api/auth/me"),
            live: sockets(&program),
            program,
        });
        let program = api.gateway("chatterbox").await;
        let cookie = format!("chatterboxSession_{}={}", program.address.port(), program.token);
        let ask = |method: &str, path: &str| {
            let request = program.request(method, path).without("Authorization");
            request.set("Cookie", &cookie)
        };
        let wish = json!({ "senderId": own, "receiverId": conversation, "content": "attack" });
        all.push(Door {
            name: "chatterbox",
            write: with_json(ask("POST", "/api/messages/send"), &wish),
            read: ask("GET", &format!("/api/conversations?userId={own}")),
            live: Vec::new(),
            program,
        });
        Self { api, all }
    }

    /// What each door has to stand.
    async fn check(&self, cases: fn(&Door) -> Vec<Case>) {
        for door in &self.all {
            check(&self.api, door, cases(door)).await;
        }
    }
}

fn with_json(request: Raw, body: &serde_json::Value) -> Raw {
    request.set("Content-Type", "application/json").body(&body.to_string())
}

fn upgrade(request: Raw) -> Raw {
    let request = request.set("Connection", "Upgrade").set("Upgrade", "websocket");
    request
        .set("Sec-WebSocket-Version", "13")
        .set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
}

/// What a gateway is asked wrongly is as much as what the API is.
#[tokio::test(flavor = "multi_thread")]
async fn each_door_is_tried_in_more_than_eighty_ways() {
    for door in &Doors::open().await.all {
        let count = everything(door).len();
        assert!(count > 80, "{}: {count}", door.name);
    }
}

/// All the ways that are the same for every door.
fn everything(door: &Door) -> Vec<Case> {
    let lists = [
        pages::hosts,
        pages::origins,
        pages::streams,
        tokens::tokens,
        bodies::types,
        bodies::broken,
        bodies::framing,
    ];
    lists.iter().flat_map(|list| list(door)).collect()
}

/// Every case gets its status, changes nothing, and the node goes on answering.
async fn check(api: &TestApi, door: &Door, cases: Vec<Case>) {
    let before = api.feed();
    for (case, expected, raw) in cases {
        let name = format!("{}: {case}", door.name);
        let reply = door.program.send(&raw).await;
        assert_eq!(reply.status, expected, "{name}: {}", reply.text());
        assert_eq!(api.feed(), before, "{name} changed something");
        if door.name != "API" && !reply.body.is_empty() && reply.status >= 400 {
            let refusal = reply.json();
            assert_eq!(
                (&refusal["success"], refusal["error"].is_string()),
                (&json!(false), true),
                "{name}"
            );
        }
        let normal = door.program.send(&door.read).await;
        assert_eq!(normal.status, 200, "after {name}: {}", normal.text());
    }
    // What the cases were made from is taken as it is.
    let written = door.program.send(&door.write).await;
    assert_eq!((written.status, api.feed() > before), (201, true), "{}", written.text());
}
