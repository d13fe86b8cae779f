//! A node as a process of its own, and its API.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use futures::StreamExt as _;
use libp2p::{Multiaddr, PeerId};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::PATIENCE;

/// One data directory and the process that works in it.
pub(crate) struct Node {
    pub(crate) name: &'static str,
    home: TempDir,
    pub(crate) port: u16,
    child: Option<Child>,
    pub(crate) api: Api,
    pub(crate) peer: PeerId,
    written: Written,
}

/// How many envelopes bad neighbours have written to one node: all of each was handed to the connection.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<AtomicU64>);

impl Written {
    pub(crate) fn add(&self, envelopes: usize) {
        self.0.fetch_add(envelopes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where a bad neighbour finds a node.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) peer: PeerId,
    pub(crate) address: Multiaddr,
    pub(crate) written: Written,
}

/// The local API of a node.
#[derive(Clone)]
pub(crate) struct Api {
    base: String,
    token: String,
    http: reqwest::Client,
}

impl Node {
    pub(crate) async fn new(name: &'static str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut node = Self {
            name,
            home: in_memory(),
            port: free_port(),
            child: None,
            api: Api {
                base: String::new(),
                token: String::new(),
                http: reqwest::Client::builder().no_proxy().build().unwrap(),
            },
            peer: PeerId::random(),
            written: Written::default(),
        };
        let made = node
            .command(&["init", "--name", name, "--no-password"])
            .status()
            .unwrap();
        assert!(made.success());
        node.start().await;
        node
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parlour"));
        for name in ["DATA", "ACCOUNT", "PASSWORD_FILE", "API", "LISTEN"] {
            command.env_remove(format!("PARLOUR_{name}"));
        }
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.home.path().join("log"));
        command
            .env("PARLOUR_LOG", "warn,libp2p=error,parlour_net=debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.unwrap())
            .arg("--data")
            .arg(self.home.path().join("data"))
            .args(args);
        command
    }

    pub(crate) async fn start(&mut self) {
        let listen = format!("127.0.0.1:{}", self.port);
        let args = ["up", "--json", "--api", "127.0.0.1:0", "--listen", &listen, "--no-mdns"];
        let mut child = self.command(&args).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        self.child = Some(child);
        let (said, mut ready) = mpsc::channel(1);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = said.blocking_send(line);
            }
        });
        let line = timeout(PATIENCE, ready.recv()).await.unwrap().expect("the node starts");
        let ready: Value = serde_json::from_str(&line).unwrap();
        self.api.base = ready["api"].as_str().unwrap().to_owned();
        let cookie = self.home.path().join("data/api/cookie");
        self.api.token = std::fs::read_to_string(cookie).unwrap().trim().to_owned();
        self.peer = self.api.stats().await["peer_id"].as_str().unwrap().parse().unwrap();
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn tcp(&self) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{}", self.port).parse().unwrap()
    }

    pub(crate) fn quic(&self) -> Multiaddr {
        format!("/ip4/127.0.0.1/udp/{}/quic-v1", self.port).parse().unwrap()
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            peer: self.peer,
            address: self.tcp(),
            written: self.written.clone(),
        }
    }

    /// Envelopes that bad neighbours have written to it so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.count()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// How often something was refused so far.
    pub(crate) async fn refused(&self, what: &str) -> u64 {
        self.api.stats().await["refused"][what].as_u64().unwrap()
    }

    /// Asks the node for its statistics until they show what is wanted.
    pub(crate) async fn until(&self, what: &str, look: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stats = self.api.stats().await;
            if look(&stats) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{}: {what} was not seen in {stats:#}",
                self.name
            );
        }
    }

    /// Waits until `number` more of `what` were refused than `before`.
    pub(crate) async fn until_refused(&self, what: &str, before: u64, number: u64) {
        let shown = format!("{number} {what} refused");
        self.until(&shown, |stats| {
            stats["refused"][what].as_u64().unwrap() >= before + number
        })
        .await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("the log of {} ends, newest first: {tail:#?}", self.name);
        }
    }
}

impl Api {
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.answer(self.http.get(format!("{}/api/v1/{path}", self.base))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.answer(self.http.post(format!("{}/api/v1/{path}", self.base)).json(body))
            .await
    }

    pub(crate) async fn stats(&self) -> Value {
        self.get("stats").await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Value {
        self.asked(request).await.unwrap()
    }

    async fn asked(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Value> {
        let answer = request.bearer_auth(&self.token).timeout(PATIENCE).send().await?;
        answer.error_for_status()?.json().await
    }

    /// Writes a message; the node may be gone.
    pub(crate) async fn write(&self, path: &str, text: &str) -> reqwest::Result<()> {
        let url = format!("{}/api/v1/{path}", self.base);
        let body = serde_json::json!({ "text": text });
        self.asked(self.http.post(url).json(&body)).await.map(drop)
    }

    /// Texts of messages that others wrote, from now on.
    pub(crate) async fn messages(&self) -> mpsc::Receiver<String> {
        let after = self.stats().await["feed"].as_u64().unwrap();
        let request = self.http.get(format!("{}/api/v1/events?after={after}", self.base));
        let opened = request.bearer_auth(&self.token).send().await.unwrap();
        assert!(opened.status().is_success());
        let (sender, texts) = mpsc::channel(1_024);
        tokio::spawn(async move {
            let (mut chunks, mut rest) = (opened.bytes_stream(), Vec::new());
            while let Some(Ok(chunk)) = chunks.next().await {
                rest.extend_from_slice(&chunk);
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    let Some(data) = line.strip_prefix(b"data: ") else {
                        continue;
                    };
                    let event: Value = serde_json::from_slice(data).unwrap();
                    let message = &event["message"];
                    if event["type"] == "message" && message["own"] == false {
                        let text = message["text"].as_str().unwrap().to_owned();
                        if sender.send(text).await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
        texts
    }
}

/// A directory that no other program's writes slow down, if there is such a place: it is the network that is under attack.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm").unwrap_or_else(|_| TempDir::new().unwrap())
}

/// A place for peers that survives restarts: below the ports that systems give out.
fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let base = 11_000 + (std::process::id() % 2_000) as u16 * 8;
    loop {
        let port = base + GIVEN.fetch_add(1, Ordering::Relaxed) % 2_000;
        let place = ("127.0.0.1", port);
        if TcpListener::bind(place).is_ok() && UdpSocket::bind(place).is_ok() {
            return port;
        }
    }
}
