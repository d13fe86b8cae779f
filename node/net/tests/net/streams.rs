//! Streams and frames.

use std::collections::BTreeMap;

use parlour_net::{MAX_FRAME_BYTES, NetCommand, NetEvent, NetLimits};
use tokio::time::timeout;

use crate::harness::{PATIENCE, TestNode, config, join, pair};

#[tokio::test]
async fn ten_thousand_frames_arrive_in_order_both_ways() {
    for kind in ["quic-v1", "tcp"] {
        let (mut a, mut b) = pair(kind).await;
        let out = a.open_stream(b.peer(), 1).await;
        a.send_frame(out, "first").await;
        let inbound = b.inbound_stream().await;
        assert_eq!(b.frame(inbound).await, "first");
        let (a, b) = tokio::join!(exchange(a, out), exchange(b, inbound));
        drop((a, b));
    }
}

/// Sends and receives numbers at once, 32 of its own ahead of what it has received.
async fn exchange(mut node: TestNode, stream: u64) -> TestNode {
    const FRAMES: u32 = 10_000;
    let (mut sent, mut got) = (0_u32, 0_u32);
    while got < FRAMES {
        while sent < FRAMES && sent < got + 32 {
            let size = 4 + usize::try_from(sent % 700).unwrap();
            let mut data = vec![0; size];
            data[..4].copy_from_slice(&sent.to_be_bytes());
            node.send_frame(stream, data).await;
            sent += 1;
        }
        let data = node.frame(stream).await;
        assert_eq!(data[..4], got.to_be_bytes());
        assert_eq!(data.len(), 4 + usize::try_from(got % 700).unwrap());
        got += 1;
    }
    node
}

