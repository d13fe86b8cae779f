//! Rooms, as people and scripts use them, with real nodes.

use serde_json::{Value, json};

use crate::harness::{Home, Running, eventually, free_port};

fn texts(home: &Home, room: &str) -> Vec<String> {
    let history = home.json(&["history", room, "--limit", "100"]);
    let said = history.as_array().unwrap().iter();
    said.filter_map(|message| message["text"].as_str().map(str::to_owned))
        .collect()
}

/// What happened, as sentences.
fn happened(home: &Home, room: &str) -> Vec<String> {
    let history = home.json(&["history", room, "--limit", "100"]);
    let happened = history.as_array().unwrap().iter();
    happened
        .filter_map(|message| message["system"]["text"].as_str().map(str::to_owned))
        .collect()
}

fn wait_for_texts(home: &Home, room: &str, wanted: &[&str]) {
    eventually("the room's messages are there", || {
        let texts = texts(home, room);
        if texts == wanted {
            Ok(())
        } else {
            Err(format!("{texts:?}"))
        }
    });
}

fn members(home: &Home, room: &str) -> Vec<Value> {
    home.json(&["room", "members", room]).as_array().unwrap().clone()
}

#[test]
fn strangers_meet_in_a_room_by_its_link_and_who_is_removed_hears_no_more() {
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(Home::of);
    let (_alice, _bob, _carol) = (alice.up(), bob.up(), carol.up());
    let room = alice.json(&["room", "new", "garden", "--topic", "what grows"]);
    assert!(room["id"].as_str().unwrap().starts_with("conv_"), "{room}");
    assert_eq!(room["role"], "owner");
    alice.json(&["send", "garden", "first words"]);
    let link = alice.json(&["room", "link", "garden"])["link"]
        .as_str()
        .unwrap()
        .to_owned();

    for home in [&bob, &carol] {
        let joined = home.json(&["room", "join", &link]);
        assert_eq!((&joined["standing"], &joined["id"]), (&json!("member"), &room["id"]));
        assert_eq!(home.json(&["contacts"]), json!([]), "a room makes no contacts");
    }
    bob.json(&["send", "garden", "hello", "--wait", "delivered", "--timeout", "20s"]);
    carol.json(&["send", "garden", "hi", "--wait", "delivered", "--timeout", "20s"]);
    for home in [&alice, &bob, &carol] {
        wait_for_texts(home, "garden", &["first words", "hello", "hi"]);
        assert_eq!(members(home, "garden").len(), 3);
    }
    let history = carol.json(&["history", "garden"]);
    let hello = history
        .as_array()
        .unwrap()
        .iter()
        .find(|message| message["text"] == "hello");
    assert_eq!(hello.unwrap()["author_name"], "bob", "members are known by their names");
    assert!(
        bob.json(&["search", "hi"])[0]["text"] == "hi",
        "rooms are searched, too"
    );

    alice.json(&["room", "remove", "garden", "carol", "--reason", "spam"]);
    eventually("carol is told", || {
        let standing = carol.json(&["room", "info", "garden"])["standing"].clone();
        if standing == "gone" {
            Ok(())
        } else {
            Err(standing.to_string())
        }
    });
    alice.json(&[
        "send",
        "garden",
        "without carol",
        "--wait",
        "delivered",
        "--timeout",
        "20s",
    ]);
    assert_eq!(texts(&carol, "garden").len(), 3);
    assert_eq!(
        happened(&alice, "garden"),
        [
            "you made the room garden",
            "bob joined, let in by you",
            "carol joined, let in by you",
            "you removed carol: spam"
        ]
    );
    assert_eq!(happened(&carol, "garden").last().unwrap(), "alice removed you: spam");
    let shown = carol.run(&["history", "garden"]).stdout;
    assert!(shown.contains("* alice removed you: spam\n"), "{shown}");
    assert!(!shown.contains("alice: alice removed"), "nobody says it: {shown}");
    assert_eq!(carol.json(&["search", "removed"]), json!([]), "nobody has said it");
    let refused = carol.run(&["send", "garden", "am I here?"]);
    refused.failed(1, "not a member");
}

