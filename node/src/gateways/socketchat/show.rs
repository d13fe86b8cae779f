//! What API v1 says, as this family says it.

use serde_json::{Value, json};

use super::super::history::words;

/// A message; `None` for what this family has no shape for. `picture` is where its sender's is, `read_by` are the users who have read it, and when.
pub(super) fn message(message: &Value, room: &str, picture: &Value, read_by: &[(&Value, &Value)]) -> Option<Value> {
    let content = words(message)?;
    let id = message["id"].as_str().unwrap_or_default();
    let sent = &message["created_at"];
    let edited = message.get("edited_at");
    let mut shown = json!({
        "_id": id,
        "content": content,
        "sender": person(&message["author"], &message["author_name"], picture),
        "room": room,
        "messageType": "text",
        "isEdited": edited.is_some(),
        "reactions": reactions(message),
        "readBy": read_by.iter().map(|(user, at)| json!({ "user": user, "readAt": at })).collect::<Vec<_>>(),
        "createdAt": sent,
        "updatedAt": edited.unwrap_or(sent),
    });
    if let Some(edited) = edited {
        shown["editedAt"] = edited.clone();
    }
    Some(shown)
}

fn reactions(message: &Value) -> Vec<Value> {
    let all = message["reactions"].as_array().into_iter().flatten();
    let each = all.flat_map(|reaction| {
        let emoji = &reaction["emoji"];
        let users = reaction["users"].as_array().into_iter().flatten();
        users.map(move |user| {
            let name = format!("{}/{user}/{emoji}", message["id"]);
            let id = blake3::hash(name.as_bytes()).to_hex();
            json!({ "_id": id.get(..24), "user": user, "emoji": emoji })
        })
    });
    each.collect()
}

/// Somebody as a message's sender.
fn person(id: &Value, name: &Value, picture: &Value) -> Value {
    json!({ "_id": id, "username": name, "email": "", "avatar": picture })
}

/// Who has read a message, by its details, and when that was told; null where that is not known any more.
pub(super) fn readers(details: &Value) -> Vec<(&Value, &Value)> {
    let devices = details["devices"].as_array().into_iter().flatten();
    let mut users: Vec<_> = devices
        .filter(|device| device["state"] == "read")
        .map(|device| (&device["user_id"], &device["since"]))
        .collect();
    users.dedup_by_key(|(user, _)| *user);
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_familys_fields_and_one_that_is_gone_is_none() {
        let told = json!({
            "id": "m1", "author": "u1", "author_name": "ada", "text": "hello", "deleted": false,
            "reactions": [{ "emoji": "x", "users": ["u1", "u2"] }], "created_at": "T1", "edited_at": "T2",
        });
        let shown = message(&told, "garden", &json!("P"), &[(&json!("u2"), &json!("T3"))]).unwrap();
        assert_eq!(
            (&shown["content"], &shown["room"], &shown["isEdited"]),
            (&json!("hello"), &json!("garden"), &json!(true))
        );
        assert_eq!(
            (&shown["updatedAt"], &shown["readBy"][0]),
            (&json!("T2"), &json!({ "user": "u2", "readAt": "T3" }))
        );
        assert_eq!(shown["sender"]["avatar"], "P");
        let [one, other] = &shown["reactions"].as_array().unwrap()[..] else {
            panic!("two reactions");
        };
        assert_eq!((&one["user"], &other["user"]), (&json!("u1"), &json!("u2")));
        assert_ne!(one["_id"], other["_id"]);
        let gone = json!({ "id": "m", "text": null, "gone": "expired" });
        assert!(message(&gone, "garden", &Value::Null, &[]).is_none());
    }
}
