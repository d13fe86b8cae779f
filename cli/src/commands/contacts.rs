//! `parlour contacts`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::args::{duration, moment};
use crate::client::Client;
use crate::commands::invite::qr;
use crate::connect::Reach;
use crate::output::Output;
use crate::text;
use crate::view::Contact;

const EXAMPLES: &str = "\
Examples:
  parlour contacts
  parlour contacts list --json | jq -r '.[] | select(.reachable) | .petname'
  parlour contacts rename bob robert
  parlour contacts rename bob --clear      as bob calls himself
  parlour contacts block mallory           nothing of theirs is shown, and they are not told
  parlour contacts unblock mallory
  parlour contacts verify bob              the safety number, as digits and QR code
  parlour contacts verify bob --code \"DIGITS\"
  parlour contacts trust bob               without comparing anything
  parlour contacts remove bob              no contact any more; what was written stays, unless --history
  parlour contacts mute bob --for 8h
  parlour contacts mute garden             a room, too
  parlour contacts unmute bob
  parlour contacts archive bob             comes back with the next message
  parlour contacts unarchive bob";

/// List the people you know, and say how you keep them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Contacts {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them; what `parlour contacts` alone does, too
    List,
    /// Call somebody something else, which only you see
    Rename {
        /// Their name, id, or the beginning of it
        #[arg(value_name = "WHO")]
        who: String,
        /// What you want to call them
        #[arg(value_name = "NAME", required_unless_present = "clear", conflicts_with = "clear")]
        name: Option<String>,
        /// Call them as they call themselves
        #[arg(long)]
        clear: bool,
    },
    /// Take nothing from somebody and give them nothing; they are not told
    Block {
        /// Their name, id, or the beginning of it
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Let somebody in again; what they wrote meanwhile arrives
    Unblock {
        /// Their name, id, or the beginning of it
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Part from somebody; they are not told, and may ask again
    Remove {
        /// Their name, id, or the beginning of it
        #[arg(value_name = "WHO")]
        who: String,
        /// Erase what was written with them on this node, too; it cannot be brought back
        #[arg(long)]
        history: bool,
    },
    /// Do not be disturbed by messages of a contact or in a room; they come all the same
    Mute {
        /// A contact's or room's name or id
        #[arg(value_name = "WHO")]
        who: String,
        /// For how long; without it, until `unmute`
        #[arg(long = "for", value_name = "TIME", value_parser = duration, conflicts_with = "until")]
        lasts: Option<Duration>,
        /// Until when, such as 2026-12-24T18:00:00Z
        #[arg(long, value_name = "TIME", value_parser = moment)]
        until: Option<Timestamp>,
    },
    /// Be disturbed again
    Unmute {
        /// A contact's or room's name or id
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Show the safety number to compare with somebody, or store that it is the same
    Verify {
        /// Their name, id, or the beginning of it
        #[arg(value_name = "WHO")]
        who: String,
        /// The 60 digits that their node shows for you
        #[arg(long, value_name = "DIGITS")]
        code: Option<String>,
        /// The devices you accept, if they have changed: the code that `verify WHO` shows
        #[arg(long, value_name = "CODE", requires = "code")]
        devices: Option<String>,
    },
    /// Accept somebody's devices without comparing anything; takes a verification back, too
    Trust {
        /// Their name, id, or the beginning of it
        #[arg(value_name = "WHO")]
        who: String,
        /// The devices you accept, if they have changed: the code that `verify WHO` shows
        #[arg(long, value_name = "CODE")]
        devices: Option<String>,
    },
    /// Put a conversation away until somebody writes again
    Archive {
        /// A contact's or room's name or id
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Take a conversation back out
    Unarchive {
        /// A contact's or room's name or id
        #[arg(value_name = "WHO")]
        who: String,
    },
}

impl Contacts {
    pub(crate) fn reach(&self) -> Reach {
        match self.action {
            None | Some(Action::List) => Reach::Disk,
            Some(_) => Reach::Network,
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let (who, wish, done) = match &self.action {
            None | Some(Action::List) => return list(client, out).await,
            Some(Action::Rename { who, name, .. }) => (who, json!({ "petname": name }), "is what you call them now"),
            Some(Action::Block { who }) => (who, json!({ "blocked": true }), "is blocked"),
            Some(Action::Unblock { who }) => (who, json!({ "blocked": false }), "is not blocked"),
            Some(Action::Remove { who, history }) => return remove(client, out, who, *history).await,
            Some(Action::Mute { who, lasts, until }) => {
                return keep(client, out, who, &json!({ "muted_until": mute_until(*lasts, *until) })).await;
            }
            Some(Action::Verify { who, code, devices }) => {
                return verify(client, out, who, code.as_deref(), devices.as_deref()).await;
            }
            Some(Action::Trust { who, devices }) => {
                if devices.is_none()
                    && let Some(()) = say_what_changed(client, out, who).await?
                {
                    return Ok(ExitCode::FAILURE);
                }
                let contact = client
                    .post(&["contacts", who, "trust"], &json!({ "devices": devices }))
                    .await?;
                out.data(&contact, || {
                    format!("{} is taken as they are.\n", Contact::of(&contact).display())
                })?;
                return Ok(ExitCode::SUCCESS);
            }
            Some(Action::Unmute { who }) => return keep(client, out, who, &json!({ "muted_until": null })).await,
            Some(Action::Archive { who }) => return keep(client, out, who, &json!({ "archived": true })).await,
            Some(Action::Unarchive { who }) => return keep(client, out, who, &json!({ "archived": false })).await,
        };
        let contact = client.patch(&["contacts", who], &wish).await?;
        out.data(&contact, || format!("{} {done}.\n", Contact::of(&contact).display()))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn remove(client: &Client, out: &Output, who: &str, history: bool) -> Result<ExitCode> {
    let query = if history {
        ("history", "true")
    } else {
        ("history", "false")
    };
    let contact = client.take_away(&["contacts", who], &[query]).await?;
    out.data(&contact, || {
        let what = if history { "erased" } else { "kept" };
        let name = Contact::of(&contact).display();
        format!("{name} is no contact any more, and not told; what was written is {what}.\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Shows the number to compare, or compares it.
async fn verify(
    client: &Client,
    out: &Output,
    who: &str,
    code: Option<&str>,
    devices: Option<&str>,
) -> Result<ExitCode> {
    if let Some(code) = code {
        let contact = client
            .post(
                &["contacts", who, "verify"],
                &json!({ "code": code, "devices": devices }),
            )
            .await?;
        out.data(&contact, || {
            format!("{} is verified.\n", Contact::of(&contact).display())
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let safety = client.get(&["contacts", who, "safety"], &[]).await?;
    let number = safety["number"].as_str().unwrap_or_default();
    out.data(&safety, || {
        let groups: Vec<&str> = number.split(' ').collect();
        let rows: Vec<String> = groups.chunks(4).map(|row| format!("  {}\n", row.join(" "))).collect();
        let code = qr(&number.replace(' ', "")).unwrap_or_default();
        format!(
            "{}\n{code}\nNow: {}.\n",
            rows.concat(),
            text::one_line(safety["trust"].as_str().unwrap_or_default())
        )
    })?;
    if safety["trust"] == "changed" {
        note_what_changed(out, who, &safety);
    } else {
        out.note(&format!(
            "Compare the digits with them, by voice or side by side, then: `parlour contacts verify {} --code \"DIGITS\"`",
            text::quoted(who)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether somebody's devices have changed so that they have to be named; if so, says what to do.
async fn say_what_changed(client: &Client, out: &Output, who: &str) -> Result<Option<()>> {
    let safety = client.get(&["contacts", who, "safety"], &[]).await?;
    Ok((safety["trust"] == "changed").then(|| note_what_changed(out, who, &safety)))
}

fn note_what_changed(out: &Output, who: &str, safety: &Value) {
    let code = text::one_line(safety["devices"].as_str().unwrap_or_default());
    out.note(&format!(
        "Their devices have changed. The safety number does not show that: whoever has their recovery words shows the same.\n\
         Ask them, by voice or face to face, whether they set up a new device. If they did, accept these devices, code {code}:\n  \
         `parlour contacts trust {who} --devices {code}`\n  \
         `parlour contacts verify {who} --code \"DIGITS\" --devices {code}`",
        who = text::quoted(who)
    ));
}

pub(crate) fn mute_until(lasts: Option<Duration>, until: Option<Timestamp>) -> String {
    let end = lasts.map(|lasts| Timestamp::now().checked_add(lasts).unwrap_or(Timestamp::MAX));
    until
        .or(end)
        .map_or_else(|| "forever".to_owned(), |until| format!("{until:.3}"))
}

/// Changes how a conversation is kept.
pub(crate) async fn keep(client: &Client, out: &Output, who: &str, wish: &Value) -> Result<ExitCode> {
    let conversation = client.patch(&["conversations", who], wish).await?;
    out.data(&conversation, || {
        let title = text::one_line(conversation["title"].as_str().unwrap_or_default());
        let muted = match (
            conversation["muted"] == json!(true),
            conversation["muted_until"].as_str(),
        ) {
            (true, Some(until)) => format!("muted until {}", text::local_time(until)),
            (true, None) => "muted".to_owned(),
            (false, _) => "not muted".to_owned(),
        };
        let archived = if conversation["archived"] == json!(true) {
            "archived"
        } else {
            "not archived"
        };
        format!("{title}: {muted}, {archived}.\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, out: &Output) -> Result<ExitCode> {
    let contacts = client.items(&["contacts"], &[]).await?;
    if contacts.is_empty() {
        out.note("No contacts yet: `parlour invite` makes a link to give away, `parlour add LINK` opens one.");
    }
    let conversations = client.items(&["conversations"], &[]).await?;
    let value = Value::Array(with_kept(contacts, "conversation", &conversations));
    out.data(&value, || {
        table(
            value.as_array().map(Vec::as_slice).unwrap_or_default(),
            Timestamp::now(),
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What is listed, with how the conversation is kept that its field `by` names.
pub(crate) fn with_kept(mut listed: Vec<Value>, by: &str, conversations: &[Value]) -> Vec<Value> {
    for one in &mut listed {
        let there = conversations.iter().find(|conversation| conversation["id"] == one[by]);
        for field in ["muted", "archived"] {
            one[field] = json!(there.is_some_and(|there| there[field] == json!(true)));
        }
    }
    listed
}

/// How a conversation is kept, as the end of what is said of it.
pub(crate) fn kept(one: &Value) -> String {
    let kept = ["muted", "archived"]
        .into_iter()
        .filter(|field| one[field] == json!(true));
    kept.map(|field| format!(", {field}")).collect()
}

fn table(contacts: &[Value], now: Timestamp) -> String {
    if contacts.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["NAME", "CALLS THEMSELVES", "STATE", "LAST SEEN"]);
    for (contact, kept) in contacts.iter().map(|contact| (Contact::of(contact), kept(contact))) {
        let state = match (contact.state.as_str(), contact.reachable, contact.reason.as_deref()) {
            _ if contact.blocked => "blocked".to_owned(),
            _ if contact.trust == "changed" => "devices changed: ask them".to_owned(),
            ("accepted", true, _) if contact.trust == "verified" => "reachable, verified".to_owned(),
            ("accepted", true, _) => "reachable".to_owned(),
            ("accepted", false, Some(reason)) => format!("away: {}", text::one_line(reason)),
            ("accepted", false, None) => "away".to_owned(),
            ("former", ..) => "no contact any more".to_owned(),
            (state, _, Some(reason)) => format!("{state}: {}", text::one_line(reason)),
            (state, _, None) => state.to_owned(),
        };
        let seen = match (contact.presence.as_deref(), &contact.last_seen) {
            (Some("online"), _) => "there now".to_owned(),
            (_, Some(time)) => text::ago(time, now),
            (_, None) => "not told".to_owned(),
        };
        let name = contact.name.as_deref().map(text::one_line).unwrap_or_default();
        table.add_row([contact.display(), name, state + &kept, seen]);
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_one_row_and_says_why_it_is_away() {
        let contacts = [
            json!({ "petname": "bob", "name": "Robert\n\u{1b}[2J", "state": "accepted", "reachable": true }),
            json!({ "petname": null, "name": "cy", "state": "waiting", "reason": "not reachable", "muted": true }),
        ];
        let shown = table(&contacts, "2026-11-20T12:00:00Z".parse().unwrap());
        let rows: Vec<&str> = shown.lines().collect();
        assert_eq!(rows.len(), 3, "{shown}");
        assert!(
            rows[1].contains("bob") && rows[1].contains("Robert␊␛[2J") && rows[1].contains("reachable"),
            "{shown}"
        );
        assert!(
            rows[2].contains("waiting: not reachable, muted") && rows[2].contains("not told"),
            "{shown}"
        );
    }
}
