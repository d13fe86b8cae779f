//! One request, one response.

use bytes::Bytes;
use parlour_net::{MAX_KNOCK_BYTES, NetCommand, NetEvent, RequestFailed};

use crate::harness::{TestNode, pair};

async fn ask(node: &TestNode, peer: parlour_net::PeerId, token: u64, data: impl Into<Bytes>) {
    node.send(NetCommand::Request {
        peer,
        addresses: vec![],
        token,
        data: data.into(),
    })
    .await;
}

async fn asked(node: &mut TestNode) -> (u64, Bytes) {
    node.wait(|event| match event {
        NetEvent::Request { request, data, .. } => Some((*request, data.clone())),
        _ => None,
    })
    .await
}

async fn answer(node: &mut TestNode, wanted: u64) -> Result<Bytes, RequestFailed> {
    node.wait(|event| match event {
        NetEvent::Response { token, result } if *token == wanted => Some(result.clone()),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn request_is_answered() {
    for kind in ["quic-v1", "tcp"] {
        let (mut a, mut b) = pair(kind).await;
        for size in [0, 1, MAX_KNOCK_BYTES] {
            ask(&a, b.peer(), 1, vec![3; size]).await;
            let (request, data) = asked(&mut b).await;
            assert_eq!(data, vec![3; size]);
            let data = Bytes::from(vec![4; size.max(1)]);
            b.send(NetCommand::Respond {
                request,
                data: data.clone(),
            })
            .await;
            assert_eq!(answer(&mut a, 1).await, Ok(data));
        }
    }
}

#[tokio::test]
async fn request_connects_when_addresses_are_given() {
    let (mut a, mut b) = (TestNode::start(1).await, TestNode::start(2).await);
    a.send(NetCommand::Request {
        peer: b.peer(),
        addresses: vec![b.address("quic-v1")],
        token: 9,
        data: Bytes::from_static(b"knock"),
    })
    .await;
    let (request, _) = asked(&mut b).await;
    let data = Bytes::from_static(b"in");
    b.send(NetCommand::Respond { request, data }).await;
    assert_eq!(answer(&mut a, 9).await.unwrap(), "in");
}

#[tokio::test]
async fn request_that_cannot_be_sent_says_why() {
    let (mut a, b) = (TestNode::start(1).await, TestNode::start(2).await);
    ask(&a, b.peer(), 1, "x").await;
    assert_eq!(answer(&mut a, 1).await, Err(RequestFailed::NotConnected));
    ask(&a, b.peer(), 2, vec![0; MAX_KNOCK_BYTES + 1]).await;
    assert_eq!(answer(&mut a, 2).await, Err(RequestFailed::Refused));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    a.send(NetCommand::Request {
        peer: b.peer(),
        addresses: vec![format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()],
        token: 3,
        data: Bytes::new(),
    })
    .await;
    assert_eq!(answer(&mut a, 3).await, Err(RequestFailed::Unreachable));
}

#[tokio::test]
async fn request_without_an_answer_is_dropped_before_the_askers_patience_ends() {
    let (mut a, mut b) = pair("tcp").await;
    ask(&a, b.peer(), 1, "hello?").await;
    let (request, _) = asked(&mut b).await;
    assert_eq!(answer(&mut a, 1).await, Err(RequestFailed::Closed));
    // The number is gone; the answer that comes too late does nothing.
    let data = Bytes::from_static(b"late");
    b.send(NetCommand::Respond { request, data }).await;
    ask(&a, b.peer(), 2, "again").await;
    let (request, _) = asked(&mut b).await;
    let data = Bytes::from_static(b"yes");
    b.send(NetCommand::Respond { request, data }).await;
    assert_eq!(answer(&mut a, 2).await.unwrap(), "yes");
}

#[tokio::test]
async fn unanswered_requests_of_one_peer_are_bounded() {
    let (mut a, mut b) = pair("tcp").await;
    for token in 0..6 {
        ask(&a, b.peer(), token, "x").await;
    }
    // Two of the six are dropped at once; which ones is not said.
    let result = |event: &NetEvent| match event {
        NetEvent::Response { result, .. } => Some(result.clone()),
        _ => None,
    };
    for _ in 0..2 {
        assert_eq!(a.wait(result).await, Err(RequestFailed::Closed));
    }
    for _ in 0..4 {
        let (request, _) = asked(&mut b).await;
        let data = Bytes::from_static(b"taken");
        b.send(NetCommand::Respond { request, data }).await;
        assert_eq!(a.wait(result).await.unwrap(), "taken");
    }
}
