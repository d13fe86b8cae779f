//! Gateways of real nodes, killed and started again.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Home, Running, free_port};

const EMAIL: &str = "ada@example.org";
const PASSWORD: &str = "correct horse";
/// More than a page of any kind.
const MISSED: usize = 450;

/// The native API, with the command line's token.
fn call(home: &Home, method: &str, path: &str, body: &Value) -> Value {
    let announced: Value =
        serde_json::from_str(&std::fs::read_to_string(home.data().join("api/address")).unwrap()).unwrap();
    let address = announced["url"]
        .as_str()
        .unwrap()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let token = std::fs::read_to_string(home.data().join("api/cookie")).unwrap();
    let body = body.to_string();
    let request = format!(
        "{method} /api/v1/{path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        token.trim(),
        body.len()
    );
    let mut socket = TcpStream::connect(&address).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 2"), "{answer}");
    serde_json::from_str(body).unwrap_or_default()
}

#[test]
fn what_a_page_missed_while_its_node_was_killed_comes_whole_and_once() {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/tests/clients");
    if !clients.join("node_modules/socket.io-client").is_dir() {
        eprintln!("SKIPPED: `npm install` in node/tests/clients installs what this test needs");
        return;
    }
    let home = Home::of("ada");
    let gateway = format!("echoroom={}", free_port());
    let up = || {
        let common = ["--api", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--no-mdns"];
        home.up_with(&[&common[..], &["--gateway", &gateway]].concat())
    };
    let node = up();
    call(
        &home,
        "PUT",
        "me/login",
        &json!({ "email": EMAIL, "password": PASSWORD }),
    );
    let room = call(&home, "POST", "rooms", &json!({ "name": "garden" }));
    let path = format!("conversations/{}/messages", room["id"].as_str().unwrap());
    call(&home, "POST", &path, &json!({ "text": "seen" }));

    let mut page = Command::new("node");
    page.arg(clients.join("recover.mjs"));
    page.args([
        &format!("http://{}", &gateway["echoroom=".len()..]),
        EMAIL,
        PASSWORD,
        "garden",
    ]);
    let (mut page, mut stdin) = Running::with_stdin(&mut page);
    let joined = page.line();
    assert!(joined.starts_with("joined "), "{joined}");

    // Killed in the middle of what the page misses, and again at its end.
    let write = |from: usize, to: usize| {
        for n in from..to {
            call(&home, "POST", &path, &json!({ "text": format!("missed {n}") }));
        }
    };
    write(0, MISSED / 2);
    node.kill();
    let node = up();
    write(MISSED / 2, MISSED);
    node.kill();
    let _node = up();
    writeln!(stdin, "{MISSED}").unwrap();
    assert_eq!(page.line(), "ok");
}
