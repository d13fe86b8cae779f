//! Messages in numbers: writing them over many connections at once, and watching each of them arrive exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::http::{Change, Changes, Connection, Door, State};
use super::words;

/// What people write is about as long.
const WORDS: &str = "and here are some words about nothing in particular, about as many as people write at once";
/// A node that shows no change for this long will not show one.
const STALL: Duration = Duration::from_secs(30);

/// The messages of one measurement.
#[derive(Clone)]
pub(super) struct Series {
    name: &'static str,
    /// What follows a message's number.
    rest: fn(usize) -> String,
    began: Instant,
    marks: Arc<[Mark]>,
    arrived: Arc<AtomicUsize>,
}

/// Times of one message in µs since the series began, plus one; 0 while it has not happened.
#[derive(Default)]
struct Mark {
    asked: AtomicU32,
    answered: AtomicU32,
    arrived: AtomicU32,
}

impl Series {
    pub(super) fn new(name: &'static str, messages: usize) -> Self {
        Self::of(name, messages, |_| WORDS.to_owned())
    }

    /// Messages with words that one can search for.
    pub(super) fn speaking(name: &'static str, messages: usize) -> Self {
        Self::of(name, messages, words::text)
    }

    fn of(name: &'static str, messages: usize, rest: fn(usize) -> String) -> Self {
        Self {
            name,
            rest,
            began: Instant::now(),
            marks: (0..messages).map(|_| Mark::default()).collect(),
            arrived: Arc::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    /// What message `n` says.
    pub(super) fn text(&self, n: usize) -> String {
        format!("{} {n} {}", self.name, (self.rest)(n))
    }

    /// Which message this is, if it is one of the series.
    pub(super) fn number(&self, text: &str) -> Option<usize> {
        let mut parts = text.strip_prefix(self.name)?.strip_prefix(' ')?.split(' ');
        parts.next()?.parse().ok().filter(|n| *n < self.len())
    }

    fn now(&self) -> u32 {
        u32::try_from(self.began.elapsed().as_micros())
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    }

    /// Writes all of them, over so many connections at once.
    pub(super) async fn write(&self, door: &Door, conversation: &str, connections: usize) -> Result<()> {
        let next = Arc::new(AtomicUsize::new(0));
        let path: Arc<str> = format!("conversations/{conversation}/messages").into();
        let mut writers: JoinSet<Result<()>> = JoinSet::new();
        for _ in 0..connections {
            let mut connection = Connection::open(door).await?;
            let (series, next, path) = (self.clone(), next.clone(), path.clone());
            writers.spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= series.len() {
                        return Ok(());
                    }
                    series.write_one(n, &mut connection, &path).await?;
                }
            });
        }
        while let Some(writer) = writers.join_next().await {
            writer.context("a writer was lost")??;
        }
        Ok(())
    }

    /// Writes one and waits for the node's answer.
    pub(super) async fn write_one(&self, n: usize, connection: &mut Connection, path: &str) -> Result<()> {
        let body = serde_json::to_vec(&serde_json::json!({ "text": self.text(n) }))?;
        let mark = self.marks.get(n).context("a message outside its series")?;
        mark.asked.store(self.now(), Ordering::Relaxed);
        connection.call_patiently("POST", path, &body).await?;
        mark.answered.store(self.now(), Ordering::Relaxed);
        Ok(())
    }

    /// From asking for a message until it was answered.
    pub(super) fn answers(&self) -> Vec<Duration> {
        self.times(|mark| &mark.answered)
    }

    /// From asking for a message until it arrived where the series is watched.
    pub(super) fn arrivals(&self) -> Vec<Duration> {
        self.times(|mark| &mark.arrived)
    }

    /// Whether half of the messages have arrived where the series is watched.
    pub(super) fn is_past_half(&self) -> bool {
        self.arrived.load(Ordering::Relaxed) * 2 >= self.len()
    }

    fn times(&self, end: impl Fn(&Mark) -> &AtomicU32) -> Vec<Duration> {
        let time = |mark: &Mark| match (mark.asked.load(Ordering::Relaxed), end(mark).load(Ordering::Relaxed)) {
            (0, _) | (_, 0) => None,
            (from, to) => Some(Duration::from_micros(u64::from(to.saturating_sub(from)))),
        };
        self.marks.iter().filter_map(time).collect()
    }

    /// Watches a stream until every message has arrived on it, or nothing changes any more.
    pub(super) async fn watch(self, mut changes: Changes) -> Result<Watched> {
        let (mut seen, mut at) = (Seen::new(self.len()), 0);
        while seen.missing > 0
            && let Some(change) = next(&mut changes).await?
        {
            at = change.seq;
            self.look(&change, &mut seen);
        }
        Ok(Watched {
            finished: Instant::now(),
            series: self,
            changes,
            at,
            seen,
        })
    }

    fn look(&self, change: &Change, seen: &mut Seen) {
        let text = change.message.as_ref().and_then(|message| message.text.as_deref());
        if let Some(n) = text.and_then(|text| self.number(text)) {
            if let Some(mark) = self.marks.get(n) {
                mark.arrived.store(self.now(), Ordering::Relaxed);
            }
            self.arrived.fetch_add(1, Ordering::Relaxed);
            seen.add(n);
        }
    }
}

