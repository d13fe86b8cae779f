//! At gossip: orders, names, frames, floods, and neighbours that say nothing.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use crate::gossip::Neighbour;
use crate::node::{Node, Place};
use crate::rpc::{self, Said, noise, topic, varint};
use crate::scene::{Scene, goes_on, per_second};
use crate::{length, measured};

/// Neighbours that flood, and how many envelopes a second each sends: within its own rate.
const FLOODERS: usize = 14;
const EACH_PER_SECOND: u32 = 400;
/// Between two frames of one of them.
const FLOOD_PACE: Duration = Duration::from_millis(50);
/// What is written to each node, envelopes a second: where it is measured, and on a machine that does other things besides.
const FLOOD_PER_SECOND: (u64, u64) = (5_000, 2_500);
const SYBILS: usize = 20;
/// Heartbeats of a node are 0.7 s apart.
const TWO_HEARTBEATS: Duration = Duration::from_millis(1_400);

async fn refused(scene: &Scene, what: &str) -> [u64; 2] {
    [scene.ada.refused(what).await, scene.bo.refused(what).await]
}

#[tokio::test(flavor = "multi_thread")]
async fn back_off_of_prune_is_zero_one_and_at_the_limits_of_integers() {
    let mut scene = Scene::new().await;
    scene
        .stands("PRUNE", async |scene| {
            for node in scene.nodes() {
                prunes(node).await;
            }
        })
        .await;
}

