//! `parlour draft` and `parlour typing`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::client::Client;
use crate::output::Output;
use crate::text;

const DRAFT_EXAMPLES: &str = "\
Examples:
  parlour draft bob                 what you have begun to write
  parlour draft bob \"about friday\"
  parlour draft bob | parlour send bob - && parlour draft bob --clear";

const TYPING_EXAMPLES: &str = "\
Examples:
  parlour typing bob                bob sees for some seconds that you write
  parlour typing bob --stop";

/// Show or keep what you have begun to write in a conversation; nobody else sees it
#[derive(Debug, Args)]
#[command(after_help = DRAFT_EXAMPLES)]
pub(crate) struct Draft {
    /// A contact's or room's name or id, or `notes`
    #[arg(value_name = "WHO")]
    who: String,
    /// The text to keep; without it, the draft is shown
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// Forget it
    #[arg(long, conflicts_with = "text")]
    clear: bool,
}

impl Draft {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let path = ["conversations", self.who.as_str()];
        let conversation = match (&self.text, self.clear) {
            (None, false) => client.get(&path, &[]).await?,
            (text, _) => client.patch(&path, &json!({ "draft": text })).await?,
        };
        let draft = &conversation["draft"];
        let value = json!({ "conversation": conversation["id"], "draft": draft });
        let shows = self.text.is_none() && !self.clear;
        out.data(&value, || match draft {
            Value::String(text) if shows => format!("{}\n", text::visible(text)),
            _ => String::new(),
        })?;
        match draft {
            Value::Null if shows => out.note("No draft."),
            Value::Null => out.note("The draft is gone."),
            _ if !shows => out.note("The draft is kept."),
            _ => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Let somebody see that you are writing, as programs do that write for you; it passes by itself
#[derive(Debug, Args)]
#[command(after_help = TYPING_EXAMPLES)]
pub(crate) struct Typing {
    /// A contact's or room's name or id
    #[arg(value_name = "WHO")]
    who: String,
    /// You have stopped
    #[arg(long)]
    stop: bool,
}

impl Typing {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        if client.is_embedded() {
            anyhow::bail!("nobody sees it without a node that runs: `parlour up`");
        }
        let wish = json!({ "typing": !self.stop });
        client.put(&["conversations", &self.who, "typing"], &wish).await?;
        out.data(&wish, || {
            let what = if self.stop {
                "that you have stopped"
            } else {
                "that you write"
            };
            format!("{} can see {what}.\n", text::one_line(&self.who))
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
