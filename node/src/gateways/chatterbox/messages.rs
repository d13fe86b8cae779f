//! The family's messages.

use axum::Json;
use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::history::{check_skip, newest};
use super::super::inside::Refused;
use super::super::request::{Asker, Object, Params, bad, text};
use super::conversations::find;
use super::{Answer, Page, Session, done, needed, paged, show, users};

/// Messages of a page, without being asked for a number.
const PAGE: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageParams {
    conversation_id: Option<String>,
    user_id: Option<String>,
    page: Option<String>,
    limit: Option<String>,
}

/// A page, of which the first has the newest messages; whoever reads it has read them.
pub(super) async fn page(session: Session, Params(params): Params<PageParams>) -> Answer {
    let user = needed(params.user_id.as_deref(), "userId")?;
    let asker = session.of(user).await?;
    let id = needed(params.conversation_id.as_deref(), "conversationId")?;
    let page = Page::of(params.page.as_deref(), params.limit.as_deref(), PAGE)?;
    let conversation = find(&asker, id).await?;
    let numbered = conversation["last_seq"].as_u64().unwrap_or(0);
    let mut total = usize::try_from(numbered).unwrap_or(usize::MAX);
    let skip = page.skip();
    let mut messages = Vec::new();
    if skip < total {
        check_skip(skip)?;
        let id = conversation["id"].as_str().unwrap_or_default();
        let found = newest(&asker, id, skip, page.limit).await?;
        if !found.more {
            // Some that had a number are not here any more.
            total = total.min(skip.saturating_add(found.messages.len()));
        }
        messages = found.messages;
    }
    if let Some(newest) = messages.first() {
        read(&asker, &conversation, &newest["id"]).await?;
    }
    let mut shown = Vec::with_capacity(messages.len());
    for message in messages.iter().rev() {
        if let Some(mut message_shown) = show::message(message, &conversation, user) {
            if message["own"] == true && message["status"] == "read" {
                message_shown["readAt"] = read_at(&asker, message).await?;
            }
            shown.push(message_shown);
        }
    }
    Ok(paged("messages", &Value::Array(shown), &page, total))
}

/// When all who have read an own message had done so; null where that is not known any more.
async fn read_at(asker: &Asker, message: &Value) -> Result<Value, Refused> {
    let id = message["id"].as_str().unwrap_or_default();
    let details = asker.get(&format!("/api/v1/messages/{id}")).await?;
    let devices = details["devices"].as_array().into_iter().flatten();
    let times = devices
        .filter(|device| device["state"] == "read")
        .map(|device| device["since"].as_str());
    Ok(times.max().flatten().map_or(Value::Null, |at| json!(at)))
}

/// Marks a conversation as read, up to a message.
async fn read(asker: &Asker, conversation: &Value, up_to: &Value) -> Result<(), Refused> {
    if conversation["unread"] == 0 {
        return Ok(());
    }
    let path = format!(
        "/api/v1/conversations/{}/read",
        conversation["id"].as_str().unwrap_or_default()
    );
    let mark = json!({ "up_to": up_to });
    asker.ask(Method::PUT, &path, Some(&mark)).await.map(drop)
}

/// Pictures and files of this family are texts that say where they are, and go as such.
const KINDS: [&str; 4] = ["text", "image", "file", "audio"];

pub(super) async fn send(session: Session, Object(body): Object) -> Result<(StatusCode, Json<Value>), Refused> {
    let user = text(&body, "senderId")?;
    let asker = session.of(user).await?;
    let (receiver, content) = (text(&body, "receiverId")?, text(&body, "content")?);
    let kind = &body["messageType"];
    if !kind.is_null() && !KINDS.iter().any(|known| kind == known) {
        return Err(bad(&format!("messageType must be one of {}", KINDS.join(", "))));
    }
    let conversation = find(&asker, receiver).await?;
    let sent = write(&asker, &conversation, content).await?;
    users::is_there(&asker).await;
    let message = show::message(&sent, &conversation, user).unwrap_or_default();
    Ok((StatusCode::CREATED, Json(done("message sent", "data", &message))))
}

async fn write(asker: &Asker, conversation: &Value, content: &str) -> Result<Value, Refused> {
    let id = conversation["id"].as_str().unwrap_or_default();
    let path = format!("/api/v1/conversations/{id}/messages");
    let wish = json!({ "text": content });
    match asker.post(&path, &wish).await {
        // The family has no other word for accepting an invitation than to write in the room.
        Err(refused) if refused.code == "not_member" => {
            let join = format!("/api/v1/rooms/{id}/join");
            asker.post(&join, &json!({})).await?;
            asker.post(&path, &wish).await
        }
        outcome => outcome,
    }
}
