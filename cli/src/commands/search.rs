//! `parlour search`

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use parlour_store::MAX_QUERY_BYTES;
use serde_json::Value;

use crate::client::Client;
use crate::commands::history::titles;
use crate::output::Output;
use crate::text;
use crate::view::Message;

const EXAMPLES: &str = "\
Examples:
  parlour search \"train to Ghent\"
  parlour search invoice --with bob --order ranked --limit 5
  parlour search '\"exactly these words\"'";

/// Find messages by the words in them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Search {
    /// Words, \"phrases\" and beginnings*
    #[arg(required = true, value_name = "WORDS")]
    words: Vec<String>,
    /// Only in this conversation: a contact's or room's name or id, or `notes`
    #[arg(long, value_name = "WHO")]
    with: Option<String>,
    /// Newest first, or best first
    #[arg(long, value_enum, default_value_t = Order::Newest)]
    order: Order,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    Newest,
    Ranked,
}

impl Search {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let (words, limit) = (self.words.join(" "), self.limit.to_string());
        if words.len() > MAX_QUERY_BYTES {
            bail!(
                "the words are {} bytes long; a search takes at most {MAX_QUERY_BYTES}",
                words.len()
            );
        }
        let order = match self.order {
            Order::Newest => "newest",
            Order::Ranked => "ranked",
        };
        let mut query = vec![("q", words.as_str()), ("order", order), ("limit", limit.as_str())];
        let place;
        if let Some(who) = &self.with {
            place = client.get(&["conversations", who], &[]).await?;
            query.push(("conversation", place["id"].as_str().unwrap_or_default()));
        }
        let found = client.items(&["search"], &query).await?;
        if found.is_empty() {
            out.note("Nothing found.");
        }
        let places = if out.is_json() || found.is_empty() {
            HashMap::new()
        } else {
            titles(client).await?
        };
        let found = Value::Array(found);
        out.data(&found, || {
            found
                .as_array()
                .into_iter()
                .flatten()
                .map(|hit| line(hit, &places))
                .collect()
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn line(hit: &Value, places: &HashMap<String, String>) -> String {
    let message = Message::of(hit);
    let place = places
        .get(&message.conversation)
        .map(|title| format!("[{}] ", text::one_line(title)))
        .unwrap_or_default();
    let snippet = hit["snippet"].as_str().map_or_else(|| message.shown(), str::to_owned);
    let (time, who) = (text::local_time(&message.created_at), message.who());
    format!(
        "{time}  {place}{who}: {}\n",
        text::one_line(&snippet.replace('\n', " "))
    )
}
