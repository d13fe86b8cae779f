//! Without a running node: what is on disk can be read, and a message is sent by a node that runs for the command alone.

use crate::harness::{Home, Pair, eventually, run};

#[test]
fn history_search_and_lists_work_without_a_running_node() {
    let pair = Pair::new();
    pair.bob
        .json(&["send", "al", "a lapwing over the dyke", "--wait", "delivered"]);
    assert!(pair.bob_up.stop("-TERM").success());
    assert!(!pair.bob.data().join("api/address").exists());

    let bob = &pair.bob;
    assert_eq!(bob.json(&["history", "al"])[0]["text"], "a lapwing over the dyke");
    assert_eq!(bob.json(&["search", "lapwing"])[0]["text"], "a lapwing over the dyke");
    assert_eq!(bob.json(&["contacts"])[0]["petname"], "al");
    assert_eq!(bob.json(&["whoami"])["name"], "bob");
    assert_eq!(bob.json(&["invite", "list"]).as_array().unwrap().len(), 0);
    let status = bob.json(&["status"]);
    assert_eq!(
        (&status["running"], &status["api"]),
        (&false.into(), &serde_json::Value::Null),
        "{status}"
    );
    assert!(bob.run(&["status"]).done().stdout.contains("not running"));
    assert!(
        bob.run(&["tail"])
            .done()
            .stdout
            .contains("[al] you: a lapwing over the dyke")
    );
}

#[test]
fn a_message_sent_without_a_running_node_is_delivered_if_the_other_side_runs() {
    let pair = Pair::new();
    assert!(pair.alice_up.stop("-INT").success());
    let sent = pair
        .alice
        .json(&["send", "bob", "in passing", "--wait", "delivered", "--timeout", "30s"]);
    assert_eq!(sent["status"], "delivered");
    assert_eq!(pair.bob.json(&["history", "al"])[0]["text"], "in passing");
}

#[test]
fn a_message_sent_while_nobody_runs_waits_for_a_running_node() {
    let pair = Pair::new();
    // Where bob will be again: alice knows these addresses.
    let status = pair.bob.json(&["status"]);
    let addresses: Vec<&str> = status["listen"]
        .as_array()
        .unwrap()
        .iter()
        .map(|address| address.as_str().unwrap())
        .collect();
    assert!(pair.alice_up.stop("-TERM").success());
    assert!(pair.bob_up.stop("-TERM").success());
    let queued = pair
        .alice
        .run(&["send", "bob", "patience", "--timeout", "200ms", "--json"]);
    assert_ne!(queued.json()["status"], "delivered");
    assert!(
        queued.stderr.contains("queued; will be delivered when a node runs"),
        "{queued:?}"
    );
    let waited = pair
        .alice
        .run(&["send", "bob", "more patience", "--wait", "sent", "--timeout", "200ms"]);
    assert_eq!(waited.code, Some(1), "{waited:?}");

    let mut args = vec!["--api", "127.0.0.1:0", "--no-mdns"];
    args.extend(addresses.iter().flat_map(|address| ["--listen", address]));
    let (_bob, _alice) = (pair.bob.up_with(&args), pair.alice.up());
    eventually("both messages arrive", || {
        let history = pair.bob.json(&["history", "al"]);
        if history.as_array().unwrap().len() == 2 {
            Ok(())
        } else {
            Err(history.to_string())
        }
    });
}

#[test]
fn an_invite_can_be_made_without_a_running_node_and_used_once_it_runs() {
    let (alice, bob) = (Home::of("alice"), Home::of("bob"));
    let invite = alice.run(&["invite", "--json"]);
    assert!(invite.stderr.contains(" up`"), "{invite:?}");
    let link = invite.json()["link"].as_str().unwrap().to_owned();
    let waiting = bob.run(&["add", &link, "--petname", "al", "--timeout", "200ms", "--json"]);
    assert_eq!(waiting.json()["state"], "waiting");
    assert!(waiting.stderr.contains(" up`"), "{waiting:?}");
}

#[test]
fn no_words_say_what_to_do_next() {
    let home = Home::empty();
    // Commands it names are for the same data.
    let of_here = |command: &str| format!("parlour --data {} {command}", home.data().display());
    assert!(home.run(&[]).done().stdout.contains(&of_here("init --name NAME")));
    home.run(&["init", "--name", "ada", "--no-password"]).done();
    assert!(home.run(&[]).done().stdout.contains(&of_here("up")));
    let up = home.up();
    assert!(home.run(&[]).done().stdout.contains(&of_here("invite")));
    let next = home.json(&[]);
    assert_eq!(next["next"][0]["command"], of_here("invite"), "{next}");
    assert!(up.stop("-TERM").success());
}

#[test]
fn a_node_that_was_killed_leaves_nothing_that_confuses() {
    let home = Home::of("ada");
    home.up().kill();
    assert!(home.data().join("api/address").exists());
    assert_eq!(home.json(&["status"])["running"], false);
    assert_eq!(home.json(&["whoami"])["name"], "ada");
    assert!(home.up().stop("-TERM").success());
}

#[test]
fn many_commands_at_once_without_a_running_node_all_work() {
    let home = Home::of("ada");
    for _ in 0..3 {
        let commands: Vec<_> = (0..8)
            .map(|n| {
                let line = if n % 4 == 0 { "invite" } else { "whoami" };
                let mut command = home.command(&[line, "--json"]);
                std::thread::spawn(move || run(&mut command, None))
            })
            .collect();
        for command in commands {
            command.join().unwrap().done();
        }
    }
    let made = home.json(&["invite", "list"]);
    assert!(made.as_array().unwrap().len() >= 6, "{made}");
}
