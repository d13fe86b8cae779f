//! `parlour add`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::args::{Global, duration};
use crate::client::Client;
use crate::connect::{data_dir, running};
use crate::output::Output;
use crate::text;
use crate::view::Contact;

const EXAMPLES: &str = "\
Examples:
  parlour add parlour:... --petname bob
  parlour add - --petname bob < link.txt
  parlour add parlour:... --note \"we met at the fair\"    with a contact address: they decide";

/// Open somebody's invite, which makes you contacts of each other, or ask at their contact address
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Add {
    /// The link they gave you; `-` reads it from stdin
    #[arg(value_name = "LINK", required_unless_present = "local", default_value = "")]
    link: String,
    /// Another account of this node instead of a link: both are contacts at once
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "link")]
    local: Option<String>,
    /// What you want to call them
    #[arg(long, value_name = "NAME")]
    petname: Option<String>,
    /// What to tell them when asking at a contact address
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// How long to wait for their node's answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    timeout: Duration,
}

impl Add {
    /// Takes the link from where it is.
    ///
    /// # Errors
    /// Stdin cannot be read; the other account does not run.
    pub(crate) async fn read(self, global: &Global) -> Result<Self> {
        let link = match self.link.as_str() {
            _ if self.local.is_some() => local_invite(global, self.local.as_deref()).await?,
            "-" => std::io::read_to_string(std::io::stdin()).context("cannot read the link from stdin")?,
            link => link.to_owned(),
        };
        Ok(Self {
            link: link.trim().to_owned(),
            ..self
        })
    }

    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let deadline = Instant::now() + self.timeout;
        let mut wish = json!({ "link": self.link });
        if let Some(petname) = &self.petname {
            wish["petname"] = json!(petname);
        }
        if let Some(note) = &self.note {
            wish["note"] = json!(note);
        }
        let added = client.post(&["contacts"], &wish).await?;
        become_contacts(client, out, &added, deadline).await
    }
}

/// An invite of another account of this node, for a minute.
async fn local_invite(global: &Global, account: Option<&str>) -> Result<String> {
    let data = data_dir(global)?;
    // Before anything is made.
    running(&data, global.account.as_deref()).await?;
    if account.is_some() && account == global.account.as_deref() {
        bail!("this is the account itself: --local takes another one of this node");
    }
    let Some(other) = running(&data, account).await? else {
        bail!("accounts of one node become contacts while it runs: `parlour up`");
    };
    let invite = other
        .post(&["invites"], &json!({ "expires_in_s": 60, "max_uses": 1 }))
        .await?;
    Ok(invite["link"].as_str().unwrap_or_default().to_owned())
}

/// Waits until it is known what became of somebody who was just added, and tells.
pub(crate) async fn become_contacts(
    client: &Client,
    out: &Output,
    added: &Value,
    deadline: Instant,
) -> Result<ExitCode> {
    let user = added["user_id"].as_str().unwrap_or_default();
    let read = async || client.get(&["contacts", user], &[]).await;
    let decided = |contact: &Value| contact["state"] != json!("waiting");
    let (mut contact, _) = client.wait_until(deadline, read, decided).await?;
    contact["already"] = added["already"].clone();
    out.data(&contact, || outcome(&contact))?;
    Ok(explain(&contact, client, out))
}

fn explain(contact: &Value, client: &Client, out: &Output) -> ExitCode {
    let shown = Contact::of(contact);
    match shown.state.as_str() {
        "refused" => return ExitCode::FAILURE,
        "asked" => out.note("`parlour contacts` shows when they have accepted; what you send until then waits here."),
        "waiting" if client.is_embedded() => {
            out.note("The link is kept, and tried again when a node runs: `parlour up`.");
        }
        "waiting" => {
            out.note(
                "The node keeps trying: `parlour contacts` shows when it has worked, `parlour status` why it has not.",
            );
        }
        _ if !out.is_json() => out.note(&format!("Next: `parlour send {:?} \"hello\"`", shown.display())),
        _ => {}
    }
    ExitCode::SUCCESS
}

fn outcome(contact: &Value) -> String {
    let shown = Contact::of(contact);
    let (who, reason) = (shown.display(), shown.reason.as_deref().map(text::one_line));
    match (shown.state.as_str(), reason) {
        ("accepted", _) if contact["already"] == json!(true) => format!("{who} is your contact already.\n"),
        ("accepted", _) => format!("{who} is your contact now.\n"),
        ("asked", _) => format!("{who} has your request; they decide.\n"),
        ("refused", Some(reason)) => format!("{who} did not accept the invite: {reason}. Ask for a new one.\n"),
        ("refused", None) => format!("{who} did not accept the invite. Ask for a new one.\n"),
        (_, Some(reason)) if reason.starts_with("connected") => format!("Waiting for {who}: {reason}.\n"),
        (_, Some(_)) => format!("Waiting for {who}: their node is not reachable.\n"),
        (_, None) => format!("Waiting for {who}: their node has not answered yet.\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_told_with_its_reason() {
        let told =
            |state: &str, reason: Option<&str>| outcome(&json!({ "name": "bo", "state": state, "reason": reason }));
        assert_eq!(told("accepted", None), "bo is your contact now.\n");
        assert_eq!(
            told("refused", Some("expired")),
            "bo did not accept the invite: expired. Ask for a new one.\n"
        );
        assert_eq!(
            told("waiting", Some("not reachable")),
            "Waiting for bo: their node is not reachable.\n"
        );
        assert!(told("waiting", None).contains("not answered yet"));
    }
}
