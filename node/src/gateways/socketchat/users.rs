//! The family's users: the account's own, and its contacts.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::form;
use super::super::inside::{Refused, from_error, part};
use super::super::people;
use super::super::request::{Asker, Gate, Id, Object, Params, bad, limit, now_text, text};
use super::{Answer, USERNAME, done};
use crate::api::read_body;

/// Users that a search finds, without being asked for a number, and at most.
const FOUND: usize = 10;
const MAX_FOUND: usize = 50;

/// The account's own user.
pub(super) async fn own(asker: &Asker) -> Result<Value, Refused> {
    let profile = asker.get("/api/v1/me/profile").await?;
    own_with(asker, &profile).await
}

/// The same with a profile that is known.
async fn own_with(asker: &Asker, profile: &Value) -> Result<Value, Refused> {
    let me = asker.get("/api/v1/me").await?;
    let avatar = asker.address(&me["user_id"], profile);
    people::own(asker, &me, profile, avatar).await
}

/// A contact as this family's user.
pub(super) fn user(asker: &Asker, contact: &Value) -> Value {
    people::contact(contact, asker.face_of(contact))
}

/// All contacts that are not blocked.
async fn contacts(asker: &Asker) -> Result<Vec<Value>, Refused> {
    let contacts = people::contacts(asker).await?;
    Ok(contacts.iter().map(|contact| user(asker, contact)).collect())
}

/// Who is there, the account's user first.
pub(super) async fn who_is_online(asker: &Asker) -> Result<Vec<Value>, Refused> {
    let mut own = own(asker).await?;
    // Whoever asks is there; what they have just said of that may not be seen yet.
    own["isOnline"] = json!(true);
    let mut users = vec![own];
    users.extend(contacts(asker).await?);
    users.retain(|user| user["isOnline"] == true);
    Ok(users)
}

pub(super) async fn me(asker: Asker) -> Answer {
    Ok(done("", json!({ "user": own(&asker).await? })))
}

pub(super) async fn online(asker: Asker) -> Answer {
    let users = who_is_online(&asker).await?;
    Ok(done("", json!({ "count": users.len(), "users": users })))
}

/// A name as this family takes it.
pub(super) fn checked_name(name: &str) -> Result<&str, Refused> {
    let name = name.trim();
    if USERNAME.contains(&name.chars().count()) {
        return Ok(name);
    }
    let detail = format!(
        "username must have {} to {} characters",
        USERNAME.start(),
        USERNAME.end()
    );
    Err(bad(&detail))
}

pub(super) async fn rename(asker: Asker, Object(body): Object) -> Answer {
    let name = checked_name(text(&body, "username")?)?;
    let wish = json!({ "name": name });
    let profile = asker.change_profile(&wish).await?;
    let user = own_with(&asker, &profile).await?;
    Ok(done("profile changed", json!({ "user": user })))
}

/// Takes a picture from a form. A form needs no leave to be sent here by a page of another origin, and does nothing: what says who
/// asks is a header.
pub(super) async fn set_avatar(State(gate): State<Gate>, asker: Asker, request: Request) -> Answer {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    let body = read_body(request, &gate.door)
        .await
        .map_err(|error| from_error(&error))?;
    let picture = form::field(&kind, body, "file").await;
    let picture = picture.ok_or_else(|| bad("the body must be a form (multipart/form-data) with a picture as file"))?;
    let profile = asker
        .change_profile(&json!({ "avatar": BASE64.encode(&picture) }))
        .await?;
    let user = own_with(&asker, &profile).await?;
    let data = json!({ "avatarUrl": user["avatar"], "user": user });
    Ok(done("picture changed", data))
}

#[derive(Deserialize)]
pub(super) struct SearchParams {
    q: Option<String>,
    limit: Option<String>,
}

pub(super) async fn search(asker: Asker, Params(params): Params<SearchParams>) -> Answer {
    let wanted = params.q.unwrap_or_default().trim().to_lowercase();
    if wanted.chars().count() < 2 {
        return Err(bad("q must have 2 characters"));
    }
    let limit = limit(params.limit.as_deref(), FOUND, MAX_FOUND)?;
    let mut users = contacts(&asker).await?;
    users.retain(|user| {
        user["username"]
            .as_str()
            .is_some_and(|name| name.to_lowercase().contains(&wanted))
    });
    users.truncate(limit);
    Ok(done("", json!({ "count": users.len(), "users": users })))
}

pub(super) async fn one(asker: Asker, Id(id): Id) -> Answer {
    let me = asker.get("/api/v1/me").await?;
    let user = if me["user_id"] == id.as_str() {
        own(&asker).await?
    } else {
        let contact = asker.get(&format!("/api/v1/contacts/{}", part(&id))).await?;
        // Names are not ids.
        if contact["user_id"] != id.as_str() {
            return Err(Refused::new(StatusCode::NOT_FOUND, "there is no such user"));
        }
        user(&asker, &contact)
    };
    Ok(done("", json!({ "user": user })))
}

pub(super) async fn set_status(asker: Asker, Object(body): Object) -> Result<Json<Value>, Refused> {
    let online = body["isOnline"]
        .as_bool()
        .ok_or_else(|| bad("isOnline must be true or false"))?;
    asker.say_there(online).await?;
    let data = json!({ "isOnline": online, "lastSeen": now_text() });
    Ok(done("status changed", data))
}
