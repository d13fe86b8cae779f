//! A node without an account: what it takes, what it refuses, and that it goes on as a complete node behind the same door.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::support::{Raw, patient, read_reply};
use super::waiting::{Waiting, code_of, send};

/// 24 words whose entropy is all zero.
const ZERO: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                    abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";

#[tokio::test(flavor = "multi_thread")]
async fn it_says_that_it_has_no_account_and_what_to_do() {
    let api = Waiting::start().await;
    assert_eq!(api.get("/health/live").await.status, 200);
    let ready = api.get("/health/ready").await;
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"no_account".into()));
    assert!(ready.json()["detail"].as_str().unwrap().contains("no account yet"));
    let accounts = api.get("/api/v1/accounts").await;
    assert_eq!((accounts.status, accounts.json()), (200, json!({ "items": [] })));
    for path in ["/api/v1/me", "/api/v1/stats", "/api/v1/events", "/api/v1/nothing"] {
        let reply = api.get(path).await;
        assert_eq!(code_of(&reply), (503, "no_account".into()), "{path}");
        assert!(reply.text().contains("parlour init --name NAME"), "{}", reply.text());
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(api.get("/elsewhere").await.status, 404);
    api.node.stop().await;
    assert!(!api.data.path().join("api/cookie").exists());
    assert!(!api.data.path().join("api/address").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_ask_makes_no_account() {
    let api = Waiting::start().await;
    let create = api.create(&json!({ "name": "mallory" }));
    let port = api.address.port();
    let pair = api.json("/api/v1/session/pair", &json!({ "code": api.code() }));
    let link = api.json("/api/v1/session/link", &json!({}));
    let big = format!("{{\"name\":\"{}\"}}", "a".repeat(70_000));
    for (what, status, raw) in [
        ("no token", 401, create.clone().without("Authorization")),
        ("wrong token", 401, create.clone().set("Authorization", "Bearer guess")),
        (
            "the token in a cookie",
            401,
            create.clone().without("Authorization").set("Cookie", &api.token),
        ),
        ("foreign host", 403, create.clone().set("Host", "evil.example")),
        ("host without port", 403, create.clone().set("Host", "localhost")),
        (
            "foreign origin",
            403,
            create.clone().set("Origin", "http://evil.example"),
        ),
        ("null origin", 403, create.clone().set("Origin", "null")),
        (
            "another site's page",
            403,
            create.clone().set("Sec-Fetch-Site", "cross-site"),
        ),
        (
            "a form",
            415,
            create.clone().set("Content-Type", "application/x-www-form-urlencoded"),
        ),
        ("plain text", 415, create.clone().set("Content-Type", "text/plain")),
        ("no content type", 415, create.clone().without("Content-Type")),
        ("too large", 413, create.clone().body(&big)),
        ("not JSON", 400, create.clone().body("name=mallory")),
        (
            "a field too many",
            400,
            create.clone().body("{\"name\":\"a\",\"admin\":true}"),
        ),
        ("GET", 200, create.clone().method("GET")),
        ("PUT", 405, create.clone().method("PUT")),
        (
            "pairing from a foreign page",
            403,
            pair.clone().set("Origin", "http://evil.example"),
        ),
        (
            "pairing by a rebound name",
            403,
            pair.clone().set("Host", &format!("evil.example:{port}")),
        ),
        ("pairing by a form", 415, pair.clone().set("Content-Type", "text/plain")),
        ("a link without a token", 401, link.without("Authorization")),
        (
            "the page by another name",
            403,
            api.request("GET", "/").set("Host", "evil.example"),
        ),
    ] {
        let reply = api.send(&raw).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
    }
    assert_eq!(api.accounts(), Vec::<PathBuf>::new());
    assert_eq!(api.get("/health/ready").await.json()["status"], "no_account");
    assert_eq!(
        api.send(&pair.without("Authorization")).await.status,
        200,
        "the code is unused"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_an_account_leaves_nothing_on_the_disk() {
    let api = Waiting::start().await;
    let swapped = ZERO.replacen("abandon", "ability", 1);
    let unknown = ZERO.replace("art", "parlour");
    for (wish, code, field) in [
        (json!({ "name": "" }), "bad_name", "name"),
        (json!({ "name": "  \t" }), "bad_name", "name"),
        (json!({ "name": "a\u{7}b" }), "bad_name", "name"),
        (json!({ "name": "a".repeat(65) }), "bad_name", "name"),
        (json!({ "name": "ada", "password": "" }), "bad_password", "password"),
        (
            json!({ "name": "ada", "password": "x".repeat(4_097) }),
            "bad_password",
            "password",
        ),
        (
            json!({ "name": "ada", "require_password": true }),
            "bad_password",
            "password",
        ),
        (json!({ "name": "ada", "words": "" }), "bad_words", "words"),
        (
            json!({ "name": "ada", "words": "abandon ability able" }),
            "bad_words",
            "words",
        ),
        (json!({ "name": "ada", "words": swapped }), "bad_words", "words"),
        (json!({ "name": "ada", "words": unknown }), "bad_words", "words"),
        (
            json!({ "name": "ada", "words": format!("{ZERO} art") }),
            "bad_words",
            "words",
        ),
        (json!({ "name": 7 }), "bad_field", "name"),
    ] {
        let reply = api.send(&api.create(&wish)).await;
        assert_eq!(code_of(&reply), (400, code.into()), "{wish}");
        assert_eq!(reply.json()["field"], field, "{wish}");
        assert!(!reply.text().contains("abandon"), "{}", reply.text());
    }
    assert_eq!(api.accounts(), Vec::<PathBuf>::new());
    assert_eq!(api.send(&api.create(&json!({ "name": "ada" }))).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_make_an_account_at_once_make_one() {
    let api = Waiting::start().await;
    let (one, other) = (
        api.create(&json!({ "name": "ada" })),
        api.create(&json!({ "name": "bo" })),
    );
    let (one, other) = tokio::join!(api.send(&one), api.send(&other));
    let mut outcomes = [(one.status, one), (other.status, other)];
    outcomes.sort_by_key(|(status, _)| *status);
    assert_eq!((outcomes[0].0, outcomes[1].0), (201, 409));
    assert_eq!(outcomes[1].1.json()["code"], "account_exists");
    let made = outcomes[0].1.json()["account"].as_str().unwrap().to_owned();
    assert_eq!(api.accounts(), [api.data.path().join("accounts").join(made)]);
    assert_eq!(api.get("/health/ready").await.json()["status"], "starting");
    assert_eq!(code_of(&api.get("/api/v1/me").await), (503, "starting".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_goes_on_at_the_same_place_with_the_same_tokens() {
    let mut api = Waiting::start().await;
    let paired = api.pair(&api.code()).await.json();
    let page = format!("Bearer {}", paired["token"].as_str().unwrap());
    // A connection from before is served by the complete node.
    let mut kept = TcpStream::connect(api.address).await.unwrap();
    let ready = api.request("GET", "/health/ready").without("Connection").bytes();
    kept.write_all(&ready).await.unwrap();
    assert_eq!(patient("an answer", read_reply(&mut kept)).await.status, 503);

    let wish = json!({ "name": " Ada ", "password": "correct horse", "require_password": true });
    let made = api.send(&api.create(&wish).set("Authorization", &page)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let made = made.json();
    assert_eq!((&made["name"], &made["account"]), (&"Ada".into(), &"ada".into()));
    assert_eq!(made["words"].as_str().unwrap().split(' ').count(), 24);

    patient("the account", api.node.account()).await;
    let node = api.node.complete().await.unwrap();
    kept.write_all(&ready).await.unwrap();
    assert_eq!(patient("an answer", read_reply(&mut kept)).await.status, 200);
    let get = |path: &str| Raw {
        method: "GET".into(),
        target: path.into(),
        version: "HTTP/1.1".into(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    let get = |path: &str| {
        get(path)
            .set("Host", &api.address.to_string())
            .set("Connection", "close")
    };
    for bearer in [format!("Bearer {}", api.token), page] {
        let me = send(api.address, &get("/api/v1/me").set("Authorization", &bearer)).await;
        assert_eq!((me.status, &me.json()["user_id"]), (200, &made["user_id"]));
    }
    let bearer = format!("Bearer {}", api.token);
    let accounts = send(api.address, &get("/api/v1/accounts").set("Authorization", &bearer)).await;
    assert_eq!(accounts.json()["items"][0]["user_id"], made["user_id"]);
    let again = get("/api/v1/accounts")
        .method("POST")
        .set("Authorization", &bearer)
        .set("Content-Type", "application/json")
        .body("{\"name\":\"bo\"}");
    assert_eq!(
        code_of(&send(api.address, &again).await),
        (409, "account_exists".into())
    );
    assert_eq!(node.api_url(), format!("http://{}", api.address));
    let cookie = std::fs::read_to_string(api.data.path().join("api/cookie")).unwrap();
    assert_eq!((cookie.trim(), node.token()), (api.token.as_str(), api.token.as_str()));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_recovered_from_its_words_and_they_are_not_repeated() {
    let api = Waiting::start().await;
    let words = format!(" {}\n", ZERO.to_uppercase());
    let made = api.send(&api.create(&json!({ "name": "ada", "words": words }))).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["words"], Value::Null);
    let other = Waiting::start().await;
    let again = other.send(&other.create(&json!({ "name": "bo", "words": ZERO }))).await;
    assert_eq!(again.json()["user_id"], made.json()["user_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_may_load_its_own_files_and_nothing_else() {
    let api = Waiting::start().await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/setup.css", "text/css; charset=utf-8"),
        ("/setup.js", "text/javascript; charset=utf-8"),
    ] {
        let file = api.send(&api.request("GET", path).without("Authorization")).await;
        assert_eq!((file.status, file.header("content-type")), (200, Some(kind)), "{path}");
        let policy = file.header("content-security-policy").unwrap();
        for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(file.header("referrer-policy"), Some("no-referrer"));
        for inline in ["style=", " onclick", " onload", "innerHTML", "<style", "https://"] {
            assert!(!file.text().contains(inline), "{inline} in {path}");
        }
    }
    let ready = api.get("/health/ready").await;
    assert!(!ready.header("content-security-policy").unwrap().contains("'self'"));
}
