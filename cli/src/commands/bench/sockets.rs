//! Many WebSockets of one node: how many it holds in how much memory, and how fast one room's messages get to a hundred of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::http::Door;
use super::load::Series;
use super::machine::Sampler;
use super::node::Process;
use super::parts::Size;
use super::report::{Memory, Spread, rounded};
use super::socket::{Heard, Socket};
use super::stage::{Stage, history};
use super::table::{Row, fact, row};
use crate::handles;

/// Sockets of the room.
const READERS: usize = 100;
/// Sockets that come in at once.
const AT_ONCE: usize = 64;
/// Messages that each held socket gets before its memory is looked at: only then it has written.
const GREETINGS: usize = 10;
/// Readers that never read while the room talks.
const ABSENT: usize = 10;
/// Bytes that the system takes for one of those.
const WINDOW: u32 = 4096;
/// A node that has not told a socket everything by then will not.
const PATIENCE: Duration = Duration::from_secs(300);
/// Nodes finish what they have begun in this time.
const SETTLE: Duration = Duration::from_secs(3);

/// What was measured of sockets.
#[derive(Debug, Serialize)]
pub(super) struct Sockets {
    pub held: usize,
    pub connects_per_second: f64,
    /// Resident memory of the node for each socket, when all had come, and when each had been told of some messages.
    pub kib_each: [Option<f64>; 2],
    /// From asking for a message until all sockets of its room have it, one after the other.
    pub paced: Spread,
    pub messages: usize,
    /// Messages times sockets, from the first request to the last delivery.
    pub deliveries_per_second: f64,
    /// Of the node, while the room talks.
    pub memory: Memory,
    /// Readers that never read meanwhile, and were told so when they did.
    pub lagged: usize,
}

/// How many deliveries there were on all sockets together.
#[derive(Default)]
struct Count {
    deliveries: AtomicUsize,
    round: Notify,
}

/// What one socket was told.
struct Told {
    /// Numbers of the changes that showed a message.
    messages: Vec<u64>,
    /// Changes that did not come in order.
    astray: usize,
    lagged: bool,
    finished: Instant,
}

impl Stage {
    pub(super) async fn sockets(&mut self, size: Size) -> Result<Sockets> {
        handles::raise();
        // Memory is compared with that of a node that has done nothing else.
        self.writer.stop().await?;
        self.writer.start().await?;
        let made = self.writer.call("POST", "rooms", &json!({ "name": "hall" })).await?;
        let room = made["id"].as_str().context("a room without an id")?.to_owned();
        let path = format!("conversations/{room}/messages");
        sleep(SETTLE).await;

        let door = self.writer.door()?.clone();
        let greetings = Series::new("greeting", GREETINGS);
        let (held, connects_per_second, kib_each) = self.hold(size.held, &greetings, &path).await?;
        sleep(SETTLE).await;

        let paced_series = Series::new("paced", size.singles);
        let series = Series::new("hall", size.fan_out);
        let (count, cursor) = (Arc::new(Count::default()), self.writer.feed().await?);
        let all = paced_series.len() + series.len();
        let mut readers = JoinSet::new();
        for socket in open(&door, READERS, cursor, None).await? {
            readers.spawn(listen(socket, all, count.clone()));
        }
        let absent = open(&door, ABSENT, cursor, Some(WINDOW)).await?;

        let mut connection = self.writer.connect().await?;
        let mut paced = Vec::new();
        for n in 0..paced_series.len() {
            let began = Instant::now();
            paced_series.write_one(n, &mut connection, &path).await?;
            count.reached((n + 1) * READERS).await?;
            paced.push(began.elapsed());
        }
        let half = (paced_series.len() * READERS) + series.len() * READERS / 2;
        let past_half = count.clone();
        let sampler = Sampler::start(self.writer.pid(), move || {
            past_half.deliveries.load(Ordering::Relaxed) >= half
        });
        let began = Instant::now();
        series.write(&door, &room, size.connections).await?;
        let told = joined(readers).await?;
        let finished = told.iter().map(|told| told.finished).max().unwrap_or(began);
        let memory = sampler.finish();
        let took = finished.duration_since(began).as_secs_f64();

        let late = catch_up(absent, all).await?;
        let lagged = late.iter().filter(|told| told.lagged).count();
        let problems = self.differences(&room, &told, &late, all + greetings.len()).await?;
        self.problems.extend(problems);
        Ok(Sockets {
            held,
            connects_per_second,
            kib_each,
            paced: Spread::of(paced),
            messages: series.len(),
            deliveries_per_second: rounded((series.len() * READERS) as f64 / took),
            memory,
            lagged,
        })
    }

    /// Holds many sockets, and tells each of them something.
    async fn hold(&self, held: usize, greetings: &Series, path: &str) -> Result<(usize, f64, [Option<f64>; 2])> {
        let node = &self.writer;
        let (door, cursor) = (node.door()?, node.feed().await?);
        let mut connection = node.connect().await?;
        let (before, began) = (rss(node), Instant::now());
        let sockets = open(door, held, cursor, None).await?;
        let took = began.elapsed().as_secs_f64();
        sleep(SETTLE).await;
        let came = rss(node);
        let count = Arc::new(Count::default());
        let mut readers = JoinSet::new();
        for socket in sockets {
            readers.spawn(keep(socket, greetings.len(), count.clone()));
        }
        for n in 0..greetings.len() {
            greetings.write_one(n, &mut connection, path).await?;
        }
        let mut kept = Vec::new();
        while let Some(socket) = timeout(PATIENCE, readers.join_next())
            .await
            .context("a held socket is not told what is said")?
        {
            kept.push(socket.context("a reader was lost")??);
        }
        sleep(SETTLE).await;
        let told = rss(node);
        let each = |now: Option<u64>| Some(rounded((now?.saturating_sub(before?)) as f64 / held as f64));
        Ok((kept.len(), rounded(held as f64 / took), [each(came), each(told)]))
    }

