//! Links for a browser: good once, for a while, and only so many guesses.

use std::path::PathBuf;

use parlour_node::{ApiLimits, RateLimit};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::support::{Raw, TestApi, patient, read_head, read_to_end};
use super::waiting::{Waiting, code_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once_and_only_while_it_is_the_last_one() {
    let api = Waiting::start().await;
    let old = api.code();
    let code = api.code();
    assert_eq!(code_of(&api.pair(&old).await), (403, "bad_code".into()));
    assert_eq!(code_of(&api.pair("").await), (403, "bad_code".into()));
    let paired = api.pair(&code).await;
    assert_eq!(paired.status, 200);
    assert_eq!(paired.header("cache-control"), Some("no-store"));
    assert_eq!(code_of(&api.pair(&code).await), (403, "bad_code".into()));
    let token = paired.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 64);
    assert!(paired.json()["expires_at"].is_string());
    let as_page = |raw: Raw| raw.set("Authorization", &format!("Bearer {token}"));
    assert_eq!(
        api.send(&as_page(api.request("GET", "/api/v1/accounts"))).await.status,
        200
    );
    // A page that could make links could make its own token last for ever.
    let link = api.send(&as_page(api.json("/api/v1/session/link", &json!({})))).await;
    assert_eq!(code_of(&link), (403, "not_for_pages".into()));
    let link = api.code();
    assert_eq!(api.pair(&link).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_sessions_end() {
    let api = Waiting::with(ApiLimits {
        pairing_code: std::time::Duration::ZERO,
        ..ApiLimits::default()
    })
    .await;
    assert_eq!(code_of(&api.pair(&api.code()).await), (403, "bad_code".into()));
    let api = Waiting::with(ApiLimits {
        paired_session: std::time::Duration::ZERO,
        ..ApiLimits::default()
    })
    .await;
    let token = api.pair(&api.code()).await.json()["token"].as_str().unwrap().to_owned();
    let late = api
        .create(&json!({ "name": "ada" }))
        .set("Authorization", &format!("Bearer {token}"));
    assert_eq!(api.send(&late).await.status, 401);
    assert_eq!(api.accounts(), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_codes_or_asks_too_much_has_to_wait() {
    let few = RateLimit {
        burst: 3,
        per_second: 0.001,
    };
    let api = Waiting::with(ApiLimits {
        pairing: few,
        paired: few,
        ..ApiLimits::default()
    })
    .await;
    let token = api.pair(&api.code()).await.json()["token"].as_str().unwrap().to_owned();
    let code = api.code();
    for _ in 0..3 {
        assert_eq!(api.pair("aaaaaaaaaaaaaaaaaaaaaaaaaa").await.status, 403);
    }
    let refused = api.pair("aaaaaaaaaaaaaaaaaaaaaaaaaa").await;
    assert_eq!(code_of(&refused), (429, "too_many_requests".into()));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(api.pair(&code).await.status, 200, "nobody can keep the right one out");
    let page = api
        .request("GET", "/api/v1/accounts")
        .set("Authorization", &format!("Bearer {token}"));
    for _ in 0..3 {
        assert_eq!(api.send(&page).await.status, 200);
    }
    assert_eq!(api.send(&page).await.status, 429);
    assert_eq!(
        api.get("/api/v1/accounts").await.status,
        200,
        "the command line goes on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_node_with_an_account_pairs_too_and_its_stream_ends_with_its_token() {
    let api = TestApi::with(ApiLimits {
        paired_session: std::time::Duration::from_secs(1),
        ..ApiLimits::default()
    })
    .await;
    let bearer = format!("Bearer {}", api.paired().await);
    let write = api.write().set("Authorization", &bearer);
    assert_eq!(api.send(&write).await.status, 201);
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let events = api.request("GET", "/api/v1/events").set("Authorization", &bearer);
    stream.write_all(&events.bytes()).await.unwrap();
    assert_eq!(patient("the stream", read_head(&mut stream)).await.status, 200);
    read_to_end(&mut stream).await;
    assert_eq!(api.send(&write).await.status, 401);
    assert_eq!(api.send(&api.write()).await.status, 201);
}
