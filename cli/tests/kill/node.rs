//! A node as a process of its own.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::writer::{Address, Door};

/// Nothing on one machine takes nearly as long, even if the machine is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One data directory and the process that works in it, if any.
pub(crate) struct Node {
    pub(crate) name: &'static str,
    home: TempDir,
    pub(crate) log: PathBuf,
    listen: String,
    child: Option<Child>,
    pub(crate) door: Arc<Door>,
}

impl Node {
    pub(crate) fn new(name: &'static str) -> Self {
        let home = TempDir::new().unwrap();
        let log = home.path().join("log");
        let node = Self {
            name,
            log,
            home,
            listen: peer_address(),
            child: None,
            door: Arc::default(),
        };
        let made = node
            .command(&["init", "--name", name, "--no-password"])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        node
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parlour"));
        for name in ["DATA", "ACCOUNT", "PASSWORD_FILE", "API", "LISTEN"] {
            command.env_remove(format!("PARLOUR_{name}"));
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        command
            .stdin(Stdio::null())
            .stderr(Stdio::from(log))
            .arg("--data")
            .arg(self.data())
            .args(args);
        command
    }

    /// Starts the program; what it says about itself once it is ready comes through the channel, which closes when it ends.
    fn spawn(&mut self) -> Receiver<Value> {
        let args = [
            "up",
            "--json",
            "--api",
            "127.0.0.1:0",
            "--listen",
            &self.listen,
            "--no-mdns",
        ];
        let mut child = self.command(&args).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.child = Some(child);
        let (sender, ready) = sync_channel(1);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // A killed program may leave half a line.
                if let Ok(value) = serde_json::from_str(&line) {
                    let _ = sender.try_send(value);
                }
            }
        });
        ready
    }

    pub(crate) fn start(&mut self) {
        let ready = self
            .spawn()
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("{} did not start", self.name));
        let api = ready["api"]
            .as_str()
            .unwrap()
            .strip_prefix("http://")
            .unwrap()
            .parse()
            .unwrap();
        let token = std::fs::read_to_string(self.data().join("api/cookie"))
            .unwrap()
            .trim()
            .to_owned();
        self.door.set(Some(Address { api, token }));
    }

    pub(crate) fn start_and_kill(&mut self, after: Duration) {
        match self.spawn().recv_timeout(after) {
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("{} ended by itself", self.name),
        }
        self.kill();
    }

    /// As a power cut would.
    pub(crate) fn kill(&mut self) {
        self.door.set(None);
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn address(&self) -> Address {
        self.door.open.lock().unwrap().1.clone().unwrap()
    }

    /// A call that must work.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = Connection::open(&self.address())
            .unwrap()
            .call(method, path, body)
            .unwrap();
        assert!(
            (200..300).contains(&status),
            "{} answered {method} {path} with {status}: {answer}",
            self.name
        );
        answer
    }

    pub(crate) fn events(&self, after: u64) -> impl Iterator<Item = io::Result<Value>> + use<> {
        Connection::open(&self.address()).unwrap().events(after)
    }

    /// Looks again after each change on the node; answers what was seen last if nothing more happens.
    pub(crate) fn wait_until<T>(&self, look: impl Fn(&Self) -> Result<T, String>) -> Result<T, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let after = self.call("GET", "stats", None)["feed"].as_u64().unwrap();
            let last = match look(self) {
                Ok(found) => return Ok(found),
                Err(last) => last,
            };
            let change = self.events(after).next();
            if Instant::now() > deadline || !matches!(change, Some(Ok(_))) {
                return look(self).map_err(|_| format!("{}: {change:?} after {last}", self.name));
            }
        }
    }

    /// The whole conversation, oldest first.
    pub(crate) fn history(&self, conversation: &str) -> Vec<Value> {
        let mut pages = Vec::new();
        let mut path = format!("conversations/{conversation}/messages?limit=200");
        loop {
            let mut page = self.call("GET", &path, None);
            let Value::Array(items) = page["items"].take() else {
                panic!("{page}")
            };
            pages.push(items);
            match page["prev"].as_str() {
                Some(prev) => path = format!("conversations/{conversation}/messages?limit=200&before={prev}"),
                None => break,
            }
        }
        pages.into_iter().rev().flatten().collect()
    }
}

/// A place for peers that survives restarts: below the ports that systems give out, so that nobody else takes it meanwhile.
/// Each is given out once, since several nodes may listen on one TCP port without noticing.
fn peer_address() -> String {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let base = 10_000 + (std::process::id() % 2_500) as u16 * 8;
    loop {
        let port = base + GIVEN.fetch_add(1, Ordering::Relaxed) % 2_000;
        let place = ("127.0.0.1", port);
        if TcpListener::bind(place).is_ok() && UdpSocket::bind(place).is_ok() {
            return format!("127.0.0.1:{port}");
        }
    }
}
