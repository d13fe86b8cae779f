//! Polls, threads, places and stickers on the command line of two running nodes.

use serde_json::{Value, json};

use crate::harness::{Home, Pair, eventually};

/// Waits until a home's history with somebody shows what is wanted of a message.
fn message_at(home: &Home, who: &str, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually("the message as it should be", || {
        let history = home.json(&["history", who]);
        let found = history.as_array().unwrap().iter().find(|message| message["id"] == id);
        match found {
            Some(message) if wanted(message) => Ok(message.clone()),
            _ => Err(history.to_string()),
        }
    })
}

fn votes(message: &Value) -> Vec<u64> {
    let options = message["poll"]["options"].as_array().into_iter().flatten();
    options.map(|option| option["votes"].as_u64().unwrap()).collect()
}

#[test]
fn a_poll_is_asked_voted_on_and_closed_and_both_sides_see_the_same() {
    let pair = Pair::new();
    let (alice, bob) = (&pair.alice, &pair.bob);
    let asked = alice.json(&["poll", "new", "bob", "When do we meet?", "friday", "saturday", "sunday"]);
    let id = asked["id"].as_str().unwrap().to_owned();
    let poll = &asked["poll"];
    assert_eq!(
        (&poll["question"], &poll["total"]),
        (&json!("When do we meet?"), &json!(0)),
        "{asked}"
    );
    assert_eq!(
        (&poll["closed"], &poll["options"][1]["text"]),
        (&json!(false), &json!("saturday"))
    );

    message_at(bob, "al", &id, |message| message["poll"]["total"] == 0);
    let voted = bob.json(&["poll", "vote", &id, "2"]);
    assert_eq!(
        (votes(&voted), &voted["poll"]["options"][1]["mine"]),
        (vec![0, 1, 0], &json!(true))
    );
    let bob_id = bob.json(&["whoami"])["user_id"].clone();
    let seen = message_at(alice, "bob", &id, |message| votes(message) == [0, 1, 0]);
    assert_eq!(seen["poll"]["options"][1]["voters"], json!([bob_id]));
    bob.json(&["poll", "vote", &id, "3"]);
    alice.json(&["poll", "vote", &id, "3"]);
    for (home, who) in [(alice, "bob"), (bob, "al")] {
        message_at(home, who, &id, |message| votes(message) == [0, 0, 2]);
    }
    let taken_back = bob.json(&["poll", "vote", &id, "--take-back"]);
    assert_eq!(
        (votes(&taken_back), &taken_back["poll"]["total"]),
        (vec![0, 0, 1], &json!(1))
    );
    message_at(alice, "bob", &id, |message| votes(message) == [0, 0, 1]);

    bob.run(&["poll", "close", &id])
        .failed(1, "only the author of a poll can close it");
    bob.run(&["poll", "vote", &id, "4"]).failed(1, "it has 3");
    bob.run(&["poll", "vote", &id, "1", "1"]).failed(1, "more than once");
    bob.run(&["poll", "vote", &id, "1", "2"]).failed(1, "only one option");
    bob.run(&["poll", "vote", &id, "0"]).failed(2, "");
    assert_eq!(alice.json(&["poll", "close", &id])["poll"]["closed"], true);
    message_at(bob, "al", &id, |message| message["poll"]["closed"] == true);
    bob.run(&["poll", "vote", &id, "1"]).failed(1, "the poll is closed");
    assert_eq!(votes(&bob.json(&["poll", "show", &id])), [0, 0, 1]);
    let text = bob.run(&["poll", "show", &id]).done().stdout.clone();
    assert!(text.contains("3. sunday: 1") && text.contains("closed"), "{text}");

    for words in ["meet", "saturday"] {
        let found = bob.json(&["search", words]);
        assert_eq!(found[0]["id"], json!(id), "{words}: {found}");
        assert!(found[0]["snippet"].as_str().unwrap().contains(words), "{found}");
    }
}

#[test]
fn what_no_poll_can_be_is_refused_with_the_reason() {
    let pair = Pair::new();
    let alice = &pair.alice;
    let long = "x".repeat(10_000);
    let cases: [(&[&str], &str); 6] = [
        (&["q", "same", "same"], "two options are the same"),
        (&["q", "a", " "], "the option is empty"),
        (&[" ", "a", "b"], "the question is empty"),
        (&["q", "a", long.as_str()], "over the limit of 256"),
        (&["q", "a\u{1b}[2J", "b"], "control character"),
        (
            &["q", "a", "b", "--closes", "2020-01-01T00:00:00Z"],
            "closed before anybody can vote",
        ),
    ];
    for (words, why) in cases {
        let line = [&["poll", "new", "bob"][..], words].concat();
        alice.run(&line).failed(1, why);
    }
    alice.run(&["poll", "new", "bob", "q", "a"]).failed(2, "");
    let many: Vec<String> = (0..21).map(|n| n.to_string()).collect();
    let line: Vec<&str> = ["poll", "new", "bob", "q"]
        .into_iter()
        .chain(many.iter().map(String::as_str))
        .collect();
    alice.run(&line).failed(1, "over the limit of 20");
    let text = alice.json(&["send", "bob", "no poll"]);
    let id = text["id"].as_str().unwrap();
    alice.run(&["poll", "vote", id, "1"]).failed(1, "no poll");
    alice.run(&["poll", "show", id]).failed(1, "no poll");
    alice.run(&["poll", "close", id]).failed(1, "no poll");
    assert_eq!(alice.json(&["history", "bob"]).as_array().unwrap().len(), 1);
}

