//! Webhooks: what is told to real HTTP servers, what is tried again, what is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use parlour_node::{DataDir, NewAccount, Node, create_account, now_ms};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::{Program, TestApi, options, patient};

/// A server that is asked, and answers when the test says so.
struct Receiver {
    listener: TcpListener,
    open: Option<TcpStream>,
}

/// What came.
struct Delivery {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Delivery {
    /// `None` when the connection has ended.
    async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        assert_eq!(lines.next(), Some("POST /hook?a=b HTTP/1.1"));
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers: BTreeMap<_, _> = headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        stream.read_exact(&mut body).await.ok()?;
        Some(Self { headers, body })
    }

    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// As a receiver does it that has read the description.
    fn is_signed_with(&self, secret: &str) -> bool {
        let key = BASE64
            .decode(secret.strip_prefix("whsec_").unwrap().as_bytes())
            .unwrap();
        let timestamp = &self.headers["webhook-timestamp"];
        let age = (now_ms() / 1_000).abs_diff(timestamp.parse().unwrap());
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{timestamp}.", self.id()).as_bytes());
        mac.update(&self.body);
        let signature = format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()));
        age < 60 && self.headers["webhook-signature"] == signature
    }
}

impl Receiver {
    async fn start() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            open: None,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/hook?a=b", self.listener.local_addr().unwrap())
    }

    /// The next request, on whatever connection it comes.
    async fn next(&mut self) -> Delivery {
        patient("a delivery", async {
            loop {
                let mut stream = match self.open.take() {
                    Some(stream) => stream,
                    None => self.listener.accept().await.unwrap().0,
                };
                if let Some(delivery) = Delivery::read(&mut stream).await {
                    self.open = Some(stream);
                    return delivery;
                }
            }
        })
        .await
    }

    async fn answer(&mut self, status: &str) {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok");
        self.open.as_mut().unwrap().write_all(answer.as_bytes()).await.unwrap();
    }

    /// The next request, which is taken.
    async fn take(&mut self) -> Delivery {
        let delivery = self.next().await;
        self.answer("200 OK").await;
        delivery
    }
}

async fn make(program: &Program, wish: &Value) -> Value {
    let made = program.post("/api/v1/webhooks", wish).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()
}

async fn listed(program: &Program) -> Vec<Value> {
    let listed = program.get("/api/v1/webhooks").await.json();
    listed["items"].as_array().unwrap().clone()
}

