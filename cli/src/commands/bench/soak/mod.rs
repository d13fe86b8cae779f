//! `parlour bench soak`: three nodes that talk for minutes, two of which are killed and started again at random. What was taken has
//! to be shown once on every stream, and to be on both disks once and in one order; what stays up must not grow, and
//! neither must the files of the others from one start to the next.

mod plan;
mod report;
mod samples;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub(super) use self::plan::Random;
use self::plan::{NODES, Plan};
pub(super) use self::report::Report;
use self::samples::Samples;
use self::tally::Tally;
use super::http::{Connection, Door};
use super::machine::Machine;
use super::node::{Ports, Process, introduce};
use super::stage::history;
use crate::output::Output;

const NAMES: [&str; NODES] = ["ada", "bo", "cy"];
/// Pairs of nodes, and so conversations.
const PAIRS: [(usize, usize); NODES] = [(0, 1), (0, 2), (1, 2)];
/// The longest time that a node is left stopped.
const AWAY_MS: u64 = 5_000;
/// How often memory and files are looked at: parts of the search index come and go by the second.
const SAMPLE: Duration = Duration::from_millis(500);
/// How long a writer or a reader waits before it tries a node again that is not there.
const AGAIN: Duration = Duration::from_millis(50);
/// Everything has arrived in this time after the last message and the last start.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);

const HELP: &str = "\
Examples:
  parlour bench soak
  parlour bench soak --minutes 10 --rate 20

Exit status 1 means that a message was lost, doubled or not confirmed, that the memory of the node that is left alone grew by 1 MiB a \
minute or more, or that open files grew from one start of a node to its end. Memory is judged from five minutes on.";

/// Let three nodes talk for minutes while two of them are killed and started again; check that nothing is lost and nothing grows
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct Soak {
    /// How long they talk
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0, value_parser = minutes)]
    minutes: f64,
    /// Messages a second, over all nodes
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    rate: u32,
    /// Seconds between two restarts, on average; 0 for none
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    restart_every: u32,
    /// Choose who writes to whom, and who is killed when, as another run did
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "that is no number".to_owned())?;
    if (0.1..=10_080.0).contains(&minutes) {
        Ok(minutes)
    } else {
        Err("a soak lasts from 0.1 minutes to a week".to_owned())
    }
}

/// A node that runs, as the tasks know it.
#[derive(Clone)]
struct Alive {
    door: Door,
    pid: u32,
}

/// Tells the tasks whether a node runs; `None` while it does not.
type Presence = watch::Receiver<Option<Alive>>;

struct Node {
    process: Process,
    alive: watch::Sender<Option<Alive>>,
}

/// How often nodes were ended, and how.
#[derive(Debug, Default, Clone, Copy)]
struct Restarts {
    killed: usize,
    stopped: usize,
}

impl Soak {
    pub(super) async fn run(&self, out: &Output) -> Result<Report> {
        let before = Machine::now();
        let seed = self.seed.unwrap_or_else(|| u64::from(std::process::id()));
        let mut random = Random::new(seed);
        let length = Duration::from_secs_f64(self.minutes * 60.0);
        let plan = Arc::new(Plan::new(length, self.rate, &mut random));
        out.note(&format!("{} messages in {:.1} minutes", plan.len(), self.minutes));

        let home = tempfile::Builder::new().prefix("parlour-soak-").tempdir();
        let home = home.context("cannot make a temporary directory")?;
        let (mut nodes, conversations) = begin(&home).await?;
        let tally = Arc::new(Tally::new(plan.len()));
        let samples = Arc::new(Samples::default());
        let began = Instant::now();
        let mut watchers: JoinSet<()> = JoinSet::new();
        let mut writers: JoinSet<Result<()>> = JoinSet::new();
        for (at, node) in nodes.iter().enumerate() {
            let presence = node.alive.subscribe();
            watchers.spawn(follow(at, presence.clone(), tally.clone()));
            watchers.spawn(sample(at, presence.clone(), samples.clone(), began));
            let (plan, tally, conversations) = (plan.clone(), tally.clone(), conversations.clone());
            writers.spawn(write(at, presence, plan, tally, conversations, began));
        }
        let restarts = self.upset(&mut nodes, began + length, &mut random).await?;
        out.note("waiting until everything has arrived");
        let deadline = Instant::now() + PATIENCE;
        let mut problems = Vec::new();
        while let Ok(Some(writer)) = timeout(PATIENCE, writers.join_next()).await {
            writer.context("a writer was lost")??;
        }
        while !tally.is_complete(&plan) && Instant::now() < deadline {
            sleep(LOOK).await;
        }
        for node in &nodes {
            node.process.quiet().await?;
        }
        watchers.shutdown().await;
        problems.extend(tally.problems(&plan));
        out.note("checking every message on all disks");
        let checked = check(&nodes, &conversations, &plan, &mut problems).await?;
        for node in &mut nodes {
            node.process.stop().await?;
        }
        Ok(Report::new(
            before, seed, length, &plan, restarts, &samples, checked, problems,
        ))
    }

