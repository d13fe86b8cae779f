//! Several accounts on one node.

use serde_json::json;

use crate::harness::Home;

#[test]
fn two_accounts_of_one_node_talk_like_any_two_users() {
    let home = Home::of("alice");
    home.run(&["init", "--name", "bob", "--no-password"]).done();
    let running = home.up();
    let accounts = home.json(&["accounts"]);
    assert_eq!(
        accounts
            .as_array()
            .unwrap()
            .iter()
            .map(|account| (&account["account"], &account["running"]))
            .collect::<Vec<_>>(),
        [(&json!("alice"), &json!(true)), (&json!("bob"), &json!(true))]
    );
    home.run(&["contacts"]).failed(1, "--account (alice, bob)");
    home.run(&["--account", "carol", "contacts"]).failed(1, "alice, bob");

    let added = home.json(&["--account", "alice", "add", "--local", "bob", "--petname", "bobby"]);
    assert_eq!(
        (&added["state"], &added["petname"]),
        (&json!("accepted"), &json!("bobby"))
    );
    let sent = home.json(&[
        "--account",
        "alice",
        "send",
        "bobby",
        "hello",
        "--wait",
        "delivered",
        "--timeout",
        "20s",
    ]);
    assert_eq!(sent["status"], "delivered", "{sent}");
    let history = home.json(&["--account", "bob", "history", "alice"]);
    assert_eq!(history[0]["text"], "hello", "{history}");
    assert_eq!(home.json(&["--account", "bob", "contacts"])[0]["name"], "alice");

    home.run(&["init", "--name", "carol", "--no-password"])
        .failed(1, "stop it");
    drop(running);
    // One of them alone.
    let _running = home.up_with(&[
        "--account",
        "bob",
        "--api",
        "127.0.0.1:0",
        "--listen",
        "127.0.0.1:0",
        "--no-mdns",
    ]);
    assert_eq!(home.json(&["--account", "bob", "whoami"])["name"], "bob");
    // Who is meant does not depend on who runs.
    home.run(&["whoami"]).failed(1, "--account (alice, bob)");
    home.run(&["--account", "alice", "whoami"]).failed(1, "these do: bob");
}