/// The one webhook, when it is as it should be. What is delivered is noted in memory by a worker, of which nobody is told.
async fn settled(program: &Program, is_so: impl Fn(&Value) -> bool) -> Value {
    patient("a webhook to settle", async {
        loop {
            let hook = listed(program).await.remove(0);
            if is_so(&hook) {
                return hook;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_signed_and_in_order() {
    let api = TestApi::start().await;
    let mut receiver = Receiver::start().await;
    api.post_text("before").await;
    let made = make(
        &api,
        &json!({ "url": receiver.url(), "events": ["message", "message_updated"] }),
    )
    .await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(
        !api.get("/api/v1/webhooks").await.text().contains("whsec_"),
        "it is shown once"
    );

    let first = api.post_text("one").await;
    let delivery = receiver.take().await;
    assert_eq!(delivery.headers["content-type"], "application/json");
    assert!(delivery.is_signed_with(secret) && !delivery.is_signed_with("whsec_AAAA"));
    let told = delivery.json();
    assert_eq!(
        (&told["type"], &told["message"]["text"]),
        (&json!("message"), &json!("one"))
    );
    assert_eq!(delivery.id(), format!("{id}-{}", told["seq"]));
    assert_eq!(told["message"]["id"], first["id"]);

    api.post_text("two").await;
    let path = format!(
        "/api/v1/messages/{}/reactions/%F0%9F%91%8D",
        first["id"].as_str().unwrap()
    );
    assert_eq!(api.put(&path, &json!({})).await.status, 200);
    assert_eq!(receiver.take().await.json()["message"]["text"], "two");
    let reaction = receiver.take().await.json();
    assert_eq!(reaction["type"], "message_updated");
    assert_eq!(reaction["message"]["reactions"][0]["emoji"], "👍", "{reaction}");
    let hook = settled(&api, |hook| hook["behind"] == 0).await;
    assert_eq!((&hook["state"], &hook["error"]), (&json!("active"), &Value::Null));
    assert!(hook["last_delivery_at"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_and_what_was_deleted_meanwhile_is_not_told() {
    let api = TestApi::start().await;
    let mut receiver = Receiver::start().await;
    make(&api, &json!({ "url": receiver.url(), "events": ["message"] })).await;
    let gone = api.post_text("a secret").await;
    let refused = receiver.next().await;
    assert_eq!(refused.json()["message"]["text"], "a secret");
    receiver.answer("500 Oops").await;
    let hook = settled(&api, |hook| hook["state"] == "retrying").await;
    assert_eq!(hook["error"], "the server answered 500");
    assert!(hook["next_try_at"].is_string() && hook["failing_since"].is_string());
    let stats = api.get("/api/v1/stats").await.json();
    assert_eq!(stats["webhooks"], json!({ "count": 1, "retrying": 1, "paused": 0 }));
    assert_eq!(
        api.get("/api/v1/doctor").await.json()["webhooks"][0]["state"],
        "retrying"
    );
    assert!(api.get("/metrics").await.text().contains("parlour_webhooks_retrying 1"));

    let again = receiver.next().await;
    assert_eq!(
        (again.id(), again.json()),
        (refused.id(), refused.json()),
        "the same, under the same id"
    );
    receiver.answer("302 Elsewhere").await;
    settled(&api, |hook| {
        hook["error"]
            .as_str()
            .is_some_and(|error| error.contains("redirects are not followed"))
    })
    .await;
    let path = format!("/api/v1/messages/{}?for=all", gone["id"].as_str().unwrap());
    assert_eq!(api.send(&api.request("DELETE", &path)).await.status, 204);
    api.post_text("the next").await;
    let told = loop {
        let told = receiver.take().await;
        assert!(!String::from_utf8_lossy(&told.body).contains("a secret"));
        if told.json()["message"]["text"] == "the next" {
            break told;
        }
    };
    assert_ne!(told.id(), refused.id());
    settled(&api, |hook| hook["state"] == "active" && hook["behind"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_answer_holds_up_nobody_and_is_removed_at_once() {
    let api = TestApi::start().await;
    let (mut slow, mut quick) = (Receiver::start().await, Receiver::start().await);
    let held = make(&api, &json!({ "url": slow.url(), "events": ["message"] })).await;
    make(&api, &json!({ "url": quick.url(), "events": ["message"] })).await;
    api.post_text("one").await;
    slow.next().await;
    for text in ["one", "two", "three"] {
        assert_eq!(quick.take().await.json()["message"]["text"], text);
        api.post_text(if text == "one" { "two" } else { "three" }).await;
    }
    let path = format!("/api/v1/webhooks/{}", held["id"].as_str().unwrap());
    assert_eq!(api.send(&api.request("DELETE", &path)).await.status, 204);
    // The request that waits for its answer is given up, and no other comes.
    let mut rest = Vec::new();
    let ended = patient("the end", slow.open.take().unwrap().read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && rest.is_empty());
    assert_eq!(listed(&api).await.len(), 1);
    quick.take().await;
    let another = tokio::time::timeout(Duration::ZERO, slow.listener.accept()).await;
    assert!(another.is_err(), "nobody calls");
    assert_eq!(api.send(&api.request("DELETE", &path)).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_loses_nothing_and_repeats_nothing_that_was_taken() {
    let data = TempDir::new().unwrap();
    create_account(&DataDir::new(data.path()), &NewAccount::named("ada"), now_ms()).unwrap();
    let mut receiver = Receiver::start().await;

    let node = Node::start(options(&data)).await.unwrap();
    let api = program(&node);
    assert_eq!(api.put("/api/v1/notes", &json!({})).await.status, 200);
    let made = make(&api, &json!({ "url": receiver.url(), "events": ["message"] })).await;
    note(&api, "one").await;
    receiver.take().await;
    settled(&api, |hook| hook["behind"] == 0).await;
    note(&api, "two").await;
    let cut = receiver.next().await;
    node.stop().await;
    receiver.open = None;

    let node = Node::start(options(&data)).await.unwrap();
    let api = program(&node);
    note(&api, "three").await;
    let again = receiver.take().await;
    assert_eq!((again.id(), again.json()), (cut.id(), cut.json()));
    assert!(
        again.is_signed_with(made["secret"].as_str().unwrap()),
        "the secret is the same"
    );
    assert_eq!(receiver.take().await.json()["message"]["text"], "three");
    settled(&api, |hook| hook["behind"] == 0).await;
    let path = format!("/api/v1/webhooks/{}", made["id"].as_str().unwrap());
    assert_eq!(api.send(&api.request("DELETE", &path)).await.status, 204);
    node.stop().await;

    let node = Node::start(options(&data)).await.unwrap();
    assert!(listed(&program(&node)).await.is_empty());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_how_it_went_and_lets_go_on_what_waits() {
    let api = TestApi::start().await;
    let mut receiver = Receiver::start().await;
    let made = make(&api, &json!({ "url": receiver.url(), "events": ["message"] })).await;
    let path = format!("/api/v1/webhooks/{}/test", made["id"].as_str().unwrap());
    let no_body = json!({});
    let (tried, test) = tokio::join!(api.post(&path, &no_body), receiver.take());
    assert_eq!((tried.status, &tried.json()["delivered"]), (200, &json!(true)));
    assert_eq!(test.json(), json!({ "type": "test", "webhook": made["id"] }));
    assert!(test.is_signed_with(made["secret"].as_str().unwrap()));
    receiver.open = None;

    // Five failures in a row: the pause is 8 s at least, and the test ends it.
    api.post_text("one").await;
    for failures in 1..=5 {
        receiver.next().await;
        receiver.answer("503 Busy").await;
        settled(&api, |hook| hook["tries"] == failures).await;
    }
    receiver.open = None;
    let (tried, ()) = tokio::join!(api.post(&path, &no_body), async {
        receiver.next().await;
        receiver.answer("404 Nothing").await;
    });
    assert_eq!(tried.json()["error"], "the server answered 404");
    receiver.open = None;
    let (tried, _) = tokio::join!(api.post(&path, &no_body), receiver.take());
    assert_eq!(tried.json()["delivered"], true);
    receiver.open = None;
    let soon = tokio::time::timeout(Duration::from_secs(7), receiver.take()).await;
    assert_eq!(soon.expect("it does not wait").json()["message"]["text"], "one");
    drop(receiver);
    let tried = api.post(&path, &no_body).await.json();
    assert_eq!(
        (&tried["delivered"], &tried["error"]),
        (
            &json!(false),
            &json!("the server could not be reached: connection refused")
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_asks_for_a_later_try_is_left_alone_until_then() {
    let data = TempDir::new().unwrap();
    create_account(&DataDir::new(data.path()), &NewAccount::named("ada"), now_ms()).unwrap();
    let mut receiver = Receiver::start().await;
    let node = Node::start(options(&data)).await.unwrap();
    let api = program(&node);
    let made = make(&api, &json!({ "url": receiver.url(), "events": ["message"] })).await;
    let test = format!("/api/v1/webhooks/{}/test", made["id"].as_str().unwrap());
    note(&api, "one").await;
    receiver.next().await;
    let asked = now_ms();
    receiver.answer("429 Slowly\r\nRetry-After: 2").await;
    let hook = settled(&api, |hook| hook["tries"] == 1).await;
    assert!(next_try(&hook) >= asked + 2_000, "{hook}");
    receiver.next().await;
    assert!(now_ms() >= asked + 2_000, "it waited");

    // As a date, and in an answer that is no refusal of this kind.
    let date = jiff::Timestamp::from_millisecond(i64::try_from(now_ms()).unwrap() + 3_600_000).unwrap();
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    receiver.answer(&format!("500 Oops\r\nRetry-After: {date}")).await;
    let hook = settled(&api, |hook| hook["tries"] == 2).await;
    assert!(next_try(&hook) < now_ms() + 60_000, "{hook}");
    receiver.next().await;
    receiver.answer(&format!("503 Busy\r\nRetry-After: {date}")).await;
    let hook = settled(&api, |hook| hook["tries"] == 3).await;
    let until = next_try(&hook);
    assert!(until.abs_diff(now_ms() + 3_600_000) < 60_000, "{hook}");
    node.stop().await;
    receiver.open = None;

    // A restart is no way around it, and nobody calls meanwhile; the user is.
    let node = Node::start(options(&data)).await.unwrap();
    let api = program(&node);
    let hook = listed(&api).await.remove(0);
    assert!(next_try(&hook).abs_diff(until) < 60_000, "{hook}");
    note(&api, "two").await;
    let nobody = tokio::time::timeout(Duration::ZERO, receiver.listener.accept()).await;
    assert!(nobody.is_err());
    let no_body = json!({});
    let (tried, _) = tokio::join!(api.post(&test, &no_body), receiver.take());
    assert_eq!(tried.json()["delivered"], true);
    receiver.open = None;
    for text in ["one", "two"] {
        assert_eq!(receiver.take().await.json()["message"]["text"], text);
    }
    let hook = settled(&api, |hook| hook["behind"] == 0).await;
    assert_eq!(hook["state"], "active");
    node.stop().await;
}

/// When the next try is, ms since 1970.
fn next_try(hook: &Value) -> u64 {
    let time: jiff::Timestamp = hook["next_try_at"].as_str().unwrap().parse().unwrap();
    u64::try_from(time.as_millisecond()).unwrap()
}

fn program(node: &Node) -> Program {
    Program {
        address: node.api_url().strip_prefix("http://").unwrap().parse().unwrap(),
        token: node.token().to_owned(),
    }
}

async fn note(api: &Program, text: &str) {
    let path = "/api/v1/conversations/notes/messages";
    let sent = api.post(path, &json!({ "text": text })).await;
    assert_eq!(sent.status, 201, "{}", sent.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_and_only_the_command_line_sends_anywhere() {
    let api = TestApi::start().await;
    let refused = async |program: &Program, wish: Value| {
        let reply = program.post("/api/v1/webhooks", &wish).await;
        let problem = reply.json();
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        (reply.status, text("code"), text("field"))
    };
    let wrong = |status: u16, code: &str, field: &str| (status, code.to_owned(), field.to_owned());
    let here = "http://127.0.0.1:1/";
    for (wish, expected) in [
        (json!({}), wrong(400, "bad_field", "")),
        (json!({ "url": "nonsense" }), wrong(400, "bad_field", "url")),
        (json!({ "url": "ftp://127.0.0.1/" }), wrong(400, "bad_field", "url")),
        (
            json!({ "url": "http://u:p@127.0.0.1/" }),
            wrong(400, "bad_field", "url"),
        ),
        (json!({ "url": "http://192.0.2.1/" }), wrong(400, "not_loopback", "url")),
        (
            json!({ "url": here, "events": ["mesage"] }),
            wrong(400, "bad_field", "events"),
        ),
        (
            json!({ "url": here, "conversation": "nobody" }),
            wrong(404, "not_found", "conversation"),
        ),
        (json!({ "url": here, "more": 1 }), wrong(400, "bad_field", "more")),
    ] {
        assert_eq!(refused(&api, wish.clone()).await, expected, "{wish}");
    }
    let with = async |scope: &str| {
        let made = api.post("/api/v1/tokens", &json!({ "scope": scope })).await.json();
        let token = made["token"].as_str().unwrap().to_owned();
        Program {
            address: api.address,
            token,
        }
    };
    assert_eq!(
        refused(&with("send").await, json!({ "url": here })).await,
        wrong(403, "scope", "")
    );
    let admin = with("admin").await;
    let away = json!({ "url": "https://192.0.2.1/", "anywhere": true });
    assert_eq!(
        refused(&admin, away.clone()).await,
        wrong(403, "not_for_pages", "anywhere")
    );
    make(&admin, &json!({ "url": here })).await;
    make(&api, &away).await;
    for _ in listed(&api).await.len()..32 {
        make(&api, &json!({ "url": here })).await;
    }
    assert_eq!(
        refused(&api, json!({ "url": here })).await,
        wrong(409, "too_many_webhooks", "")
    );
}
