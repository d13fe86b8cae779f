//! At the listening ports: handshakes that do not end, and connections that come and go.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::length;
use crate::node::Node;
use crate::peer::BadPeer;
use crate::raw::Raw;
use crate::scene::{Scene, goes_on};

const HUNDREDS: usize = 300;
/// New names that come and go in all, and at once.
const VISITORS: usize = 300;
const AT_ONCE: usize = 16;

/// Another host than the contact's, as far as the node can see.
async fn from_elsewhere(node: &Node) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    socket
        .connect(SocketAddr::from(([127, 0, 0, 1], node.port)))
        .await
        .unwrap()
}

/// Connections that say nothing, or begin and say no more.
async fn half_open(node: &Node) -> Vec<TcpStream> {
    let mut sockets = Vec::new();
    for n in 0..HUNDREDS {
        let mut socket = from_elsewhere(node).await;
        let beginnings: [&[u8]; 3] = [
            b"",
            b"\x13/multistream/1.0.0\n",
            b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x20half",
        ];
        // The node may have hung up already.
        let _ = socket.write_all(beginnings[n % 3]).await;
        sockets.push(socket);
    }
    sockets
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_handshakes_stay_half_open() {
    let mut scene = Scene::new().await;
    scene
        .stands("half-open TCP", async |scene| {
            let mut held = Vec::new();
            for node in scene.nodes() {
                let before = node.refused("handshakes").await;
                held.push(half_open(node).await);
                node.until_refused("handshakes", before, HUNDREDS as u64 - 64).await;
            }
            goes_on(length(), std::future::pending()).await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contact_comes_back_while_all_places_for_handshakes_are_taken() {
    let mut scene = Scene::new().await;
    scene.be_silent().await;
    let before = [
        scene.ada.refused("handshakes").await,
        scene.bo.refused("handshakes").await,
    ];
    let held = [half_open(&scene.ada).await, half_open(&scene.bo).await];
    for (node, before) in scene.nodes().into_iter().zip(before) {
        node.until_refused("handshakes", before, HUNDREDS as u64 - 64).await;
    }
    scene.bo.kill();
    scene.bo.start().await;
    let again = half_open(&scene.bo).await;
    // It panics if they do not talk again.
    scene.talk_on().await;
    drop((held, again));
    scene
        .stands("after a return", async |_| {
            goes_on(length(), std::future::pending()).await
        })
        .await;
}

/// Passes the first packets of a QUIC handshake on and never an answer.
async fn one_way(node: &Node) -> SocketAddr {
    let inner = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let at = inner.local_addr().unwrap();
    let to = SocketAddr::from(([127, 0, 0, 1], node.port));
    tokio::spawn(async move {
        let outer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut room = [0; 2_048];
        while let Ok((len, _)) = inner.recv_from(&mut room).await {
            let _ = outer.send_to(&room[..len], to).await;
        }
    });
    at
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_quic_handshakes_get_no_second_packet() {
    let mut scene = Scene::new().await;
    scene
        .stands("half-open QUIC", async |scene| {
            let before = scene.ada.refused("handshakes").await;
            let mut work = JoinSet::new();
            for _ in 0..HUNDREDS {
                let way = one_way(&scene.ada).await;
                let address = format!("/ip4/127.0.0.1/udp/{}/quic-v1", way.port()).parse().unwrap();
                let (peer, id) = (BadPeer::new(), scene.ada.peer);
                work.spawn(async move {
                    // Nobody ever answers.
                    let _ = peer.dial(id, address).await;
                });
            }
            goes_on(length(), async { while work.join_next().await.is_some() {} }).await;
            scene.ada.until_refused("handshakes", before, 100).await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_come_and_go_by_the_hundred() {
    let mut scene = Scene::new().await;
    scene
        .stands("connection churn", async |scene| {
            let before = [
                scene.ada.refused("connections").await,
                scene.bo.refused("connections").await,
            ];
            let enough = async |node: &Node, before: u64| node.refused("connections").await >= before + 50;
            let mut visitors = 0;
            // Fast enough to be too fast, on any machine in the end.
            while visitors < VISITORS || !(enough(&scene.ada, before[0]).await && enough(&scene.bo, before[1]).await) {
                let mut work = JoinSet::new();
                for n in 0..AT_ONCE {
                    for node in scene.nodes() {
                        let address = if n % 2 == 0 { node.tcp() } else { node.quic() };
                        let (peer, id) = (BadPeer::new(), node.peer);
                        work.spawn(async move {
                            // Refused, from some time on.
                            let _ = peer.dial(id, address).await;
                        });
                        visitors += 1;
                    }
                }
                while work.join_next().await.is_some() {}
            }
            for (node, before) in scene.nodes().into_iter().zip(before) {
                node.until_refused("connections", before, 50).await;
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_stuffed_with_streams_that_nobody_reads() {
    let mut scene = Scene::new().await;
    scene
        .stands("stuffed connections", async |scene| {
            let mut held = Vec::new();
            let mut connections = Vec::new();
            let mut written = 0;
            for _ in 0..4 {
                let raw = Raw::connect(scene.ada.tcp()).await;
                // More than are allowed: the node answers that with an end of the connection.
                for _ in 0..crate::raw::MANY {
                    let Some(mut stream) = raw.open().await else { break };
                    let stuff = [&b"\x13/multistream/1.0.0\n"[..], &[0xff, 0x7f], &vec![b'x'; 200_000]].concat();
                    let write = async {
                        use futures::AsyncWriteExt as _;
                        let _ = stream.write_all(&stuff).await;
                        let _ = stream.flush().await;
                    };
                    goes_on(std::time::Duration::from_millis(20), write).await;
                    written += 1;
                    held.push(stream);
                }
                connections.push(raw);
            }
            assert!(written >= 40, "{written}");
            goes_on(length(), std::future::pending()).await;
        })
        .await;
}
