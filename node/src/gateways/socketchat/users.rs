//! The family's users: the account's own, and its contacts.

use axum::Json;
use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::inside::{Refused, part};
use super::super::people;
use super::super::request::{Asker, Id, Object, Params, bad, limit, now_text, text};
use super::{Answer, USERNAME, done};

/// Users that a search finds, without being asked for a number, and at most.
const FOUND: usize = 10;
const MAX_FOUND: usize = 50;

/// The account's own user.
pub(super) async fn own(asker: &Asker) -> Result<Value, Refused> {
    let me = asker.get("/api/v1/me").await?;
    people::own(asker, &me).await
}

/// All contacts that are not blocked.
async fn contacts(asker: &Asker) -> Result<Vec<Value>, Refused> {
    Ok(people::contacts(asker).await?.iter().map(people::contact).collect())
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
    asker.ask(Method::PATCH, "/api/v1/me/profile", Some(&wish)).await?;
    Ok(done("profile changed", json!({ "user": own(&asker).await? })))
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
        people::contact(&contact)
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
