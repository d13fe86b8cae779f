//! Pictures of people in the gateways `echoroom` and `socketchat`: set, refused, shown to whoever may see them and to nobody else.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::house::House;
use super::personal::{GIF, large_gif};
use super::storms::{event, socket_io};
use super::support::{Program, Reply};

/// Another picture than [`GIF`].
const OTHER: &[u8] = b"GIF89a\x08\0\x08\0\0\0\0\x2c\0\0\0\0\x08\0\x08\0\0\x02\x02ab\0\x3b";

fn data(picture: &[u8]) -> String {
    format!("data:image/gif;base64,{}", BASE64.encode(picture))
}

impl House {
    /// What an `<img>` with this address gets: it sends nothing of whoever is logged in.
    async fn image(&self, address: &Value) -> Reply {
        let address = address.as_str().unwrap_or_else(|| panic!("no address: {address}"));
        let path = address.strip_prefix(&self.gate_url()).unwrap();
        let request = self.gate.request("GET", path).without("Authorization");
        self.gate.send(&request).await
    }

    async fn profile(&self) -> Value {
        self.native.get("/api/v1/me/profile").await.json()
    }
}

async fn upload(page: &Program, kind: &str, body: &[u8]) -> Reply {
    let request = page.request("POST", "/api/users/avatar").set("Content-Type", kind);
    page.send(&request.body_bytes(body)).await
}

