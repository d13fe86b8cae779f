//! `parlour health`

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use crate::args::Global;
use crate::connect::{answering, data_dir};
use crate::output::Output;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  parlour health
  parlour --data /srv/ada health --json";

/// Ask the running node whether it can take and keep messages; exit code 1 if not, or if none runs. For service managers
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Health {}

impl Health {
    pub(crate) async fn run(&self, global: &Global, out: &Output) -> Result<ExitCode> {
        let data = data_dir(global)?;
        let Some(client) = answering(&data).await else {
            bail!("no node answers on {}", data.display());
        };
        let health = client.health().await?;
        let status = health["status"].as_str().unwrap_or_default();
        let detail = health["detail"].as_str().unwrap_or(status);
        out.data(&health, || text::one_line(detail) + "\n")?;
        // One that waits for its account is in order; whoever starts it anew for that would wait for ever.
        let is_well = matches!(status, "ok" | "no_account" | "starting");
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
