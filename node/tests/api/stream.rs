//! The event stream: every change, once, in order, whoever goes away in between.

use std::sync::Arc;
use std::time::Duration;

use super::support::{TestApi, patient, read_head};
use parlour_node::{ApiLimits, SendText};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

/// One event as it came.
#[derive(Debug)]
struct Event {
    id: u64,
    name: String,
    data: Value,
}

pub(crate) struct Stream {
    lines: Lines<BufReader<TcpStream>>,
}

impl Stream {
    pub(crate) async fn open(api: &TestApi, query: &str, last_event_id: Option<u64>) -> Self {
        let mut request = api.request("GET", &format!("/api/v1/events{query}"));
        if let Some(id) = last_event_id {
            request = request.add("Last-Event-ID", &id.to_string());
        }
        let mut socket = TcpStream::connect(api.address).await.unwrap();
        socket.write_all(&request.bytes()).await.unwrap();
        let head = patient("the stream's head", read_head(&mut socket)).await;
        assert_eq!(
            (head.status, head.header("content-type")),
            (200, Some("text/event-stream"))
        );
        assert_eq!(head.header("cache-control"), Some("no-store"));
        Self {
            lines: BufReader::new(socket).lines(),
        }
    }

    /// The next line of the stream, without the sizes of chunks; `None` at its end.
    async fn line(&mut self) -> Option<String> {
        patient("a line", self.lines.next_line()).await.ok().flatten()
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            // What has no id is no change.
            if let (Some(id), name, data) = self.any().await? {
                return Some(Event { id, name, data });
            }
        }
    }

    async fn any(&mut self) -> Option<(Option<u64>, String, Value)> {
        let (mut id, mut name) = (None, None);
        loop {
            let line = self.line().await?;
            if let Some(value) = line.strip_prefix("id: ") {
                id = Some(value.parse().unwrap());
            } else if let Some(value) = line.strip_prefix("event: ") {
                name = Some(value.to_owned());
            } else if let Some(value) = line.strip_prefix("data: ") {
                let data = serde_json::from_str(value).unwrap();
                return Some((id, name.unwrap(), data));
            }
        }
    }
}

impl Stream {
    /// The first event that is wanted.
    pub(crate) async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.next().await.unwrap();
            if wanted(&event.data) {
                return event.data;
            }
        }
    }
}

