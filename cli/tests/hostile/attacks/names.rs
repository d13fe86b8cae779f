//! With names: of others, of nobody, and addresses of whoever is to be called.

use std::net::{SocketAddr, TcpListener};

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};

use crate::forged;
use crate::peer::BadPeer;
use crate::rpc::{bytes, varint};
use crate::scene::Scene;

/// The public key inside of a peer id, as libp2p writes it.
fn key_of(peer: &PeerId) -> Vec<u8> {
    peer.to_bytes()[2..].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_claims_to_be_the_contact() {
    let mut scene = Scene::new().await;
    scene
        .stands("forged identities", async |scene| {
            let to = SocketAddr::from(([127, 0, 0, 1], scene.ada.port));
            let own = Keypair::generate_ed25519();
            // The same handshake with a name of one's own is taken, so it is the name that is refused.
            assert!(
                forged::handshake(to, &own.public().encode_protobuf(), &own)
                    .await
                    .unwrap()
            );
            for _ in 0..100 {
                let believed = forged::handshake(to, &key_of(&scene.bo.peer), &own).await.unwrap();
                assert!(!believed, "a stranger passed for a contact");
                let believed = forged::handshake(to, b"\x08\x01\x12\x20no key of anybody", &own)
                    .await
                    .unwrap();
                assert!(!believed);
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_answers_where_the_contact_was() {
    let mut scene = Scene::new().await;
    scene.be_silent().await;
    let places = [scene.bo.tcp(), scene.bo.quic()];
    scene.bo.kill();
    let mut impostors: Vec<BadPeer> = places.into_iter().map(|at| BadPeer::listening_on(Some(at))).collect();
    for impostor in &mut impostors {
        impostor.listens().await;
    }
    let shown = |stats: &serde_json::Value| {
        let failed = stats["unreachable"].as_array().unwrap().iter();
        failed
            .filter_map(|one| one["reason"].as_str())
            .any(|reason| reason.contains("another peer"))
    };
    scene.ada.until("who is there instead", shown).await;
    assert_eq!(scene.ada.api.stats().await["peers"].as_array().unwrap().len(), 0);
    drop(impostors);
    scene.bo.start().await;
    scene.talk_on().await;
    scene
        .stands("after an impostor", async |_| {
            crate::scene::goes_on(crate::length(), std::future::pending()).await;
        })
        .await;
}

/// What identify says, with these addresses.
fn identity(peer: &BadPeer, listen: &[Multiaddr], observed: &Multiaddr) -> Vec<u8> {
    let mut body = [
        bytes(1, &peer.key.encode_protobuf()),
        bytes(5, b"/parlour/1"),
        bytes(6, b"bad/1"),
        bytes(4, &observed.to_vec()),
    ]
    .concat();
    body.extend(listen.iter().flat_map(|address| bytes(2, &address.to_vec())));
    [varint(body.len() as u64), body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_of_others_are_told_by_the_hundred() {
    let mut scene = Scene::new().await;
    let victim = TcpListener::bind("127.0.0.1:0").unwrap();
    victim.set_nonblocking(true).unwrap();
    let victims: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", victim.local_addr().unwrap().port())
        .parse()
        .unwrap();
    let mut listen: Vec<Multiaddr> = [
        "/ip4/0.0.0.0/tcp/1",
        "/ip4/255.255.255.255/tcp/1",
        "/ip6/::/tcp/1",
        "/ip6/::1/tcp/22",
    ]
    .map(|text| text.parse().unwrap())
    .to_vec();
    listen.push(victims.clone());
    listen.extend((1..240_u16).map(|n| format!("/ip4/192.0.2.1/tcp/{n}").parse().unwrap()));
    scene
        .stands("identify", async |scene| {
            for node in scene.nodes() {
                let before = node.refused("addresses").await;
                let peer = BadPeer::new();
                let mut asked = peer.accept("/ipfs/id/1.0.0");
                peer.connect(node, node.tcp()).await.unwrap();
                // The node asks by itself.
                let (_, mut stream) = tokio::time::timeout(crate::PATIENCE, asked.next())
                    .await
                    .unwrap()
                    .unwrap();
                stream.write_all(&identity(&peer, &listen, &victims)).await.unwrap();
                stream.close().await.unwrap();
                for n in 1..=400_u16 {
                    let observed = format!("/ip4/192.0.2.2/tcp/{n}").parse().unwrap();
                    let Ok(mut push) = peer.open(node, "/ipfs/id/push/1.0.0").await else {
                        break;
                    };
                    let _ = push.write_all(&identity(&peer, &listen, &observed)).await;
                    let _ = push.close().await;
                    let _ = push.read(&mut [0]).await;
                }
                // More than identify reads at all.
                let mut push = peer.open(node, "/ipfs/id/push/1.0.0").await.unwrap();
                let _ = push
                    .write_all(&identity(&peer, &vec![victims.clone(); 10_000], &victims))
                    .await;
                let _ = push.read(&mut [0]).await;
                node.until_refused("addresses", before, 100).await;
            }
        })
        .await;
    // Peers come and go meanwhile, and nobody was called.
    assert!(victim.accept().is_err(), "a node dialled for a stranger");
}
