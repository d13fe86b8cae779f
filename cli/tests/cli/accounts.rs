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

#[test]
fn whoever_looks_after_a_node_keeps_others_out_and_lets_them_in_again() {
    let home = Home::of("ada");
    home.run(&["init", "--name", "bo", "--no-password"]).done();
    let node = home.up();
    let account = |args: &[&str]| home.run(&[&["--account", "ada", "account"], args].concat());
    let list = || home.json(&["--account", "ada", "account", "list"]);
    let listed = list();
    assert_eq!(
        (&listed[0]["role"], &listed[1]["role"]),
        (&"owner".into(), &"user".into()),
        "{listed}"
    );
    account(&["suspend", "ada"]).failed(1, "nobody else looks after this node");
    account(&["suspend", "nobody"]).failed(1, "there is no account");
    account(&["set", "bo"]).failed(2, "--role");
    account(&["set", "bo", "--role", "king"]).failed(2, "king");
    account(&["remove", "bo"]).failed(2, "--yes");
    let shown = account(&["suspend", "bo", "--reason", "sent spam"]);
    assert!(shown.done().stdout.contains("sent spam"), "{shown:?}");
    assert_eq!(list()[1]["reason"], "sent spam");
    account(&["suspend", "bo", "--undo"]).done();
    account(&["suspend", "bo", "--undo"]).failed(1, "is not suspended");
    account(&["set", "bo", "--role", "admin"]).done();
    account(&["suspend", "ada"]).done();
    assert_eq!(list()[1]["role"], "admin", "the command line goes on");
    account(&["remove", "bo", "--yes"]).failed(1, "nobody else looks after this node");
    account(&["suspend", "ada", "--undo"]).done();
    account(&["remove", "bo", "--yes"]).done();
    assert_eq!(list()[1]["removed"], true);
    node.stop("-TERM");
    let node = home.up();
    let left = home.json(&["accounts"]);
    assert_eq!(
        (left.as_array().unwrap().len(), &left[0]["account"]),
        (1, &"ada".into()),
        "{left}"
    );
    node.stop("-TERM");
}
