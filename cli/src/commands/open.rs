//! `parlour open`

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use crate::args::Global;
use crate::commands::invite::qr;
use crate::connect::{data_dir, running, waiting};
use crate::output::Output;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  parlour open
  parlour open --account work
  parlour open --qr
  xdg-open \"$(parlour open)\"";

/// Print a new link to the running node's page, for a browser on this machine; it works once, for five minutes
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Open {
    /// Show the link as a QR code, too
    #[arg(long)]
    qr: bool,
}

impl Open {
    pub(crate) async fn run(&self, global: &Global, out: &Output) -> Result<ExitCode> {
        let data = data_dir(global)?;
        let client = match waiting(&data).await {
            Some(client) => client,
            None => match running(&data, global.account.as_deref()).await? {
                Some(client) => client,
                None => bail!("no node runs on {}: start it with `parlour up`", data.display()),
            },
        };
        let link = client.post(&["session", "link"], &json!({})).await?;
        out.data(&link, || {
            let text = text::one_line(link["link"].as_str().unwrap_or_default());
            let code = self.qr.then(|| qr(&text)).flatten();
            code.map(|code| format!("{code}\n")).unwrap_or_default() + &text + "\n"
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
