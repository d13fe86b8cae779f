//! The pages of a node with an account, and what they need of the API that programs seldom ask for.

use serde_json::{Value, json};

use super::support::TestApi;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_its_files_need_no_token_and_may_do_little() {
    let api = TestApi::start().await;
    let get = |path: &str| api.request("GET", path).without("Authorization");
    let page = api.send(&get("/")).await;
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "trusted-types 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(page.header("content-security-policy").unwrap().contains(rule), "{rule}");
    }
    let html = page.text();
    let named: Vec<_> = html
        .split('"')
        .filter(|part| part.starts_with('/') && !part.starts_with("/>"))
        .collect();
    assert!(named.len() > 30, "{named:?}");
    for path in named {
        let file = api.send(&get(path)).await;
        let kind = file.header("content-type").unwrap();
        let expected = if path.ends_with(".css") {
            "text/css"
        } else {
            "text/javascript"
        };
        assert_eq!((file.status, kind.starts_with(expected)), (200, true), "{path} {kind}");
        assert_eq!(
            file.header("content-security-policy"),
            page.header("content-security-policy")
        );
        assert_eq!(file.header("cache-control"), Some("no-cache"));
        let tag = file.header("etag").unwrap();
        let again = api.send(&get(path).set("If-None-Match", tag)).await;
        assert_eq!(
            (again.status, again.body.len(), again.header("etag")),
            (304, 0, Some(tag))
        );
        let other = api.send(&get(path).set("If-None-Match", "\"other\"")).await;
        assert_eq!((other.status, other.body.len()), (200, file.body.len()));
    }
    for (path, status) in [
        ("/app/../../Cargo.toml", 401),
        ("/app/", 401),
        ("/index.html", 401),
        ("/app/main.js/", 401),
    ] {
        assert_eq!(api.send(&get(path)).await.status, status, "{path}");
    }
    let write = get("/app/main.js")
        .method("PUT")
        .set("Content-Type", "application/json")
        .body("{}");
    assert_eq!(api.send(&write).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_messages_is_read_around_one_of_them() {
    let api = TestApi::start().await;
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(api.post_text(&format!("message {n}")).await["id"].clone());
    }
    let path = "/api/v1/conversations/bob/messages";
    let id = |n: usize| ids[n].as_str().unwrap();
    let seen = |page: &Value| {
        let items = page["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .map(|message| message["id"].clone())
            .collect::<Vec<_>>()
    };
    let middle = api.get(&format!("{path}?limit=5&around={}", id(6))).await.json();
    assert_eq!(seen(&middle), ids[4..9]);
    let cursor = |page: &Value, name: &str| page[name].as_str().unwrap().to_owned();
    let older = api
        .get(&format!("{path}?before={}", cursor(&middle, "prev")))
        .await
        .json();
    assert_eq!(seen(&older), ids[..4]);
    let newer = api
        .get(&format!("{path}?after={}", cursor(&middle, "next")))
        .await
        .json();
    assert_eq!(seen(&newer), ids[9..]);
    for (n, limit, expected) in [(0, 5, 0..3), (11, 5, 9..12), (6, 1, 6..7), (6, 200, 0..12)] {
        let page = api.get(&format!("{path}?limit={limit}&around={}", id(n))).await.json();
        assert_eq!(seen(&page), ids[expected.clone()], "{n} {limit}");
        assert_eq!(
            (page["prev"].is_null(), page["next"].is_null()),
            (expected.start == 0, expected.end == 12)
        );
    }
    let unknown = format!("{path}?around={}{}", &id(0)[..4], "a".repeat(52));
    let elsewhere = format!("/api/v1/conversations/notes/messages?around={}", id(0));
    api.put("/api/v1/notes", &json!({})).await;
    for (query, status) in [
        (unknown, 404),
        (elsewhere, 404),
        (format!("{path}?around=msg_"), 400),
        (
            format!("{path}?around={}&before={}", id(0), cursor(&middle, "prev")),
            400,
        ),
    ] {
        let refused = api.get(&query).await;
        assert_eq!(
            (refused.status, &refused.json()["field"]),
            (status, &json!("around")),
            "{}",
            refused.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_drawn_as_a_qr_code() {
    let api = TestApi::start().await;
    let drawn = api.post("/api/v1/qr", &json!({ "text": "parlour:AQABAQ" })).await;
    assert_eq!(
        (drawn.status, drawn.header("content-type")),
        (200, Some("image/svg+xml"))
    );
    assert!(drawn.text().contains("<svg") && !drawn.text().contains("parlour:"));
    assert!(
        drawn
            .header("content-security-policy")
            .unwrap()
            .contains("default-src 'none'")
    );
    let largest = api.post("/api/v1/qr", &json!({ "text": "a".repeat(1_500) })).await;
    assert_eq!(largest.status, 200);
    for text in [String::new(), "a".repeat(1_501)] {
        let refused = api.post("/api/v1/qr", &json!({ "text": text })).await;
        assert_eq!((refused.status, &refused.json()["field"]), (400, &json!("text")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_message_mentions_is_looked_for_among_the_members_of_a_room() {
    let api = TestApi::start().await;
    let room = api.post("/api/v1/rooms", &json!({ "name": "garden" })).await.json();
    let wish = json!({ "text": "who is there", "mentions": [format!("user_{}", "a".repeat(52))] });
    let room = room["id"].as_str().unwrap();
    for (conversation, status, code) in [(room, 400, "not_a_member"), ("bob", 404, "not_found")] {
        let refused = api
            .post(&format!("/api/v1/conversations/{conversation}/messages"), &wish)
            .await;
        let problem = refused.json();
        assert_eq!((refused.status, &problem["code"]), (status, &json!(code)), "{problem}");
        assert_eq!(problem["field"], "mentions");
    }
}
