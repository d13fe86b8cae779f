//! Nodes with a gateway, whose people log in through it.

use std::net::SocketAddr;

use parlour_node::{ApiLimits, DataDir, Gateway, NewAccount, Node, NodeOptions, create_account, now_ms};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Program, options, patient};

pub(crate) const PASSWORD: &str = "correct horse";

/// The node of somebody.
pub(crate) struct House {
    pub(crate) native: Program,
    /// Without a token.
    pub(crate) gate: Program,
    pub(crate) node: Node,
    _data: TempDir,
}

impl House {
    /// The node of somebody with a gateway.
    pub(crate) async fn of(name: &str, gateway: &str) -> Self {
        Self::limited(name, gateway, ApiLimits::default()).await
    }

    pub(crate) async fn limited(name: &str, gateway: &str, limits: ApiLimits) -> Self {
        let data = TempDir::new().unwrap();
        create_account(&DataDir::new(data.path()), &NewAccount::named(name), now_ms()).unwrap();
        let mut node = Node::start(NodeOptions {
            limits,
            ..options(&data)
        })
        .await
        .unwrap();
        let gateway: Gateway = format!("{gateway}=127.0.0.1:0").parse().unwrap();
        let address = node.open_gateway(gateway).await.unwrap();
        let program = |address: SocketAddr, token: &str| Program {
            address,
            token: token.to_owned(),
        };
        let api = node.api_url().strip_prefix("http://").unwrap().parse().unwrap();
        let native = program(api, node.token());
        let login = json!({ "email": format!("{name}@example.org"), "password": PASSWORD });
        assert_eq!(native.put("/api/v1/me/login", &login).await.status, 200);
        Self {
            native,
            gate: program(address, ""),
            node,
            _data: data,
        }
    }

    pub(crate) fn gate_url(&self) -> String {
        format!("http://{}", self.gate.address)
    }

    /// A page of a family whose pages hold a token, logged in, and its user.
    pub(crate) async fn opened(&self, name: &str) -> (Program, Value) {
        let login = json!({ "email": format!("{name}@example.org"), "password": PASSWORD });
        for path in ["/auth/login", "/api/auth/login"] {
            let reply = self.gate.post(path, &login).await;
            if reply.status == 200 {
                let mut answer = reply.json();
                let mut data = match answer["data"].take() {
                    Value::Null => answer,
                    data => data,
                };
                let token = data["accessToken"].as_str().or(data["token"].as_str()).unwrap();
                let page = Program {
                    address: self.gate.address,
                    token: token.to_owned(),
                };
                return (page, data["user"].take());
            }
        }
        panic!("{name} cannot log in");
    }

    /// Opens the invite of somebody, and waits until they have answered.
    pub(crate) async fn befriend(&self, other: &Self) {
        let link = other.native.invite(&json!({})).await["link"].clone();
        let added = self.native.post("/api/v1/contacts", &json!({ "link": link })).await;
        assert!(added.status < 300, "{}", added.text());
        let path = format!("/api/v1/contacts/{}", added.json()["user_id"].as_str().unwrap());
        let accepted = async || {
            let contact = self.native.get(&path).await.json();
            (contact["state"] == "accepted").then_some(())
        };
        self.seen("the answer to the invite", accepted).await;
    }

    /// What a look says, as soon as it says something; it looks whenever something has changed in the account.
    pub(crate) async fn seen<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        seen(&self.native, what, look).await
    }

    /// Invites a contact into a room, and waits until they know.
    pub(crate) async fn invite_into(&self, room: &str, guest: &Self, name: &str) {
        let (path, wish) = (format!("/api/v1/rooms/{room}/invites"), json!({ "user": name }));
        let invite = async || (self.native.post(&path, &wish).await.status < 300).then_some(());
        self.seen("a contact to invite", invite).await;
        let invited = async || {
            let rooms = guest.native.get("/api/v1/rooms").await.json();
            (rooms["items"][0]["standing"] == "invited").then_some(())
        };
        guest.seen("the invitation", invited).await;
    }
}

/// As [`House::seen`], in the account of a token.
pub(crate) async fn seen<T>(program: &Program, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let looking = async {
        let mut feed = feed(program).await;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            something(&mut feed).await;
        }
    };
    patient(what, looking).await
}

/// What changes in an account, from its beginning on.
async fn feed(program: &Program) -> TcpStream {
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    let request = program.request("GET", "/api/v1/events?after=0");
    stream.write_all(&request.bytes()).await.unwrap();
    stream
}

async fn something(stream: &mut TcpStream) {
    let mut space = [0; 1024];
    assert_ne!(stream.read(&mut space).await.unwrap(), 0, "the feed ended");
}
