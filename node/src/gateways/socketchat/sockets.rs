//! The family's Socket.IO events.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::inside::Refused;
use super::super::live::{Dialect, Peer};
use super::super::request::{bad, now_text, text};
use super::{content, messages, room, users};

/// Rooms that one socket is in.
const MAX_ROOMS: usize = 64;

pub(super) struct SocketChat;

/// Conversation id → the name of the room that was joined.
#[derive(Default)]
pub(super) struct Seat(Mutex<BTreeMap<String, String>>);

impl Dialect for SocketChat {
    const EVENTS: &'static [&'static str] = &[
        "join-room",
        "leave-room",
        "send-message",
        "typing-start",
        "typing-stop",
        "message-read",
        "user-status",
    ];
    const NO_TOKEN: &'static str = "Authentication error: No token provided";
    const WRONG_TOKEN: &'static str = "Authentication error: Invalid token";
    type Seat = Seat;

    async fn greet(peer: &Peer<Self>) {
        match users::who_is_online(&peer.asker).await {
            Ok(users) => peer.say("online-users", &Value::Array(users)),
            Err(refused) => peer.say("error", &json!({ "message": refused.detail })),
        }
    }

    async fn take(peer: &Peer<Self>, event: &str, data: &Value) -> Result<(), Refused> {
        match event {
            "join-room" => peer.join(data).await,
            "leave-room" => peer.leave(data).await,
            "send-message" => peer.send(data).await,
            "typing-start" => peer.typing(data, true).await,
            "typing-stop" => peer.typing(data, false).await,
            "message-read" => messages::read_up_to(&peer.asker, text(data, "messageId")?).await,
            _ => {
                let online = data["isOnline"].as_bool();
                let online = online.ok_or_else(|| bad("isOnline must be true or false"))?;
                peer.set_there(online).await
            }
        }
    }

    async fn tell(peer: &Peer<Self>, news: &Value) {
        // What cannot be read now is seen when it is asked for.
        let _ = match news["type"].as_str() {
            Some("message") => peer.tell_message(&news["message"], "new-message").await,
            Some("message_updated") => peer.tell_change(&news["message"]).await,
            Some("message_hidden") => {
                peer.tell_gone(&news["conversation"], &news["id"]);
                Ok(())
            }
            Some("typing") => peer.tell_typing(news).await,
            Some("presence") => peer.tell_presence(news).await,
            Some("receipt") if news["state"] == "read" => peer.tell_read(news).await,
            _ => Ok(()),
        };
    }

    async fn overhear(peer: &Peer<Self>, news: &Value) {
        let is_own = news["account"] == json!(peer.asker.caller.account);
        match news["type"].as_str() {
            Some("written") if is_own => drop(peer.tell_message(&news["message"], "newMessage").await),
            Some(event @ ("user-joined-room" | "user-left-room")) => {
                let is_other = news["socket"] != json!(peer.socket.id.to_string());
                if let Some(room) = peer.room_of(&news["conversation"]).filter(|_| is_other) {
                    let told = json!({ "userId": news["userId"], "username": news["username"], "room": room });
                    peer.say(event, &told);
                }
            }
            _ => {}
        }
    }
}

