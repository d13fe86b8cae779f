//! At our own protocols: sync streams and knocks.

use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Stream;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::length;
use crate::peer::BadPeer;
use crate::rpc::noise;
use crate::scene::{Scene, goes_on};

const SYNC: &str = "/parlour/sync/1";
const KNOCK: &str = "/parlour/knock/1";
const PEERS: usize = 20;
/// More than are allowed to one peer.
const STREAMS: usize = 6;

/// Peers with their streams to `ada`, all of one protocol.
async fn crowd(scene: &Scene, protocol: &'static str) -> Vec<(BadPeer, Vec<Stream>)> {
    let mut all = Vec::new();
    for _ in 0..PEERS {
        let peer = BadPeer::new();
        peer.connect(&scene.ada, scene.ada.quic()).await.unwrap();
        let mut streams = Vec::new();
        for _ in 0..STREAMS {
            streams.push(peer.open(&scene.ada, protocol).await.unwrap());
        }
        all.push((peer, streams));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_streams_are_opened_and_nobody_speaks() {
    let mut scene = Scene::new().await;
    scene
        .stands("silent sync streams", async |scene| {
            let before = scene.ada.refused("streams").await;
            let crowd = crowd(scene, SYNC).await;
            scene
                .ada
                .until_refused("streams", before, (PEERS * (STREAMS - 4)) as u64)
                .await;
            // Those that were let in are ended for their silence.
            scene
                .ada
                .until_refused("streams", before, (PEERS * STREAMS) as u64)
                .await;
            drop(crowd);
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_streams_promise_much_and_drip() {
    let mut scene = Scene::new().await;
    scene
        .stands("sync streams that promise much", async |scene| {
            let before = scene.ada.refused("streams").await;
            let beginnings: [Vec<u8>; 4] = [
                u32::MAX.to_be_bytes().to_vec(),
                (256 * 1024 + 65_u32).to_be_bytes().to_vec(),
                // As long as a frame may be, later on, and all but one byte of it.
                [&(256 * 1024_u32).to_be_bytes()[..], &noise(256 * 1024 - 1)].concat(),
                [&1_025_u32.to_be_bytes()[..], &noise(1_024)].concat(),
            ];
            let mut drips = JoinSet::new();
            for (peer, streams) in crowd(scene, SYNC).await {
                for (n, mut stream) in streams.into_iter().enumerate() {
                    let beginning = beginnings.get(n).cloned();
                    drips.spawn(async move {
                        match beginning {
                            // The node ends it: the rest is not written, or not read.
                            Some(bytes) => {
                                let _ = stream.write_all(&bytes).await;
                                let _ = stream.flush().await;
                                let _ = stream.read_to_end(&mut Vec::new()).await;
                            }
                            // A byte now and then.
                            None => {
                                let mut pace = interval(Duration::from_millis(500));
                                for byte in [0, 0, 3, 0].into_iter().chain(std::iter::repeat(7)) {
                                    pace.tick().await;
                                    if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
                                        return;
                                    }
                                }
                            }
                        }
                    });
                }
                // Its connection stays while its streams do.
                drips.spawn(async move {
                    let mut peer = peer;
                    peer.left_alone().await;
                });
            }
            scene.ada.until_refused("streams", before, (PEERS * 4) as u64).await;
            goes_on(length(), std::future::pending()).await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn knocks_are_too_many_too_long_or_never_end() {
    let mut scene = Scene::new().await;
    scene
        .stands("knocks", async |scene| {
            let before = scene.ada.refused("knocks").await;
            // Held at one byte below the limit, never ended.
            let mut held = crowd(scene, KNOCK).await;
            for (_, streams) in &mut held {
                for stream in streams.iter_mut() {
                    let write = async {
                        let _ = stream.write_all(&vec![7; 65_536]).await;
                        let _ = stream.flush().await;
                    };
                    goes_on(Duration::from_millis(50), write).await;
                }
            }
            // Too long by one byte: no answer. Nonsense of any other length: the one answer, until it is too often.
            let peer = BadPeer::new();
            peer.connect(&scene.ada, scene.ada.tcp()).await.unwrap();
            let ask = async |len: usize| {
                let mut stream = peer.open(&scene.ada, KNOCK).await.ok()?;
                stream.write_all(&noise(len)).await.ok()?;
                stream.close().await.ok()?;
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.ok()?;
                Some(answer.len())
            };
            assert!(ask(100).await > Some(0), "a knock is answered");
            assert!(ask(65_536).await > Some(0), "also the longest");
            assert!(matches!(ask(65_537).await, None | Some(0)));
            for _ in 0..400 {
                ask(100).await;
            }
            scene.ada.until_refused("knocks", before, 50).await;
        })
        .await;
}
