//! Connecting, failing to, leaving.

use std::fs;

use parlour_net::{Closed, NetCommand, NetEvent, NetLimits, parse_listen};

use crate::harness::{TestNode, config, join, pair};

#[tokio::test]
async fn two_nodes_connect_by_quic_and_by_tcp() {
    for kind in ["quic-v1", "tcp"] {
        let (mut a, mut b) = (TestNode::start(1).await, TestNode::start(2).await);
        a.dial(&b, kind).await;
        let (address, outbound) = a.connected(b.peer()).await;
        assert!(address.to_string().contains(kind) && outbound);
        let (_, outbound) = b.connected(a.peer()).await;
        assert!(!outbound);
        a.send(NetCommand::Disconnect { peer: b.peer() }).await;
        a.disconnected(b.peer()).await;
        b.disconnected(a.peer()).await;
    }
}

#[tokio::test]
async fn with_both_transports_known_quic_is_taken() {
    let (mut a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    a.send(NetCommand::Dial {
        peer: b.peer(),
        addresses: vec![b.address("tcp"), b.address("quic-v1")],
    })
    .await;
    let (address, _) = a.connected(b.peer()).await;
    assert!(address.to_string().contains("quic-v1"), "{address}");
}

#[tokio::test]
async fn identify_tells_listen_addresses_and_the_observed_one() {
    let (mut a, mut b) = pair("tcp").await;
    let expected = b.address("tcp");
    let (peer, listed) = (b.peer(), |event: &NetEvent| match event {
        NetEvent::PeerAddresses { peer, addresses } => Some((*peer, addresses.clone())),
        _ => None,
    });
    let (from, addresses) = a.wait(listed).await;
    assert_eq!(from, peer);
    assert!(addresses.contains(&expected), "{addresses:?}");
    let (from, _) = b.wait(listed).await;
    assert_eq!(from, a.peer());
}

#[tokio::test]
async fn dial_failure_says_why() {
    let a = &mut TestNode::start(1).await;
    let b = TestNode::start(2).await;
    let closed_port = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().port()
    };
    let stranger = TestNode::start(3).await.peer();
    for (addresses, expected) in [
        (vec![], "no address"),
        (
            parse_listen(&format!("127.0.0.1:{closed_port}")).unwrap()[1..].to_vec(),
            "refused",
        ),
        (vec![b.address("tcp")], "another peer"),
        (vec![b.address("quic-v1")], "another peer"),
    ] {
        a.send(NetCommand::Dial {
            peer: stranger,
            addresses,
        })
        .await;
        let reason = a
            .wait(|event| match event {
                NetEvent::DialFailed { peer, reason } if *peer == stranger => Some(reason.clone()),
                _ => None,
            })
            .await;
        assert!(reason.to_lowercase().contains(expected), "{reason}");
    }
}

#[tokio::test]
async fn listener_that_cannot_open_is_told_and_the_rest_runs() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut settings = config(1);
    settings.listen = parse_listen(&format!("127.0.0.1:{port}")).unwrap();
    let cancel = tokio_util::sync::CancellationToken::new();
    let (_handle, mut events) = parlour_net::start(settings, cancel).unwrap();
    let (mut failed, mut listening) = (false, false);
    while !(failed && listening) {
        match events.recv().await.unwrap() {
            NetEvent::ListenerFailed { address, reason } => {
                assert!(address.to_string().contains("tcp") && reason.contains("in use"));
                failed = true;
            }
            NetEvent::Listening { address } => {
                assert!(address.to_string().contains("quic-v1"));
                listening = true;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn stopped_node_is_missed_at_once() {
    for kind in ["quic-v1", "tcp"] {
        let (a, mut b) = pair(kind).await;
        let peer = a.peer();
        a.cancel.cancel();
        b.disconnected(peer).await;
        a.handle.closed().await;
        let command = NetCommand::Disconnect { peer: b.peer() };
        assert_eq!(a.handle.send(command).await, Err(Closed));
    }
}

#[tokio::test]
async fn node_stops_when_its_last_handle_is_dropped() {
    let (a, mut b) = pair("tcp").await;
    let TestNode { handle, mut events, .. } = a;
    let peer = handle.local_peer();
    drop(handle);
    while events.recv().await.is_some() {}
    b.disconnected(peer).await;
}

#[tokio::test]
async fn blocked_peer_is_left_and_stays_out_until_unblocked() {
    let (mut a, mut b) = pair("tcp").await;
    b.send(NetCommand::Block { peer: a.peer() }).await;
    a.disconnected(b.peer()).await;
    b.disconnected(a.peer()).await;
    b.dial(&a, "tcp").await;
    let reason = b
        .wait(|event| match event {
            NetEvent::DialFailed { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .await;
    assert!(reason.contains("blocked"), "{reason}");
    b.send(NetCommand::Unblock { peer: a.peer() }).await;
    b.dial(&a, "tcp").await;
    a.connected(b.peer()).await;
    b.connected(a.peer()).await;
}

#[tokio::test]
async fn full_node_still_takes_protected_peers() {
    let mut full = config(2);
    full.limits = NetLimits {
        inbound: 1,
        ..NetLimits::default()
    };
    let (_a, mut b) = join(config(1), full, "tcp").await;
    let mut c = TestNode::start(3).await;
    c.dial(&b, "tcp").await;
    // The dialler's handshake may end before the refusal reaches it; either way there is no connection.
    c.wait(|event| match event {
        NetEvent::DialFailed { .. } | NetEvent::Disconnected { .. } => Some(()),
        _ => None,
    })
    .await;
    b.send(NetCommand::Protect { peer: c.peer() }).await;
    c.dial(&b, "tcp").await;
    b.connected(c.peer()).await;
}

/// Whether this process has a UDP socket on the mDNS port.
#[cfg(target_os = "linux")]
fn listens_to_mdns() -> bool {
    let own: Vec<String> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .collect();
    let table = fs::read_to_string("/proc/net/udp").unwrap();
    table.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[1].ends_with(":14E9") && own.contains(&format!("socket:[{}]", fields[9]))
    })
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn mdns_has_a_socket_only_when_it_is_on() {
    let quiet = TestNode::start(1).await;
    assert!(!listens_to_mdns());
    drop(quiet);
    // A machine without a network interface besides loopback has nothing to announce on.
    let others = fs::read_dir("/sys/class/net").unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name != "lo"
    });
    if others.count() == 0 {
        return;
    }
    let mut loud = config(2);
    loud.mdns = true;
    loud.listen = parse_listen("0.0.0.0:0").unwrap();
    let _loud = TestNode::with(loud).await;
    assert!(listens_to_mdns());
}
