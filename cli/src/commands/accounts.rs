//! `parlour accounts`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use comfy_table::{Table, presets};
use parlour_node::{DataDir, needs_password};
use serde_json::{Value, json};

use crate::args::Global;
use crate::connect::{data_dir, running};
use crate::output::Output;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  parlour accounts
  parlour init --name work                     one more, while no node runs; the next start runs all of them
  parlour --account work contacts
  parlour --account work add --local ada       become a contact of another account of this node";

/// List the accounts of this data directory, and which of them run
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Accounts {}

impl Accounts {
    pub(crate) async fn run(&self, global: &Global, out: &Output) -> Result<ExitCode> {
        let path = data_dir(global)?;
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
