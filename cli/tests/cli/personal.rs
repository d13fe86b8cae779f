//! What people do with contacts and conversations beside talking, on the command line of two running nodes.

use serde_json::{Value, json};

use crate::harness::{Pair, Running, eventually};

/// Waits until a command of a home shows what is wanted.
fn shows(what: &str, look: impl Fn() -> Value, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || {
        let seen = look();
        if wanted(&seen) { Ok(seen) } else { Err(seen.to_string()) }
    })
}

#[test]
fn looking_is_not_reading_and_what_was_read_is_told() {
    let Pair {
        alice,
        bob,
        alice_up: _alice_up,
        bob_up: _bob_up,
    } = Pair::new();
    let sent = alice.json(&["send", "bob", "read me", "--wait", "delivered"]);
    let id = sent["id"].as_str().unwrap().to_owned();
    bob.run(&["history", "al"]).done();
    assert_eq!(alice.json(&["message", "info", &id])["status"], "delivered");
    bob.run(&["read", "al", "--up-to", &id.replace("msg_", "msg_a")])
        .failed(1, "id");
    assert_eq!(bob.json(&["read", "al", "--up-to", &id[..14]])["unread"], 0);
    let info = || alice.json(&["message", "info", &id]);
    let read = shows("alice is told", info, |message| message["status"] == "read");
    assert_eq!(read["devices"][0]["state"], "read");

    let settings = bob.json(&["settings", "--read-receipts", "off", "--presence", "off"]);
    assert_eq!(settings, json!({ "read_receipts": false, "share_presence": false }));
    let quiet = alice.json(&["send", "bob", "quietly", "--wait", "delivered"]);
    let shown = bob.json(&["history", "al", "--mark-read"]);
    assert_eq!(shown[1]["text"], "quietly");
    // What bob says next comes behind anything he would have told.
    bob.run(&["send", "al", "done", "--wait", "delivered"]).done();
    let quiet = alice.json(&["message", "info", quiet["id"].as_str().unwrap()]);
    assert_eq!(quiet["status"], "delivered");
}

