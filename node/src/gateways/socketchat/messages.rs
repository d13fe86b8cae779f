//! The family's messages over REST.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::inside::{Refused, part};
use super::super::request::{Asker, Object, bad, text};
use super::{Answer, Id, Made, content, done, room, show};
use crate::runner::now_ms;

/// Messages of a page: without being asked for a number, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 100;
/// Messages that a page may leave out.
const MAX_SKIP: usize = 5_000;
/// Messages that API v1 gives at once.
const STEP: usize = 200;
/// How long a message can be changed, ms.
const EDITABLE_MS: u64 = 24 * 3600 * 1000;

#[derive(Deserialize)]
pub(super) struct PageParams {
    room: Option<String>,
    limit: Option<String>,
    skip: Option<String>,
}

fn number(text: Option<&str>, usual: usize, name: &str) -> Result<usize, Refused> {
    match text.map(str::parse::<usize>) {
        None => Ok(usual),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => Err(bad(&format!("{name} must be a number"))),
    }
}

pub(super) async fn page(asker: Asker, params: Result<Query<PageParams>, QueryRejection>) -> Answer {
    let Query(params) = params.map_err(|_| bad("the query is not valid"))?;
    let limit = number(params.limit.as_deref(), PAGE, "limit")?;
    let skip = number(params.skip.as_deref(), 0, "skip")?;
    if limit == 0 || skip > MAX_SKIP {
        return Err(bad(&format!("limit must be from 1, skip up to {MAX_SKIP}")));
    }
    let limit = limit.min(MAX_PAGE);
    let name = room::name(params.room.as_deref())?;
    let room = room::open(&asker, &name).await?;
    let (mut items, more) = newest(&asker, room["id"].as_str().unwrap_or_default(), skip, limit).await?;
    items.reverse();
    let mut messages = Vec::with_capacity(items.len());
    for item in &items {
        messages.extend(shown(&asker, item, &name).await?);
    }
    let data = json!({
        "messages": messages,
        "pagination": { "total": room["last_seq"], "limit": limit, "skip": skip, "hasNext": more },
        "unreadCount": room["unread"],
    });
    Ok(done("", data))
}

/// Messages of a room, the newest first, without the first `skip` of them; and whether there are more.
async fn newest(asker: &Asker, room: &str, skip: usize, limit: usize) -> Result<(Vec<Value>, bool), Refused> {
    let (mut kept, mut seen, mut before) = (Vec::new(), 0, String::new());
    loop {
        let left = skip.saturating_add(limit).saturating_sub(seen).min(STEP);
        let path = format!("/api/v1/conversations/{room}/messages?limit={left}{before}");
        let page = asker.get(&path).await?;
        for item in page["items"].as_array().into_iter().flatten().rev() {
            if seen >= skip {
                kept.push(item.clone());
            }
            seen = seen.saturating_add(1);
        }
        let Some(prev) = page["prev"].as_str() else {
            return Ok((kept, false));
        };
        if kept.len() >= limit {
            return Ok((kept, true));
        }
        before = format!("&before={}", part(prev));
    }
}

/// A message as the family has it; of an own one also who has read it.
pub(super) async fn shown(asker: &Asker, message: &Value, room: &str) -> Result<Option<Value>, Refused> {
    if message["own"] == true && message["status"] != "sending" {
        let id = message["id"].as_str().unwrap_or_default();
        let details = asker.get(&format!("/api/v1/messages/{id}")).await?;
        return Ok(show::message(message, room, &show::readers(&details)));
    }
    Ok(show::message(message, room, &[]))
}

pub(super) async fn write(asker: Asker, Object(body): Object) -> Made {
    let wish = json!({ "text": content(&body)? });
    let name = room::name_in(&body)?;
    let room = room::open(&asker, &name).await?;
    let path = format!(
        "/api/v1/conversations/{}/messages",
        room["id"].as_str().unwrap_or_default()
    );
    let sent = asker.post(&path, &wish).await?;
    asker
        .inside
        .mention(json!({ "type": "written", "account": asker.caller.account, "message": sent }));
    let message = show::message(&sent, &name, &[]);
    Ok((StatusCode::CREATED, done("message sent", json!({ "message": message }))))
}

/// A message of a room, and what the room is called.
async fn find(asker: &Asker, id: &str) -> Result<(Value, String), Refused> {
    let message = asker.get(&format!("/api/v1/messages/{}", part(id))).await?;
    // The beginning of an id finds a message, too.
    if message["id"] != id {
        return Err(Refused::new(StatusCode::NOT_FOUND, "there is no such message"));
    }
    let name = room::alias(asker, &message["conversation"]).await?;
    Ok((message, name))
}

fn check_own(message: &Value) -> Result<(), Refused> {
    match message["own"] == true {
        true => Ok(()),
        false => Err(Refused::new(StatusCode::FORBIDDEN, "only the sender can do that")),
    }
}

async fn answer(asker: &Asker, changed: &Value, name: &str, text: &str) -> Answer {
    Ok(done(text, json!({ "message": shown(asker, changed, name).await? })))
}

pub(super) async fn edit(asker: Asker, Id(id): Id, Object(body): Object) -> Answer {
    let new = content(&body)?;
    let (message, name) = find(&asker, &id).await?;
    check_own(&message)?;
    let sent: Option<jiff::Timestamp> = message["created_at"].as_str().and_then(|text| text.parse().ok());
    let sent = sent
        .and_then(|sent| u64::try_from(sent.as_millisecond()).ok())
        .unwrap_or(0);
    if now_ms().saturating_sub(sent) > EDITABLE_MS {
        return Err(Refused::new(
            StatusCode::FORBIDDEN,
            "a message can be changed for 24 hours",
        ));
    }
    let path = format!("/api/v1/messages/{}", part(&id));
    let changed = asker.ask(Method::PATCH, &path, Some(&json!({ "text": new }))).await?;
    answer(&asker, &changed, &name, "message changed").await
}

pub(super) async fn delete(asker: Asker, Id(id): Id) -> Answer {
    let (message, _) = find(&asker, &id).await?;
    check_own(&message)?;
    let path = format!("/api/v1/messages/{}?for=all", part(&id));
    asker.ask(Method::DELETE, &path, None).await?;
    Ok(done("message deleted", Value::Null))
}

/// Everything up to a message is read.
pub(super) async fn read_up_to(asker: &Asker, id: &str) -> Result<(), Refused> {
    let (message, _) = find(asker, id).await?;
    let path = format!(
        "/api/v1/conversations/{}/read",
        message["conversation"].as_str().unwrap_or_default()
    );
    asker
        .ask(Method::PUT, &path, Some(&json!({ "up_to": id })))
        .await
        .map(drop)
}

pub(super) async fn read(asker: Asker, Id(id): Id, Object(_): Object) -> Answer {
    read_up_to(&asker, &id).await?;
    Ok(done("message read", Value::Null))
}

pub(super) async fn react(asker: Asker, Id(id): Id, Object(body): Object) -> Answer {
    let emoji = text(&body, "emoji")?;
    let (message, name) = find(&asker, &id).await?;
    let mut reactions = message["reactions"].as_array().into_iter().flatten();
    let is_there = reactions.any(|reaction| reaction["emoji"] == emoji && reaction["mine"] == true);
    let path = format!("/api/v1/messages/{}/reactions/{}", part(&id), part(emoji));
    let changed = match is_there {
        true => asker.ask(Method::DELETE, &path, None).await?,
        false => asker.ask(Method::PUT, &path, Some(&json!({}))).await?,
    };
    answer(&asker, &changed, &name, "reaction changed").await
}
