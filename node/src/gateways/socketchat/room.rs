//! The family's rooms: a lower-case name is what a room is called on this node.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::inside::Refused;
use super::super::public;
use super::super::request::Asker;

/// Where messages go that name no room.
pub(super) const USUAL: &str = "general";
/// Characters of a name.
const MAX_NAME: usize = 50;

/// The name that a body or a query gives.
pub(super) fn name(given: Option<&str>) -> Result<String, Refused> {
    let name = given.unwrap_or(USUAL).trim().to_lowercase();
    let is_plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.chars().count() > MAX_NAME || !name.chars().all(is_plain) {
        let detail = format!("a room's name has 1 to {MAX_NAME} letters, digits, - and _");
        return Err(Refused::new(StatusCode::BAD_REQUEST, detail));
    }
    Ok(name)
}

/// The name in a field of a body, which may be left out.
pub(super) fn name_in(body: &Value) -> Result<String, Refused> {
    match &body["room"] {
        Value::Null => name(None),
        Value::String(text) => name(Some(text)),
        _ => Err(Refused::new(StatusCode::BAD_REQUEST, "room must be a text")),
    }
}

/// The room of a name: joined if the account is invited, made if there is none.
pub(super) async fn open(asker: &Asker, name: &str) -> Result<Value, Refused> {
    if let Some(room) = find(asker, name).await? {
        return Ok(room);
    }
    // Two sockets that come at once make one room.
    let _alone = asker.inside.alone().await;
    if let Some(room) = find(asker, name).await? {
        return Ok(room);
    }
    // Of all that one may know of, only a room of this node's people is the family's room of this name.
    if let Some(room) = public::find(asker, name).await?.filter(|room| room["here"] == true) {
        let entered = public::enter(asker, &room).await?;
        return called(asker, entered, name).await;
    }
    let wish = json!({ "name": name, "policy": { "join": "public", "history": "all" } });
    let made = asker.post("/api/v1/rooms", &wish).await?;
    called(asker, made, name).await
}

/// Has a room called so on this node.
async fn called(asker: &Asker, room: Value, name: &str) -> Result<Value, Refused> {
    if room["slug"] == name {
        return Ok(room);
    }
    let path = format!("/api/v1/rooms/{}", room["id"].as_str().unwrap_or_default());
    asker.ask(Method::PATCH, &path, Some(&json!({ "slug": name }))).await
}

async fn find(asker: &Asker, name: &str) -> Result<Option<Value>, Refused> {
    let listed = asker.get("/api/v1/rooms").await?;
    let rooms = listed["items"].as_array().into_iter().flatten();
    let Some(room) = rooms.into_iter().find(|room| room["slug"] == name) else {
        return Ok(None);
    };
    let id = room["id"].as_str().unwrap_or_default();
    match room["standing"].as_str() {
        Some("invited") => {
            let joined = asker.post(&format!("/api/v1/rooms/{id}/join"), &json!({})).await;
            joined.map(Some)
        }
        Some("joining") => {
            let detail = "nobody of this room has let you in yet: try again";
            Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, detail).after(2))
        }
        Some("gone") => Err(Refused::new(StatusCode::FORBIDDEN, "you are no member of this room")),
        _ => Ok(Some(room.clone())),
    }
}

/// What the room of a conversation is called.
pub(super) async fn alias(asker: &Asker, conversation: &Value) -> Result<String, Refused> {
    let id = conversation.as_str().unwrap_or_default();
    let room = asker.get(&format!("/api/v1/rooms/{id}")).await?;
    Ok(room["slug"].as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rooms_name_is_lower_case_and_plain() {
        assert_eq!(name(None).unwrap(), "general");
        assert_eq!(name(Some(" Garden-2 ")).unwrap(), "garden-2");
        for wrong in ["", " ", "a b", "../x", "a/b", "a?b", "a%b", &"x".repeat(51)] {
            assert!(name(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(name_in(&json!({ "room": 1 })).is_err());
        assert_eq!(name_in(&json!({})).unwrap(), "general");
    }
}
