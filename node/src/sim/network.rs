//! The virtual network: connections, streams, gossip and knocks between the nodes of one simulation.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use parlour_net::{Multiaddr, NetCommand, NetEvent, PublishResult, RequestFailed};

use super::Sim;
use crate::engine::Input;

/// One end of a stream.
type End = (usize, u64);

#[derive(Default)]
pub(super) struct Network {
    /// Pairs that cannot reach each other, lower index first.
    cut: BTreeSet<(usize, usize)>,
    connected: BTreeSet<(usize, usize)>,
    /// Both ends of each stream, and when the last frame towards an end arrives.
    streams: BTreeMap<End, (End, u64)>,
    requests: BTreeMap<u64, (usize, u64)>,
    last: u64,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

/// Where a node of the simulation listens.
pub(super) fn address_of(index: usize) -> Multiaddr {
    let text = format!("/ip4/127.0.0.1/tcp/{}", 1000 + index);
    parlour_net::parse_listen(&text).expect("an address").remove(0)
}

impl Sim {
    fn event_later(&mut self, at: u64, index: usize, event: NetEvent) {
        self.input_later(at, index, Input::Net(event));
    }

    /// A connection that was cut before the news of it came: the news of its end, which takes less time, came first.
    pub(super) fn is_over(&self, index: usize, input: &Input) -> bool {
        let Input::Net(NetEvent::Connected { peer, .. }) = input else {
            return false;
        };
        let other = self.index_of(peer);
        !other.is_some_and(|other| self.network.connected.contains(&pair(index, other)))
    }

    /// The ends of the streams between two nodes at the first of them.
    pub(super) fn streams_of(&self, index: usize) -> Vec<u64> {
        self.network
            .streams
            .keys()
            .filter(|(at, _)| *at == index)
            .map(|(_, stream)| *stream)
            .collect()
    }

    pub(super) fn reachable(&self, a: usize, b: usize) -> bool {
        !self.network.cut.contains(&pair(a, b)) && self.nodes[a].is_up() && self.nodes[b].is_up()
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        self.network.cut.insert(pair(a, b));
        self.disconnect(a, b);
    }

    pub(super) fn mend(&mut self, a: usize, b: usize) {
        self.network.cut.remove(&pair(a, b));
    }

    pub(super) fn mend_all(&mut self) {
        self.network.cut.clear();
    }

    pub(super) fn cut_everything_of(&mut self, index: usize) {
        for other in 0..self.nodes.len() {
            if other != index {
                self.disconnect(index, other);
            }
        }
    }

    fn disconnect(&mut self, a: usize, b: usize) {
        if !self.network.connected.remove(&pair(a, b)) {
            return;
        }
        let ends: Vec<End> = self
            .network
            .streams
            .iter()
            .filter(|((from, _), ((to, _), _))| pair(*from, *to) == pair(a, b))
            .map(|(end, _)| *end)
            .collect();
        for (index, stream) in ends {
            let Some(((other, _), _)) = self.network.streams.remove(&(index, stream)) else {
                continue;
            };
            let peer = self.nodes[other].peer;
            let at = self.now + self.delay();
            self.event_later(at, index, NetEvent::StreamClosed { stream, peer });
        }
        for (index, other) in [(a, b), (b, a)] {
            let peer = self.nodes[other].peer;
            let at = self.now + 30;
            self.event_later(at, index, NetEvent::Disconnected { peer });
        }
    }

    /// Does what an engine asked of the network.
    pub(super) fn execute(&mut self, from: usize, command: NetCommand) {
        match command {
            NetCommand::Dial { peer, .. } => self.dial(from, &peer),
            NetCommand::Publish { data, token, topic } => self.publish(from, data, token, topic),
            NetCommand::Request { peer, token, data, .. } => self.request(from, &peer, token, data),
            NetCommand::Respond { request, data } => self.respond(request, data),
            NetCommand::OpenStream { peer, token } => self.open(from, &peer, token),
            NetCommand::SendFrame { stream, data } => self.frame(from, stream, data),
            NetCommand::CloseStream { stream } => self.close(from, stream),
            NetCommand::Disconnect { peer } => {
                if let Some(to) = self.index_of(&peer) {
                    self.disconnect(from, to);
                }
            }
            NetCommand::Protect { .. }
            | NetCommand::Unprotect { .. }
            | NetCommand::Block { .. }
            | NetCommand::Unblock { .. } => {}
        }
    }

    fn dial(&mut self, from: usize, peer: &parlour_net::PeerId) {
        let at = self.now + self.delay();
        let reached = self.index_of(peer).filter(|to| self.reachable(from, *to));
        let Some(to) = reached else {
            let event = NetEvent::DialFailed {
                peer: *peer,
                reason: "nobody there".to_owned(),
            };
            return self.event_later(at, from, event);
        };
        if self.network.connected.insert(pair(from, to)) {
            for (index, other, outbound) in [(from, to, true), (to, from, false)] {
                let (peer, address) = (self.nodes[other].peer, address_of(other));
                self.event_later(
                    at,
                    index,
                    NetEvent::Connected {
                        peer,
                        address,
                        outbound,
                    },
                );
            }
        }
    }

