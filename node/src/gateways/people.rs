//! Users as more than one family has them: the account's own, and its contacts.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::inside::{Refused, part};
use super::request::{Asker, now_text};

/// The account's own user, whose `me` and profile were asked for, with what the family shows as a picture.
pub(super) async fn own(asker: &Asker, me: &Value, profile: &Value, avatar: Value) -> Result<Value, Refused> {
    let login = asker.get("/api/v1/me/login").await?;
    let presence = asker.get("/api/v1/me/presence").await?;
    let since = login["password_since"].as_str().unwrap_or("1970-01-01T00:00:00.000Z");
    Ok(json!({
        "_id": me["user_id"],
        "username": profile["name"],
        "email": login["email"].as_str().unwrap_or_default(),
        "avatar": avatar,
        "isOnline": presence["presence"] == "online",
        "lastSeen": now_text(),
        "createdAt": since,
        "updatedAt": since,
    }))
}

/// A contact as another user.
pub(super) fn contact(contact: &Value, avatar: Value) -> Value {
    let since = &contact["created_at"];
    let seen = Some(&contact["last_seen"])
        .filter(|seen| !seen.is_null())
        .unwrap_or(since);
    json!({
        "_id": contact["user_id"],
        "username": contact["display"],
        "email": "",
        "avatar": avatar,
        "isOnline": contact["presence"] == "online",
        "lastSeen": seen,
        "createdAt": since,
        "updatedAt": since,
    })
}

/// All contacts that are not blocked, as API v1 tells of them.
pub(super) async fn contacts(asker: &Asker) -> Result<Vec<Value>, Refused> {
    let mut listed = asker.get("/api/v1/contacts").await?;
    let mut contacts = match listed["items"].take() {
        Value::Array(contacts) => contacts,
        _ => Vec::new(),
    };
    contacts.retain(is_seen);
    Ok(contacts)
}

/// Whether a contact is shown as a user: neither blocked nor removed.
pub(super) fn is_seen(contact: &Value) -> bool {
    contact["blocked"] != true && contact["state"] != "former"
}

/// Whether somebody with this profile has a picture.
pub(super) fn has_picture(profile: &Value) -> bool {
    profile["avatar_hash"].is_string()
}

/// Somebody whom the account sees, and where API v1 tells of them.
pub(super) struct Person {
    path: String,
    pub(super) profile: Value,
}

impl Person {
    /// Their picture.
    pub(super) async fn picture(&self, asker: &Asker) -> Result<Response, Refused> {
        let Asker { inside, caller, here } = asker;
        let path = format!("{}/avatar", self.path);
        inside.picture(caller, here.from, &path).await
    }
}

/// The account's user or a contact, by the whole id: names are not ids.
pub(super) async fn find(asker: &Asker, user: &str) -> Result<Person, Refused> {
    if asker.get("/api/v1/session").await?["user_id"] == user {
        return Ok(Person {
            path: "/api/v1/me".to_owned(),
            profile: asker.get("/api/v1/me/profile").await?,
        });
    }
    let path = format!("/api/v1/contacts/{}", part(user));
    let mut contact = asker.get(&path).await?;
    if contact["user_id"] != user || !is_seen(&contact) {
        return Err(Refused::new(StatusCode::NOT_FOUND, "there is no such user"));
    }
    let profile = contact["profile"].take();
    Ok(Person { path, profile })
}
