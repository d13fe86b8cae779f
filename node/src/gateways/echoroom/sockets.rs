//! The family's Socket.IO events: rooms are told of under the name that a client has joined them by.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::inside::{Refused, part};
use super::super::live::{Dialect, Peer};
use super::super::request::text;
use super::show;

/// Rooms that one socket is in.
const MAX_ROOMS: usize = 64;
/// Messages that a socket which comes back is told at once.
const RECOVERED: usize = 200;

pub(super) struct EchoRoom;

/// Conversation id → what the client calls it, and how many it was told are in it.
#[derive(Default)]
pub(super) struct Seat(Mutex<BTreeMap<String, Joined>>);

#[derive(Clone)]
struct Joined {
    alias: String,
    count: Option<usize>,
}

impl Dialect for EchoRoom {
    const EVENTS: &'static [&'static str] = &[
        "auth:identify",
        "room:join",
        "room:leave",
        "message:send",
        "typing:start",
        "typing:stop",
        "connection:recover",
    ];
    const NO_TOKEN: &'static str = "Authentication error";
    const WRONG_TOKEN: &'static str = "Authentication error";
    type Seat = Seat;

    async fn greet(_: &Peer<Self>) {}

    async fn take(peer: &Peer<Self>, event: &str, data: &Value) -> Result<(), Refused> {
        match event {
            "auth:identify" => peer.identify(data).await,
            "room:join" => peer.join(data).await,
            "room:leave" => peer.leave(data),
            "message:send" => peer.send(data).await,
            "typing:start" => peer.typing(data, true).await,
            "typing:stop" => peer.typing(data, false).await,
            _ => peer.recover(data).await,
        }
    }

    async fn tell(peer: &Peer<Self>, news: &Value) {
        match news["type"].as_str() {
            Some("message") => {
                let message = &news["message"];
                if let Some(alias) = peer.alias(&message["conversation"]) {
                    let faces = peer.asker.faces([message]).await;
                    let told = json!({ "message": show::message(message, &alias, &faces), "seq": message["seq"] });
                    peer.say("message:new", &told);
                }
            }
            Some("typing") => {
                if let Some(alias) = peer.alias(&news["conversation"]) {
                    let told = json!({ "roomId": alias, "userId": news["user_id"], "isTyping": news["typing"] });
                    peer.say("typing:update", &told);
                }
            }
            Some("conversation") => {
                let conversation = &news["conversation"]["id"];
                if peer.alias(conversation).is_some() {
                    // What cannot be read now is told with the next change.
                    let _ = peer.tell_count(conversation.as_str().unwrap_or_default()).await;
                }
            }
            _ => {}
        }
    }

    async fn overhear(_: &Peer<Self>, _: &Value) {}
}

