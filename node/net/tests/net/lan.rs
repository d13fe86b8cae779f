//! Announcements on the LAN by whoever likes to.

use std::net::{IpAddr, UdpSocket};

use libp2p::{PeerId, identity::Keypair};
use parlour_net::{NetEvent, parse_listen};
use tokio::time::{Instant, interval};

use crate::harness::{PATIENCE, TestNode, config};

const GROUP: (&str, u16) = ("224.0.0.251", 5353);
/// More than a node keeps.
const PEERS: u16 = 700;

/// A name of the DNS.
fn name(labels: &[&str]) -> Vec<u8> {
    let mut out: Vec<u8> = labels
        .iter()
        .flat_map(|label| [&[u8::try_from(label.len()).unwrap()][..], label.as_bytes()].concat())
        .collect();
    out.push(0);
    out
}

fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).unwrap();
    // Class IN, and 136 years to live.
    let head = [
        &kind.to_be_bytes()[..],
        &[0, 1],
        &u32::MAX.to_be_bytes(),
        &len.to_be_bytes(),
    ]
    .concat();
    [owner, &head, data].concat()
}

/// An answer that nobody asked for: `peer` is at `port` of whoever sends this.
fn announcement(peer: &PeerId, port: u16) -> Vec<u8> {
    let service = name(&["_p2p", "_udp", "local"]);
    let instance = name(&[&port.to_string(), "local"]);
    let text = format!("dnsaddr=/ip4/192.0.2.99/tcp/{port}/p2p/{peer}");
    let text = [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    let header = [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    let (pointer, addresses) = (record(&service, 12, &instance), record(&instance, 16, &text));
    [&header[..], &pointer, &addresses].concat()
}

/// The address of an interface besides loopback, if there is one.
fn lan_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect(GROUP).ok()?;
    let own = socket.local_addr().unwrap().ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}

#[tokio::test]
async fn flood_of_announcements_switches_discovery_off_and_nothing_else() {
    // A machine without a network interface besides loopback has nothing to announce on.
    let Some(own) = lan_address() else { return };
    let mut loud = config(1);
    loud.mdns = true;
    loud.listen = parse_listen("0.0.0.0:0").unwrap();
    let (handle, mut events) = parlour_net::start(loud, Default::default()).unwrap();
    let refused = handle.refused();
    let address = loop {
        let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        match event {
            NetEvent::Listening { address } if address.to_string().contains("127.0.0.1/tcp") => break address,
            _ => {}
        }
    };
    let socket = UdpSocket::bind((own, 0)).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut pace = interval(std::time::Duration::from_millis(2));
    let (mut told, mut port) = (0, 0);
    while refused.so_far().discovery == 0 {
        assert!(
            Instant::now() < deadline,
            "{told} were discovered, {:?}",
            refused.so_far()
        );
        pace.tick().await;
        port = port % PEERS + 1;
        let peer = Keypair::generate_ed25519().public().to_peer_id();
        socket.send_to(&announcement(&peer, port), GROUP).unwrap();
        while let Ok(event) = events.try_recv() {
            if let NetEvent::DiscoveredLan { addresses, .. } = event {
                // Where the announcement came from, whatever it says.
                assert!(
                    addresses
                        .iter()
                        .all(|address| address.to_string().contains(&own.to_string()))
                );
                told += 1;
            }
        }
    }
    assert!(told > 0, "none of them has arrived");
    assert_eq!(refused.so_far().discovery, 1);
    let mut b = TestNode::start(2).await;
    let peer = handle.local_peer();
    b.send(parlour_net::NetCommand::Dial {
        peer,
        addresses: vec![address],
    })
    .await;
    b.connected(peer).await;
}
