//! `parlour account`

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::args::Global;
use crate::client::Client;
use crate::output::Output;
use crate::{password, text};

const EXAMPLES: &str = "\
Examples:
  parlour account set --email ada@example.org      asks for the new password
  parlour account set --password-stdin < FILE
  parlour account show
  parlour account logins
  parlour account logout login_4f2c...
  parlour account list                             the accounts of this node, with their roles
  parlour account set bo --role admin              bo looks after the accounts of others
  parlour account suspend cy --reason spam         cy is kept out, and told why
  parlour account suspend cy --undo
  parlour account remove cy --yes                  erased when the node starts next";

/// How you log in to this node from a browser (name or e-mail address, and a password), and who else may
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Account {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set the password, and an e-mail address to log in with; whoever is logged in is logged out. With --role: what an account may do
    /// with this node
    Set {
        /// Whose role it is
        #[arg(value_name = "ACCOUNT", requires = "role")]
        who: Option<String>,
        /// user (nothing), admin (looks after the accounts of users), owner (says who does)
        #[arg(long, value_name = "ROLE", requires = "who", conflicts_with = "email", value_parser = ["user", "admin", "owner"])]
        role: Option<String>,
        /// Stays as it is if not given
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
    },
    /// List the accounts of this node, their roles, and who is kept out
    List,
    /// Keep an account out: its sockets are cut, and it can log in no more; it goes on receiving
    Suspend {
        /// Whom, by the name on this node
        #[arg(value_name = "ACCOUNT")]
        who: String,
        /// What it is told
        #[arg(long, value_name = "TEXT", default_value = "", conflicts_with = "undo")]
        reason: String,
        /// Let it in again
        #[arg(long)]
        undo: bool,
    },
    /// Keep an account out, and erase it with all it has when the node starts next
    Remove {
        /// Whom, by the name on this node
        #[arg(value_name = "ACCOUNT")]
        who: String,
        /// It cannot be brought back then, but for the identity, by its 24 words
        #[arg(long, required = true)]
        yes: bool,
    },
    /// Show the name and the address to log in with
    Show,
    /// List who is logged in, with which device
    Logins,
    /// End a login; what it has opened is closed at once
    Logout {
        /// Its id, as `parlour account logins` shows it
        id: String,
    },
}

/// What is to be done, with the password that was read.
pub(crate) struct Wish {
    command: Command,
    password: Option<Zeroizing<String>>,
}

impl Account {
    /// Reads the new password, before a node that has to be started may ask for the one that unlocks the account.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub(crate) fn read(self, global: &Global) -> Result<(Wish, Global)> {
        let mut rest = global.clone();
        let password = match &self.command {
            Command::Set { role: None, .. } => {
                let password = match password::given(global)? {
                    Some(password) => password,
                    None => password::ask_login()?,
                };
                // What stdin or the file held was the new one.
                (rest.password_stdin, rest.password_file) = (false, None);
                Some(password)
            }
            _ => None,
        };
        let wish = Wish {
            command: self.command,
            password,
        };
        Ok((wish, rest))
    }
}

impl Wish {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        match &self.command {
            Command::Set {
                who: Some(account),
                role: Some(role),
                ..
            } => {
                let one = client
                    .patch(&["node", "accounts", account], &json!({ "role": role }))
                    .await?;
                out.data(&one, || accounts(&json!([one])))?;
            }
            Command::List => {
                let all = Value::Array(client.items(&["node", "accounts"], &[]).await?);
                out.data(&all, || accounts(&all))?;
            }
            Command::Suspend {
                who: account,
                reason,
                undo,
            } => {
                let wish = match undo {
                    true => json!({ "suspended": false }),
                    false => json!({ "suspended": true, "reason": reason }),
                };
                let one = client.patch(&["node", "accounts", account], &wish).await?;
                out.data(&one, || accounts(&json!([one])))?;
            }
            Command::Remove { who: account, .. } => {
                client.delete(&["node", "accounts", account]).await?;
                out.data(&json!({ "removed": account }), || {
                    "kept out; erased when the node starts next\n".to_owned()
                })?;
            }
            Command::Set { email, .. } => {
                let mut wish = json!({ "password": self.password.as_ref().map(|password| password.as_str()) });
                if let Some(email) = email {
                    wish["email"] = json!(email);
                }
                let login = client.put(&["me", "login"], &wish).await?;
                out.data(&login, || shown(&login, out))?;
            }
            Command::Show => {
                let login = client.get(&["me", "login"], &[]).await?;
                out.data(&login, || shown(&login, out))?;
            }
            Command::Logins => {
                let logins = Value::Array(client.items(&["session", "logins"], &[]).await?);
                if logins.as_array().is_some_and(Vec::is_empty) {
                    out.note("Nobody is logged in.");
                }
                out.data(&logins, || table(&logins))?;
            }
            Command::Logout { id } => {
                client.delete(&["session", "logins", id]).await?;
                out.data(&json!({ "ended": id }), || "logged out\n".to_owned())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn shown(login: &Value, out: &Output) -> String {
    let field = |name: &str, without: &str| text::one_line(login[name].as_str().unwrap_or(without));
    format!(
        "name      {}\ne-mail    {}\npassword  {}\n",
        field("name", ""),
        field("email", "none"),
        match login["password_since"].as_str() {
            Some(since) => format!("since {}", text::local_time(since)),
            None => out.addressed("none: `parlour account set` sets one"),
        }
    )
}

fn accounts(all: &Value) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["ACCOUNT", "ROLE", "STATE", "NAME", "USER"]);
    for one in all.as_array().into_iter().flatten() {
        let field = |name: &str| text::one_line(one[name].as_str().unwrap_or_default());
        let state = match (one["removed"] == true, one["suspended_at"].as_str()) {
            (true, _) => "removed".to_owned(),
            (false, Some(since)) => match field("reason") {
                why if why.is_empty() => format!("suspended since {}", text::local_time(since)),
                why => format!("suspended since {}: {why}", text::local_time(since)),
            },
            (false, None) => "may log in".to_owned(),
        };
        table.add_row([field("account"), field("role"), state, field("name"), field("user_id")]);
    }
    match table.is_empty() {
        true => String::new(),
        false => format!("{}\n", table.trim_fmt()),
    }
}

fn table(logins: &Value) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["ID", "SINCE", "LAST USED", "ENDS", "DEVICE"]);
    for login in logins.as_array().into_iter().flatten() {
        let field = |name: &str| login[name].as_str().unwrap_or_default();
        let times = ["created_at", "last_used_at", "expires_at"].map(|name| text::local_time(field(name)));
        let [since, used, ends] = times;
        table.add_row([
            text::one_line(field("id")),
            since,
            used,
            ends,
            text::one_line(field("device")),
        ]);
    }
    match table.is_empty() {
        true => String::new(),
        false => format!("{}\n", table.trim_fmt()),
    }
}
