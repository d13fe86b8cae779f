//! `parlour tail`

use std::collections::{BTreeSet, HashMap};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::client::{CallError, Client};
use crate::commands::history::{newest, titles};
use crate::connect::Reach;
use crate::events::Event;
use crate::output::Output;
use crate::stop::Stop;
use crate::text;
use crate::view::Message;

/// Between attempts to find a node again that was restarted.
const AGAIN: Duration = Duration::from_millis(500);
const ATTEMPTS: u32 = 10;

const EXAMPLES: &str = "\
Examples:
  parlour tail                 the last messages of all conversations
  parlour tail -f bob          follow one conversation
  parlour tail -f --presence   also who writes and who is there
  parlour tail -f --json --changes | jq 'select(.changed)'
  parlour tail -f --json | while read -r message; do ...; done

With --json each message is a line of its own, and not an array as elsewhere.";

/// Show the last messages, and with -f those that follow
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Tail {
    /// Go on with what comes, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many of the last messages
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: u16,
    /// Also messages as they stand after an edit, a deletion, a reaction or a pin, while following; with --json only if
    /// asked for
    #[arg(long, requires = "follow")]
    changes: bool,
    /// Also who writes something and who is there, while following
    #[arg(long, requires = "follow")]
    presence: bool,
    /// Only this conversation: a contact's or room's name or id, or `notes`
    #[arg(value_name = "WHO")]
    who: Option<String>,
}

impl Tail {
    pub(crate) fn reach(&self) -> Reach {
        if self.follow { Reach::Network } else { Reach::Disk }
    }

    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        let only = match &self.who {
            Some(who) => client.get(&["conversations", who], &[]).await?["id"]
                .as_str()
                .map(str::to_owned),
            None => None,
        };
        // The feed first: what comes between the two is shown once, because it is known to be in both.
        let feed = client.feed().await?;
        let backlog = self.backlog(client, only.as_deref()).await?;
        let mut page = Page {
            places: titles(client).await?,
            names: HashMap::new(),
            seen: BTreeSet::new(),
            only,
            presence: self.presence,
            changes: self.changes || !out.is_json(),
            out,
        };
        for message in backlog {
            page.show(client, &message).await?;
        }
        if self.follow {
            let mut stop = Stop::new()?;
            tokio::select! {
                result = page.follow(client, feed) => result?,
                () = stop.asked() => {}
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn backlog(&self, client: &Client, only: Option<&str>) -> Result<Vec<Value>, CallError> {
        let lines = usize::from(self.lines);
        if let Some(id) = only {
            return Ok(newest(client, id, lines, None).await?.0);
        }
        let mut all: Vec<Value> = Vec::new();
        for conversation in client.items(&["conversations"], &[]).await? {
            let last = conversation["last"]["created_at"].as_str().unwrap_or_default();
            // Conversations come with the newest activity first: the rest cannot add anything once this one cannot.
            if all.len() >= lines && all.first().is_some_and(|oldest| last < time(oldest)) {
                break;
            }
            let Some(id) = conversation["id"].as_str() else {
                continue;
            };
            all.extend(newest(client, id, lines, None).await?.0);
            all.sort_by(|a, b| time(a).cmp(time(b)));
            all.drain(..all.len().saturating_sub(lines));
        }
        Ok(all)
    }
}

fn time(message: &Value) -> &str {
    message["created_at"].as_str().unwrap_or_default()
}

fn passing_text(value: &Value) -> &'static str {
    match (value["typing"].as_bool(), value["presence"].as_str()) {
        (Some(true), _) => "is writing",
        (Some(false), _) => "has stopped writing",
        (None, Some("online")) => "is there",
        (None, Some(_)) => "is away",
        (None, None) => "does not say whether they are there",
    }
}

/// What somebody is called who writes or is there: a contact, or a member of the room in which they write.
async fn called(client: &Client, user: &str, conversation: Option<&str>) -> Result<String> {
    let find = |listed: Vec<Value>, name: &str| {
        let found = listed.into_iter().find(|one| one["user_id"] == user);
        found.and_then(|one| one[name].as_str().map(str::to_owned))
    };
    if let Some(name) = find(client.items(&["contacts"], &[]).await?, "display") {
        return Ok(name);
    }
    let members = match conversation {
        // Whoever is gone by now is shown by their id.
        Some(room) => client.items(&["rooms", room, "members"], &[]).await.unwrap_or_default(),
        None => Vec::new(),
    };
    Ok(find(members, "name").unwrap_or_else(|| user.to_owned()))
}

/// What has been shown, and how.
struct Page<'a> {
    places: HashMap<String, String>,
    /// What people are called.
    names: HashMap<String, String>,
    /// Ids of the backlog, which the feed may bring again.
    seen: BTreeSet<String>,
    only: Option<String>,
    presence: bool,
    changes: bool,
    out: &'a Output,
}

