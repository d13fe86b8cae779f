//! `parlour room`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::args::duration;
use crate::client::Client;
use crate::connect::Reach;
use crate::output::Output;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  parlour room new garden --topic \"what grows and what does not\"
  parlour room invite garden bob
  parlour room join garden                 what bob does then
  parlour room link garden --uses 5        for people who are no contacts: they `parlour room join LINK`
  parlour send garden \"the beans are up\"
  parlour room members garden
  parlour room role garden bob moderator
  parlour room remove garden carol --reason \"spam\"
  parlour room policy garden --post moderator --history none";

/// Make rooms, join them, and say who may do what in them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Room {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a room; you are its owner
    New {
        /// What everybody calls it
        name: String,
        /// What it is about
        #[arg(long, value_name = "TEXT")]
        topic: Option<String>,
        #[command(flatten)]
        rules: Rules,
    },
    /// List your rooms, and those you are invited to
    List,
    /// Show a room and its rules
    Info {
        /// Its name here, its id, or the beginning of it
        room: String,
    },
    /// Let a contact join
    Invite {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// A contact
        who: String,
        /// As a guest, who reads and does not write
        #[arg(long)]
        guest: bool,
    },
    /// Make a link with which others can join
    Link {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// How often it can be used; without: as often as it is shown
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        uses: Option<u32>,
        /// How long it is good
        #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
        expires: Duration,
    },
    /// Join a room that you are invited to or have a link to
    Join {
        /// A link; or the room's name, its id, or the beginning of it
        #[arg(value_name = "ROOM|LINK")]
        room: String,
        /// How long to wait for the answer of whoever made the link
        #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
        timeout: Duration,
    },
    /// Leave a room, or turn an invitation down
    Leave {
        /// Its name here, its id, or the beginning of it
        room: String,
    },
    /// List who takes part
    Members {
        /// Its name here, its id, or the beginning of it
        room: String,
    },
    /// Give a member another rank
    Role {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// A member: a contact's name, or a user id
        who: String,
        /// Which; `owner` gives the room away
        role: Rank,
    },
    /// Remove a member, who reads nothing from then on
    Remove {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// A member: a contact's name, or a user id
        who: String,
        #[command(flatten)]
        removal: Removal,
    },
    /// Remove a member and keep them out
    Ban {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// A member: a contact's name, or a user id
        who: String,
        #[command(flatten)]
        removal: Removal,
    },
    /// Let somebody who is banned be invited again
    Unban {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// A contact's name, or a user id
        who: String,
    },
    /// Change who may do what
    Policy {
        /// Its name here, its id, or the beginning of it
        room: String,
        #[command(flatten)]
        rules: Rules,
    },
    /// Give it another name
    Rename {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// What everybody calls it from now on
        name: String,
    },
    /// Say what it is about; without a text: nothing
    Topic {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// What it is about
        topic: Option<String>,
    },
    /// Say what those who join are given of what was said before
    HistoryPolicy {
        /// Its name here, its id, or the beginning of it
        room: String,
        /// How much
        history: History,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Rank {
    Guest,
    Member,
    Moderator,
    Admin,
    Owner,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Join {
    /// Whom a member invites
    Invite,
    /// Also whoever has a link
    Link,
    /// Also whoever asks and is let in
    Knock,
    /// Everybody
    Public,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum History {
    /// Nothing
    None,
    /// The last hundred messages
    Last100,
    /// Those of the last thirty days
    #[value(name = "30days")]
    Days30,
    /// Everything
    All,
}

#[derive(Debug, Args)]
struct Removal {
    /// Hide what they sent around it, too
    #[arg(long)]
    purge: bool,
    /// Why; members can read it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What is not given stays.
#[derive(Debug, Args)]
struct Rules {
    /// Least rank to write
    #[arg(long, value_name = "RANK")]
    post: Option<Rank>,
    /// Least rank to invite
    #[arg(long, value_name = "RANK")]
    invite: Option<Rank>,
    /// Least rank to pin messages
    #[arg(long, value_name = "RANK")]
    pin: Option<Rank>,
    /// Least rank to change name and topic
    #[arg(long, value_name = "RANK")]
    info: Option<Rank>,
    /// Least rank to remove and ban
    #[arg(long, value_name = "RANK")]
    remove: Option<Rank>,
    /// Least rank to give ranks
    #[arg(long, value_name = "RANK")]
    roles: Option<Rank>,
    /// How one comes in
    #[arg(long, value_name = "HOW")]
    join: Option<Join>,
    /// What those who join are given of what was said before
    #[arg(long, value_name = "HOW MUCH")]
    history: Option<History>,
}

fn word(value: impl ValueEnum) -> String {
    let name = value.to_possible_value();
    name.map_or_else(String::new, |name| name.get_name().to_owned())
}

impl Rules {
    /// As the API takes them; nothing if none is given.
    fn body(&self) -> Option<Value> {
        let mut body = serde_json::Map::new();
        let ranks = [
            ("post", self.post),
            ("invite", self.invite),
            ("pin", self.pin),
            ("info", self.info),
            ("remove", self.remove),
            ("roles", self.roles),
        ];
        for (field, rank) in ranks {
            body.extend(rank.map(|rank| (field.to_owned(), json!(word(rank)))));
        }
        body.extend(self.join.map(|join| ("join".to_owned(), json!(word(join)))));
        body.extend(self.history.map(|history| ("history".to_owned(), json!(word(history)))));
        (!body.is_empty()).then_some(Value::Object(body))
    }
}

impl Room {
    pub(crate) fn reach(&self) -> Reach {
        match self.action {
            Action::List | Action::Info { .. } | Action::Members { .. } => Reach::Disk,
            _ => Reach::Network,
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: &Output) -> Result<ExitCode> {
        match &self.action {
            Action::New { name, topic, rules } => {
                let wish = json!({ "name": name, "topic": topic, "policy": rules.body() });
                let room = client.post(&["rooms"], &wish).await?;
                out.data(&room, || format!("{}\n", shown(&room)))?;
                out.note(&format!(
                    "Next: `parlour room invite {} WHO` lets a contact join.",
                    slug(&room)
                ));
            }
            Action::List => list(client, out).await?,
            Action::Info { room } => {
                let room = client.get(&["rooms", room], &[]).await?;
                out.data(&room, || described(&room))?;
            }
            Action::Invite { room, who, guest } => {
                let role = if *guest { "guest" } else { "member" };
                client
                    .post(&["rooms", room, "invites"], &json!({ "user": who, "role": role }))
                    .await?;
                tell(client, out, room, |room| format!("{who} may join {}.\n", slug(room))).await?;
            }
            Action::Link { room, uses, expires } => {
                let wish = json!({ "uses": uses, "valid_s": expires.as_secs() });
                let link = client.post(&["rooms", room, "links"], &wish).await?;
                out.data(&link, || format!("{}\n", field(&link, "link")))?;
                let times = uses.map_or_else(
                    || "anybody who has it".to_owned(),
                    |uses| format!("the first {uses} who show it"),
                );
                out.note(&format!(
                    "It lets {times} join, until {}.",
                    text::local_time(&field(&link, "expires_at"))
                ));
            }
            Action::Join { room, timeout } if room.trim().starts_with("parlour:") => {
                return join_by_link(client, out, room, Instant::now() + *timeout).await;
            }
            Action::Join { room, .. } => {
                let room = client.post(&["rooms", room, "join"], &json!({})).await?;
                out.data(&room, || format!("You are in {}.\n", shown(&room)))?;
            }
            Action::Leave { room } => {
                let room = client.post(&["rooms", room, "leave"], &json!({})).await?;
                out.data(&room, || format!("You have left {}.\n", slug(&room)))?;
            }
            Action::Members { room } => members(client, out, room).await?,
            Action::Role { room, who, role } => {
                let wish = json!({ "role": word(*role) });
                client.patch(&["rooms", room, "members", who], &wish).await?;
                tell(client, out, room, |_| format!("{who} is {} now.\n", word(*role))).await?;
            }
            Action::Remove { room, who, removal } => remove(client, out, room, who, removal, false).await?,
            Action::Ban { room, who, removal } => remove(client, out, room, who, removal, true).await?,
            Action::Unban { room, who } => {
                client.delete(&["rooms", room, "bans", who]).await?;
                tell(client, out, room, |_| format!("{who} can be invited again.\n")).await?;
            }
            Action::Policy { room, rules } => {
                let wish = json!({ "policy": rules.body() });
                changed(client, out, room, &wish).await?;
            }
            Action::Rename { room, name } => changed(client, out, room, &json!({ "name": name })).await?,
            Action::Topic { room, topic } => {
                let wish = json!({ "topic": topic.as_deref().unwrap_or_default() });
                changed(client, out, room, &wish).await?;
            }
            Action::HistoryPolicy { room, history } => {
                let wish = json!({ "policy": { "history": word(*history) } });
                changed(client, out, room, &wish).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn join_by_link(client: &Client, out: &Output, link: &str, deadline: Instant) -> Result<ExitCode> {
    let room = client.post(&["room-links"], &json!({ "link": link })).await?;
    let id = field(&room, "id");
    let read = async || client.get(&["rooms", &id], &[]).await;
    let (room, _) = client
        .wait_until(deadline, read, |room: &Value| room["standing"] != "joining")
        .await?;
    let standing = field(&room, "standing");
    out.data(&room, || match standing.as_str() {
        "member" => format!("You are in {}.\n", shown(&room)),
        "refused" => format!("Not let in: {}.\n", field(&room, "reason")),
        _ => format!(
            "Asked to be let into {}; there is no answer yet.\n",
            field(&room, "name")
        ),
    })?;
    match standing.as_str() {
        "member" => Ok(ExitCode::SUCCESS),
        "refused" => Ok(ExitCode::FAILURE),
        _ => {
            let next = if client.is_embedded() {
                "tried again when a node runs: `parlour up`"
            } else {
                "tried again"
            };
            out.note(&format!(
                "The link is kept, and {next}; `parlour room list` shows when it has worked."
            ));
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn changed(client: &Client, out: &Output, room: &str, wish: &Value) -> Result<()> {
    let room = client.patch(&["rooms", room], wish).await?;
    out.data(&room, || described(&room))?;
    Ok(())
}

async fn remove(client: &Client, out: &Output, room: &str, who: &str, removal: &Removal, ban: bool) -> Result<()> {
    let wish = json!({ "ban": ban, "purge": removal.purge, "reason": removal.reason });
    client.post(&["rooms", room, "members", who, "remove"], &wish).await?;
    let done = if ban { "banned" } else { "removed" };
    tell(client, out, room, |room| {
        format!("{who} is {done} from {}.\n", slug(room))
    })
    .await
}

/// Says what the room is now.
async fn tell(client: &Client, out: &Output, room: &str, text: impl Fn(&Value) -> String) -> Result<()> {
    let room = client.get(&["rooms", room], &[]).await?;
    out.data(&room, || text(&room))?;
    Ok(())
}

async fn list(client: &Client, out: &Output) -> Result<()> {
    let mut rooms = client.items(&["rooms"], &[]).await?;
    rooms.retain(|room| room["standing"] != "gone");
    if rooms.is_empty() {
        out.note("You are in no room. `parlour room new NAME` makes one.");
    }
    let rooms = Value::Array(rooms);
    out.data(&rooms, || rooms.as_array().into_iter().flatten().map(line).collect())?;
    Ok(())
}

async fn members(client: &Client, out: &Output, room: &str) -> Result<()> {
    let members = Value::Array(client.items(&["rooms", room, "members"], &[]).await?);
    out.data(&members, || {
        let line = |member: &Value| {
            format!(
                "{:<10} {}  {}\n",
                field(member, "role"),
                field(member, "name"),
                field(member, "user_id")
            )
        };
        members.as_array().into_iter().flatten().map(line).collect()
    })?;
    Ok(())
}

fn field(value: &Value, name: &str) -> String {
    text::one_line(value[name].as_str().unwrap_or_default())
}

fn slug(room: &Value) -> String {
    field(room, "slug")
}

fn shown(room: &Value) -> String {
    format!("{}  {}", slug(room), field(room, "id"))
}

fn line(room: &Value) -> String {
    if room["standing"] == "invited" {
        let by = field(room, "invited_by_name");
        return format!(
            "{}  invited by {by}: `parlour room join {}`\n",
            field(room, "name"),
            slug(room)
        );
    }
    if room["standing"] != "member" {
        return format!("{}  {}\n", field(room, "name"), field(room, "standing"));
    }
    let unread = room["unread"].as_u64().unwrap_or_default();
    let unread = if unread == 0 {
        String::new()
    } else {
        format!(", {unread} unread")
    };
    format!(
        "{}  {} members, {}{unread}\n",
        slug(room),
        room["members"],
        field(room, "role")
    )
}

fn described(room: &Value) -> String {
    let mut text = format!(
        "{}\n  name     {}\n  topic    {}\n  members  {}, you: {}\n",
        shown(room),
        field(room, "name"),
        field(room, "topic"),
        room["members"],
        field(room, "role")
    );
    for rule in ["post", "invite", "pin", "info", "remove", "roles", "join", "history"] {
        text.push_str(&format!("  {rule:<8} {}\n", field(&room["policy"], rule)));
    }
    text
}
