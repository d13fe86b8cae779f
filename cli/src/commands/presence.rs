//! `parlour presence`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::args::{between, days};
use crate::client::Client;
use crate::output::Output;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  parlour presence                   what contacts see of you
  parlour presence online --for 2h
  parlour presence away
  parlour settings --presence off    nobody is told anything";

/// Show or say whether you are there
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Presence {
    /// What contacts are told
    #[arg(value_enum, value_name = "STATE")]
    state: Option<State>,
    /// How long you are there; after that you are away
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = between(Duration::from_secs(10), days(1)))]
    lasts: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Online,
    Away,
}

impl Presence {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let path = ["me", "presence"];
        let presence = match self.state {
            None => client.get(&path, &[]).await?,
            Some(State::Away) => client.put(&path, &json!({ "presence": "away" })).await?,
            Some(State::Online) => {
                let wish = json!({ "presence": "online", "for_s": self.lasts.as_secs() });
                client.put(&path, &wish).await?
            }
        };
        if client.is_embedded() {
            out.note("No node runs: nobody can see this. `parlour up` runs one.");
        }
        out.data(&presence, || {
            let state = presence["presence"].as_str().unwrap_or_default();
            let until = presence["until"]
                .as_str()
                .map(|time| format!(" until {}", text::local_time(time)));
            let told = if presence["shared"] == json!(true) {
                ""
            } else {
                ", and nobody is told"
            };
            format!("{state}{}{told}\n", until.unwrap_or_default())
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
