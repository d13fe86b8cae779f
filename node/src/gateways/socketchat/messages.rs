//! The family's messages over REST.

use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::history::{check_skip, newest};
use super::super::inside::{Refused, part};
use super::super::pictures::{Faces, face};
use super::super::request::{Asker, Id, Object, Params, limit, number, text};
use super::{Answer, Made, content, done, room, show};
use crate::runner::now_ms;

/// Messages of a page: without being asked for a number, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 100;
/// How long a message can be changed, ms.
const EDITABLE_MS: u64 = 24 * 3600 * 1000;

#[derive(Deserialize)]
pub(super) struct PageParams {
    room: Option<String>,
    limit: Option<String>,
    skip: Option<String>,
}

pub(super) async fn page(asker: Asker, Params(params): Params<PageParams>) -> Answer {
    let limit = limit(params.limit.as_deref(), PAGE, MAX_PAGE)?;
    let skip = number(params.skip.as_deref(), 0, "skip")?;
    check_skip(skip)?;
    let name = room::name(params.room.as_deref())?;
    let room = room::open(&asker, &name).await?;
    let newest = newest(&asker, room["id"].as_str().unwrap_or_default(), skip, limit).await?;
    let mut messages = Vec::with_capacity(newest.messages.len());
    let faces = asker.faces(&newest.messages).await;
    for item in newest.messages.iter().rev() {
        messages.extend(with_readers(&asker, item, &name, &faces).await?);
    }
    let data = json!({
        "messages": messages,
        "pagination": { "total": room["last_seq"], "limit": limit, "skip": skip, "hasNext": newest.more },
        "unreadCount": room["unread"],
    });
    Ok(done("", data))
}

/// A message as the family has it; of an own one also who has read it.
pub(super) async fn shown(asker: &Asker, message: &Value, room: &str) -> Result<Option<Value>, Refused> {
    with_readers(asker, message, room, &asker.faces([message]).await).await
}

async fn with_readers(asker: &Asker, message: &Value, room: &str, faces: &Faces) -> Result<Option<Value>, Refused> {
    let picture = face(faces, &message["author"]);
    if message["own"] == true && message["status"] != "sending" {
        let id = message["id"].as_str().unwrap_or_default();
        let details = asker.get(&format!("/api/v1/messages/{id}")).await?;
        return Ok(show::message(message, room, picture, &show::readers(&details)));
    }
    Ok(show::message(message, room, picture, &[]))
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
    let faces = asker.faces([&sent]).await;
    let message = show::message(&sent, &name, face(&faces, &sent["author"]), &[]);
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
