//! Users as more than one family has them: the account's own, and its contacts.

use serde_json::{Value, json};

use super::inside::Refused;
use super::request::{Asker, now_text};

/// The account's own user, whose `me` was asked for.
pub(super) async fn own(asker: &Asker, me: &Value) -> Result<Value, Refused> {
    let login = asker.get("/api/v1/me/login").await?;
    let presence = asker.get("/api/v1/me/presence").await?;
    let since = login["password_since"].as_str().unwrap_or("1970-01-01T00:00:00.000Z");
    Ok(json!({
        "_id": me["user_id"],
        "username": me["name"],
        "email": login["email"].as_str().unwrap_or_default(),
        "avatar": null,
        "isOnline": presence["presence"] == "online",
        "lastSeen": now_text(),
        "createdAt": since,
        "updatedAt": since,
    }))
}

/// A contact as another user.
pub(super) fn contact(contact: &Value) -> Value {
    let since = &contact["created_at"];
    let seen = Some(&contact["last_seen"])
        .filter(|seen| !seen.is_null())
        .unwrap_or(since);
    json!({
        "_id": contact["user_id"],
        "username": contact["display"],
        "email": "",
        "avatar": null,
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
    contacts.retain(|one| one["blocked"] != true);
    Ok(contacts)
}
