//! Two nodes that are contacts, and the account of what was said between them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use tempfile::TempDir;

use super::http::Message;
use super::load::Series;
use super::node::{Ports, Process, introduce};

/// The longest page that the API gives.
const PAGE: usize = 200;

/// Where the measurements take place.
pub(super) struct Stage {
    pub writer: Process,
    pub reader: Process,
    pub conversation: String,
    pub problems: Vec<String>,
    said: Vec<Series>,
    // Removed last, when no process uses it any more.
    home: TempDir,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Message>,
    prev: Option<String>,
}

impl Stage {
    pub(super) async fn set() -> Result<Self> {
        let home = tempfile::Builder::new().prefix("parlour-bench-").tempdir();
        let home = home.context("cannot make a temporary directory")?;
        let mut ports = Ports::new();
        let mut writer = Process::make("writer", home.path(), &mut ports).await?;
        let mut reader = Process::make("reader", home.path(), &mut ports).await?;
        writer.start().await?;
        reader.start().await?;
        let conversation = introduce(&writer, &reader).await?;
        Ok(Self {
            writer,
            reader,
            conversation,
            problems: Vec::new(),
            said: Vec::new(),
            home,
        })
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Remembers a series for the check at the end.
    pub(super) fn said(&mut self, series: &Series) {
        self.said.push(series.clone());
    }

    /// Reads everything back from both disks: each message exactly once, in one order, confirmed. Answers how many there are.
    pub(super) async fn check_all(&mut self) -> Result<usize> {
        let here = history(&self.writer, &self.conversation).await?;
        let there = history(&self.reader, &self.conversation).await?;
        for (name, history) in [("writer", &here), ("reader", &there)] {
            self.problems.extend(differences(name, history, &self.said));
        }
        if !here
            .iter()
            .map(|message| &message.id)
            .eq(there.iter().map(|message| &message.id))
        {
            self.problems.push("the two nodes have different histories".to_owned());
        }
        Ok(here.len())
    }

    pub(super) async fn leave(mut self) -> Result<()> {
        self.writer.stop().await?;
        self.reader.stop().await
    }
}

/// The whole conversation, newest first.
pub(super) async fn history(node: &Process, conversation: &str) -> Result<Vec<Message>> {
    let mut connection = node.connect().await?;
    let mut all = Vec::new();
    let mut before = String::new();
    loop {
        let path = format!("conversations/{conversation}/messages?limit={PAGE}{before}");
        let page: Page = serde_json::from_slice(connection.call("GET", &path, b"").await?)?;
        all.extend(page.items.into_iter().rev());
        match page.prev {
            Some(prev) => before = format!("&before={prev}"),
            None => return Ok(all),
        }
    }
}

/// What a history has less or more than was said.
fn differences(name: &str, history: &[Message], said: &[Series]) -> Vec<String> {
    let mut times: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let (mut strangers, mut unconfirmed) = (0, 0);
    for message in history {
        let text = message.text.as_deref().unwrap_or_default();
        let of = |(at, series): (usize, &Series)| series.number(text).map(|n| (at, n));
        match said.iter().enumerate().find_map(of) {
            Some(place) => *times.entry(place).or_default() += 1,
            None => strangers += 1,
        }
        let wanted = if message.own { "delivered" } else { "received" };
        unconfirmed += usize::from(message.status != wanted);
    }
    let all: usize = said.iter().map(Series::len).sum();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str, status: &str) -> Message {
        Message {
            id: text.to_owned(),
            text: Some(text.to_owned()),
            own: status != "received",
            status: status.to_owned(),
        }
    }

    #[test]
    fn what_a_history_lacks_or_has_too_often_is_counted() {
        let said = [Series::new("few", 2), Series::new("many", 3)];
        let text = |n: usize| said[1].text(n);
        let mut history = vec![
            message(&said[0].text(0), "delivered"),
            message(&said[0].text(1), "received"),
        ];
        history.extend((0..3).map(|n| message(&text(n), "delivered")));
        assert_eq!(differences("ada", &history, &said), Vec::<String>::new());
        history.pop();
        history.push(message(&text(1), "sent"));
        history.push(message("who is this?", "received"));
        assert_eq!(
            differences("ada", &history, &said),
            [
                "1 messages lost",
                "1 messages doubled",
                "1 messages of nobody",
                "1 messages not confirmed"
            ]
            .map(|problem| format!("ada: {problem}"))
        );
    }
}