/// Which messages have been seen.
struct Seen {
    times: Vec<u8>,
    missing: usize,
    doubled: usize,
}

impl Seen {
    fn new(messages: usize) -> Self {
        Self {
            times: vec![0; messages],
            missing: messages,
            doubled: 0,
        }
    }

    fn add(&mut self, n: usize) {
        match self.times.get_mut(n) {
            Some(times @ 0) => {
                *times = 1;
                self.missing -= 1;
            }
            _ => self.doubled += 1,
        }
    }
}

/// What was seen of a series on one stream.
pub(super) struct Watched {
    pub finished: Instant,
    series: Series,
    changes: Changes,
    /// The last seq read.
    at: u64,
    seen: Seen,
}

impl Watched {
    /// Goes on up to a seq, for what may come twice, and says what is wrong.
    pub(super) async fn check(mut self, upto: u64) -> Result<Vec<String>> {
        while self.at < upto
            && let Some(change) = next(&mut self.changes).await?
        {
            self.at = change.seq;
            self.series.look(&change, &mut self.seen);
        }
        let (name, all) = (self.series.name, self.series.len());
        let mut problems = Vec::new();
        if self.seen.missing > 0 {
            problems.push(format!(
                "{name}: {} of {all} messages did not arrive",
                self.seen.missing
            ));
        }
        if self.seen.doubled > 0 {
            problems.push(format!("{name}: {} messages were announced again", self.seen.doubled));
        }
        Ok(problems)
    }
}

/// Reads the writer's stream until so many messages are on the other's disk, or nothing changes any more. Answers when, and
/// how many were confirmed.
pub(super) async fn delivered(mut changes: Changes, messages: usize) -> Result<(Instant, usize)> {
    let mut confirmed = 0;
    while confirmed < messages
        && let Some(change) = next(&mut changes).await?
    {
        if change.state == Some(State::Delivered) {
            confirmed += usize::try_from(change.count.unwrap_or(0)).unwrap_or(usize::MAX);
        }
    }
    Ok((Instant::now(), confirmed))
}

async fn next(changes: &mut Changes) -> Result<Option<Change>> {
    timeout_at(Instant::now() + STALL, changes.next())
        .await
        .ok()
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_knows_its_number() {
        let series = Series::new("many", 20);
        assert_eq!(series.number(&series.text(19)), Some(19));
        assert_eq!(series.number(&series.text(20)), None);
        assert_eq!(series.number("few 3 words"), None);
        assert_eq!(series.number("many words"), None);
    }

    #[test]
    fn what_is_missing_or_doubled_is_counted() {
        let mut seen = Seen::new(3);
        [0, 2, 2, 2].into_iter().for_each(|n| seen.add(n));
        assert_eq!((seen.missing, seen.doubled), (1, 2));
    }

    #[test]
    fn times_are_of_messages_that_arrived() {
        let series = Series::new("many", 2);
        series.marks[0].asked.store(1, Ordering::Relaxed);
        series.marks[0].arrived.store(251, Ordering::Relaxed);
        series.marks[1].asked.store(7, Ordering::Relaxed);
        assert_eq!(series.arrivals(), [Duration::from_micros(250)]);
        assert!(series.answers().is_empty());
    }
}