#[test]
fn contacts_are_invited_and_rules_are_kept() {
    let (alice, bob) = (Home::of("alice"), Home::of("bob"));
    let (_alice, _bob) = (alice.up(), bob.up());
    let invite = alice.json(&["invite"])["link"].as_str().unwrap().to_owned();
    bob.json(&["add", &invite]);
    eventually("both are contacts", || {
        let contacts = alice.json(&["contacts"]);
        if contacts[0]["state"] == "accepted" {
            Ok(())
        } else {
            Err(contacts.to_string())
        }
    });
    let made = alice.json(&[
        "room",
        "new",
        "Reading Circle",
        "--history",
        "none",
        "--post",
        "moderator",
    ]);
    assert_eq!(made["slug"], "reading-circle");
    assert_eq!(
        (&made["policy"]["post"], &made["policy"]["history"]),
        (&json!("moderator"), &json!("none"))
    );
    let again = alice.json(&["room", "new", "Reading Circle"]);
    assert_eq!(
        again["slug"], "reading-circle-2",
        "a name can be there twice, and what it is called here cannot"
    );
    alice
        .run(&["room", "info", "Reading Circle"])
        .failed(1, "more than one");
    alice.json(&["send", "reading-circle", "before bob"]);

    alice
        .run(&["room", "invite", "reading-circle", "zoe"])
        .failed(1, "no contact");
    alice.json(&["room", "invite", "reading-circle", "bob"]);
    eventually("bob is invited", || {
        let rooms = bob.json(&["room", "list"]);
        if rooms[0]["standing"] == "invited" {
            Ok(())
        } else {
            Err(rooms.to_string())
        }
    });
    assert_eq!(bob.json(&["room", "list"])[0]["invited_by_name"], "alice");
    bob.run(&["send", "reading-circle", "early"]).failed(1, "not a member");
    bob.json(&["room", "join", "reading-circle"]);
    bob.run(&["send", "reading-circle", "may I?"]).failed(1, "rank");
    eventually("alice knows that bob is in", || {
        match members(&alice, "reading-circle").len() {
            2 => Ok(()),
            count => Err(format!("{count} members")),
        }
    });
    alice.json(&["room", "role", "reading-circle", "bob", "moderator"]);
    eventually("bob may write", || {
        let role = bob.json(&["room", "info", "reading-circle"])["role"].clone();
        if role == "moderator" {
            Ok(())
        } else {
            Err(role.to_string())
        }
    });
    bob.json(&[
        "send",
        "reading-circle",
        "thank you",
        "--wait",
        "delivered",
        "--timeout",
        "20s",
    ]);
    assert_eq!(
        texts(&bob, "reading-circle"),
        ["thank you"],
        "nothing of what was said before"
    );
    wait_for_texts(&alice, "reading-circle", &["before bob", "thank you"]);

    alice.json(&["room", "rename", "reading-circle", "Book Club"]);
    alice.json(&["room", "topic", "reading-circle", "chapter two"]);
    eventually("bob sees its new name", || {
        let room = bob.json(&["room", "info", "reading-circle"]);
        match (room["name"].as_str(), room["topic"].as_str()) {
            (Some("Book Club"), Some("chapter two")) => Ok(()),
            _ => Err(room.to_string()),
        }
    });
    let in_room = alice.json(&["send", "reading-circle", "rules"])["id"].clone();
    let pinned = alice.json(&["room", "pin", "reading-circle", in_room.as_str().unwrap()]);
    assert_eq!(pinned["pinned"], true, "{pinned}");
    let elsewhere = alice.json(&["send", "reading-circle-2", "rules"])["id"].clone();
    alice
        .run(&["room", "pin", "reading-circle", elsewhere.as_str().unwrap()])
        .failed(1, "not in reading-circle");
    alice
        .run(&["room", "remove", "reading-circle", "alice"])
        .failed(1, "yourself");
    alice
        .run(&["room", "rename", "reading-circle", "a\u{1b}[2J"])
        .failed(1, "control");
    let named_bob = alice.json(&["room", "new", "bob"]);
    assert_eq!(alice.json(&["room", "info", "bob"])["id"], named_bob["id"]);
    bob.run(&["room", "remove", "reading-circle", "alice"])
        .failed(1, "the owner");
    bob.run(&["room", "policy", "reading-circle", "--post", "member"])
        .failed(1, "only admins");
    bob.run(&["room", "rename", "reading-circle", &"x".repeat(10_000)])
        .failed(1, "may have 128");
    alice.json(&["room", "policy", "reading-circle", "--slow", "30s"]);
    let info = alice.run(&["room", "info", "reading-circle"]);
    assert!(info.done().stdout.contains("  slow     30 s\n"), "{info:?}");
    alice.run(&["room", "leave", "reading-circle"]).failed(1, "owner");
    bob.json(&["room", "leave", "reading-circle"]);
    eventually("bob has left", || match members(&alice, "reading-circle").len() {
        1 => Ok(()),
        count => Err(format!("{count} members")),
    });
    bob.run(&["room", "join", "parlour:AQABAQ"]).failed(1, "");
}

