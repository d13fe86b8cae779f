//! Asking at a contact address, and deciding about whoever asks.

use serde_json::{Value, json};

use crate::harness::{Home, eventually};

fn address_of(home: &Home) -> String {
    home.json(&["invite", "address"])["link"].as_str().unwrap().to_owned()
}

fn asked(home: &Home) -> Vec<Value> {
    home.json(&["requests"]).as_array().unwrap().clone()
}

fn wait_for_request(home: &Home) -> Value {
    eventually("the request is there", || {
        asked(home).pop().ok_or_else(|| "nobody asks".to_owned())
    })
}

#[test]
fn whoever_asks_waits_and_hears_nothing_until_accepted() {
    let (alice, bob) = (Home::of("alice"), Home::of("bob"));
    let (_alice, _bob) = (alice.up(), bob.up());
    let address = address_of(&bob);

    let added = alice.json(&["add", &address, "--petname", "bobby", "--note", "from the fair"]);
    assert_eq!((&added["state"], &added["petname"]), (&json!("asked"), &json!("bobby")));
    assert!(added["reason"].as_str().unwrap().contains("accept"), "{added}");
    let sent = alice.json(&["send", "bobby", "hello?"]);
    assert_eq!(sent["status"], "sending", "{sent}");

    let request = wait_for_request(&bob);
    // There is no device yet that it could go to, and that is no riddle.
    let details = alice.json(&["message", "info", sent["id"].as_str().unwrap()]);
    assert_eq!(details["devices"], json!([]), "{details}");
    eventually("the message waits for them to accept", || {
        let details = alice.json(&["message", "info", sent["id"].as_str().unwrap()]);
        let reason = details["reason"].as_str().unwrap();
        if reason == "waiting for them to accept" && details["since"].is_string() {
            Ok(())
        } else {
            Err(details.to_string())
        }
    });
    assert_eq!(
        (&request["name"], &request["note"]),
        (&json!("alice"), &json!("from the fair"))
    );
    assert_eq!(request["user_id"], alice.json(&["whoami"])["user_id"]);
    assert_eq!(bob.json(&["contacts"]), json!([]), "nothing comes of it by itself");
    assert_eq!(alice.json(&["contacts"])[0]["state"], "asked");

    // Asking again changes nothing, and is no second request.
    let again = alice.json(&["add", &address]);
    assert_eq!((&again["already"], &again["petname"]), (&json!(true), &json!("bobby")));
    assert_eq!(asked(&bob).len(), 1);

    let accepted = bob.json(&["requests", "accept", "alice", "--petname", "al"]);
    assert_eq!(
        (&accepted["state"], &accepted["petname"]),
        (&json!("accepted"), &json!("al"))
    );
    assert!(asked(&bob).is_empty());
    eventually("what was said meanwhile arrives", || {
        let history = bob.json(&["history", "al"]);
        match history[0]["text"].as_str() {
            Some("hello?") => Ok(()),
            _ => Err(history.to_string()),
        }
    });
    bob.json(&["send", "al", "hello!", "--wait", "delivered", "--timeout", "20s"]);
    assert_eq!(alice.json(&["contacts"])[0]["state"], "accepted");
}

#[test]
fn a_declined_request_is_gone_and_does_not_come_back() {
    let (alice, bob) = (Home::of("alice"), Home::of("bob"));
    let (_alice, running) = (alice.up(), bob.up());
    let address = address_of(&bob);
    alice.json(&["add", &address]);
    wait_for_request(&bob);
    // It is on the disk.
    drop(running);
    let _bob = bob.up();
    assert_eq!(asked(&bob).len(), 1);
    bob.json(&["requests", "decline", "alice"]);
    assert!(asked(&bob).is_empty());
    let refused = bob.run(&["requests", "accept", "alice"]);
    assert!(
        refused.code != Some(0) && refused.stderr.contains("no contact request"),
        "{refused:?}"
    );
    assert_eq!(alice.json(&["contacts"])[0]["state"], "asked", "nobody told her");

    // Whoever declined may ask themselves.
    bob.json(&["add", &address_of(&alice)]);
    eventually("both have asked, and are contacts", || {
        let contacts = bob.json(&["contacts"]);
        match contacts[0]["state"].as_str() {
            Some("accepted") => Ok(()),
            _ => Err(contacts.to_string()),
        }
    });
}

#[test]
fn a_stranger_with_the_name_of_a_contact_is_accepted_by_id_only() {
    let (alice, bob, stranger) = (Home::of("alice"), Home::of("bob"), Home::of("alice"));
    let (_alice, _bob, _stranger) = (alice.up(), bob.up(), stranger.up());
    let invite = bob.json(&["invite"]);
    alice.json(&["add", invite["link"].as_str().unwrap()]);
    stranger.json(&["add", &address_of(&bob)]);
    let request = wait_for_request(&bob);
    let refused = bob.run(&["requests", "accept", "alice"]);
    assert!(
        refused.code != Some(0) && refused.stderr.contains("more than one"),
        "{refused:?}"
    );
    let accepted = bob.json(&[
        "requests",
        "accept",
        request["user_id"].as_str().unwrap(),
        "--petname",
        "other alice",
    ]);
    assert_eq!(accepted["state"], "accepted", "{accepted}");
}

