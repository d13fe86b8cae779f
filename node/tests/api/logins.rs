//! Logging in with name and password: tokens, their renewal, what is stolen, and who guesses.

use std::time::Duration;

use parlour_node::{ApiLimits, RateLimit};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::socket::Socket;
use super::support::{Program, Reply, TestApi, read_to_end};

const EMAIL: &str = "ada@example.org";
const PASSWORD: &str = "correct horse";

async fn with_password(limits: ApiLimits) -> TestApi {
    let api = TestApi::with(limits).await;
    let set = api
        .put("/api/v1/me/login", &json!({ "email": EMAIL, "password": PASSWORD }))
        .await;
    assert_eq!(set.status, 200, "{}", set.text());
    api
}

async fn try_login(api: &Program, name: &str, password: &str) -> Reply {
    let request = api
        .request("POST", "/api/v1/session/login")
        .without("Authorization")
        .set("Content-Type", "application/json")
        .set("User-Agent", "Browser/1.0");
    let body = json!({ "name": name, "password": password });
    api.send(&request.body(&body.to_string())).await
}

async fn log_in(api: &TestApi) -> (Program, Value) {
    let reply = try_login(api, EMAIL, PASSWORD).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let page = Program {
        address: api.address,
        token: reply.json()["token"].as_str().unwrap().to_owned(),
    };
    (page, reply.json())
}

async fn refresh(api: &Program, token: &Value) -> Reply {
    let request = api
        .request("POST", "/api/v1/session/refresh")
        .without("Authorization")
        .set("Content-Type", "application/json");
    api.send(&request.body(&json!({ "refresh_token": token }).to_string()))
        .await
}

