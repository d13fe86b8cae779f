//! Rooms over the API: made, ruled, and refused where they must be.

use serde_json::{Value, json};

use super::stream::Stream;
use super::support::TestApi;

async fn made(api: &TestApi, wish: &Value) -> Value {
    let reply = api.post("/api/v1/rooms", wish).await;
    assert_eq!(reply.status, 201, "{}", reply.json());
    reply.json()
}

fn code(reply: &super::support::Reply) -> (u16, String) {
    (
        reply.status,
        reply.json()["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_made_and_is_a_conversation_like_others() {
    let api = TestApi::start().await;
    let room = made(
        &api,
        &json!({ "name": "  Garden Club ", "topic": "beans", "policy": { "history": "all" } }),
    )
    .await;
    assert_eq!(
        (&room["slug"], &room["name"]),
        (&json!("garden-club"), &json!("Garden Club"))
    );
    assert_eq!(
        (&room["role"], &room["standing"], &room["members"]),
        (&json!("owner"), &json!("member"), &json!(1))
    );
    assert_eq!(
        (&room["policy"]["history"], &room["policy"]["post"]),
        (&json!("all"), &json!("member"))
    );
    let id = room["id"].as_str().unwrap();
    for named in ["garden-club", "Garden Club", id] {
        let path = format!("/api/v1/conversations/{}/messages", named.replace(' ', "%20"));
        let sent = api.post(&path, &json!({ "text": format!("as {named}") })).await;
        assert_eq!(sent.status, 201, "{}", sent.json());
    }
    let history = api.get("/api/v1/conversations/garden-club/messages").await.json();
    let made = &history["items"][0];
    assert_eq!(
        (&made["system"]["kind"], &made["system"]["name"], &made["seq"]),
        (&json!("created"), &json!("Garden Club"), &json!(0)),
        "{made}"
    );
    assert_eq!((&made["text"], &made["unsupported"]), (&Value::Null, &json!(false)));
    assert_eq!(
        history["items"][1]["status"], "delivered",
        "nobody else is there to wait for"
    );
    let listed = api.get("/api/v1/conversations").await.json();
    let conversation = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["id"] == room["id"])
        .unwrap();
    assert_eq!(
        (&conversation["kind"], &conversation["title"]),
        (&json!("room"), &json!("Garden Club"))
    );
    assert!(conversation["with"].is_null(), "a room is with nobody in particular");
    assert_eq!(api.get("/api/v1/rooms/garden-club").await.json()["last_seq"], 3);
    let members = api.get("/api/v1/rooms/garden-club/members").await.json();
    assert_eq!(
        (&members["items"][0]["role"], &members["items"][0]["own"]),
        (&json!("owner"), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_room_is_refused_and_changes_nothing() {
    let api = TestApi::start().await;
    for (wish, expected) in [
        (json!({ "name": "" }), (400, "empty")),
        (json!({ "name": " \n " }), (400, "empty")),
        (json!({ "name": "x".repeat(10_000) }), (400, "too_long")),
        (json!({ "name": "a", "topic": "x".repeat(1_025) }), (400, "too_long")),
        (json!({ "name": "a", "policy": { "post": "king" } }), (400, "bad_field")),
        (
            json!({ "name": "a", "policy": { "post": "guest" } }),
            (400, "bad_field"),
        ),
        (
            json!({ "name": "a", "policy": { "join": "never" } }),
            (400, "bad_field"),
        ),
        (
            json!({ "name": "a", "policy": { "slow_mode_ms": 86_400_001 } }),
            (400, "bad_field"),
        ),
        (json!({ "name": "a", "color": "red" }), (400, "bad_field")),
    ] {
        let reply = api.post("/api/v1/rooms", &wish).await;
        let (status, code) = code(&reply);
        assert_eq!((status, code.as_str()), expected, "{}", reply.json());
    }
    assert_eq!(api.get("/api/v1/rooms").await.json()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_rooms_are_kept_at_the_door() {
    let api = TestApi::start().await;
    let room = made(&api, &json!({ "name": "garden" })).await;
    let again = made(&api, &json!({ "name": "garden" })).await;
    assert_eq!(again["slug"], "garden-2");
    let post = async |path: &str, body: Value| code(&api.post(&format!("/api/v1/rooms/{path}"), &body).await);
    let is = |got: (u16, String), status: u16, code: &str| assert_eq!(got, (status, code.to_owned()));
    is(post("none/join", json!({})).await, 404, "not_found");
    // A contact is no room.
    is(post("bob/join", json!({})).await, 404, "not_found");
    is(post("garden/join", json!({})).await, 409, "already_member");
    is(post("garden/leave", json!({})).await, 409, "owner");
    is(post("garden/invites", json!({ "user": "zoe" })).await, 404, "not_found");
    is(
        post("garden/invites", json!({ "user": "bob", "role": "owner" })).await,
        400,
        "bad_field",
    );
    is(post("garden/members/bob/remove", json!({})).await, 404, "not_found");
    is(post("garden/links", json!({ "uses": 0 })).await, 400, "bad_field");
    is(post("garden/links", json!({ "uses": 10_001 })).await, 400, "bad_field");
    is(post("garden/links", json!({ "valid_s": 0 })).await, 400, "bad_field");
    is(
        post("garden/links", json!({ "valid_s": u64::MAX })).await,
        400,
        "bad_field",
    );
    let link = api.post("/api/v1/rooms/garden/links", &json!({ "uses": 3 })).await;
    assert_eq!((link.status, &link.json()["uses"]), (201, &json!(3)));
    let open = async |link: &str| code(&api.post("/api/v1/room-links", &json!({ "link": link })).await);
    is(open(link.json()["link"].as_str().unwrap()).await, 409, "own_link");
    is(open("parlour:AQABAQ").await, 400, "bad_link");
    is(open(&"x".repeat(10_000)).await, 400, "bad_link");
    let renamed = api
        .patch(
            "/api/v1/rooms/garden",
            &json!({ "name": "orchard", "policy": { "join": "invite" } }),
        )
        .await
        .json();
    assert_eq!((&renamed["name"], &renamed["slug"]), (&json!("orchard"), &room["slug"]));
    is(post("garden/links", json!({})).await, 409, "no_links");
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_found_among_rooms_and_take_nobodys_name() {
    let api = TestApi::start().await;
    for (name, slug) in [("notes", "notes-2"), ("bob", "bob-2"), ("user7", "user7-2")] {
        let room = made(&api, &json!({ "name": name })).await;
        assert_eq!(room["slug"], slug);
        let found = api.get(&format!("/api/v1/rooms/{name}")).await;
        assert_eq!((found.status, &found.json()["id"]), (200, &room["id"]));
    }
    for taken in ["notes", "bob", "user7"] {
        let refused = api.patch("/api/v1/rooms/bob-2", &json!({ "slug": taken })).await;
        assert_eq!(code(&refused), (409, "name_taken".to_owned()), "{taken}");
    }
    let alias = api
        .patch("/api/v1/rooms/bob-2", &json!({ "slug": "shed" }))
        .await
        .json();
    assert_eq!(api.get("/api/v1/rooms/shed").await.json()["id"], alias["id"]);
    // Elsewhere the contact and the notes are meant, as ever.
    let to = async |name: &str| {
        let path = format!("/api/v1/conversations/{name}/messages");
        let place = api.post(&path, &json!({ "text": "hi" })).await.json()["conversation"].clone();
        let path = format!("/api/v1/conversations/{}", place.as_str().unwrap());
        api.get(&path).await.json()["kind"].clone()
    };
    assert_eq!((to("notes").await, to("bob").await), (json!("notes"), json!("direct")));
    let unknown = api.get("/api/v1/rooms/nowhere").await.json();
    assert!(unknown["detail"].as_str().unwrap().contains("room list"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_topics_that_act_or_cannot_be_seen_are_refused() {
    let api = TestApi::start().await;
    made(&api, &json!({ "name": "garden", "topic": "two\nlines" })).await;
    let feed = api.feed();
    for (field, text) in [
        ("name", "a\nb"),
        ("name", "a\u{1b}[2Jb"),
        ("name", "a\u{202e}b"),
        ("name", "a\u{200b}b"),
        ("name", "\u{2060}"),
        ("topic", "a\u{1b}[2Jb"),
        ("topic", "a\u{202e}b"),
    ] {
        let mut wish = json!({ "name": "shed" });
        wish[field] = json!(text);
        let new = api.post("/api/v1/rooms", &wish).await;
        let change = api.patch("/api/v1/rooms/garden", &json!({ field: text })).await;
        for refused in [new, change] {
            assert_eq!(code(&refused), (400, "bad_text".to_owned()), "{field} {text:?}");
            assert_eq!(refused.json()["field"], field);
        }
    }
    assert_eq!(api.feed(), feed, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_to_oneself_says_so_by_every_name() {
    let api = TestApi::start().await;
    made(&api, &json!({ "name": "garden" })).await;
    let own = api.get("/api/v1/me").await.json()["user_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for name in ["alice", &own, &own[..14]] {
        let path = format!("/api/v1/rooms/garden/members/{name}");
        let removed = api.post(&format!("{path}/remove"), &json!({})).await;
        assert_eq!(code(&removed), (400, "oneself".to_owned()), "{name}");
        let role = api.patch(&path, &json!({ "role": "admin" })).await;
        assert_eq!(code(&role), (400, "oneself".to_owned()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_blocks_bans_and_public_rooms_are_answered_as_they_are_documented() {
    let api = TestApi::start().await;
    let room = made(&api, &json!({ "name": "garden", "policy": { "join": "public" } })).await;
    assert_eq!(room["banned"], json!([]));
    let sent = api
        .post("/api/v1/conversations/garden/messages", &json!({ "text": "mine" }))
        .await
        .json();
    let id = sent["id"].as_str().unwrap();
    let report = async |id: &str, body: Value| code(&api.post(&format!("/api/v1/messages/{id}/report"), &body).await);
    let is = |got: (u16, String), status: u16, code: &str| assert_eq!(got, (status, code.to_owned()));
    is(report(id, json!({})).await, 403, "own_message");
    is(report(id, json!({ "reason": "x".repeat(513) })).await, 400, "too_long");
    is(report("msg_nothing", json!({})).await, 404, "not_found");
    let made_it = api.get("/api/v1/conversations/garden/messages").await.json();
    let system = made_it["items"][0]["id"].as_str().unwrap().to_owned();
    is(report(&system, json!({})).await, 404, "not_found");
    assert_eq!(
        api.get(&format!("/api/v1/messages/{system}")).await.json()["system"]["kind"],
        "created"
    );
    assert_eq!(api.get("/api/v1/rooms/garden/reports").await.json()["items"], json!([]));
    let dismiss = api.request("DELETE", &format!("/api/v1/rooms/garden/reports/{id}"));
    is(code(&api.send(&dismiss).await), 404, "not_found");
    let nobody = format!("user_{}", "a".repeat(52));
    let block = api
        .request("PUT", &format!("/api/v1/rooms/garden/members/{nobody}/block"))
        .set("Content-Type", "application/json")
        .body("{}");
    is(code(&api.send(&block).await), 404, "not_found");
    let listed = api.post("/api/v1/public-rooms", &json!({})).await;
    assert_eq!(
        (listed.status, &listed.json()["items"]),
        (200, &json!([])),
        "one's own are not listed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timer_of_a_room_is_one_of_its_rules_and_set_like_any_timer() {
    let api = TestApi::start().await;
    let room = made(&api, &json!({ "name": "garden" })).await;
    assert_eq!(room["policy"]["expires_after_ms"], Value::Null);
    let timer = "/api/v1/conversations/garden/timer";
    let hour = json!({ "expires_after_ms": 3_600_000 });
    assert_eq!(api.with_body("PUT", timer, &hour).await.json(), hour);
    assert_eq!(api.get(timer).await.json(), hour);
    let path = "/api/v1/rooms/garden";
    let slower = json!({ "policy": { "slow_mode_ms": 1_000 } });
    let ruled = api.with_body("PATCH", path, &slower).await.json();
    assert_eq!(
        (&ruled["policy"]["slow_mode_ms"], &ruled["policy"]["expires_after_ms"]),
        (&json!(1_000), &json!(3_600_000)),
        "other rules leave it"
    );
    let sent = api
        .post("/api/v1/conversations/garden/messages", &json!({ "text": "goes" }))
        .await;
    assert!(sent.json()["expires_at"].is_string(), "{}", sent.json());
    let second_way = json!({ "policy": { "expires_after_ms": 5_000 } });
    let refused = api.with_body("PATCH", path, &second_way).await;
    assert_eq!(code(&refused), (400, "bad_field".to_owned()));
    assert_eq!(api.delete(timer).await.json(), json!({ "expires_after_ms": null }));
    let history = api.get("/api/v1/conversations/garden/messages").await.json();
    let happened: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["system"])
        .collect();
    let kinds: Vec<_> = happened.iter().map(|system| system["kind"].as_str()).collect();
    assert_eq!(
        kinds,
        [Some("created"), Some("timer"), Some("policy"), None, Some("timer")]
    );
    let set = happened[1]["text"].as_str().unwrap();
    assert!(set.starts_with("you set messages to disappear after 1"), "{set}");
    assert_eq!(happened[4]["text"], "you set messages to stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_has_a_picture_whose_type_its_bytes_say() {
    const GIF: &[u8] = b"GIF89a\x09\0\x09\0\0\0\0\x2c\0\0\0\0\x09\0\x09\0\0\x02\x02ab\0\x3b";
    const PATH: &str = "/api/v1/rooms/garden/avatar";
    let api = TestApi::start().await;
    let room = made(&api, &json!({ "name": "garden" })).await;
    assert_eq!(room["avatar"], Value::Null);
    assert_eq!(api.get(PATH).await.status, 404);
    let put = async |path: &str, kind: &str, bytes: &[u8]| {
        let request = api.request("PUT", path).set("Content-Type", kind);
        let reply = api.send(&request.body_bytes(bytes)).await;
        (
            reply.status,
            if reply.status == 204 {
                Value::Null
            } else {
                reply.json()["code"].clone()
            },
        )
    };
    assert_eq!(put(PATH, "image/png", GIF).await, (204, Value::Null));
    let picture = api.get(PATH).await;
    assert_eq!((picture.status, picture.body.as_slice()), (200, GIF));
    assert_eq!(picture.header("content-type"), Some("image/gif"));
    assert_eq!(picture.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(api.get("/api/v1/rooms/garden").await.json()["avatar"], "image/gif");
    assert_eq!(put(PATH, "application/json", GIF).await, (415, json!("not_an_image")));
    assert_eq!(put(PATH, "image/png", b"<svg/>").await, (400, json!("bad_image")));
    let nowhere = "/api/v1/rooms/nowhere/avatar";
    assert_eq!(put(nowhere, "image/png", GIF).await.0, 404);
    // A picture is put there, and nowhere below a room.
    assert_eq!(
        put("/api/v1/rooms/garden/x/avatar", "image/png", GIF).await,
        (415, json!("not_json"))
    );
    let history = api.get("/api/v1/conversations/garden/messages").await.json();
    let said = history["items"].as_array().unwrap().last().unwrap()["system"].clone();
    assert_eq!(
        said["text"].as_str().map(|text| text.contains("changed the picture")),
        Some(true),
        "{said}"
    );
    let gone = api.send(&api.request("DELETE", PATH)).await;
    assert_eq!((gone.status, api.get(PATH).await.status), (204, 404));
    assert_eq!(api.get("/api/v1/rooms/garden").await.json()["avatar"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_told_who_knocks_and_that_they_do_no_more() {
    let (ada, bo) = (TestApi::start().await, TestApi::of("bo", |_| {}).await);
    made(&ada, &json!({ "name": "garden", "policy": { "join": "knock" } })).await;
    let mut at_ada = Stream::open(&ada, "", None).await;
    let link = ada.post("/api/v1/rooms/garden/links", &json!({ "knock": true })).await;
    assert_eq!(link.status, 201, "{}", link.json());
    let link = json!({ "link": link.json()["link"] });
    let joined = bo.post("/api/v1/room-links", &link).await;
    assert!(joined.status < 300, "{}", joined.json());
    let told = at_ada.find(|event| event["type"] == "room_request").await;
    assert_eq!(
        (&told["request"]["name"], &told["request"]["told_by"]),
        (&json!("bo"), &Value::Null),
        "{told}"
    );
    let asking = ada.get("/api/v1/rooms/garden/requests").await.json();
    assert_eq!(asking["items"], json!([told["request"]]));
    let user = told["user_id"].as_str().unwrap();
    let away = ada.request("DELETE", &format!("/api/v1/rooms/garden/requests/{user}"));
    assert_eq!(ada.send(&away).await.status, 204);
    let over = at_ada.find(|event| event["type"] == "room_request").await;
    assert_eq!(
        (&over["user_id"], &over["request"], &over["conversation"]),
        (&told["user_id"], &Value::Null, &told["conversation"])
    );
    assert_eq!(
        ada.get("/api/v1/rooms/garden/requests").await.json()["items"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_told_of_a_public_room_of_a_contact_once() {
    let (ada, bo) = (TestApi::start().await, TestApi::of("bo", |_| {}).await);
    let mut at_ada = Stream::open(&ada, "", None).await;
    let invite = bo.invite(&json!({})).await;
    let added = ada.post("/api/v1/contacts", &json!({ "link": invite["link"] })).await;
    assert_eq!(added.status, 201, "{}", added.json());
    at_ada
        .find(|event| event["type"] == "contact" && event["contact"]["state"] == "accepted")
        .await;
    made(&bo, &json!({ "name": "cellar" })).await;
    let garden = made(&bo, &json!({ "name": "garden", "policy": { "join": "public" } })).await;
    let told = at_ada.find(|event| event["type"] == "public_room").await;
    assert_eq!(
        (
            &told["room"]["id"],
            &told["room"]["slug"],
            &told["room"]["made_by_name"]
        ),
        (&garden["id"], &json!("garden"), &json!("bo")),
        "{told}"
    );
    let found = ada.post("/api/v1/public-rooms", &json!({})).await.json();
    assert_eq!(found["items"], json!([told["room"]]));
    let joined = ada.post("/api/v1/public-rooms/garden/join", &json!({})).await;
    assert_eq!((joined.status, &joined.json()["standing"]), (200, &json!("member")));
    let orchard = made(&bo, &json!({ "name": "orchard", "policy": { "join": "public" } })).await;
    let next = at_ada.find(|event| event["type"] == "public_room").await;
    assert_eq!(next["room"]["id"], orchard["id"]);
}
