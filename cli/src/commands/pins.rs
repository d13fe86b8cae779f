//! `parlour pins`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::client::Client;
use crate::output::Output;
use crate::view::{Message, short};

const EXAMPLES: &str = "\
Examples:
  parlour pins bob
  parlour message pin msg_ab3cde7h
  parlour message unpin msg_ab3cde7h";

/// Show the pinned messages of a conversation, the newest pin first
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Pins {
    /// A contact's or room's name or id, or `notes`
    #[arg(value_name = "WHO")]
    who: String,
}

impl Pins {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let pins = client.items(&["conversations", &self.who, "pins"], &[]).await?;
        if pins.is_empty() {
            out.note("Nothing is pinned.");
        }
        let pins = Value::Array(pins);
        out.data(&pins, || {
            let line = |value| {
                let message = Message::of(value);
                message.line(Some(&short(&message.id)))
            };
            pins.as_array().into_iter().flatten().map(line).collect()
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
