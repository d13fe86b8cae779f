//! Profiles, pictures, settings, and how contacts and conversations are kept, over the API.

use serde_json::json;

use super::stream::changes;
use super::support::TestApi;

pub(crate) const GIF: &[u8] = b"GIF89a\x09\0\x09\0\0\0\0\x2c\0\0\0\0\x09\0\x09\0\0\x02\x02ab\0\x3b";

/// The same picture with so many blocks of 256 bytes in it.
pub(crate) fn large_gif(blocks: usize) -> Vec<u8> {
    let (head, end) = GIF.split_at(GIF.len() - 5);
    let block = [&[255][..], &[7; 255]].concat();
    [head, &block.repeat(blocks), end].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_taken_by_its_type_and_given_back_as_what_it_is() {
    let api = TestApi::start().await;
    let put = async |kind: &str, bytes: &[u8]| {
        let request = api.request("PUT", "/api/v1/me/avatar").set("Content-Type", kind);
        api.send(&request.body_bytes(bytes)).await
    };
    assert_eq!(api.get("/api/v1/me/avatar").await.status, 404);
    // What it is called does not matter, as long as it is called a picture.
    assert_eq!(put("image/png", GIF).await.status, 204);
    let picture = api.get("/api/v1/me/avatar").await;
    assert_eq!((picture.status, picture.body.as_slice()), (200, GIF));
    assert_eq!(picture.header("content-type"), Some("image/gif"));
    assert_eq!(picture.header("x-content-type-options"), Some("nosniff"));
    assert!(
        picture
            .header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
    for (kind, bytes, status, code) in [
        ("application/json", GIF, 415, "not_an_image"),
        ("image/svg+xml", b"<svg/>", 415, "not_an_image"),
        ("image/png", b"<svg/>", 400, "bad_image"),
        ("image/gif", &large_gif(100), 400, "too_long"),
        ("image/gif", &GIF[..GIF.len() - 1], 400, "bad_image"),
        ("image/gif", b"GIF89a\xff\xff\xff\xff", 400, "bad_image"),
    ] {
        let reply = put(kind, bytes).await;
        assert_eq!(
            (reply.status, reply.json()["code"].as_str()),
            (status, Some(code)),
            "{kind}"
        );
    }
    // What was written into it is nobody's business.
    let (head, rest) = GIF.split_at(13);
    let comment = b"\x21\xfe\x0452 N\0";
    assert_eq!(put("image/gif", &[head, comment, rest].concat()).await.status, 204);
    assert_eq!(api.get("/api/v1/me/avatar").await.body, GIF);
    assert_eq!(api.get("/api/v1/me/profile").await.json()["avatar"], "image/gif");
    let gone = api.send(&api.request("DELETE", "/api/v1/me/avatar")).await;
    assert_eq!((gone.status, api.get("/api/v1/me/avatar").await.status), (204, 404));
    assert_eq!(api.get("/api/v1/contacts/bob/avatar").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_changed_field_by_field_and_bad_values_name_their_field() {
    let api = TestApi::start().await;
    let profile = api
        .patch(
            "/api/v1/me/profile",
            &json!({ "name": "Alice L.", "about": "a\nb", "status": "busy", "status_emoji": "🌴" }),
        )
        .await;
    assert_eq!(profile.status, 200, "{}", profile.text());
    let profile = api.patch("/api/v1/me/profile", &json!({ "about": null })).await.json();
    assert_eq!(
        (&profile["name"], &profile["about"], &profile["status"]),
        (&json!("Alice L."), &json!(null), &json!("busy"))
    );
    let settings = api
        .patch("/api/v1/me/settings", &json!({ "share_presence": false }))
        .await
        .json();
    assert_eq!(settings, json!({ "read_receipts": true, "share_presence": false }));
    let contact = api
        .patch("/api/v1/contacts/bob", &json!({ "petname": null }))
        .await
        .json();
    assert_eq!(
        (&contact["petname"], &contact["display"]),
        (&json!(null), &json!("user7"))
    );
    let muted = api
        .patch(
            "/api/v1/conversations/user7",
            &json!({ "muted_until": "forever", "draft": "dear" }),
        )
        .await
        .json();
    assert_eq!(
        (&muted["muted"], &muted["muted_until"], &muted["draft"]),
        (&json!(true), &json!(null), &json!("dear"))
    );
    let feed = api.feed();
    for (path, body, status, field) in [
        ("me/profile", json!({ "name": "x".repeat(10_000) }), 400, "name"),
        ("me/profile", json!({ "name": "a\u{202e}b" }), 400, "name"),
        (
            "me/profile",
            json!({ "status_expires_at": "1999-01-01T00:00:00Z" }),
            400,
            "status_expires_at",
        ),
        ("me/profile", json!({ "status_emoji": "ab" }), 400, "status_emoji"),
        ("me/profile", json!({ "status_emoji": "🌴🌴" }), 400, "status_emoji"),
        ("me/settings", json!({ "share_presence": "no" }), 400, "share_presence"),
        ("contacts/user7", json!({ "petname": "a\nb" }), 400, "petname"),
        (
            "conversations/user7",
            json!({ "muted_until": "2020-01-01T00:00:00Z" }),
            400,
            "muted_until",
        ),
        (
            "conversations/user7",
            json!({ "muted_until": "1902-01-01T00:00:00Z" }),
            400,
            "muted_until",
        ),
        (
            "conversations/user7",
            json!({ "muted_until": "soon" }),
            400,
            "muted_until",
        ),
        (
            "conversations/user7",
            json!({ "draft": "x".repeat(20_000) }),
            400,
            "draft",
        ),
    ] {
        let reply = api.patch(&format!("/api/v1/{path}"), &body).await;
        assert_eq!(
            (reply.status, reply.json()["field"].as_str()),
            (status, Some(field)),
            "{path} {}",
            reply.text()
        );
    }
    for path in ["contacts/nobody", "conversations/nobody"] {
        assert_eq!(api.patch(&format!("/api/v1/{path}"), &json!({})).await.status, 404);
    }
    assert_eq!(api.feed(), feed, "nothing was changed");
    let presence = api
        .put("/api/v1/me/presence", &json!({ "presence": "online", "for_s": 5 }))
        .await;
    assert_eq!(
        (presence.status, presence.json()["field"].as_str()),
        (400, Some("for_s"))
    );
    let typing = api
        .put("/api/v1/conversations/user7/typing", &json!({ "typing": true }))
        .await;
    assert_eq!(typing.status, 204);
    assert_eq!(
        api.get("/api/v1/conversations/user7/typing").await.json(),
        json!({ "typing": [] })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_stay_at_home_whatever_a_contact_calls_themselves() {
    let api = TestApi::start().await;
    let mallory = parlour_node::AddContact {
        link: super::support::invite_of([9; 32], "notes"),
        petname: None,
        note: None,
    };
    api.account().add(mallory).await.unwrap();
    let sent = api
        .post(
            "/api/v1/conversations/notes/messages",
            &json!({ "text": "milk and bread" }),
        )
        .await;
    assert_eq!(sent.status, 201, "{}", sent.text());
    let notes = api.put("/api/v1/notes", &json!({})).await.json();
    assert_eq!(notes["kind"], "notes", "{notes}");
    let held = api.get("/api/v1/conversations/notes/messages").await.json();
    assert_eq!(held["items"][0]["text"], "milk and bread", "{held}");
    assert_eq!(held["items"][0]["conversation"], notes["id"], "{held}");
    let named = api.patch("/api/v1/contacts/bob", &json!({ "petname": "notes" })).await;
    assert_eq!(
        (named.status, named.json()["code"].as_str()),
        (400, Some("name_reserved"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_pages_of_the_account_hear_of_what_one_says_about_oneself_and_of_settings() {
    let api = TestApi::start().await;
    let start = api.feed();
    let status = json!({ "name": "Ada L.", "status": "in the garden" });
    assert_eq!(api.patch("/api/v1/me/profile", &status).await.status, 200);
    let quiet = json!({ "read_receipts": false });
    assert_eq!(api.patch("/api/v1/me/settings", &quiet).await.status, 200);
    let told = changes(&api, start, api.feed()).await;
    assert_eq!(told.len(), 2, "{told:?}");
    for change in &told {
        assert_eq!(change["type"], "me");
        assert_eq!(change["profile"], api.get("/api/v1/me/profile").await.json());
        assert_eq!(change["profile"]["status"], "in the garden");
        assert_eq!(change["settings"], api.get("/api/v1/me/settings").await.json());
    }
    assert_eq!(told[1]["settings"]["read_receipts"], false);
}
