//! `parlour notes`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::client::Client;
use crate::commands::history::History;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  parlour notes                        what you have noted
  parlour notes --limit 10 --before CURSOR   what is older (the cursor is said on stderr)
  parlour send notes \"milk, bread\"     note something
  parlour search milk";

/// Show what you have noted for yourself; `send notes TEXT` adds to it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Notes {
    /// At most this many, the newest of them
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only what is older than an earlier page
    #[arg(long, value_name = "CURSOR")]
    before: Option<String>,
}

impl Notes {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let notes = client.put(&["notes"], &json!({})).await?;
        let id = notes["id"].as_str().unwrap_or_default();
        History::of(id, self.limit, self.before.clone()).run(client, out).await
    }
}
