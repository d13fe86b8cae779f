//! `parlour timer`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::args::{Expiry, expiry};
use crate::client::Client;
use crate::output::Output;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  parlour timer bob            what is set
  parlour timer bob 1h         new messages disappear an hour after they were written, on both sides
  parlour timer bob off
  parlour conversation timer garden 1d    the same, for those who look for it there

Times go from 5s to 365d. What is there stays as it is; `parlour send --expires` decides for one message.";

/// Show or set after which time new messages of a conversation disappear
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Timer {
    /// A contact's or room's name or id, or `notes`
    #[arg(value_name = "WHO")]
    who: String,
    /// A time such as 30s, 1h or 7d, or `off`
    #[arg(value_name = "TIME", value_parser = expiry)]
    time: Option<Expiry>,
}

impl Timer {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let path = ["conversations", self.who.as_str(), "timer"];
        let timer = match self.time {
            None => client.get(&path, &[]).await?,
            Some(Expiry(None)) => client.take_away(&path, &[]).await?,
            Some(Expiry(Some(ms))) => client.put(&path, &json!({ "expires_after_ms": ms })).await?,
        };
        out.data(&timer, || match timer["expires_after_ms"].as_u64() {
            Some(ms) => format!("New messages disappear after {}.\n", text::span(ms)),
            None => "New messages stay.\n".to_owned(),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
