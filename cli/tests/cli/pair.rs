//! Two nodes on loopback, through the forms scripts rely on.

use serde_json::Value;

use crate::harness::{Home, Pair, Running, eventually, free_port};

fn texts(history: &Value) -> Vec<&str> {
    history
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["text"].as_str().unwrap())
        .collect()
}

#[test]
fn two_people_become_contacts_and_talk() {
    let (alice, bob) = (Home::of("alice"), Home::of("bob"));
    let port = free_port().to_string();
    let _alice = alice.up_with(&[
        "--api",
        &port,
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "/ip4/127.0.0.1/tcp/0",
        "--no-mdns",
    ]);
    let _bob = bob.up();

    let invite = bob.json(&["invite"]);
    let link = invite["link"].as_str().unwrap();
    assert!(link.starts_with("parlour:"), "{invite}");
    assert_eq!(invite["works"], "this machine");
    let added = alice.json(&["add", link, "--petname", "bob"]);
    assert_eq!(
        (&added["state"], &added["petname"]),
        (&"accepted".into(), &"bob".into()),
        "{added}"
    );
    let contacts = eventually("bob can be reached", || {
        let contacts = alice.json(&["contacts"]);
        if contacts[0]["reachable"] == true {
            Ok(contacts)
        } else {
            Err(contacts.to_string())
        }
    });
    let bob_id = bob.json(&["whoami"])["user_id"].clone();
    assert_eq!(
        (&contacts[0]["petname"], &contacts[0]["name"]),
        (&"bob".into(), &"bob".into())
    );
    assert_eq!(contacts[0]["user_id"], bob_id);

    let sent = alice.json(&[
        "send",
        "bob",
        "the heron waits by the weir",
        "--wait",
        "delivered",
        "--timeout",
        "20s",
    ]);
    assert_eq!(sent["status"], "delivered", "{sent}");
    assert_eq!(sent["devices"][0]["state"], "delivered", "{sent}");
    bob.json(&[
        "send",
        "alice",
        "and the kingfisher?",
        "--wait",
        "delivered",
        "--timeout",
        "20s",
    ]);

    let here = alice.json(&["history", "bob", "--limit", "100"]);
    let there = bob.json(&["history", "alice", "--limit", "100"]);
    assert_eq!(texts(&here), ["the heron waits by the weir", "and the kingfisher?"]);
    assert_eq!(texts(&here), texts(&there));
    assert_eq!(here[0]["id"], sent["id"]);
    assert_eq!(there[0]["status"], "received");
    for field in ["id", "author", "text", "created_at", "status", "seq"] {
        assert!(!here[1][field].is_null(), "{field} is missing in {here}");
    }
    assert!(here[0]["created_at"].as_str() < here[1]["created_at"].as_str());
    assert_eq!(here[1]["author"], bob_id);

    let found = bob.json(&["search", "heron", "weir"]);
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    for field in ["id", "conversation", "author", "text", "snippet", "created_at"] {
        assert!(!found[0][field].is_null(), "{field} is missing in {found}");
    }
    assert_eq!(found[0]["id"], sent["id"]);
    assert_eq!(
        bob.json(&[
            "search", "heron", "--with", "alice", "--order", "ranked", "--limit", "5"
        ])[0]["id"],
        sent["id"]
    );
    assert_eq!(bob.json(&["search", "pelican"]).as_array().unwrap().len(), 0);

    let status = alice.json(&["status"]);
    assert_eq!(status["api"], format!("http://{port}"));
    assert_eq!(status["conversations"], 1);
    assert_eq!(status["peers"].as_array().unwrap().len(), 1, "{status}");
    for field in ["user_id", "peer_id", "version"] {
        assert!(status[field].is_string(), "{field} is missing in {status}");
    }
    assert!(status["listen"].as_array().unwrap().len() >= 3, "{status}");
    assert!(status["outbox"].is_u64(), "{status}");
}

#[test]
fn text_output_has_names_and_local_times_and_no_escape_sequences() {
    let pair = Pair::new();
    let nasty = "\u{1b}]0;owned\u{7}red\u{9b}31m \u{202e}txt.exe\nsecond line";
    pair.alice
        .run_with(
            &["send", "bob", "--wait", "delivered", "-"],
            format!("{nasty}\n").as_bytes(),
        )
        .done();
    let history = pair.bob.run(&["history", "al"]);
    assert_eq!(history.code, Some(0), "{history:?}");
    assert!(
        history
            .stdout
            .contains("al: ␛]0;owned␇red\\u{9b}31m \\u{202e}txt.exe\n"),
        "{history:?}"
    );
    assert!(!history.stdout.contains("msg_"), "{history:?}");
    let json = pair.bob.run(&["history", "al", "--json"]);
    assert!(
        !json
            .stdout
            .chars()
            .any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')),
        "{json:?}"
    );
    assert_eq!(json.json()[0]["text"], nasty);
}

