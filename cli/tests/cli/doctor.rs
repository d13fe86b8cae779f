//! What `parlour doctor` finds, on real data directories and nodes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::harness::{Home, Pair, Ran, eventually};

fn doctor(home: &Home) -> (Ran, Value) {
    let ran = home.run(&["doctor", "--json"]);
    let report = ran.parsed();
    assert_eq!(ran.code, Some(if report["ok"] == true { 0 } else { 1 }), "{ran:?}");
    (ran, report)
}

/// The check of a name, which must be there once.
fn check<'a>(report: &'a Value, area: &str, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    let found: Vec<&Value> = checks
        .iter()
        .filter(|check| check["area"] == area && check["name"] == name)
        .collect();
    assert_eq!(found.len(), 1, "{area} {name} in {report:#}");
    found[0]
}

#[test]
fn two_nodes_that_talk_are_well_until_one_is_stopped_and_a_message_waits() {
    let Pair {
        alice,
        bob,
        alice_up: _alice_up,
        bob_up,
    } = Pair::new();
    for (home, contact) in [(&alice, "bob"), (&bob, "al")] {
        let (ran, report) = doctor(home);
        assert_eq!(ran.code, Some(0), "{report:#}");
        for (area, name) in [
            ("contact", contact),
            ("data", "permissions"),
            ("store", "health"),
            ("store", "damage"),
            ("node", "certificate"),
            ("node", "running"),
            ("api", "address"),
            ("network", "peers"),
            ("clock", "skew"),
            ("counters", "forged_events"),
        ] {
            assert_eq!(check(&report, area, name)["level"], "ok", "{area} {name} in {report:#}");
        }
        assert_eq!(
            check(&report, "network", "listening")["level"],
            "warn",
            "on loopback only"
        );
    }
    let shown = alice.run(&["doctor"]);
    assert!(!shown.done().stdout.contains("contact bob"), "{shown:?}");
    assert!(shown.stdout.contains("0 bad"), "{shown:?}");
    let all = alice.run(&["doctor", "-v"]);
    assert!(all.done().stdout.contains("contact bob"), "{all:?}");
    assert_eq!(
        alice.run(&["doctor", "--strict"]).code,
        Some(1),
        "loopback is worth a warning"
    );

    assert!(bob_up.stop("-TERM").success());
    alice.json(&["send", "bob", "one"]);
    alice.json(&["send", "bob", "two"]);
    let report = eventually("the doctor sees that bob is away", || {
        let (_, report) = doctor(&alice);
        let contact = check(&report, "contact", "bob").clone();
        if contact["level"] == "warn" && !contact["detail"].as_str().unwrap().contains("not connected yet") {
            Ok(report)
        } else {
            Err(contact.to_string())
        }
    });
    let contact = check(&report, "contact", "bob");
    assert!(
        contact["detail"].as_str().unwrap().contains("2 messages wait"),
        "{contact}"
    );
    assert!(contact["since"].is_string(), "{contact}");
    assert!(
        contact["help"].as_str().unwrap().contains("start their node"),
        "{contact}"
    );
    assert_eq!(report["ok"], true, "somebody who is away is no fault of this node");
    assert_eq!(check(&report, "network", "peers")["level"], "warn");
    let waited = alice.run(&["send", "bob", "three", "--wait", "delivered", "--timeout", "1s"]);
    assert_eq!(waited.code, Some(1), "{waited:?}");
    assert!(waited.stdout.contains(": queued: not reachable (since "), "{waited:?}");
    let status = alice.run(&["status"]);
    assert!(
        status.done().stdout.contains("cannot reach") && !status.stdout.contains("dial errors"),
        "{status:?}"
    );
}

#[test]
fn wrong_permissions_are_named_and_not_changed() {
    let home = Home::of("ada");
    let _up = home.up();
    let keystore = home.data().join("accounts/ada/keystore");
    fs::set_permissions(&keystore, fs::Permissions::from_mode(0o644)).unwrap();
    let (ran, report) = doctor(&home);
    let found = check(&report, "data", "permissions");
    assert_eq!((ran.code, &found["level"]), (Some(1), &"bad".into()));
    let detail = found["detail"].as_str().unwrap();
    assert!(
        detail.contains("accounts/ada/keystore has mode 0644 instead of 0600"),
        "{detail}"
    );
    assert!(!detail.contains(','), "nothing else is wrong: {detail}");
    assert_eq!(fs::metadata(&keystore).unwrap().permissions().mode() & 0o777, 0o644);
    fs::set_permissions(&keystore, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(check(&doctor(&home).1, "data", "permissions")["level"], "ok");
}

#[test]
fn a_missing_directory_and_a_missing_account_are_named_and_nothing_is_made() {
    let home = Home::empty();
    let (_, report) = doctor(&home);
    assert_eq!(check(&report, "data", "directory")["level"], "bad");
    assert!(!home.data().exists());
    fs::create_dir(home.data()).unwrap();
    fs::set_permissions(home.data(), fs::Permissions::from_mode(0o700)).unwrap();
    let (_, report) = doctor(&home);
    let account = check(&report, "data", "account");
    assert_eq!(account["level"], "bad");
    let init = format!("`parlour --data {} init --name NAME`", home.data().display());
    assert_eq!(account["help"], init, "commands are for the same data");
    assert_eq!(fs::read_dir(home.data()).unwrap().count(), 0);
}

#[test]
fn without_a_node_the_files_are_looked_at_and_what_a_killed_one_left_is_named() {
    let home = Home::of("ada");
    home.up().kill();
    let (ran, report) = doctor(&home);
    let running = check(&report, "node", "running");
    assert_eq!((ran.code, &running["level"]), (Some(1), &"bad".into()));
    let up = format!("`parlour --data {} up`", home.data().display());
    assert_eq!(running["help"], up);
    let left = check(&report, "data", "leftovers");
    assert!(
        left["level"] == "warn" && left["detail"].as_str().unwrap().contains("api/address"),
        "{left}"
    );
    for (area, name) in [
        ("data", "permissions"),
        ("data", "keystore ada"),
        ("store", "format ada"),
        ("store", "health"),
        ("store", "damage"),
        ("node", "certificate"),
    ] {
        assert_eq!(check(&report, area, name)["level"], "ok", "{area} {name} in {report:#}");
    }
    let shown = home.run(&["doctor"]);
    assert!(
        shown.code == Some(1) && shown.stdout.contains(&format!("help: {up}")),
        "{shown:?}"
    );

    let keystore = home.data().join("accounts/ada/keystore");
    let mut bytes = fs::read(&keystore).unwrap();
    bytes[40] ^= 1;
    fs::write(&keystore, &bytes).unwrap();
    assert_eq!(check(&doctor(&home).1, "data", "keystore ada")["level"], "bad");
}
