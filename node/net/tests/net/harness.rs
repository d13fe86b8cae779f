//! A node under test: start it, wait for its events.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use parlour_net::{
    Multiaddr, NetCommand, NetConfig, NetEvent, NetHandle, NodeKey, PeerId, Verdict, parse_listen, start,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

/// Longer than any honest wait, shorter than anybody's patience.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct TestNode {
    pub(crate) handle: NetHandle,
    pub(crate) events: mpsc::Receiver<NetEvent>,
    pub(crate) addresses: Vec<Multiaddr>,
    pub(crate) cancel: CancellationToken,
    /// Events that a wait for something else has passed over.
    passed: VecDeque<NetEvent>,
}

pub(crate) fn config(seed: u8) -> NetConfig {
    NetConfig {
        topics: (0..8).map(|n| format!("/parlour/1/s/{n}")).collect(),
        listen: parse_listen("127.0.0.1:0").unwrap(),
        validate: by_first_byte,
        ..NetConfig::new(NodeKey::from_bytes(&mut [seed; 32]), || 1_000)
    }
}

/// `r…` is rejected, `i…` ignored, all else accepted.
fn by_first_byte(data: &[u8], now: u64) -> Verdict {
    assert_eq!(now, 1_000, "the verdict gets the configured clock");
    match data.first() {
        Some(b'r') => Verdict::Reject,
        Some(b'i') => Verdict::Ignore,
        _ => Verdict::Accept,
    }
}

impl TestNode {
    pub(crate) async fn start(seed: u8) -> Self {
        Self::with(config(seed)).await
    }

    pub(crate) async fn with(config: NetConfig) -> Self {
        let expected = config.listen.len();
        let cancel = CancellationToken::new();
        let (handle, events) = start(config, cancel.clone()).unwrap();
        let mut node = Self {
            handle,
            events,
            addresses: Vec::new(),
            cancel,
            passed: VecDeque::new(),
        };
        for _ in 0..expected {
            let address = node
                .wait(|event| match event {
                    NetEvent::Listening { address } => Some(address.clone()),
                    _ => None,
                })
                .await;
            node.addresses.push(address);
        }
        node
    }

    pub(crate) fn peer(&self) -> PeerId {
        self.handle.local_peer()
    }

    pub(crate) fn address(&self, kind: &str) -> Multiaddr {
        let found = self.addresses.iter().find(|address| address.to_string().contains(kind));
        found.unwrap().clone()
    }

    pub(crate) fn port(&self, kind: &str) -> u16 {
        let text = self.address(kind).to_string();
        text.split('/').nth(4).unwrap().parse().unwrap()
    }

    pub(crate) async fn send(&self, command: NetCommand) {
        self.handle.send(command).await.unwrap();
    }

    /// The first event, passed over ones included, from which `pick` takes something; it is used up.
    pub(crate) async fn wait<T>(&mut self, pick: impl Fn(&NetEvent) -> Option<T>) -> T {
        if let Some((at, found)) = self
            .passed
            .iter()
            .enumerate()
            .find_map(|(at, event)| pick(event).map(|found| (at, found)))
        {
            self.passed.remove(at);
            return found;
        }
        loop {
            let next = timeout(PATIENCE, self.events.recv()).await;
            let event = next
                .unwrap_or_else(|_| panic!("no such event came; passed over: {:?}", self.passed))
                .expect("the network runs");
            if let Some(found) = pick(&event) {
                return found;
            }
            self.passed.push_back(event);
        }
    }

    pub(crate) async fn connected(&mut self, to: PeerId) -> (Multiaddr, bool) {
        self.wait(|event| match event {
            NetEvent::Connected {
                peer,
                address,
                outbound,
            } if *peer == to => Some((address.clone(), *outbound)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn disconnected(&mut self, from: PeerId) {
        self.wait(|event| match event {
            NetEvent::Disconnected { peer } if *peer == from => Some(()),
            _ => None,
        })
        .await;
    }

    pub(crate) async fn dial(&self, other: &Self, kind: &str) {
        self.send(NetCommand::Dial {
            peer: other.peer(),
            addresses: vec![other.address(kind)],
        })
        .await;
    }

    pub(crate) async fn open_stream(&mut self, peer: PeerId, wanted: u64) -> u64 {
        self.send(NetCommand::OpenStream { peer, token: wanted }).await;
        self.wait(|event| match event {
            NetEvent::StreamOpened { stream, token, .. } if *token == Some(wanted) => Some(*stream),
            _ => None,
        })
        .await
    }

    /// Opens a stream and says a first word on it.
    pub(crate) async fn begin_stream(&mut self, peer: PeerId, wanted: u64) -> u64 {
        let stream = self.open_stream(peer, wanted).await;
        self.send_frame(stream, "hello").await;
        stream
    }

    pub(crate) fn refused(&self) -> parlour_net::Refusals {
        self.handle.refused().so_far()
    }

    pub(crate) async fn inbound_stream(&mut self) -> u64 {
        self.wait(|event| match event {
            NetEvent::StreamOpened {
                stream, token: None, ..
            } => Some(*stream),
            _ => None,
        })
        .await
    }

    pub(crate) async fn send_frame(&self, stream: u64, data: impl Into<Bytes>) {
        let data = data.into();
        self.send(NetCommand::SendFrame { stream, data }).await;
    }

    pub(crate) async fn frame(&mut self, of: u64) -> Bytes {
        self.wait(|event| match event {
            NetEvent::Frame { stream, data } if *stream == of => Some(data.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn stream_closed(&mut self, of: u64) {
        self.wait(|event| match event {
            NetEvent::StreamClosed { stream, .. } if *stream == of => Some(()),
            _ => None,
        })
        .await;
    }

    /// Publishes until some neighbour is subscribed: the subscriptions travel after the connection stands.
    pub(crate) async fn publish_to_someone(&mut self, topic: u8, data: impl Into<Bytes>) {
        let data = data.into();
        for wanted in 1_000_000.. {
            self.send(NetCommand::Publish {
                topic,
                data: data.clone(),
                token: wanted,
            })
            .await;
            match self.published(wanted).await {
                parlour_net::PublishResult::Sent { .. } => return,
                parlour_net::PublishResult::NoPeers => tokio::task::yield_now().await,
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn published(&mut self, wanted: u64) -> parlour_net::PublishResult {
        self.wait(|event| match event {
            NetEvent::Published { token, result } if *token == wanted => Some(*result),
            _ => None,
        })
        .await
    }

    pub(crate) async fn envelope(&mut self) -> (Bytes, PeerId, u8) {
        self.wait(|event| match event {
            NetEvent::Envelope { data, source, topic } => Some((data.clone(), *source, *topic)),
            _ => None,
        })
        .await
    }
}

/// Two nodes, the first connected to the second by `kind` of transport.
pub(crate) async fn pair(kind: &str) -> (TestNode, TestNode) {
    join(config(1), config(2), kind).await
}

pub(crate) async fn join(first: NetConfig, second: NetConfig, kind: &str) -> (TestNode, TestNode) {
    let (mut a, mut b) = (TestNode::with(first).await, TestNode::with(second).await);
    a.dial(&b, kind).await;
    a.connected(b.peer()).await;
    b.connected(a.peer()).await;
    (a, b)
}
