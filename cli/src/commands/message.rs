//! `parlour message …`: one message, looked at closer or changed.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::args::{Global, emoji};
use crate::client::Client;
use crate::commands::send::given_text;
use crate::output::Output;
use crate::text;
use crate::view;

const EXAMPLES: &str = "\
Examples:
  parlour history bob --ids                    shows the ids
  parlour message info msg_ab3cde7h            what became of it on each device
  parlour message edit msg_ab3cde7h \"see you at nine\"
  parlour message versions msg_ab3cde7h
  parlour message react msg_ab3cde7h 👍
  parlour message react msg_ab3cde7h 👍 --remove
  parlour message pin msg_ab3cde7h
  parlour message unpin msg_ab3cde7h
  parlour message view msg_ab3cde7h            what can be viewed once or twice
  parlour message delete msg_ab3cde7h          for everybody; own messages only
  parlour message delete msg_ab3cde7h --for-me
  parlour message report msg_ab3cde7h --reason \"spam\"

An id is what `send --json` and `history --json` give, or its beginning, as long as it means one message only.
Whoever has seen a message can have kept it: deleting asks the other nodes to erase it.";

/// Look closer at one message, edit it, delete it, react to it, pin it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Message {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show a message and what became of it on each device
    Info(Id),
    /// Say an own message anew; every version stays readable
    Edit {
        #[command(flatten)]
        id: Id,
        /// The new text; `-`, or none when stdin is no terminal, reads it from stdin
        #[arg(value_name = "TEXT", allow_hyphen_values = true)]
        text: Option<String>,
    },
    /// Erase own messages for everybody, or any message for yourself
    Delete {
        /// The messages' ids, or beginnings of them
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
        /// Only for yourself: nobody else hears of it
        #[arg(long)]
        for_me: bool,
    },
    /// Put an emoji to a message, or take it away
    React {
        #[command(flatten)]
        id: Id,
        /// Exactly one emoji
        #[arg(value_name = "EMOJI", value_parser = emoji)]
        emoji: String,
        /// Take it away
        #[arg(long)]
        remove: bool,
    },
    /// Pin a message for everybody in the conversation
    Pin(Id),
    /// Take a pin away
    Unpin(Id),
    /// Show every version of a message, the first one first
    Versions(Id),
    /// Tell those who keep order in its room what is wrong with a message; nobody else learns of it
    Report {
        #[command(flatten)]
        id: Id,
        /// What is wrong
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// See a message that can be viewed once or twice only; this counts
    View(Id),
}

#[derive(Debug, Args)]
struct Id {
    /// The message's id, or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
}

impl Message {
    /// Takes a text from where it is.
    ///
    /// # Errors
    /// There is none, or it is too long.
    pub(crate) fn read(mut self, global: &Global) -> Result<Self> {
        if let Action::Edit { id, text } = &mut self.action {
            *text = Some(given_text(
                text.take(),
                global,
                &format!("parlour message edit {} \"text\"", id.id),
            )?);
        }
        Ok(self)
    }

    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let nothing = json!({});
        match &self.action {
            Action::Info(Id { id }) => info(client, out, id).await?,
            Action::Edit { id, text } => {
                let changed = client.patch(&["messages", &id.id], &json!({ "text": text })).await?;
                told(out, &changed)?;
            }
            Action::Delete { ids, for_me } => delete(client, out, ids, *for_me).await?,
            Action::React { id, emoji, remove } => {
                let path = ["messages", &id.id, "reactions", emoji];
                let changed = if *remove {
                    client.take_away(&path, &[]).await?
                } else {
                    client.put(&path, &nothing).await?
                };
                told(out, &changed)?;
            }
            Action::Pin(Id { id }) => told(out, &client.put(&["messages", id, "pin"], &nothing).await?)?,
            Action::Unpin(Id { id }) => told(out, &client.take_away(&["messages", id, "pin"], &[]).await?)?,
            Action::Versions(Id { id }) => versions(client, out, id).await?,
            Action::Report { id: Id { id }, reason } => {
                client
                    .post(&["messages", id, "report"], &json!({ "reason": reason }))
                    .await?;
                let done = json!({ "id": id, "reported": true });
                out.data(&done, || "Those who keep order in the room are told.\n".to_owned())?;
            }
            Action::View(Id { id }) => view_once(client, out, id).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The message as it stands now.
fn told(out: &Output, message: &Value) -> Result<()> {
    Ok(out.data(message, || view::Message::of(message).line(None))?)
}

async fn info(client: &Client, out: &Output, id: &str) -> Result<()> {
    let message = client.get(&["messages", id], &[]).await?;
    out.data(&message, || {
        let shown = view::Message::of(&message);
        let mut lines = format!(
            "{}  {}, {}\n",
            shown.line(None).trim_end(),
            shown.status,
            text::one_line(&shown.id)
        );
        lines.push_str(&shown.whereabouts(|_| true));
        lines
    })?;
    Ok(())
}

async fn delete(client: &Client, out: &Output, ids: &[String], for_me: bool) -> Result<()> {
    let whom = if for_me { "me" } else { "all" };
    let mut deleted = Vec::new();
    for id in ids {
        client.take_away(&["messages", id], &[("for", whom)]).await?;
        deleted.push(json!({ "id": id, "for": whom }));
    }
    let deleted = Value::Array(deleted);
    out.data(&deleted, || {
        let whom = if for_me { "for yourself" } else { "for everybody" };
        ids.iter()
            .map(|id| format!("Deleted {whom}: {}\n", text::one_line(id)))
            .collect()
    })?;
    Ok(())
}

async fn versions(client: &Client, out: &Output, id: &str) -> Result<()> {
    let versions = client.items(&["messages", id, "versions"], &[]).await?;
    if versions.is_empty() {
        out.note("There is no version to be seen: the message is gone, or can be viewed on demand only.");
    }
    let versions = Value::Array(versions);
    out.data(&versions, || {
        let line = |version: &Value| {
            let head = format!(
                "{}  ",
                text::local_time(version["created_at"].as_str().unwrap_or_default())
            );
            let body = version["text"].as_str().unwrap_or_default();
            format!("{head}{}\n", text::hanging(body, head.chars().count()))
        };
        versions.as_array().into_iter().flatten().map(line).collect()
    })?;
    Ok(())
}

async fn view_once(client: &Client, out: &Output, id: &str) -> Result<()> {
    let viewed = client.post(&["messages", id, "view"], &json!({})).await?;
    out.data(&viewed, || format!("{}\n", view::Message::of(&viewed).shown()))?;
    match viewed["views_left"].as_u64() {
        Some(1) => out.note("It can be viewed once more."),
        _ => out.note("It is erased now."),
    }
    Ok(())
}
