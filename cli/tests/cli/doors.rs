//! Coming to rooms that one was not invited to: knocking, and public ones.

use serde_json::{Value, json};

use crate::harness::{Home, eventually};

/// Who waits at the garden, as a member is shown it, once somebody does.
fn knocks(home: &Home) -> Value {
    eventually("somebody knocks", || {
        let asking = home.json(&["room", "requests", "garden"]);
        asking
            .as_array()
            .unwrap()
            .first()
            .cloned()
            .ok_or_else(|| home.run(&["room", "info", "garden"]).stdout)
    })
}

fn nobody_knocks(home: &Home) {
    eventually("nobody knocks", || match home.json(&["room", "requests", "garden"]) {
        none if none == json!([]) => Ok(()),
        some => Err(some.to_string()),
    });
}

fn standing(home: &Home, room: &str, wanted: &str) {
    eventually("one knows where one stands", || {
        let room = home.json(&["room", "info", room]);
        match room["standing"] == wanted {
            true => Ok(()),
            false => Err(room.to_string()),
        }
    });
}

#[test]
fn whoever_knocks_is_seen_by_all_who_may_let_them_in_and_one_answer_is_enough() {
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(Home::of);
    let (_alice, _bob, _carol) = (alice.up(), bob.up(), carol.up());
    alice.json(&["room", "new", "garden"]);
    let link = alice.json(&["room", "link", "garden"]);
    bob.json(&["room", "join", link["link"].as_str().unwrap()]);
    standing(&bob, "garden", "member");
    alice.json(&["room", "policy", "garden", "--join", "knock"]);
    let door = alice.json(&["room", "link", "garden", "--knock"]);
    let door = door["link"].as_str().unwrap();
    carol.run(&["room", "join", door, "--timeout", "1s"]);

    let asking = knocks(&bob);
    assert_eq!(
        (&asking["name"], &asking["told_by_name"]),
        (&json!("carol"), &json!("alice"))
    );
    let shown = bob.run(&["room", "requests", "garden"]).stdout;
    assert!(
        shown.contains("carol") && shown.contains("with a link of alice"),
        "{shown}"
    );
    assert_eq!(knocks(&alice)["told_by"], Value::Null);
    bob.json(&["room", "decline", "garden", "carol"]);
    nobody_knocks(&bob);
    nobody_knocks(&alice);
    standing(&carol, "garden", "refused");
    bob.run(&["room", "accept", "garden", "carol"]).failed(1, "");

    let dave = Home::of("dave");
    let _dave = dave.up();
    dave.run(&["room", "join", door, "--timeout", "1s"]);
    assert_eq!(knocks(&bob)["name"], "dave");
    bob.json(&["room", "accept", "garden", "dave"]);
    standing(&dave, "garden", "member");
    nobody_knocks(&alice);
    nobody_knocks(&bob);
}
