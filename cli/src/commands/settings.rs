//! `parlour settings`

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::client::Client;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  parlour settings                        how things are set
  parlour settings --read-receipts off    nobody is told how far you have read
  parlour settings --presence off         nobody is told whether you are there";

/// Show or change what others are told about you
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Settings {
    /// Whether contacts are told how far you have read
    #[arg(long, value_enum, value_name = "ON|OFF")]
    read_receipts: Option<Switch>,
    /// Whether contacts are told if you are there, and since when
    #[arg(long, value_enum, value_name = "ON|OFF")]
    presence: Option<Switch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

impl Settings {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let mut wish = json!({});
        for (name, switch) in [("read_receipts", self.read_receipts), ("share_presence", self.presence)] {
            if let Some(switch) = switch {
                wish[name] = json!(switch == Switch::On);
            }
        }
        let settings = match wish.as_object().is_some_and(|wish| !wish.is_empty()) {
            true => client.patch(&["me", "settings"], &wish).await?,
            false => client.get(&["me", "settings"], &[]).await?,
        };
        out.data(&settings, || {
            let line = |name: &str, value: &Value| {
                let state = if value == &json!(true) { "on" } else { "off" };
                format!("{name}: {state}\n")
            };
            line("read receipts", &settings["read_receipts"]) + &line("presence", &settings["share_presence"])
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
