//! A contact who comes back with other devices: what is said of it, what is held back, and how it is decided.

use serde_json::{Value, json};

use crate::harness::{Home, Running, eventually};

/// Alice, whose contact bob has lost everything but his words, and the node he set up from them.
struct Replaced {
    alice: Home,
    bob: Home,
    _alice_up: Running,
    bob_up: Running,
    /// What alice wrote to bob that his lost device had, and what it had not.
    delivered: String,
    held: String,
}

fn words_of(made: &Value) -> String {
    let words: Vec<&str> = made["words"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    words.join(" ")
}

fn invited(alice: &Home, bob: &Home, timeout: &str) {
    let link = alice.json(&["invite"])["link"].as_str().unwrap().to_owned();
    bob.run(&["add", &link, "--petname", "al", "--timeout", timeout]);
}

fn contact(home: &Home) -> Value {
    home.json(&["contacts"])[0].clone()
}

/// Waits until alice's contact is as wanted.
fn contact_is(home: &Home, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || {
        let contact = contact(home);
        if wanted(&contact) {
            Ok(contact)
        } else {
            Err(contact.to_string())
        }
    })
}

fn check(home: &Home) -> Value {
    let report = home.run(&["doctor", "--json"]).parsed();
    let checks = report["checks"].as_array().unwrap();
    let of_bob: Vec<&Value> = checks.iter().filter(|check| check["area"] == "contact").collect();
    assert_eq!(of_bob.len(), 1, "{report:#}");
    of_bob[0].clone()
}

/// Devices of a message's details.
fn of(details: &Value, wanted: impl Fn(&Value) -> bool) -> Vec<&Value> {
    let devices = details["devices"].as_array().unwrap();
    devices.iter().filter(|device| wanted(device)).collect()
}

impl Replaced {
    fn new() -> Self {
        let (alice, old, bob) = (Home::of("alice"), Home::empty(), Home::empty());
        let made = old.json(&["init", "--name", "bob", "--no-password"]);
        let (alice_up, old_up) = (alice.up(), old.up());
        invited(&alice, &old, "30s");
        contact_is(&alice, "bob is a contact", |contact| contact["reachable"] == true);
        let sent = alice.json(&["send", "bob", "one", "--wait", "delivered", "--timeout", "30s"]);
        let delivered = sent["id"].as_str().unwrap().to_owned();
        old_up.kill();
        let held = alice.json(&["send", "bob", "two"])["id"].as_str().unwrap().to_owned();

        let recover = ["init", "--name", "bob", "--recover", "--no-password"];
        bob.run_with(&recover, words_of(&made).as_bytes()).done();
        let bob_up = bob.up();
        // Alice holds her answer back.
        invited(&alice, &bob, "1s");
        contact_is(&alice, "the change is noticed", |contact| contact["trust"] == "changed");
        Self {
            alice,
            bob,
            _alice_up: alice_up,
            bob_up,
            delivered,
            held,
        }
    }
}

