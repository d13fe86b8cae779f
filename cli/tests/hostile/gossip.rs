//! A neighbour in gossip that writes its frames by hand.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::Stream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::PATIENCE;
use crate::node::{Node, Place, Written};
use crate::peer::BadPeer;
use crate::rpc::{self, Said};

const PROTOCOL: &str = "/parlour/mesh/1.1.0";

/// A connection to one node with gossip both ways.
pub(crate) struct Neighbour {
    pub(crate) peer: BadPeer,
    out: Stream,
    written: Written,
    heard: mpsc::Receiver<Said>,
    passed: VecDeque<Said>,
}

impl Neighbour {
    /// Connects, and subscribes to all topics.
    pub(crate) async fn of(node: &Node) -> Self {
        let mut neighbour = Self::stranger(node, true).await;
        let hello: Vec<Vec<u8>> = rpc::all_topics().iter().map(|topic| rpc::subscribe(topic)).collect();
        neighbour.say(&[hello.concat()]).await.unwrap();
        neighbour
    }

    /// Connects and says nothing yet; reads what the node says, or takes its stream and never reads.
    pub(crate) async fn stranger(node: &Node, reads: bool) -> Self {
        Self::attempt(node.place(), reads).await.unwrap()
    }

    /// As [`Self::stranger`], where the node may refuse.
    pub(crate) async fn attempt(place: Place, reads: bool) -> Result<Self, String> {
        let peer = BadPeer::new();
        let mut streams = peer.accept(PROTOCOL);
        let (said, heard) = mpsc::channel(65_536);
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Some((_, mut stream)) = streams.next().await {
                if !reads {
                    kept.push(stream);
                    continue;
                }
                let said = said.clone();
                tokio::spawn(async move {
                    let (mut arrived, mut room) = (Vec::new(), vec![0; 16 * 1024]);
                    while let Ok(len @ 1..) = stream.read(&mut room).await {
                        arrived.extend_from_slice(&room[..len]);
                        for one in rpc::read(&mut arrived) {
                            // Who does not listen misses something, and goes on reading.
                            let _ = said.try_send(one);
                        }
                    }
                });
            }
        });
        peer.dial(place.peer, place.address).await?;
        let out = peer.open_to(place.peer, PROTOCOL).await?;
        Ok(Self {
            peer,
            out,
            written: place.written,
            heard,
            passed: VecDeque::new(),
        })
    }

    /// Sends one frame. The envelopes in it count as written when all of it is.
    pub(crate) async fn say(&mut self, parts: &[Vec<u8>]) -> std::io::Result<()> {
        self.say_raw(&rpc::frame(parts)).await?;
        let envelopes = parts.iter().filter(|part| rpc::is_message(part));
        self.written.add(envelopes.count());
        Ok(())
    }

    pub(crate) async fn say_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.out.write_all(bytes).await?;
        self.out.flush().await
    }

    /// Opens the way to the node anew, after it was closed.
    pub(crate) async fn begin_again(&mut self, node: &Node) -> Result<(), String> {
        self.out = self.peer.open(node, PROTOCOL).await?;
        Ok(())
    }

    /// Waits until the node has ended this stream.
    pub(crate) async fn cut_off(&mut self) {
        let mut sink = [0; 64];
        let read = timeout_at(Instant::now() + PATIENCE, self.out.read(&mut sink)).await;
        assert!(
            matches!(read.expect("the node ends the stream"), Ok(0) | Err(_)),
            "a node says nothing on this stream"
        );
    }

    /// The first thing heard, passed over ones included, from which `pick` takes something.
    pub(crate) async fn hear<T>(&mut self, what: &str, pick: impl Fn(&Said) -> Option<T>) -> T {
        let found = self.hear_within(PATIENCE, pick).await;
        found.unwrap_or_else(|| panic!("{what} was not heard; the last was {:?}", self.passed.back()))
    }

    pub(crate) async fn hear_within<T>(&mut self, within: Duration, pick: impl Fn(&Said) -> Option<T>) -> Option<T> {
        let known = self.passed.iter().enumerate();
        if let Some((at, found)) = known.filter_map(|(at, said)| Some((at, pick(said)?))).next() {
            self.passed.remove(at);
            return Some(found);
        }
        let deadline = Instant::now() + within;
        loop {
            let said = timeout_at(deadline, self.heard.recv()).await.ok()??;
            if let Some(found) = pick(&said) {
                return Some(found);
            }
            self.passed.push_back(said);
        }
    }

    /// Forgets what was heard so far.
    pub(crate) fn forget(&mut self) {
        self.passed.clear();
        while self.heard.try_recv().is_ok() {}
    }

    pub(crate) async fn grafted(&mut self) -> String {
        self.hear("a GRAFT", |said| match said {
            Said::Graft(topic) => Some(topic.clone()),
            _ => None,
        })
        .await
    }

    /// An envelope that the node publishes or forwards.
    pub(crate) async fn envelope(&mut self) -> (String, Vec<u8>) {
        self.hear("an envelope", |said| match said {
            Said::Message(topic, data) => Some((topic.clone(), data.clone())),
            _ => None,
        })
        .await
    }
}
