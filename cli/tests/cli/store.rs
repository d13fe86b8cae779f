//! `parlour store`: what is on disk is checked, compacted and indexed anew.

use std::fs;

use crate::harness::{Home, Pair, run};

/// Two accounts that talked and stopped; returns Bob's.
fn talked() -> Home {
    let pair = Pair::new();
    for n in 0..5 {
        let text = format!("a heron in ditch {n}");
        pair.bob.json(&["send", "al", &text, "--wait", "delivered"]);
    }
    let Pair {
        alice,
        bob,
        alice_up,
        bob_up,
    } = pair;
    assert!(bob_up.stop("-TERM").success());
    assert!(alice_up.stop("-TERM").success());
    drop(alice);
    bob
}

#[test]
fn a_sound_store_is_checked_compacted_and_indexed_anew() {
    let bob = talked();
    let report = bob.json(&["store", "check"]);
    assert_eq!(
        (&report["ok"], &report["problem_count"]),
        (&true.into(), &0.into()),
        "{report}"
    );
    assert_eq!(report["messages_shown"], 5);
    assert_eq!(report["messages_indexed"], 5);
    assert!(
        bob.run(&["store", "check"])
            .done()
            .stdout
            .trim_end()
            .ends_with("all is well")
    );

    let sizes = bob.json(&["store", "compact"]);
    assert!(sizes["rows"].as_u64().unwrap() > 20, "{sizes}");
    assert!(sizes["bytes_after"].as_u64().unwrap() > 0, "{sizes}");
    assert_eq!(bob.json(&["store", "reindex"])["messages_indexed"], 5);
    assert_eq!(bob.json(&["search", "heron"]).as_array().unwrap().len(), 5);
    assert_eq!(bob.json(&["store", "check"])["ok"], true);
}

#[test]
fn a_damaged_store_is_named_and_the_check_fails() {
    let bob = talked();
    let accounts = bob.data().join("accounts");
    let account = fs::read_dir(accounts).unwrap().next().unwrap().unwrap().path();
    fs::remove_dir_all(account.join("db/state")).unwrap();
    let ran = bob.run(&["store", "check", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.parsed();
    assert_eq!(report["ok"], false, "{report}");
    let damage = report["damage"].to_string();
    assert!(
        damage.contains("state directory is missing") && damage.contains("damaged-1"),
        "{damage}"
    );
    assert!(damage.contains("of 5 messages are left"), "{damage}");
    // Who gives them back is still known.
    assert_eq!(bob.json(&["contacts"])[0]["petname"], "al");
    let ran = bob.run(&["store", "check"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stdout.contains("help: contacts give missing messages back"),
        "{ran:?}"
    );
}

#[test]
fn a_running_node_is_named() {
    let pair = Pair::new();
    for task in ["check", "compact", "reindex"] {
        let ran = pair.bob.run(&["store", task]);
        ran.failed(
            1,
            &format!(
                "stop the node first: data directory is in use by pid {}",
                pair.bob_up.pid()
            ),
        );
    }
}

#[test]
fn no_account_is_said() {
    let home = Home::empty();
    let ran = run(&mut home.command(&["store", "check"]), None);
    ran.failed(1, "no account");
}
