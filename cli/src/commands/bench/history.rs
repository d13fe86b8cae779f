//! Two nodes that have said much: how fast they start, and how fast their pages and searches are over HTTP.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::http::Connection;
use super::load::{Series, delivered};
use super::machine::mib;
use super::parts::{Size, shown};
use super::report::{Spread, rounded};
use super::stage::Stage;
use super::table::{Row, fact, row};
use super::words::{KINDS, question};

/// Messages on a page, as UIs ask for them.
const PAGE: usize = 50;
/// Pages on the way into the depth.
const STEP: usize = 200;
/// Pages and searches of each kind that are timed.
const TIMES: usize = 500;
/// Messages whose way into the search is timed.
const FOUND: usize = 20;
/// Indexing a million messages takes minutes.
const PATIENCE: Duration = Duration::from_secs(1_200);
const LOOK: Duration = Duration::from_millis(200);

/// A node with a long history.
#[derive(Debug, Serialize)]
pub(super) struct History {
    pub messages: usize,
    /// Both nodes, written, delivered and confirmed.
    pub delivered_per_second: f64,
    /// From starting the process.
    pub ready: Spread,
    /// The reader: when all had arrived, after its start, and after all searches.
    pub rss_mib: [Option<f64>; 3],
    /// A page of 50 anywhere.
    pub page: Spread,
    /// From a message on the reader's stream until a search there finds it.
    pub found: Spread,
    pub searches: Vec<Kind>,
}

/// Searches of one kind, the newest first.
#[derive(Debug, Serialize)]
pub(super) struct Kind {
    pub name: &'static str,
    pub took: Spread,
    pub found: usize,
}

impl Stage {
    pub(super) async fn history(&mut self, size: Size) -> Result<History> {
        let messages = size.history;
        let series = Series::speaking("history", messages);
        let confirmed = tokio::spawn(delivered(
            self.writer.changes(self.writer.feed().await?).await?,
            messages,
        ));
        let began = Instant::now();
        series
            .write(self.writer.door()?, &self.conversation, size.connections)
            .await?;
        let (all, count) = confirmed.await.context("a watcher was lost")??;
        if count != messages {
            self.problems
                .push(format!("history: {count} confirmations for {messages} messages"));
        }
        self.said(&series);
        let took = all.duration_since(began).as_secs_f64();
        let written = mib(self.reader.usage().rss_kib);
        self.indexed().await?;
        let mut ready = Vec::new();
        for _ in 0..size.starts {
            self.reader.stop().await?;
            ready.push(self.reader.start().await?);
        }
        let started = mib(self.reader.usage().rss_kib);
        let mut connection = self.reader.connect().await?;
        let page = self.pages(&mut connection).await?;
        let mut searches = Vec::new();
        for name in KINDS {
            searches.push(search(&mut connection, name).await?);
        }
        let found = self.found(&mut connection).await?;
        Ok(History {
            messages,
            delivered_per_second: rounded(messages as f64 / took),
            ready: Spread::of(ready),
            rss_mib: [written, started, mib(self.reader.usage().rss_kib)],
            page,
            found,
            searches,
        })
    }

