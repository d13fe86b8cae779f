//! `parlour webhook` and a server of this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::harness::Home;

/// Takes one delivery: its headers in small letters, and what it says.
fn take(listener: &TcpListener) -> (Vec<String>, Value) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(&stream);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        headers.push(line.trim().to_lowercase());
    }
    let length = headers.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    (&stream).write_all(answer).unwrap();
    (headers, serde_json::from_slice(&body).unwrap())
}

#[test]
fn a_webhook_is_made_tested_told_and_removed() {
    let home = Home::of("ada");
    home.json(&["notes"]);
    assert!(home.run(&["webhook", "list"]).done().stderr.contains("webhook new`"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());

    let bare = home.run(&["webhook", "new", &url, "--events", "message", "--conversation", "notes"]);
    let secret = bare.done().stdout.trim().to_owned();
    assert!(
        secret.starts_with("whsec_") && secret.len() == 50,
        "a script gets the secret and nothing else"
    );
    assert!(bare.stderr.contains("It works while"), "{bare:?}");
    let listed = home.run(&["webhook", "list"]);
    assert!(
        listed.done().stdout.contains("active") && !listed.stdout.contains(&secret),
        "{listed:?}"
    );
    let hooks = home.json(&["webhook", "list"]);
    assert_eq!(hooks[0]["events"], json!(["message"]));
    let id = hooks[0]["id"].as_str().unwrap().to_owned();

    let node = home.up();
    home.run(&["send", "notes", "milk"]).done();
    let (headers, told) = take(&listener);
    assert_eq!(told["message"]["text"], "milk");
    assert!(
        headers
            .iter()
            .any(|line| line.starts_with(&format!("webhook-id: {id}-"))),
        "{headers:?}"
    );
    let tried = std::thread::scope(|scope| {
        let tried = scope.spawn(|| home.run(&["webhook", "test", &id]));
        assert_eq!(take(&listener).1["type"], "test");
        tried.join().unwrap()
    });
    assert!(tried.done().stdout.starts_with("taken after "), "{tried:?}");
    drop(listener);
    let failed = home.run(&["webhook", "test", &id]);
    assert_eq!(
        (failed.code, failed.stdout.contains("connection refused")),
        (Some(1), true),
        "{failed:?}"
    );
    let doctor = home.run(&["doctor", "--json"]).parsed().to_string();
    assert!(doctor.contains(&id), "{doctor}");

    home.json(&["webhook", "remove", &id]);
    home.run(&["webhook", "remove", &id]).failed(1, "there is no webhook");
    home.run(&["webhook", "new", "http://192.0.2.1/"])
        .failed(1, "only to 127.0.0.1");
    home.run(&["webhook", "new", &url, "--events", "everything"])
        .failed(1, "is no kind of change");
    let away = home.run(&["webhook", "new", "http://192.0.2.1/", "--anywhere"]);
    assert!(away.done().stderr.contains("in plain"), "{away:?}");
    assert!(
        home.run(&["webhook", "new", "--help"])
            .done()
            .stdout
            .contains("decrypted")
    );
    drop(node);
}
