//! Nodes that the configuration names.

use parlour_net::{NetCommand, NetConfig, NetEvent, PeerId, parse_place};

use crate::harness::{TestNode, config};

async fn told(node: &mut TestNode, wanted: usize) -> Result<PeerId, String> {
    node.wait(|event| match event {
        NetEvent::Bootstrap { number, result } if *number == wanted => Some(result.clone()),
        _ => None,
    })
    .await
}

/// Named by the port of one of its transports, as `HOST:PORT`.
fn naming(seed: u8, places: &[String]) -> NetConfig {
    let places = places.iter().map(|place| parse_place(place).unwrap());
    NetConfig {
        bootstrap: places.collect(),
        ..config(seed)
    }
}

#[tokio::test]
async fn whoever_is_at_a_named_address_is_connected_and_again_when_it_ends() {
    let mut b = TestNode::start(2).await;
    for (kind, host) in [("quic-v1", "127.0.0.1"), ("tcp", "localhost")] {
        let mut a = TestNode::with(naming(1, &[format!("{host}:{}", b.port(kind))])).await;
        // The other transport does not listen on this port, and has its turn.
        while told(&mut a, 0).await != Ok(b.peer()) {}
        a.connected(b.peer()).await;
        b.connected(a.peer()).await;
        b.send(NetCommand::Disconnect { peer: a.peer() }).await;
        a.disconnected(b.peer()).await;
        while told(&mut a, 0).await != Ok(b.peer()) {}
        a.connected(b.peer()).await;
        a.cancel.cancel();
        b.disconnected(a.peer()).await;
        b.connected(a.peer()).await;
        b.disconnected(a.peer()).await;
    }
}

#[tokio::test]
async fn one_that_is_away_says_why_and_does_not_hold_up_the_others() {
    let b = TestNode::start(2).await;
    let closed_port = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().port()
    };
    let named = [
        format!("/ip4/127.0.0.1/tcp/{closed_port}"),
        format!("{}/p2p/{}", b.address("tcp"), b.peer()),
    ];
    let mut a = TestNode::with(naming(1, &named)).await;
    assert_eq!(told(&mut a, 1).await, Ok(b.peer()));
    let reason = told(&mut a, 0).await.unwrap_err();
    assert!(reason.contains("efused"), "{reason}");
    let again = told(&mut a, 0).await.unwrap_err();
    assert!(again.contains("efused"), "{again}");
}

#[tokio::test]
async fn another_peer_than_the_one_that_is_named_is_refused() {
    let b = TestNode::start(2).await;
    let somebody = PeerId::random();
    let named = format!("{}/p2p/{somebody}", b.address("tcp"));
    let mut a = TestNode::with(naming(1, &[named])).await;
    let reason = told(&mut a, 0).await.unwrap_err();
    assert!(reason.contains("another peer"), "{reason}");
}

#[tokio::test]
async fn a_list_that_names_the_node_itself_does_no_harm() {
    let port = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().port()
    };
    let place = format!("/ip4/127.0.0.1/tcp/{port}");
    let mut config = naming(1, std::slice::from_ref(&place));
    config.listen = vec![place.parse().unwrap()];
    let mut a = TestNode::with(config).await;
    let own = a.peer();
    loop {
        // The first dial may be quicker than the listener.
        if let Ok(peer) = told(&mut a, 0).await {
            assert_eq!(peer, own);
            return;
        }
    }
}
