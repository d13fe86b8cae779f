//! `parlour whoami`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::client::Client;
use crate::output::Output;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  parlour whoami
  parlour whoami --json | jq -r .user_id";

/// Say who you are to others
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Whoami {}

impl Whoami {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let me = client.get(&["me"], &[]).await?;
        out.data(&me, || {
            let field = |name: &str| text::one_line(me[name].as_str().unwrap_or_default());
            format!(
                "{}\n  user    {}\n  device  {}\n  peer    {}\n  account {}\n",
                field("name"),
                field("user_id"),
                field("device_id"),
                field("peer_id"),
                field("account"),
            )
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
