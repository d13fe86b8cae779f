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
  parlour account logout login_4f2c...";

/// How you log in to this node from a browser: name or e-mail address, and a password
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Account {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set the password, and an e-mail address to log in with; whoever is logged in is logged out
    Set {
        /// Stays as it is if not given
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
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
            Command::Set { .. } => {
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
            Command::Set { email } => {
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
