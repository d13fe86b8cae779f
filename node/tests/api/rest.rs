//! What the API answers when it is used as it should be.

use super::support::{TestApi, invite_link, invite_of};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn health_and_root_need_no_token() {
    let api = TestApi::start().await;
    for path in ["/health/live", "/health/ready"] {
        let reply = api.send(&api.request("GET", path).without("Authorization")).await;
        assert_eq!((reply.status, reply.json()), (200, json!({ "status": "ok" })));
    }
    let root = api.send(&api.request("GET", "/").without("Authorization")).await;
    assert_eq!(root.status, 200);
    assert!(root.text().contains("parlour"));
    let head = api
        .send(&api.request("HEAD", "/health/live").without("Authorization"))
        .await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn me_and_stats_say_who_and_how() {
    let api = TestApi::start().await;
    let me = api.get("/api/v1/me").await.json();
    assert_eq!(me["name"], "alice");
    assert!(me["user_id"].as_str().unwrap().starts_with("user_"));
    assert!(me["device_id"].as_str().unwrap().starts_with("dev_"));
    api.post_text("hello").await;
    let stats = api.get("/api/v1/stats").await.json();
    assert_eq!(stats["user_id"], me["user_id"]);
    assert_eq!((&stats["conversations"], &stats["contacts"]), (&json!(1), &json!(1)));
    assert_eq!(stats["feed"], api.feed());
    assert_eq!(stats["store"]["health"], "ok");
    assert!(stats["store"]["bytes"].as_u64().unwrap() > 0);
    assert_eq!(stats["api"], format!("http://{}", api.address));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diagnosis_says_what_waits_for_whom_and_is_behind_the_guard() {
    let api = TestApi::start().await;
    let healthy = api.get("/api/v1/doctor").await.json();
    assert_eq!(
        healthy["contacts"][0]["waiting"],
        json!({ "count": 0, "since": null }),
        "{healthy}"
    );
    assert!(
        healthy["certificate_expires_at"].as_str() > healthy["now"].as_str(),
        "{healthy}"
    );
    for text in ["one", "two"] {
        api.post_text(text).await;
    }
    let found = api.get("/api/v1/doctor").await.json();
    let bob = &found["contacts"][0];
    assert_eq!((&bob["display"], &bob["state"]), (&json!("bob"), &json!("waiting")));
    assert_eq!(bob["waiting"]["count"], 2);
    assert!(bob["waiting"]["since"].as_str() <= found["now"].as_str(), "{found}");
    assert!(bob["invite_expires_at"].is_string(), "{found}");
    let refused = api
        .send(&api.request("GET", "/api/v1/doctor").without("Authorization"))
        .await;
    assert_eq!(refused.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_resolve_by_every_name() {
    let api = TestApi::start().await;
    let list = api.get("/api/v1/contacts").await.json();
    let bob = &list["items"][0];
    assert_eq!(
        (&bob["petname"], &bob["name"], &bob["display"]),
        (&json!("bob"), &json!("user7"), &json!("bob"))
    );
    assert_eq!((&bob["state"], &bob["reachable"]), (&json!("waiting"), &json!(false)));
    assert_eq!(bob["conversation"], api.conversation);
    let id = bob["user_id"].as_str().unwrap();
    for name in ["bob", "user7", id, &id[..11], &id[..30]] {
        let reply = api.get(&format!("/api/v1/contacts/{name}")).await;
        assert_eq!(
            (reply.status, &reply.json()["user_id"]),
            (200, &bob["user_id"]),
            "{name}"
        );
        let reply = api.get(&format!("/api/v1/conversations/{name}")).await;
        assert_eq!(
            (reply.status, &reply.json()["id"]),
            (200, &bob["conversation"]),
            "{name}"
        );
    }
    let reply = api
        .get(&format!("/api/v1/conversations/{}", &api.conversation[..12]))
        .await;
    assert_eq!(reply.json()["id"], api.conversation);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_mean_two_is_refused_with_both() {
    let api = TestApi::start().await;
    let mut ids = Vec::new();
    for last in [1, 2] {
        let mut user = [11; 32];
        user[31] = last;
        let added = api
            .post("/api/v1/contacts", &json!({ "link": invite_of(user, "twin") }))
            .await
            .json();
        ids.push(added["user_id"].as_str().unwrap().to_owned());
    }
    ids.sort();
    for text in ["twin", &ids[0][..15]] {
        for path in ["/api/v1/contacts/", "/api/v1/conversations/"] {
            let reply = api.get(&format!("{path}{text}")).await;
            assert_eq!(
                (reply.status, &reply.json()["code"]),
                (409, &json!("ambiguous")),
                "{path}{text}"
            );
            let problem = reply.json();
            let mut found: Vec<_> = problem["candidates"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| &c["id"])
                .collect();
            found.sort_by_key(|id| id.to_string());
            assert_eq!(found, ids.iter().collect::<Vec<_>>());
        }
    }
    let before = api.feed();
    let reply = api
        .post("/api/v1/conversations/twin/messages", &json!({ "text": "to whom?" }))
        .await;
    assert_eq!((reply.status, api.feed()), (409, before));
    assert_eq!(
        api.get(&format!("/api/v1/contacts/{}", ids[1])).await.json()["user_id"],
        ids[1]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_petname_goes_before_a_profile_name() {
    let api = TestApi::start().await;
    let reply = api
        .post(
            "/api/v1/contacts",
            &json!({ "link": invite_link(8), "petname": "user7" }),
        )
        .await;
    assert_eq!((reply.status, &reply.json()["already"]), (201, &json!(false)));
    let named = api.get("/api/v1/contacts/user7").await.json();
    assert_eq!(named["user_id"], reply.json()["user_id"]);
    let again = api.post("/api/v1/contacts", &json!({ "link": invite_link(8) })).await;
    assert_eq!((again.status, &again.json()["already"]), (200, &json!(true)));
    let taken = api
        .post("/api/v1/contacts", &json!({ "link": invite_link(9), "petname": "bob" }))
        .await;
    assert_eq!((taken.status, &taken.json()["code"]), (409, &json!("name_taken")));
    let link = invite_link(10);
    let typo = format!(
        "{}{}",
        &link[..link.len() - 1],
        if link.ends_with('A') { 'B' } else { 'A' }
    );
    let typo = api.post("/api/v1/contacts", &json!({ "link": typo })).await;
    assert_eq!((typo.status, &typo.json()["field"]), (400, &json!("link")));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_written_paged_and_shown() {
    let api = TestApi::start().await;
    let mut ids = Vec::new();
    for n in 0..25 {
        ids.push(api.post_text(&format!("message {n}")).await["id"].clone());
    }
    let page = |query: String| {
        let api = &api;
        async move {
            api.get(&format!("/api/v1/conversations/bob/messages{query}"))
                .await
                .json()
        }
    };
    let seen = |page: &Value| {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["id"].clone())
            .collect::<Vec<_>>()
    };
    let last = page("?limit=10".into()).await;
    assert_eq!(seen(&last), ids[15..]);
    assert_eq!(last["next"], Value::Null);
    let middle = page(format!("?limit=10&before={}", last["prev"].as_str().unwrap())).await;
    assert_eq!(seen(&middle), ids[5..15]);
    let first = page(format!("?limit=10&before={}", middle["prev"].as_str().unwrap())).await;
    assert_eq!(seen(&first), ids[..5]);
    assert_eq!(first["prev"], Value::Null);
    let forward = page(format!("?limit=20&after={}", first["next"].as_str().unwrap())).await;
    assert_eq!(seen(&forward), ids[5..]);
    assert_eq!(forward["next"], Value::Null);
    let message = &last["items"][0];
    assert_eq!(
        (&message["author_name"], &message["own"], &message["unsupported"]),
        (&json!("alice"), &json!(true), &json!(false))
    );
    assert_eq!((&message["text"], &message["seq"]), (&json!("message 15"), &json!(16)));
    let conversation = api.get("/api/v1/conversations").await.json()["items"][0].clone();
    assert_eq!(
        (&conversation["last"]["id"], &conversation["last_seq"]),
        (&ids[24], &json!(25))
    );
    assert_eq!(
        (&conversation["title"], &conversation["unread"]),
        (&json!("bob"), &json!(0))
    );
    let one = api
        .get(&format!("/api/v1/messages/{}", ids[3].as_str().unwrap()))
        .await
        .json();
    assert_eq!((&one["text"], &one["devices"]), (&json!("message 3"), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_id_makes_one_message() {
    let api = TestApi::start().await;
    let path = format!("/api/v1/conversations/{}/messages", api.conversation);
    let body = json!({ "text": "once", "client_id": "c1" });
    let first = api.post(&path, &body).await;
    let feed = api.feed();
    let second = api.post(&path, &body).await;
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!((first.json(), feed), (second.json(), api.feed()));
    let reply = api
        .post(&path, &json!({ "text": "yes", "reply_to": first.json()["id"] }))
        .await;
    assert_eq!(reply.json()["reply_to"], first.json()["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_mark_is_taken() {
    let api = TestApi::start().await;
    api.post_text("hello").await;
    let reply = api.post("/api/v1/conversations/bob/read", &json!({ "seq": 1 })).await;
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    let wrong = api
        .post("/api/v1/conversations/bob/read", &json!({ "seq": "one" }))
        .await;
    assert_eq!((wrong.status, &wrong.json()["field"]), (400, &json!("seq")));
    let id = api.post_text("again").await["id"].as_str().unwrap().to_owned();
    let up_to = async |id: &str| api.put("/api/v1/conversations/bob/read", &json!({ "up_to": id })).await;
    for known in [id.as_str(), &id[..12]] {
        assert_eq!(up_to(known).await.status, 200, "{known}");
    }
    for (wrong, status) in [("msg_a", 400), ("again", 400), ("msg_aaaaaaaaaa", 404)] {
        let refused = up_to(wrong).await;
        assert_eq!(
            (refused.status, &refused.json()["field"]),
            (status, &json!("up_to")),
            "{wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_at_once_and_keeps_to_its_filters() {
    let api = TestApi::start().await;
    for text in ["a needle in the hay", "only hay", "another NEEDLE"] {
        api.post_text(text).await;
    }
    let texts = |query: &str| {
        let (api, path) = (&api, format!("/api/v1/search?{query}"));
        async move {
            let reply = api.get(&path).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let items = reply.json()["items"].as_array().unwrap().clone();
            items
                .iter()
                .map(|item| item["text"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(texts("q=needle").await, ["another NEEDLE", "a needle in the hay"]);
    assert_eq!(texts("q=needle+hay").await, ["a needle in the hay"]);
    assert_eq!(texts("q=needle&limit=1").await, ["another NEEDLE"]);
    assert_eq!(texts("q=needle&conversation=bob&author=alice").await.len(), 2);
    assert_eq!(texts("q=needle&author=bob").await.len(), 0);
    assert_eq!(texts("q=needle&after=2200-01-01T00:00:00Z").await.len(), 0);
    assert_eq!(
        texts("q=needle&before=2200-01-01T00:00:00Z&order=ranked").await.len(),
        2
    );
    let found = api.get("/api/v1/search?q=needle&limit=1").await.json()["items"][0].clone();
    let (start, end) = (
        found["ranges"][0][0].as_u64().unwrap(),
        found["ranges"][0][1].as_u64().unwrap(),
    );
    let marked = &found["snippet"].as_str().unwrap()[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
    assert_eq!(marked, "NEEDLE");
}

#[tokio::test(flavor = "multi_thread")]
async fn invites_are_made_listed_and_taken_back() {
    let api = TestApi::start().await;
    let made = api.invite(&json!({ "max_uses": 3 })).await;
    assert!(made["link"].as_str().unwrap().starts_with("parlour:"));
    assert_eq!((&made["works"], &made["max_uses"]), (&json!("this machine"), &json!(3)));
    let listed = |state: &'static str| {
        let (api, token) = (&api, made["token"].clone());
        async move {
            let items = api.get("/api/v1/invites").await.json()["items"].clone();
            assert_eq!((&items[0]["token"], &items[0]["state"]), (&token, &json!(state)));
        }
    };
    listed("open").await;
    let path = format!("/api/v1/invites/{}", made["token"].as_str().unwrap());
    assert_eq!(api.send(&api.request("DELETE", &path)).await.status, 204);
    listed("revoked").await;
    for wrong in [
        json!({ "max_uses": 0 }),
        json!({ "expires_in_s": 0 }),
        json!({ "expires_in_s": 1_000_000_000_000_u64 }),
    ] {
        assert_eq!(api.post("/api/v1/invites", &wrong).await.status, 400);
    }
    let own = api.post("/api/v1/contacts", &json!({ "link": made["link"] })).await;
    assert_eq!((own.status, &own.json()["code"]), (409, &json!("own_invite")));
}
