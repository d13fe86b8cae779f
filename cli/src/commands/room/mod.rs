//! `parlour room`

mod args;
mod discover;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use parlour_crypto::image_kind;
use serde_json::{Value, json};
use tokio::time::Instant;

use args::{Action, Removal, word};

use crate::client::Client;
use crate::commands::contacts::{kept, with_kept};
use crate::commands::profile::read_picture;
use crate::connect::Reach;
use crate::output::Output;
use crate::text;
use crate::view;

const EXAMPLES: &str = "\
Examples:
  parlour room new garden --topic \"what grows and what does not\"
  parlour room list
  parlour room info garden                 its rules, and what you are in it
  parlour room invite garden bob
  parlour room invite garden carol --guest     reads and does not write
  parlour room join garden                 what bob does then
  parlour room join 'parlour:...'          with a link
  parlour room leave garden                also turns an invitation down
  parlour send garden \"the beans are up\"
  parlour room members garden
  parlour room link garden --uses 5        for people who are no contacts
  parlour room link garden --revoke 'parlour:...'
  parlour room policy garden --join knock
  parlour room link garden --knock
  parlour room requests garden             who knocks
  parlour room accept garden dora
  parlour room decline garden mallory
  parlour room role garden bob moderator
  parlour room role garden bob owner       gives the room away
  parlour room remove garden carol --reason \"spam\"
  parlour room ban garden mallory --purge
  parlour room unban garden mallory
  parlour room block garden mallory        sees nothing of what they write, in any room
  parlour room unblock garden mallory
  parlour room reports garden              what members find wrong; --dismiss ID puts it away
  parlour room discover                    public rooms of contacts and on the LAN
  parlour room policy garden --post moderator --slow 30s
  parlour room history-policy garden last100
  parlour room rename garden \"Garden Club\"
  parlour room topic garden \"beans\"
  parlour room avatar garden beans.png     --remove takes it away
  parlour room alias garden allotment      on this node alone
  parlour room pin garden msg_ab3cde7h
  parlour room pin garden msg_ab3cde7h --remove";

/// Make rooms, join them, and say who may do what in them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Room {
    #[command(subcommand)]
    action: Action,
}

