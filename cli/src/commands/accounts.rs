//! `parlour accounts`

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use parlour_node::{DataDir, needs_password};
use serde_json::{Value, json};

use crate::args::{Global, duration};
use crate::connect::{data_dir, running, waiting};
use crate::output::Output;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  parlour accounts
  parlour accounts invite --expires 2d         a code for somebody who makes an account through a gateway
  parlour init --name work                     one more, while no node runs; the next start runs all of them
  parlour --account work contacts
  parlour --account work add --local ada       become a contact of another account of this node";

/// List the accounts of this data directory, and which of them run
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Accounts {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a code with which somebody can make an account on this node, once (`parlour up --registration invite`)
    Invite {
        /// How long it is good [default: 7d]
        #[arg(long, value_name = "TIME", value_parser = duration)]
        expires: Option<Duration>,
    },
}

impl Accounts {
    pub(crate) async fn run(&self, global: &Global, out: &Output) -> Result<ExitCode> {
        let path = data_dir(global)?;
        if let Some(Command::Invite { expires }) = &self.command {
            return invite(&path, global, expires.as_ref(), out).await;
        }
        let data = DataDir::new(&path);
        let mut accounts = Vec::new();
        for account in data.accounts()? {
            // A node that runs others only is no failure here.
            let client = running(&path, Some(&account)).await.unwrap_or_default();
            let me = match &client {
                Some(client) => client.get(&["me"], &[]).await?,
                None => Value::Null,
            };
            let needs_password = needs_password(&data, &account).ok();
            accounts.push(json!({
                "account": account,
                "running": client.is_some(),
                "name": me["name"],
                "user_id": me["user_id"],
                "needs_password": needs_password,
            }));
        }
        if accounts.is_empty() {
            out.note("There is no account yet: `parlour init --name NAME` makes one.");
        }
        let accounts = Value::Array(accounts);
        out.data(&accounts, || table(&accounts))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn invite(data: &Path, global: &Global, expires: Option<&Duration>, out: &Output) -> Result<ExitCode> {
    let client = match waiting(data).await {
        Some(client) => Some(client),
        None => running(data, global.account.as_deref()).await?,
    };
    let Some(client) = client else {
        bail!("no node runs on {}: start it with `parlour up`", data.display());
    };
    let wish = json!({ "valid_s": expires.map(Duration::as_secs) });
    let made = client.post(&["accounts", "invites"], &wish).await?;
    out.data(&made, || {
        format!("{}\n", text::one_line(made["code"].as_str().unwrap_or_default()))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn table(accounts: &Value) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["ACCOUNT", "STATE", "NAME", "USER"]);
    for account in accounts.as_array().into_iter().flatten() {
        let field = |name: &str| text::one_line(account[name].as_str().unwrap_or_default());
        let state = match (&account["running"], &account["needs_password"]) {
            (Value::Bool(true), _) => "runs",
            (_, Value::Bool(true)) => "needs its password",
            (_, Value::Bool(false)) => "does not run",
            _ => "cannot be read",
        };
        table.add_row([field("account"), state.to_owned(), field("name"), field("user_id")]);
    }
    match table.is_empty() {
        true => String::new(),
        false => format!("{}\n", table.trim_fmt()),
    }
}
