//! A node with a contact who is never there, and clients that say exactly what they are told to.

use std::net::SocketAddr;
use std::time::Duration;

use parlour_crypto::{Invite, UserId};
use parlour_node::{
    AccountHandle, ApiConfig, ApiLimits, DataDir, NewAccount, Node, NodeOptions, bind_api, create_account, now_ms,
    serve_api,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// A wait longer than this is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn patient<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// A program of this machine with a token.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

pub(crate) struct TestApi {
    program: Program,
    pub(crate) conversation: String,
    pub(crate) stop: CancellationToken,
    pub(crate) served: Option<JoinHandle<()>>,
    node: Option<Node>,
    data: TempDir,
}

/// What a node of tests is started with: all its accounts, and nothing but loopback.
pub(crate) fn options(data: &TempDir) -> NodeOptions {
    NodeOptions {
        data: data.path().to_owned(),
        account: None,
        all_accounts: true,
        password: None,
        api: "127.0.0.1:0".parse().unwrap(),
        listen: vec!["127.0.0.1:0".into()],
        announce: Vec::new(),
        bootstrap: Vec::new(),
        mdns: false,
        network: true,
        limits: ApiLimits::default(),
        origins: Vec::new(),
        hidden: false,
    }
}

impl TestApi {
    pub(crate) async fn start() -> Self {
        Self::with(ApiLimits::default()).await
    }

    pub(crate) async fn with(limits: ApiLimits) -> Self {
        Self::configured(|config| config.limits = limits).await
    }

    pub(crate) async fn configured(configure: impl FnOnce(&mut ApiConfig)) -> Self {
        Self::of("alice", configure).await
    }

    pub(crate) async fn of(name: &str, configure: impl FnOnce(&mut ApiConfig)) -> Self {
        Self::made(&NewAccount::named(name), configure).await.0
    }

    /// As a new account says, with the words of the identity if it is a new one.
    pub(crate) async fn made(
        new: &NewAccount,
        configure: impl FnOnce(&mut ApiConfig),
    ) -> (Self, Option<Zeroizing<String>>) {
        let data = TempDir::new().unwrap();
        let created = create_account(&DataDir::new(data.path()), new, now_ms()).unwrap();
        let options = NodeOptions {
            all_accounts: false,
            ..options(&data)
        };
        let node = Node::start(options).await.unwrap();
        let listener = bind_api("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let token = "c0ffee".repeat(10) + "c0ff";
        let mut config = ApiConfig::new(address, Zeroizing::new(token.clone()));
        configure(&mut config);
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve_api(listener, node.account().clone(), config, stop.clone()));
        let mut api = Self {
            program: Program { address, token },
            conversation: String::new(),
            stop,
            served: Some(served),
            node: Some(node),
            data,
        };
        let add = parlour_node::AddContact {
            link: invite_link(7),
            petname: Some("bob".into()),
            note: None,
        };
        let user = api.account().add(add).await.unwrap().user;
        let own = api.account().facts().own.user;
        api.conversation = parlour_crypto::ConversationId::direct(&own, &user).to_string();
        (api, created.phrase)
    }

    /// The node itself.
    pub(crate) fn node(&mut self) -> &mut Node {
        self.node.as_mut().unwrap()
    }

    /// Where the node keeps everything.
    pub(crate) fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    /// Opens a gateway of the node: where it is, with a token that it takes.
    pub(crate) async fn gateway(&mut self, name: &str) -> Program {
        let node = self.node.as_mut().unwrap();
        let gateway = format!("{name}=127.0.0.1:0").parse().unwrap();
        Program {
            address: node.open_gateway(gateway).await.unwrap(),
            token: node.token().to_owned(),
        }
    }

    pub(crate) fn account(&self) -> &AccountHandle {
        self.node.as_ref().unwrap().account()
    }

    pub(crate) fn feed(&self) -> u64 {
        parlour_store::feed::last(self.account().store()).unwrap()
    }

    /// A request that would write a message.
    pub(crate) fn write(&self) -> Raw {
        let path = format!("/api/v1/conversations/{}/messages", self.conversation);
        self.request("POST", &path)
            .set("Content-Type", "application/json")
            .body("{\"text\":\"attack\"}")
    }

    pub(crate) async fn post_text(&self, text: &str) -> Value {
        let path = format!("/api/v1/conversations/{}/messages", self.conversation);
        let reply = self.post(&path, &serde_json::json!({ "text": text })).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()
    }
}

impl std::ops::Deref for TestApi {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl Program {
    pub(crate) fn request(&self, method: &str, path: &str) -> Raw {
        Raw {
            method: method.into(),
            target: path.into(),
            version: "HTTP/1.1".into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
        .set("Host", &self.address.to_string())
        .set("Authorization", &format!("Bearer {}", self.token))
        .set("Connection", "close")
    }

    pub(crate) async fn send(&self, raw: &Raw) -> Reply {
        self.send_bytes(&raw.bytes()).await
    }

    pub(crate) async fn send_bytes(&self, bytes: &[u8]) -> Reply {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        // The node may refuse and close before it has taken everything.
        let _ = socket.write_all(bytes).await;
        patient("an answer", read_reply(&mut socket)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(&self.request("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.write_json("POST", path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.write_json("PUT", path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.write_json("PATCH", path, body).await
    }

    async fn write_json(&self, method: &str, path: &str, body: &Value) -> Reply {
        let request = self
            .request(method, path)
            .set("Content-Type", "application/json")
            .body(&body.to_string());
        self.send(&request).await
    }

    /// The token of a page that has opened a link.
    pub(crate) async fn paired(&self) -> String {
        let link = self.post("/api/v1/session/link", &serde_json::json!({})).await.json();
        let code = link["link"].as_str().unwrap().split_once("#pair=").unwrap().1;
        let pair = self
            .post("/api/v1/session/pair", &serde_json::json!({ "code": code }))
            .await;
        assert_eq!(pair.status, 200, "{}", pair.text());
        pair.json()["token"].as_str().unwrap().to_owned()
    }

    /// Makes an invite as soon as the network listens.
    pub(crate) async fn invite(&self, wish: &Value) -> Value {
        loop {
            let reply = self.post("/api/v1/invites", wish).await;
            if reply.status == 201 {
                return reply.json();
            }
            assert_eq!((reply.status, &reply.json()["code"]), (409, &"no_address".into()));
            tokio::task::yield_now().await;
        }
    }
}

/// The invite of somebody who does not exist.
pub(crate) fn invite_link(user: u8) -> String {
    invite_of([user; 32], &format!("user{user}"))
}

/// The invite of somebody with this id and name who does not exist.
pub(crate) fn invite_of(user: [u8; 32], name: &str) -> String {
    let peer = parlour_net::NodeKey::from_bytes(&mut user.clone()).peer();
    let invite = Invite {
        user: UserId::from_bytes(user),
        peer: parlour_net::peer_to_bytes(&peer),
        addresses: vec![parlour_net::address_to_bytes(&"/ip4/127.0.0.1/tcp/1".parse().unwrap())],
        bundle_hash: [1; 32],
        token: [user[31]; 16],
        expires: now_ms() + 3_600_000,
        name: Some(name.to_owned()),
    };
    invite.to_link()
}

/// A request as it goes over the wire, right or wrong.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    pub(crate) fn set(self, name: &str, value: &str) -> Self {
        self.without(name).add(name, value)
    }

    pub(crate) fn add(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    pub(crate) fn target(mut self, target: &str) -> Self {
        self.target = target.into();
        self
    }

    pub(crate) fn version(mut self, version: &str) -> Self {
        self.version = version.into();
        self
    }

    pub(crate) fn body(self, body: &str) -> Self {
        self.body_bytes(body.as_bytes())
    }

    pub(crate) fn body_bytes(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self.set("Content-Length", &body.len().to_string())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        for (name, value) in &self.headers {
            // Latin-1: one byte per character, so that any byte can be sent.
            out.extend(
                format!("{name}: {value}\r\n")
                    .chars()
                    .map(|c| u8::try_from(u32::from(c)).unwrap()),
            );
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
}

/// Reads the head of an answer; status 0 if the connection ended without one.
pub(crate) async fn read_head(socket: &mut (impl AsyncRead + Unpin)) -> Reply {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => {
                return Reply {
                    status: 0,
                    headers: Vec::new(),
                    body: head,
                };
            }
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect();
    Reply {
        status,
        headers,
        body: Vec::new(),
    }
}

/// Reads one answer with its body.
pub(crate) async fn read_reply(socket: &mut (impl AsyncRead + Unpin)) -> Reply {
    let mut reply = read_head(socket).await;
    let length = reply
        .header("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    // The answer to HEAD has a length and no body.
    if socket.read_exact(&mut body).await.is_ok() {
        reply.body = body;
    }
    reply
}

/// Reads until the other side closes.
pub(crate) async fn read_to_end(socket: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = patient("the end of the connection", socket.read_to_end(&mut rest)).await;
    rest
}
