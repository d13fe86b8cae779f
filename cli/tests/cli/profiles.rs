//! What people show of themselves, what is put away and taken back out, and messages with wishes of their own.

use qrcode::render::unicode::Dense1x2;
use serde_json::{Value, json};

use crate::harness::{Home, Pair, eventually, text};

/// Waits until a command of a home shows what is wanted.
fn shows(home: &Home, args: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{args:?}"), || {
        let seen = home.json(args);
        if wanted(&seen) { Ok(seen) } else { Err(seen.to_string()) }
    })
}

const GIF: &[u8] = b"GIF89a\x09\0\x09\0\0\0\0\x2c\0\0\0\0\x09\0\x09\0\0\x02\x02ab\0\x3b";

#[test]
fn a_picture_a_status_and_a_name_reach_contacts_and_are_taken_away_again() {
    let Pair {
        alice,
        bob,
        alice_up: _alice_up,
        bob_up: _bob_up,
    } = Pair::new();
    let file = alice.data().join("me.gif");
    std::fs::write(&file, GIF).unwrap();
    let set = alice.json(&["avatar", "set", &text(&file)]);
    assert_eq!(set["avatar"], "image/gif", "{set}");
    std::fs::write(&file, b"no picture").unwrap();
    alice.run(&["avatar", "set", &text(&file)]).failed(1, "");
    let set = [
        "profile",
        "set",
        "--name",
        "Alice A.",
        "--pronouns",
        "she/her",
        "--status",
        "away",
        "--emoji",
        "🌴",
    ];
    let own = alice.json(&[&set[..], &["--status-for", "7d"]].concat());
    assert!(own["status_expires_at"].is_string(), "{own}");
    let seen = shows(&bob, &["profile", "al"], |profile| {
        profile["avatar"] == "image/gif" && profile["status"] == "away"
    });
    assert_eq!(
        (&seen["name"], &seen["pronouns"], &seen["status_emoji"]),
        (&json!("Alice A."), &json!("she/her"), &json!("🌴"))
    );
    let shown = bob.run(&["profile", "al"]);
    assert!(shown.done().stdout.contains("🌴 away (until "), "{shown:?}");

    assert_eq!(alice.json(&["avatar", "clear"])["avatar"], Value::Null);
    alice.json(&["profile", "set", "--status", "", "--emoji", "", "--pronouns", ""]);
    let seen = shows(&bob, &["profile", "al"], |profile| {
        profile["avatar"].is_null() && profile["status"].is_null()
    });
    assert_eq!(
        (&seen["pronouns"], &seen["status_emoji"]),
        (&Value::Null, &Value::Null),
        "{seen}"
    );

    alice.json(&["presence", "online", "--for", "1h"]);
    shows(&bob, &["contacts"], |contacts| contacts[0]["presence"] == "online");
    assert_eq!(alice.json(&["presence"])["presence"], "online");
    alice.json(&["presence", "away"]);
    shows(&bob, &["contacts"], |contacts| contacts[0]["presence"] == "away");
}

#[test]
fn conversations_are_put_away_and_taken_back_out() {
    let Pair {
        alice,
        alice_up: _alice_up,
        bob_up: _bob_up,
        ..
    } = Pair::new();
    for (away, back, field) in [("mute", "unmute", "muted"), ("archive", "unarchive", "archived")] {
        assert_eq!(alice.json(&["contacts", away, "bob"])[field], true, "{away}");
        assert_eq!(alice.json(&["contacts"])[0][field], true, "{away}");
        assert_eq!(alice.json(&["contacts", back, "bob"])[field], false, "{back}");
        assert_eq!(alice.json(&["contacts"])[0][field], false, "{back}");
    }
}

#[test]
fn a_message_calls_somebody_by_name_and_one_is_seen_twice_and_no_more() {
    let Pair {
        alice,
        bob,
        alice_up: _alice_up,
        bob_up: _bob_up,
    } = Pair::new();
    let user = bob.json(&["whoami"])["user_id"].clone();
    alice.json(&["send", "bob", "look, bob", "--mention", "bob", "--wait", "delivered"]);
    let twice = alice.json(&["send", "bob", "a secret", "--view-twice", "--wait", "delivered"]);
    let id = twice["id"].as_str().unwrap();
    let history = bob.json(&["history", "al"]);
    assert_eq!(history[0]["mentions"], json!([user]), "{history}");
    assert_eq!(
        (&history[1]["text"], &history[1]["views_left"]),
        (&Value::Null, &json!(2)),
        "{history}"
    );
    for left in [1, 0] {
        let seen = bob.json(&["message", "view", id]);
        assert_eq!((&seen["text"], &seen["views_left"]), (&json!("a secret"), &json!(left)));
    }
    assert_eq!(bob.run(&["message", "view", id]).code, Some(1), "not a third time");
}

#[test]
fn the_safety_number_is_shown_as_a_code_to_scan() {
    let Pair {
        alice,
        alice_up: _alice_up,
        bob_up: _bob_up,
        ..
    } = Pair::new();
    let number = alice.json(&["contacts", "verify", "bob"])["number"].clone();
    let digits = number.as_str().unwrap().replace(' ', "");
    assert_eq!(digits.len(), 60);
    let code = qrcode::QrCode::with_error_correction_level(&digits, qrcode::EcLevel::L).unwrap();
    let drawn = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    let shown = alice.run(&["contacts", "verify", "bob"]);
    assert!(shown.done().stdout.contains(&drawn), "{shown:?}");
    alice.run(&["contacts", "verify", "bob", "--code", &digits]).done();
    assert_eq!(alice.json(&["contacts", "trust", "bob"])["trust"], "unverified");
}
