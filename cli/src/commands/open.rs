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
  parlour open --lan
  xdg-open \"$(parlour open)\"";

/// Print a new link to the running node's page, for a browser on this machine or on its network; it works once, for five minutes
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Open {
    /// Show the link as a QR code, too
    #[arg(long)]
    qr: bool,
    /// For a browser on another machine of the network; the node runs with --lan
    #[arg(long)]
    lan: bool,
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
        let shown = match self.lan {
            false => &link["link"],
            true if link["lan_link"].is_null() => {
                bail!("the node lets in programs of this machine alone: start it with `parlour up --lan`")
            }
            true => {
                // Without an account there is nobody to ask what the certificate is; `up` has said it.
                if let Ok(stats) = client.get(&["stats"], &[]).await {
                    let fingerprint = text::one_line(stats["lan"]["fingerprint"].as_str().unwrap_or_default());
                    out.note(&format!(
                        "The browser is to show this certificate, SHA-256: {fingerprint}"
                    ));
                }
                &link["lan_link"]
            }
        };
        out.data(&link, || {
            let text = text::one_line(shown.as_str().unwrap_or_default());
            let code = self.qr.then(|| qr(&text)).flatten();
            code.map(|code| format!("{code}\n")).unwrap_or_default() + &text + "\n"
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
