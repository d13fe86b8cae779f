//! `parlour history`

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::client::{CallError, Client, items};
use crate::commands::read;
use crate::output::Output;
use crate::view::{Message, short};

/// The API gives no more at once.
const PAGE: usize = 200;

const EXAMPLES: &str = "\
Examples:
  parlour history bob
  parlour history bob --mark-read
  parlour history bob --limit 1000 --json > bob.json
  parlour history bob --ids                with the ids that `parlour message` takes
  parlour history bob --before CURSOR      what is older (the cursor is said on stderr)";

/// Show what was said with somebody or in a room, oldest first
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct History {
    /// A contact's or room's name or id, or `notes`
    #[arg(value_name = "WHO")]
    who: String,
    /// At most this many, the newest of them
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only what is older than an earlier page
    #[arg(long, value_name = "CURSOR")]
    before: Option<String>,
    /// Mark what is shown as read; they are told so. Without it, looking changes nothing
    #[arg(long)]
    mark_read: bool,
    /// Show the beginnings of the messages' ids, for `parlour message`
    #[arg(long)]
    ids: bool,
}

impl History {
    /// Of a conversation, and nothing else asked for.
    pub(crate) fn of(conversation: &str, limit: u32, before: Option<String>) -> Self {
        Self {
            who: conversation.to_owned(),
            limit,
            before,
            mark_read: false,
            ids: false,
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let (messages, older) = newest(client, &self.who, limit, self.before.clone()).await?;
        match &older {
            _ if messages.is_empty() => out.note("Nothing has been said yet."),
            Some(cursor) => out.note(&format!("older: --before {cursor}")),
            None => {}
        }
        let conversation = client.get(&["conversations", &self.who], &[]).await?;
        if let Some(warning) = conversation["warning"].as_str() {
            out.note(&format!("Warning: {warning}."));
        }
        let last = messages.last().and_then(|message| message["id"].as_str());
        if let Some(last) = last.filter(|_| self.mark_read) {
            read::mark(client, &self.who, Some(last)).await?;
        }
        let messages = Value::Array(messages);
        out.data(&messages, || {
            messages
                .as_array()
                .into_iter()
                .flatten()
                .map(|value| {
                    let message = Message::of(value);
                    let id = self.ids.then(|| short(&message.id));
                    message.line(id.as_deref())
                })
                .collect()
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The newest `limit` messages of a conversation, oldest first, and the cursor for what is older.
///
/// # Errors
/// See [`CallError`].
pub(crate) async fn newest(
    client: &Client,
    who: &str,
    limit: usize,
    before: Option<String>,
) -> Result<(Vec<Value>, Option<String>), CallError> {
    newest_where(client, who, limit, before, &[]).await
}

/// As [`newest`], of those that `only` asks for.
///
/// # Errors
/// See [`CallError`].
pub(crate) async fn newest_where(
    client: &Client,
    who: &str,
    limit: usize,
    mut before: Option<String>,
    only: &[(&str, &str)],
) -> Result<(Vec<Value>, Option<String>), CallError> {
    let mut pages = Vec::new();
    let mut missing = limit;
    while missing > 0 {
        let size = missing.min(PAGE).to_string();
        let mut query = vec![("limit", size.as_str())];
        query.extend_from_slice(only);
        query.extend(before.as_deref().map(|cursor| ("before", cursor)));
        let page = client.get(&["conversations", who, "messages"], &query).await?;
        before = page["prev"].as_str().map(str::to_owned);
        let messages = items(page);
        missing = missing.saturating_sub(messages.len());
        let ended = messages.is_empty() || before.is_none();
        pages.push(messages);
        if ended {
            break;
        }
    }
    Ok((pages.into_iter().rev().flatten().collect(), before))
}

/// What each conversation is called.
///
/// # Errors
/// See [`CallError`].
pub(crate) async fn titles(client: &Client) -> Result<HashMap<String, String>, CallError> {
    let conversations = client.items(&["conversations"], &[]).await?;
    let title = |field: &Value| field.as_str().map(str::to_owned);
    Ok(conversations
        .iter()
        .filter_map(|c| Some((title(&c["id"])?, title(&c["title"])?)))
        .collect())
}