#[test]
fn devices_that_took_the_place_of_others_are_told_of_and_wait_for_a_decision() {
    let Replaced {
        alice,
        bob,
        delivered,
        held,
        ..
    } = &Replaced::new();
    let changed = contact(alice);
    assert!(
        changed["warning"].as_str().unwrap().contains("have changed"),
        "{changed}"
    );
    assert!(changed["trust_since"].is_string(), "{changed}");
    assert!(alice.run(&["contacts"]).done().stdout.contains("devices changed"));
    alice
        .run(&["send", "bob", "secret"])
        .failed(1, "devices of this contact have changed");
    let refused = alice.run(&["send", "bob", "secret", "--json"]);
    assert!(refused.stderr.contains("devices_replaced"), "{refused:?}");
    let found = check(alice);
    assert_eq!(found["level"], "warn", "{found}");
    assert!(
        found["detail"].as_str().unwrap().contains("nothing is sent to them"),
        "{found}"
    );
    assert_eq!(found["since"], changed["trust_since"]);
    // Whatever becomes of the lost device: to the new one nothing goes.
    let details = alice.json(&["message", "info", held]);
    let waiting: Vec<&Value> = of(&details, |device| device["state"] != "failed");
    assert_eq!(waiting.len(), 1, "{details:#}");
    assert!(
        waiting[0]["reason"].as_str().unwrap().contains("devices have changed"),
        "{details:#}"
    );
    assert_eq!(waiting[0]["since"], changed["trust_since"], "{details:#}");
    let failed = of(&details, |device| device["state"] == "failed");
    assert_eq!(failed.len(), 1, "{details:#}");
    assert!(
        failed[0]["reason"]
            .as_str()
            .unwrap()
            .contains("none of theirs any more"),
        "{details:#}"
    );
    assert!(failed[0]["since"].is_string(), "{details:#}");
    let shown = alice.run(&["message", "info", held]);
    assert!(
        shown
            .done()
            .stdout
            .contains(": failed: this device is none of theirs any more (since "),
        "{shown:?}"
    );

    // Whoever has the words shows the same number.
    let safety = alice.json(&["contacts", "verify", "bob"]);
    let (number, devices) = (safety["number"].as_str().unwrap(), safety["devices"].as_str().unwrap());
    assert_eq!(safety["trust"], "changed");
    let shown = alice.run(&["contacts", "verify", "bob"]);
    assert!(
        shown.done().stderr.contains(&format!("--devices {devices}")),
        "{shown:?}"
    );
    assert!(shown.stdout.contains("Now: changed."), "{shown:?}");
    alice
        .run(&["contacts", "verify", "bob", "--code", number])
        .failed(1, "devices");
    alice
        .run(&[
            "contacts",
            "verify",
            "bob",
            "--code",
            number,
            "--devices",
            "0000000000000000",
        ])
        .failed(1, "devices");
    let asked = alice.run(&["contacts", "trust", "bob"]);
    assert_eq!(asked.code, Some(1), "{asked:?}");
    assert!(asked.stderr.contains(&format!("--devices {devices}")), "{asked:?}");
    assert_eq!(contact(alice)["trust"], "changed", "nothing of it was a decision");

    let taken = alice.json(&["contacts", "trust", "bob", "--devices", devices]);
    assert_eq!(
        (&taken["trust"], &taken["warning"]),
        (&json!("unverified"), &Value::Null)
    );
    alice.json(&["send", "bob", "three", "--wait", "delivered", "--timeout", "30s"]);
    eventually("what was held back comes", || {
        let history = bob.json(&["history", "al"]);
        let texts: Vec<&str> = history
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|m| m["text"].as_str())
            .collect();
        if texts == ["one", "two", "three"] {
            Ok(())
        } else {
            Err(history.to_string())
        }
    });
    let found = check(alice);
    assert_eq!(found["level"], "ok", "{found}");
    let verified = alice.json(&["contacts", "verify", "bob", "--code", number]);
    assert_eq!(verified["trust"], "verified");
    assert_eq!(
        alice.json(&["contacts", "trust", "bob"])["trust"],
        "unverified",
        "taken back"
    );
    let details = alice.json(&["message", "info", delivered]);
    let with_reason = of(&details, |device| device["reason"].is_string());
    assert!(with_reason.is_empty(), "both have it: {details:#}");
}

#[test]
fn nothing_waits_for_a_device_that_is_no_more() {
    let Replaced { alice, bob_up, .. } = Replaced::new();
    let safety = alice.json(&["contacts", "verify", "bob"]);
    alice.json(&[
        "contacts",
        "trust",
        "bob",
        "--devices",
        safety["devices"].as_str().unwrap(),
    ]);
    alice.json(&["send", "bob", "three", "--wait", "delivered", "--timeout", "30s"]);
    assert!(bob_up.stop("-TERM").success());
    alice.json(&["send", "bob", "four"]);
    let found = eventually("bob is away", || {
        let found = check(&alice);
        if found["level"] == "warn" {
            Ok(found)
        } else {
            Err(found.to_string())
        }
    });
    let detail = found["detail"].as_str().unwrap();
    assert!(detail.starts_with("1 message waits"), "only the last one: {detail}");
}
