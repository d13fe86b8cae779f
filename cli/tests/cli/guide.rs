//! The guide for those who attach a UI, a bot or a script: its examples are run out of its own text.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::Home;

const GUIDE: &str = include_str!("../../../API.md");

/// The examples, in their order: which language, and what is in them.
fn examples() -> Vec<(&'static str, &'static str)> {
    let mut parts = GUIDE.split("\n```");
    let mut all = Vec::new();
    parts.next();
    // Beginnings and ends take turns.
    while let Some(example) = parts.next() {
        all.push(example.split_once('\n').unwrap());
        parts.next();
    }
    all
}

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output();
    found.is_ok_and(|found| found.status.success())
}

#[test]
fn the_examples_of_the_guide_do_what_it_says() {
    let missing: Vec<_> = ["curl", "node", "python3"]
        .into_iter()
        .filter(|program| !has(program))
        .collect();
    if !missing.is_empty() {
        eprintln!("SKIPPED: the examples need {missing:?}");
        return;
    }
    let home = Home::of("ada");
    let node = home.up();
    let announced = std::fs::read_to_string(home.data().join("api/address")).unwrap();
    let announced: Value = serde_json::from_str(&announced).unwrap();
    let address = announced["url"].as_str().unwrap().strip_prefix("http://").unwrap();

    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string();
    let folder = tempfile::tempdir().unwrap();
    let parlour = Path::new(env!("CARGO_BIN_EXE_parlour")).parent().unwrap();
    let path = format!("{}:{}", parlour.display(), std::env::var("PATH").unwrap());
    let run = |program: &str, args: &[&str]| -> Output {
        let mut command = Command::new(program);
        command.args(args).current_dir(folder.path());
        command.env("PATH", &path).env("PARLOUR_DATA", home.data());
        let ran = command.output().unwrap();
        assert!(
            ran.status.success(),
            "{program} {args:?}: {}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
        ran
    };
    let mut said = Vec::new();
    for (language, text) in examples() {
        let text = text.replace("127.0.0.1:7700", address).replace("8017", &free);
        let named = text.lines().next().unwrap().split(' ').next_back().unwrap().to_owned();
        let ran = match language {
            "sh" => Some(run("sh", &["-eu", "-c", &text])),
            "js" | "py" => {
                std::fs::write(folder.path().join(&named), &text).unwrap();
                let args = ["--experimental-websocket", named.as_str()];
                // What the shell starts later is only put there.
                (language == "js").then(|| run("node", &args))
            }
            other => panic!("nobody runs {other:?}"),
        };
        said.extend(ran.map(|ran| String::from_utf8(ran.stdout).unwrap()));
    }
    let [tokens, curl, feed, socket, bot, made, told, login] = &said[..] else {
        panic!("{} examples", said.len());
    };
    assert!(tokens.contains("guide") && tokens.contains("send"), "{tokens}");
    assert!(curl.matches("milk, bread").count() >= 2, "{curl}");
    assert_eq!(feed, "written: 201\nread: and tea\n");
    assert_eq!(socket, "read: and tea\nread: and jam\n", "from the cursor on");
    assert!(bot.contains("ping") && bot.contains("pong"), "{bot}");
    assert!(!made.contains("whsec_"), "the secret is in its file");
    assert!(told.starts_with("to the hook\n") && told.contains("active"), "{told}");
    let login: Value = serde_json::from_str(login.lines().last().unwrap()).unwrap();
    assert!(
        login["token"].is_string() && login["refresh_token"].is_string(),
        "{login}"
    );
    // Written once, whoever wrote it and however often.
    let said = home.json(&["history", "notes"]);
    let texts: Vec<_> = said.as_array().unwrap().iter().map(|one| one["text"].clone()).collect();
    assert_eq!(
        texts,
        ["milk, bread", "and tea", "and jam", "ping", "pong", "to the hook"]
    );
    node.stop("-TERM");
}
