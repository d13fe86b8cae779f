//! `parlour poll …`

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::args::moment;
use crate::client::Client;
use crate::commands::send::Ready;
use crate::connect::Reach;
use crate::output::Output;
use crate::view::Message;

const EXAMPLES: &str = "\
Examples:
  parlour poll new garden \"When do we meet?\" friday saturday sunday
  parlour poll new bob \"Tea?\" yes no --closes 2h
  parlour poll vote msg_ab3cde7h 2             the second option; the last vote of each person counts
  parlour poll vote msg_ab3cde7h --take-back
  parlour poll show msg_ab3cde7h --json
  parlour poll close msg_ab3cde7h              own polls only

An anonymous poll shows numbers and no names. It is no secret ballot: votes are signed, and every member's node knows whose
they are.";

/// Ask something and vote on it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Poll {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Ask something
    New {
        /// A contact's or room's name or id
        #[arg(value_name = "WHERE")]
        to: String,
        /// What is asked
        #[arg(value_name = "QUESTION")]
        question: String,
        /// What can be answered, 2 to 20 of them
        #[arg(value_name = "OPTION", required = true, num_args = 2..)]
        options: Vec<String>,
        /// One person can choose several
        #[arg(long)]
        multiple: bool,
        /// Show how many chose what, and not who
        #[arg(long)]
        anonymous: bool,
        /// Close after this time, such as 2h or 7d, or at a time such as 2026-12-24T18:00:00Z
        #[arg(long, value_name = "TIME", value_parser = moment)]
        closes: Option<Timestamp>,
        /// The thread it belongs to: the id of its root, or the beginning of it
        #[arg(long, value_name = "ID")]
        thread: Option<String>,
    },
    /// Vote; the last vote of each person counts
    Vote {
        /// The message's id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
        /// The numbers of the chosen options, from 1
        #[arg(value_name = "N", required_unless_present = "take_back", value_parser = clap::value_parser!(u8).range(1..))]
        options: Vec<u8>,
        /// Take the vote back
        #[arg(long, conflicts_with = "options")]
        take_back: bool,
    },
    /// Take no more votes; own polls only
    Close {
        /// The message's id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Show how it stands
    Show {
        /// The message's id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
    },
}

impl Poll {
    pub(crate) fn reach(&self) -> Reach {
        match self.action {
            Action::New { .. } => Reach::Network,
            _ => Reach::Disk,
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let message = match &self.action {
            Action::New {
                to,
                question,
                options,
                multiple,
                anonymous,
                closes,
                thread,
            } => {
                let poll = json!({
                    "question": question, "options": options, "multiple": multiple, "anonymous": anonymous,
                    "closes_at": closes.map(|time| time.to_string()),
                });
                let body = json!({ "poll": poll, "thread": thread });
                return Ready::new(to, None, body)?.run(client, out).await;
            }
            Action::Vote {
                id, take_back: true, ..
            } => client.take_away(&["messages", id, "vote"], &[]).await?,
            Action::Vote { id, options, .. } => {
                let options: Vec<u8> = options.iter().map(|n| n.saturating_sub(1)).collect();
                client
                    .put(&["messages", id, "vote"], &json!({ "options": options }))
                    .await?
            }
            Action::Close { id } => client.post(&["messages", id, "close"], &json!({})).await?,
            Action::Show { id } => {
                let message = client.get(&["messages", id], &[]).await?;
                if message["poll"].is_null() {
                    bail!("this message is no poll");
                }
                message
            }
        };
        told(out, &message)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The poll as it stands now.
fn told(out: &Output, message: &Value) -> Result<()> {
    Ok(out.data(message, || Message::of(message).line(None))?)
}
