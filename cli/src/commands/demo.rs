//! `parlour demo`

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use futures::future::try_join_all;
use parlour_node::{ApiLimits, NewAccount, Node, NodeOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::client::Client;
use crate::commands::history::newest;
use crate::commands::init;
use crate::connect::{client_of, start};
use crate::output::Output;
use crate::stop::Stop;
use crate::view::Message;

const NAMES: [&str; 3] = ["ada", "bo", "cy"];
const PAIRS: [(usize, usize); 3] = [(0, 1), (1, 2), (0, 2)];
/// Messages each says to each other in the quick part.
const BURST: usize = 50;
/// No step on one machine takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(30);

const SCRIPT: [(usize, usize, &str); 6] = [
    (0, 1, "Hello bo! Between your disk and mine there is nobody."),
    (1, 0, "Hi ada. Who keeps the history, then?"),
    (0, 1, "You do, and I do. Search works without a network."),
    (1, 2, "cy, are you listening?"),
    (2, 1, "Only to what is said to me. The rest I could not read."),
    (2, 0, "Greetings from the third node."),
];

const EXAMPLES: &str = "\
Examples:
  parlour demo
  parlour demo --exit            ends by itself";

/// Watch three throw-away nodes become contacts and talk, then talk to one yourself
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Demo {
    /// End after the scripted part; the exit status is 0 only if every message arrived everywhere
    #[arg(long)]
    exit: bool,
}

/// One of the three.
struct Guest {
    name: &'static str,
    data: PathBuf,
    node: Node,
    client: Client,
}

impl Demo {
    pub(crate) async fn run(self, out: &Output) -> Result<ExitCode> {
        let home = tempfile::Builder::new()
            .prefix("parlour-demo-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        let mut stop = Stop::new()?;
        let mut guests = Vec::new();
        let result = tokio::select! {
            result = Box::pin(self.play(&home, &mut guests, out)) => result,
            () = stop.asked() => {
                out.note("\nThat was it; everything is removed again.");
                Ok(ExitCode::SUCCESS)
            }
        };
        // Nothing writes there any more when it is removed.
        for guest in guests {
            guest.node.stop().await;
        }
        result
    }

    async fn play(&self, home: &TempDir, guests: &mut Vec<Guest>, out: &Output) -> Result<ExitCode> {
        let began = Instant::now();
        for name in NAMES {
            guests.push(Guest::arrive(name, home.path()).await?);
        }
        step(
            out,
            "start",
            began,
            "three nodes run, each with its own keys and its own disk",
            json!({ "nodes": NAMES }),
        )?;
        for (host, guest) in PAIRS {
            introduce(&guests[host], &guests[guest], out).await?;
        }
        let mut said = Said::default();
        for (from, to, text) in SCRIPT {
            say(guests, from, to, text, &mut said, out).await?;
        }
        burst(guests, &mut said, out).await?;
        absence(guests, &mut said, out).await?;
        find(&guests[0], out).await?;
        let missing = verify(guests, &said, out).await?;
        if !self.exit {
            answer(guests, out).await?;
        }
        Ok(if missing == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

impl Guest {
    async fn arrive(name: &'static str, home: &Path) -> Result<Self> {
        let data = home.join(name);
        init::make(&data, NewAccount::named(name)).await?;
        Self::wake(name, data).await
    }

    async fn wake(name: &'static str, data: PathBuf) -> Result<Self> {
        let options = NodeOptions {
            data: data.clone(),
            account: None,
            all_accounts: false,
            password: None,
            api: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            listen: vec!["127.0.0.1:0".to_owned()],
            announce: Vec::new(),
            bootstrap: Vec::new(),
            mdns: false,
            network: true,
            limits: ApiLimits::default(),
            origins: Vec::new(),
            hidden: false,
        };
        let node = Box::pin(start(options)).await?;
        let client = client_of(&node, false)?;
        Ok(Self {
            name,
            data,
            node,
            client,
        })
    }

    async fn post(&self, to: &str, text: &str) -> Result<String> {
        let sent = self
            .client
            .post(&["conversations", to, "messages"], &json!({ "text": text }))
            .await?;
        sent["id"]
            .as_str()
            .map(str::to_owned)
            .context("a message without an id")
    }

    /// Waits until a message is on the disk of the other.
    async fn delivered(&self, id: &str) -> Result<()> {
        let read = async || self.client.get(&["messages", id], &[]).await;
        let arrived = |message: &Value| ["delivered", "read"].contains(&message["status"].as_str().unwrap_or_default());
        let (_, arrived) = self.client.wait_until(Instant::now() + PATIENCE, read, arrived).await?;
        ensure!(
            arrived,
            "a message of {} was not delivered in {} s",
            self.name,
            PATIENCE.as_secs()
        );
        Ok(())
    }

    /// Waits until somebody is a contact that can be reached.
    async fn meets(&self, other: &str) -> Result<()> {
        let read = async || self.client.items(&["contacts"], &[]).await;
        let here = |contacts: &Vec<Value>| {
            contacts
                .iter()
                .any(|c| c["name"] == json!(other) && c["state"] == json!("accepted"))
        };
        let (_, here) = self.client.wait_until(Instant::now() + PATIENCE, read, here).await?;
        ensure!(
            here,
            "{} and {other} did not become contacts in {} s",
            self.name,
            PATIENCE.as_secs()
        );
        Ok(())
    }
}

/// What was said, by pair.
#[derive(Default)]
struct Said {
    ids: [BTreeSet<String>; PAIRS.len()],
}

impl Said {
    fn add(&mut self, from: usize, to: usize, id: String) {
        let pair = PAIRS.iter().position(|pair| *pair == (from.min(to), from.max(to)));
        if let Some(ids) = pair.and_then(|pair| self.ids.get_mut(pair)) {
            ids.insert(id);
        }
    }
}

async fn introduce(host: &Guest, guest: &Guest, out: &Output) -> Result<()> {
    let began = Instant::now();
    let invite = host.client.post(&["invites"], &json!({})).await?;
    guest
        .client
        .post(&["contacts"], &json!({ "link": invite["link"] }))
        .await?;
    guest.meets(host.name).await?;
    host.meets(guest.name).await?;
    let what = format!("{} opens an invite of {}: they are contacts", guest.name, host.name);
    step(
        out,
        "contacts",
        began,
        &what,
        json!({ "pair": [host.name, guest.name] }),
    )
}

async fn say(guests: &[Guest], from: usize, to: usize, text: &str, said: &mut Said, out: &Output) -> Result<()> {
    let began = Instant::now();
    let (author, reader) = (&guests[from], &guests[to]);
    let id = author.post(reader.name, text).await?;
    author.delivered(&id).await?;
    said.add(from, to, id);
    let what = format!("{} to {}: {text}", author.name, reader.name);
    step(
        out,
        "message",
        began,
        &what,
        json!({ "from": author.name, "to": reader.name, "text": text }),
    )
}

/// Everybody to everybody at once.
async fn burst(guests: &[Guest], said: &mut Said, out: &Output) -> Result<()> {
    let began = Instant::now();
    let directions: Vec<(usize, usize)> = PAIRS.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect();
    let mut talks = Vec::new();
    for (from, to) in &directions {
        talks.push(talk(&guests[*from], guests[*to].name));
    }
    let ids = try_join_all(talks).await?;
    for ((from, to), ids) in directions.iter().zip(ids) {
        ids.into_iter().for_each(|id| said.add(*from, *to, id));
    }
    let count = directions.len() * BURST;
    let what = format!("{count} messages, everybody to everybody: each one is on both disks");
    step(out, "burst", began, &what, json!({ "messages": count }))
}

async fn talk(author: &Guest, to: &str) -> Result<Vec<String>> {
    let feed = author.client.feed().await?;
    let mut ids = Vec::new();
    for n in 1..=BURST {
        ids.push(author.post(to, &format!("number {n} from {}", author.name)).await?);
    }
    let confirmed = timeout(PATIENCE, confirmed(author, feed, &ids)).await;
    confirmed.with_context(|| {
        format!(
            "messages of {} were not delivered in {} s",
            author.name,
            PATIENCE.as_secs()
        )
    })??;
    Ok(ids)
}

/// Reads the feed until every one of these messages has been delivered.
async fn confirmed(author: &Guest, feed: u64, ids: &[String]) -> Result<()> {
    let mut missing: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    let mut events = author.client.events(feed).await?;
    while !missing.is_empty() {
        let event = events.next().await?.context("the node has stopped")?;
        if event.name == "receipt" && event.data["state"] == json!("delivered") {
            for id in event.data["message_ids"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                missing.remove(id);
            }
        }
    }
    Ok(())
}

/// One goes away, is written to, and comes back.
async fn absence(guests: &mut Vec<Guest>, said: &mut Said, out: &Output) -> Result<()> {
    let away = guests.pop().context("nobody to go away")?;
    let (name, data) = (away.name, away.data);
    away.node.stop().await;
    let id = guests[0]
        .post(name, "You are away; this waits on my disk until you are back.")
        .await?;
    let began = Instant::now();
    guests.push(Guest::wake(name, data).await?);
    guests[0].delivered(&id).await?;
    said.add(0, 2, id);
    let what = format!(
        "{name} was stopped, {} wrote, {name} started again and has it",
        guests[0].name
    );
    step(out, "absence", began, &what, json!({ "away": name }))
}

async fn find(guest: &Guest, out: &Output) -> Result<()> {
    let began = Instant::now();
    let mut found = Vec::new();
    for words in ["works without network", "greetings"] {
        found.push(guest.client.items(&["search"], &[("q", words)]).await?.len());
    }
    let what = format!("{} searches twice, on its own disk: {found:?} found", guest.name);
    step(out, "search", began, &what, json!({ "found": found }))
}

/// Compares both ends of every conversation with what was said; answers how many messages are missing or out of order.
async fn verify(guests: &[Guest], said: &Said, out: &Output) -> Result<usize> {
    let began = Instant::now();
    let (mut missing, mut total) = (0, 0);
    for ((a, b), ids) in PAIRS.iter().zip(&said.ids) {
        let (one, other) = (&guests[*a], &guests[*b]);
        let here = timeline(one, other.name).await?;
        let there = timeline(other, one.name).await?;
        total += ids.len();
        missing += ids.iter().filter(|id| !here.contains(id)).count();
        missing += ids.iter().filter(|id| !there.contains(id)).count();
        missing += here.iter().zip(&there).filter(|(x, y)| x != y).count();
        missing += here.len().abs_diff(there.len());
    }
    let what = match missing {
        0 => format!("all {total} messages are on both ends, in the same order"),
        _ => format!("{missing} differences between the two ends of the conversations"),
    };
    step(
        out,
        "verify",
        began,
        &what,
        json!({ "messages": total, "differences": missing, "ok": missing == 0 }),
    )?;
    Ok(missing)
}

async fn timeline(guest: &Guest, with: &str) -> Result<Vec<String>> {
    let (messages, _) = newest(&guest.client, with, usize::MAX, None).await?;
    Ok(messages.iter().map(|message| Message::of(message).id).collect())
}

/// bo answers whoever writes to it, until the user has seen enough.
async fn answer(guests: &[Guest], out: &Output) -> Result<()> {
    let (ada, bo) = (&guests[0], &guests[1]);
    let data = ada.data.display();
    // From here on: whoever reads the note may write at once.
    let mut events = bo.client.events(bo.client.feed().await?).await?;
    out.note(&format!(
        "\nStill running. In another terminal, be ada; bo answers:\n\n  parlour --data {data} send bo \"hi\"\n  \
         parlour --data {data} tail -f bo\n  parlour --data {data} status\n\nCtrl-C ends it and removes everything.\n",
    ));
    while let Some(event) = events.next().await? {
        let message = Message::of(&event.data["message"]);
        if event.name != "message" || message.own {
            continue;
        }
        out.item(&event.data["message"], || message.line(None))?;
        let words = message.shown().split_whitespace().count();
        let reply = format!(
            "That was {words} word{}. Go on, I keep them all.",
            if words == 1 { "" } else { "s" }
        );
        bo.post(&message.conversation, &reply).await?;
    }
    Ok(())
}

fn step(out: &Output, step: &str, began: Instant, what: &str, mut value: Value) -> Result<()> {
    let ms = began.elapsed().as_secs_f64() * 1e3;
    value["step"] = json!(step);
    value["ms"] = json!((ms * 10.0).round() / 10.0);
    out.item(&value, || format!("{ms:8.1} ms  {what}\n"))?;
    Ok(())
}