impl Page<'_> {
    async fn follow(&mut self, client: &Client, mut after: u64) -> Result<()> {
        let mut attempts = 0;
        loop {
            match self.until_broken(client, &mut after).await {
                Ok(()) => attempts = 0,
                Err(error) => match error.downcast_ref::<CallError>() {
                    Some(CallError::Unreachable(_) | CallError::Ended) if attempts < ATTEMPTS => {
                        attempts += 1;
                    }
                    // What was shown must not be shown again by beginning anew.
                    Some(CallError::Unreachable(_) | CallError::Ended) => bail!("the node has stopped"),
                    _ => return Err(error),
                },
            }
            sleep(AGAIN).await;
        }
    }

    async fn until_broken(&mut self, client: &Client, after: &mut u64) -> Result<()> {
        let mut events = match self.presence {
            true => client.all_events(*after).await?,
            false => client.events(*after).await?,
        };
        while let Some(Event { id, name, data }) = events.next().await? {
            *after = id.unwrap_or(*after);
            if matches!(name.as_str(), "message" | "system") {
                let message = &data["message"];
                self.show(client, message).await?;
            } else if name == "message_updated" && self.changes {
                self.show_changed(client, data["message"].clone()).await?;
            } else if matches!(name.as_str(), "typing" | "presence") {
                self.show_passing(client, &data).await?;
            }
        }
        Ok(())
    }

    /// Who writes, who is there.
    async fn show_passing(&mut self, client: &Client, value: &Value) -> Result<()> {
        let conversation = value["conversation"].as_str();
        if self.only.is_some() && conversation.is_some() && conversation != self.only.as_deref() {
            return Ok(());
        }
        let user = value["user_id"].as_str().unwrap_or_default();
        let name = match self.names.get(user) {
            Some(name) => name.clone(),
            None => {
                let name = called(client, user, conversation).await?;
                self.names.insert(user.to_owned(), name.clone());
                name
            }
        };
        self.out.item(value, || {
            format!("* {} {}\n", text::one_line(&name), passing_text(value))
        })?;
        Ok(())
    }

    async fn show(&mut self, client: &Client, value: &Value) -> Result<()> {
        let message = Message::of(value);
        if self.is_elsewhere(&message) || !self.seen.insert(message.id.clone()) {
            return Ok(());
        }
        let out = self.out;
        let place = self.place_of(client, &message).await?;
        out.item(value, || message.line(place))?;
        Ok(())
    }

    /// A message as it stands after a change.
    async fn show_changed(&mut self, client: &Client, mut value: Value) -> Result<()> {
        let message = Message::of(&value);
        if self.is_elsewhere(&message) {
            return Ok(());
        }
        value["changed"] = json!(true);
        let out = self.out;
        let place = self.place_of(client, &message).await?;
        out.item(&value, || format!("~ {}", message.line(place)))?;
        Ok(())
    }

    fn is_elsewhere(&self, message: &Message) -> bool {
        self.only.as_ref().is_some_and(|only| *only != message.conversation)
    }

    /// What has to be said of where a message is.
    async fn place_of(&mut self, client: &Client, message: &Message) -> Result<Option<&str>> {
        if self.only.is_none() && !self.out.is_json() && !self.places.contains_key(&message.conversation) {
            self.places = titles(client).await?;
        }
        let place = self.places.get(&message.conversation).filter(|_| self.only.is_none());
        Ok(place.map(String::as_str))
    }
}
