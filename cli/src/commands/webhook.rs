//! `parlour webhook`

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::client::Client;
use crate::output::Output;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  parlour webhook new http://127.0.0.1:8000/hook
  parlour webhook new http://localhost:8000/hook --events message,message_updated --conversation garden
  parlour webhook new https://hooks.example.org/parlour --anywhere
  parlour webhook list
  parlour webhook test hook_4f2c...
  parlour webhook remove hook_4f2c...

What is sent is what the feed says, as JSON, signed as standardwebhooks.com has it: libraries check it. It comes at least
once, in order, under a `webhook-id` that stays the same. An answer of 2xx within 10 s takes it; else it is tried again,
for a day at least; then the webhook is paused, and `webhook test` lets it go on. A reaction, a vote or an edit is
`message_updated`.";

/// Have what happens told to HTTP servers
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Webhook {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell what happens from now on to a server, and print the secret that signs it; it is not shown again
    New(New),
    /// List them, and how their deliveries go
    List,
    /// Send a test; if it is taken, a webhook that waits or is paused goes on at once
    Test {
        /// Its id, as `parlour webhook list` shows it
        id: String,
    },
    /// Remove one; nothing is sent for it any more
    Remove {
        /// Its id, as `parlour webhook list` shows it
        id: String,
    },
}

#[derive(Debug, Args)]
struct New {
    /// Where the server is: http://… or https://…; on this machine, unless --anywhere is given
    url: String,
    /// Only these kinds of changes: message, system, message_updated, message_hidden, receipt, contact, conversation, request, me,
    /// report
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    events: Vec<String>,
    /// Only what happens in this conversation: a name or an id
    #[arg(long, value_name = "WHO")]
    conversation: Option<String>,
    /// Let it go to another machine. It gets your messages decrypted: whoever runs it, and with http:// whoever is on the way,
    /// can read them
    #[arg(long)]
    anywhere: bool,
}

impl Webhook {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        match &self.command {
            Command::New(new) => new.run(client, out).await?,
            Command::List => {
                let webhooks = Value::Array(client.items(&["webhooks"], &[]).await?);
                if webhooks.as_array().is_some_and(Vec::is_empty) {
                    out.note("No webhooks: `parlour webhook new` makes one.");
                }
                out.data(&webhooks, || table(&webhooks))?;
            }
            Command::Test { id } => return test(id, client, out).await,
            Command::Remove { id } => {
                client.delete(&["webhooks", id]).await?;
                out.data(&json!({ "removed": id }), || "removed\n".to_owned())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl New {
    async fn run(&self, client: &Client, out: &Output) -> Result<()> {
        let wish = json!({
            "url": self.url,
            "events": self.events,
            "conversation": self.conversation,
            "anywhere": self.anywhere,
        });
        let made = client.post(&["webhooks"], &wish).await?;
        let field = |name: &str| text::one_line(made[name].as_str().unwrap_or_default());
        out.data(&made, || format!("{}\n", field("secret")))?;
        out.note(&format!(
            "{} tells what happens from now on. The secret checks that it comes from here; it is not shown again.",
            field("id")
        ));
        if self.anywhere && self.url.starts_with("http://") {
            out.note("Messages go there in plain: whoever is on the way can read them. https:// would prevent that.");
        }
        if client.is_embedded() {
            out.note("It works while `parlour up` runs.");
        }
        Ok(())
    }
}

async fn test(id: &str, client: &Client, out: &Output) -> Result<ExitCode> {
    let tried = client.post(&["webhooks", id, "test"], &json!({})).await?;
    let delivered = tried["delivered"] == json!(true);
    out.data(&tried, || match tried["error"].as_str() {
        None => format!("taken after {} ms\n", tried["took_ms"]),
        Some(error) => format!("not taken: {}\n", text::one_line(error)),
    })?;
    Ok(if delivered {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn table(webhooks: &Value) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["ID", "STATE", "BEHIND", "LAST DELIVERY", "EVENTS", "FOR", "URL"]);
    for webhook in webhooks.as_array().into_iter().flatten() {
        let field = |name: &str, without: &str| text::one_line(webhook[name].as_str().unwrap_or(without));
        let events: Vec<&str> = webhook["events"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let state = match webhook["failing_since"].as_str() {
            None => field("state", ""),
            Some(since) => format!(
                "{} since {}: {}",
                field("state", ""),
                text::local_time(since),
                field("error", "")
            ),
        };
        let last = webhook["last_delivery_at"].as_str();
        table.add_row([
            field("id", ""),
            state,
            webhook["behind"].to_string(),
            last.map_or_else(|| "never".to_owned(), text::local_time),
            if events.is_empty() {
                "all".to_owned()
            } else {
                events.join(",")
            },
            field("conversation", "all"),
            field("url", ""),
        ]);
    }
    match table.is_empty() {
        true => String::new(),
        false => format!("{}\n", table.trim_fmt()),
    }
}
