//! Publishing, verdicts, rates.

use std::time::Duration;

use bytes::Bytes;
use parlour_net::{MAX_GOSSIP_BYTES, NetCommand, NetEvent, NetLimits, PublishResult};
use tokio::time::timeout;

use crate::harness::{TestNode, config, join, pair};

async fn publish(node: &mut TestNode, topic: u8, data: impl Into<Bytes>) -> PublishResult {
    let (token, data) = (7, data.into());
    node.send(NetCommand::Publish { topic, data, token }).await;
    node.published(token).await
}

#[tokio::test]
async fn published_message_arrives_once_with_its_topic_and_neighbour() {
    for kind in ["quic-v1", "tcp"] {
        let (mut a, mut b) = pair(kind).await;
        a.publish_to_someone(5, "hello").await;
        let (data, source, topic) = b.envelope().await;
        assert_eq!((&data[..], source, topic), (&b"hello"[..], a.peer(), 5));
        assert_eq!(publish(&mut a, 5, "hello").await, PublishResult::Duplicate);
        assert_eq!(publish(&mut a, 5, "next").await, PublishResult::Sent { peers: 1 });
        let (data, ..) = b.envelope().await;
        assert_eq!(&data[..], b"next");
    }
}

#[tokio::test]
async fn publication_results_name_the_cause() {
    let mut a = TestNode::start(1).await;
    assert_eq!(publish(&mut a, 0, "x").await, PublishResult::NoPeers);
    assert_eq!(publish(&mut a, 8, "x").await, PublishResult::UnknownTopic);
    let large = vec![0; MAX_GOSSIP_BYTES + 1];
    assert_eq!(publish(&mut a, 0, large).await, PublishResult::TooLarge);
}

#[tokio::test]
async fn largest_message_arrives() {
    let (mut a, mut b) = pair("tcp").await;
    a.publish_to_someone(0, vec![1; MAX_GOSSIP_BYTES]).await;
    assert_eq!(b.envelope().await.0.len(), MAX_GOSSIP_BYTES);
}

#[tokio::test]
async fn rejected_and_ignored_messages_are_neither_delivered_nor_forwarded() {
    // a — b — c: c hears of a only through b.
    let (mut a, mut b) = pair("tcp").await;
    let mut c = TestNode::start(3).await;
    c.dial(&b, "tcp").await;
    b.connected(c.peer()).await;
    b.publish_to_someone(0, "a and c are subscribed").await;
    a.publish_to_someone(0, "b is subscribed").await;
    for data in ["rejected", "ignored"] {
        publish(&mut a, 0, data).await;
    }
    publish(&mut a, 0, "last").await;
    for node in [&mut b, &mut c] {
        loop {
            let (data, ..) = node.envelope().await;
            assert!(!data.starts_with(b"r") && !data.starts_with(b"i"), "{data:?}");
            if &data[..] == b"last" {
                break;
            }
        }
    }
}

#[tokio::test]
async fn source_over_its_rate_is_ignored_and_a_protected_one_is_not() {
    let mut slow = config(2);
    slow.limits = NetLimits {
        // Gossip's own orders take their part as well.
        gossip_per_second: 20,
        gossip_burst: 60,
        ..NetLimits::default()
    };
    let (mut a, mut b) = join(config(1), slow, "tcp").await;
    b.send(NetCommand::Protect { peer: a.peer() }).await;
    // One by one: what does not fit into the queue of a neighbour that reads slowly is left to sync.
    for n in 0..200 {
        a.publish_to_someone(0, format!("contact {n}")).await;
        assert!(b.envelope().await.0.starts_with(b"contact"));
    }
    b.send(NetCommand::Unprotect { peer: a.peer() }).await;
    for n in 0..100 {
        a.publish_to_someone(0, format!("stranger {n}")).await;
    }
    // Gossip of one neighbour keeps its order: the first marker that fits into the bucket again comes after the burst.
    let mut strangers = 0;
    for n in 0.. {
        a.publish_to_someone(0, format!("marker {n}")).await;
        let heard = async {
            loop {
                if b.envelope().await.0.starts_with(b"marker") {
                    return;
                }
                strangers += 1;
            }
        };
        if timeout(Duration::from_millis(300), heard).await.is_ok() {
            break;
        }
    }
    assert!((1..=100).contains(&strangers), "{strangers}");
}

#[tokio::test]
async fn flooding_source_is_disconnected() {
    let mut slow = config(2);
    slow.limits = NetLimits {
        gossip_per_second: 1,
        gossip_burst: 30,
        ..NetLimits::default()
    };
    let (mut a, mut b) = join(config(1), slow, "tcp").await;
    a.publish_to_someone(0, "first").await;
    for n in 0..600_u32 {
        a.send(NetCommand::Publish {
            topic: 0,
            data: n.to_be_bytes().to_vec().into(),
            token: 0,
        })
        .await;
        // The queue of events is bounded: read while sending.
        while a.events.try_recv().is_ok() {}
    }
    b.disconnected(a.peer()).await;
}

#[tokio::test]
async fn engine_that_stands_still_does_not_stop_commands() {
    let (a, mut b) = pair("tcp").await;
    let peer = b.peer();
    // Far more answers than the event queue holds, and nobody reads them.
    for n in 0..3000_u32 {
        let data = n.to_be_bytes().to_vec().into();
        a.send(NetCommand::Publish {
            topic: 0,
            data,
            token: u64::from(n),
        })
        .await;
    }
    a.send(NetCommand::Disconnect { peer }).await;
    b.disconnected(a.peer()).await;
    let mut a = a;
    for n in 0..3000 {
        a.published(n).await;
    }
    a.wait(|event| matches!(event, NetEvent::Disconnected { .. }).then_some(()))
        .await;
}

#[tokio::test]
async fn a_burst_of_ours_costs_no_neighbour_its_place() {
    let (mut a, mut b) = pair("quic-v1").await;
    a.publish_to_someone(5, "hello").await;
    // More of them do not fit into its queue at once than the score allows for.
    for n in 0..3_000_u32 {
        let data = n.to_be_bytes().repeat(100).into();
        let (topic, token) = (5, u64::from(n));
        a.send(NetCommand::Publish { topic, data, token }).await;
        while b.events.try_recv().is_ok() {}
    }
    for n in 0..3_000 {
        let result = a.published(n).await;
        let fair = matches!(result, PublishResult::Sent { .. } | PublishResult::QueuesFull);
        assert!(fair, "{n}: {result:?}");
    }
    a.publish_to_someone(5, "there it is").await;
}