impl Room {
    pub(crate) fn reach(&self) -> Reach {
        match self.action {
            Action::List
            | Action::Info { .. }
            | Action::Members { .. }
            | Action::Requests { .. }
            | Action::Reports { dismiss: None, .. } => Reach::Disk,
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
            Action::Link {
                room,
                revoke: Some(link),
                ..
            } => {
                client
                    .post(&["rooms", room, "links", "revoke"], &json!({ "link": link }))
                    .await?;
                tell(client, out, room, |_| "The link lets nobody in any more.\n".to_owned()).await?;
            }
            Action::Requests { room } => requests(client, out, room).await?,
            Action::Reports { room, dismiss: None } => reports(client, out, room).await?,
            Action::Reports {
                room,
                dismiss: Some(message),
            } => {
                client.delete(&["rooms", room, "reports", message]).await?;
                tell(client, out, room, |_| "Dismissed.\n".to_owned()).await?;
            }
            Action::Accept { room, who } => {
                client.post(&["rooms", room, "requests", who], &json!({})).await?;
                tell(client, out, room, |room| format!("{who} may join {}.\n", slug(room))).await?;
            }
            Action::Decline { room, who } => {
                client.delete(&["rooms", room, "requests", who]).await?;
                tell(client, out, room, |_| format!("{who} was turned away.\n")).await?;
            }
            Action::Link {
                room,
                uses,
                knock,
                expires,
                revoke: None,
            } => {
                let wish = json!({ "uses": uses, "knock": knock, "valid_s": expires.as_secs() });
                let link = client.post(&["rooms", room, "links"], &wish).await?;
                out.data(&link, || format!("{}\n", field(&link, "link")))?;
                let lets = match uses {
                    _ if *knock => "anybody who has it knock".to_owned(),
                    Some(uses) => format!("the first {uses} who show it join"),
                    None => "anybody who has it join".to_owned(),
                };
                out.note(&format!(
                    "It lets {lets}, until {}.",
                    text::local_time(&field(&link, "expires_at"))
                ));
            }
            Action::Join { room, timeout } if room.trim().starts_with("parlour:") => {
                return join_by_link(client, out, room, Instant::now() + *timeout).await;
            }
            Action::Discover { timeout } => discover::discover(client, out, *timeout).await?,
            Action::Join { room, timeout } => match client.post(&["rooms", room, "join"], &json!({})).await {
                Ok(room) => out.data(&room, || format!("You are in {}.\n", shown(&room)))?,
                Err(unknown) if unknown.is_not_found() => {
                    return discover::join(client, out, room, unknown, Instant::now() + *timeout).await;
                }
                Err(error) => return Err(error.into()),
            },
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
            Action::Block { room, who } => {
                let path = ["rooms", room, "members", who, "block"];
                client.put(&path, &json!({})).await?;
                tell(client, out, room, |_| format!("{who} is blocked.\n")).await?;
            }
            Action::Unblock { room, who } => {
                client.delete(&["rooms", room, "members", who, "block"]).await?;
                tell(client, out, room, |_| format!("{who} is not blocked.\n")).await?;
            }
            Action::Unban { room, who } => {
                client.delete(&["rooms", room, "bans", who]).await?;
                tell(client, out, room, |_| format!("{who} can be invited again.\n")).await?;
            }
            Action::Policy { room, rules } => {
                let wish = json!({ "policy": rules.body() });
                changed(client, out, room, &wish).await?;
            }
            Action::Rename { room, name } => changed(client, out, room, &json!({ "name": name })).await?,
            Action::Alias { room, name } => changed(client, out, room, &json!({ "slug": name })).await?,
            Action::Pin { room, message, remove } => {
                let room = client.get(&["rooms", room], &[]).await?;
                let path = ["messages", message, "pin"];
                let there = client.get(&path[..2], &[]).await?;
                if there["conversation"] != room["id"] {
                    anyhow::bail!("this message is not in {}", slug(&room));
                }
                let message = match remove {
                    true => client.take_away(&path, &[]).await?,
                    false => client.put(&path, &json!({})).await?,
                };
                out.data(&message, || view::Message::of(&message).line(None))?;
            }
            Action::Topic { room, topic } => {
                let wish = json!({ "topic": topic.as_deref().unwrap_or_default() });
                changed(client, out, room, &wish).await?;
            }
            Action::Avatar { room, file, .. } => {
                let path = ["rooms", room.as_str(), "avatar"];
                match file {
                    Some(file) => {
                        let bytes = read_picture(file)?;
                        let kind = image_kind(&bytes)?;
                        client.put_bytes(&path, kind.media_type(), bytes).await?;
                    }
                    None => client.delete(&path).await?,
                }
                tell(client, out, room, described).await?;
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
    let conversations = client.items(&["conversations"], &[]).await?;
    let rooms = Value::Array(with_kept(rooms, "id", &conversations));
    let line = |room| line(room, out);
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

async fn requests(client: &Client, out: &Output, room: &str) -> Result<()> {
    let requests = Value::Array(client.items(&["rooms", room, "requests"], &[]).await?);
    if requests.as_array().is_some_and(Vec::is_empty) {
        out.note("Nobody knocks.");
    }
    out.data(&requests, || {
        let line = |request: &Value| {
            let note = field(request, "note");
            let note = if note.is_empty() { note } else { format!("  {note}") };
            let door = match request["told_by_name"].as_str() {
                Some(name) => format!("  (with a link of {name})"),
                None => String::new(),
            };
            format!(
                "{}  {}{door}{note}\n",
                field(request, "name"),
                field(request, "user_id")
            )
        };
        requests.as_array().into_iter().flatten().map(line).collect()
    })?;
    Ok(())
}

async fn reports(client: &Client, out: &Output, room: &str) -> Result<()> {
    let reports = Value::Array(client.items(&["rooms", room, "reports"], &[]).await?);
    if reports.as_array().is_some_and(Vec::is_empty) {
        out.note("Nothing is reported.");
    }
    out.data(&reports, || {
        let line = |report: &Value| {
            let id = view::short(&field(report, "message_id"));
            let said = match &report["message"] {
                Value::Null => format!("{id}  (a message that is not here)\n"),
                message => view::Message::of(message).line(Some(&id)),
            };
            format!(
                "{said}    reported by {}: {}\n",
                field(report, "name"),
                field(report, "reason")
            )
        };
        reports.as_array().into_iter().flatten().map(line).collect()
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

fn line(room: &Value, out: &Output) -> String {
    if room["standing"] == "invited" {
        let join = out.addressed(&format!("`parlour room join {}`", slug(room)));
        let (name, by) = (field(room, "name"), field(room, "invited_by_name"));
        return format!("{name}  invited by {by}: {join}\n");
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
    let unread = match room["mentions"].as_u64().unwrap_or_default() {
        0 => unread,
        mentions => format!("{unread}, {mentions} for you"),
    };
    format!(
        "{}  {} members, {}{unread}{}\n",
        slug(room),
        room["members"],
        field(room, "role"),
        kept(room)
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
    if let Some(kind) = room["avatar"].as_str() {
        text.push_str(&format!("  picture  {kind}\n"));
    }
    for rule in ["post", "invite", "pin", "info", "remove", "roles", "join", "history"] {
        text.push_str(&format!("  {rule:<8} {}\n", field(&room["policy"], rule)));
    }
    for (name, rule) in [("slow", "slow_mode_ms"), ("timer", "expires_after_ms")] {
        if let Some(ms) = room["policy"][rule].as_u64().filter(|ms| *ms > 0) {
            text.push_str(&format!("  {name:<8} {}\n", text::span(ms)));
        }
    }
    for banned in room["banned"].as_array().into_iter().flatten() {
        text.push_str(&format!(
            "  banned   {}  {}\n",
            field(banned, "name"),
            field(banned, "user_id")
        ));
    }
    text
}
