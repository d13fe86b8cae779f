//! People of one node: they find and write to each other, and come into each other's public rooms, without any invite.

use parlour_node::Registration;
use serde_json::{Value, json};

use super::house::{House, PASSWORD};
use super::support::Program;

impl House {
    /// A node with a gateway that takes newcomers.
    async fn open(gateway: &str) -> Self {
        let house = Self::of("ada", gateway).await;
        house.node.set_registration(Registration::Open);
        house
    }

    fn with(&self, token: &Value) -> Program {
        Program {
            address: self.gate.address,
            token: token.as_str().unwrap().to_owned(),
        }
    }

    /// Until the first account has so many contacts that have answered.
    async fn met(&self, wanted: usize) -> Vec<Value> {
        let met = async || {
            let contacts = self.native.get("/api/v1/contacts").await.json();
            let items = contacts["items"].as_array().unwrap().clone();
            let accepted = items.iter().filter(|one| one["state"] == "accepted").count();
            (accepted == wanted).then_some(items)
        };
        self.seen("neighbours", met).await
    }

    /// What a look at another account says, as soon as it says something.
    async fn soon<T>(&self, token: &str, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let other = Program {
            address: self.native.address,
            token: token.to_owned(),
        };
        super::house::seen(&other, what, look).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomers_of_socketchat_find_each_other_and_meet_in_the_room_of_a_name() {
    let house = House::open("socketchat").await;
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    let ada = house.gate.post("/api/auth/login", &login).await.json();
    let ada = house.with(&ada["data"]["token"]);
    let wrote = ada
        .post("/api/messages", &json!({ "content": "is anybody here?" }))
        .await;
    assert_eq!(wrote.status, 201, "{}", wrote.text());
    let wish = json!({ "username": "bob", "email": "bob@example.org", "password": PASSWORD });
    let bob = house.gate.post("/api/auth/register", &wish).await;
    assert_eq!(bob.status, 201, "{}", bob.text());
    let (user, token) = (
        bob.json()["data"]["user"]["_id"].clone(),
        bob.json()["data"]["token"].clone(),
    );
    let bob = house.with(&token);
    house.met(1).await;

    let found = ada.get("/api/users/search?q=bo").await.json();
    assert_eq!(
        (
            &found["data"]["users"][0]["_id"],
            &found["data"]["users"][0]["username"]
        ),
        (&user, &json!("bob"))
    );
    let one = bob.get(&format!("/api/users/{}", user.as_str().unwrap())).await;
    assert_eq!(one.status, 200, "{}", one.text());
    // The room of a name is one, whoever is first.
    let page = bob.get("/api/messages").await;
    assert_eq!(page.status, 200, "{}", page.text());
    let wrote = bob.post("/api/messages", &json!({ "content": "I am" })).await;
    assert_eq!(wrote.status, 201, "{}", wrote.text());
    let answered = async || {
        let page = ada.get("/api/messages").await.json();
        let said = page["data"]["messages"].as_array().unwrap().iter();
        let said: Vec<_> = said.map(|message| message["content"].clone()).collect();
        (said == ["is anybody here?", "I am"]).then_some(())
    };
    house.seen("the answer", answered).await;
    let rooms = house.native.get("/api/v1/rooms").await.json();
    assert_eq!(rooms["items"].as_array().unwrap().len(), 1, "{rooms}");
    // What was said before is there, too.
    let history = async || {
        let page = bob.get("/api/messages").await.json();
        (page["data"]["messages"][0]["content"] == "is anybody here?").then_some(())
    };
    house
        .soon(token.as_str().unwrap(), "what was said before", history)
        .await;
    house.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_of_others_are_listed_in_echoroom_and_joined() {
    let house = House::open("echoroom").await;
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    let ada = house.gate.post("/auth/login", &login).await.json();
    let ada = house.with(&ada["accessToken"]);
    let made = ada
        .post("/rooms", &json!({ "name": "Garden", "description": "beans" }))
        .await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let secret = json!({ "name": "Attic", "policy": { "join": "invite" } });
    assert_eq!(house.native.post("/api/v1/rooms", &secret).await.status, 201);
    let wish = json!({ "displayName": "bo", "email": "bo@example.org", "password": PASSWORD });
    let bo = house.gate.post("/auth/register", &wish).await.json();
    let token = bo["accessToken"].clone();
    let (user, bo) = (bo["user"]["_id"].clone(), house.with(&token));

    let listed = bo.get("/rooms").await.json();
    let [room] = &listed.as_array().unwrap()[..] else {
        panic!("one room is public: {listed}");
    };
    for field in ["_id", "name", "slug", "description", "createdBy", "createdAt"] {
        assert_eq!(room[field], made[field], "{field}");
    }
    assert_eq!(bo.get("/rooms/garden").await.json(), *room);
    assert_eq!(bo.get("/rooms/attic").await.status, 404);
    assert_eq!(bo.post("/rooms/attic/join", &json!({})).await.status, 404);
    // One slug is one room for all who are here; what is secret takes none from others.
    for (name, status) in [("garden", 409), ("Garden!", 409), ("Attic", 201)] {
        let made = bo.post("/rooms", &json!({ "name": name })).await;
        assert_eq!(made.status, status, "{name}: {}", made.text());
    }
    for _ in 0..2 {
        let joined = bo.post("/rooms/garden/join", &json!({})).await;
        assert_eq!(
            (joined.status, &joined.json()["message"]),
            (200, &json!("joined")),
            "{}",
            joined.text()
        );
    }
    let members = async || {
        let room = ada.get("/rooms/garden").await.json();
        room["members"].as_array().unwrap().contains(&user).then_some(())
    };
    house.seen("a member more", members).await;
    let native = Program {
        address: house.native.address,
        token: token.as_str().unwrap().to_owned(),
    };
    let path = format!("/api/v1/conversations/{}/messages", room["_id"].as_str().unwrap());
    let said = native.post(&path, &json!({ "text": "hello garden" })).await;
    assert_eq!(said.status, 201, "{}", said.text());
    let heard = async || {
        let page = ada.get("/rooms/garden/messages").await.json();
        (page[0]["text"] == "hello garden" && page[0]["senderId"] == user).then_some(())
    };
    house.seen("what was said", heard).await;
    house.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomers_of_chatterbox_are_conversations_of_each_other() {
    let house = House::open("chatterbox").await;
    let origin = format!("http://localhost:{}", house.gate.address.port());
    let wish = json!({ "fullName": "Bo B", "username": "bo", "email": "bo@example.org", "password": PASSWORD });
    let request = house
        .gate
        .request("POST", "/api/auth/register")
        .without("Authorization");
    let request = request.set("Content-Type", "application/json").set("Origin", &origin);
    let bo = house.gate.send(&request.body(&wish.to_string())).await;
    assert_eq!(bo.status, 201, "{}", bo.text());
    let cookie = bo.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let bo = bo.json()["user"]["_id"].clone();
    let ada = house.native.get("/api/v1/me").await.json()["user_id"].clone();
    house.met(1).await;

    let user = bo.as_str().unwrap();
    let listed = house.gate.request("GET", &format!("/api/conversations?userId={user}"));
    let listed = listed.without("Authorization").set("Cookie", &cookie);
    let listed = house.gate.send(&listed).await.json();
    assert_eq!(listed["conversations"][0]["otherParticipant"]["_id"], ada, "{listed}");
    let send = json!({ "senderId": bo, "receiverId": ada, "content": "hello neighbour" });
    let request = house
        .gate
        .request("POST", "/api/messages/send")
        .without("Authorization");
    let request = request.set("Content-Type", "application/json").set("Origin", &origin);
    let sent = house
        .gate
        .send(&request.set("Cookie", &cookie).body(&send.to_string()))
        .await;
    assert_eq!(sent.status, 201, "{}", sent.text());
    let heard = async || {
        let page = house
            .native
            .get(&format!("/api/v1/conversations/{user}/messages"))
            .await;
        (page.status == 200 && page.json()["items"][0]["text"] == "hello neighbour").then_some(())
    };
    house.seen("what was said", heard).await;
    house.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_introduced_against_the_rule_and_nobody_again_who_was_removed() {
    let house = House::open("echoroom").await;
    house.node.set_local_contacts(Some(false));
    let public = json!({ "name": "Garden", "policy": { "join": "public" } });
    assert_eq!(house.native.post("/api/v1/rooms", &public).await.status, 201);
    let wish =
        |name: &str| json!({ "displayName": name, "email": format!("{name}@example.org"), "password": PASSWORD });
    let bo = house.gate.post("/auth/register", &wish("bo")).await.json();
    let bo = house.with(&bo["accessToken"]);
    assert_eq!(bo.get("/rooms").await.json(), json!([]));
    assert_eq!(house.native.get("/api/v1/contacts").await.json()["items"], json!([]));

    house.node.set_local_contacts(None);
    let known = house.met(1).await;
    let path = format!("/api/v1/contacts/{}", known[0]["user_id"].as_str().unwrap());
    assert_eq!(
        house.native.send(&house.native.request("DELETE", &path)).await.status,
        200
    );
    let cy = house.gate.post("/auth/register", &wish("cy")).await;
    assert_eq!(cy.status, 201, "{}", cy.text());
    let known = house.met(1).await;
    assert_eq!(known[0]["name"], "cy", "only whoever is new");
    house.node.stop().await;
}