#[tokio::test]
async fn opening_fails_with_a_reason_without_a_connection() {
    let (mut a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    a.send(NetCommand::OpenStream {
        peer: b.peer(),
        token: 4,
    })
    .await;
    let reason = a
        .wait(|event| match event {
            NetEvent::StreamFailed { token: 4, reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .await;
    assert!(reason.contains("not connected"), "{reason}");
}

#[tokio::test]
async fn closing_delivers_what_was_queued_and_is_told_once_on_both_sides() {
    for kind in ["quic-v1", "tcp"] {
        let (mut a, mut b) = pair(kind).await;
        let out = a.begin_stream(b.peer(), 1).await;
        for n in 0..20_u8 {
            a.send_frame(out, vec![n; 30_000]).await;
        }
        a.send(NetCommand::CloseStream { stream: out }).await;
        let inbound = b.inbound_stream().await;
        assert_eq!(b.frame(inbound).await, "hello");
        for n in 0..20_u8 {
            assert_eq!(b.frame(inbound).await, vec![n; 30_000]);
        }
        b.stream_closed(inbound).await;
        a.stream_closed(out).await;
        // A second round proves that no second end comes.
        let again = a.open_stream(b.peer(), 2).await;
        a.send_frame(again, "again").await;
        let next = b
            .wait(|event| match event {
                NetEvent::StreamClosed { .. } => Some(None),
                NetEvent::StreamOpened { stream, .. } => Some(Some(*stream)),
                _ => None,
            })
            .await;
        assert!(next.is_some());
    }
}

#[tokio::test]
async fn streams_end_on_both_sides_when_the_connection_does() {
    for kind in ["quic-v1", "tcp"] {
        let (mut a, mut b) = pair(kind).await;
        let out = a.open_stream(b.peer(), 1).await;
        a.send_frame(out, "x").await;
        let inbound = b.inbound_stream().await;
        a.send(NetCommand::Disconnect { peer: b.peer() }).await;
        a.stream_closed(out).await;
        b.stream_closed(inbound).await;
    }
}

#[tokio::test]
async fn reader_that_stands_still_stops_its_sender_and_not_gossip_among_others() {
    let (mut a, mut b) = pair("tcp").await;
    let mut c = TestNode::start(3).await;
    c.dial(&a, "tcp").await;
    a.connected(c.peer()).await;
    let out = a.begin_stream(b.peer(), 1).await;
    // b's engine reads nothing from here on; a's queue for it overflows in the end and only that stream ends.
    let mut sent = 0_u32;
    let closed = async {
        loop {
            a.send_frame(out, vec![0; 200_000]).await;
            sent += 1;
            match a.events.try_recv() {
                Ok(NetEvent::StreamClosed { stream, .. }) => {
                    assert_eq!(stream, out);
                    return;
                }
                _ => tokio::task::yield_now().await,
            }
        }
    };
    timeout(PATIENCE, closed).await.expect("the stream overflows");
    assert!(sent > 20, "4 MiB fit into the queue alone: {sent}");
    a.publish_to_someone(0, "still alive").await;
    assert_eq!(c.envelope().await.0, "still alive");
    // And what b had read before the end is there, in order, with the end last.
    let inbound = b.inbound_stream().await;
    let mut frames = 0;
    loop {
        let more = b
            .wait(|event| match event {
                NetEvent::Frame { stream, .. } if *stream == inbound => Some(true),
                NetEvent::StreamClosed { stream, .. } if *stream == inbound => Some(false),
                _ => None,
            })
            .await;
        if !more {
            break;
        }
        frames += 1;
    }
    assert!(frames > 0 && frames < sent, "{frames} of {sent}");
}

#[tokio::test]
async fn frame_over_the_limit_ends_the_stream_and_the_largest_passes() {
    let (mut a, mut b) = pair("quic-v1").await;
    let out = a.begin_stream(b.peer(), 1).await;
    a.send_frame(out, vec![7; MAX_FRAME_BYTES]).await;
    let inbound = b.inbound_stream().await;
    assert_eq!(b.frame(inbound).await, "hello");
    assert_eq!(b.frame(inbound).await.len(), MAX_FRAME_BYTES);
    a.send_frame(out, vec![7; MAX_FRAME_BYTES + 1]).await;
    a.stream_closed(out).await;
    b.stream_closed(inbound).await;
}

#[tokio::test]
async fn first_frame_of_a_stream_is_short() {
    let (mut a, mut b) = pair("tcp").await;
    for (size, passes) in [(1024, true), (1025, false)] {
        let out = a.open_stream(b.peer(), 1).await;
        a.send_frame(out, vec![7; size]).await;
        let inbound = b.inbound_stream().await;
        if passes {
            assert_eq!(b.frame(inbound).await.len(), size);
            a.send(NetCommand::CloseStream { stream: out }).await;
        }
        b.stream_closed(inbound).await;
        a.stream_closed(out).await;
    }
    assert_eq!(b.refused().streams, 1);
}

#[tokio::test]
async fn strangers_cannot_take_the_streams_of_contacts() {
    let mut busy = config(2);
    busy.limits = NetLimits {
        streams: 2,
        ..NetLimits::default()
    };
    let (mut stranger, mut b) = join(config(1), busy, "tcp").await;
    for token in 0..2 {
        stranger.begin_stream(b.peer(), token).await;
        b.inbound_stream().await;
    }
    let mut contact = TestNode::start(3).await;
    b.send(NetCommand::Protect { peer: contact.peer() }).await;
    contact.dial(&b, "tcp").await;
    contact.connected(b.peer()).await;
    let out = contact.begin_stream(b.peer(), 3).await;
    let inbound = b.inbound_stream().await;
    assert_eq!(b.frame(inbound).await, "hello");
    let third = stranger.begin_stream(b.peer(), 4).await;
    stranger.stream_closed(third).await;
    contact.send_frame(out, "still there").await;
    assert_eq!(b.frame(inbound).await, "still there");
}

#[tokio::test]
async fn inbound_streams_of_one_peer_are_bounded() {
    let (mut a, mut b) = pair("tcp").await;
    let mut streams = BTreeMap::new();
    for token in 0..5 {
        let stream = a.open_stream(b.peer(), token).await;
        a.send_frame(stream, vec![u8::try_from(token).unwrap()]).await;
        streams.insert(stream, token);
    }
    // The fifth is reset by the other side.
    let fifth = *streams.iter().find(|(_, token)| **token == 4).unwrap().0;
    a.stream_closed(fifth).await;
    for _ in 0..4 {
        b.inbound_stream().await;
    }
}

#[tokio::test]
async fn inbound_stream_that_says_nothing_is_closed() {
    let (mut a, mut b) = pair("tcp").await;
    let out = a.open_stream(b.peer(), 1).await;
    let inbound = b.inbound_stream().await;
    b.stream_closed(inbound).await;
    a.stream_closed(out).await;
}
