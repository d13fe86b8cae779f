//! Polls, threads and what else is said beside text.

use super::support::{Reply, TestApi};
use serde_json::{Value, json};

impl TestApi {
    async fn say(&self, wish: &Value) -> Reply {
        let path = format!("/api/v1/conversations/{}/messages", self.conversation);
        self.post(&path, wish).await
    }

    async fn vote(&self, message: &Value, options: &Value) -> Reply {
        let path = format!("/api/v1/messages/{}/vote", message["id"].as_str().unwrap());
        self.post(&path, &json!({ "options": options })).await
    }
}

fn refused(reply: &Reply, status: u16, code: &str) {
    let seen = (reply.status, reply.json()["code"].clone());
    assert_eq!(seen, (status, json!(code)), "{}", reply.text());
}

fn poll(options: &Value) -> Value {
    json!({ "poll": { "question": "which weir?", "options": options } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_has_its_counts_and_each_vote_is_told_once() {
    let api = TestApi::start().await;
    let wish = json!({ "poll": { "question": " which weir? ", "options": ["upper", "lower"] }, "client_id": "c1" });
    let made = api.say(&wish).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let asked = made.json();
    let expected = json!({
        "question": "which weir?", "multiple": false, "anonymous": false, "total": 0, "closed": false,
        "options": [
            { "text": "upper", "votes": 0, "mine": false, "voters": [] },
            { "text": "lower", "votes": 0, "mine": false, "voters": [] },
        ],
    });
    assert_eq!((&asked["poll"], &asked["text"]), (&expected, &Value::Null));
    let again = api.say(&wish).await;
    assert_eq!((again.status, &again.json()["id"]), (200, &asked["id"]));

    let before = api.feed();
    let voted = api.vote(&asked, &json!([1])).await.json();
    let chosen = &voted["poll"]["options"][1];
    assert_eq!(
        (&chosen["votes"], &chosen["mine"], &chosen["voters"]),
        (&json!(1), &json!(true), &json!([asked["author"]]))
    );
    let told = api.feed();
    assert!(told > before);
    assert_eq!(api.vote(&asked, &json!([1])).await.json()["poll"], voted["poll"]);
    assert_eq!(api.feed(), told, "the same vote again is no change");
    refused(&api.vote(&asked, &json!([2])).await, 400, "no_such_option");
    refused(&api.vote(&asked, &json!([0, 1])).await, 400, "one_option");
    refused(&api.vote(&asked, &json!([0, 0])).await, 400, "option_twice");
    refused(&api.vote(&asked, &json!([])).await, 400, "bad_field");
    refused(&api.vote(&asked, &json!([300])).await, 400, "bad_field");
    let path = format!("/api/v1/messages/{}", asked["id"].as_str().unwrap());
    let back = api.send(&api.request("DELETE", &format!("{path}/vote"))).await.json();
    assert_eq!(back["poll"]["total"], 0);
    let closed = api.post(&format!("{path}/close"), &json!({})).await.json();
    assert_eq!(closed["poll"]["closed"], true);
    refused(&api.vote(&asked, &json!([0])).await, 409, "poll_closed");
    let found = api.get("/api/v1/search?q=lower").await.json();
    assert_eq!(
        (&found["items"][0]["id"], &found["items"][0]["snippet"]),
        (&asked["id"], &json!("which weir?\nupper\nlower"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_thing_is_said_and_it_keeps_its_limits() {
    let api = TestApi::start().await;
    let before = api.feed();
    refused(&api.say(&json!({})).await, 400, "bad_field");
    let both = json!({ "text": "a", "sticker": { "emoji": "🌱" } });
    refused(&api.say(&both).await, 400, "bad_field");
    let cases = [
        poll(&json!(["a"])),
        poll(&json!(["a", "a"])),
        poll(&json!(["a", " "])),
        poll(&json!(["a", "x".repeat(10_000)])),
        poll(&json!(["a", "b\u{7}"])),
        json!({ "poll": { "question": "q", "options": ["a", "b"] }, "view_once": true }),
        json!({ "location": { "latitude": 0.0, "longitude": 0.0, "name": "x".repeat(300) } }),
    ];
    for wish in cases {
        refused(&api.say(&wish).await, 400, "bad_content");
    }
    let letter = json!({ "sticker": { "emoji": "a" } });
    refused(&api.say(&letter).await, 400, "not_an_emoji");
    let past = json!({ "poll": { "question": "q", "options": ["a", "b"], "closes_at": "2020-01-01T00:00:00Z" } });
    refused(&api.say(&past).await, 400, "out_of_bounds");
    let nowhere = json!({ "location": { "latitude": 90.1, "longitude": 0.0 } });
    refused(&api.say(&nowhere).await, 400, "bad_field");
    assert_eq!(api.feed(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_is_read_page_by_page_from_its_root_or_from_within() {
    let api = TestApi::start().await;
    let root = api.post_text("root").await;
    let mut under = Vec::new();
    for n in 0..5 {
        let said = api
            .say(&json!({ "text": format!("reply {n}"), "thread": root["id"] }))
            .await;
        assert_eq!((said.status, &said.json()["thread"]), (201, &root["id"]));
        under.push(said.json()["id"].clone());
    }
    api.post_text("beside it").await;
    let (id, inner) = (root["id"].as_str().unwrap(), under[2].as_str().unwrap());
    let shown = api.get(&format!("/api/v1/messages/{id}")).await.json();
    assert_eq!(
        (&shown["replies"]["count"], &shown["replies"]["last_id"]),
        (&json!(5), &under[4])
    );
    let messages = format!("/api/v1/conversations/{}/messages", api.conversation);
    for named in [id, inner] {
        let page = api.get(&format!("{messages}?limit=2&thread={named}")).await.json();
        let ids: Vec<&Value> = page["items"].as_array().unwrap().iter().map(|m| &m["id"]).collect();
        assert_eq!(ids, [&under[3], &under[4]]);
        let before = page["prev"].as_str().unwrap();
        let older = api
            .get(&format!("{messages}?limit=50&thread={named}&before={before}"))
            .await
            .json();
        let ids: Vec<&Value> = older["items"].as_array().unwrap().iter().map(|m| &m["id"]).collect();
        assert_eq!(ids, [&under[0], &under[1], &under[2]]);
        assert_eq!(older["prev"], Value::Null);
    }
    refused(
        &api.say(&json!({ "text": "x", "thread": inner })).await,
        409,
        "in_a_thread",
    );
    let unknown = format!("msg_{}", "a".repeat(52));
    refused(
        &api.say(&json!({ "text": "x", "thread": unknown })).await,
        404,
        "not_found",
    );
    refused(
        &api.get(&format!("{messages}?thread={unknown}")).await,
        404,
        "not_found",
    );
    refused(
        &api.get(&format!("{messages}?thread={id}&after=AAAA")).await,
        400,
        "bad_cursor",
    );
    let hide = api.request(
        "DELETE",
        &format!("/api/v1/messages/{}?for=me", under[4].as_str().unwrap()),
    );
    assert_eq!(api.send(&hide).await.status, 204);
    let shown = api.get(&format!("/api/v1/messages/{id}")).await.json();
    assert_eq!(
        (&shown["replies"]["count"], &shown["replies"]["last_id"]),
        (&json!(4), &under[3])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn places_and_stickers_are_said_in_their_own_fields() {
    let api = TestApi::start().await;
    let place = json!({ "latitude": -33.8568, "longitude": 151.2153, "accuracy_m": 5, "name": "the harbour" });
    let said = api.say(&json!({ "location": place })).await;
    assert_eq!(
        (said.status, &said.json()["location"]),
        (201, &place),
        "{}",
        said.text()
    );
    let sticker = json!({ "emoji": "🌱", "name": "seedling" });
    let said = api
        .say(&json!({ "sticker": sticker, "reply_to": said.json()["id"] }))
        .await
        .json();
    assert_eq!(
        (&said["sticker"], &said["reply"]["snippet"]),
        (&sticker, &json!("the harbour"))
    );
    let found = api.get("/api/v1/search?q=seedling").await.json();
    assert_eq!(found["items"][0]["id"], said["id"]);
}
