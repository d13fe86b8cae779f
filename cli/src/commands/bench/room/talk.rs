//! The messages of one measurement in a room: who writes which, when each was asked for, and when it was on whose stream.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::commands::bench::http::{Changes, Connection, Message};
use crate::commands::bench::soak::Random;

/// What follows a message's number: people write about as much.
const WORDS: &str = "and here are some words about nothing in particular, about as many as people write at once";
/// A node that shows no change for this long will not show one.
const STALL: Duration = Duration::from_secs(30);

/// All of them; clones are of the same.
#[derive(Clone)]
pub(super) struct Talk(Arc<Messages>);

struct Messages {
    name: &'static str,
    /// Who writes each.
    by: Vec<usize>,
    /// From one to the next; nothing: each member writes as soon as the node has taken what they wrote before.
    pause: Option<Duration>,
    began: OnceLock<Instant>,
    /// Times in µs since it began, plus one; 0 while it has not happened.
    asked: Vec<AtomicU32>,
    answered: Vec<AtomicU32>,
    /// Of each member, each message.
    arrived: Vec<Vec<AtomicU32>>,
    times: Vec<Vec<AtomicU8>>,
    strangers: AtomicUsize,
}

impl Talk {
    pub(super) fn new(
        name: &'static str,
        members: usize,
        messages: usize,
        pause: Option<Duration>,
        random: &mut Random,
    ) -> Self {
        let none = || (0..messages).map(|_| AtomicU32::new(0)).collect();
        let never = || (0..messages).map(|_| AtomicU8::new(0)).collect();
        Self(Arc::new(Messages {
            name,
            by: (0..messages).map(|_| random.place(members)).collect(),
            pause,
            began: OnceLock::new(),
            asked: none(),
            answered: none(),
            arrived: (0..members).map(|_| none()).collect(),
            times: (0..members).map(|_| never()).collect(),
            strangers: AtomicUsize::new(0),
        }))
    }

    pub(super) fn len(&self) -> usize {
        self.0.by.len()
    }

    /// Times count from now on.
    pub(super) fn begin(&self) {
        self.0.began.get_or_init(Instant::now);
    }

    fn began(&self) -> Instant {
        *self.0.began.get_or_init(Instant::now)
    }

    fn now(&self) -> u32 {
        micros(self.began().elapsed())
    }

    /// What message `n` says.
    fn text(&self, n: usize) -> String {
        format!("{} {n} {WORDS}", self.0.name)
    }

    /// Which message this is, if it is one of these.
    fn number(&self, text: &str) -> Option<usize> {
        let mut parts = text.strip_prefix(self.0.name)?.strip_prefix(' ')?.split(' ');
        parts.next()?.parse().ok().filter(|n| *n < self.len())
    }

    /// Writes what one member is to write. What is paced counts from when it was due, however late it was asked for.
    pub(super) async fn write(self, member: usize, mut connection: Connection, room: String) -> Result<()> {
        let path = format!("conversations/{room}/messages");
        for (n, _) in self.0.by.iter().enumerate().filter(|(_, by)| **by == member) {
            let mut asked = self.now();
            if let Some(pause) = self.0.pause {
                let due = pause * u32::try_from(n).unwrap_or(u32::MAX);
                sleep_until(self.began() + due).await;
                asked = micros(due);
            }
            let body = serde_json::to_vec(&serde_json::json!({ "text": self.text(n) }))?;
            note(self.0.asked.get(n), asked);
            connection.call_patiently("POST", &path, &body).await?;
            note(self.0.answered.get(n), self.now());
        }
        Ok(())
    }

    /// Watches a member's stream until every message has been on it, or nothing changes any more.
    pub(super) async fn watch(self, member: usize, mut changes: Changes) -> Result<()> {
        let mut missing = self.len();
        while missing > 0 {
            let next = timeout_at(Instant::now() + STALL, changes.next()).await;
            let Some(change) = next.ok().transpose()? else { break };
            if !change.is_new_message() {
                continue;
            }
            let text = change.message.as_ref().and_then(|message| message.text.as_deref());
            match text.map(|text| self.number(text)) {
                Some(Some(n)) => missing -= usize::from(self.shown(member, n)),
                Some(None) => drop(self.0.strangers.fetch_add(1, Ordering::Relaxed)),
                None => {}
            }
        }
        Ok(())
    }

    /// Message `n` was on a member's stream; whether for the first time.
    fn shown(&self, member: usize, n: usize) -> bool {
        let times = self.0.times.get(member).and_then(|times| times.get(n));
        let before = times.map_or(1, |times| times.fetch_add(1, Ordering::Relaxed));
        if before == 0 {
            note(
                self.0.arrived.get(member).and_then(|arrived| arrived.get(n)),
                self.now(),
            );
        }
        before == 0
    }

    /// From asking for a message until it was answered.
    pub(super) fn answers(&self) -> Vec<Duration> {
        (0..self.len())
            .filter_map(|n| self.since_asked(n, self.0.answered.get(n)))
            .collect()
    }

    /// From asking for each message until it was on the stream of each other member.
    pub(super) fn arrivals(&self) -> Vec<Duration> {
        (0..self.len()).flat_map(|n| self.arrivals_of(n)).collect()
    }

    /// From asking for each message until it was on the stream of the last member.
    pub(super) fn last_arrivals(&self) -> Vec<Duration> {
        (0..self.len()).filter_map(|n| self.arrivals_of(n).max()).collect()
    }

