//! Two nodes on loopback: time to connect, latency and rate of gossip, rate of frames.
//!
//! `cargo bench -p parlour-net [-- quic-v1 | tcp]` prints one line per transport and measure.

use std::time::{Duration, Instant};

use bytes::Bytes;
use parlour_net::{Multiaddr, NetCommand, NetConfig, NetEvent, NetHandle, NodeKey, PublishResult, parse_listen, start};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const CONNECTS: usize = 20;
const PINGS: usize = 2000;
const MESSAGES: u64 = 20_000;
const FRAMES: u32 = 50_000;

type Failure = Box<dyn std::error::Error>;

struct Node {
    handle: NetHandle,
    events: mpsc::Receiver<NetEvent>,
    addresses: Vec<Multiaddr>,
    _stop: tokio_util::sync::DropGuard,
}

impl Node {
    async fn start(seed: u8) -> Result<Self, Failure> {
        let mut config = NetConfig::new(NodeKey::from_bytes(&mut [seed; 32]), || 0);
        config.topics = vec!["/parlour/1/s/0".to_owned()];
        config.listen = parse_listen("127.0.0.1:0")?;
        config.limits.gossip_per_second = 10_000_000;
        config.limits.gossip_burst = 10_000_000;
        let cancel = CancellationToken::new();
        let (handle, events) = start(config, cancel.clone())?;
        let mut node = Self {
            handle,
            events,
            addresses: Vec::new(),
            _stop: cancel.drop_guard(),
        };
        while node.addresses.len() < 2 {
            if let NetEvent::Listening { address } = node.next().await? {
                node.addresses.push(address);
            }
        }
        Ok(node)
    }

    async fn next(&mut self) -> Result<NetEvent, Failure> {
        self.events.recv().await.ok_or("the network ended".into())
    }

    async fn publish(&self, token: u64) -> Result<(), Failure> {
        let mut data = vec![0; 512];
        for (to, from) in data.iter_mut().zip(token.to_be_bytes()) {
            *to = from;
        }
        let (topic, data) = (0, data.into());
        let command = NetCommand::Publish { topic, data, token };
        Ok(self.handle.send(command).await?)
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "the result")]
fn print(kind: &str, what: &str, value: &str) {
    println!("{kind:8} {what:32} {value}");
}

async fn connected(kind: &str) -> Result<(Node, Node, Duration), Failure> {
    let (mut a, mut b) = (Node::start(1).await?, Node::start(2).await?);
    let addresses = b.addresses.iter();
    let addresses = addresses.filter(|address| address.to_string().contains(kind));
    let peer = b.handle.local_peer();
    let begun = now();
    a.handle
        .send(NetCommand::Dial {
            peer,
            addresses: addresses.cloned().collect(),
        })
        .await?;
    for node in [&mut a, &mut b] {
        while !matches!(node.next().await?, NetEvent::Connected { .. }) {}
    }
    let took = begun.elapsed();
    Ok((a, b, took))
}

async fn gossip(kind: &str, a: &mut Node, b: &mut Node) -> Result<(), Failure> {
    // The subscriptions travel after the connection stands.
    let mut token = 0;
    loop {
        token += 1;
        a.publish(token).await?;
        let sent = loop {
            if let NetEvent::Published { result, .. } = a.next().await? {
                break matches!(result, PublishResult::Sent { .. });
            }
        };
        if sent {
            break;
        }
    }
    while !matches!(b.next().await?, NetEvent::Envelope { .. }) {}
    let mut times = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        token += 1;
        let begun = now();
        a.publish(token).await?;
        while !matches!(b.next().await?, NetEvent::Envelope { .. }) {}
        times.push(begun.elapsed());
        while !matches!(a.next().await?, NetEvent::Published { .. }) {}
    }
    print(kind, "publish to receive, p50", &format!("{:?}", median(times)));
    let begun = now();
    let (mut sent, mut got, mut refused) = (0, 0, 0);
    while got + refused < MESSAGES {
        // As the engine does: some hundred ahead of what has arrived.
        while sent < MESSAGES && sent < got + refused + 512 {
            token += 1;
            sent += 1;
            a.publish(token).await?;
        }
        tokio::select! {
            event = b.next() => got += u64::from(matches!(event?, NetEvent::Envelope { .. })),
            event = a.next() => if let NetEvent::Published { result, .. } = event? {
                refused += u64::from(!matches!(result, PublishResult::Sent { .. }));
            },
        }
    }
    let rate = got as f64 / begun.elapsed().as_secs_f64();
    print(kind, "messages of 512 B a second", &format!("{rate:.0}"));
    Ok(())
}

async fn frames(kind: &str, a: &mut Node, b: &mut Node, size: usize) -> Result<(), Failure> {
    let peer = b.handle.local_peer();
    a.handle.send(NetCommand::OpenStream { peer, token: 0 }).await?;
    let stream = loop {
        if let NetEvent::StreamOpened { stream, .. } = a.next().await? {
            break stream;
        }
    };
    let total = FRAMES.min(u32::try_from((1 << 30) / size)?);
    let data = Bytes::from(vec![0; size]);
    let window = u32::try_from((2 << 20) / size)?.clamp(4, 32);
    let begun = now();
    let (mut sent, mut got) = (0, 0);
    while got < total {
        while sent < total && sent < got + window {
            sent += 1;
            let data = data.clone();
            a.handle.send(NetCommand::SendFrame { stream, data }).await?;
        }
        if matches!(b.next().await?, NetEvent::Frame { .. }) {
            got += 1;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (rate, megabytes) = (f64::from(got) / seconds, f64::from(got) * size as f64 / seconds / 1e6);
    let what = format!("frames of {size} B a second");
    print(kind, &what, &format!("{rate:.0} ({megabytes:.0} MB/s)"));
    a.handle.send(NetCommand::CloseStream { stream }).await?;
    while !matches!(b.next().await?, NetEvent::StreamClosed { .. }) {}
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let kinds = ["quic-v1", "tcp"];
    let asked: Vec<String> = std::env::args().collect();
    let named = |kind: &&str| asked.iter().any(|word| word == kind);
    let all = !kinds.iter().any(named);
    for kind in kinds.into_iter().filter(|kind| all || named(kind)) {
        let mut times = Vec::new();
        for _ in 0..CONNECTS {
            times.push(connected(kind).await?.2);
        }
        print(kind, "dial to connected, p50", &format!("{:?}", median(times)));
        let (mut a, mut b, _) = connected(kind).await?;
        gossip(kind, &mut a, &mut b).await?;
        for size in [512, 16 << 10, 256 << 10] {
            frames(kind, &mut a, &mut b, size).await?;
        }
    }
    Ok(())
}
