//! Safety numbers, and contacts who come back with other devices: what is said of them, and how it is decided.

use parlour_node::NewAccount;
use serde_json::{Value, json};

use super::stream::Stream;
use super::support::{Reply, TestApi};

fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (status, &json!(code)),
        "{}",
        reply.text()
    );
}

/// Bob from before, bob who came back from his words, and alice, who knows the former and has met the latter.
async fn replaced() -> (TestApi, TestApi) {
    let alice = TestApi::start().await;
    let (old, words) = TestApi::made(&NewAccount::named("robert"), |_| {}).await;
    let mut at_alice = Stream::open(&alice, "", None).await;
    meet(&alice, &old).await;
    at_alice
        .find(|e| e["contact"]["state"] == "accepted" && e["contact"]["name"] == "robert")
        .await;
    drop(old);
    let again = NewAccount {
        words,
        ..NewAccount::named("robert")
    };
    let (new, _) = TestApi::made(&again, |_| {}).await;
    meet(&alice, &new).await;
    let changed = at_alice.find(|e| e["contact"]["trust"] == "changed").await;
    assert!(
        changed["contact"]["warning"].as_str().unwrap().contains("have changed"),
        "{changed}"
    );
    (alice, new)
}

/// Alice gives away an invite.
async fn meet(alice: &TestApi, other: &TestApi) {
    let invite = alice.invite(&json!({})).await;
    let added = other.post("/api/v1/contacts", &json!({ "link": invite["link"] })).await;
    assert_eq!(added.status, 201, "{}", added.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_devices_are_warned_of_and_accepted_by_name_only() {
    let (alice, _bob) = replaced().await;
    let contact = async || alice.get("/api/v1/contacts/robert").await.json();
    let before = contact().await;
    assert!(before["trust_since"].is_string(), "{before}");
    let conversation = alice.get("/api/v1/conversations/robert").await.json();
    assert_eq!(conversation["warning"], before["warning"]);
    let say = json!({ "text": "secret" });
    refused(
        &alice.post("/api/v1/conversations/robert/messages", &say).await,
        409,
        "devices_replaced",
    );

    let safety = alice.get("/api/v1/contacts/robert/safety").await.json();
    assert_eq!(
        (&safety["trust"], &safety["warning"]),
        (&json!("changed"), &before["warning"])
    );
    let trust = async |wish: &Value| alice.post("/api/v1/contacts/robert/trust", wish).await;
    let verify = async |wish: &Value| alice.post("/api/v1/contacts/robert/verify", wish).await;
    refused(&trust(&json!({})).await, 409, "devices_replaced");
    refused(
        &trust(&json!({ "devices": "0000000000000000" })).await,
        409,
        "other_devices",
    );
    assert_eq!(trust(&json!({ "devices": "these" })).await.status, 400);
    let number = &safety["number"];
    refused(&verify(&json!({ "code": number })).await, 409, "devices_replaced");
    refused(
        &verify(&json!({ "code": number, "devices": "0000000000000000" })).await,
        409,
        "other_devices",
    );
    assert_eq!(contact().await["trust"], "changed", "nothing of it was a decision");

    let taken = trust(&json!({ "devices": safety["devices"] })).await.json();
    assert_eq!(
        (&taken["trust"], &taken["warning"]),
        (&json!("unverified"), &Value::Null)
    );
    let sent = alice.post("/api/v1/conversations/robert/messages", &say).await;
    assert_eq!(sent.status, 201, "{}", sent.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_safety_number_is_compared_and_taken_back() {
    let api = TestApi::start().await;
    let safety = api.get("/api/v1/contacts/bob/safety").await.json();
    let number = safety["number"].as_str().unwrap();
    assert_eq!(
        (number.len(), &safety["trust"]),
        (71, &json!("unverified")),
        "twelve groups of five digits"
    );
    let verify = async |code: &str| api.post("/api/v1/contacts/bob/verify", &json!({ "code": code })).await;
    refused(&verify("12345").await, 400, "bad_code");
    let wrong: String = number.chars().rev().collect();
    refused(&verify(&wrong).await, 409, "wrong_code");
    assert_eq!(api.get("/api/v1/contacts/bob").await.json()["trust"], "unverified");
    let verified = verify(number).await.json();
    assert_eq!(verified["trust"], "verified");
    assert!(verified["trust_since"].is_string(), "{verified}");
    let back = api.post("/api/v1/contacts/bob/trust", &json!({})).await.json();
    assert_eq!(
        (&back["trust"], &back["trust_since"]),
        (&json!("unverified"), &Value::Null)
    );
}
