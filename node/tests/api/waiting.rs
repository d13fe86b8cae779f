//! A node that waits for its account, and requests to it.

use std::net::SocketAddr;
use std::path::PathBuf;

use parlour_node::{ApiLimits, NodeOptions, WaitingNode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::support::{Raw, Reply, options, patient, read_reply};

pub(crate) struct Waiting {
    pub(crate) node: WaitingNode,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    pub(crate) data: TempDir,
}

impl Waiting {
    pub(crate) async fn start() -> Self {
        Self::with(ApiLimits::default()).await
    }

    pub(crate) async fn with(limits: ApiLimits) -> Self {
        let data = TempDir::new().unwrap();
        let options = NodeOptions {
            all_accounts: false,
            limits,
            ..options(&data)
        };
        let node = WaitingNode::start(options).await.unwrap();
        Self {
            address: node.api_url().strip_prefix("http://").unwrap().parse().unwrap(),
            token: node.token().to_owned(),
            node,
            data,
        }
    }

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

    pub(crate) fn json(&self, path: &str, body: &Value) -> Raw {
        self.request("POST", path)
            .set("Content-Type", "application/json")
            .body(&body.to_string())
    }

    pub(crate) fn create(&self, wish: &Value) -> Raw {
        self.json("/api/v1/accounts", wish)
    }

    pub(crate) async fn send(&self, raw: &Raw) -> Reply {
        send(self.address, raw).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(&self.request("GET", path)).await
    }

    pub(crate) async fn pair(&self, code: &str) -> Reply {
        let request = self.json("/api/v1/session/pair", &json!({ "code": code }));
        self.send(&request.without("Authorization")).await
    }

    /// The code of a new link.
    pub(crate) fn code(&self) -> String {
        self.node.link().split_once("/#pair=").unwrap().1.to_owned()
    }

    pub(crate) fn accounts(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.data.path().join("accounts")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

pub(crate) async fn send(address: SocketAddr, raw: &Raw) -> Reply {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // The node may refuse and close before it has taken everything.
    let _ = socket.write_all(&raw.bytes()).await;
    patient("an answer", read_reply(&mut socket)).await
}

pub(crate) fn code_of(reply: &Reply) -> (u16, String) {
    (
        reply.status,
        reply.json()["code"].as_str().unwrap_or_default().to_owned(),
    )
}
