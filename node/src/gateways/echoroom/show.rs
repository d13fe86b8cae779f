//! What API v1 says, as this family says it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::pictures::{Faces, face};
use super::tags;

/// A room with its members, as API v1 lists both.
pub(super) fn room(room: &Value, members: &Value) -> Value {
    let items = || members["items"].as_array().into_iter().flatten();
    let ids: Vec<&Value> = items().map(|member| &member["user_id"]).collect();
    let owner = items().find(|member| member["role"] == "owner");
    let (description, tags) = tags::apart(&room["topic"]);
    json!({
        "_id": room["id"],
        "name": room["name"],
        "slug": room["slug"],
        "description": description,
        "tags": tags,
        "members": ids,
        "createdBy": owner.map_or(&Value::Null, |owner| &owner["user_id"]),
        "createdAt": room["created_at"],
    })
}

/// A room that the account is not in, as API v1 lists it: who else is in it, only its members are told.
pub(super) fn public_room(room: &Value) -> Value {
    let (description, tags) = tags::apart(&room["topic"]);
    json!({
        "_id": room["id"],
        "name": room["name"],
        "slug": room["slug"],
        "description": description,
        "tags": tags,
        "members": [room["made_by"]],
        "createdBy": room["made_by"],
        "createdAt": room["created_at"],
    })
}

/// Messages of a page, in the order they came here.
pub(super) fn messages(page: &Value, room_id: &str, faces: &Faces) -> Vec<Value> {
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut replies = BTreeMap::<&str, u64>::new();
    for item in items {
        if let Some(parent) = item["reply_to"].as_str() {
            let count = replies.entry(parent).or_default();
            *count = count.saturating_add(1);
        }
    }
    // What happened has no number here, and this family counts on numbers.
    let numbered = items.iter().filter(|item| item["seq"] != 0);
    let shown = numbered.map(|item| {
        let mut shown = message(item, room_id, faces);
        let replies = item["id"].as_str().and_then(|id| replies.get(id));
        // Those of its thread, or those that answer it in the middle of one, as far as they are on this page.
        let known = shown["replyCount"].as_u64().unwrap_or(0);
        shown["replyCount"] = json!(replies.copied().unwrap_or(0).max(known));
        shown
    });
    shown.collect()
}

/// A message in both of the family's spellings.
pub(super) fn message(message: &Value, room_id: &str, faces: &Faces) -> Value {
    let mut shown = json!({
        "id": message["id"],
        "_id": message["id"],
        "roomId": room_id,
        "sender": { "id": message["author"], "displayName": message["author_name"] },
        "senderId": message["author"],
        "text": message["text"].as_str().unwrap_or_default(),
        "createdAt": message["created_at"],
        "seq": message["seq"],
        "isSystemMessage": message.get("timer").is_some(),
        "replyCount": message["replies"]["count"].as_u64().unwrap_or(0),
    });
    if let Some(parent) = message.get("reply_to") {
        shown["parentId"] = parent.clone();
    }
    add_picture(&mut shown["sender"], face(faces, &message["author"]));
    shown
}

/// The account that somebody is logged in to.
pub(super) fn user(me: &Value, login: &Value, profile: &Value, picture: &Value) -> Value {
    let mut user = json!({
        "_id": me["user_id"],
        "email": login["email"].as_str().unwrap_or_default(),
        "displayName": profile["name"],
        "hasCompletedOnboarding": true,
        "createdAt": login["password_since"].as_str().unwrap_or("1970-01-01T00:00:00.000Z"),
    });
    add_picture(&mut user, picture);
    user
}

/// The family leaves the field out where there is no picture.
fn add_picture(user: &mut Value, picture: &Value) {
    if !picture.is_null() {
        user["avatarUrl"] = picture.clone();
    }
}
