//! What can be done with messages that are there, and what is refused.

use super::stream::changes;
use super::support::{Reply, TestApi};
use parlour_crypto::{EventId, Intervals};
use parlour_node::{Change, ChangeMessage};
use parlour_store::feed::{self, FeedRow};
use parlour_store::{DeviceNo, conversations};
use serde_json::{Value, json};

impl TestApi {
    pub(super) async fn with_body(&self, method: &str, path: &str, body: &Value) -> Reply {
        let request = self
            .request(method, path)
            .set("Content-Type", "application/json")
            .body(&body.to_string());
        self.send(&request).await
    }

    pub(super) async fn delete(&self, path: &str) -> Reply {
        self.send(&self.request("DELETE", path)).await
    }

    async fn send_with(&self, wish: &Value) -> Reply {
        let path = format!("/api/v1/conversations/{}/messages", self.conversation);
        self.post(&path, wish).await
    }
}

fn path_of(message: &Value) -> String {
    format!("/api/v1/messages/{}", message["id"].as_str().unwrap())
}

fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (status, &json!(code)),
        "{}",
        reply.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_shown_and_found_and_every_version_stays_readable() {
    let api = TestApi::start().await;
    let path = path_of(&api.post_text("the heron").await);
    let edited = api
        .with_body("PATCH", &path, &json!({ "text": "the kingfisher" }))
        .await;
    assert_eq!(edited.status, 200, "{}", edited.text());
    let edited = edited.json();
    assert_eq!(edited["text"], "the kingfisher");
    assert!(edited["edited_at"].as_str() >= edited["created_at"].as_str());
    let versions = api.get(&format!("{path}/versions")).await.json();
    let texts: Vec<&Value> = versions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| &v["text"])
        .collect();
    assert_eq!(texts, ["the heron", "the kingfisher"]);
    let found = |word: &str| format!("/api/v1/search?q={word}");
    assert_eq!(api.get(&found("heron")).await.json()["items"], json!([]));
    assert_eq!(
        api.get(&found("kingfisher")).await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let before = api.feed();
    api.with_body("PATCH", &path, &json!({ "text": "the kingfisher" }))
        .await;
    assert_eq!(api.feed(), before, "the same text again is no change");
    let begin = path.get(..path.len() - 30).unwrap();
    assert_eq!(
        api.get(begin).await.json()["id"],
        edited["id"],
        "by the beginning of its id"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_edit_changes_nothing_and_says_why() {
    let api = TestApi::start().await;
    let path = path_of(&api.post_text("as it was").await);
    let before = api.feed();
    refused(
        &api.with_body("PATCH", &path, &json!({ "text": " " })).await,
        400,
        "empty",
    );
    let long = api
        .with_body("PATCH", &path, &json!({ "text": "a".repeat(16_385) }))
        .await;
    refused(&long, 400, "too_long");
    assert!(long.text().contains("16384"), "{}", long.text());
    refused(&api.with_body("PATCH", &path, &json!({})).await, 400, "bad_field");
    let unknown = format!("/api/v1/messages/msg_{}", "a".repeat(52));
    refused(
        &api.with_body("PATCH", &unknown, &json!({ "text": "x" })).await,
        404,
        "not_found",
    );
    refused(
        &api.with_body("PATCH", "/api/v1/messages/nonsense", &json!({ "text": "x" }))
            .await,
        400,
        "bad_id",
    );
    assert_eq!(api.feed(), before);
    assert_eq!(api.get(&path).await.json()["text"], "as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_message_is_a_mark_without_text_and_cannot_be_changed() {
    let api = TestApi::start().await;
    let answered = api.post_text("secret heron").await;
    let reply = api
        .send_with(&json!({ "text": "why?", "reply_to": answered["id"] }))
        .await
        .json();
    assert_eq!(reply["reply"]["snippet"], "secret heron", "{reply}");
    let path = path_of(&answered);
    api.with_body("PATCH", &path, &json!({ "text": "secret egret" })).await;
    refused(&api.delete(&path).await, 400, "bad_field");
    assert_eq!(api.delete(&format!("{path}?for=all")).await.status, 204);
    assert_eq!(
        api.delete(&format!("{path}?for=all")).await.status,
        204,
        "twice is once"
    );
    let deleted = api.get(&path).await.json();
    assert_eq!(
        (&deleted["deleted"], &deleted["gone"], &deleted["text"]),
        (&json!(true), &json!("deleted"), &Value::Null)
    );
    assert_eq!(api.get(&format!("{path}/versions")).await.json()["items"], json!([]));
    let quote = api.get(&path_of(&reply)).await.json()["reply"].clone();
    assert_eq!((&quote["reason"], &quote["snippet"]), (&json!("deleted"), &Value::Null));
    for word in ["heron", "egret"] {
        assert_eq!(
            api.get(&format!("/api/v1/search?q={word}")).await.json()["items"],
            json!([])
        );
    }
    refused(
        &api.with_body("PATCH", &path, &json!({ "text": "x" })).await,
        410,
        "deleted",
    );
    refused(
        &api.with_body("PUT", &format!("{path}/pin"), &json!({})).await,
        410,
        "deleted",
    );
    let reaction = format!("{path}/reactions/%F0%9F%91%8D");
    refused(&api.with_body("PUT", &reaction, &json!({})).await, 410, "deleted");
    refused(
        &api.send_with(&json!({ "text": "x", "reply_to": answered["id"] })).await,
        410,
        "gone",
    );
    let all = api
        .get(&format!("/api/v1/conversations/{}/messages", api.conversation))
        .await;
    assert!(!all.text().contains("secret"), "{}", all.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_are_one_emoji_each_and_counted() {
    let api = TestApi::start().await;
    let path = path_of(&api.post_text("hello").await);
    let thumb = format!("{path}/reactions/%F0%9F%91%8D");
    for _ in 0..2 {
        let message = api.with_body("PUT", &thumb, &json!({})).await.json();
        let reaction = &message["reactions"][0];
        assert_eq!(
            (&reaction["emoji"], &reaction["count"], &reaction["mine"]),
            (&json!("👍"), &json!(1), &json!(true))
        );
        assert_eq!(reaction["users"], json!([message["author"]]));
    }
    assert_eq!(api.delete(&thumb).await.json()["reactions"], json!([]));
    let before = api.feed();
    for wrong in ["a", "ok", "%F0%9F%91%8D%F0%9F%91%8D", "1", "%1B%5B2J"] {
        refused(
            &api.with_body("PUT", &format!("{path}/reactions/{wrong}"), &json!({}))
                .await,
            400,
            "not_an_emoji",
        );
    }
    assert_eq!(api.feed(), before);
    for n in 0..20u32 {
        let emoji = char::from_u32(0x1F400 + n).unwrap().to_string();
        let encoded: String = emoji.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert_eq!(
            api.with_body("PUT", &format!("{path}/reactions/{encoded}"), &json!({}))
                .await
                .status,
            200
        );
    }
    refused(
        &api.with_body("PUT", &thumb, &json!({})).await,
        409,
        "too_many_reactions",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_are_listed_newest_first() {
    let api = TestApi::start().await;
    let mut paths = Vec::new();
    for text in ["one", "two", "three"] {
        paths.push(path_of(&api.post_text(text).await));
    }
    for path in [&paths[2], &paths[0], &paths[1]] {
        assert_eq!(
            api.with_body("PUT", &format!("{path}/pin"), &json!({})).await.json()["pinned"],
            true
        );
    }
    assert_eq!(api.delete(&format!("{}/pin", paths[2])).await.json()["pinned"], false);
    let list = format!("/api/v1/conversations/{}/pins", api.conversation);
    let texts = |list: Value| -> Vec<Value> {
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["text"].clone())
            .collect()
    };
    assert_eq!(texts(api.get(&list).await.json()), ["two", "one"]);
    api.delete(&format!("{}?for=all", paths[1])).await;
    assert_eq!(
        texts(api.get(&list).await.json()),
        ["one"],
        "what is erased is not pinned"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timer_is_taken_by_new_messages_unless_they_say_otherwise() {
    let api = TestApi::start().await;
    let timer = format!("/api/v1/conversations/{}/timer", api.conversation);
    assert_eq!(api.get(&timer).await.json(), json!({ "expires_after_ms": null }));
    for wrong in [0, 4_999, 31_536_000_001u64] {
        refused(
            &api.with_body("PUT", &timer, &json!({ "expires_after_ms": wrong }))
                .await,
            400,
            "out_of_bounds",
        );
        refused(
            &api.send_with(&json!({ "text": "x", "expires_after_ms": wrong })).await,
            400,
            "out_of_bounds",
        );
    }
    assert_eq!(
        api.with_body("PUT", &timer, &json!({ "expires_after_ms": 3_600_000 }))
            .await
            .status,
        200
    );
    assert_eq!(api.get(&timer).await.json(), json!({ "expires_after_ms": 3_600_000 }));
    let with = api.post_text("goes").await;
    assert!(with["expires_at"].as_str() > with["created_at"].as_str(), "{with}");
    let without = api
        .send_with(&json!({ "text": "stays", "expires_after_ms": null }))
        .await
        .json();
    assert!(without["expires_at"].is_null(), "{without}");
    assert_eq!(api.delete(&timer).await.json(), json!({ "expires_after_ms": null }));
    assert!(api.post_text("stays, too").await["expires_at"].is_null());
    let page = api
        .get(&format!("/api/v1/conversations/{}/messages", api.conversation))
        .await
        .json();
    let lines: Vec<&Value> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| !m["timer"].is_null())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["timer"], json!({ "expires_after_ms": 3_600_000 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_be_viewed_once_is_not_shown_to_its_sender() {
    let api = TestApi::start().await;
    let sent = api
        .send_with(&json!({ "text": "look at the heron", "view_once": true }))
        .await;
    assert!(!sent.text().contains("heron"), "{}", sent.text());
    let path = path_of(&sent.json());
    refused(
        &api.with_body("POST", &format!("{path}/view"), &json!({})).await,
        403,
        "own_message",
    );
    refused(
        &api.with_body("PATCH", &path, &json!({ "text": "x" })).await,
        409,
        "not_editable",
    );
    assert_eq!(api.get("/api/v1/search?q=heron").await.json()["items"], json!([]));
    assert_eq!(api.get(&format!("{path}/versions")).await.json()["items"], json!([]));
    let reply = api
        .send_with(&json!({ "text": "well?", "reply_to": sent.json()["id"] }))
        .await;
    assert_eq!(reply.json()["reply"]["reason"], "on_demand", "{}", reply.text());
    refused(
        &api.send_with(&json!({ "text": "x", "view_once": 3 })).await,
        400,
        "bad_field",
    );
    let plain = path_of(&api.post_text("plain").await);
    refused(
        &api.with_body("POST", &format!("{plain}/view"), &json!({})).await,
        409,
        "not_on_demand",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_deleted_for_oneself_is_nowhere_any_more() {
    let api = TestApi::start().await;
    let kept = api.post_text("kept heron").await;
    let path = path_of(&api.post_text("hidden heron").await);
    assert_eq!(api.delete(&format!("{path}?for=me")).await.status, 204);
    refused(&api.get(&path).await, 404, "not_found");
    assert_eq!(api.delete(&format!("{path}?for=me")).await.status, 204, "twice is once");
    refused(&api.delete(&format!("{path}?for=all")).await, 404, "not_found");
    let found = api.get("/api/v1/search?q=heron").await.json();
    assert_eq!(
        (found["items"].as_array().unwrap().len(), &found["items"][0]["id"]),
        (1, &kept["id"])
    );
    let page = api
        .get(&format!("/api/v1/conversations/{}/messages", api.conversation))
        .await
        .json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let conversation = api
        .get(&format!("/api/v1/conversations/{}", api.conversation))
        .await
        .json();
    assert_eq!(conversation["last"]["id"], kept["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_and_mentions_name_what_is_there() {
    let api = TestApi::start().await;
    let unknown = format!("msg_{}", "a".repeat(52));
    refused(
        &api.send_with(&json!({ "text": "x", "reply_to": unknown })).await,
        404,
        "not_found",
    );
    refused(
        &api.send_with(&json!({ "text": "x", "reply_to": "nonsense" })).await,
        400,
        "bad_id",
    );
    refused(
        &api.send_with(&json!({ "text": "x", "mentions": ["nobody"] })).await,
        404,
        "not_found",
    );
    let sent = api
        .send_with(&json!({ "text": "@bob", "mentions": ["bob"] }))
        .await
        .json();
    let bob = api.get("/api/v1/contacts/bob").await.json()["user_id"].clone();
    assert_eq!(sent["mentions"], json!([bob]), "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_tells_each_change_once_and_never_what_was_erased() {
    let api = TestApi::start().await;
    let start = api.feed();
    let path = path_of(&api.post_text("secret heron").await);
    let read = async |after: u64| changes(&api, after, api.feed()).await;
    let names = |events: &[Value]| -> Vec<String> {
        events
            .iter()
            .filter_map(|e| e["type"].as_str())
            .filter(|t| t.starts_with("message"))
            .map(str::to_owned)
            .collect()
    };
    let first = read(start).await;
    assert_eq!(names(&first), ["message"]);
    api.with_body("PATCH", &path, &json!({ "text": "secret egret" })).await;
    api.with_body("PUT", &format!("{path}/pin"), &json!({})).await;
    assert_eq!(
        names(&read(start).await),
        ["message", "message_updated", "message_updated"]
    );
    api.delete(&format!("{path}?for=all")).await;
    let again = read(start).await;
    assert_eq!(
        names(&again),
        ["message", "message_updated", "message_updated", "message_updated"]
    );
    assert!(!Value::Array(again).to_string().contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_for_oneself_is_told_to_nobody_who_comes_later() {
    let api = TestApi::start().await;
    let start = api.feed();
    let wish = json!({ "text": "secret heron", "client_id": "one" });
    let sent = api.send_with(&wish).await.json();
    let path = path_of(&sent);
    api.with_body("PATCH", &path, &json!({ "text": "secret egret" })).await;
    assert_eq!(api.delete(&format!("{path}?for=me")).await.status, 204);
    let last = api.post_text("the last one").await;
    let told = changes(&api, start, api.feed()).await;
    assert!(told.iter().any(|change| change["message"]["id"] == last["id"]));
    assert!(told.iter().any(|change| change["type"] == "message_hidden"));
    assert!(!json!(told).to_string().contains("secret"), "{told:?}");
    let again = api.send_with(&wish).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert!(!again.text().contains("secret"), "{}", again.text());
    let again = again.json();
    assert_eq!((&again["id"], &again["gone"]), (&sent["id"], &json!("hidden")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_repeated_has_the_same_answer_whatever_became_of_what_it_names() {
    let api = TestApi::start().await;
    let answered = api.post_text("heron?").await;
    let wish = json!({ "text": "@bob heron!", "reply_to": answered["id"], "mentions": ["bob"], "client_id": "one" });
    let sent = api.send_with(&wish).await;
    assert_eq!(sent.status, 201, "{}", sent.text());
    api.delete(&format!("{}?for=all", path_of(&answered))).await;
    api.patch("/api/v1/contacts/bob", &json!({ "petname": "robert" })).await;
    let again = api.send_with(&wish).await;
    assert_eq!(
        (again.status, &again.json()["id"]),
        (200, &sent.json()["id"]),
        "{}",
        again.text()
    );
    let other = json!({ "text": "x", "reply_to": answered["id"], "client_id": "two" });
    refused(&api.send_with(&other).await, 410, "gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_finds_its_messages_behind_many_edits() {
    let api = TestApi::start().await;
    let first = api.post_text("0").await;
    let second = api.post_text("again").await;
    let id: EventId = first["id"].as_str().unwrap().parse().unwrap();
    for n in 1..=300 {
        let what = Change::Edit(n.to_string());
        api.account().change(ChangeMessage { id, what }).await.unwrap();
    }
    let start = api.feed();
    let store = api.account().store();
    let conversation = api.conversation.parse().unwrap();
    let mut txn = store.begin();
    let row = FeedRow::Delivered {
        conversation: conversations::number(&txn, &conversation).unwrap().unwrap(),
        log: 1,
        device: DeviceNo(1),
        seqs: Intervals::range(1, 302),
    };
    feed::append(&mut txn, &row).unwrap();
    store.commit(txn.into_batch()).unwrap();
    let told = changes(&api, start, api.feed()).await;
    assert_eq!(told[0]["type"], "receipt", "{told:?}");
    assert_eq!(
        (&told[0]["message_ids"], &told[0]["count"]),
        (&json!([first["id"], second["id"]]), &json!(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_do_not_come_or_are_tried_no_more_are_told_with_the_reason() {
    let api = TestApi::start().await;
    let sent = api.post_text("anybody there?").await;
    let details = api
        .get(&format!("/api/v1/messages/{}", sent["id"].as_str().unwrap()))
        .await
        .json();
    assert_eq!(details["devices"], json!([]), "{details}");
    assert!(!details["reason"].as_str().unwrap().is_empty(), "{details}");
    assert!(details["since"].is_string(), "{details}");

    let start = api.feed();
    let store = api.account().store();
    let conversation = conversations::number(store, &api.conversation.parse().unwrap())
        .unwrap()
        .unwrap();
    let (log, device, seqs) = (1, DeviceNo(1), Intervals::range(1, 1));
    let mut txn = store.begin();
    let rows = [
        FeedRow::Failed {
            conversation,
            log,
            device,
            seqs: seqs.clone(),
        },
        FeedRow::Expired {
            conversation,
            log,
            device,
            seqs,
        },
    ];
    for row in &rows {
        feed::append(&mut txn, row).unwrap();
    }
    store.commit(txn.into_batch()).unwrap();
    let told = changes(&api, start, api.feed()).await;
    assert_eq!(
        (&told[0]["state"], &told[1]["state"]),
        (&json!("failed"), &json!("expired"))
    );
    assert_eq!(told[0]["message_ids"], json!([sent["id"]]));
    assert_eq!(told[1]["reason"], "tried for 30 days; it goes when their node connects");
    assert!(!told[0]["reason"].as_str().unwrap().is_empty(), "{told:?}");
}
