//! Bytes from strangers on the listening ports.

use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _, FutureExt as _, StreamExt as _};
use libp2p::{StreamProtocol, SwarmBuilder, noise, swarm::SwarmEvent, tcp, yamux};
use parlour_net::NetEvent;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use crate::harness::{TestNode, pair};

/// Bytes that look random and are the same in each run.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_be_bytes());
    let mut out = vec![0; len];
    hasher.finalize_xof().fill(&mut out);
    out
}

fn multistream(line: &str) -> Vec<u8> {
    let mut out = vec![u8::try_from(line.len() + 1).unwrap()];
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
    out
}

/// Reads until the node hangs up; the node may also have reset the connection.
async fn until_closed(socket: &mut TcpStream) {
    let mut sink = [0; 4096];
    let drained = async { while !matches!(socket.read(&mut sink).await, Ok(0) | Err(_)) {} };
    timeout(Duration::from_secs(15), drained)
        .await
        .expect("the node hangs up on nonsense");
}

async fn honest_traffic_flows(a: &mut TestNode, b: &mut TestNode, label: &str) {
    a.publish_to_someone(0, label.to_owned()).await;
    loop {
        if b.envelope().await.0 == label {
            return;
        }
    }
}

#[tokio::test]
async fn nonsense_over_tcp_is_hung_up_on() {
    let (mut a, mut b) = pair("tcp").await;
    let target = ("127.0.0.1", b.port("tcp"));
    let mut openings = vec![
        noise(1, 100_000),
        vec![0xff; 100_000],
        vec![0; 100_000],
        multistream("/multistream/1.0.0"),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
    ];
    // Nonsense where the noise handshake should be, and a handshake message that promises 64 KiB.
    for rest in [noise(2, 70_000), vec![0xff; 70_000]] {
        let mut bytes = multistream("/multistream/1.0.0");
        bytes.extend(multistream("/noise"));
        bytes.extend(rest);
        openings.push(bytes);
    }
    for bytes in openings {
        let mut socket = TcpStream::connect(target).await.unwrap();
        // An error means that the node has hung up before the end.
        let _ = socket.write_all(&bytes).await;
        let _ = socket.shutdown().await;
        until_closed(&mut socket).await;
    }
    honest_traffic_flows(&mut a, &mut b, "after tcp").await;
}

#[tokio::test]
async fn nonsense_over_udp_is_ignored() {
    let (mut a, mut b) = pair("quic-v1").await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(("127.0.0.1", b.port("quic-v1"))).await.unwrap();
    for seed in 0..2000 {
        let mut packet = noise(seed, 1200);
        if seed % 2 == 0 {
            // A long header of QUIC version 1.
            packet[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
        }
        let _ = socket.send(&packet).await;
    }
    honest_traffic_flows(&mut a, &mut b, "after udp").await;
    let mut c = TestNode::start(3).await;
    c.dial(&b, "quic-v1").await;
    c.connected(b.peer()).await;
}

#[tokio::test]
async fn half_open_handshakes_do_not_stop_those_who_are_connected_nor_last() {
    let (mut a, mut b) = pair("tcp").await;
    let target = ("127.0.0.1", b.port("tcp"));
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(target).await.unwrap());
    }
    honest_traffic_flows(&mut a, &mut b, "while they hang").await;
    for socket in &mut silent {
        until_closed(socket).await;
    }
    let mut c = TestNode::start(3).await;
    c.dial(&b, "tcp").await;
    c.connected(b.peer()).await;
}

/// Resident memory of this process.
#[cfg(target_os = "linux")]
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn thousands_of_bad_connections_leave_no_memory_behind() {
    let (mut a, mut b) = pair("tcp").await;
    let target = ("127.0.0.1", b.port("tcp"));
    let round = async |rounds: u64| {
        for seed in 0..rounds {
            let mut socket = TcpStream::connect(target).await.unwrap();
            let _ = socket.write_all(&noise(seed, 5000)).await;
            let _ = socket.shutdown().await;
            until_closed(&mut socket).await;
        }
    };
    // Warm up: allocators and caches keep what they once had.
    round(300).await;
    let before = resident_bytes();
    round(2000).await;
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "grew by {grown} bytes");
    honest_traffic_flows(&mut a, &mut b, "after the churn").await;
}

/// A peer that handshakes properly and then talks nonsense on each of our protocols.
#[tokio::test]
async fn nonsense_after_negotiation_ends_its_stream_only() {
    let (mut a, mut b) = pair("tcp").await;
    let mut enemy = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    let mut control = enemy.behaviour().new_control();
    enemy.dial(b.address("tcp")).unwrap();
    while !matches!(enemy.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
    tokio::spawn(async move {
        loop {
            enemy.select_next_some().await;
        }
    });
    let openings: [(&str, Vec<u8>); 9] = [
        // A frame that promises 4 GiB, one a byte too long, and noise.
        ("/parlour/sync/1", vec![0xff; 100]),
        ("/parlour/sync/1", [&[0, 4, 0, 65][..], &[0; 9]].concat()),
        ("/parlour/sync/1", noise(1, 300_000)),
        ("/parlour/knock/1", noise(2, 300_000)),
        ("/parlour/mesh/1.1.0", noise(3, 300_000)),
        ("/parlour/mesh/1.1.0", vec![0xff; 300_000]),
        ("/ipfs/id/push/1.0.0", noise(4, 300_000)),
        ("/ipfs/ping/1.0.0", noise(5, 31)),
        ("/ipfs/ping/1.0.0", noise(6, 3200)),
    ];
    for (protocol, bytes) in openings {
        let protocol = StreamProtocol::new(protocol);
        let opened = control.open_stream(b.peer(), protocol.clone()).await;
        // Gossip closes the connection's gossip for good after an error; the second try may be refused.
        let Ok(mut stream) = opened else { continue };
        // Errors mean that the node has ended the stream, which is what it should do.
        let talk = async {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.close().await;
            if protocol.as_ref().starts_with("/parlour/sync") {
                let mut sink = Vec::new();
                let _ = stream.read_to_end(&mut sink).await;
            }
        };
        timeout(Duration::from_secs(15), talk)
            .await
            .unwrap_or_else(|_| panic!("the stream of {protocol} hangs after {:?}", &bytes[..8]));
    }
    assert!(
        control
            .open_stream(b.peer(), StreamProtocol::new("/parlour/none/1"))
            .await
            .is_err()
    );
    for _ in 0..3 {
        let stream = b.inbound_stream().await;
        b.stream_closed(stream).await;
    }
    honest_traffic_flows(&mut a, &mut b, "after the enemy").await;
    let knocked = b.wait(|event| matches!(event, NetEvent::Request { .. }).then_some(()));
    assert!(knocked.now_or_never().is_none(), "an oversized knock is dropped");
}