impl Peer<EchoRoom> {
    fn joined<T>(&self, look: impl FnOnce(&mut BTreeMap<String, Joined>) -> T) -> T {
        look(&mut self.seat.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the client calls a conversation that it has joined.
    fn alias(&self, conversation: &Value) -> Option<String> {
        let id = conversation.as_str()?;
        self.joined(|joined| joined.get(id).map(|room| room.alias.clone()))
    }

    /// The conversation that the client calls so.
    fn conversation(&self, data: &Value) -> Result<String, Refused> {
        let alias = text(data, "roomId")?;
        let found = self.joined(|joined| {
            let mut rooms = joined.iter();
            rooms.find(|(_, room)| room.alias == alias).map(|(id, _)| id.clone())
        });
        found.ok_or_else(|| Refused::new(StatusCode::FORBIDDEN, "join the room first"))
    }

    /// What a page of API v1 says, under the client's name for the room.
    async fn shown(&self, page: &Value, alias: &str) -> Vec<Value> {
        let faces = self.asker.faces(page["items"].as_array().into_iter().flatten()).await;
        show::messages(page, alias, &faces)
    }

    async fn page(&self, conversation: &str, limit: usize, alias: &str) -> Result<Vec<Value>, Refused> {
        let path = format!("/api/v1/conversations/{conversation}/messages?limit={limit}");
        Ok(self.shown(&self.asker.get(&path).await?, alias).await)
    }

    /// Tells how many are in a room, if that is news.
    async fn tell_count(&self, conversation: &str) -> Result<(), Refused> {
        let members = self.asker.get(&format!("/api/v1/rooms/{conversation}/members")).await?;
        let count = members["items"].as_array().map_or(0, Vec::len);
        let news = self.joined(|joined| {
            let room = joined.get_mut(conversation)?;
            let is_news = room.count.replace(count) != Some(count);
            is_news.then(|| room.alias.clone())
        });
        if let Some(alias) = news {
            self.say("room:user_count", &json!({ "roomId": alias, "count": count }));
        }
        Ok(())
    }

    async fn identify(&self, data: &Value) -> Result<(), Refused> {
        let token = data["token"]
            .as_str()
            .and_then(|token| self.asker.inside.accepts(token));
        if token.is_some_and(|caller| caller.account == self.asker.caller.account) {
            let me = self.asker.get("/api/v1/session").await?;
            self.say("auth:ok", &json!({ "userId": me["user_id"] }));
        } else {
            let told = json!({ "message": "this token is not valid, or not any more" });
            self.say("auth:error", &told);
        }
        Ok(())
    }

    async fn join(&self, data: &Value) -> Result<(), Refused> {
        let alias = text(data, "roomId")?;
        let room = self.asker.get(&format!("/api/v1/rooms/{}", part(alias))).await?;
        let id = room["id"].as_str().unwrap_or_default().to_owned();
        let is_full = self.joined(|joined| {
            if joined.len() >= MAX_ROOMS && !joined.contains_key(&id) {
                return true;
            }
            let (alias, count) = (alias.to_owned(), None);
            joined.insert(id.clone(), Joined { alias, count });
            false
        });
        if is_full {
            let detail = "this connection is in too many rooms";
            return Err(Refused::new(StatusCode::CONFLICT, detail));
        }
        let messages = self.page(&id, super::PAGE, alias).await?;
        self.say("room:joined", &json!({ "roomId": alias, "messages": messages }));
        self.tell_count(&id).await
    }

    fn leave(&self, data: &Value) -> Result<(), Refused> {
        let alias = text(data, "roomId")?;
        self.joined(|joined| joined.retain(|_, room| room.alias != alias));
        self.say("room:left", &json!({ "roomId": alias }));
        Ok(())
    }

    async fn send(&self, data: &Value) -> Result<(), Refused> {
        let conversation = self.conversation(data)?;
        let mut wish = json!({ "text": text(data, "text")? });
        if let Some(temporary) = data["tempId"].as_str() {
            // UIs count these from one with each connection.
            let unique = blake3::hash(format!("{}/{temporary}", self.socket.id).as_bytes());
            wish["client_id"] = json!(unique.to_hex().get(..32));
        }
        if let Some(parent) = data["parentId"].as_str() {
            // Under its root, replies are counted wherever they stand.
            let said = self.asker.get(&format!("/api/v1/messages/{}", part(parent))).await?;
            wish["reply_to"] = said["id"].clone();
            wish["thread"] = said.get("thread").unwrap_or(&said["id"]).clone();
        }
        let path = format!("/api/v1/conversations/{conversation}/messages");
        let sent = self.asker.ask(Method::POST, &path, Some(&wish)).await?;
        let told = json!({ "tempId": data["tempId"], "realId": sent["id"] });
        self.say("message:ack", &told);
        Ok(())
    }

    async fn typing(&self, data: &Value, typing: bool) -> Result<(), Refused> {
        let path = format!("/api/v1/conversations/{}/typing", self.conversation(data)?);
        let wish = json!({ "typing": typing });
        self.asker.ask(Method::PUT, &path, Some(&wish)).await.map(drop)
    }

    /// What came after the last message a client saw, in the order in which it came here, page after page. To one that saw nothing
    /// the newest page is told, as when it joins.
    async fn recover(&self, data: &Value) -> Result<(), Refused> {
        let alias = text(data, "roomId")?;
        let last = data["lastSeenSeq"].as_u64().unwrap_or(0);
        let room = self.asker.get(&format!("/api/v1/rooms/{}", part(alias))).await?;
        if room["last_seq"].as_u64().unwrap_or(0) <= last {
            return Ok(());
        }
        let id = room["id"].as_str().unwrap_or_default();
        if last == 0 {
            let mut newest = self.page(id, RECOVERED, alias).await?;
            newest.sort_by_key(|message| message["seq"].as_u64());
            self.tell_missed(alias, &newest).await;
            return Ok(());
        }
        let mut after = last.to_string();
        loop {
            let path = format!("/api/v1/conversations/{id}/messages?limit={RECOVERED}&after_seq={after}");
            let page = self.asker.get(&path).await?;
            let told = self.tell_missed(alias, &self.shown(&page, alias).await).await;
            match page["next"].as_str() {
                Some(next) if told => next.clone_into(&mut after),
                _ => return Ok(()),
            }
        }
    }

    /// Tells of one page, if there is anything on it; `false` when nobody listens any more.
    async fn tell_missed(&self, alias: &str, missed: &[Value]) -> bool {
        let (Some(first), Some(end)) = (missed.first(), missed.last()) else {
            return true;
        };
        let (from, to) = (&first["seq"], &end["seq"]);
        let told = json!({ "roomId": alias, "messages": missed, "fromSeq": from, "toSeq": to });
        self.say_patiently("connection:missed", &told).await
    }
}