#[test]
fn members_are_reported_blocked_and_banned() {
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(Home::of);
    let (_alice, _bob, _carol) = (alice.up(), bob.up(), carol.up());
    alice.json(&["room", "new", "garden"]);
    let link = alice.json(&["room", "link", "garden"])["link"]
        .as_str()
        .unwrap()
        .to_owned();
    for home in [&bob, &carol] {
        home.json(&["room", "join", &link]);
    }
    let offer = bob.json(&["send", "garden", "buy this", "--wait", "delivered", "--timeout", "20s"]);
    let id = offer["id"].as_str().unwrap().to_owned();
    wait_for_texts(&carol, "garden", &["buy this"]);

    carol.json(&["message", "report", &id, "--reason", "spam"]);
    let report = eventually("alice is told", || {
        let reports = alice.json(&["room", "reports", "garden"]);
        reports
            .as_array()
            .unwrap()
            .first()
            .cloned()
            .ok_or_else(|| reports.to_string())
    });
    assert_eq!((&report["name"], &report["reason"]), (&json!("carol"), &json!("spam")));
    assert_eq!(report["message"]["text"], "buy this");
    let shown = alice.run(&["room", "reports", "garden"]).stdout;
    assert!(
        shown.contains("bob: buy this") && shown.contains("reported by carol: spam"),
        "{shown}"
    );
    assert_eq!(
        bob.json(&["room", "reports", "garden"]),
        json!([]),
        "whom it is about is not told"
    );
    bob.run(&["message", "report", &id]).failed(1, "your own");
    alice.json(&["room", "reports", "garden", "--dismiss", &id]);
    assert_eq!(alice.json(&["room", "reports", "garden"]), json!([]));
    alice
        .run(&["room", "reports", "garden", "--dismiss", &id])
        .failed(1, "no report");

    carol.json(&["room", "block", "garden", "bob"]);
    assert_eq!(carol.json(&["contacts"])[0]["blocked"], true);
    bob.json(&["send", "garden", "and this"]);
    wait_for_texts(&alice, "garden", &["buy this", "and this"]);
    alice.json(&["send", "garden", "quiet, please"]);
    wait_for_texts(&carol, "garden", &["buy this", "quiet, please"]);
    carol.json(&["room", "unblock", "garden", "bob"]);
    wait_for_texts(&carol, "garden", &["buy this", "and this", "quiet, please"]);
    assert_eq!(carol.json(&["contacts"]), json!([]), "a block makes no contact");

    alice.json(&["room", "pin", "garden", &id]);
    alice.json(&["room", "ban", "garden", "bob"]);
    for home in [&alice, &carol] {
        eventually("the ban is known", || {
            let room = home.json(&["room", "info", "garden"]);
            match room["banned"][0]["name"] == "bob" {
                true => Ok(()),
                false => Err(room.to_string()),
            }
        });
    }
    let last_two = happened(&carol, "garden").split_off(3);
    assert_eq!(
        last_two,
        ["alice pinned a message: buy this", "alice removed and banned bob"]
    );
    assert!(alice.run(&["room", "info", "garden"]).stdout.contains("banned   bob"));
}