fn code(reply: &Reply) -> (u16, String) {
    (
        reply.status,
        reply.json()["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_gives_a_token_and_lasts_by_being_renewed() {
    let api = with_password(ApiLimits::default()).await;
    let (page, first) = log_in(&api).await;
    let session = page.get("/api/v1/session").await.json();
    assert_eq!(
        (&session["program"], &session["scope"]),
        (&json!("login"), &json!("admin"))
    );
    assert!(session["expires_at"].is_string());
    let made = page.post("/api/v1/tokens", &json!({ "scope": "read" })).await;
    assert_eq!(code(&made), (403, "not_for_pages".into()));
    let other = page
        .put("/api/v1/me/login", &json!({ "password": "another one" }))
        .await;
    assert_eq!(
        code(&other),
        (403, "not_for_pages".into()),
        "a page that is open for a moment does not take over"
    );

    let second = refresh(&api, &first["refresh_token"]).await;
    assert_eq!(second.status, 200, "{}", second.text());
    let second = second.json();
    assert_ne!(first["token"], second["token"]);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let renewed = Program {
        address: api.address,
        token: second["token"].as_str().unwrap().to_owned(),
    };
    assert_eq!(renewed.get("/api/v1/me").await.status, 200);
    let logins = renewed.get("/api/v1/session/logins").await.json();
    assert_eq!(logins["items"].as_array().unwrap().len(), 1, "{logins}");
    let login = &logins["items"][0];
    assert_eq!(
        (&login["device"], &login["current"]),
        (&json!("Browser/1.0"), &json!(true))
    );
    assert_eq!(
        api.get("/api/v1/session/logins").await.json()["items"][0]["current"],
        false
    );

    // Both tokens of the login end with it, and so does its socket.
    let mut socket = Socket::open(&renewed).await;
    socket.say(&json!({ "type": "auth", "token": renewed.token })).await;
    assert_eq!(socket.text().await["type"], "ready");
    assert_eq!(renewed.post("/api/v1/session/logout", &json!({})).await.status, 204);
    assert_eq!(socket.closed().await, 4401);
    for page in [&page, &renewed] {
        assert_eq!(page.get("/api/v1/me").await.status, 401);
    }
    assert_eq!(refresh(&api, &second["refresh_token"]).await.status, 401);
    let not_a_session = api.post("/api/v1/session/logout", &json!({})).await;
    assert_eq!(code(&not_a_session), (409, "no_session".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_shown_twice_ends_its_login_and_no_other() {
    let api = with_password(ApiLimits::default()).await;
    let (_, first) = log_in(&api).await;
    let (other, _) = log_in(&api).await;
    let second = refresh(&api, &first["refresh_token"]).await.json();
    let thief = refresh(&api, &first["refresh_token"]).await;
    assert_eq!(code(&thief), (401, "token_reused".into()));
    let victim = Program {
        address: api.address,
        token: second["token"].as_str().unwrap().to_owned(),
    };
    assert_eq!(victim.get("/api/v1/me").await.status, 401);
    assert_eq!(
        code(&refresh(&api, &second["refresh_token"]).await),
        (401, "login_ended".into())
    );
    assert_eq!(other.get("/api/v1/me").await.status, 200);

    // Of ten at once, one is in time at most: the others are too late, which ends the login, maybe before the first is answered.
    let (_, first) = log_in(&api).await;
    let ten = (0..10).map(|_| refresh(&api, &first["refresh_token"]));
    let replies = futures::future::join_all(ten).await;
    let taken = replies.iter().filter(|reply| reply.status == 200).count();
    assert!(taken <= 1, "{taken}");
    assert!(replies.iter().all(|reply| reply.status == 200 || reply.status == 401));
    for nonsense in [json!(""), json!("x"), json!("ä".repeat(70)), json!("0".repeat(128))] {
        assert_eq!(code(&refresh(&api, &nonsense).await), (401, "login_ended".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_passwords_has_to_wait_also_many_at_once() {
    let api = with_password(ApiLimits {
        logins: RateLimit {
            burst: 5,
            per_second: 0.001,
        },
        ..ApiLimits::default()
    })
    .await;
    // Right ones do not count.
    for _ in 0..6 {
        log_in(&api).await;
    }
    for (name, password) in [(EMAIL, "wrong"), ("nobody", PASSWORD), (EMAIL, "")] {
        let wrong = try_login(&api, name, password).await;
        assert_eq!(code(&wrong), (401, "wrong_password".into()), "{name}");
    }
    let guesses = (0..20).map(|n| {
        let api = &api;
        async move { try_login(api, EMAIL, &format!("guess {n}")).await }
    });
    let replies = futures::future::join_all(guesses).await;
    let tried = replies.iter().filter(|reply| reply.status == 401).count();
    assert_eq!(tried, 3, "two were wrong before");
    let refused = replies.iter().find(|reply| reply.status == 429).unwrap();
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(try_login(&api, EMAIL, PASSWORD).await.status, 429);
    assert_eq!(try_login(&api, "ADA@example.org", PASSWORD).await.status, 429);
    assert_eq!(api.get("/api/v1/me").await.status, 200, "the command line goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_up_is_counted_as_a_wrong_try_and_holds_up_no_login_that_is_open() {
    let anonymous = RateLimit {
        burst: 4,
        per_second: 0.001,
    };
    let api = with_password(ApiLimits {
        anonymous,
        ..ApiLimits::default()
    })
    .await;
    let (_, first) = log_in(&api).await;
    let body = json!({ "name": "nobody", "password": "guess" }).to_string();
    let mut tries = 0;
    // A right login leaves no count. Who hangs up before the node has read the words has not tried them, which a busy
    // machine does to some.
    while try_login(&api, EMAIL, PASSWORD).await.status != 429 {
        let mut socket = TcpStream::connect(api.address).await.unwrap();
        let head = format!(
            "POST /api/v1/session/login HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            api.address,
            body.len()
        );
        socket.write_all((head + &body).as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        read_to_end(&mut socket).await;
        tries += 1;
        assert!(tries < 60, "tries whose answer nobody waits for are counted too");
    }
    assert!(tries >= 4, "only wrong tries are counted");
    assert_eq!(refresh(&api, &json!("f".repeat(128))).await.status, 429);
    let renewed = refresh(&api, &first["refresh_token"]).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_end_by_time_by_the_command_line_and_by_a_new_password() {
    let api = with_password(ApiLimits {
        login_access: Duration::from_secs(1),
        ..ApiLimits::default()
    })
    .await;
    let (page, _) = log_in(&api).await;
    let mut socket = Socket::open(&page).await;
    socket.say(&json!({ "type": "auth", "token": page.token })).await;
    assert_eq!(socket.closed().await, 4401);
    assert_eq!(page.get("/api/v1/me").await.status, 401);

    let (_, one) = log_in(&api).await;
    let id = api.get("/api/v1/session/logins").await.json()["items"][0]["id"].clone();
    let path = format!("/api/v1/session/logins/{}", id.as_str().unwrap());
    assert_eq!(api.send(&api.request("DELETE", &path)).await.status, 204);
    assert_eq!(api.send(&api.request("DELETE", &path)).await.status, 404);
    assert_eq!(refresh(&api, &one["refresh_token"]).await.status, 401);

    let (_, two) = log_in(&api).await;
    let set = api
        .put("/api/v1/me/login", &json!({ "password": "battery staple" }))
        .await;
    assert_eq!((set.status, &set.json()["email"]), (200, &json!(EMAIL)));
    assert_eq!(refresh(&api, &two["refresh_token"]).await.status, 401);
    assert_eq!(try_login(&api, EMAIL, PASSWORD).await.status, 401);
    assert_eq!(try_login(&api, EMAIL, "battery staple").await.status, 200);

    let api = with_password(ApiLimits {
        login_refresh: Duration::ZERO,
        ..ApiLimits::default()
    })
    .await;
    let (_, late) = log_in(&api).await;
    assert_eq!(
        code(&refresh(&api, &late["refresh_token"]).await),
        (401, "login_ended".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_addresses_are_checked() {
    let api = TestApi::start().await;
    assert_eq!(api.get("/api/v1/me/login").await.json()["password_since"], Value::Null);
    assert_eq!(try_login(&api, EMAIL, PASSWORD).await.status, 401);
    for (wish, field) in [
        (json!({ "password": "short" }), "password"),
        (json!({ "password": "x".repeat(1025) }), "password"),
        (json!({ "password": PASSWORD, "email": "ada" }), "email"),
        (json!({ "password": PASSWORD, "email": "@example.org" }), "email"),
        (json!({ "password": PASSWORD, "email": "a b@example.org" }), "email"),
        (json!({ "password": PASSWORD, "email": "a@b@c" }), "email"),
        (
            json!({ "password": PASSWORD, "email": format!("{}@b", "a".repeat(300)) }),
            "email",
        ),
    ] {
        let reply = api.put("/api/v1/me/login", &wish).await;
        assert_eq!((reply.status, &reply.json()["field"]), (400, &json!(field)), "{wish}");
    }
    assert_eq!(api.get("/api/v1/me/login").await.json()["password_since"], Value::Null);
}
