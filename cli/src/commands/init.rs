//! `parlour init`

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use jiff::Timestamp;
use parlour_node::{CreateError, DataDir, NewAccount, create_account};
use parlour_store::LockError;
use serde_json::json;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use crate::args::Global;
use crate::client::Client;
use crate::connect::{HELD, HELD_STEP, completed, data_dir, is_complete, waiting};
use crate::output::Output;
use crate::password;
use crate::text;

/// Words in a row: 24 words are six rows.
const COLUMNS: usize = 4;
/// Far more than 24 words.
const MAX_WORDS: u64 = 4096;

const EXAMPLES: &str = "\
Examples:
  parlour init --name ada
  parlour --data /srv/ada init --name ada --no-password
  PARLOUR_PASSWORD_FILE=secret.txt parlour init --name ada
  parlour init --name ada --recover --no-password < words.txt";

/// Make an account: a name, keys, and the 24 words that restore it. A node that waits for its account takes it and goes on
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
    /// Restore the identity from its 24 words, read from a prompt or from stdin (behind the password, if that comes from there
    /// too); contacts and history do not come back with it
    #[arg(long)]
    recover: bool,
}

impl Init {
    pub(crate) async fn run(self, global: &Global, out: &Output) -> Result<ExitCode> {
        let data = data_dir(global)?;
        let name = match self.name {
            Some(name) => name,
            None => ask_name(out, if self.recover { " --recover" } else { "" })?,
        };
        let password = if self.no_password { None } else { new_password(global)? };
        let words = if self.recover { Some(ask_words(out)?) } else { None };
        let new = NewAccount {
            name,
            account: None,
            password,
            require_password: self.require_password,
            words,
        };
        let (made, by_node) = make_here_or_there(&data, new).await?;
        show(&made, &data, out)?;
        let several = DataDir::new(&data).accounts()?.len() > 1;
        if several && !by_node {
            out.note(&format!(
                "\nNext: `parlour up` runs all accounts; with several of them, commands need `--account {}` or another one.",
                made.account
            ));
        } else if !by_node {
            out.note("\nNext: `parlour up` runs the node, `parlour invite` makes a link for somebody.");
        } else if completed(&data).await {
            out.note("\nThe node runs with it. Next: `parlour invite` makes a link for somebody.");
        } else {
            out.note(
                "\nThe account is made, but the node does not answer with it: look at its messages, or start it again.",
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A new account.
pub(crate) struct Made {
    account: String,
    user: String,
    /// `None` if the account was restored from them.
    words: Option<Zeroizing<String>>,
}

/// Makes the account on the disk, or lets the node make it that holds the disk and waits for it; answers whether it did.
async fn make_here_or_there(data: &Path, new: NewAccount) -> Result<(Made, bool)> {
    let deadline = Instant::now() + HELD;
    loop {
        // Only while somebody holds the directory is the address in it a node's: what a dead one left behind may by now be
        // anybody's, and must not be told the words.
        match make(data, new.clone()).await {
            Ok(made) => return Ok((made, false)),
            Err(error) if is_held(&error) => {
                if let Some(node) = waiting(data).await {
                    return Ok((make_there(&node, &new).await?, true));
                }
                // A node that starts holds the directory for a moment before it answers.
                if is_complete(data).await {
                    bail!(
                        "{error}, by a node that runs: stop it (Ctrl-C), make the account, and start it again with all of them"
                    );
                }
                if Instant::now() >= deadline {
                    return Err(error);
                }
                sleep(HELD_STEP).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_held(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(CreateError::Lock(LockError::InUse { .. })))
}

async fn make_there(node: &Client, new: &NewAccount) -> Result<Made> {
    let secret = |secret: &Option<Zeroizing<String>>| secret.as_ref().map(|text| text.as_str().to_owned());
    let wish = json!({
        "name": new.name,
        "password": secret(&new.password),
        "require_password": new.require_password,
        "words": secret(&new.words),
    });
    let made = node.post(&["accounts"], &wish).await?;
    let field = |name: &str| text::one_line(made[name].as_str().unwrap_or_default());
    Ok(Made {
        account: field("account"),
        user: field("user_id"),
        words: made["words"].as_str().map(|words| Zeroizing::new(words.to_owned())),
    })
}

/// The 24 words: typed, or read from stdin.
fn ask_words(out: &Output) -> Result<Zeroizing<String>> {
    if std::io::stdin().is_terminal() {
        return Ok(Zeroizing::new(out.ask("The 24 words, in their order:")?));
    }
    let mut words = Zeroizing::new(String::with_capacity(MAX_WORDS as usize));
    let read = std::io::stdin().lock().take(MAX_WORDS).read_to_string(&mut words);
    read.context("cannot read the 24 words from stdin")?;
    Ok(words)
}

/// Asks for a profile name; `options` are what else the command was given that must not be forgotten.
///
/// # Errors
/// There is nobody to ask.
pub(crate) fn ask_name(out: &Output, options: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("an account needs a name: run `parlour init{options} --name NAME`");
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

/// Makes the account on the disk.
///
/// # Errors
/// The name cannot be used or is taken, or the disk failed.
pub(crate) async fn make(data: &Path, new: NewAccount) -> Result<Made> {
    let data = DataDir::new(data);
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    // Deriving a key from the password takes about a second of computing.
    let created = tokio::task::spawn_blocking(move || create_account(&data, &new, now)).await??;
    Ok(Made {
        account: created.account,
        user: created.user.to_string(),
        words: created.phrase,
    })
}

/// Shows the new account and its words, the only time they are shown.
///
/// # Errors
/// Nobody reads stdout any more.
pub(crate) fn show(made: &Made, data: &Path, out: &Output) -> Result<()> {
    let words: Option<Vec<&str>> = made.words.as_ref().map(|words| words.split_whitespace().collect());
    let value = json!({
        "account": made.account,
        "user_id": made.user,
        "words": words,
        "data": data.display().to_string(),
    });
    out.data(&value, || match &words {
        Some(words) => format!(
            "Account {} is made: {}\n\n{}\n{}\n",
            made.account,
            made.user,
            in_columns(words),
            "These words are the account: who has them is you, and without them a lost disk is a lost account.\n\
             Write them on paper now. They are not shown again.",
        ),
        None => format!("Account {} is restored from its words: {}\n", made.account, made.user),
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
