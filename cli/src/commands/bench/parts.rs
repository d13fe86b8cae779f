//! The measurements, each by itself.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::http::{Changes, Message};
use super::load::{Series, Watched, delivered};
use super::machine::{Sampler, Usage, loopback, mib};
use super::node::{Ports, Process};
use super::report::{CatchUp, Idle, OneMessage, Spread, Start, Sustained, rounded};
use super::stage::Stage;

/// Nodes finish their indexing and cleaning up in this time.
const SETTLE: Duration = Duration::from_secs(4);

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub starts: usize,
    pub singles: usize,
    pub warm_up: usize,
    pub sustained: usize,
    pub connections: usize,
    pub queued: usize,
    pub history: usize,
    /// WebSockets at once.
    pub held: usize,
    /// Messages to the sockets of one room.
    pub fan_out: usize,
    pub idle: Duration,
}

impl Stage {
    pub(super) async fn start(&mut self, size: Size) -> Result<Start> {
        let mut ready = Vec::new();
        for _ in 0..size.starts {
            let home = tempfile::tempdir_in(self.home())?;
            let mut node = Process::make("new", home.path(), &mut Ports::new()).await?;
            ready.push(node.start().await?);
            node.stop().await?;
        }
        let mut connected = Vec::new();
        for _ in 0..size.starts {
            self.writer.stop().await?;
            self.reader.stop().await?;
            let began = Instant::now();
            self.writer.spawn()?;
            self.reader.spawn()?;
            self.writer.ready().await?;
            self.reader.ready().await?;
            let here = |contact: &Value| contact["reachable"] == true;
            self.writer.contact(self.reader.name, here).await?;
            self.reader.contact(self.writer.name, here).await?;
            connected.push(began.elapsed());
        }
        Ok(Start {
            ready: Spread::of(ready),
            connected: Spread::of(connected),
        })
    }

    pub(super) async fn message(&mut self, size: Size) -> Result<OneMessage> {
        let mut connection = self.writer.connect().await?;
        let path = format!("conversations/{}/messages", self.conversation);
        let mut here = self.writer.changes(self.writer.feed().await?).await?;
        let mut there = self.reader.changes(self.reader.feed().await?).await?;
        let series = Series::new("single", size.warm_up + size.singles);
        let (mut answered, mut arrived, mut echoed) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..series.len() {
            let began = Instant::now();
            let until = async |changes| {
                shown(changes, &series, n).await?;
                Ok::<_, anyhow::Error>(began.elapsed())
            };
            let answer = async {
                series.write_one(n, &mut connection, &path).await?;
                Ok(began.elapsed())
            };
            let times = tokio::try_join!(answer, until(&mut here), until(&mut there))?;
            if n >= size.warm_up {
                answered.push(times.0);
                echoed.push(times.1);
                arrived.push(times.2);
            }
        }
        self.said(&series);
        // What is confirmed later would be taken for a confirmation of what is measured next.
        self.writer.quiet().await?;
        Ok(OneMessage {
            answered: Spread::of(answered),
            arrived: Spread::of(arrived),
            echoed: Spread::of(echoed),
        })
    }

    pub(super) async fn sustained(&mut self, size: Size) -> Result<Sustained> {
        let messages = size.sustained;
        let confirmed = tokio::spawn(delivered(
            self.writer.changes(self.writer.feed().await?).await?,
            messages,
        ));
        let changes = self.reader.changes(self.reader.feed().await?).await?;
        let (used, own) = (self.cpu(), Usage::own().cpu);
        let series = Series::new("sustained", messages);
        let [writer, reader] = [&self.writer, &self.reader].map(|node| sampler(node, &series));
        let watched = tokio::spawn(series.clone().watch(changes));
        let began = Instant::now();
        series
            .write(self.writer.door()?, &self.conversation, size.connections)
            .await?;
        let (all, watched) = self.arrived("sustained", messages, confirmed, watched).await?;
        let took = all.duration_since(began).as_secs_f64();
        let (busy, client) = (self.cpu(), Usage::own().cpu);
        sleep(SETTLE).await;
        let settled = self.cpu();
        let (writer, reader) = (writer.finish(), reader.finish());
        self.check(watched, &series).await?;
        let each = |from: Option<Duration>, to: Option<Duration>| {
            Some(rounded(to?.saturating_sub(from?).as_secs_f64() * 1e6 / messages as f64))
        };
        Ok(Sustained {
            messages,
            connections: size.connections,
            seconds: rounded(took),
            delivered_per_second: rounded(messages as f64 / took),
            answered: Spread::of(series.answers()),
            arrived: Spread::of(series.arrivals()),
            cpu_us_per_message: each(used, busy),
            cpu_us_per_message_settled: each(used, settled),
            client_cpu_us_per_message: each(own, client),
            writer,
            reader,
        })
    }

