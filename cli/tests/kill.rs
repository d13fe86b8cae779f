//! Two real nodes that talk while either of them is killed again and again, in the middle of what it does and in the middle of
//! starting again. The clients do what clients should: they repeat a message under its client id until it is acknowledged.
//! `PARLOUR_KILLS` and `PARLOUR_SEED` choose how often and which sequence of chances.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

/// Nothing on one machine takes nearly as long, even if the machine is busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Clients that write at one node.
const WRITERS: usize = 2;
/// Most messages between two kills.
const ROUND: u64 = 24;
/// Most turns of waiting between an acknowledgement and the kill that follows it: some milliseconds.
const SPIN: u64 = 500_000;
/// Starts that are killed in a row, and after which time at most.
const STARTS: u64 = 10;
const START_MS: u64 = 150;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_nodes_are_killed() {
    let kills = number("PARLOUR_KILLS").unwrap_or(100);
    let mut world = World::new();
    world.meet();
    let mut killed = 0;
    while killed < kills {
        world.let_write(ROUND);
        // One at a time mostly, both at once sometimes: then nobody remembers for the other.
        let victims = match world.chance.below(16) {
            0 => vec![0, 1],
            n => vec![usize::from(n > 8)],
        };
        for victim in &victims {
            world.nodes[*victim].kill();
            killed += 1;
        }
        for victim in victims {
            world.nodes[victim].start();
        }
    }
    world.agree();
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_nodes_are_killed_while_they_recover() {
    let mut starts = number("PARLOUR_KILLS").unwrap_or(100) / 2;
    let mut world = World::new();
    world.meet();
    while starts > 0 {
        world.let_write(ROUND);
        let victim = world.chance.below(2) as usize;
        world.nodes[victim].kill();
        for _ in 0..starts.min(STARTS) {
            let moment = Duration::from_millis(world.chance.below(START_MS + 1));
            world.nodes[victim].start_and_kill(moment);
            starts -= 1;
        }
        world.nodes[victim].start();
    }
    world.agree();
}

/// Both nodes and those who write at them.
struct World {
    chance: Chance,
    nodes: [Node; 2],
    conversation: String,
    tickets: Option<SyncSender<()>>,
    granted: u64,
    acks: Receiver<Result<Ack, String>>,
    acked: BTreeMap<String, Ack>,
    writers: Vec<std::thread::JoinHandle<()>>,
    start_writers: Option<StartWriters>,
}

/// What the writers need, until they are started.
struct StartWriters {
    tickets: Arc<Mutex<Receiver<()>>>,
    acks: SyncSender<Result<Ack, String>>,
}

/// A message that its client knows to be safe.
#[derive(Debug, Clone)]
struct Ack {
    at: usize,
    text: String,
    id: String,
}

impl World {
    fn new() -> Self {
        let chance = Chance::new();
        let (tickets, taken) = sync_channel(ROUND as usize);
        let (acker, acks) = sync_channel(ROUND as usize);
        Self {
            chance,
            nodes: [Node::new("ada", 0), Node::new("bo", 1)],
            conversation: String::new(),
            tickets: Some(tickets),
            granted: 0,
            acks,
            acked: BTreeMap::new(),
            writers: Vec::new(),
            start_writers: Some(StartWriters {
                tickets: Arc::new(Mutex::new(taken)),
                acks: acker,
            }),
        }
    }

    /// Both start, become contacts, and get their writers.
    fn meet(&mut self) {
        self.nodes.iter_mut().for_each(Node::start);
        let [ada, bo] = &self.nodes;
        let invite = ada.call("POST", "invites", Some(&json!({})));
        bo.call("POST", "contacts", Some(&json!({ "link": invite["link"] })));
        for node in &self.nodes {
            node.wait_until("a contact", |node| {
                let contacts = node.call("GET", "contacts", None);
                if contacts["items"][0]["state"] == "accepted" {
                    Ok(())
                } else {
                    Err(contacts.to_string())
                }
            });
        }
        let contacts = bo.call("GET", "contacts", None);
        self.conversation = contacts["items"][0]["conversation"].as_str().unwrap().to_owned();
        let StartWriters { tickets, acks } = self.start_writers.take().unwrap();
        for at in 0..self.nodes.len() {
            for n in 0..WRITERS {
                let writer = Writer {
                    name: format!("{} {n}", self.nodes[at].name),
                    at,
                    path: format!("conversations/{}/messages", self.conversation),
                    door: self.nodes[at].door.clone(),
                    tickets: tickets.clone(),
                    acks: acks.clone(),
                };
                self.writers.push(std::thread::spawn(move || writer.run()));
            }
        }
    }

    /// Lets some messages be written and returns shortly after one of them was acknowledged, with others under way.
    fn let_write(&mut self, most: u64) {
        let messages = 1 + self.chance.below(most);
        for _ in 0..messages {
            // No room for a ticket: messages are under way, and there may be no room for their acknowledgements either.
            while self.tickets.as_ref().unwrap().try_send(()).is_err() {
                self.next_ack();
            }
            self.granted += 1;
        }
        let open = self.granted - self.acked.len() as u64;
        for _ in 0..self.chance.below(open + 1) {
            self.next_ack();
        }
        for _ in 0..self.chance.below(SPIN) {
            std::hint::spin_loop();
        }
    }

    fn next_ack(&mut self) {
        let ack = self
            .acks
            .recv_timeout(PATIENCE)
            .expect("no message was acknowledged for a long time");
        self.note(ack);
    }

    fn note(&mut self, ack: Result<Ack, String>) {
        let ack = ack.unwrap();
        let before = self.acked.insert(ack.text.clone(), ack);
        assert!(before.is_none(), "{before:?} was acknowledged twice");
    }

    /// Both nodes hold every acknowledged message exactly once, in one order, delivered; and they say so in their feeds too.
    fn agree(&mut self) {
        self.tickets = None;
        while (self.acked.len() as u64) < self.granted {
            self.next_ack();
        }
        for writer in std::mem::take(&mut self.writers) {
            writer.join().unwrap();
        }
        for node in &self.nodes {
            node.wait_until("delivery of everything", |node| {
                let stats = node.call("GET", "stats", None);
                if stats["outbox"] == 0 {
                    Ok(())
                } else {
                    Err(stats.to_string())
                }
            });
        }
        self.repeat_some();
        let histories = self.nodes.each_ref().map(|node| node.history(&self.conversation));
        for (at, history) in histories.iter().enumerate() {
            self.check_history(at, history);
            self.check_feed(at, history.len());
        }
        let ids = histories.each_ref().map(|history| column(history, "id"));
        assert_eq!(ids[0], ids[1], "the two histories differ");
        for node in &self.nodes {
            let log = std::fs::read_to_string(&node.log).unwrap();
            assert!(!log.contains("panicked"), "{} panicked:\n{log}", node.name);
        }
    }

    /// A client that asks again long after gets the message that it has.
    fn repeat_some(&mut self) {
        let path = format!("conversations/{}/messages", self.conversation);
        let step = 1 + self.acked.len() / 50;
        for ack in self.acked.values().step_by(step) {
            let body = json!({ "text": ack.text, "client_id": ack.text });
            let again = self.nodes[ack.at].call("POST", &path, Some(&body));
            assert_eq!(again["id"], ack.id.as_str(), "{ack:?} was written a second time");
        }
    }

    fn check_history(&self, at: usize, history: &[Value]) {
        let name = self.nodes[at].name;
        let mut seen = BTreeSet::new();
        for message in history {
            let text = message["text"].as_str().unwrap();
            assert!(seen.insert(text), "{name} has {text:?} twice");
            let ack = self
                .acked
                .get(text)
                .unwrap_or_else(|| panic!("{name} has {message}, which nobody wrote"));
            assert_eq!(
                message["id"],
                ack.id.as_str(),
                "{name} has {text:?} under another id than was acknowledged"
            );
            let own = ack.at == at;
            assert_eq!(message["own"], own, "{name}: {message}");
            assert_eq!(
                message["status"],
                if own { "delivered" } else { "received" },
                "{name}: {message}"
            );
        }
        let lost: Vec<_> = self.acked.keys().filter(|text| !seen.contains(text.as_str())).collect();
        assert!(lost.is_empty(), "{name} has lost {lost:?}");
    }

    fn check_feed(&self, at: usize, messages: usize) {
        let node = &self.nodes[at];
        let last = node.call("GET", "stats", None)["feed"].as_u64().unwrap();
        let mut seen = BTreeSet::new();
        for event in node.events(0).map(Result::unwrap) {
            if event["type"] == "message" {
                let id = event["message"]["id"].as_str().unwrap().to_owned();
                assert!(seen.insert(id), "{} announced {event} twice", node.name);
            }
            if event["seq"].as_u64() >= Some(last) {
                break;
            }
        }
        assert_eq!(
            seen.len(),
            messages,
            "{} announced another number of messages than it has",
            node.name
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Writers that wait give up with their node.
        self.tickets = None;
        for node in &mut self.nodes {
            node.kill();
            node.door.close();
            if std::thread::panicking() {
                let log = std::fs::read_to_string(&node.log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(40).collect();
                eprintln!("the log of {} ends, newest first: {tail:#?}", node.name);
            }
        }
        if std::thread::panicking() {
            eprintln!("repeat this with PARLOUR_SEED={}", self.chance.seed);
        }
    }
}

fn column(history: &[Value], name: &str) -> Vec<String> {
    history.iter().map(|message| message[name].to_string()).collect()
}

/// A client that has something to say.
struct Writer {
    name: String,
    at: usize,
    path: String,
    door: Arc<Door>,
    tickets: Arc<Mutex<Receiver<()>>>,
    acks: SyncSender<Result<Ack, String>>,
}

impl Writer {
    fn run(self) {
        let mut connection = None;
        for n in 1.. {
            let ticket = self.tickets.lock().unwrap().recv();
            if ticket.is_err() {
                return;
            }
            let text = format!("{} {n}", self.name);
            let ack = self.write(&text, &mut connection);
            let over = ack.is_err();
            if self.acks.send(ack).is_err() || over {
                return;
            }
        }
    }

    /// Tries until the node has acknowledged it, whichever start of the node that is.
    fn write(&self, text: &str, connection: &mut Option<(u64, Connection)>) -> Result<Ack, String> {
        let body = json!({ "text": text, "client_id": text });
        let mut failed = 0;
        loop {
            let Some((start, at)) = self.door.after(failed) else {
                return Err(format!("{}: the node is gone", self.name));
            };
            if connection.as_ref().is_none_or(|(opened, _)| *opened != start) {
                *connection = Connection::open(&at).ok().map(|opened| (start, opened));
            }
            let Some((_, open)) = connection else {
                failed = start;
                continue;
            };
            match open.call("POST", &self.path, Some(&body)) {
                Ok((200 | 201, message)) => {
                    let id = message["id"].as_str().unwrap_or_default().to_owned();
                    return Ok(Ack {
                        at: self.at,
                        text: text.to_owned(),
                        id,
                    });
                }
                Ok((status, problem)) => return Err(format!("{text:?} was refused with {status}: {problem}")),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(format!("{text:?} was not answered in {PATIENCE:?}"));
                }
                Err(_) => {
                    *connection = None;
                    failed = start;
                }
            }
        }
    }
}

/// Where a node can be asked, for those who outlive its starts.
#[derive(Default)]
struct Door {
    open: Mutex<(u64, Option<Address>, bool)>,
    changed: Condvar,
}

#[derive(Clone)]
struct Address {
    api: SocketAddr,
    token: String,
}

impl Door {
    fn set(&self, address: Option<Address>) {
        let mut open = self.open.lock().unwrap();
        if address.is_some() {
            open.0 += 1;
        }
        open.1 = address;
        self.changed.notify_all();
    }

    /// There will be no further start.
    fn close(&self) {
        self.open.lock().unwrap().2 = true;
        self.changed.notify_all();
    }

    /// Waits for a start after the one that failed.
    fn after(&self, failed: u64) -> Option<(u64, Address)> {
        let mut open = self.open.lock().unwrap();
        loop {
            match &*open {
                (_, _, true) => return None,
                (start, Some(address), _) if *start > failed => return Some((*start, address.clone())),
                _ => open = self.changed.wait(open).unwrap(),
            }
        }
    }
}

/// One data directory and the process that works in it, if any.
struct Node {
    name: &'static str,
    home: TempDir,
    log: PathBuf,
    listen: String,
    child: Option<Child>,
    door: Arc<Door>,
}

impl Node {
    fn new(name: &'static str, nth: u16) -> Self {
        let home = TempDir::new().unwrap();
        let log = home.path().join("log");
        let node = Self {
            name,
            log,
            home,
            listen: peer_address(nth),
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
        for name in ["DATA", "ACCOUNT", "PASSWORD_FILE", "API", "LISTEN", "LOG"] {
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

    fn start(&mut self) {
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

    fn start_and_kill(&mut self, after: Duration) {
        match self.spawn().recv_timeout(after) {
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("{} ended by itself", self.name),
        }
        self.kill();
    }

    /// As a power cut would.
    fn kill(&mut self) {
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
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
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

    fn events(&self, after: u64) -> impl Iterator<Item = io::Result<Value>> + use<> {
        Connection::open(&self.address()).unwrap().events(after)
    }

    /// Looks again after each change on the node.
    fn wait_until<T>(&self, what: &str, look: impl Fn(&Self) -> Result<T, String>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let after = self.call("GET", "stats", None)["feed"].as_u64().unwrap();
            let last = match look(self) {
                Ok(found) => return found,
                Err(last) => last,
            };
            assert!(Instant::now() < deadline, "{}: no {what}; last seen: {last}", self.name);
            let change = self.events(after).next();
            assert!(
                matches!(change, Some(Ok(_))),
                "{}: no {what} ({change:?}); last seen: {last}",
                self.name
            );
        }
    }

    /// The whole conversation, oldest first.
    fn history(&self, conversation: &str) -> Vec<Value> {
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

/// One connection to a node's API.
struct Connection {
    stream: BufReader<TcpStream>,
    api: SocketAddr,
    token: String,
}

impl Connection {
    fn open(address: &Address) -> io::Result<Self> {
        let stream = TcpStream::connect(address.api)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            api: address.api,
            token: address.token.clone(),
        })
    }

    fn send(&mut self, head: &str, body: &[u8]) -> io::Result<(u16, usize)> {
        let (api, token, length) = (self.api, &self.token, body.len());
        let mut request = format!(
            "{head}\r\nhost: {api}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request)?;
        let status = self.line()?.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut length = 0;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((status.ok_or(ErrorKind::InvalidData)?, length));
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(|_| ErrorKind::InvalidData)?;
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<(u16, Value)> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let (status, length) = self.send(&format!("{method} /api/v1/{path} HTTP/1.1"), &body)?;
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        let answer = if answer.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&answer)?
        };
        Ok((status, answer))
    }

    /// The node's changes. HTTP/1.0 has no chunks, so that lines are lines.
    fn events(mut self, after: u64) -> impl Iterator<Item = io::Result<Value>> {
        let opened = self.send(&format!("GET /api/v1/events?after={after} HTTP/1.0"), b"");
        let failed = opened.err();
        failed.map(Err).into_iter().chain(std::iter::from_fn(move || {
            loop {
                match self.line() {
                    Ok(line) => {
                        if let Some(data) = line.strip_prefix("data: ") {
                            return Some(serde_json::from_str(data).map_err(io::Error::from));
                        }
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        }))
    }
}

/// A place for peers that survives restarts: below the ports that systems give out, so that nobody else takes it meanwhile.
fn peer_address(nth: u16) -> String {
    let start = 10_000 + (std::process::id() as u16).wrapping_mul(2) % 20_000 + nth;
    let free = (start..start + 1_000).step_by(2).find(|port| {
        let place = ("127.0.0.1", *port);
        TcpListener::bind(place).is_ok() && UdpSocket::bind(place).is_ok()
    });
    format!("127.0.0.1:{}", free.expect("no free port"))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|value| value.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// SplitMix64.
struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    fn new() -> Self {
        let seed = number("PARLOUR_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
        Self { seed, state: seed }
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