/// Every change after one, up to another.
pub(crate) async fn changes(api: &TestApi, after: u64, upto: u64) -> Vec<Value> {
    let mut stream = Stream::open(api, &format!("?after={after}"), None).await;
    let mut all = Vec::new();
    loop {
        let event = stream.next().await.unwrap();
        all.push(event.data);
        if event.id >= upto {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_now_or_where_it_is_told_to() {
    let api = TestApi::start().await;
    api.post_text("before").await;
    let mut now = Stream::open(&api, "", None).await;
    let posted = api.post_text("after").await;
    let event = now.next().await.unwrap();
    assert_eq!(
        (event.name.as_str(), &event.data["message"]["id"]),
        ("message", &posted["id"])
    );
    assert_eq!(
        (&event.data["type"], event.data["seq"].as_u64()),
        (&"message".into(), Some(event.id))
    );
    let mut all = Stream::open(&api, "?after=0", None).await;
    for seq in 1..=event.id {
        assert_eq!(all.next().await.unwrap().id, seq);
    }
    let mut resumed = Stream::open(&api, "?after=0", Some(event.id - 1)).await;
    assert_eq!(
        resumed.next().await.unwrap().id,
        event.id,
        "Last-Event-ID goes before the query"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_come_and_go_lose_and_repeat_nothing() {
    const MESSAGES: usize = 400;
    let api = Arc::new(TestApi::start().await);
    let start = api.feed();
    let writer = tokio::spawn({
        let api = api.clone();
        async move {
            for n in 0..MESSAGES {
                let conversation = api.conversation.parse().unwrap();
                let send = SendText::plain(conversation, format!("message {n}"));
                api.account().send(send).await.unwrap();
            }
        }
    });
    let readers = [1usize, 7, 50, 1000].map(|patience| tokio::spawn(read_all(api.clone(), start, MESSAGES, patience)));
    writer.await.unwrap();
    for reader in readers {
        let (seqs, texts) = reader.await.unwrap();
        assert!(
            seqs.iter()
                .copied()
                .eq(start + 1..start + 1 + u64::try_from(seqs.len()).unwrap())
        );
        assert!(texts.iter().cloned().eq((0..MESSAGES).map(|n| format!("message {n}"))));
    }
}

/// Reads until all messages were seen, with a new connection after every few events.
async fn read_all(api: Arc<TestApi>, start: u64, messages: usize, patience: usize) -> (Vec<u64>, Vec<String>) {
    let (mut seqs, mut texts) = (Vec::new(), Vec::new());
    while texts.len() < messages {
        let mut stream = Stream::open(&api, "", Some(seqs.last().copied().unwrap_or(start))).await;
        for _ in 0..patience {
            if texts.len() == messages {
                break;
            }
            let event = stream.next().await.unwrap();
            seqs.push(event.id);
            if event.name == "message" {
                texts.push(event.data["message"]["text"].as_str().unwrap().to_owned());
            }
        }
    }
    (seqs, texts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_far_behind_gets_everything() {
    let api = TestApi::start().await;
    for n in 0..40 {
        api.post_text(&format!("{n} {}", "x".repeat(15_000))).await;
    }
    let last = api.feed();
    let mut stream = Stream::open(&api, "?after=0", None).await;
    for seq in 1..=last {
        assert_eq!(stream.next().await.unwrap().id, seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_was_away_for_long_is_told_that_it_lags_without_an_id() {
    const MESSAGES: u64 = 1_100;
    let api = TestApi::start().await;
    let start = api.feed();
    for n in 0..MESSAGES {
        let send = SendText::plain(api.conversation.parse().unwrap(), format!("message {n}"));
        api.account().send(send).await.unwrap();
    }
    let last = api.feed();
    let mut stream = Stream::open(&api, &format!("?after={start}"), None).await;
    let (id, name, data) = stream.any().await.unwrap();
    let lagged = json!({ "type": "lagged", "after": start, "last": last });
    assert_eq!((id, name.as_str(), data), (None, "lagged", lagged));
    for seq in start + 1..=last {
        assert_eq!(stream.next().await.unwrap().id, seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_stream_is_pinged_and_ends_at_the_stop() {
    let limits = ApiLimits {
        stream_ping: Duration::from_millis(50),
        ..ApiLimits::default()
    };
    let mut api = TestApi::with(limits).await;
    let mut stream = Stream::open(&api, "", None).await;
    while stream.line().await.unwrap() != ": ping" {}
    api.stop.cancel();
    while stream.line().await.is_some() {}
    patient("the API to end", api.served.take().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_outlives_the_time_limits_of_requests() {
    let short = Duration::from_millis(50);
    let limits = ApiLimits {
        header_timeout: short,
        body_timeout: short,
        idle_timeout: short,
        write_timeout: short,
        stream_ping: short * 4,
        ..ApiLimits::default()
    };
    let api = TestApi::with(limits).await;
    let mut stream = Stream::open(&api, "", None).await;
    while stream.line().await.unwrap() != ": ping" {}
    let posted = api.post_text("still here").await;
    assert_eq!(stream.next().await.unwrap().data["message"]["id"], posted["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_and_conversations_are_events_too() {
    let api = TestApi::start().await;
    let mut stream = Stream::open(&api, "?after=0", None).await;
    let mut names = Vec::new();
    for _ in 0..api.feed() {
        let event = stream.next().await.unwrap();
        let inner = &event.data[&event.name];
        assert!(inner.is_object(), "{event:?}");
        names.push(event.name);
    }
    names.sort();
    assert_eq!(names, ["contact", "conversation"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_see_each_other_through_their_streams() {
    let (alice, bob) = (TestApi::start().await, TestApi::of("robert", |_| {}).await);
    let (mut at_alice, mut at_bob) = (Stream::open(&alice, "", None).await, Stream::open(&bob, "", None).await);
    let invite = bob.invite(&json!({})).await;
    let added = alice
        .post("/api/v1/contacts", &json!({ "link": invite["link"], "petname": "rob" }))
        .await;
    assert_eq!((added.status, &added.json()["state"]), (201, &json!("waiting")));
    at_alice
        .find(|e| e["contact"]["state"] == "accepted" && e["contact"]["name"] == "robert")
        .await;
    at_bob
        .find(|e| e["contact"]["state"] == "accepted" && e["contact"]["name"] == "alice")
        .await;

    let sent = alice
        .post("/api/v1/conversations/rob/messages", &json!({ "text": "hello" }))
        .await
        .json();
    let received = at_bob.find(|e| e["type"] == "message").await;
    let received = &received["message"];
    assert_eq!((&received["id"], &received["text"]), (&sent["id"], &json!("hello")));
    assert_eq!(
        (&received["status"], &received["own"], &received["author_name"]),
        (&json!("received"), &json!(false), &json!("alice"))
    );
    let receipt = at_alice
        .find(|e| e["type"] == "receipt" && e["state"] == "delivered")
        .await;
    assert_eq!(
        (&receipt["message_ids"], &receipt["count"]),
        (&json!([sent["id"]]), &json!(1))
    );

    let details = alice
        .get(&format!("/api/v1/messages/{}", sent["id"].as_str().unwrap()))
        .await
        .json();
    assert_eq!(
        (&details["status"], &details["devices"][0]["state"]),
        (&json!("delivered"), &json!("delivered"))
    );
    assert_eq!(
        (&details["devices"][0]["name"], &details["devices"][0]["device_id"]),
        (&json!("rob"), &receipt["device_id"])
    );
    // What the engine marked as late says so, and nothing else does.
    let path = format!("/api/v1/messages/{}", received["id"].as_str().unwrap());
    assert_eq!(bob.get(&path).await.json()["late"], Value::Null);
    let (store, id) = (bob.account().store(), received["id"].as_str().unwrap().parse().unwrap());
    let place = parlour_store::events::place(store, &id).unwrap().unwrap();
    let mut txn = store.begin();
    parlour_store::timeline::mark_late(&mut txn, place.log.conversation, &id);
    store.commit(txn.into_batch()).unwrap();
    assert_eq!(bob.get(&path).await.json()["late"], true);

    let contact = alice.get("/api/v1/contacts/rob").await.json();
    assert_eq!(
        (&contact["reachable"], &contact["devices"][0]["reachable"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(bob.get("/api/v1/invites").await.json()["items"][0]["state"], "used");
    // The clocks of one machine do not differ, and were compared.
    let skews = alice.get("/api/v1/stats").await.json()["clock_skew"].clone();
    assert_eq!(skews[0]["device_id"], receipt["device_id"], "{skews}");
    assert!(skews[0]["ms"].as_i64().unwrap().abs() < 60_000, "{skews}");
    let doctor = alice.get("/api/v1/doctor").await.json();
    let contacts = doctor["contacts"].as_array().unwrap();
    let rob = contacts.iter().find(|contact| contact["petname"] == "rob").unwrap();
    assert_eq!(rob["clock_skew_ms"], skews[0]["ms"]);

    let unread = || async { bob.get("/api/v1/conversations/alice").await.json()["unread"].clone() };
    assert_eq!(unread().await, 1);
    let mark = json!({ "seq": received["seq"] });
    assert_eq!(bob.post("/api/v1/conversations/alice/read", &mark).await.status, 204);
    assert_eq!(unread().await, 0);
    let read = at_alice.find(|e| e["type"] == "receipt" && e["state"] == "read").await;
    assert_eq!(read["message_ids"], json!([sent["id"]]));
    let details = alice
        .get(&format!("/api/v1/messages/{}", sent["id"].as_str().unwrap()))
        .await
        .json();
    assert_eq!(
        (&details["status"], &details["devices"][0]["state"]),
        (&json!("read"), &json!("read"))
    );
    let wrong = bob
        .put(
            "/api/v1/conversations/alice/read",
            &json!({ "up_to": parlour_crypto::EventId::from_bytes([1; 32]).to_string() }),
        )
        .await;
    assert_eq!((wrong.status, &wrong.json()["field"]), (404, &json!("up_to")));
}