    pub(super) async fn catch_up(&mut self, size: Size) -> Result<CatchUp> {
        let messages = size.queued;
        let cursor = self.reader.feed().await?;
        self.reader.stop().await?;
        let confirmed = tokio::spawn(delivered(
            self.writer.changes(self.writer.feed().await?).await?,
            messages,
        ));
        let series = Series::new("queued", messages);
        let queue = Instant::now();
        series
            .write(self.writer.door()?, &self.conversation, size.connections)
            .await?;
        let queued = queue.elapsed().as_secs_f64();
        sleep(SETTLE).await;
        let writer = sampler(&self.writer, &series);
        let began = Instant::now();
        self.reader.spawn()?;
        let ready = self.reader.ready().await?;
        let reader = sampler(&self.reader, &series);
        let watched = tokio::spawn(series.clone().watch(self.reader.changes(cursor).await?));
        let (all, watched) = self.arrived("queued", messages, confirmed, watched).await?;
        let took = all.duration_since(began).as_secs_f64();
        sleep(SETTLE).await;
        let (writer, reader) = (writer.finish(), reader.finish());
        self.check(watched, &series).await?;
        Ok(CatchUp {
            messages,
            queued_per_second: rounded(messages as f64 / queued),
            seconds: rounded(took),
            seconds_from_ready: rounded(took - ready.as_secs_f64()),
            writer,
            reader,
        })
    }

    pub(super) async fn idle(&mut self, size: Size) -> Result<Idle> {
        sleep(SETTLE).await;
        let (before, said) = (self.cpu(), loopback());
        sleep(size.idle).await;
        let used = self
            .cpu()
            .zip(before)
            .map(|(after, before)| after.saturating_sub(before));
        let said = loopback().zip(said).map(|(after, before)| after.saturating_sub(before));
        let seconds = size.idle.as_secs_f64();
        Ok(Idle {
            seconds,
            bytes_per_second: said.map(|said| rounded(said as f64 / seconds)),
            cpu_percent: used.map(|used| rounded(used.as_secs_f64() * 100.0 / seconds)),
            rss_mib: [&self.writer, &self.reader].map(|node| mib(node.usage().rss_kib)),
        })
    }

    /// Waits until the writer has every confirmation and the reader has shown every message; answers when the last of them came.
    async fn arrived(
        &mut self,
        name: &str,
        messages: usize,
        confirmed: JoinHandle<Result<(Instant, usize)>>,
        watched: JoinHandle<Result<Watched>>,
    ) -> Result<(Instant, Watched)> {
        let (finished, count) = confirmed.await.context("a watcher was lost")??;
        let watched = watched.await.context("a watcher was lost")??;
        if count != messages {
            self.problems
                .push(format!("{name}: {count} confirmations for {messages} messages"));
        }
        Ok((finished.max(watched.finished), watched))
    }

    async fn check(&mut self, watched: Watched, series: &Series) -> Result<()> {
        let upto = self.reader.feed().await?;
        let problems = watched.check(upto).await?;
        self.problems.extend(problems);
        self.said(series);
        Ok(())
    }

    /// Processor time of both nodes.
    fn cpu(&self) -> Option<Duration> {
        Some(self.writer.usage().cpu? + self.reader.usage().cpu?)
    }
}

/// Follows the memory of a node while a series arrives.
fn sampler(node: &Process, series: &Series) -> Sampler {
    let series = series.clone();
    Sampler::start(node.pid(), move || series.is_past_half())
}

/// Waits until a message is on a stream.
pub(super) async fn shown(changes: &mut Changes, series: &Series, n: usize) -> Result<()> {
    let is = |message: &Message| message.text.as_deref().and_then(|text| series.number(text)) == Some(n);
    while !changes.next().await?.message.as_ref().is_some_and(is) {}
    Ok(())
}
