//! `parlour requests`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::args::duration;
use crate::client::Client;
use crate::commands::add::become_contacts;
use crate::connect::Reach;
use crate::output::Output;
use crate::text;

/// Lines shown of what somebody says to it.
const NOTE_LINES: usize = 6;

const EXAMPLES: &str = "\
Examples:
  parlour requests
  parlour requests list --json | jq -r '.[].note'
  parlour requests accept zoe --petname zoe-from-work
  parlour requests decline mallory         they are not told, and cannot ask again for 30 days
  parlour requests block mallory           they are not told, and never heard again
  parlour requests cancel bob              takes back what you asked somebody yourself
  parlour invite address                   what people need to ask you";

/// See who asks to become your contact, and decide
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Requests {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them; what `parlour requests` alone does, too
    List,
    /// Become contacts
    Accept {
        /// Their name, id, or the beginning of it
        #[arg(value_name = "WHO")]
        who: String,
        /// What you want to call them
        #[arg(long, value_name = "NAME")]
        petname: Option<String>,
        /// How long to wait for their node's answer
        #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
        timeout: Duration,
    },
    /// Decline, without a word to them
    Decline {
        /// Their name, id, or the beginning of it
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Decline, and never hear from them again, unless you unblock them
    Block {
        /// Their name, id, or the beginning of it
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Take back a request of your own, or an invite you opened, that nobody has answered
    Cancel {
        /// What you call them, their name, id, or the beginning of it
        #[arg(value_name = "WHO")]
        who: String,
    },
}

impl Requests {
    pub(crate) fn reach(&self) -> Reach {
        match self.action {
            Some(Action::Accept { .. }) => Reach::Network,
            None | Some(Action::List | Action::Decline { .. } | Action::Block { .. } | Action::Cancel { .. }) => {
                Reach::Disk
            }
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        match &self.action {
            None | Some(Action::List) => list(client, out).await,
            Some(Action::Accept { who, petname, timeout }) => {
                let deadline = Instant::now() + *timeout;
                let wish = petname.as_ref().map_or(json!({}), |name| json!({ "petname": name }));
                let added = client.post(&["requests", who, "accept"], &wish).await?;
                become_contacts(client, out, &added, deadline).await
            }
            Some(Action::Decline { who }) => {
                let request = client.get(&["requests", who], &[]).await?;
                client.delete(&["requests", who]).await?;
                let value = json!({ "user_id": request["user_id"], "state": "declined" });
                out.data(&value, || format!("{} is declined, and not told.\n", shown(&request)))?;
                Ok(ExitCode::SUCCESS)
            }
            Some(Action::Block { who }) => {
                let contact = client.post(&["requests", who, "block"], &json!({})).await?;
                out.data(&contact, || {
                    format!(
                        "{} is blocked, and not told; `parlour contacts unblock` lets them ask again.\n",
                        shown(&contact)
                    )
                })?;
                Ok(ExitCode::SUCCESS)
            }
            Some(Action::Cancel { who }) => cancel(client, out, who).await,
        }
    }
}

async fn cancel(client: &Client, out: &Output, who: &str) -> Result<ExitCode> {
    let contact = client.get(&["contacts", who], &[]).await?;
    if !["asked", "waiting", "refused"].contains(&contact["state"].as_str().unwrap_or_default()) {
        anyhow::bail!(
            "nothing of yours waits for an answer of {}: `parlour contacts remove` parts from a contact",
            shown(&contact)
        );
    }
    let contact = client.take_away(&["contacts", who], &[]).await?;
    out.data(&contact, || {
        format!(
            "{} is not asked any more; should they accept, they are told so.\n",
            shown(&contact)
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, out: &Output) -> Result<ExitCode> {
    let requests = client.items(&["requests"], &[]).await?;
    if requests.is_empty() {
        out.note("Nobody asks. `parlour invite address` shows what people need for it.");
    }
    let requests = Value::Array(requests);
    out.data(&requests, || {
        requests.as_array().into_iter().flatten().map(entry).collect()
    })?;
    Ok(ExitCode::SUCCESS)
}

fn shown(request: &Value) -> String {
    text::one_line(request["display"].as_str().unwrap_or_default())
}

/// Who asks, since when, and what they say.
fn entry(request: &Value) -> String {
    let field = |name: &str| request[name].as_str().unwrap_or_default();
    let mut entry = format!(
        "{}  {}  {}\n",
        shown(request),
        text::local_time(field("received_at")),
        text::one_line(field("user_id"))
    );
    for line in text::visible(field("note")).lines().take(NOTE_LINES) {
        entry.push_str(&format!("  {line}\n"));
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_who_asks_and_why_and_acts_on_nothing() {
        let request = json!({
            "display": "zoe\u{1b}[2J", "user_id": "user_a", "note": "we met\nat the fair\u{1b}[1m",
            "received_at": "2026-11-21T08:00:00.000Z"
        });
        let entry = entry(&request);
        assert!(
            entry.starts_with("zoe\u{241b}[2J  ") && entry.contains("user_a"),
            "{entry}"
        );
        assert!(entry.ends_with("\n  we met\n  at the fair\u{241b}[1m\n"), "{entry}");
    }
}