    fn arrivals_of(&self, n: usize) -> impl Iterator<Item = Duration> {
        let by = self.0.by.get(n).copied();
        let others = self.0.arrived.iter().enumerate();
        let others = others.filter(move |(member, _)| Some(*member) != by);
        others.filter_map(move |(_, arrived)| self.since_asked(n, arrived.get(n)))
    }

    fn since_asked(&self, n: usize, then: Option<&AtomicU32>) -> Option<Duration> {
        let (asked, then) = (value(self.0.asked.get(n)), value(then));
        (asked > 0 && then > 0).then(|| Duration::from_micros(u64::from(then.saturating_sub(asked))))
    }

    /// What is wrong with what was on the streams.
    pub(super) fn problems(&self, names: &[&str]) -> Vec<String> {
        let mut problems = Vec::new();
        for (times, name) in self.0.times.iter().zip(names) {
            let count = |wrong: fn(u8) -> bool| {
                let times = times.iter().map(|times| times.load(Ordering::Relaxed));
                times.filter(|times| wrong(*times)).count()
            };
            for (count, what) in [
                (count(|times| times == 0), "did not arrive"),
                (count(|times| times > 1), "arrived again"),
            ] {
                if count > 0 {
                    problems.push(format!("{}: {count} messages {what} at {name}", self.0.name));
                }
            }
        }
        match self.0.strangers.load(Ordering::Relaxed) {
            0 => {}
            count => problems.push(format!("{}: {count} messages of another part arrived", self.0.name)),
        }
        problems
    }
}

/// What a member's history has less or more than was written.
pub(super) fn differences(name: &str, history: &[Message], talks: &[&Talk]) -> Vec<String> {
    let mut times: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let (mut strangers, mut unconfirmed) = (0, 0);
    for message in history {
        let text = message.text.as_deref().unwrap_or_default();
        let mut of = talks.iter().enumerate();
        match of.find_map(|(at, talk)| talk.number(text).map(|n| (at, n))) {
            Some(place) => *times.entry(place).or_default() += 1,
            None => strangers += 1,
        }
        let wanted = if message.own { "delivered" } else { "received" };
        unconfirmed += usize::from(message.status != wanted);
    }
    let all: usize = talks.iter().map(|talk| talk.len()).sum();
    let counts = [
        (all - times.len(), "lost"),
        (times.values().filter(|times| **times > 1).count(), "doubled"),
        (strangers, "of nobody"),
        (unconfirmed, "not confirmed"),
    ];
    let wrong = counts.iter().filter(|(count, _)| *count > 0);
    wrong
        .map(|(count, what)| format!("{name}: {count} messages {what}"))
        .collect()
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX).saturating_add(1)
}

fn note(cell: Option<&AtomicU32>, time: u32) {
    if let Some(cell) = cell {
        cell.store(time, Ordering::Relaxed);
    }
}

fn value(cell: Option<&AtomicU32>) -> u32 {
    cell.map_or(0, |cell| cell.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(messages: usize) -> Talk {
        Talk::new("paced", 3, messages, None, &mut Random::new(5))
    }

    #[test]
    fn arrivals_are_those_at_the_others() {
        let talk = talk(1);
        let by = talk.0.by[0];
        note(talk.0.asked.first(), 1);
        for member in 0..3 {
            let late = if member == by { 1_000_000 } else { 100 * (1 + member) };
            note(talk.0.arrived[member].first(), u32::try_from(late).unwrap());
        }
        let others: Vec<u64> = (0..3).filter(|m| *m != by).map(|m| 100 * (1 + m as u64) - 1).collect();
        let times: Vec<Duration> = others.iter().copied().map(Duration::from_micros).collect();
        assert_eq!(talk.arrivals(), times);
        assert_eq!(talk.last_arrivals(), [times[1]]);
        assert!(talk.answers().is_empty());
    }

    #[test]
    fn what_did_not_arrive_once_is_a_problem() {
        let talk = talk(2);
        for member in 0..3 {
            assert!(talk.shown(member, 0) && talk.shown(member, 1));
        }
        assert_eq!(talk.problems(&["ada", "bo", "cy"]), Vec::<String>::new());
        assert!(!talk.shown(2, 1));
        assert_eq!(
            talk.problems(&["ada", "bo", "cy"]),
            ["paced: 1 messages arrived again at cy"]
        );
        let never = super::tests::talk(2);
        assert!(never.shown(0, 1));
        assert_eq!(never.problems(&["ada"]), ["paced: 1 messages did not arrive at ada"]);
    }

    #[test]
    fn histories_are_compared_with_what_was_written() {
        let talk = talk(3);
        let message = |n: usize| Message {
            id: format!("msg_{n}"),
            text: Some(talk.text(n)),
            own: n == 0,
            status: if n == 0 { "delivered" } else { "received" }.to_owned(),
        };
        let mut history: Vec<Message> = (0..3).map(message).collect();
        assert_eq!(differences("ada", &history, &[&talk]), Vec::<String>::new());
        history[0].status = "sent".to_owned();
        history[1] = message(2);
        assert_eq!(
            differences("ada", &history, &[&talk]),
            [
                "ada: 1 messages lost",
                "ada: 1 messages doubled",
                "ada: 1 messages not confirmed"
            ]
        );
    }
}
