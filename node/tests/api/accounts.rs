//! Several accounts behind one door: a token opens one of them, and nothing leads from there to another.

use parlour_node::{DataDir, NewAccount, Node, create_account, now_ms};
use serde_json::json;
use tempfile::TempDir;

use super::socket::Socket;
use super::support::{Program, invite_link, options};

/// The node, and its accounts' command lines.
async fn start(data: &TempDir, accounts: &[&str]) -> (Node, Vec<Program>) {
    for name in accounts {
        create_account(&DataDir::new(data.path()), &NewAccount::named(*name), now_ms()).unwrap();
    }
    let node = Node::start(options(data)).await.unwrap();
    let programs = node.accounts().map(|account| Program {
        address: node.api_url().strip_prefix("http://").unwrap().parse().unwrap(),
        token: node.token_of(&account.facts().account).unwrap().as_str().to_owned(),
    });
    let programs = programs.collect();
    (node, programs)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_one_account_on_every_way() {
    let data = TempDir::new().unwrap();
    let (node, programs) = start(&data, &["alice", "bob"]).await;
    let [alice, bob] = &programs[..] else {
        panic!("two accounts")
    };
    assert_ne!(alice.token, bob.token);
    assert_eq!(node.token(), alice.token);
    for (program, name) in [(alice, "alice"), (bob, "bob")] {
        assert_eq!(program.get("/api/v1/me").await.json()["name"], name);
        let listed = program.get("/api/v1/accounts").await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
        // A page that is paired with it is its own, too.
        let token = program.paired().await;
        let page = Program {
            address: program.address,
            token,
        };
        assert_eq!(page.get("/api/v1/me").await.json()["name"], name);
    }

    let added = bob
        .post(
            "/api/v1/contacts",
            &json!({ "link": invite_link(7), "petname": "carol" }),
        )
        .await;
    assert_eq!(added.status, 201);
    let contacts = alice.get("/api/v1/contacts").await.json();
    assert_eq!(contacts["items"], json!([]), "what one account does is not the other's");

    let mut socket = Socket::open(bob).await;
    socket.say(&json!({ "type": "auth", "token": bob.token })).await;
    socket.text().await;
    socket.say(&json!({ "type": "subscribe", "after": 0 })).await;
    socket.text().await;
    let seen = loop {
        let event = socket.text().await["event"].clone();
        if event["type"] == "contact" {
            break event;
        }
    };
    assert_eq!(seen["contact"]["petname"], "carol", "{seen}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_account_keeps_its_own_peer_id_and_takes_over_the_one_there_was() {
    let data = TempDir::new().unwrap();
    let (node, _) = start(&data, &["alice"]).await;
    let alice = node.facts().peer;
    node.stop().await;
    // As it was when a node had one account. Where it listened is written once it listens everywhere.
    let (now, then) = (data.path().join("accounts/alice"), data.path().join("node"));
    std::fs::rename(now.join("peer"), then.join("peer")).unwrap();
    if now.join("port").exists() {
        std::fs::rename(now.join("port"), then.join("port")).unwrap();
    }
    let (node, _) = start(&data, &["bob"]).await;
    let peers: Vec<_> = node.accounts().map(|account| account.facts().peer).collect();
    assert_eq!(peers[0], alice);
    assert_ne!(peers[0], peers[1]);
    node.stop().await;
    let (node, _) = start(&data, &[]).await;
    assert_eq!(
        peers,
        node.accounts().map(|account| account.facts().peer).collect::<Vec<_>>()
    );
    node.stop().await;
}
