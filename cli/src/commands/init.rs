//! `parlour init`

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use jiff::Timestamp;
use parlour_node::{Created, DataDir, NewAccount, create_account};
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::Global;
use crate::connect::data_dir;
use crate::output::Output;
use crate::password;

/// Words in a row: 24 words are six rows.
const COLUMNS: usize = 4;

const EXAMPLES: &str = "\
Examples:
  parlour init --name ada
  parlour --data /srv/ada init --name ada --no-password
  PARLOUR_PASSWORD_FILE=secret.txt parlour init --name ada";

/// Make an account: a name, keys, and the 24 words that restore it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Init {
    /// What you call yourself; others see it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Protect the account by file permissions alone
    #[arg(long, conflicts_with_all = ["password_stdin"])]
    no_password: bool,
    /// Ask for the password at every start; without this the node's own key file opens the account too, so that it restarts
    /// unattended
    #[arg(long, conflicts_with = "no_password")]
    require_password: bool,
}

impl Init {
    pub(crate) async fn run(self, global: &Global, out: &Output) -> Result<ExitCode> {
        let data = data_dir(global)?;
        let name = match self.name {
            Some(name) => name,
            None => ask_name(out)?,
        };
        let password = if self.no_password { None } else { new_password(global)? };
        let new = NewAccount {
            name,
            password,
            require_password: self.require_password,
        };
        let created = make(&data, new).await?;
        show(&created, &data, out)?;
        out.note("\nNext: `parlour up` runs the node, `parlour invite` makes a link for somebody.");
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks for a profile name.
///
/// # Errors
/// There is nobody to ask.
pub(crate) fn ask_name(out: &Output) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("an account needs a name: run `parlour init --name NAME`");
    }
    let name = out.ask("What do you call yourself? (others see it)")?;
    if name.is_empty() {
        bail!("an account needs a name");
    }
    Ok(name)
}

/// The password for a new account: as given, or else asked for.
///
/// # Errors
/// It cannot be read, or there is nobody to ask.
pub(crate) fn new_password(global: &Global) -> Result<Option<Zeroizing<String>>> {
    match password::given(global)? {
        None => password::ask_new(),
        given => Ok(given),
    }
}

/// Makes the account.
///
/// # Errors
/// The name cannot be used or is taken, or the disk failed.
pub(crate) async fn make(data: &Path, new: NewAccount) -> Result<Created> {
    let data = DataDir::new(data);
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    // Deriving a key from the password takes about a second of computing.
    Ok(tokio::task::spawn_blocking(move || create_account(&data, &new, now)).await??)
}

/// Shows the new account and its words, the only time they are shown.
///
/// # Errors
/// Nobody reads stdout any more.
pub(crate) fn show(created: &Created, data: &Path, out: &Output) -> Result<()> {
    let words: Vec<&str> = created.phrase.split_whitespace().collect();
    let value = json!({
        "account": created.account,
        "user_id": created.user.to_string(),
        "words": words,
        "data": data.display().to_string(),
    });
    out.data(&value, || {
        format!(
            "Account {} is made: {}\n\n{}\n{}\n",
            created.account,
            created.user,
            in_columns(&words),
            "These words are the account: who has them is you, and without them a lost disk is a lost account.\n\
             Write them on paper now. They are not shown again.",
        )
    })?;
    Ok(())
}

fn in_columns(words: &[&str]) -> String {
    let rows = words.len().div_ceil(COLUMNS);
    let mut text = String::new();
    for row in 0..rows {
        for (n, word) in words.iter().enumerate().skip(row).step_by(rows.max(1)) {
            text.push_str(&format!("  {:2}. {word:10}", n + 1));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_numbered_down_four_columns() {
        let words: Vec<String> = (1..=24).map(|n| format!("w{n}")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let shown = in_columns(&words);
        let rows: Vec<Vec<&str>> = shown.lines().map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows.len(), 6);
        assert_eq!(rows[0], ["1.", "w1", "7.", "w7", "13.", "w13", "19.", "w19"]);
        assert_eq!(rows[5], ["6.", "w6", "12.", "w12", "18.", "w18", "24.", "w24"]);
    }
}