    /// Waits until the reader's search has all messages.
    async fn indexed(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stats = self.reader.call("GET", "stats", &Value::Null).await?;
            let (indexed, feed) = (stats["store"]["indexed"].as_u64(), stats["feed"].as_u64());
            if indexed.context("the node does not say how far its search is")? >= feed.unwrap_or(u64::MAX) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the search does not come to an end: {stats}");
            }
            sleep(LOOK).await;
        }
    }

    /// Pages from anywhere in the conversation.
    async fn pages(&self, connection: &mut Connection) -> Result<Spread> {
        let path = format!("conversations/{}/messages", self.conversation);
        let mut places = vec![String::new()];
        while let Some(before) = places.last() {
            let page = connection
                .json("GET", &format!("{path}?limit={STEP}{before}"), &Value::Null)
                .await?;
            match page["prev"].as_str() {
                Some(prev) => places.push(format!("&before={prev}")),
                None => break,
            }
        }
        let mut times = Vec::new();
        for turn in 0..TIMES {
            // Steps that meet every place before any twice, and are far apart.
            let place = places
                .get(turn * 7_919 % places.len())
                .context("a page without a place")?;
            let path = format!("{path}?limit={PAGE}{place}");
            let began = Instant::now();
            connection.call("GET", &path, b"").await?;
            times.push(began.elapsed());
        }
        Ok(Spread::of(times))
    }

    /// Says words that nobody has said before, and looks for them on the other side.
    async fn found(&mut self, there: &mut Connection) -> Result<Spread> {
        let mut here = self.writer.connect().await?;
        let path = format!("conversations/{}/messages", self.conversation);
        let mut changes = self.reader.changes(self.reader.feed().await?).await?;
        let series = Series::new("unheard", FOUND);
        let mut times = Vec::new();
        for n in 0..series.len() {
            series.write_one(n, &mut here, &path).await?;
            shown(&mut changes, &series, n).await?;
            let began = Instant::now();
            let path = format!("search?limit=1&q=unheard%20{n}");
            while there.json("GET", &path, &Value::Null).await?["items"]
                .as_array()
                .is_none_or(Vec::is_empty)
            {
                if began.elapsed() > PATIENCE {
                    bail!("a message is not found");
                }
            }
            times.push(began.elapsed());
        }
        self.said(&series);
        self.writer.quiet().await?;
        Ok(Spread::of(times))
    }
}

async fn search(connection: &mut Connection, name: &'static str) -> Result<Kind> {
    let (mut times, mut found) = (Vec::new(), 0);
    for turn in 0..TIMES {
        let words = question(name, turn).replace(' ', "%20").replace('"', "%22");
        let path = format!("search?q={words}");
        let began = Instant::now();
        let answer = connection.call("GET", &path, b"").await?;
        times.push(began.elapsed());
        let answer: Value = serde_json::from_slice(answer)?;
        found += answer["items"].as_array().map_or(0, Vec::len);
    }
    Ok(Kind {
        name,
        took: Spread::of(times),
        found: found / TIMES,
    })
}

impl History {
    pub(super) fn rows(&self, rows: &mut Vec<Row>) {
        let said = format!("{} at {:.0} messages/s", self.messages, self.delivered_per_second);
        rows.push(fact("history: said before", said));
        rows.push(row(
            "history: ready",
            self.ready.text(),
            "p50 < 500 ms",
            self.ready.p50_ms < 500.0,
        ));
        let [written, started, searched] = self.rss_mib.map(super::table::mib);
        rows.push(Row {
            what: "history: memory of the reader",
            figure: format!("{written} MiB when all had come, {started} after a start, {searched} after searching"),
            goal: "120 MiB",
            met: self
                .rss_mib
                .iter()
                .copied()
                .collect::<Option<Vec<f64>>>()
                .map(|all| all.iter().all(|mib| *mib <= 120.0)),
        });
        rows.push(row(
            "history: page of 50 anywhere",
            self.page.text(),
            "p99 3 ms",
            self.page.p99_ms <= 3.0,
        ));
        rows.push(row(
            "history: found after it came",
            self.found.text(),
            "100 ms",
            self.found.max_ms <= 100.0,
        ));
        for kind in &self.searches {
            let what = match kind.name {
                "rare" => "search: a rare word",
                "frequent" => "search: a frequent word",
                "common" => "search: a common word",
                "and" => "search: two words",
                "phrase" => "search: a phrase",
                "prefix" => "search: a beginning",
                _ => "search: a word with a mistake",
            };
            let figure = format!("{}; {} found", kind.took.text(), kind.found);
            rows.push(row(what, figure, "p99 12 ms", kind.took.p99_ms <= 12.0));
        }
    }
}