    /// Ends nodes and starts them again until the time is over; the first one stays.
    async fn upset(&self, nodes: &mut [Node], end: Instant, random: &mut Random) -> Result<Restarts> {
        let mut restarts = Restarts::default();
        let mean = u64::from(self.restart_every) * 1_000;
        loop {
            let pause = Duration::from_millis(mean / 2 + random.below(mean.max(1)));
            let next = Instant::now() + pause;
            if mean == 0 || next >= end {
                sleep_until(end).await;
                return Ok(restarts);
            }
            sleep_until(next).await;
            let victim = 1 + random.place(NODES - 1);
            let Some(node) = nodes.get_mut(victim) else { continue };
            node.alive.send_replace(None);
            if random.below(4) == 0 {
                node.process.stop().await?;
                restarts.stopped += 1;
            } else {
                node.process.kill()?;
                restarts.killed += 1;
            }
            sleep(Duration::from_millis(random.below(AWAY_MS))).await;
            node.start().await?;
        }
    }
}

impl Node {
    async fn start(&mut self) -> Result<()> {
        self.process.start().await?;
        let door = self.process.door()?.clone();
        let pid = self.process.pid().context("a node without a process")?;
        self.alive.send_replace(Some(Alive { door, pid }));
        Ok(())
    }
}

/// Three nodes that know each other, and the conversation of each pair.
async fn begin(home: &TempDir) -> Result<(Vec<Node>, Arc<[String]>)> {
    let mut ports = Ports::new();
    let mut nodes = Vec::new();
    for name in NAMES {
        let process = Process::make(name, home.path(), &mut ports).await?;
        let (alive, _) = watch::channel(None);
        let mut node = Node { process, alive };
        node.start().await?;
        nodes.push(node);
    }
    let mut conversations = Vec::new();
    for (one, other) in PAIRS {
        let (Some(one), Some(other)) = (nodes.get(one), nodes.get(other)) else {
            continue;
        };
        conversations.push(introduce(&one.process, &other.process).await?);
    }
    Ok((nodes, conversations.into()))
}

/// The conversation of two nodes.
fn between(one: usize, other: usize) -> usize {
    let pair = (one.min(other), one.max(other));
    PAIRS.iter().position(|known| *known == pair).unwrap_or_default()
}

/// Waits until a node runs; `None` when the soak is over.
async fn there(presence: &mut Presence) -> Option<Alive> {
    presence
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|alive| alive.clone())
}

/// Writes what one node is to write, each at its time or as soon as the node is there again, until the node has taken it.
async fn write(
    at: usize,
    mut presence: Presence,
    plan: Arc<Plan>,
    tally: Arc<Tally>,
    conversations: Arc<[String]>,
    began: Instant,
) -> Result<()> {
    let mut connection: Option<Connection> = None;
    for (n, to, due) in plan.of(at) {
        sleep_until(began + due).await;
        let conversation = conversations.get(between(at, to)).context("no conversation")?;
        let path = format!("conversations/{conversation}/messages");
        // The same id however often it is tried: a node that was killed may have taken it.
        let body = serde_json::to_vec(&serde_json::json!({ "text": plan.text(n), "client_id": format!("soak-{n}") }))?;
        loop {
            let Some(alive) = there(&mut presence).await else {
                return Ok(());
            };
            let attempt = attempt(&mut connection, &alive.door, &path, &body).await;
            match attempt {
                Ok(()) => break,
                Err(error) => {
                    tracing::debug!(%error, n, "a message is written again");
                    connection = None;
                    sleep(AGAIN).await;
                }
            }
        }
        tally.taken(n);
    }
    Ok(())
}

async fn attempt(connection: &mut Option<Connection>, door: &Door, path: &str, body: &[u8]) -> Result<()> {
    if connection.is_none() {
        *connection = Some(Connection::open(door).await?);
    }
    let open = connection.as_mut().context("no connection")?;
    open.call("POST", path, body).await.map(drop)
}

/// Reads the changes of one node from where it stopped, over all its restarts.
async fn follow(at: usize, mut presence: Presence, tally: Arc<Tally>) {
    let mut cursor = 0;
    while let Some(alive) = there(&mut presence).await {
        let connection = Connection::open(&alive.door).await;
        let changes = match connection {
            Ok(connection) => connection.changes(cursor).await,
            Err(error) => Err(error),
        };
        if let Ok(mut changes) = changes {
            while let Ok(change) = changes.next().await {
                if cursor >= change.seq {
                    tally.disorder(at);
                }
                cursor = change.seq;
                if change.is_new_message()
                    && let Some(text) = change.message.as_ref().and_then(|message| message.text.as_deref())
                    && let Some(n) = Plan::number(text)
                {
                    tally.shown(at, n);
                }
            }
        }
        sleep(AGAIN).await;
    }
}

/// Looks at a node's memory and files again and again.
async fn sample(at: usize, mut presence: Presence, samples: Arc<Samples>, began: Instant) {
    while let Some(alive) = there(&mut presence).await {
        samples.look(at, alive.pid, began.elapsed());
        sleep(SAMPLE).await;
    }
}

/// Reads everything back from all disks.
async fn check(nodes: &[Node], conversations: &[String], plan: &Plan, problems: &mut Vec<String>) -> Result<usize> {
    let mut checked = 0;
    for ((one, other), conversation) in PAIRS.iter().zip(conversations) {
        let (Some(here), Some(there)) = (nodes.get(*one), nodes.get(*other)) else {
            continue;
        };
        let here = history(&here.process, conversation).await?;
        let there = history(&there.process, conversation).await?;
        let name = format!("{} and {}", NAMES[*one], NAMES[*other]);
        problems.extend(tally::differences(&name, [&here, &there], plan, (*one, *other)));
        checked += here.len();
    }
    Ok(checked)
}