#[test]
fn contacts_are_renamed_blocked_verified_and_notes_stay_at_home() {
    let Pair {
        alice,
        bob,
        alice_up: _alice_up,
        bob_up: _bob_up,
    } = Pair::new();
    bob.run(&["contacts", "rename", "al", "alicia"]).done();
    bob.run(&["contacts", "rename", "alicia", "two\nlines"])
        .failed(1, "petname");
    bob.run(&["contacts", "rename", "nobody", "x"]).failed(1, "no contact");
    bob.run(&["contacts", "mute", "alicia", "--until", "2020-01-01T00:00:00Z"])
        .failed(1, "over already");

    let number = alice.json(&["contacts", "verify", "bob"])["number"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(bob.json(&["contacts", "verify", "alicia"])["number"], json!(number));
    let other: String = number.chars().map(|c| if c == '1' { '2' } else { c }).collect();
    bob.run(&["contacts", "verify", "alicia", "--code", &other])
        .failed(1, "differ");
    bob.run(&["contacts", "verify", "alicia", "--code", "123"])
        .failed(1, "60 digits");
    let verified = bob.json(&["contacts", "verify", "alicia", "--code", &number]);
    assert_eq!(verified["trust"], "verified");

    bob.run(&["contacts", "block", "alicia"]).done();
    bob.run(&["send", "alicia", "hello"]).failed(1, "blocked");
    alice.run(&["send", "bob", "anybody there?"]).done();
    assert_eq!(bob.json(&["contacts"])[0]["blocked"], true);
    assert_eq!(bob.json(&["history", "alicia"]), json!([]));
    bob.run(&["contacts", "unblock", "alicia"]).done();
    let history = || bob.json(&["history", "alicia"]);
    shows("what was missed", history, |messages| {
        messages[0]["text"] == "anybody there?"
    });

    alice.run(&["send", "notes", "milk and bread"]).done();
    assert_eq!(alice.json(&["notes"])[0]["text"], "milk and bread");
    alice.run(&["send", "notes", "and tea"]).done();
    let newest = alice.run(&["notes", "--limit", "1"]);
    let (_, cursor) = newest.done().stderr.trim().split_once("older: --before ").unwrap();
    let older = alice.json(&["notes", "--limit", "1", "--before", cursor]);
    assert_eq!(older[0]["text"], "milk and bread", "{older}");

    alice.run(&["conversation", "mute", "bob"]).done();
    alice.run(&["conversation", "archive", "bob"]).done();
    let kept = alice.json(&["contacts"]);
    assert_eq!((&kept[0]["muted"], &kept[0]["archived"]), (&json!(true), &json!(true)));
    assert!(alice.run(&["contacts"]).done().stdout.contains(", muted, archived"));
    assert_eq!(alice.json(&["search", "milk"]).as_array().map(Vec::len), Some(1));
    alice
        .run(&["profile", "set", "--about", &"x".repeat(600)])
        .failed(1, "at most 512");
    alice.run(&["profile", "set", "--about", "gardener"]).done();
    let profile = || bob.json(&["profile", "alicia"]);
    shows("the profile", profile, |profile| profile["about"] == "gardener");
}

#[test]
fn a_follower_sees_what_is_done_with_messages_if_asked_for() {
    let pair = Pair::new();
    let sent = pair
        .alice
        .json(&["send", "bob", "helo", "--wait", "delivered", "--timeout", "20s"]);
    let id = sent["id"].as_str().unwrap();
    let mut people = Running::start(&mut pair.bob.command(&["tail", "-f"]));
    let mut programs = Running::start(&mut pair.bob.command(&["tail", "-f", "--json"]));
    let mut asked = Running::start(&mut pair.bob.command(&["tail", "-f", "--json", "--changes"]));
    let next = |tail: &mut Running| serde_json::from_str::<Value>(&tail.line()).unwrap();
    assert!(people.line().ends_with("helo"));
    assert_eq!(
        (&next(&mut programs)["text"], &next(&mut asked)["text"]),
        (&"helo".into(), &"helo".into())
    );
    pair.alice.json(&["message", "edit", id, "hello"]);
    let line = people.line();
    assert!(line.starts_with("~ ") && line.contains("hello"), "{line}");
    let changed = next(&mut asked);
    assert_eq!((&changed["text"], &changed["changed"]), (&"hello".into(), &true.into()));
    pair.alice.json(&["send", "bob", "next"]);
    let new = next(&mut programs);
    assert_eq!((&new["text"], &new["changed"]), (&"next".into(), &Value::Null));
}

#[test]
fn drafts_are_kept_and_writing_is_shown() {
    let pair = Pair::new();
    assert_eq!(pair.alice.json(&["draft", "bob"])["draft"], Value::Null);
    pair.alice.json(&["draft", "bob", "about friday"]);
    assert_eq!(pair.alice.run(&["draft", "bob"]).done().stdout, "about friday\n");
    pair.alice.json(&["draft", "bob", "--clear"]);
    assert_eq!(pair.alice.json(&["draft", "bob"])["draft"], Value::Null);

    let reachable = |contacts: &Value| contacts[0]["reachable"] == true;
    shows("alice can be reached", || pair.bob.json(&["contacts"]), reachable);
    shows("bob can be reached", || pair.alice.json(&["contacts"]), reachable);
    let mut tail = Running::start(&mut pair.bob.command(&["tail", "-f", "--presence"]));
    // Whether she is there is told, too.
    let mut writing = || loop {
        let line = tail.line();
        if line.contains("writing") {
            return line;
        }
    };
    pair.alice.json(&["typing", "bob"]);
    assert_eq!(writing(), "* al is writing");
    pair.alice.json(&["typing", "bob", "--stop"]);
    assert_eq!(writing(), "* al has stopped writing");
}
