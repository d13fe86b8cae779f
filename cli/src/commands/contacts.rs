//! `parlour contacts`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::Value;

use crate::client::Client;
use crate::output::Output;
use crate::text;
use crate::view::Contact;

const EXAMPLES: &str = "\
Examples:
  parlour contacts
  parlour contacts --json | jq -r '.[] | select(.reachable) | .petname'";

/// List the people you know, and whether they can be reached now
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Contacts {}

impl Contacts {
    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let contacts = client.items(&["contacts"], &[]).await?;
        if contacts.is_empty() {
            out.note("No contacts yet: `parlour invite` makes a link to give away, `parlour add LINK` opens one.");
        }
        let value = Value::Array(contacts);
        out.data(&value, || {
            table(
                value.as_array().map(Vec::as_slice).unwrap_or_default(),
                Timestamp::now(),
            )
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn table(contacts: &[Value], now: Timestamp) -> String {
    if contacts.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["NAME", "CALLS THEMSELVES", "STATE", "LAST SEEN"]);
    for contact in contacts.iter().map(Contact::of) {
        let state = match (contact.state.as_str(), contact.reachable, contact.reason.as_deref()) {
            ("accepted", true, _) => "reachable".to_owned(),
            ("accepted", false, Some(reason)) => format!("away: {}", text::one_line(reason)),
            ("accepted", false, None) => "away".to_owned(),
            (state, _, Some(reason)) => format!("{state}: {}", text::one_line(reason)),
            (state, _, None) => state.to_owned(),
        };
        let seen = match (contact.presence.as_deref(), &contact.last_seen) {
            (Some("online"), _) => "there now".to_owned(),
            (_, Some(time)) => text::ago(time, now),
            (_, None) => "not told".to_owned(),
        };
        let name = contact.name.as_deref().map(text::one_line).unwrap_or_default();
        table.add_row([contact.display(), name, state, seen]);
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_contact_is_one_row_and_says_why_it_is_away() {
        let contacts = [
            json!({ "petname": "bob", "name": "Robert\n\u{1b}[2J", "state": "accepted", "reachable": true }),
            json!({ "petname": null, "name": "cy", "state": "waiting", "reason": "connection refused" }),
        ];
        let shown = table(&contacts, "2026-11-20T12:00:00Z".parse().unwrap());
        let rows: Vec<&str> = shown.lines().collect();
        assert_eq!(rows.len(), 3, "{shown}");
        assert!(
            rows[1].contains("bob") && rows[1].contains("Robert␊␛[2J") && rows[1].contains("reachable"),
            "{shown}"
        );
        assert!(
            rows[2].contains("waiting: connection refused") && rows[2].contains("not told"),
            "{shown}"
        );
    }
}
