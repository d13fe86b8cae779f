//! `parlour token`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{Table, presets};
use serde_json::{Map, Value, json};

use crate::args::{between, days};
use crate::client::Client;
use crate::output::Output;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  parlour token new --scope read --label dashboard
  parlour token new --scope send --conversation garden --expires 30d --label bot
  parlour token list
  parlour token revoke token_4f2c...";

/// Tokens that let programs use the node's API
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token and print it; it is not shown again
    New(New),
    /// List the tokens that are good
    List,
    /// Take a token back; what it has opened is closed at once
    Revoke {
        /// Its id, as `parlour token list` shows it
        id: String,
    },
}

#[derive(Debug, Args)]
struct New {
    /// What its holder may do: read everything, also take part in conversations, or everything
    #[arg(long, value_enum)]
    scope: Scope,
    /// For this conversation alone: a name or an id
    #[arg(long, value_name = "WHO")]
    conversation: Option<String>,
    /// Good for so long, such as 12h or 30d [default: until it is revoked]
    #[arg(long, value_parser = between(Duration::from_secs(1), days(3_660)), value_name = "TIME")]
    expires: Option<Duration>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scope {
    Read,
    Send,
    Admin,
}

impl Token {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        match &self.command {
            Command::New(new) => {
                let made = client.post(&["tokens"], &new.wish()).await?;
                out.data(&made, || {
                    format!("{}\n", text::one_line(made["token"].as_str().unwrap_or_default()))
                })?;
                if let Some(conversation) = made["conversation"].as_str() {
                    out.note(&format!(
                        "It is for {conversation} alone, which programs name by this id."
                    ));
                }
                out.note("Whoever has it can use it: keep it as you keep a password. It is not shown again.");
            }
            Command::List => {
                let tokens = Value::Array(client.items(&["tokens"], &[]).await?);
                if tokens.as_array().is_some_and(Vec::is_empty) {
                    out.note("No tokens: `parlour token new` makes one.");
                }
                out.data(&tokens, || table(&tokens))?;
            }
            Command::Revoke { id } => {
                client.delete(&["tokens", id]).await?;
                out.data(&json!({ "revoked": id }), || "revoked\n".to_owned())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl New {
    fn wish(&self) -> Value {
        let scope = match self.scope {
            Scope::Read => "read",
            Scope::Send => "send",
            Scope::Admin => "admin",
        };
        let mut wish = Map::from_iter([("scope".to_owned(), json!(scope))]);
        let mut also = |name: &str, value: Option<Value>| {
            wish.extend(value.map(|value| (name.to_owned(), value)));
        };
        also("conversation", self.conversation.as_ref().map(|who| json!(who)));
        also("expires_in_s", self.expires.map(|time| json!(time.as_secs())));
        also("label", self.label.as_ref().map(|label| json!(label)));
        Value::Object(wish)
    }
}

fn table(tokens: &Value) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["ID", "SCOPE", "FOR", "LAST USED", "ENDS", "LABEL"]);
    for token in tokens.as_array().into_iter().flatten() {
        let field = |name: &str, without: &str| text::one_line(token[name].as_str().unwrap_or(without));
        let time = |name: &str| {
            token[name]
                .as_str()
                .map_or_else(|| "never".to_owned(), text::local_time)
        };
        table.add_row([
            field("id", ""),
            field("scope", ""),
            field("conversation", "all"),
            time("last_used_at"),
            time("expires_at"),
            field("label", ""),
        ]);
    }
    match table.is_empty() {
        true => String::new(),
        false => format!("{}\n", table.trim_fmt()),
    }
}
