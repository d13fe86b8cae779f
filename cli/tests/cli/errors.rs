//! What goes wrong is said, on stderr, with the right exit status.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Home, Pair, parlour, run, text};

#[test]
fn wrong_usage_is_status_2() {
    for line in [
        &["frobnicate"][..],
        &["send"],
        &["search"],
        &["send", "bob", "hi", "--wait", "forever"],
        &["send", "bob", "hi", "--timeout", "soon"],
        &["history", "bob", "--limit", "0"],
        &["up", "--api", "nowhere"],
        &["up", "--api", "0.0.0.0:7700"],
        &["up", "--lan", "everywhere"],
        &["up", "--lan", "--tls-cert", "chain.pem"],
        &["up", "--lan-host", "http://box"],
        &["completions", "tcsh"],
        &["init", "--name", "ada", "--no-password", "--password-stdin"],
        &["send", "bob", "--place", "the weir", "hi"],
        &["send", "bob", "--place", "the weir"],
        &["send", "bob", "--sticker", "ab"],
        &["message", "react", "msg_ab3cde7h", ""],
        &["message", "react", "msg_ab3cde7h", "ab"],
        &["profile", "set"],
        &["profile", "set", "--emoji", "ab"],
        &["invite", "--expires", "0s"],
        &["invite", "--uses", "1001"],
        &["presence", "online", "--for", "1s"],
        &["token", "new", "--scope", "read", "--expires", "0s"],
        &["contacts", "mute", "bob", "--until", "soon"],
    ] {
        let wrong = run(parlour().args(line), None);
        assert_eq!(
            (wrong.code, wrong.stdout.as_str()),
            (Some(2), ""),
            "{line:?}: {wrong:?}"
        );
        let for_programs = run(parlour().args(line).arg("--json"), None);
        assert_eq!(for_programs.code, Some(2), "{line:?}: {for_programs:?}");
        let error: Value = serde_json::from_str(for_programs.stderr.trim()).unwrap();
        assert_eq!(error["error"]["code"], "usage", "{line:?}: {error}");
    }
}

#[test]
fn every_failure_has_a_code_and_names_what_was_typed_once() {
    let home = Home::of("ada");
    let code = |line: &[&str]| {
        let mut args = line.to_vec();
        args.push("--json");
        let failed = home.run(&args);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(failed.stderr.len() < 1_000, "{line:?}: {}", failed.stderr.len());
        let error: Value = serde_json::from_str(failed.stderr.trim()).unwrap();
        error["error"]["code"].as_str().unwrap().to_owned()
    };
    let long = "x".repeat(70_000);
    assert_eq!(code(&["search", &long]), "failed");
    assert_eq!(code(&["history", &long]), "usage");
    assert_eq!(code(&["history", ""]), "usage");
    assert_eq!(code(&["history", "nobody"]), "not_found");
    assert_eq!(code(&["history", "nobody", "--before", "x"]), "bad_cursor");
    let _up = home.up();
    assert_eq!(code(&["store", "check"]), "in_use");
    assert_eq!(code(&["up"]), "in_use");
}

#[test]
fn help_and_version_need_no_data() {
    assert!(
        run(parlour().arg("--version"), None)
            .done()
            .stdout
            .starts_with("parlour ")
    );
    let help = run(parlour().arg("--help"), None);
    assert!(help.done().stdout.contains("parlour invite"));
    for command in [
        "up", "init", "open", "demo", "invite", "add", "accounts", "contacts", "requests", "draft", "typing", "send",
        "history", "tail", "search", "status",
    ] {
        assert!(help.stdout.contains(command), "{command} is not in the help");
        run(parlour().args([command, "--help"]), None).done();
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            run(parlour().args(["completions", shell]), None)
                .done()
                .stdout
                .contains("parlour")
        );
    }
}

#[test]
fn without_an_account_commands_say_how_to_make_one() {
    let home = Home::empty();
    for line in [
        &["whoami"][..],
        &["send", "bob", "hi"],
        &["history", "bob"],
        &["invite"],
        &["status"],
    ] {
        home.run(line).failed(1, " init --name NAME`");
    }
    let error: Value = serde_json::from_str(home.run(&["contacts", "--json"]).stderr.trim()).unwrap();
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains(" init --name NAME`"),
        "{error}"
    );
}

