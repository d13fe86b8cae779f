//! A node that was started without an account and without a terminal, as in a container: it waits, is given one, goes on.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::{Home, Running, eventually, run};

const UP: [&str; 6] = ["up", "--api", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--no-mdns"];

fn waiting(home: &Home) -> Running {
    let mut up = Running::start(&mut home.command(&UP));
    up.note(|line| line == "waiting for an account");
    up
}

/// A request of a page on this machine.
fn post(api: &str, path: &str, token: Option<&str>, body: &Value) -> Value {
    let (address, body) = (api.strip_prefix("http://").unwrap(), body.to_string());
    let bearer = token
        .map(|token| format!("Authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: {api}\r\nContent-Type: application/json\r\n{bearer}\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
fn a_node_without_an_account_is_given_one_beside_it_and_talks() {
    let (box_, ada) = (Home::empty(), Home::of("ada"));
    let mut up = waiting(&box_);
    assert!(
        up.notes().contains("/#pair=") && up.notes().contains("init --name NAME"),
        "{}",
        up.notes()
    );
    let status = box_.json(&["status"]);
    assert_eq!(
        (&status["running"], &status["account"], &status["state"]),
        (&true.into(), &Value::Null, &"no_account".into()),
        "{status}"
    );
    assert_eq!(box_.json(&["health"])["status"], "no_account");
    let shown = box_.run(&["status"]);
    assert!(shown.done().stdout.contains("no account yet"), "{shown:?}");
    assert!(shown.stdout.contains(" init --name NAME`"), "{shown:?}");
    assert!(box_.run(&[]).done().stdout.contains("waits for its account"));
    box_.run(&["invite"]).failed(1, " init --name NAME`");
    box_.run(&UP).failed(1, "waits for its account");
    box_.run(&["init", "--name", "\n", "--no-password"])
        .failed(1, "a name has 1 to 64 bytes");

    let made = box_.json(&["init", "--name", "box", "--no-password"]);
    assert_eq!(made["words"].as_array().unwrap().len(), 24, "{made}");
    up.note(|line| line == "ready");
    assert_eq!(box_.json(&["whoami"])["user_id"], made["user_id"]);
    assert_eq!(box_.json(&["health"])["status"], "ok");
    Home::empty().run(&["health"]).failed(1, "no node answers");
    box_.run(&["init", "--name", "again", "--no-password"])
        .failed(1, "in use by pid");

    let _ada = ada.up();
    let link = box_.json(&["invite"])["link"].as_str().unwrap().to_owned();
    ada.json(&["add", &link, "--petname", "box", "--timeout", "30s"]);
    ada.json(&[
        "send",
        "box",
        "over the threshold",
        "--wait",
        "delivered",
        "--timeout",
        "30s",
    ]);
    let history = box_.json(&["history", "ada"]);
    assert_eq!(history[0]["text"], "over the threshold");
    assert!(up.stop("-TERM").success());
    assert_eq!(box_.json(&["whoami"])["name"], "box");
}

#[test]
fn a_page_makes_the_account_and_neither_its_code_nor_its_token_is_logged() {
    let home = Home::empty();
    let mut command = home.command(&UP);
    let mut up = Running::start(command.arg("--json").env("PARLOUR_LOG", "trace"));
    let waits: Value = serde_json::from_str(&up.line()).unwrap();
    let (api, link) = (waits["api"].as_str().unwrap(), waits["link"].as_str().unwrap());
    let code = link.split_once("/#pair=").unwrap().1;
    let paired = post(api, "/api/v1/session/pair", None, &serde_json::json!({ "code": code }));
    let token = paired["token"].as_str().unwrap();
    let refused = post(api, "/api/v1/session/pair", None, &serde_json::json!({ "code": code }));
    assert_eq!(refused["code"], "bad_code", "{refused}");
    let fresh = home.json(&["open"])["link"].as_str().unwrap().to_owned();
    assert!(fresh.starts_with(&format!("{api}/#pair=")) && fresh != link, "{fresh}");
    let wish = serde_json::json!({ "name": "ada", "password": "correct horse", "require_password": true });
    let made = post(api, "/api/v1/accounts", Some(token), &wish);
    let words = made["words"].as_str().unwrap();
    up.note(|line| line == "ready");
    let ready: Value = serde_json::from_str(&up.line()).unwrap();
    assert_eq!((&ready["user_id"], &ready["api"]), (&made["user_id"], &waits["api"]));
    let log = up.notes();
    assert!(log.contains("TRACE"), "there is a log to look at");
    assert_eq!(
        log.matches(code).count(),
        1,
        "the link is shown once, and the code is in no log"
    );
    for secret in [token, words, "correct horse", fresh.split_once("pair=").unwrap().1] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
    let shown = home.run(&["open", "--qr"]).done().stdout.clone();
    assert!(shown.contains('█') && shown.contains("/#pair="), "{shown}");
    assert_eq!(home.run(&["open"]).done().stdout.lines().count(), 1);
    assert!(up.stop("-INT").success());
    home.run(&["open"]).failed(1, " up`");
}

#[test]
fn a_node_that_waits_stops_when_asked_and_leaves_no_account() {
    let home = Home::empty();
    let up = waiting(&home);
    assert!(up.stop("-TERM").success());
    assert!(!home.data().join("api/address").exists());
    assert!(!home.data().join("api/cookie").exists());
    home.run(&["whoami"]).failed(1, " init --name NAME`");
}

#[test]
fn init_and_up_at_the_same_time_end_with_one_account_that_runs() {
    for _ in 0..3 {
        let home = Home::empty();
        let mut up = Running::start(&mut home.command(&UP));
        let made = home.json(&["init", "--name", "ada", "--no-password"]);
        up.note(|line| line == "ready");
        let me = eventually("the node answers", || {
            let ran = home.run(&["whoami", "--json"]);
            if ran.code == Some(0) {
                Ok(ran.parsed())
            } else {
                Err(ran.stderr)
            }
        });
        assert_eq!(me["user_id"], made["user_id"]);
    }
}

#[test]
fn an_identity_comes_back_from_its_words() {
    let (first, second, third) = (Home::empty(), Home::empty(), Home::empty());
    let made = first.json(&["init", "--name", "ada", "--no-password"]);
    let words: Vec<&str> = made["words"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let words = words.join(" ");
    let recover = ["init", "--name", "ada", "--recover", "--json"];
    let back = second
        .run_with(&[&recover[..], &["--no-password"]].concat(), words.as_bytes())
        .json();
    assert_eq!((&back["user_id"], &back["words"]), (&made["user_id"], &Value::Null));
    assert_eq!(second.json(&["whoami"])["user_id"], made["user_id"]);

    let up = waiting(&third);
    let both = format!("correct horse\n{words}\n");
    let back = third
        .run_with(&[&recover[..], &["--password-stdin"]].concat(), both.as_bytes())
        .json();
    assert_eq!(back["user_id"], made["user_id"]);
    assert!(up.stop("-TERM").success());
    third
        .run_with(&["whoami", "--password-stdin"], b"correct horse\n")
        .done();
}

#[test]
fn words_that_are_wrong_are_refused_with_the_reason() {
    let home = Home::empty();
    let recover = ["init", "--name", "ada", "--recover", "--no-password"];
    home.run(&recover).failed(1, "0 words instead of 24");
    home.run_with(&recover, b"abandon ability")
        .failed(1, "2 words instead of 24");
    home.run_with(&recover, "parlour ".repeat(24).as_bytes())
        .failed(1, "word 1 of the phrase is not in the list");
    home.run_with(&recover, "abandon ".repeat(24).as_bytes())
        .failed(1, "do not belong together");
    assert!(!home.data().join("accounts").exists());
    let _up = waiting(&home);
    home.run_with(&recover, b"abandon ability")
        .failed(1, "2 words instead of 24");
    assert_eq!(home.json(&["status"])["state"], "no_account");
    let usage = run(
        home.command(&["init", "--recover", "abandon", "ability"])
            .env("NO_COLOR", "1"),
        None,
    );
    assert_eq!(usage.code, Some(2), "words are never arguments");
}
