//! What API v1 says, as this family says it. `fullName` is never empty: its pages take the first letter of it.

use serde_json::{Value, json};

use super::super::history::words;
use super::super::people;

/// The first of these texts in which there is something to read.
fn first_name(names: &[&Value]) -> Value {
    let texts = names.iter().filter_map(|name| name.as_str());
    json!(texts.map(str::trim).find(|text| !text.is_empty()).unwrap_or("?"))
}

/// Where the picture of somebody with this profile is: an address of this gateway, which a page with the session's cookie may
/// read; null without one.
fn picture(user: &Value, profile: &Value) -> Value {
    match (user.as_str(), people::has_picture(profile)) {
        (Some(user), true) => json!(format!("/api/users/{user}/avatar")),
        _ => Value::Null,
    }
}

/// The account's own user, whose `me` and profile were asked for.
pub(super) fn own(me: &Value, profile: &Value, mut user: Value) -> Value {
    user["avatar"] = picture(&me["user_id"], profile);
    user["fullName"] = first_name(&[&me["name"], &me["account"], &me["user_id"]]);
    user["username"] = me["account"].clone();
    user
}

/// A contact as another user.
pub(super) fn contact(contact: &Value) -> Value {
    let avatar = match people::is_seen(contact) {
        true => picture(&contact["user_id"], &contact["profile"]),
        false => Value::Null,
    };
    let mut user = people::contact(contact, avatar);
    user["fullName"] = first_name(&[&contact["display"], &contact["name"], &contact["user_id"]]);
    user["username"] = first_name(&[&contact["name"], &contact["display"], &contact["user_id"]]);
    user
}

/// Somebody of whom only the name is known.
fn named(id: &Value, name: &Value) -> Value {
    let name = first_name(&[name, id]);
    json!({ "_id": id, "fullName": name, "username": name, "avatar": null })
}

/// A conversation, and the contact it is with, if it is with one.
pub(super) fn conversation(conversation: &Value, with: Option<&Value>) -> Value {
    let (created, last) = (&conversation["created_at"], &conversation["last"]);
    let mut other = with.map_or_else(|| named(participant(conversation), &conversation["title"]), contact);
    if with.is_none() {
        other["isOnline"] = json!(false);
    }
    let mut shown = json!({
        "id": conversation["id"],
        "otherParticipant": other,
        "lastMessageAt": last.get("created_at").unwrap_or(created),
        "unreadCount": conversation["unread"],
        "createdAt": created,
    });
    if let Some(content) = words(last) {
        shown["lastMessage"] = json!({ "content": content });
    }
    shown
}

/// To whom one writes there: somebody, or a room itself.
fn participant(conversation: &Value) -> &Value {
    match conversation["kind"] == "direct" {
        true => &conversation["with"],
        false => &conversation["id"],
    }
}

/// A message of a conversation, as the user `me` sees it; `None` for what this family has no shape for.
pub(super) fn message(message: &Value, conversation: &Value, me: &str) -> Option<Value> {
    let is_own = message["own"] == true;
    let receiver = match is_own || conversation["kind"] != "direct" {
        true => participant(conversation).clone(),
        false => json!(me),
    };
    Some(json!({
        "_id": message["id"],
        "content": words(message)?,
        "sender": named(&message["author"], &message["author_name"]),
        "receiver": receiver,
        "messageType": "text",
        "createdAt": message["created_at"],
        // Whoever is shown a message of others has read it.
        "isRead": !is_own || message["status"] == "read",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_name_with_a_first_letter() {
        let me = json!({ "user_id": "user_a", "name": " ", "account": "ada" });
        let own = own(&me, &json!({ "avatar_hash": "ab" }), json!({}));
        assert_eq!(
            (&own["fullName"], &own["avatar"]),
            (&json!("ada"), &json!("/api/users/user_a/avatar"))
        );
        let unknown = json!({ "id": "conv_r", "kind": "room", "title": "", "last": null });
        let shown = conversation(&unknown, None);
        let other = &shown["otherParticipant"];
        assert_eq!(
            (&other["_id"], &other["fullName"]),
            (&json!("conv_r"), &json!("conv_r"))
        );
        let nameless = json!({ "user_id": "user_b", "display": "", "name": null });
        assert_eq!(contact(&nameless)["fullName"], "user_b");
        assert_eq!(contact(&nameless)["avatar"], Value::Null);
        assert_eq!(first_name(&[&Value::Null]), "?");
    }

    #[test]
    fn a_message_goes_to_somebody_or_to_a_room() {
        let direct = json!({ "id": "conv_d", "kind": "direct", "with": "user_b" });
        let room = json!({ "id": "conv_r", "kind": "room" });
        let theirs = json!({ "id": "m1", "author": "user_b", "author_name": "bo", "text": "hello", "own": false });
        let ours =
            json!({ "id": "m2", "author": "user_a", "author_name": "", "text": "hi", "own": true, "status": "sent" });
        let to = |said: &Value, place: &Value| message(said, place, "user_a").unwrap()["receiver"].clone();
        assert_eq!(
            (to(&theirs, &direct), to(&ours, &direct)),
            (json!("user_a"), json!("user_b"))
        );
        assert_eq!(
            (to(&theirs, &room), to(&ours, &room)),
            (json!("conv_r"), json!("conv_r"))
        );
        let shown = message(&ours, &direct, "user_a").unwrap();
        assert_eq!(
            (&shown["isRead"], &shown["sender"]["fullName"]),
            (&json!(false), &json!("user_a"))
        );
        assert!(message(&json!({ "id": "m3", "text": null }), &room, "user_a").is_none());
    }
}