/// As a browser sends a form with one file.
async fn upload_file(page: &Program, picture: &[u8]) -> Reply {
    let head = b"--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"me.gif\"\r\nContent-Type: image/gif\r\n\r\n";
    let body = [&head[..], picture, b"\r\n--xyz--\r\n"].concat();
    upload(page, "multipart/form-data; boundary=xyz", &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_set_by_its_data_and_shown_at_an_address_that_needs_no_header() {
    let ada = House::of("ada", "echoroom").await;
    let (page, user) = ada.opened("ada").await;
    assert!(user.get("avatarUrl").is_none(), "{user}");
    let (head, rest) = GIF.split_at(13);
    let with_comment = [head, b"\x21\xfe\x0452 N\0", rest].concat();
    let wish = json!({ "displayName": "Ada L.", "avatarUrl": data(&with_comment) });
    let set = page.put("/auth/me", &wish).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let address = set.json()["avatarUrl"].clone();
    assert_eq!(page.get("/auth/me").await.json()["avatarUrl"], address);
    let picture = ada.image(&address).await;
    assert_eq!(
        (picture.status, picture.body.as_slice()),
        (200, GIF),
        "without what its maker wrote into it"
    );
    for (header, value) in [
        ("content-type", "image/gif"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, max-age=3600"),
        ("cross-origin-resource-policy", "cross-origin"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        ),
    ] {
        assert_eq!(picture.header(header), Some(value));
    }
    // In a page that was served from elsewhere, where nothing else of this gateway is to be had.
    let path = address.as_str().unwrap().strip_prefix(&ada.gate_url()).unwrap();
    for (path, status) in [(path, 200), ("/rooms", 403), ("/health", 403)] {
        for site in ["same-site", "cross-site"] {
            let request = page.request("GET", path).set("Sec-Fetch-Site", site);
            assert_eq!(ada.gate.send(&request).await.status, status, "{path} {site}");
        }
    }
    let foreign = page.request("GET", path).set("Origin", "http://evil.example");
    assert_eq!(ada.gate.send(&foreign).await.status, 403);
    // Forms send back what they were filled with.
    let same = page
        .put("/auth/me", &json!({ "displayName": "Ada", "avatarUrl": address }))
        .await;
    assert_eq!(
        (&same.json()["displayName"], &same.json()["avatarUrl"]),
        (&json!("Ada"), &address)
    );

    let other = page.put("/auth/me", &json!({ "avatarUrl": data(OTHER) })).await.json()["avatarUrl"].clone();
    assert_ne!(other, address);
    assert_eq!(ada.image(&other).await.body, OTHER);
    assert_eq!(ada.image(&address).await.status, 404, "that picture is gone");
    let gone = page.put("/auth/me", &json!({ "avatarUrl": null })).await;
    assert_eq!((gone.status, gone.json().get("avatarUrl")), (200, None));
    assert_eq!(ada.image(&other).await.status, 404);
    assert_eq!(ada.profile().await["avatar"], Value::Null);
    ada.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_is_refused_and_changes_nothing() {
    let (ada, bo) = (House::of("ada", "echoroom").await, House::of("bo", "socketchat").await);
    let ((hers, _), (his, _)) = (ada.opened("ada").await, bo.opened("bo").await);
    let set = hers.put("/auth/me", &json!({ "avatarUrl": data(GIF) })).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let address = set.json()["avatarUrl"].as_str().unwrap().to_owned();
    assert_eq!(upload_file(&his, GIF).await.status, 200);
    let (her_profile, his_profile) = (ada.profile().await, bo.profile().await);
    let huge = b"GIF89a\xff\xff\xff\xff";
    for wrong in [
        json!("http://127.0.0.1:1/me.png"),
        json!("https://example.org/me.png"),
        json!("//example.org/me.png"),
        json!("file:///etc/passwd"),
        json!("javascript:alert(1)"),
        json!("me.png"),
        json!(address.replace("http://", "https://evil.example/?") + "0"),
        json!("data:image/gif,GIF89a"),
        json!("data:image/gif;base64,!!!"),
        json!("data:text/html;base64,PHNjcmlwdD4="),
        json!("data:image/svg+xml;base64,PHN2Zy8+"),
        json!(data(b"")),
        json!(data(huge)),
        json!(data(&large_gif(100))),
        json!(data(&GIF[..GIF.len() - 1])),
        json!(1),
        json!({ "url": address }),
        json!(["x"]),
    ] {
        let refused = hers
            .put("/auth/me", &json!({ "displayName": "Mallory", "avatarUrl": wrong }))
            .await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.text());
        assert!(refused.json()["message"].is_string(), "{wrong}");
    }
    // A name that is refused keeps the picture out, too.
    let wish = json!({ "displayName": "a\u{202e}b", "avatarUrl": data(OTHER) });
    assert_eq!(hers.put("/auth/me", &wish).await.status, 400);
    let large = hers
        .put("/auth/me", &json!({ "avatarUrl": data(&large_gif(250)) }))
        .await;
    assert_eq!((large.status, large.json()["message"].is_string()), (413, true));
    assert_eq!(ada.profile().await, her_profile);

    let form = "multipart/form-data; boundary=xyz";
    let part =
        |name: &str| format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nGIF89a\r\n--xyz--\r\n");
    for (kind, body, status) in [
        ("application/json", "{}".to_owned(), 400),
        ("image/gif", "GIF89a".to_owned(), 400),
        (form, String::new(), 400),
        (form, part("file"), 400),
        (form, part("picture"), 400),
        (form, part("file").replace("--xyz--", "--xyz"), 400),
        ("multipart/form-data", part("file"), 400),
        (form, part(&"x".repeat(70_000)), 413),
    ] {
        let refused = upload(&his, kind, body.as_bytes()).await;
        assert_eq!(refused.status, status, "{kind}: {}", refused.text());
        assert_eq!(refused.json()["success"], false, "{kind}");
    }
    assert_eq!(upload_file(&his, &large_gif(100)).await.status, 400);
    assert_eq!(upload_file(&his, huge).await.status, 400);
    let nobody = Program {
        address: his.address,
        token: "x".into(),
    };
    assert_eq!(upload_file(&nobody, OTHER).await.status, 401);
    assert_eq!(bo.profile().await, his_profile);
    ada.node.stop().await;
    bo.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_see_each_others_pictures_wherever_the_family_shows_people() {
    let (ada, bo) = (House::of("ada", "echoroom").await, House::of("bo", "socketchat").await);
    let ((hers, her), (his, him)) = (ada.opened("ada").await, bo.opened("bo").await);
    assert_eq!(him["avatar"], Value::Null);
    assert_eq!(
        hers.put("/auth/me", &json!({ "avatarUrl": data(GIF) })).await.status,
        200
    );
    let set = upload_file(&his, OTHER).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let answer = set.json()["data"].clone();
    assert_eq!(answer["user"]["avatar"], answer["avatarUrl"]);
    assert_eq!(bo.image(&answer["avatarUrl"]).await.body, OTHER);
    bo.befriend(&ada).await;
    let her_path = format!("/api/users/{}", her["_id"].as_str().unwrap());
    let card = async || {
        let user = his.get(&her_path).await.json()["data"]["user"].clone();
        Some(user["avatar"].clone()).filter(Value::is_string)
    };
    let at_his = bo.seen("her card", card).await;
    assert_eq!(bo.image(&at_his).await.body, GIF);
    let found = his.get("/api/users/search?q=ada").await.json();
    assert_eq!(found["data"]["users"][0]["avatar"], at_his);

    // In what they write, over REST and over sockets.
    let room = ada.native.post("/api/v1/rooms", &json!({ "name": "garden" })).await;
    assert_eq!(room.status, 201);
    ada.invite_into("garden", &bo, "bo").await;
    let mut hearing = socket_io(&bo.gate, &his.token).await;
    let online = event(&mut hearing, "online-users").await;
    assert_eq!(online[0]["avatar"], answer["avatarUrl"], "{online}");
    hearing.put("42[\"join-room\",{\"room\":\"garden\"}]").await;
    event(&mut hearing, "joined-room").await;
    let mut saying = socket_io(&ada.gate, &hers.token).await;
    saying.put("42[\"room:join\",{\"roomId\":\"garden\"}]").await;
    event(&mut saying, "room:joined").await;
    let hello = json!(["message:send", { "roomId": "garden", "text": "hello", "tempId": "1" }]);
    saying.put(&format!("42{hello}")).await;
    let own = event(&mut saying, "message:new").await["message"].clone();
    assert_eq!(ada.image(&own["sender"]["avatarUrl"]).await.body, GIF);
    let heard = event(&mut hearing, "new-message").await;
    assert_eq!(
        (&heard["content"], &heard["sender"]["avatar"]),
        (&json!("hello"), &at_his)
    );
    let sent = his
        .post("/api/messages", &json!({ "content": "hi", "room": "garden" }))
        .await
        .json();
    assert_eq!(sent["data"]["message"]["sender"]["avatar"], answer["avatarUrl"]);
    let answered = event(&mut saying, "message:new").await["message"].clone();
    assert_eq!(ada.image(&answered["sender"]["avatarUrl"]).await.body, OTHER);
    let page = his.get("/api/messages?room=garden").await.json()["data"]["messages"].clone();
    let senders = [&page[0]["sender"]["avatar"], &page[1]["sender"]["avatar"]];
    assert_eq!(senders, [&at_his, &answer["avatarUrl"]]);
    let page = hers.get("/rooms/garden/messages").await.json();
    assert_eq!(page[0]["sender"]["avatarUrl"], own["sender"]["avatarUrl"]);

    // Whoever is blocked is not seen any more, wherever their address was kept.
    let path = format!("/api/v1/contacts/{}", her["_id"].as_str().unwrap());
    let blocked = bo.native.patch(&path, &json!({ "blocked": true })).await;
    assert_eq!(blocked.status, 200, "{}", blocked.text());
    assert_eq!(bo.image(&at_his).await.status, 404);
    let page = his.get("/api/messages?room=garden").await.json();
    assert_eq!(page["data"]["messages"][0]["sender"]["avatar"], Value::Null);
    ada.node.stop().await;
    bo.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_good_for_the_login_it_was_told_to_and_as_it_was_told() {
    let ada = House::of("ada", "echoroom").await;
    let (page, user) = ada.opened("ada").await;
    let set = page.put("/auth/me", &json!({ "avatarUrl": data(GIF) })).await.json();
    let address = set["avatarUrl"].as_str().unwrap().to_owned();
    let (other, told) = ada.opened("ada").await;
    let others = told["avatarUrl"].clone();
    assert_ne!(others, address.as_str(), "each login has its own");
    // A login goes on with another token.
    let seat = address.split('/').nth(4).unwrap();
    let other_seat = others.as_str().unwrap().split('/').nth(4).unwrap();
    let hash = address.split('/').nth(6).unwrap();
    let user = user["_id"].as_str().unwrap();
    let last = address.chars().last().unwrap();
    let changed = if last == '0' { "1" } else { "0" };
    for wrong in [
        address.replace(seat, other_seat),
        address.replace(seat, "token_0"),
        address.replace(seat, "%2e%2e"),
        address.replace(seat, "%ff"),
        address.replace(user, "ada"),
        address.replace(user, "me"),
        address.replace(hash, &"0".repeat(32)),
        format!("{}{changed}", &address[..address.len() - 1]),
        format!("{address}0"),
        format!("{address}/x"),
        address.rsplit_once('/').unwrap().0.to_owned(),
        format!("{}/.avatars/", ada.gate_url()),
    ] {
        let refused = ada.image(&json!(wrong)).await;
        assert_eq!(refused.status, 404, "{wrong}");
        assert!(refused.json()["message"].is_string(), "{wrong}");
    }
    let posted = page.request("POST", address.strip_prefix(&ada.gate_url()).unwrap());
    assert_eq!(ada.gate.send(&posted.body("")).await.status, 405);
    assert_eq!(page.post("/auth/logout", &json!({})).await.status, 200);
    assert_eq!(ada.image(&json!(address)).await.status, 404, "after the login");
    assert_eq!(ada.image(&others).await.body, GIF, "the other one goes on");
    drop(other);
    ada.node.stop().await;
}