#[test]
fn two_who_ask_each_other_are_contacts() {
    let (alice, bob) = (Home::of("alice"), Home::of("bob"));
    let (_alice, _bob) = (alice.up(), bob.up());
    let (to_alice, to_bob) = (address_of(&alice), address_of(&bob));
    alice.json(&["add", &to_bob]);
    wait_for_request(&bob);
    let added = bob.json(&["add", &to_alice]);
    assert_eq!(added["state"], "accepted", "{added}");
    alice.json(&["send", "bob", "at once", "--wait", "delivered", "--timeout", "20s"]);
}

#[test]
fn what_cannot_be_asked_is_refused_by_name() {
    let (alice, bob) = (Home::of("alice"), Home::of("bob"));
    let (_alice, _bob) = (alice.up(), bob.up());
    let own = alice.run(&["add", &address_of(&alice)]);
    assert!(own.code != Some(0) && own.stderr.contains("your own"), "{own:?}");
    let long = "x".repeat(513);
    let address = address_of(&bob);
    let refused = alice.run(&["add", &address, "--note", &long]);
    assert!(
        refused.code != Some(0) && refused.stderr.contains("at most 512"),
        "{refused:?}"
    );
    assert_eq!(alice.json(&["contacts"]), json!([]));
    // One letter is another one, whatever stood there.
    let (start, last) = address.split_at(address.len() - 5);
    let other = if last.starts_with('A') { 'B' } else { 'A' };
    let damaged = format!("{start}{other}{}", &last[1..]);
    let refused = alice.run(&["add", &damaged]);
    assert!(
        refused.code != Some(0) && refused.stderr.contains("typo"),
        "{refused:?}"
    );
}

#[test]
fn a_request_is_taken_back_and_whoever_asks_is_blocked() {
    let (alice, bob) = (Home::of("alice"), Home::of("bob"));
    let (_alice, _bob) = (alice.up(), bob.up());
    let address = address_of(&bob);
    alice.json(&["add", &address]);
    wait_for_request(&bob);
    let cancelled = alice.json(&["requests", "cancel", "bob"]);
    assert_eq!(cancelled["state"], "former", "{cancelled}");
    assert_eq!(alice.json(&["contacts"]), json!([]));
    assert_eq!(alice.json(&["status"])["contacts"], 0);
    let again = alice.run(&["requests", "cancel", "bob"]);
    assert!(
        again.code == Some(1) && again.stderr.contains("waits for an answer"),
        "{again:?}"
    );
    let refused = alice.run(&["send", "bob", "hello?"]);
    assert!(
        refused.code == Some(1) && refused.stderr.contains("not your contact"),
        "{refused:?}"
    );

    let added = alice.json(&["add", &address, "--note", "after all"]);
    assert_eq!((&added["state"], &added["already"]), (&json!("asked"), &json!(false)));
    let blocked = bob.json(&["requests", "block", "alice"]);
    assert_eq!(
        (&blocked["state"], &blocked["blocked"]),
        (&json!("former"), &json!(true))
    );
    assert!(asked(&bob).is_empty());
    assert_eq!(
        bob.json(&["contacts"])[0]["blocked"],
        true,
        "what can be undone is listed"
    );
    assert_eq!(alice.json(&["contacts"])[0]["state"], "asked", "nobody told her");
    bob.json(&["contacts", "unblock", "alice"]);
    assert_eq!(bob.json(&["contacts"]), json!([]));
}

#[test]
fn a_contact_is_removed_with_or_without_the_history() {
    let (alice, bob) = (Home::of("alice"), Home::of("bob"));
    let (_alice, _bob) = (alice.up(), bob.up());
    let invite = bob.json(&["invite"]);
    alice.json(&["add", invite["link"].as_str().unwrap(), "--petname", "bobby"]);
    alice.json(&["send", "bobby", "a marmot", "--wait", "delivered", "--timeout", "20s"]);
    let cancelled = alice.run(&["requests", "cancel", "bobby"]);
    assert!(
        cancelled.code == Some(1) && cancelled.stderr.contains("contacts remove"),
        "{cancelled:?}"
    );

    let removed = alice.run(&["contacts", "remove", "bobby"]);
    assert!(removed.stdout.contains("bobby is no contact any more"), "{removed:?}");
    assert_eq!(alice.json(&["contacts"]), json!([]));
    let history = alice.json(&["history", "bobby"]);
    assert_eq!(
        (&history[0]["text"], &history[0]["status"]),
        (&json!("a marmot"), &json!("delivered"))
    );
    assert_eq!(bob.json(&["contacts"])[0]["state"], "accepted", "nobody told him");

    alice.json(&["contacts", "remove", "bobby", "--history"]);
    eventually("it is erased", || match alice.json(&["history", "bobby"]) {
        Value::Array(shown) if shown.is_empty() => Ok(()),
        shown => Err(shown.to_string()),
    });
    assert_eq!(alice.json(&["search", "marmot"]), json!([]));
    assert_eq!(bob.json(&["search", "marmot"]).as_array().unwrap().len(), 1);
    let check = alice.run(&["doctor"]);
    assert!(!check.stdout.contains("bobby"), "{check:?}");
}