#[test]
fn who_chose_what_in_an_anonymous_poll_is_not_shown() {
    let pair = Pair::new();
    let (alice, bob) = (&pair.alice, &pair.bob);
    let asked = alice.json(&[
        "poll",
        "new",
        "bob",
        "Tea?",
        "yes",
        "no",
        "--anonymous",
        "--multiple",
        "--closes",
        "1h",
    ]);
    let id = asked["id"].as_str().unwrap();
    message_at(bob, "al", id, |message| message["poll"]["anonymous"] == true);
    let voted = bob.json(&["poll", "vote", id, "1", "2"]);
    assert_eq!(votes(&voted), [1, 1]);
    let seen = message_at(alice, "bob", id, |message| votes(message) == [1, 1]);
    assert_eq!(
        (&seen["poll"]["options"][0]["voters"], &seen["poll"]["total"]),
        (&Value::Null, &json!(1))
    );
    assert!(seen["poll"]["closes_at"].is_string(), "{seen}");
}

#[test]
fn a_thread_grows_under_its_root_on_both_sides() {
    let pair = Pair::new();
    let (alice, bob) = (&pair.alice, &pair.bob);
    let root = alice.json(&["send", "bob", "the garden", "--wait", "delivered", "--timeout", "20s"]);
    let root = root["id"].as_str().unwrap().to_owned();
    let first = bob.json(&[
        "send",
        "al",
        "--thread",
        &root,
        "beans",
        "--wait",
        "delivered",
        "--timeout",
        "20s",
    ]);
    let second = alice.json(&[
        "send",
        "bob",
        "--thread",
        &root,
        "peas",
        "--wait",
        "delivered",
        "--timeout",
        "20s",
    ]);
    assert_eq!((&first["thread"], &second["thread"]), (&json!(root), &json!(root)));
    for (home, who) in [(alice, "bob"), (bob, "al")] {
        let shown = message_at(home, who, &root, |message| message["replies"]["count"] == 2);
        assert_eq!(shown["replies"]["last_id"], second["id"]);
        for id in [root.as_str(), first["id"].as_str().unwrap()] {
            let thread = home.json(&["thread", id]);
            let texts: Vec<&str> = thread
                .as_array()
                .unwrap()
                .iter()
                .map(|m| m["text"].as_str().unwrap())
                .collect();
            assert_eq!(texts, ["the garden", "beans", "peas"], "{thread}");
        }
    }
    let newest = alice.json(&["thread", &root, "--limit", "1"]);
    assert_eq!(newest[1]["id"], second["id"]);
    let inside = first["id"].as_str().unwrap();
    alice
        .run(&["send", "bob", "--thread", inside, "no"])
        .failed(1, "in a thread itself");
    let away = alice.json(&["send", "notes", "elsewhere"]);
    let away = away["id"].as_str().unwrap();
    alice
        .run(&["send", "bob", "--thread", away, "no"])
        .failed(1, "not in this conversation");
    bob.json(&["message", "delete", inside]);
    let shown = message_at(alice, "bob", &root, |message| message["replies"]["count"] == 1);
    assert_eq!(shown["replies"]["last_id"], second["id"]);
    let lines = alice.run(&["thread", &root]).done().stdout.clone();
    assert!(
        lines.contains("[1 message in its thread]") && !lines.contains("beans"),
        "{lines}"
    );
}

#[test]
fn places_and_stickers_arrive_as_they_were_sent() {
    let pair = Pair::new();
    let (alice, bob) = (&pair.alice, &pair.bob);
    let place = alice.json(&[
        "send",
        "bob",
        "--location",
        "-33.8568,151.2153",
        "--place",
        "the harbour",
    ]);
    let id = place["id"].as_str().unwrap();
    let seen = message_at(bob, "al", id, |message| message["location"]["name"] == "the harbour");
    assert_eq!(
        (&seen["location"]["latitude"], &seen["location"]["longitude"]),
        (&json!(-33.8568), &json!(151.2153))
    );
    let sticker = alice.json(&["send", "bob", "--sticker", "🌱"]);
    let id = sticker["id"].as_str().unwrap();
    message_at(bob, "al", id, |message| message["sticker"]["emoji"] == "🌱");
    assert_eq!(bob.json(&["search", "harbour"])[0]["location"]["name"], "the harbour");
    let text = bob.run(&["history", "al"]).done().stdout.clone();
    assert!(
        text.contains("(place: the harbour, -33.8568, 151.2153)") && text.contains("🌱"),
        "{text}"
    );
    alice
        .run(&["send", "bob", "--location", "91,0"])
        .failed(1, "not on earth");
    alice
        .run(&["send", "bob", "--location", "somewhere"])
        .failed(2, "two numbers");
    alice.run(&["send", "bob", "--sticker", "ok"]).failed(2, "emoji");
    let once = alice.json(&["send", "bob", "--location", "1,2", "--view-twice"]);
    let id = once["id"].as_str().unwrap();
    message_at(bob, "al", id, |message| message["views_left"] == 2);
    let viewed = bob.json(&["message", "view", id]);
    assert_eq!(
        (&viewed["location"]["latitude"], &viewed["views_left"]),
        (&json!(1.0), &json!(1))
    );
    assert_eq!(bob.json(&["message", "view", id])["views_left"], 0);
    bob.run(&["message", "view", id]).failed(1, "viewed already");
}