async fn prunes(node: &Node) {
    let mut neighbour = Neighbour::of(node).await;
    let all = async |neighbour: &mut Neighbour| {
        let mut grafted = std::collections::BTreeSet::new();
        while grafted.len() < usize::from(rpc::TOPICS) {
            grafted.insert(neighbour.grafted().await);
        }
    };
    all(&mut neighbour).await;
    // A short one is obeyed: the node asks again once it is over, and not before. That takes the two heartbeats of its expiry.
    for seconds in [0, 1] {
        neighbour.forget();
        let prunes: Vec<Vec<u8>> = rpc::all_topics()
            .iter()
            .map(|t| rpc::prune(t, &varint(seconds)))
            .collect();
        let start = Instant::now();
        neighbour.say(&[rpc::control(&prunes)]).await.unwrap();
        all(&mut neighbour).await;
        assert!(start.elapsed() >= Duration::from_secs(seconds), "{seconds}");
    }
    let limits = [
        121,
        3_600,
        3_601,
        u64::from(u32::MAX),
        1 << 32,
        (1 << 53) + 1,
        i64::MAX as u64 - 1,
        i64::MAX as u64,
        1 << 63,
        u64::MAX - 1,
        u64::MAX,
    ];
    let before = node.refused("gossip_control").await;
    for seconds in limits {
        neighbour
            .say(&[rpc::control(&[rpc::prune(&topic(0), &varint(seconds))])])
            .await
            .unwrap();
    }
    neighbour
        .say(&[rpc::control(&[rpc::prune_with_peers(
            &topic(0),
            &vec![node.peer.to_bytes(); 50],
        )])])
        .await
        .unwrap();
    node.until_refused("gossip_control", before, limits.len() as u64 + 1)
        .await;
    // And two heartbeats later the neighbour is one still.
    let start = Instant::now();
    neighbour.forget();
    neighbour
        .say(&[rpc::control(&[rpc::prune(&topic(1), &varint(0))])])
        .await
        .unwrap();
    neighbour.grafted().await;
    neighbour
        .say(&[rpc::control(&[rpc::prune(&topic(1), &varint(0))])])
        .await
        .unwrap();
    neighbour.grafted().await;
    assert!(start.elapsed() >= TWO_HEARTBEATS && neighbour.peer.is_connected());
    // Eleven bytes are no number: the stream ends.
    neighbour
        .say(&[rpc::control(&[rpc::prune(&topic(0), &[0xff; 11])])])
        .await
        .unwrap();
    neighbour.cut_off().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_topics_are_named() {
    let mut scene = Scene::new().await;
    let names: Vec<String> = (0..10_000).map(|n| format!("/parlour/1/s/{}", n + 8)).collect();
    scene
        .stands("10 000 topics", async |scene| {
            for node in scene.nodes() {
                let before = node.refused("gossip_topics").await;
                let mut neighbour = Neighbour::stranger(node, true).await;
                for some in names.chunks(400) {
                    let subscriptions: Vec<Vec<u8>> = some.iter().map(|name| rpc::subscribe(name)).collect();
                    neighbour.say(&subscriptions).await.unwrap();
                    let grafts: Vec<Vec<u8>> = some.iter().take(40).map(|name| rpc::graft(name)).collect();
                    neighbour.say(&[rpc::control(&grafts)]).await.unwrap();
                }
                // What comes after them counts all the same.
                let real: Vec<Vec<u8>> = rpc::all_topics().iter().map(|name| rpc::subscribe(name)).collect();
                neighbour.say(&real).await.unwrap();
                // The bucket is empty by now: until it fills, the node does not hear.
                let mut again = interval(Duration::from_millis(200));
                let grafted = |said: &Said| matches!(said, Said::Graft(_)).then_some(());
                while neighbour
                    .hear_within(Duration::from_millis(100), grafted)
                    .await
                    .is_none()
                {
                    again.tick().await;
                    neighbour.say(&real).await.unwrap();
                }
                let mut other = Neighbour::stranger(node, true).await;
                for some in names.chunks(100) {
                    let messages: Vec<Vec<u8>> = some.iter().map(|name| rpc::message(name, &envelope(None))).collect();
                    other.say(&messages).await.unwrap();
                }
                node.until_refused("gossip_topics", before, 10_000).await;
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offers_and_wishes_are_bogus() {
    let mut scene = Scene::new().await;
    scene
        .stands("IHAVE, IWANT, IDONTWANT", async |scene| {
            let before = refused(scene, "gossip_control").await;
            for node in scene.nodes() {
                let mut neighbour = Neighbour::of(node).await;
                let (_, data) = neighbour.envelope().await;
                // What is there is given a few times, not as often as asked.
                let id = blake3::hash(&data).as_bytes().to_vec();
                for _ in 0..200 {
                    neighbour
                        .say(&[rpc::control(&[rpc::iwant(std::slice::from_ref(&id))])])
                        .await
                        .unwrap();
                }
                // What is nowhere is asked for, so this one has arrived, and is missed.
                let ids: Vec<Vec<u8>> = (0..300).map(|_| noise(32)).collect();
                neighbour
                    .say(&[rpc::control(&[rpc::ihave(&topic(0), &ids)])])
                    .await
                    .unwrap();
                let asked = neighbour.hear("an IWANT", |said| match said {
                    Said::IWant(asked) => Some(asked.clone()),
                    _ => None,
                });
                assert!(asked.await.iter().all(|id| ids.contains(id)));
                let copies = async {
                    let same = |said: &Said| matches!(said, Said::Message(_, other) if *other == data).then_some(());
                    let mut copies = 0;
                    while neighbour.hear_within(Duration::from_millis(100), same).await.is_some() {
                        copies += 1;
                    }
                    copies
                };
                assert!((1..=4).contains(&copies.await));
            }
            let mut work = JoinSet::new();
            for node in scene.nodes() {
                for _ in 0..4 {
                    let mut liar = Neighbour::of(node).await;
                    work.spawn(async move {
                        let long = noise(8_000);
                        let tiny: Vec<Vec<u8>> = (0..3_000).map(|_| noise(3)).collect();
                        let mut pace = interval(Duration::from_millis(50));
                        for round in 0_u64.. {
                            pace.tick().await;
                            let many: Vec<Vec<u8>> = (0..200).map(|_| noise(32)).collect();
                            let order = match round % 4 {
                                0 => rpc::ihave(&topic((round % 8) as u8), &many),
                                1 => rpc::iwant(&tiny),
                                2 => rpc::ihave(&topic(3), &[long.clone(), noise(6_000)]),
                                _ => rpc::idontwant(&[noise(8_000)]),
                            };
                            // An error means that the node has left, which is right.
                            if liar.say(&[rpc::control(&[order])]).await.is_err() {
                                return;
                            }
                        }
                    });
                }
            }
            goes_on(length(), async { while work.join_next().await.is_some() {} }).await;
            for (node, before) in scene.nodes().into_iter().zip(before) {
                node.until_refused("gossip_control", before, 20).await;
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_longer_than_allowed() {
    let mut scene = Scene::new().await;
    scene
        .stands("frames of 64 KiB + 1", async |scene| {
            for node in scene.nodes() {
                let mut neighbour = Neighbour::of(node).await;
                let long = [varint(65_537), vec![0x0a; 65_537]].concat();
                let promised = [varint(u64::MAX), vec![0x0a; 70_000]].concat();
                // The largest that would be allowed, and one more of everything in it.
                let orders = rpc::frame(&[rpc::control(&[rpc::iwant(&vec![noise(32); 600])])]);
                let crowd = rpc::frame(&vec![rpc::message(&topic(0), b"x"); 129]);
                for bytes in [long, promised, orders, crowd] {
                    // The node may hang up before the end.
                    let _ = neighbour.say_raw(&bytes).await;
                    neighbour.cut_off().await;
                    // After five tries the node does not listen to this connection's gossip any more.
                    if neighbour.begin_again(node).await.is_err() {
                        break;
                    }
                }
            }
            goes_on(length(), std::future::pending()).await;
        })
        .await;
}

/// A well-formed envelope that nobody sealed: with the tag of a real one it is tried by its recipient.
fn envelope(like: Option<&[u8]>) -> Vec<u8> {
    let mut data = noise(512);
    match like {
        Some(real) => data[..11].copy_from_slice(&real[..11]),
        None => {
            let day = std::fs::metadata("/proc/self").unwrap().modified().unwrap();
            let day = day.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 86_400;
            data[0] = 1;
            data[1..3].copy_from_slice(&(day as u16).to_be_bytes());
        }
    }
    data
}

/// Envelopes at a rate that is allowed, from the `n`th neighbour of a node. What was late is made up for.
async fn flood(mut flooder: Neighbour, place: Place, (topic, real): (String, Vec<u8>), n: usize) {
    // One after the other, so that what all of them write comes evenly.
    let turn = FLOOD_PACE * n as u32 / FLOODERS as u32;
    let mut pace = interval_at(Instant::now() + turn, FLOOD_PACE);
    let tagged = n.is_multiple_of(2);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        pace.tick().await;
        let some = (0..EACH_PER_SECOND / 20).map(|_| rpc::message(&topic, &envelope(tagged.then_some(&real))));
        let some: Vec<Vec<u8>> = some.collect();
        while flooder.say(&some).await.is_err() {
            // Thrown out, for instance because it takes less than it gives: back, under another name.
            if let Ok(again) = Neighbour::attempt(place.clone(), true).await {
                flooder = again;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_envelopes_come_a_second() {
    let mut scene = Scene::new().await;
    let length = length().max(Duration::from_secs(5));
    scene
        .stands("flood of 5 000 envelopes/s to each", async |scene| {
            let (rate, floods) = (refused(scene, "gossip_rate").await, refused(scene, "floods").await);
            let mut flooders = Vec::new();
            for node in scene.nodes() {
                for n in 0..FLOODERS {
                    let mut flooder = Neighbour::of(node).await;
                    let like = flooder.envelope().await;
                    flooders.push(flood(flooder, node.place(), like, n));
                }
            }
            let written = scene.nodes().map(Node::written);
            let start = Instant::now();
            let mut work: JoinSet<()> = flooders.into_iter().collect();
            // And one that does not care, and comes back under a new name each time it is thrown out, which it has to be.
            let crowd = rpc::frame(&vec![rpc::message(&topic(0), b"x"); 128]);
            let mut thrown_out = 0;
            while thrown_out == 0 || start.elapsed() < length {
                let Ok(mut flooder) = Neighbour::attempt(scene.ada.place(), true).await else {
                    continue;
                };
                while flooder.say_raw(&crowd).await.is_ok() && (thrown_out == 0 || start.elapsed() < length) {}
                thrown_out += usize::from(!flooder.peer.is_connected());
            }
            work.abort_all();
            let time = start.elapsed();
            let written = [0, 1].map(|at| scene.nodes()[at].written() - written[at]);
            let offered = written.map(|count| per_second(count, time));
            eprintln!("the flood alone: {} s, {offered:?} envelopes/s written", time.as_secs());
            let (promised, busy) = FLOOD_PER_SECOND;
            let least = if measured() { promised } else { busy };
            assert!(offered.iter().all(|rate| *rate >= least), "{offered:?} envelopes/s");
            // It has arrived and was too much: strangers together are given a tenth. At ada the one that does not care counts, too.
            for (at, node) in scene.nodes().into_iter().enumerate() {
                node.until_refused("gossip_rate", rate[at], written[at] / 2).await;
            }
            scene.ada.until_refused("floods", floods[0], 1).await;
            for node in scene.nodes() {
                node.until("envelopes tried in vain", |stats| {
                    stats["counters"]["unopened_envelopes"].as_u64() > Some(20)
                })
                .await;
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_silent_sybils_surround_two_honest_peers() {
    let mut scene = Scene::new().await;
    scene
        .stands("20 silent sybils", async |scene| {
            let mut sybils = Vec::new();
            for n in 0..SYBILS {
                for node in scene.nodes() {
                    // Every second one takes what it is sent and never reads it.
                    let mut sybil = Neighbour::stranger(node, n % 2 == 0).await;
                    let topics = rpc::all_topics();
                    let hello: Vec<Vec<u8>> = topics.iter().map(|topic| rpc::subscribe(topic)).collect();
                    sybil.say(&hello).await.unwrap();
                    let grafts: Vec<Vec<u8>> = topics.iter().map(|topic| rpc::graft(topic)).collect();
                    sybil.say(&[rpc::control(&grafts)]).await.unwrap();
                    sybils.push(sybil);
                }
            }
            for node in scene.nodes() {
                let all = |stats: &serde_json::Value| stats["peers"].as_array().unwrap().len() == SYBILS + 1;
                node.until("all sybils", all).await;
            }
            // They are in its meshes: it passes envelopes to them.
            sybils[0].envelope().await;
            // Something large to hold back, at the rate of one that is not thrown out.
            let mut feeder = Neighbour::of(&scene.ada).await;
            let feed = async {
                let mut pace = interval(Duration::from_millis(100));
                loop {
                    pace.tick().await;
                    let mut large = noise(49_152);
                    large[..11].copy_from_slice(&envelope(None)[..11]);
                    feeder.say(&[rpc::message(&topic(0), &large)]).await.unwrap();
                }
            };
            goes_on(length(), feed).await;
        })
        .await;
}
