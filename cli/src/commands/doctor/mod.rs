//! `parlour doctor`: looks at the files first, then asks the node that runs, or one started for the moment, and judges what
//! they say.

mod check;
mod contacts;
mod files;
mod node;
mod reach;
mod webhooks;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use parlour_node::{DataDir, NodeError};
use serde_json::Value;

use self::check::{Check, Report};
use crate::args::Global;
use crate::client::{CallError, Client};
use crate::connect::{Reach, Session, data_dir, only_one, waiting};
use crate::failure::is_data_in_use;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  parlour doctor                 only what is not in order
  parlour doctor -v              every check
  parlour doctor --json | jq '.checks[] | select(.level != \"ok\")'
  parlour doctor --strict || echo \"look after the node\"

Exit status: 0 nothing is bad, 1 something is (with --strict: or worth a warning).";

/// Say what is wrong with the node, its data and its contacts, since when, and what would help
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// Let warnings count as failures, too
    #[arg(long)]
    strict: bool,
}

impl Doctor {
    pub(crate) async fn run(&self, global: &Global, out: &Output) -> Result<ExitCode> {
        let data = DataDir::new(data_dir(global)?);
        if global.account.is_none() && data.root().is_dir() {
            only_one(&data)?;
        }
        let mut report = Report::new(self.strict);
        let left = files::left_address(&data);
        if files::examine(&data, &mut report) {
            ask(&data, global, left, &mut report).await;
        }
        report.address(out);
        out.data(&report.json(), || report.text(global.verbose > 0))?;
        Ok(if report.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Asks a node. All that goes wrong here is a finding.
async fn ask(data: &DataDir, global: &Global, left: Option<Check>, report: &mut Report) {
    if waiting(data.root()).await.is_some() {
        let check = Check::bad("node", "account", "the node that runs has no account yet");
        return report
            .add(check.help("`parlour init --name NAME`, or a browser and the link that `parlour open` prints"));
    }
    let session = match Box::pin(Session::open(global, Reach::Disk)).await {
        Ok(session) => session,
        Err(error) => return report.add(cannot_open(&error)),
    };
    let running = !session.client.is_embedded();
    report.extend(left.filter(|_| !running));
    report.add(if running {
        Check::ok("node", "running", format!("at {}", session.client.url()))
    } else {
        Check::bad(
            "node",
            "running",
            "no node runs: nothing is received, and nothing that waits is sent",
        )
        .help("`parlour up`")
    });
    match facts(&session.client).await {
        Ok((stats, doctor)) => {
            report.extend(node::checks(&stats, &doctor, running));
            report.extend(contacts::checks(&doctor, running));
            report.extend(webhooks::checks(&doctor));
        }
        Err(error) => report.add(
            Check::bad("node", "answers", format!("{error:#}")).help("`parlour up -v` shows in its log what goes on"),
        ),
    }
    session.close().await;
}

async fn facts(client: &Client) -> Result<(Value, Value)> {
    let stats = client.get(&["stats"], &[]).await?;
    match client.get(&["doctor"], &[]).await {
        Ok(doctor) => Ok((stats, doctor)),
        Err(CallError::Refused(problem)) if problem.status == 404 => {
            anyhow::bail!(
                "the node that runs is of version {}, which knows no doctor",
                stats["version"]
            )
        }
        Err(error) => Err(error.into()),
    }
}

/// Why the account's state cannot be looked at.
fn cannot_open(error: &anyhow::Error) -> Check {
    let detail = format!("{error:#}");
    if is_data_in_use(error) {
        return Check::bad("node", "lock", format!("{detail}, which does not answer"))
            .help("wait if it is just starting or stopping; else stop that process");
    }
    match error.downcast_ref() {
        Some(NodeError::Store(_)) => Check::bad("store", "opens", detail)
            .help("nothing was changed; keep a copy of the data directory before trying anything"),
        Some(NodeError::Account(_)) => Check::bad("data", "account", detail)
            .help("choose with --account; unlock with --password-stdin or PARLOUR_PASSWORD_FILE"),
        _ => Check::bad("node", "opens", detail),
    }
}