/// The only device of a message's details.
fn device(home: &Home, id: &Value) -> Value {
    let details = home.json(&["message", "info", id.as_str().unwrap()]);
    let devices = details["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 1, "{details}");
    devices[0].clone()
}

#[cfg(unix)]
#[test]
fn the_reason_of_a_message_that_is_not_there_is_what_the_user_has_decided_or_what_the_other_node_does_not_say() {
    let Pair {
        alice,
        bob_up,
        alice_up: _alice_up,
        ..
    } = Pair::new();
    bob_up.hang();
    let sent = alice.json(&["send", "bob", "hello?"]);
    let found = eventually("it is sent", || {
        let found = device(&alice, &sent["id"]);
        if found["state"] == "sent" {
            Ok(found)
        } else {
            Err(found.to_string())
        }
    });
    assert!(
        found["reason"].as_str().unwrap().contains("has not said yet"),
        "{found}"
    );
    assert!(
        found["since"].as_str().unwrap() >= sent["created_at"].as_str().unwrap(),
        "{found}"
    );

    alice.run(&["contacts", "block", "bob"]).done();
    let found = device(&alice, &sent["id"]);
    assert!(
        found["reason"].as_str().unwrap().starts_with("you have blocked them"),
        "{found}"
    );
    assert!(found["since"].is_string(), "{found}");
    alice.run(&["contacts", "unblock", "bob"]).done();

    alice.run(&["contacts", "remove", "bob"]).done();
    let found = device(&alice, &sent["id"]);
    assert_eq!(found["state"], "failed", "{found}");
    let shown = alice.run(&["message", "info", sent["id"].as_str().unwrap()]);
    assert_eq!(
        shown.done().stdout.matches("no contact any more").count(),
        1,
        "{shown:?}"
    );
    assert!(
        found["reason"].as_str().unwrap().contains("no contact any more"),
        "{found}"
    );
    assert!(found["since"].is_string(), "{found}");
    bob_up.go_on();
}

#[test]
fn what_cannot_be_delivered_is_queued_says_why_and_arrives_later() {
    let pair = Pair::new();
    assert!(pair.bob_up.stop("-TERM").success());

    let late = pair.alice.run(&[
        "send",
        "bob",
        "for later",
        "--wait",
        "delivered",
        "--timeout",
        "300ms",
        "--json",
    ]);
    assert_eq!(late.code, Some(1), "{late:?}");
    let message = late.parsed();
    assert!(
        ["sending", "sent"].contains(&message["status"].as_str().unwrap()),
        "{message}"
    );
    let device = &message["devices"][0];
    assert_ne!(device["state"], "delivered");
    assert!(
        device["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
        "{message}"
    );

    let _bob = pair.bob.up();
    let id = message["id"].as_str().unwrap();
    eventually("the message is delivered", || {
        let message = pair.alice.json(&["message", "info", id]);
        if message["status"] == "delivered" {
            Ok(())
        } else {
            Err(message.to_string())
        }
    });
    assert_eq!(texts(&pair.bob.json(&["history", "al"])), ["for later"]);
}

#[test]
fn the_same_client_id_twice_is_one_message() {
    let pair = Pair::new();
    let first = pair.alice.json(&["send", "bob", "once", "--client-id", "job-7"]);
    let again = pair.alice.json(&["send", "bob", "once", "--client-id", "job-7"]);
    assert_eq!(first["id"], again["id"]);
    pair.alice.json(&["send", "bob", "once"]);
    pair.alice.json(&["send", "bob", "once"]);
    assert_eq!(texts(&pair.alice.json(&["history", "bob"])).len(), 3);
}

#[test]
fn text_comes_from_stdin_too() {
    let pair = Pair::new();
    let sent = pair
        .alice
        .run_with(&["send", "bob", "--json"], "from a pipe\nof two lines\n".as_bytes())
        .json();
    assert_eq!(sent["text"], "from a pipe\nof two lines");
    let sent = pair
        .alice
        .run_with(&["send", "bob", "-", "--json"], b"no end of line")
        .json();
    assert_eq!(sent["text"], "no end of line");
}

#[test]
fn tail_follows_what_is_said_one_json_object_a_line() {
    let pair = Pair::new();
    pair.bob.json(&["send", "al", "before"]);
    eventually("the first message is there", || {
        let history = pair.alice.json(&["history", "bob"]);
        if texts(&history).len() == 1 {
            Ok(())
        } else {
            Err(history.to_string())
        }
    });
    let mut tail = Running::start(&mut pair.alice.command(&["tail", "-f", "--json"]));
    let mut one = Running::start(&mut pair.alice.command(&["tail", "-f", "bob"]));
    let next = |tail: &mut Running| serde_json::from_str::<Value>(&tail.line()).unwrap();
    assert_eq!(next(&mut tail)["text"], "before");
    assert!(one.line().ends_with("bob: before"));
    for n in 0..3 {
        let text = format!("after {n}");
        pair.bob.json(&["send", "al", &text]);
        assert_eq!(next(&mut tail)["text"], text.as_str());
        assert!(one.line().ends_with(&format!("bob: {text}")));
    }
    assert!(tail.stop("-INT").success());
    let last = pair.alice.run(&["tail", "-n", "2"]);
    assert_eq!(last.stdout.lines().count(), 2, "{last:?}");
    assert!(last.stdout.contains("[bob] bob: after 1"), "{last:?}");
}

#[test]
fn long_histories_come_in_pages() {
    let pair = Pair::new();
    for n in 0..7 {
        pair.alice.json(&["send", "bob", &n.to_string()]);
    }
    let newest = pair.alice.run(&["history", "bob", "--limit", "3", "--json"]);
    assert_eq!(texts(&newest.json()), ["4", "5", "6"]);
    let cursor = newest.stderr.trim().strip_prefix("older: --before ").unwrap();
    let older = pair
        .alice
        .run(&["history", "bob", "--limit", "10", "--before", cursor, "--json"]);
    assert_eq!(texts(&older.json()), ["0", "1", "2", "3"]);
    assert_eq!(older.stderr, "");
}

#[test]
fn invites_are_listed_taken_back_and_used_once() {
    let pair = Pair::new();
    let cy = Home::of("cy");
    let _cy = cy.up();
    let revoked = pair.alice.json(&["invite", "new", "--expires", "1h", "--uses", "3"]);
    pair.alice
        .json(&["invite", "revoke", revoked["token"].as_str().unwrap()]);
    let refused = cy.run(&["add", revoked["link"].as_str().unwrap(), "--json"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.parsed()["state"], "refused");
    assert!(
        refused.parsed()["reason"].as_str().unwrap().contains("taken back"),
        "{refused:?}"
    );

    let states: Vec<Value> = pair
        .alice
        .json(&["invite", "list"])
        .as_array()
        .unwrap()
        .iter()
        .map(|invite| invite["state"].clone())
        .collect();
    assert_eq!(states, ["revoked", "used"]);

    let once = pair.alice.json(&["invite"])["link"].as_str().unwrap().to_owned();
    assert_eq!(cy.json(&["add", &once, "--timeout", "30s"])["state"], "accepted");
    let dan = Home::of("dan");
    let _dan = dan.up();
    let refused = dan.run(&["add", &once]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stdout.contains("used up"), "{refused:?}");
    assert_eq!(cy.json(&["add", &once])["already"], true);
}

#[test]
fn two_contacts_of_one_name_are_told_apart() {
    let pair = Pair::new();
    let other = Home::of("bob");
    let _other = other.up();
    let link = other.json(&["invite"])["link"].as_str().unwrap().to_owned();
    pair.alice.json(&["add", &link, "--timeout", "30s"]);
    let ambiguous = pair.alice.run(&["send", "bob", "which?"]);
    ambiguous.failed(1, "user_");
    let listed = pair.alice.run(&["send", "bob", "which?", "--json"]);
    let error: Value = serde_json::from_str(listed.stderr.trim()).unwrap();
    assert_eq!(error["error"]["code"], "ambiguous", "{error}");
    assert_eq!(error["error"]["candidates"].as_array().unwrap().len(), 2, "{error}");
    let id = other.json(&["whoami"])["user_id"].as_str().unwrap().to_owned();
    let sent = pair.alice.json(&["send", &id[..14], "you", "--wait", "delivered"]);
    assert_eq!(sent["status"], "delivered");
}

#[test]
fn nothing_accepted_is_lost_when_the_node_is_killed() {
    let pair = Pair::new();
    let sent = pair.alice.json(&["send", "bob", "before the cut"]);
    pair.alice_up.kill();
    let _alice = pair.alice.up();
    let id = sent["id"].as_str().unwrap();
    eventually("the message is delivered", || {
        let message = pair.alice.json(&["message", "info", id]);
        if message["status"] == "delivered" {
            Ok(())
        } else {
            Err(message.to_string())
        }
    });
    assert_eq!(texts(&pair.bob.json(&["history", "al"])), ["before the cut"]);
}

#[test]
fn what_is_done_with_a_message_is_seen_on_the_other_side() {
    let Pair { alice, bob, .. } = &Pair::new();
    let delivered = ["--wait", "delivered", "--timeout", "30s"];
    let send = |from: &Home, args: &[&str]| {
        let line: Vec<&str> = ["send"].iter().chain(args).chain(&delivered).copied().collect();
        from.json(&line)["id"].as_str().unwrap().to_owned()
    };
    let at_bob = |what: &str, id: &str, wanted: &dyn Fn(&Value) -> bool| {
        eventually(what, || {
            let message = bob.json(&["message", "info", id]);
            if wanted(&message) {
                Ok(message)
            } else {
                Err(message.to_string())
            }
        })
    };
    let id = send(alice, &["bob", "see you at eight"]);
    let short = &id[..12];
    alice.json(&["message", "edit", short, "see you at nine"]);
    at_bob("the edit", &id, &|m| {
        m["text"] == "see you at nine" && m["edited_at"].is_string()
    });
    let versions = bob.json(&["message", "versions", &id]);
    assert_eq!(versions[0]["text"], "see you at eight", "{versions}");
    bob.json(&["message", "react", &id, "👍"]);
    bob.json(&["message", "pin", &id]);
    let answer = send(bob, &["al", "fine", "--reply-to", short, "--mention", "al"]);
    eventually("reaction and pin", || {
        let message = alice.json(&["message", "info", &id]);
        let done = message["reactions"][0]["count"] == 1 && message["pinned"] == true;
        if done { Ok(()) } else { Err(message.to_string()) }
    });
    assert_eq!(alice.json(&["pins", "bob"])[0]["id"], id.as_str());
    let shown = alice.run(&["history", "bob", "--ids"]);
    assert!(
        shown.done().stdout.contains("see you at nine  (edited)  [pinned]"),
        "{shown:?}"
    );
    assert!(
        shown.stdout.contains("👍 1") && shown.stdout.contains("> alice: see you at nine"),
        "{shown:?}"
    );
    assert!(shown.stdout.contains(&format!("[{short}]")), "{shown:?}");
    bob.run(&["message", "edit", &id, "never"]).failed(1, "only the author");
    bob.run(&["message", "delete", &id]).failed(1, "only the author");
    bob.run(&["message", "react", &id, "ok"]).failed(2, "exactly one emoji");
    bob.run(&["send", "al", "x", "--reply", "msg_aaaaaaaa"])
        .failed(1, "there is no message");
    alice.json(&["message", "delete", &id]);
    at_bob("the deletion", &id, &|m| m["deleted"] == true && m["text"].is_null());
    let quote = bob.json(&["message", "info", &answer]);
    assert_eq!(
        (&quote["reply"]["reason"], &quote["reply"]["snippet"]),
        (&"deleted".into(), &Value::Null)
    );
    bob.run(&["message", "edit", &answer, "fine\u{1b}[2J\u{202e}"]).done();
    let safe = bob.run(&["history", "al"]);
    assert!(safe.done().stdout.contains("fine␛[2J\\u{202e}"), "{safe:?}");

    let once = send(alice, &["bob", "only once", "--view-once"]);
    let listed = bob.run(&["history", "al"]);
    assert!(!listed.done().stdout.contains("only once"), "{listed:?}");
    let viewed = bob.run(&["message", "view", &once]);
    assert_eq!(viewed.done().stdout, "only once\n");
    bob.run(&["message", "view", &once]).failed(1, "viewed already");
    alice.run(&["message", "view", &once]).failed(1, "by others only");

    alice.run(&["timer", "bob", "1s"]).failed(1, "5 seconds at least");
    alice.json(&["conversation", "timer", "bob", "5s"]);
    let goes = send(alice, &["bob", "goes soon"]);
    assert_eq!(alice.json(&["timer", "bob"])["expires_after_ms"], 5_000);
    at_bob("its time", &goes, &|m| m["gone"] == "expired");
    assert_eq!(alice.json(&["timer", "bob", "off"])["expires_after_ms"], Value::Null);
    let system = alice.run(&["history", "bob"]);
    assert!(
        system
            .done()
            .stdout
            .contains("* you set messages to disappear after 5 s\n"),
        "{system:?}"
    );

    bob.run(&["message", "delete", &answer, "--for-me"]).done();
    bob.run(&["message", "info", &answer])
        .failed(1, "there is no such message");
    assert_eq!(alice.json(&["message", "info", &answer])["own"], false);
}