#[test]
fn an_account_is_not_overwritten() {
    let home = Home::of("ada");
    let id = home.json(&["whoami"])["user_id"].clone();
    home.run(&["init", "--name", "ada", "--no-password"])
        .failed(1, "already an account \"ada\"");
    assert_eq!(home.json(&["whoami"])["user_id"], id);
}

#[test]
fn the_words_are_shown_once_and_clearly() {
    let home = Home::empty();
    let made = home.run(&["init", "--name", "ada", "--no-password"]);
    let numbered = made
        .done()
        .stdout
        .lines()
        .filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(numbered.count(), 6, "{made:?}");
    assert!(made.stdout.contains(" 1. ") && made.stdout.contains("24. "), "{made:?}");
}

#[test]
fn several_accounts_have_to_be_told_apart() {
    let home = Home::of("ada");
    home.run(&["init", "--name", "bo", "--no-password"]).done();
    home.run(&["whoami"]).failed(1, "ada, bo");
    home.run(&["doctor"]).failed(1, "--account (ada, bo)");
    home.run(&["whoami", "--account", "cy"]).failed(1, "cy");
    assert_eq!(home.json(&["--account", "bo", "whoami"])["name"], "bo");
    let up = home.up_with(&[
        "--account",
        "ada",
        "--api",
        "127.0.0.1:0",
        "--listen",
        "127.0.0.1:0",
        "--no-mdns",
    ]);
    home.run(&["whoami", "--account", "bo"]).failed(1, "these do: ada");
    assert!(up.stop("-TERM").success());
}

#[test]
fn a_wrong_password_is_refused_and_the_right_one_opens() {
    let home = Home::empty();
    let made = home.run_with(&["init", "--name", "ada", "--password-stdin"], b"correct horse\n");
    made.done();
    home.run_with(&["whoami", "--password-stdin"], b"wrong\n")
        .failed(1, "the password is wrong");
    home.run_with(&["whoami", "--password-stdin"], b"\n")
        .failed(1, "the password is empty");
    home.run_with(&["whoami", "--password-stdin"], b"correct horse\n")
        .done();
    let file = home.data().join("password.txt");
    fs::write(&file, "correct horse\n").unwrap();
    run(home.command(&["whoami"]).env("PARLOUR_PASSWORD_FILE", &file), None).done();
    fs::write(&file, "wrong\n").unwrap();
    run(home.command(&["whoami"]).env("PARLOUR_PASSWORD_FILE", &file), None).failed(1, "the password is wrong");
    home.run(&["whoami", "--password-file", "/nonexistent"])
        .failed(1, "cannot read the password");
}

#[test]
fn an_account_that_requires_its_password_does_not_open_without_it() {
    let home = Home::empty();
    home.run_with(
        &["init", "--name", "ada", "--require-password", "--password-stdin"],
        b"correct horse\n",
    )
    .done();
    home.run(&["whoami"]).failed(1, "PARLOUR_PASSWORD_FILE");
    home.run_with(&["whoami", "--password-stdin"], b"correct horse\n")
        .done();
}

#[test]
fn a_new_account_without_a_terminal_needs_a_word_about_passwords() {
    let home = Home::empty();
    home.run(&["init", "--name", "ada"]).failed(1, "--no-password");
    home.run(&["init", "--no-password"]).failed(1, " init --name NAME`");
    home.run(&["init", "--recover", "--no-password"])
        .failed(1, " init --recover --name NAME`");
    assert!(!home.data().join("accounts").exists());
}

