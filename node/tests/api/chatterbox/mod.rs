//! The gateway `chatterbox`: its calls, and two people on two nodes who talk through it.

mod refusals;

use parlour_node::Registration;
use serde_json::{Value, json};

use super::house::{House, PASSWORD};
use super::personal::GIF;
use super::support::{Raw, Reply, invite_link, invite_of};

/// A page of the family in a browser: it sends its origin and its cookie, and knows the id of whoever is logged in.
struct Page<'a> {
    house: &'a House,
    cookie: String,
    user: String,
}

impl House {
    fn origin(&self) -> String {
        format!("http://localhost:{}", self.gate.address.port())
    }

    /// A request of a page without a cookie.
    fn asks(&self, method: &str, path: &str) -> Raw {
        let request = self.gate.request(method, path).without("Authorization");
        match method {
            "GET" => request,
            _ => request.set("Origin", &self.origin()),
        }
    }

    fn posts(&self, path: &str, body: &Value) -> Raw {
        let request = self.asks("POST", path).set("Content-Type", "application/json");
        request.body(&body.to_string())
    }

    async fn log_in(&self, name: &str) -> (Page<'_>, Reply) {
        let login = json!({ "email": format!("{name}@example.org"), "password": PASSWORD });
        let reply = self.gate.send(&self.posts("/api/auth/login", &login)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        (self.page(&reply), reply)
    }

    fn page(&self, login: &Reply) -> Page<'_> {
        let cookie = login.header("set-cookie").unwrap().split(';').next().unwrap();
        Page {
            house: self,
            cookie: cookie.to_owned(),
            user: login.json()["user"]["_id"].as_str().unwrap().to_owned(),
        }
    }
}

impl Page<'_> {
    fn asks(&self, path: &str) -> Raw {
        self.house.asks("GET", path).set("Cookie", &self.cookie)
    }

    fn posts(&self, path: &str, body: &Value) -> Raw {
        self.house.posts(path, body).set("Cookie", &self.cookie)
    }

    /// A good answer, in the family's envelope.
    async fn get(&self, path: &str) -> Value {
        let reply = self.house.gate.send(&self.asks(path)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let answer = reply.json();
        assert_eq!(answer["success"], true, "{path}");
        assert!(answer["message"].is_string() && answer.get("data").is_some(), "{path}");
        answer
    }

    async fn conversations(&self) -> Vec<Value> {
        let answer = self.get(&format!("/api/conversations?userId={}", self.user)).await;
        answer["conversations"].as_array().unwrap().clone()
    }

    /// A page of a conversation.
    async fn messages(&self, conversation: &Value, page: &str) -> Value {
        let (id, user) = (conversation.as_str().unwrap(), &self.user);
        let path = format!("/api/messages/conversation?conversationId={id}&userId={user}{page}");
        self.get(&path).await
    }

    fn writes(&self, to: &Value, content: &str) -> Raw {
        let wish = json!({ "senderId": self.user, "receiverId": to, "content": content });
        self.posts("/api/messages/send", &wish)
    }

    async fn write(&self, to: &Value, content: &str) -> Value {
        let reply = self.house.gate.send(&self.writes(to, content)).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()
    }
}

fn keys(of: &Value) -> Vec<&str> {
    of.as_object().unwrap().keys().map(String::as_str).collect()
}

