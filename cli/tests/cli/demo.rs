//! The demo is itself a test of three nodes.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Running, eventually, parlour, run};

#[test]
fn every_message_of_the_demo_arrives_everywhere() {
    let demo = run(parlour().args(["demo", "--exit", "--json"]), None);
    let steps: Vec<Value> = demo
        .done()
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = steps.last().unwrap();
    assert_eq!(
        (&last["step"], &last["ok"], &last["differences"]),
        (&"verify".into(), &true.into(), &0.into()),
        "{demo:?}"
    );
    assert_eq!(last["messages"], 6 + 300 + 1);
    let contacts = steps.iter().filter(|step| step["step"] == "contacts").count();
    assert_eq!(contacts, 3);
    assert!(steps.iter().all(|step| step["ms"].is_f64()), "{demo:?}");
}

#[test]
fn the_demo_answers_who_writes_to_it_and_removes_everything_at_the_end() {
    let mut demo = Running::start(parlour().arg("demo"));
    let command = demo.note(|line| line.contains("send bo"));
    let data = command.split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(command.trim(), format!("parlour --data {data} send bo \"hi\""));
    let json = |args: &[&str]| run(parlour().args(["--data", &data, "--json"]).args(args), None).json();
    let sent = json(&["send", "bo", "hi there bo", "--wait", "delivered"]);
    assert_eq!(sent["status"], "delivered");
    eventually("bo answers", || {
        let history = json(&["history", "bo", "--limit", "1"]);
        if history[0]["text"] == "That was 3 words. Go on, I keep them all." {
            Ok(())
        } else {
            Err(history.to_string())
        }
    });
    assert!(demo.stop("-TERM").success());
    assert!(!Path::new(&data).exists());
}