#[test]
fn two_nodes_on_one_data_directory_are_refused() {
    let home = Home::of("ada");
    let up = home.up();
    let second = home.run(&["up", "--api", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--no-mdns"]);
    // Commands it names are for the same data.
    let again = format!("`parlour --data {} status`", home.data().display());
    second.failed(1, &format!("data directory is in use by pid {}", up.pid()));
    second.failed(1, &again);
    assert_eq!(home.json(&["whoami"])["name"], "ada");
}

#[test]
fn data_of_a_newer_version_is_refused_untouched() {
    let home = Home::of("ada");
    drop(home.up());
    let version = home.data().join("accounts/ada/db/VERSION");
    std::fs::write(&version, "3 9.9.9\n").unwrap();
    let before = std::fs::read_dir(version.parent().unwrap()).unwrap().count();
    let up = home.run(&["up", "--api", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--no-mdns"]);
    up.failed(1, "needs parlour ≥ 9.9.9");
    home.run(&["history", "bo"]).failed(1, "needs parlour ≥ 9.9.9");
    assert_eq!(std::fs::read_to_string(&version).unwrap(), "3 9.9.9\n");
    assert_eq!(std::fs::read_dir(version.parent().unwrap()).unwrap().count(), before);
}

#[test]
fn a_port_in_use_names_its_holder_and_a_free_one() {
    let home = Home::of("ada");
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let refused = home.run(&[
        "up",
        "--api",
        &taken.to_string(),
        "--listen",
        "127.0.0.1:0",
        "--no-mdns",
    ]);
    refused.failed(1, &format!("the API address {taken} is in use"));
    let command = format!("parlour --data {} up --api 127.0.0.1:", text(&home.data()));
    assert!(refused.stderr.contains(&command), "{refused:?}");
    if cfg!(target_os = "linux") {
        assert!(
            refused.stderr.contains(&format!("(pid {})", std::process::id())),
            "{refused:?}"
        );
    }
}

#[test]
fn unknown_contacts_and_bad_invites_are_refused() {
    let home = Home::of("ada");
    let _up = home.up();
    home.run(&["send", "nobody", "hi"]).failed(1, "nobody");
    home.run(&["history", "nobody"]).failed(1, "nobody");
    home.run(&["search", "hi", "--with", "nobody"]).failed(1, "nobody");
    home.run(&["message", "info", "msg_nonsense"]).failed(1, "");
    home.run(&["add", "parlour:nonsense"]).failed(1, "no valid invite");
    home.run(&["add", "https://example.org"]).failed(1, "no valid invite");
    home.run(&["invite", "revoke", "00112233445566778899aabbccddeeff"])
        .failed(1, "no such invite");
    let own = home.json(&["invite"])["link"].as_str().unwrap().to_owned();
    home.run(&["add", &own]).failed(1, "your own");
    let cut = &own[..own.len() - 1];
    home.run(&["add", cut]).failed(1, "no valid invite");
    assert_eq!(home.json(&["contacts"]).as_array().unwrap().len(), 0);
}

#[test]
fn texts_that_no_message_holds_are_refused_with_the_limit() {
    let pair = Pair::new();
    let fits = "a".repeat(16_384);
    let sent = pair
        .alice
        .run_with(&["send", "bob", "--wait", "delivered", "--json"], fits.as_bytes())
        .json();
    assert_eq!(sent["text"], fits.as_str());
    let over = "a".repeat(16_385);
    pair.alice.run(&["send", "bob", &over]).failed(1, "16384");
    pair.alice
        .run_with(&["send", "bob"], over.as_bytes())
        .failed(1, "16384");
    let far_over = "a".repeat(1 << 20);
    pair.alice
        .run_with(&["send", "bob", "-"], far_over.as_bytes())
        .failed(1, "16384");
    pair.alice.run(&["send", "bob", ""]).failed(1, "empty");
    pair.alice.run(&["send", "bob"]).failed(1, "empty");
    pair.alice.run_with(&["send", "bob"], &[0xff, 0xfe]).failed(1, "UTF-8");
    assert_eq!(pair.bob.json(&["history", "al"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = parlour()
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(stderr, "");
}

#[test]
fn a_node_stops_cleanly_when_asked() {
    for signal in ["-INT", "-TERM"] {
        let home = Home::of("ada");
        let up = home.up();
        assert!(up.notes().contains("listens on  /ip4/127.0.0.1/"), "{}", up.notes());
        assert!(up.stop(signal).success());
        assert!(!home.data().join("api/address").exists());
        assert!(!home.data().join("api/cookie").exists());
    }
}
