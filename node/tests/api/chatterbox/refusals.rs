//! Whom and what the gateway `chatterbox` refuses.

use parlour_node::Registration;
use serde_json::{Value, json};

use super::super::house::{House, PASSWORD};
use super::super::support::{Raw, invite_link};
use super::texts;

#[tokio::test(flavor = "multi_thread")]
async fn the_session_is_a_cookie_of_this_port_and_of_nobody_else() {
    let ada = House::of("ada", "chatterbox").await;
    ada.node.set_local_contacts(Some(false));
    ada.node.set_registration(Registration::Open);
    let (page, login) = ada.log_in("ada").await;
    let port = ada.gate.address.port();
    let (name, token) = page.cookie.split_once('=').unwrap();
    assert!(name.ends_with(&format!("_{port}")), "{name}");
    let attributes: Vec<_> = login.header("set-cookie").unwrap().split("; ").skip(1).collect();
    assert_eq!(
        attributes,
        ["Path=/api", "HttpOnly", "SameSite=Strict", "Max-Age=604800"]
    );
    assert!(!login.text().contains(token), "scripts do not see it");
    let wish = json!({ "fullName": "Bo Berg", "username": "bo", "email": "bo@example.org", "password": PASSWORD });
    let made = ada.gate.send(&ada.posts("/api/auth/register", &wish)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let bo = ada.page(&made);
    assert_ne!(page.user, bo.user);

    let list = format!("/api/conversations?userId={}", page.user);
    let plain = |cookie: &str| ada.asks("GET", &list).set("Cookie", cookie);
    let origin = |origin: &str| page.asks(&list).set("Origin", origin);
    let send = page.writes(&json!(bo.user), "x");
    let as_bo = json!({ "senderId": bo.user, "receiverId": page.user, "content": "x" });
    for (name, status, raw) in [
        ("the page itself", 200, page.asks(&list)),
        ("with other cookies", 200, plain(&format!("a=1; {}; b=2", page.cookie))),
        ("from an own origin", 200, origin(&ada.origin())),
        ("no cookie", 401, ada.asks("GET", &list)),
        (
            "a token in a header",
            401,
            ada.asks("GET", &list).set("Authorization", &format!("Bearer {token}")),
        ),
        (
            "a token in the query",
            401,
            ada.asks("GET", &format!("{list}&token={token}")),
        ),
        (
            "a cookie of another port",
            401,
            plain(&format!("{}={token}", name.replace(&port.to_string(), "3000"))),
        ),
        (
            "a cookie without a port",
            401,
            plain(&format!("chatterboxSession={token}")),
        ),
        ("a wrong token", 401, plain(&format!("{name}={}", "0".repeat(64)))),
        ("an empty one", 401, plain(&format!("{name}="))),
        ("somebody else's cookie", 403, plain(&bo.cookie)),
        ("a foreign origin", 403, origin("http://evil.example")),
        ("no origin to speak of", 403, origin("null")),
        ("the API's origin", 403, origin(&ada.node.api_url())),
        (
            "another port's page",
            403,
            page.asks(&list).set("Sec-Fetch-Site", "same-site"),
        ),
        (
            "another site",
            403,
            page.asks(&list).set("Sec-Fetch-Site", "cross-site"),
        ),
        (
            "a foreign page that writes",
            403,
            send.clone().set("Origin", "http://evil.example"),
        ),
        ("a form", 415, send.clone().set("Content-Type", "text/plain")),
        ("no type", 415, send.clone().without("Content-Type")),
        (
            "a writer who is somebody else",
            403,
            page.posts("/api/messages/send", &as_bo),
        ),
    ] {
        let reply = ada.gate.send(&raw).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        if status != 200 {
            let refusal = reply.json();
            assert_eq!(
                (&refusal["success"], refusal["error"].is_string()),
                (&json!(false), true),
                "{name}"
            );
        }
        // No page of another origin reads anything here, be it let in or not.
        let cors = |(name, _): &(String, String)| name.to_lowercase().starts_with("access-control");
        assert!(!reply.headers.iter().any(cors), "{name}: {:?}", reply.headers);
    }
    // The API itself takes no cookie.
    let native = ada.native.request("GET", "/api/v1/me").without("Authorization");
    assert_eq!(ada.native.send(&native.set("Cookie", &page.cookie)).await.status, 401);
    // Who logs in anew in a browser leaves the session before.
    let again = json!({ "email": "bo@example.org", "password": PASSWORD });
    let again = ada.gate.send(&page.posts("/api/auth/login", &again)).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(ada.gate.send(&page.asks(&list)).await.status, 401);
    assert_eq!(ada.page(&again).conversations().await.len(), 0);
    assert_eq!(bo.conversations().await.len(), 0, "another browser's goes on");
    ada.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_get_the_familys_refusal() {
    let ada = House::of("ada", "chatterbox").await;
    let wish = json!({ "link": invite_link(7), "petname": "zoe" });
    assert_eq!(ada.native.post("/api/v1/contacts", &wish).await.status, 201);
    let (page, _) = ada.log_in("ada").await;
    let conversation = page.conversations().await[0].clone();
    let (id, zoe) = (
        conversation["id"].as_str().unwrap(),
        &conversation["otherParticipant"]["_id"],
    );
    page.write(zoe, "hello").await;
    let me = &page.user;
    let long = "x".repeat(10_000);
    let unknown = parlour_crypto::UserId::from_bytes([9; 32]).to_string();
    let room = parlour_crypto::ConversationId::from_bytes([9; 32]).to_string();
    let list = |user: &str| page.asks(&format!("/api/conversations?userId={user}"));
    let read = |id: &str, more: &str| {
        page.asks(&format!(
            "/api/messages/conversation?conversationId={id}&userId={me}{more}"
        ))
    };
    let search = |query: &str| page.asks(&format!("/api/users/search?currentUserId={me}&{query}"));
    let send = |change: Value| {
        let mut wish = json!({ "senderId": me, "receiverId": zoe, "content": "x" });
        for (field, value) in change.as_object().unwrap() {
            wish[field] = value.clone();
        }
        page.posts("/api/messages/send", &wish)
    };
    let post = |path: &str, body: Value| ada.posts(path, &body);
    let raw = |body: &str| page.posts("/api/messages/send", &json!({})).body(body);
    let cases: Vec<(&str, u16, Raw)> = vec![
        ("nobody's list", 400, page.asks("/api/conversations")),
        ("an empty id's list", 403, list("")),
        ("somebody else's list", 403, list(&unknown)),
        ("a NUL's list", 403, list("%00")),
        ("no UTF-8's list", 403, list("%ff")),
        ("a path's list", 403, list("..%2Fme")),
        ("a part of an id", 403, list(&me[..me.len() - 1])),
        ("other letters", 403, list(&me.to_uppercase())),
        ("a long id's list", 403, list(&long)),
        ("two ids", 400, list(&format!("{me}&userId={me}"))),
        (
            "no conversation",
            400,
            page.asks(&format!("/api/messages/conversation?userId={me}")),
        ),
        (
            "nobody who reads",
            400,
            page.asks(&format!("/api/messages/conversation?conversationId={id}")),
        ),
        ("an empty conversation", 404, read("", "")),
        ("a conversation by name", 404, read("zoe", "")),
        ("a part of a conversation's id", 404, read(&id[..id.len() - 4], "")),
        ("an unknown conversation", 404, read(&room, "")),
        ("a NUL", 404, read("%00", "")),
        ("no UTF-8", 404, read("%ff", "")),
        ("a path", 404, read("..%2F..%2Fme", "")),
        ("a query in an id", 404, read("x%3Flimit%3D1", "")),
        ("a long id", 404, read(&long, "")),
        ("page 0", 400, read(id, "&page=0")),
        ("page -1", 400, read(id, "&page=-1")),
        ("page NaN", 400, read(id, "&page=NaN")),
        ("half a page", 400, read(id, "&page=1.5")),
        ("an empty page", 400, read(id, "&page=")),
        ("a page of no number", 400, read(id, "&page=99999999999999999999999999")),
        ("limit 0", 400, read(id, "&limit=0")),
        ("limit -1", 400, read(id, "&limit=-1")),
        ("limit NaN", 400, read(id, "&limit=NaN")),
        ("two limits", 400, read(id, "&limit=1&limit=2")),
        ("a page far away", 200, read(id, "&page=999999999999&limit=100")),
        ("a huge limit", 200, read(id, "&limit=4000000000")),
        ("nothing to look for", 400, search("")),
        ("nothing but spaces", 400, search("q=%20%20")),
        ("nobody who looks", 400, page.asks("/api/users/search?q=zoe")),
        (
            "somebody else who looks",
            403,
            page.asks(&format!("/api/users/search?q=zoe&currentUserId={unknown}")),
        ),
        ("page NaN of users", 400, search("q=zoe&page=NaN")),
        ("limit -1 of users", 400, search("q=zoe&limit=-1")),
        ("a NUL to look for", 200, search("q=%00")),
        ("much to look for", 200, search(&format!("q={long}"))),
        ("no sender", 400, send(json!({ "senderId": null }))),
        ("a number as sender", 400, send(json!({ "senderId": 1 }))),
        ("an object as sender", 400, send(json!({ "senderId": { "$ne": 1 } }))),
        ("somebody else", 403, send(json!({ "senderId": unknown }))),
        ("no receiver", 400, send(json!({ "receiverId": null }))),
        ("a list as receiver", 400, send(json!({ "receiverId": [zoe] }))),
        ("an empty receiver", 404, send(json!({ "receiverId": "" }))),
        ("an unknown receiver", 404, send(json!({ "receiverId": unknown }))),
        ("an unknown room", 404, send(json!({ "receiverId": room }))),
        ("a receiver by name", 404, send(json!({ "receiverId": "zoe" }))),
        ("oneself", 404, send(json!({ "receiverId": me }))),
        ("a NUL as receiver", 404, send(json!({ "receiverId": "\u{0}" }))),
        ("a path as receiver", 404, send(json!({ "receiverId": "../../me" }))),
        ("a long receiver", 404, send(json!({ "receiverId": long }))),
        (
            "a longer receiver",
            404,
            send(json!({ "receiverId": "x".repeat(60_000) })),
        ),
        ("no content", 400, send(json!({ "content": null }))),
        ("a number as content", 400, send(json!({ "content": 1 }))),
        ("an object as content", 400, send(json!({ "content": {} }))),
        ("empty content", 400, send(json!({ "content": "" }))),
        ("blank content", 400, send(json!({ "content": " \n " }))),
        ("long content", 400, send(json!({ "content": "x".repeat(16_385) }))),
        ("too much", 413, send(json!({ "content": "x".repeat(70_000) }))),
        ("an unknown kind", 400, send(json!({ "messageType": "video" }))),
        ("a number as kind", 400, send(json!({ "messageType": 1 }))),
        ("nothing", 400, raw("")),
        ("a list", 400, raw("[]")),
        ("no JSON", 400, raw("content=x")),
        ("very deep", 400, raw(&format!("{{\"content\":{}", "[".repeat(50_000)))),
        ("a login of nothing", 400, post("/api/auth/login", json!({}))),
        (
            "a login of an object",
            400,
            post("/api/auth/login", json!({ "email": { "$ne": 1 }, "password": "x" })),
        ),
        (
            "a login of a number",
            400,
            post("/api/auth/login", json!({ "email": "ada@example.org", "password": 1 })),
        ),
        (
            "a wrong login",
            401,
            post("/api/auth/login", json!({ "email": long, "password": long })),
        ),
        (
            "somebody new without a name",
            400,
            post("/api/auth/register", json!({ "email": "e@example.org" })),
        ),
        ("unknown", 404, page.asks("/api/nothing")),
        ("a path of the API", 404, page.asks("/api/v1/me")),
        ("not a path of the API", 404, page.asks("/nothing")),
        ("dots", 404, page.asks("/api/conversations/../v1/me")),
        (
            "a slash at the end",
            404,
            page.asks(&format!("/api/conversations/?userId={me}")),
        ),
        ("a GET that writes", 405, page.asks("/api/messages/send")),
        (
            "a POST that reads",
            405,
            page.posts("/api/conversations", &json!({ "userId": me })),
        ),
        ("TRACE", 405, page.asks("/api/conversations").method("TRACE")),
    ];
    for (name, status, raw) in cases {
        let reply = ada.gate.send(&raw).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        let answer = reply.json();
        assert_eq!(answer["success"], status == 200, "{name}");
        assert_eq!(answer["error"].is_string(), status != 200, "{name}: {answer}");
    }
    // What a picture is, this family says as a text.
    let picture = ada
        .gate
        .send(&send(json!({ "messageType": "image", "content": "/cat.png" })))
        .await;
    assert_eq!(
        (picture.status, &picture.json()["data"]["messageType"]),
        (201, &json!("text"))
    );
    let shown = page.messages(&conversation["id"], "").await;
    assert_eq!(texts(&shown), ["hello", "/cat.png"]);
    ada.node.stop().await;
}
