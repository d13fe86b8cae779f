//! `parlour message info`

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::client::Client;
use crate::output::Output;
use crate::text;
use crate::view;

/// Look closer at one message
#[derive(Debug, Args)]
pub(crate) struct Message {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show a message and what became of it on each device
    Info {
        /// The message's id, as `send --json` and `history --json` give it
        #[arg(value_name = "ID")]
        id: String,
    },
}

impl Message {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let Action::Info { id } = &self.action;
        let message = client.get(&["messages", id], &[]).await?;
        out.data(&message, || {
            let shown = view::Message::of(&message);
            let mut lines = format!(
                "{}  {}, {}\n",
                shown.line(None).trim_end(),
                shown.status,
                text::one_line(&shown.id)
            );
            for device in &shown.devices {
                lines.push_str("  ");
                lines.push_str(&device.line());
            }
            lines
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
