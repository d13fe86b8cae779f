//! `parlour read`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::client::{CallError, Client};
use crate::output::Output;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  parlour read bob                   everything said so far
  parlour read bob --up-to msg_ab3cde7h      up to a message, as `history --ids` names it

Bob is told how far you have read, unless `parlour settings --read-receipts off` was said.";

/// Mark what was said with somebody or in a room as read
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Read {
    /// A contact's or room's name or id, or `notes`
    #[arg(value_name = "WHO")]
    who: String,
    /// The last message read: its id or the beginning of it; without it, the last there is
    #[arg(long, value_name = "ID")]
    up_to: Option<String>,
}

impl Read {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let conversation = mark(client, &self.who, self.up_to.as_deref()).await?;
        out.data(&conversation, || {
            let title = text::one_line(conversation["title"].as_str().unwrap_or_default());
            match conversation["unread"].as_u64().unwrap_or(0) {
                0 => format!("Everything from {title} is read.\n"),
                left => format!("Read; {left} from {title} left unread.\n"),
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Marks a conversation as read up to a message, or to its end.
///
/// # Errors
/// See [`CallError`].
pub(crate) async fn mark(client: &Client, who: &str, up_to: Option<&str>) -> Result<Value, CallError> {
    client
        .put(&["conversations", who, "read"], &json!({ "up_to": up_to }))
        .await
}