    fn neighbours(&self, of: usize) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|n| *n != of && self.network.connected.contains(&pair(of, *n)))
            .collect()
    }

    /// Everybody who is connected, directly or through others, gets it, each with its own luck.
    fn publish(&mut self, from: usize, data: Bytes, token: u64, topic: u8) {
        let mut reached = BTreeSet::from([from]);
        let mut edge = vec![from];
        while let Some(node) = edge.pop() {
            edge.extend(self.neighbours(node).into_iter().filter(|n| reached.insert(*n)));
        }
        self.wire.push(super::Wire::Envelope(data.clone()));
        let peers = self.neighbours(from).len();
        let result = if peers == 0 {
            PublishResult::NoPeers
        } else {
            PublishResult::Sent { peers }
        };
        self.event_later(self.now + 1, from, NetEvent::Published { token, result });
        for to in reached.into_iter().filter(|to| *to != from) {
            let copies = if self.chance(self.weather.loss) {
                0
            } else {
                1 + u64::from(self.chance(self.weather.repeat))
            };
            for _ in 0..copies {
                let at = self.now + self.delay() + self.delay();
                let event = NetEvent::Envelope {
                    data: data.clone(),
                    source: self.nodes[from].peer,
                    topic,
                };
                self.event_later(at, to, event);
            }
        }
    }

    fn request(&mut self, from: usize, peer: &parlour_net::PeerId, token: u64, data: Bytes) {
        let at = self.now + self.delay();
        let to = self
            .index_of(peer)
            .filter(|to| self.network.connected.contains(&pair(from, *to)));
        let Some(to) = to.filter(|_| !self.chance(self.weather.loss)) else {
            let event = NetEvent::Response {
                token,
                result: Err(RequestFailed::NotConnected),
            };
            return self.event_later(at, from, event);
        };
        self.network.last += 1;
        let request = self.network.last;
        self.network.requests.insert(request, (from, token));
        self.wire.push(super::Wire::Knock(data.clone()));
        let peer = self.nodes[from].peer;
        self.event_later(at, to, NetEvent::Request { peer, request, data });
    }

    fn respond(&mut self, request: u64, data: Bytes) {
        if let Some((to, token)) = self.network.requests.remove(&request)
            && !self.chance(self.weather.loss)
        {
            let at = self.now + self.delay();
            self.event_later(
                at,
                to,
                NetEvent::Response {
                    token,
                    result: Ok(data),
                },
            );
        }
    }

    fn open(&mut self, from: usize, peer: &parlour_net::PeerId, token: u64) {
        let at = self.now + self.delay();
        let to = self
            .index_of(peer)
            .filter(|to| self.network.connected.contains(&pair(from, *to)));
        let Some(to) = to else {
            let event = NetEvent::StreamFailed {
                token,
                peer: *peer,
                reason: "not connected".to_owned(),
            };
            return self.event_later(at, from, event);
        };
        self.network.last += 2;
        let (ours, theirs) = (self.network.last, self.network.last + 1);
        self.network.streams.insert((from, ours), ((to, theirs), at));
        self.network.streams.insert((to, theirs), ((from, ours), at));
        let (here, there) = (self.nodes[from].peer, *peer);
        self.event_later(
            at,
            from,
            NetEvent::StreamOpened {
                stream: ours,
                peer: there,
                token: Some(token),
            },
        );
        self.event_later(
            at,
            to,
            NetEvent::StreamOpened {
                stream: theirs,
                peer: here,
                token: None,
            },
        );
    }

    /// Frames of one direction arrive in order.
    fn frame(&mut self, from: usize, stream: u64, data: Bytes) {
        let at = self.now + self.delay();
        let Some((end, last)) = self.network.streams.get_mut(&(from, stream)) else {
            return;
        };
        *last = at.max(*last);
        let ((to, theirs), at) = (*end, *last);
        self.event_later(at, to, NetEvent::Frame { stream: theirs, data });
    }

    fn close(&mut self, from: usize, stream: u64) {
        let Some(((to, theirs), last)) = self.network.streams.remove(&(from, stream)) else {
            return;
        };
        self.network.streams.remove(&(to, theirs));
        let (here, there) = (self.nodes[from].peer, self.nodes[to].peer);
        self.event_later(self.now + 1, from, NetEvent::StreamClosed { stream, peer: there });
        let at = last.max(self.now) + self.delay();
        self.event_later(
            at,
            to,
            NetEvent::StreamClosed {
                stream: theirs,
                peer: here,
            },
        );
    }
}