    /// What sockets and disk were told differently.
    async fn differences(&self, room: &str, told: &[Told], late: &[Told], wanted: usize) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let stored = history(&self.writer, room).await?;
        // What happened in the room stands among them, without a text.
        let stored = stored.iter().filter(|message| message.text.is_some()).count();
        if stored != wanted {
            problems.push(format!("sockets: {stored} messages on the disk in place of {wanted}"));
        }
        let first = told.first().map(|told| &told.messages);
        for one in told.iter().chain(late) {
            if one.astray > 0 || Some(&one.messages) != first {
                problems.push(format!(
                    "sockets: a reader got {} messages, {} changes out of order",
                    one.messages.len(),
                    one.astray
                ));
            }
        }
        Ok(problems)
    }
}

impl Count {
    fn add(&self) {
        let before = self.deliveries.fetch_add(1, Ordering::Relaxed);
        if (before + 1).is_multiple_of(READERS) {
            self.round.notify_one();
        }
    }

    async fn reached(&self, deliveries: usize) -> Result<()> {
        let reached = async {
            while self.deliveries.load(Ordering::Relaxed) < deliveries {
                self.round.notified().await;
            }
        };
        timeout(PATIENCE, reached)
            .await
            .context("a socket is not told what is said")
    }
}

fn rss(node: &Process) -> Option<u64> {
    node.usage().rss_kib
}

/// So many sockets that listen from `cursor` on.
async fn open(door: &Door, count: usize, cursor: u64, window: Option<u32>) -> Result<Vec<Socket>> {
    let (mut opening, mut sockets) = (JoinSet::new(), Vec::with_capacity(count));
    for n in 0..count {
        if n >= AT_ONCE
            && let Some(socket) = opening.join_next().await
        {
            sockets.push(socket.context("a socket was lost")??);
        }
        let door = door.clone();
        opening.spawn(async move {
            let mut socket = Socket::open(&door, window).await?;
            socket.subscribe(cursor).await?;
            Ok::<_, anyhow::Error>(socket)
        });
    }
    while let Some(socket) = opening.join_next().await {
        sockets.push(socket.context("a socket was lost")??);
    }
    Ok(sockets)
}

/// Reads until so many messages have come.
async fn listen(mut socket: Socket, wanted: usize, count: Arc<Count>) -> Result<Told> {
    let mut told = Told {
        messages: Vec::with_capacity(wanted),
        astray: 0,
        lagged: false,
        finished: Instant::now(),
    };
    let mut last = 0;
    while told.messages.len() < wanted {
        match socket.hear().await? {
            Heard::Event { seq, is_message } => {
                told.astray += usize::from(seq <= last);
                last = seq;
                if is_message {
                    told.messages.push(seq);
                    count.add();
                }
            }
            Heard::Lagged => told.lagged = true,
            Heard::Other => {}
        }
    }
    told.finished = Instant::now();
    Ok(told)
}

/// As [`listen`], and keeps the socket open.
async fn keep(mut socket: Socket, wanted: usize, count: Arc<Count>) -> Result<Socket> {
    let mut messages = 0;
    while messages < wanted {
        if let Heard::Event { is_message: true, .. } = socket.hear().await? {
            messages += 1;
            count.add();
        }
    }
    Ok(socket)
}

async fn joined(mut readers: JoinSet<Result<Told>>) -> Result<Vec<Told>> {
    let mut told = Vec::new();
    while let Some(reader) = timeout(PATIENCE, readers.join_next())
        .await
        .context("a socket is not told what is said")?
    {
        told.push(reader.context("a reader was lost")??);
    }
    Ok(told)
}

/// Has those read that never read before.
async fn catch_up(absent: Vec<Socket>, wanted: usize) -> Result<Vec<Told>> {
    let count = Arc::new(Count::default());
    let mut readers = JoinSet::new();
    for socket in absent {
        readers.spawn(listen(socket, wanted, count.clone()));
    }
    joined(readers).await
}

impl Sockets {
    pub(super) fn rows(&self, rows: &mut Vec<Row>) {
        let known = |kib: Option<f64>| kib.map_or_else(|| "?".to_owned(), |kib| format!("{kib:.1}"));
        let [came, told] = self.kib_each;
        rows.push(Row {
            what: "sockets: held",
            figure: format!(
                "{} at {} KiB each, {} once each has been told something",
                self.held,
                known(came),
                known(told)
            ),
            goal: "20 KiB",
            met: told.map(|kib| kib <= 20.0),
        });
        rows.push(row(
            "sockets: coming in",
            format!("{:.0}/s", self.connects_per_second),
            "1470/s",
            self.connects_per_second >= 1_470.0,
        ));
        rows.push(row(
            "sockets: one message on all 100",
            self.paced.text(),
            "p99 4 ms",
            self.paced.p99_ms <= 4.0,
        ));
        rows.push(row(
            "sockets: one room, 100 of them",
            format!(
                "{:.0} deliveries/s ({} messages)",
                self.deliveries_per_second, self.messages
            ),
            "100000/s",
            self.deliveries_per_second >= 100_000.0,
        ));
        rows.push(fact("sockets: memory meanwhile", self.memory.text()));
        let absent = format!("{} of {ABSENT} told that they lag, and everything after", self.lagged);
        rows.push(fact("sockets: readers that did not read", absent));
    }
}