#[test]
fn public_rooms_are_found_and_joined_by_name_and_never_one_for_the_other() {
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(Home::of);
    let (_alice, _bob, _carol) = (alice.up(), bob.up(), carol.up());
    for home in [&alice, &carol] {
        let invite = home.json(&["invite"])["link"].as_str().unwrap().to_owned();
        bob.json(&["add", &invite]);
    }
    eventually("all are contacts", || {
        let contacts = bob.json(&["contacts"]);
        let accepted = contacts
            .as_array()
            .unwrap()
            .iter()
            .filter(|contact| contact["state"] == "accepted");
        if accepted.count() == 2 {
            Ok(())
        } else {
            Err(contacts.to_string())
        }
    });
    alice.json(&["room", "new", "Garden Club", "--join", "public", "--history", "all"]);
    alice.json(&["send", "garden-club", "the beans are up"]);
    let found = bob.json(&["room", "discover", "--timeout", "2s"]);
    assert_eq!(found[0]["slug"], "garden-club", "{found}");
    assert_eq!(
        (&found[0]["made_by_name"], &found[0]["joined"]),
        (&json!("alice"), &json!(false))
    );

    let other = carol.json(&["room", "new", "garden club", "--join", "public"]);
    let found = bob.json(&["room", "discover", "--timeout", "4s"]);
    assert_eq!(found.as_array().unwrap().len(), 2, "{found}");
    assert!(found.as_array().unwrap().iter().all(|room| room["ambiguous"] == true));
    bob.run(&["room", "join", "garden-club"])
        .failed(1, "several public rooms");
    let joined = bob.json(&["room", "join", other["id"].as_str().unwrap()]);
    assert_eq!((&joined["id"], &joined["standing"]), (&other["id"], &json!("member")));
    let alices = alice.json(&["room", "info", "garden-club"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let joined = bob.json(&["room", "join", &alices[..20]]);
    assert_eq!(
        (&joined["slug"], &joined["standing"]),
        (&json!("garden-club-2"), &json!("member"))
    );
    wait_for_texts(&bob, "garden-club-2", &["the beans are up"]);

    alice.json(&["room", "ban", "garden-club", "bob"]);
    eventually("bob is told", || {
        let standing = bob.json(&["room", "info", &alices])["standing"].clone();
        if standing == "gone" {
            Ok(())
        } else {
            Err(standing.to_string())
        }
    });
    bob.run(&["room", "join", &alices]).failed(1, "banned");
    bob.run(&["room", "join", "no-such-room"]).failed(1, "no room");
}

#[test]
fn members_who_are_no_contacts_see_each_other_write_and_read() {
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(Home::of);
    let (_alice, _bob, _carol) = (alice.up(), bob.up(), carol.up());
    alice.json(&["room", "new", "garden"]);
    let link = alice.json(&["room", "link", "garden"])["link"]
        .as_str()
        .unwrap()
        .to_owned();
    for home in [&bob, &carol] {
        home.json(&["room", "join", &link]);
    }
    let said = bob.json(&["send", "garden", "hello", "--wait", "delivered", "--timeout", "20s"]);
    let mut tail = Running::start(&mut carol.command(&["tail", "-f", "--presence"]));
    let mut line_with = |wanted: &str| loop {
        let line = tail.line();
        if line.contains(wanted) {
            return line;
        }
    };
    line_with("hello");
    bob.json(&["typing", "garden"]);
    assert_eq!(line_with("writing"), "* bob is writing");
    for home in [&alice, &carol] {
        home.json(&["read", "garden"]);
    }
    eventually("bob learns that both have read it", || {
        let message = bob.json(&["message", "info", said["id"].as_str().unwrap()]);
        if message["status"] == "read" {
            Ok(())
        } else {
            Err(message.to_string())
        }
    });
}

#[test]
fn a_link_lets_in_while_its_maker_is_away_and_newcomers_follow_the_timer() {
    let [alice, bob, dan] = ["alice", "bob", "dan"].map(Home::of);
    let (up, _bob, _dan) = (alice.up(), bob.up(), dan.up());
    alice.json(&["room", "new", "garden", "--history", "none"]);
    alice.json(&["conversation", "timer", "garden", "1h"]);
    let link = alice.json(&["room", "link", "garden"])["link"]
        .as_str()
        .unwrap()
        .to_owned();
    bob.json(&["room", "join", &link]);
    let invite = bob.json(&["invite"])["link"].as_str().unwrap().to_owned();
    dan.json(&["add", &invite]);
    assert!(up.stop("-TERM").success());

    let joined = dan.json(&["room", "join", &link, "--timeout", "60s"]);
    assert_eq!(joined["standing"], "member", "{joined}");
    assert_eq!(happened(&dan, "garden").last().unwrap(), "you joined, let in by bob");
    assert_eq!(dan.json(&["timer", "garden"])["expires_after_ms"], 3_600_000);
    let shown = dan.run(&["room", "info", "garden"]);
    assert!(shown.done().stdout.contains("  timer    1 h\n"), "{shown:?}");
    let said = dan.json(&["send", "garden", "gone in an hour"]);
    assert!(said["expires_at"].is_string(), "{said}");
}

#[test]
fn what_is_said_around_a_removal_is_shown_to_all_and_marked() {
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(Home::of);
    // They have to find each other when all of them come back.
    let ports = [(); 3].map(|()| free_port().to_string());
    let up = |home: &Home, port: usize| home.up_with(&["--api", "127.0.0.1:0", "--listen", &ports[port], "--no-mdns"]);
    {
        let (alice_up, _bob, _carol) = (up(&alice, 0), up(&bob, 1), up(&carol, 2));
        alice.json(&["room", "new", "garden"]);
        let link = alice.json(&["room", "link", "garden"])["link"].clone();
        for home in [&bob, &carol] {
            home.json(&["room", "join", link.as_str().unwrap()]);
        }
        carol.json(&["send", "garden", "seen", "--wait", "delivered", "--timeout", "20s"]);
        drop(alice_up);
        carol.json(&["send", "garden", "unseen"]);
        wait_for_texts(&bob, "garden", &["seen", "unseen"]);
    }
    let _alice = up(&alice, 0);
    alice.json(&["room", "remove", "garden", "carol"]);
    assert_eq!(texts(&alice, "garden"), ["seen"]);
    let (_bob, _carol) = (up(&bob, 1), up(&carol, 2));
    let marks = |home: &Home| {
        let history = home.json(&["history", "garden", "--limit", "100"]);
        let said = history
            .as_array()
            .unwrap()
            .iter()
            .filter(|message| !message["text"].is_null());
        said.map(|message| message["around_removal"] == true)
            .collect::<Vec<_>>()
    };
    for home in [&alice, &bob, &carol] {
        wait_for_texts(home, "garden", &["seen", "unseen"]);
        eventually("what alice had not seen is marked", || match marks(home) {
            marks if marks == [false, true] => Ok(()),
            marks => Err(format!("{marks:?}")),
        });
    }
    let shown = bob.run(&["history", "garden"]).stdout;
    assert!(
        shown.contains("carol: unseen  [sent around their removal]\n"),
        "{shown}"
    );
}
