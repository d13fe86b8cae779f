//! The whole scene, and what has to be true of it in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::Chance;
use crate::node::{Node, PATIENCE};
use crate::writer::Writer;

/// Clients that write at one node.
const WRITERS: usize = 2;
/// Most messages between two kills.
const ROUND: u64 = 24;
/// Most turns of waiting between an acknowledgement and the kill that follows it: some milliseconds.
const SPIN: u64 = 500_000;

/// Lines of a node's log that are shown when it has failed.
const LOG_LINES: usize = 200;

/// Both nodes and those who write at them.
pub(crate) struct World {
    pub(crate) chance: Chance,
    pub(crate) nodes: [Node; 2],
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
pub(crate) struct Ack {
    pub(crate) at: usize,
    pub(crate) text: String,
    pub(crate) id: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let chance = Chance::new();
        let (tickets, taken) = sync_channel(ROUND as usize);
        let (acker, acks) = sync_channel(ROUND as usize);
        Self {
            chance,
            nodes: [Node::new("ada"), Node::new("bo")],
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
    pub(crate) fn meet(&mut self) {
        self.nodes.iter_mut().for_each(Node::start);
        let [ada, bo] = &self.nodes;
        let invite = ada.call("POST", "invites", Some(&json!({})));
        bo.call("POST", "contacts", Some(&json!({ "link": invite["link"] })));
        for node in &self.nodes {
            let met = node.wait_until(|node| {
                let contacts = node.call("GET", "contacts", None);
                if contacts["items"][0]["state"] == "accepted" {
                    Ok(())
                } else {
                    Err(contacts.to_string())
                }
            });
            met.expect("they do not become contacts");
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
    pub(crate) fn let_write(&mut self) {
        let messages = 1 + self.chance.below(ROUND);
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
    pub(crate) fn agree(&mut self) {
        self.tickets = None;
        while (self.acked.len() as u64) < self.granted {
            self.next_ack();
        }
        for writer in std::mem::take(&mut self.writers) {
            writer.join().unwrap();
        }
        for node in &self.nodes {
            let delivered = node.wait_until(|node| {
                let stats = node.call("GET", "stats", None);
                if stats["outbox"] == 0 {
                    Ok(())
                } else {
                    Err(stats.to_string())
                }
            });
            if let Err(last) = delivered {
                panic!("not everything is delivered: {last}\n{:#?}", self.undelivered());
            }
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

    /// How things stand, for whoever looks into it.
    fn undelivered(&self) -> Vec<String> {
        let mut all = Vec::new();
        let histories = self.nodes.each_ref().map(|node| node.history(&self.conversation));
        for (at, node) in self.nodes.iter().enumerate() {
            all.push(format!("{}: {}", node.name, node.call("GET", "contacts", None)));
            let open = |message: &&Value| message["own"] == true && message["status"] != "delivered";
            for message in histories[at].iter().filter(open) {
                let there = histories[1 - at].iter().any(|other| other["id"] == message["id"]);
                let id = message["id"].as_str().unwrap();
                let details = node.call("GET", &format!("messages/{id}"), None);
                all.push(format!("{}: the other has it: {there}; {details}", node.name));
            }
        }
        all
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
                let tail: Vec<&str> = log.lines().rev().take(LOG_LINES).collect();
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
