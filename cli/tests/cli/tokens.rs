//! Tokens and logins, with and without a running node.

use serde_json::{Value, json};

use crate::harness::Home;

#[test]
fn tokens_are_made_listed_and_revoked_also_without_a_node() {
    let home = Home::of("ada");
    home.json(&["notes"]);
    assert!(home.run(&["token", "list"]).done().stderr.contains("token new`"));
    let made = home.json(&["token", "new", "--scope", "read", "--label", "dash", "--expires", "30d"]);
    assert_eq!(
        (&made["scope"], made["token"].as_str().unwrap().len()),
        (&json!("read"), 64)
    );
    let node = home.up();
    let bare = home.run(&["token", "new", "--scope", "send", "--conversation", "notes"]);
    assert_eq!(
        bare.done().stdout.trim().len(),
        64,
        "a script gets the token and nothing else"
    );
    assert!(bare.stderr.contains("conv_"), "{}", bare.stderr);
    let listed = home.json(&["token", "list"]);
    let labels: Vec<&Value> = listed.as_array().unwrap().iter().map(|token| &token["label"]).collect();
    assert_eq!(labels, [&json!(""), &json!("dash")]);
    assert!(listed[1].get("token").is_none(), "{listed}");
    let id = made["id"].as_str().unwrap();
    home.json(&["token", "revoke", id]);
    home.run(&["token", "revoke", id]).failed(1, "there is no token");
    assert_eq!(home.json(&["token", "list"]).as_array().unwrap().len(), 1);
    home.run(&["token", "new", "--scope", "root"])
        .failed(2, "invalid value");
    drop(node);
}

#[test]
fn the_password_for_logins_comes_from_stdin_and_is_not_the_one_of_the_account() {
    let home = Home::of("ada");
    let set = |password: &[u8], email: &str| {
        home.run_with(
            &["account", "set", "--email", email, "--password-stdin", "--json"],
            password,
        )
    };
    let login = set(b"correct horse\n", "ada@example.org").json();
    assert_eq!(
        (&login["name"], &login["email"]),
        (&json!("ada"), &json!("ada@example.org"))
    );
    set(b"short\n", "ada@example.org").failed(1, "a password has 6 to 1024 bytes");
    set(b"correct horse\n", "nobody").failed(1, "e-mail");
    let unsaid = home.run(&["account", "set"]);
    unsaid.failed(1, "--password-stdin");
    assert!(!unsaid.stderr.contains("--no-password"), "{unsaid:?}");
    assert!(!home.run(&["account", "show"]).done().stdout.contains('T'), "{login}");
    assert_eq!(home.json(&["account", "show"])["email"], "ada@example.org");
    assert_eq!(home.json(&["account", "logins"]), json!([]));
    assert!(home.run(&["account", "logins"]).done().stderr.contains("Nobody"));
    home.run(&["account", "logout", "login_00"])
        .failed(1, "there is no login");
    let _node = home.up();
    assert_eq!(home.json(&["account", "show"])["email"], "ada@example.org");
}
