//! `parlour invite`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::args::{between, days};
use crate::client::{CallError, Client};
use crate::connect::Reach;
use crate::output::Output;
use crate::text;

/// How long addresses may take to be there, and how often we ask.
const LISTENING: Duration = Duration::from_secs(3);
const LISTENING_STEP: Duration = Duration::from_millis(20);

const EXAMPLES: &str = "\
Examples:
  parlour invite                          one use, seven days
  parlour invite new --uses 5 --expires 2h
  parlour invite address                  for a profile or a card: who opens it asks, and you decide
  parlour invite list
  parlour invite list --json | jq -r '.[] | select(.state == \"open\") | .token'
  parlour invite revoke TOKEN";

/// Make a link that lets somebody become your contact
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Invite {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    new: New,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a link
    New(New),
    /// Show your contact address: it never ends, and whoever opens it asks to become your contact
    Address,
    /// List the links made, and what became of them
    List,
    /// Take a link back, so that nobody can use it any more
    Revoke {
        /// As `invite list` shows it
        #[arg(value_name = "TOKEN")]
        token: String,
    },
}

#[derive(Debug, Args)]
struct New {
    /// How long it can be used
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = between(Duration::from_secs(1), days(45)))]
    expires: Duration,
    /// How many people can use it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    uses: u32,
}

impl Invite {
    /// A link holds addresses, so that making one needs the network; the rest does not.
    pub(crate) fn reach(&self) -> Reach {
        match self.action {
            None | Some(Action::New(_) | Action::Address) => Reach::Network,
            Some(Action::List | Action::Revoke { .. }) => Reach::Disk,
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        match &self.action {
            None => make(&self.new, client, out).await?,
            Some(Action::New(new)) => make(new, client, out).await?,
            Some(Action::Address) => address(client, out).await?,
            Some(Action::List) => list(client, out).await?,
            Some(Action::Revoke { token }) => {
                client.delete(&["invites", token]).await?;
                let value = json!({ "token": token, "state": "revoked" });
                out.data(&value, || "Nobody can use it any more.\n".to_owned())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn make(new: &New, client: &Client, out: &Output) -> Result<()> {
    let wish = json!({ "expires_in_s": new.expires.as_secs(), "max_uses": new.uses });
    let invite = once_listening(async || client.post(&["invites"], &wish).await).await?;
    let heading = "Give this to one person you trust, over any channel; they run `parlour add LINK`:\n";
    let works = show(&invite, heading, out)?;
    if !out.is_json() {
        let people = if new.uses == 1 {
            "one person".to_owned()
        } else {
            format!("{} people", new.uses)
        };
        let until = text::local_time(invite["expires_at"].as_str().unwrap_or_default());
        out.note(&format!("\nWorks for {people} {}, until {until}.", place(&works)));
        hint(&invite, out);
    }
    if client.is_embedded() {
        out.note("The node is not running: nobody can use the link until `parlour up` runs.");
    }
    Ok(())
}

async fn address(client: &Client, out: &Output) -> Result<()> {
    let address = once_listening(async || client.get(&["me", "address"], &[]).await).await?;
    let heading = "Whoever has this can ask to become your contact, with `parlour add LINK`:\n";
    let works = show(&address, heading, out)?;
    if !out.is_json() {
        out.note(&format!(
            "\nWorks {}. `parlour requests` shows who asks; nothing goes back to them before you accept.",
            place(&works)
        ));
        hint(&address, out);
    }
    Ok(())
}

/// Prints a link, with a QR code where somebody looks on; returns where it works.
fn show(made: &Value, heading: &str, out: &Output) -> Result<String> {
    let link = text::one_line(made["link"].as_str().unwrap_or_default());
    if out.is_watched() {
        if let Some(code) = qr(&link) {
            out.note(&code);
        }
        out.note(heading);
    }
    out.data(made, || format!("{link}\n"))?;
    Ok(text::one_line(made["works"].as_str().unwrap_or_default()))
}

/// From where a link works, in a sentence.
fn place(works: &str) -> String {
    match works {
        "anywhere" => works.to_owned(),
        works => format!("on {works}"),
    }
}

/// What would make a link of more use.
fn hint(made: &Value, out: &Output) {
    let hint = text::one_line(made["hint"].as_str().unwrap_or_default());
    if !hint.is_empty() {
        out.note(&sentence(&hint));
    }
}

/// A node that has just started may need a moment until it has addresses to put into the link.
async fn once_listening(make: impl AsyncFn() -> Result<Value, CallError>) -> Result<Value, CallError> {
    let deadline = Instant::now() + LISTENING;
    loop {
        match make().await {
            Err(CallError::Refused(problem)) if problem.code == "no_address" && Instant::now() < deadline => {
                sleep(LISTENING_STEP).await;
            }
            answer => return answer,
        }
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}

/// A text as a QR code of half-height blocks, light on dark as terminals mostly are.
pub(crate) fn qr(link: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(link, qrcode::EcLevel::L).ok()?;
    Some(
        code.render::<Dense1x2>()
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark)
            .build(),
    )
}

async fn list(client: &Client, out: &Output) -> Result<()> {
    let invites = client.items(&["invites"], &[]).await?;
    if invites.is_empty() {
        out.note("No invites yet: `parlour invite` makes one.");
    }
    let invites = Value::Array(invites);
    out.data(&invites, || {
        table(invites.as_array().map(Vec::as_slice).unwrap_or_default())
    })?;
    Ok(())
}

fn table(invites: &[Value]) -> String {
    if invites.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["TOKEN", "STATE", "USED", "UNTIL"]);
    for invite in invites {
        let field = |name: &str| text::one_line(invite[name].as_str().unwrap_or_default());
        let used = format!(
            "{} of {}",
            invite["uses"].as_u64().unwrap_or(0),
            invite["max_uses"].as_u64().unwrap_or(0)
        );
        table.add_row([
            field("token"),
            field("state"),
            used,
            text::local_time(&field("expires_at")),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_the_greatest_length_still_makes_a_code() {
        assert!(qr(&"a".repeat(400)).is_some());
    }
}
