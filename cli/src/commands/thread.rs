//! `parlour thread`

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use crate::client::Client;
use crate::commands::history::newest_where;
use crate::output::Output;
use crate::view::{Message, short};

const EXAMPLES: &str = "\
Examples:
  parlour thread msg_ab3cde7h
  parlour thread msg_ab3cde7h --limit 200 --json
  parlour send garden --thread msg_ab3cde7h \"and the beans?\"

Any message can be the root of a thread that is not in one itself. The id of a message in a thread stands for its root.";

/// Show the thread under a message, the root first
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Thread {
    /// The id of the root or of a message in the thread, or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
    /// At most this many under the root, the newest of them
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

impl Thread {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let named = client.get(&["messages", &self.id], &[]).await?;
        let root = match named["thread"].as_str() {
            Some(root) => client.get(&["messages", root], &[]).await?,
            None => named,
        };
        let unreadable = "the node's answer has no message id";
        let id = root["id"].as_str().context(unreadable)?.to_owned();
        let conversation = root["conversation"].as_str().context(unreadable)?.to_owned();
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let (under, older) = newest_where(client, &conversation, limit, None, &[("thread", id.as_str())]).await?;
        if under.is_empty() {
            out.note("Nothing is in a thread under this message.");
        } else if older.is_some() {
            out.note("there is more: --limit shows older ones");
        }
        let messages: Vec<Value> = std::iter::once(root).chain(under).collect();
        let messages = Value::Array(messages);
        out.data(&messages, || {
            let line = |value| {
                let message = Message::of(value);
                message.line(Some(&short(&message.id)))
            };
            messages.as_array().into_iter().flatten().map(line).collect()
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