fn texts(answer: &Value) -> Vec<&str> {
    let messages = answer["messages"].as_array().unwrap().iter();
    messages.map(|message| message["content"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_the_family_are_answered_with_what_its_pages_read() {
    let ada = House::of("ada", "chatterbox").await;
    for (link, petname) in [(invite_link(7), Some("Zoë")), (invite_of([8; 32], ""), None)] {
        let wish = json!({ "link": link, "petname": petname });
        assert_eq!(ada.native.post("/api/v1/contacts", &wish).await.status, 201);
    }
    let room = ada
        .native
        .post("/api/v1/rooms", &json!({ "name": "Garden" }))
        .await
        .json();
    let (page, login) = ada.log_in("ada").await;
    let answer = login.json();
    assert_eq!(keys(&answer), ["data", "message", "success", "user"]);
    let user = &answer["user"];
    assert_eq!(
        (&user["fullName"], &user["username"], &user["email"], &user["isOnline"]),
        (&json!("ada"), &json!("ada"), &json!("ada@example.org"), &json!(true))
    );
    for field in ["_id", "avatar", "lastSeen", "createdAt", "updatedAt"] {
        assert!(user.get(field).is_some(), "{field}");
    }
    assert_eq!(user["_id"], ada.native.get("/api/v1/me").await.json()["user_id"]);

    // Nothing was said yet, and every contact and every room is there, each with a name.
    let listed = page.get(&format!("/api/conversations?userId={}", page.user)).await;
    assert_eq!(keys(&listed), ["conversations", "data", "message", "success"]);
    let conversations = page.conversations().await;
    assert_eq!(conversations.len(), 3, "{listed}");
    for conversation in &conversations {
        let other = &conversation["otherParticipant"];
        for name in ["fullName", "username"] {
            assert!(!other[name].as_str().unwrap().trim().is_empty(), "{conversation}");
        }
        assert!(
            other.get("avatar").is_some() && other["isOnline"] == false,
            "{conversation}"
        );
        assert!(conversation.get("lastMessage").is_none(), "{conversation}");
        assert_eq!(conversation["unreadCount"], 0);
        assert_eq!(conversation["lastMessageAt"], conversation["createdAt"]);
    }
    let of = |name: &str| {
        let mut all = conversations.iter();
        let found = all.find(|one| one["otherParticipant"]["fullName"] == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {conversations:?}"))
            .clone()
    };
    let (zoe, garden) = (of("Zoë"), of("Garden"));
    assert_eq!(
        (&garden["id"], &garden["otherParticipant"]["_id"]),
        (&room["id"], &room["id"])
    );

    // To somebody, and into a room.
    for conversation in [&zoe, &garden] {
        let to = &conversation["otherParticipant"]["_id"];
        let sent = page.write(to, "hello").await;
        assert_eq!(keys(&sent), ["data", "message", "success"]);
        let message = &sent["data"];
        assert_eq!(
            (&message["content"], &message["receiver"], &message["messageType"]),
            (&json!("hello"), to, &json!("text"))
        );
        assert_eq!(
            (&message["sender"]["_id"], &message["isRead"]),
            (&user["_id"], &json!(false))
        );
        let shown = page.messages(&conversation["id"], "").await;
        assert_eq!(keys(&shown), ["data", "message", "messages", "pagination", "success"]);
        assert_eq!(shown["messages"][0], *message);
        let time = message["createdAt"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    }
    let first = &page.conversations().await[0];
    assert_eq!(
        (&first["id"], &first["lastMessage"]["content"]),
        (&garden["id"], &json!("hello"))
    );
    assert!(first["lastMessageAt"].as_str() > first["createdAt"].as_str());

    let search = async |query: &str| {
        let path = format!("/api/users/search?currentUserId={}&{query}", page.user);
        page.get(&path).await
    };
    let found = search("q=ZO%C3%8B").await;
    assert_eq!(keys(&found), ["data", "message", "pagination", "success", "users"]);
    assert_eq!(found["users"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["users"][0]["_id"], zoe["otherParticipant"]["_id"]);
    for field in ["_id", "username", "fullName", "avatar", "isOnline", "lastSeen"] {
        assert!(found["users"][0].get(field).is_some(), "{field}");
    }
    assert_eq!(
        found["pagination"],
        json!({ "page": 1, "limit": 20, "total": 1, "pages": 1 })
    );
    let nobody = search("q=nobody&page=3&limit=1000").await;
    assert_eq!(
        (&nobody["users"], &nobody["pagination"]),
        (&json!([]), &json!({ "page": 3, "limit": 100, "total": 0, "pages": 0 }))
    );
    ada.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_counted_from_the_newest_message_and_begin_with_their_oldest() {
    let ada = House::of("ada", "chatterbox").await;
    let (page, _) = ada.log_in("ada").await;
    let room = ada
        .native
        .post("/api/v1/rooms", &json!({ "name": "Garden" }))
        .await
        .json();
    let id = &room["id"];
    for text in ["1", "2", "3", "4", "5"] {
        page.write(id, text).await;
    }
    // What happened in between is no message.
    let topic = ada
        .native
        .patch("/api/v1/rooms/garden", &json!({ "topic": "beans" }))
        .await;
    assert_eq!(topic.status, 200, "{}", topic.text());
    for (wanted, expected) in [
        ("", &["1", "2", "3", "4", "5"][..]),
        ("&limit=2", &["4", "5"]),
        ("&limit=2&page=2", &["2", "3"]),
        ("&limit=2&page=3", &["1"]),
        ("&limit=2&page=4", &[]),
        ("&page=18446744073709551615", &[]),
    ] {
        let shown = page.messages(id, wanted).await;
        assert_eq!(texts(&shown), expected, "{wanted}");
        let (limit, pages) = if wanted.contains("limit") { (2, 3) } else { (50, 1) };
        let told = &shown["pagination"];
        assert_eq!(
            (&told["limit"], &told["total"], &told["pages"]),
            (&json!(limit), &json!(5), &json!(pages)),
            "{wanted}"
        );
    }
    ada.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_on_two_nodes_talk_and_see_what_was_read() {
    let (ada, bo) = (
        House::of("ada", "chatterbox").await,
        House::of("bo", "chatterbox").await,
    );
    bo.befriend(&ada).await;
    let ((hers, _), (his, _)) = (ada.log_in("ada").await, bo.log_in("bo").await);
    let with = async |page: &Page<'_>, name: &str| {
        let all = page.conversations().await;
        let found = all.into_iter().find(|one| one["otherParticipant"]["fullName"] == name);
        Some(found?["id"].clone())
    };
    let to_bo = ada.seen("the contact", async || with(&hers, "bo").await).await;
    let to_ada = with(&his, "ada").await.unwrap();
    hers.write(&json!(his.user), "hello bo").await;
    let unread = async || {
        let all = his.conversations().await;
        all.into_iter().find(|one| one["unreadCount"] == 1)
    };
    let told = bo.seen("the message", unread).await;
    assert_eq!(
        (&told["id"], &told["lastMessage"]["content"]),
        (&to_ada, &json!("hello bo"))
    );
    // Whoever looks at the page before this one has not read it.
    his.messages(&to_ada, "&page=2").await;
    assert_eq!(his.conversations().await[0]["unreadCount"], 1);
    let shown = his.messages(&to_ada, "").await;
    let message = &shown["messages"][0];
    assert_eq!(
        (
            &message["sender"]["_id"],
            &message["sender"]["fullName"],
            &message["receiver"],
            &message["isRead"]
        ),
        (&json!(hers.user), &json!("ada"), &json!(his.user), &json!(true))
    );
    assert_eq!(his.conversations().await[0]["unreadCount"], 0);
    let read = async || {
        let shown = hers.messages(&to_bo, "").await;
        Some(shown["messages"][0].clone()).filter(|message| message["isRead"] == true)
    };
    let read = ada.seen("that it was read", read).await;
    let time = |name: &str| read[name].as_str().unwrap_or_default().to_owned();
    assert!(
        time("readAt") >= time("createdAt") && time("createdAt").ends_with('Z'),
        "{read}"
    );

    // Writing in a room accepts the invitation into it.
    let room = ada
        .native
        .post("/api/v1/rooms", &json!({ "name": "Garden" }))
        .await
        .json();
    ada.invite_into("garden", &bo, "bo").await;
    let room = with(&his, "Garden").await.filter(|id| *id == room["id"]).unwrap();
    his.write(&room, "hello all").await;
    let heard = async || {
        let shown = hers.messages(&room, "").await;
        Some(shown["messages"][0].clone()).filter(|message| message["content"] == "hello all")
    };
    let heard = ada.seen("the message in the room", heard).await;
    assert_eq!((&heard["sender"]["_id"], &heard["receiver"]), (&json!(his.user), &room));
    ada.node.stop().await;
    bo.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_where_the_family_looks_for_it_and_for_those_who_are_logged_in() {
    let (ada, bo) = (
        House::of("ada", "chatterbox").await,
        House::of("bo", "chatterbox").await,
    );
    let request = ada.native.request("PUT", "/api/v1/me/avatar");
    let put = request.set("Content-Type", "image/gif").body_bytes(GIF);
    assert_eq!(ada.native.send(&put).await.status, 204);
    bo.befriend(&ada).await;
    let ((hers, login), (his, _)) = (ada.log_in("ada").await, bo.log_in("bo").await);
    let path = format!("/api/users/{}/avatar", hers.user);
    assert_eq!(login.json()["user"]["avatar"], path.as_str());
    let shown = async || {
        let other = his.conversations().await[0]["otherParticipant"].clone();
        (other["avatar"] == path.as_str()).then_some(())
    };
    bo.seen("her card", shown).await;
    for (house, page) in [(&ada, &hers), (&bo, &his)] {
        let picture = house.gate.send(&page.asks(&path)).await;
        assert_eq!((picture.status, picture.body.as_slice()), (200, GIF));
        assert_eq!(picture.header("content-type"), Some("image/gif"));
        assert_eq!(picture.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(
        bo.gate.send(&bo.asks("GET", &path)).await.status,
        401,
        "without a cookie"
    );
    for nobody in ["ada", &hers.user[..20], "..%2F..%2Fme"] {
        let request = his.asks(&format!("/api/users/{nobody}/avatar"));
        let refused = bo.gate.send(&request).await;
        assert_eq!(
            (refused.status, &refused.json()["success"]),
            (404, &json!(false)),
            "{nobody}"
        );
    }
    let own = his.asks(&format!("/api/users/{}/avatar", his.user));
    assert_eq!(bo.gate.send(&own).await.status, 404, "he has none");
    ada.node.stop().await;
    bo.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_register_as_far_as_the_rule_allows() {
    let ada = House::of("ada", "chatterbox").await;
    ada.node.set_local_contacts(Some(false));
    let register = async |change: &Value| {
        let mut wish = json!({
            "fullName": "Bo Berg", "username": "Bo", "email": "bo@example.org", "password": PASSWORD,
        });
        for (field, value) in change.as_object().unwrap() {
            wish[field] = value.clone();
        }
        let reply = ada.gate.send(&ada.posts("/api/auth/register", &wish)).await;
        if reply.status != 201 {
            assert!(reply.json()["error"].is_string() && reply.json()["success"] == false);
            assert!(reply.header("set-cookie").is_none());
        }
        reply
    };
    assert_eq!(register(&json!({})).await.status, 403, "closed");
    ada.node.set_registration(Registration::Invite);
    assert_eq!(register(&json!({})).await.status, 403, "no code");
    let code = ada.native.post("/api/v1/accounts/invites", &json!({})).await.json()["code"].clone();
    assert_eq!(register(&json!({ "code": code, "username": " " })).await.status, 400);
    let made = register(&json!({ "code": code })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let user = &made.json()["user"];
    assert_eq!(
        (&user["fullName"], &user["username"]),
        (&json!("Bo Berg"), &json!("bo"))
    );
    assert_eq!(
        (&user["email"], &user["isOnline"]),
        (&json!("bo@example.org"), &json!(true))
    );
    assert_eq!(ada.page(&made).conversations().await.len(), 0);
    ada.node.set_registration(Registration::Open);
    // One status for all that cannot be.
    assert_eq!(register(&json!({ "email": "BO@example.org" })).await.status, 400);
    let wrong = register(&json!({ "email": 1 })).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    let (page, _) = ada.log_in("bo").await;
    assert_eq!(page.user, user["_id"].as_str().unwrap());
    ada.node.stop().await;
}