impl Peer<SocketChat> {
    fn joined<T>(&self, look: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> T {
        look(&mut self.seat.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The name of the room of a conversation, if it was joined.
    fn room_of(&self, conversation: &Value) -> Option<String> {
        let id = conversation.as_str()?;
        self.joined(|joined| joined.get(id).cloned())
    }

    /// Tells sockets of this gateway that are in the room.
    async fn tell_the_room(&self, event: &str, conversation: &str) -> Result<(), Refused> {
        let me = self.asker.get("/api/v1/session").await?;
        self.asker.inside.mention(json!({
            "type": event,
            "conversation": conversation,
            "socket": self.socket.id.to_string(),
            "userId": me["user_id"],
            "username": me["name"],
        }));
        Ok(())
    }

    async fn join(&self, data: &Value) -> Result<(), Refused> {
        let name = room::name_in(data)?;
        let room = room::open(&self.asker, &name).await?;
        let id = room["id"].as_str().unwrap_or_default().to_owned();
        let outcome = self.joined(|joined| {
            if joined.len() >= MAX_ROOMS && !joined.contains_key(&id) {
                let detail = "this connection is in too many rooms";
                return Err(Refused::new(StatusCode::CONFLICT, detail));
            }
            Ok(joined.insert(id.clone(), name.clone()).is_none())
        });
        let is_new = outcome?;
        self.say("joined-room", &json!({ "room": name }));
        match is_new {
            true => self.tell_the_room("user-joined-room", &id).await,
            false => Ok(()),
        }
    }

    async fn leave(&self, data: &Value) -> Result<(), Refused> {
        let name = room::name_in(data)?;
        let left = self.joined(|joined| {
            let id = joined
                .iter()
                .find(|(_, room)| **room == name)
                .map(|(id, _)| id.clone())?;
            joined.remove(&id);
            Some(id)
        });
        self.say("left-room", &json!({ "room": name }));
        match left {
            Some(id) => self.tell_the_room("user-left-room", &id).await,
            None => Ok(()),
        }
    }

    async fn send(&self, data: &Value) -> Result<(), Refused> {
        let wish = json!({ "text": content(data)? });
        let room = room::open(&self.asker, &room::name_in(data)?).await?;
        let id = room["id"].as_str().unwrap_or_default();
        let path = format!("/api/v1/conversations/{id}/messages");
        let sent = self.asker.post(&path, &wish).await?;
        self.say("message-sent", &json!({ "messageId": sent["id"] }));
        Ok(())
    }

    async fn typing(&self, data: &Value, typing: bool) -> Result<(), Refused> {
        let name = room::name_in(data)?;
        let found = self.joined(|joined| {
            let mut rooms = joined.iter();
            rooms.find(|(_, room)| **room == name).map(|(id, _)| id.clone())
        });
        let id = found.ok_or_else(|| Refused::new(StatusCode::FORBIDDEN, "join the room first"))?;
        let path = format!("/api/v1/conversations/{id}/typing");
        let wish = json!({ "typing": typing });
        self.asker.ask(Method::PUT, &path, Some(&wish)).await.map(drop)
    }

    async fn tell_message(&self, message: &Value, event: &str) -> Result<(), Refused> {
        if let Some(room) = self.room_of(&message["conversation"])
            && let Some(shown) = messages::shown(&self.asker, message, &room).await?
        {
            self.say(event, &shown);
        }
        Ok(())
    }

    /// The feed says how a message stands and not what has changed; the family's UIs put each into the place of what they had.
    async fn tell_change(&self, message: &Value) -> Result<(), Refused> {
        if message["deleted"] == true || message.get("gone").is_some() {
            self.tell_gone(&message["conversation"], &message["id"]);
            return Ok(());
        }
        if message.get("edited_at").is_some() {
            self.tell_message(message, "messageEdited").await?;
        }
        self.tell_message(message, "messageReaction").await
    }

    fn tell_gone(&self, conversation: &Value, id: &Value) {
        if self.room_of(conversation).is_some() {
            self.say("messageDeleted", &json!({ "messageId": id }));
        }
    }

    async fn tell_typing(&self, news: &Value) -> Result<(), Refused> {
        let (conversation, user) = (&news["conversation"], &news["user_id"]);
        if let Some(room) = self.room_of(conversation) {
            let id = conversation.as_str().unwrap_or_default();
            let members = self.asker.get(&format!("/api/v1/rooms/{id}/members")).await?;
            let mut members = members["items"].as_array().into_iter().flatten();
            let name = members
                .find(|member| member["user_id"] == *user)
                .map(|member| &member["name"]);
            let told = json!({ "userId": user, "username": name, "room": room, "isTyping": news["typing"] });
            self.say("user-typing", &told);
        }
        Ok(())
    }

    async fn tell_presence(&self, news: &Value) -> Result<(), Refused> {
        let id = news["user_id"].as_str().unwrap_or_default();
        let contact = self.asker.get(&format!("/api/v1/contacts/{id}")).await?;
        let user = users::user(&self.asker, &contact);
        let (id, name, avatar) = (&user["_id"], &user["username"], &user["avatar"]);
        if news["presence"] == "online" {
            let told = json!({ "userId": id, "username": name, "avatar": avatar, "isOnline": true });
            self.say("user-online", &told);
        } else {
            let told = json!({ "userId": id, "username": name, "isOnline": false, "lastSeen": now_text() });
            self.say("user-offline", &told);
        }
        let online = news["presence"] == "online";
        let told = json!({ "userId": id, "username": name, "isOnline": online, "lastSeen": now_text() });
        self.say("user-status-update", &told);
        self.say("userStatusUpdate", &told);
        Ok(())
    }

    async fn tell_read(&self, news: &Value) -> Result<(), Refused> {
        let conversation = &news["conversation"];
        if self.room_of(conversation).is_none() {
            return Ok(());
        }
        let id = conversation.as_str().unwrap_or_default();
        let members = self.asker.get(&format!("/api/v1/rooms/{id}/members")).await?;
        let mut members = members["items"].as_array().into_iter().flatten();
        let user = &news["user_id"];
        let name = members
            .find(|member| member["user_id"] == *user)
            .map(|member| &member["name"]);
        for message in news["message_ids"].as_array().into_iter().flatten() {
            let told = json!({ "messageId": message, "readBy": { "userId": user, "username": name } });
            self.say("message-read-receipt", &told);
        }
        Ok(())
    }
}
