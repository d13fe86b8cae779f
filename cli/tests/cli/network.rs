//! Where a node is told it can be reached, whom it is told to stay connected to, and its door to the network.

use serde_json::{Value, json};

use crate::harness::{Home, eventually};

#[test]
fn nodes_that_name_each_other_connect_and_say_so_and_invites_tell_what_is_announced() {
    let (ada, bo) = (Home::of("ada"), Home::of("bo"));
    let _ada = ada.up();
    let port = ada.json(&["status"])["listen"][0].as_str().map(port_of).unwrap();
    let (there, away) = (format!("127.0.0.1:{port}"), "127.0.0.1:9");
    let usual = ["--api", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--no-mdns"];
    let told = [
        "--bootstrap",
        &there,
        "--bootstrap",
        away,
        "--announce",
        "bo.example:4001",
    ];
    let up = bo.up_with(&[&usual[..], &told[..]].concat());
    let status = eventually("bo reaches ada, and nobody else", || {
        let status = bo.json(&["status"]);
        let (ada, away) = (&status["bootstraps"][0], &status["bootstraps"][1]);
        match ada["connected"] == true && away["reason"].is_string() {
            true => Ok(status),
            false => Err(status.to_string()),
        }
    });
    assert_eq!(
        status["announced"],
        json!(["/dns/bo.example/udp/4001/quic-v1", "/dns/bo.example/tcp/4001"])
    );
    let invite = bo.json(&["invite"]);
    assert_eq!(invite["addresses"][0], "/dns/bo.example/udp/4001/quic-v1", "{invite}");
    let shown = bo.run(&["status"]);
    assert!(shown.done().stdout.contains("9 cannot be reached"), "{shown:?}");
    drop(up);
    bo.run(&["up", "--bootstrap", "0.0.0.0:1"])
        .failed(1, "expected HOST:PORT");
}

/// The port in `/ip4/…/udp/PORT/…`.
fn port_of(address: &str) -> String {
    address.split('/').nth(4).unwrap().to_owned()
}

#[test]
fn the_door_to_the_network_shows_its_certificate_and_the_command_line_needs_none() {
    let home = Home::of("ada");
    let usual = ["--api", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--no-mdns"];
    let told = ["--lan", "127.0.0.1:0", "--lan-host", "box.example"];
    let up = || home.up_with(&[&usual[..], &told[..]].concat());
    let fingerprint = |status: &Value| status["lan"]["fingerprint"].as_str().unwrap().to_owned();
    let first = {
        let up = up();
        let status = home.json(&["status"]);
        let first = fingerprint(&status);
        assert!(up.notes().contains(&first), "{}", up.notes());
        let url = status["lan"]["urls"][0].as_str().unwrap();
        assert!(url.starts_with("https://box.example:"), "{url}");
        let link = home.run(&["open", "--lan"]);
        assert!(link.done().stdout.starts_with(&format!("{url}/#pair=")), "{link:?}");
        assert!(link.stderr.contains(&first), "{link:?}");
        let doctor = home.run(&["doctor", "--json"]).parsed();
        assert!(doctor.to_string().contains("over TLS"), "{doctor}");
        first
    };
    let _up = up();
    assert_eq!(fingerprint(&home.json(&["status"])), first, "it stays the same");
    drop(_up);
    let _up = home.up();
    assert_eq!(home.json(&["status"])["lan"], Value::Null);
    home.run(&["open", "--lan"]).failed(1, "up --lan`");
}
