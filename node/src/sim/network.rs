//! The virtual network: connections, streams, gossip and knocks between the nodes of one simulation. A link can be silent in one
//! direction: what is sent stalls, and both ends find out by themselves, each in its own time, so that one may hold a connection
//! that the other has given up.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use parlour_net::{Multiaddr, NetCommand, NetEvent, PeerId, PublishResult, RequestFailed};

use super::{Pending, SECOND, Sim, Wire};
use crate::engine::Input;

/// One end of a stream.
type End = (usize, u64);
/// A request without an answer fails after this.
const REQUEST_MS: u64 = 10 * SECOND;

/// A node is told that a connection has ended after this.
const DROPPED_MS: u64 = 30;

#[derive(Default)]
pub(super) struct Network {
    /// From whom to whom nothing comes through.
    silent: BTreeSet<(usize, usize)>,
    /// Who holds a connection to whom, and which.
    connected: BTreeMap<(usize, usize), u64>,
    /// The other end of each end of a stream, and when the last frame towards it arrives.
    streams: BTreeMap<End, (End, u64)>,
    /// Frames that wait for a silent direction, with the end they are for.
    stalled: Vec<(usize, End, Bytes)>,
    /// Who asked whom, and with which token.
    requests: BTreeMap<u64, (usize, u64, usize)>,
    /// Bytes of frames that each node sent.
    pub(super) sent: BTreeMap<usize, u64>,
    /// Bytes of envelopes that each node published, each counted once, whoever passes them on.
    pub(super) published: BTreeMap<usize, u64>,
    last: u64,
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

    fn number(&mut self) -> u64 {
        self.network.last += 1;
        self.network.last
    }

    /// A connection that was cut before the news of it came: the news of its end, which takes less time, came first.
    pub(super) fn is_over(&self, index: usize, input: &Input) -> bool {
        let Input::Net(NetEvent::Connected { peer, .. }) = input else {
            return false;
        };
        !self.is_connected_to(index, peer)
    }

    /// Whether a node holds a connection to a peer, whichever node is there.
    fn is_connected_to(&self, index: usize, peer: &PeerId) -> bool {
        let held = |other: &usize| self.network.connected.contains_key(&(index, *other));
        self.all_at(peer).iter().any(held)
    }

    /// The ends of streams at a node.
    pub(super) fn streams_of(&self, index: usize) -> Vec<u64> {
        let ends = self.network.streams.keys();
        ends.filter(|(at, _)| *at == index).map(|(_, stream)| *stream).collect()
    }

    fn is_silent(&self, from: usize, to: usize) -> bool {
        self.network.silent.contains(&(from, to))
    }

    fn reachable(&self, from: usize, to: usize) -> bool {
        let refused = |at: usize, of: usize| self.nodes[at].refuses.contains(&self.nodes[of].peer);
        let up = self.nodes[from].is_up() && self.nodes[to].is_up();
        let heard = !self.is_silent(from, to) && !self.is_silent(to, from);
        let same = self.nodes[from].peer == self.nodes[to].peer;
        !same && up && heard && !refused(from, to) && !refused(to, from)
    }

    /// Both hold the same connection.
    fn is_whole(&self, a: usize, b: usize) -> bool {
        let held = |at, of| self.network.connected.get(&(at, of));
        held(a, b).is_some() && held(a, b) == held(b, a)
    }

    /// Nobody reaches the other any more, and both know at once.
    pub(super) fn cut(&mut self, a: usize, b: usize) {
        self.network.silent.extend([(a, b), (b, a)]);
        self.disconnect(a, b);
    }

    /// Nothing gets through from one to the other; both find out later.
    pub(super) fn silence(&mut self, from: usize, to: usize) {
        self.network.silent.insert((from, to));
        self.doubt(from, to);
        self.doubt(to, from);
    }

    /// A node will notice in a while, if there is something to notice then.
    fn doubt(&mut self, at: usize, of: usize) {
        if let Some(&connection) = self.network.connected.get(&(at, of)) {
            let due = self.now + 5 * SECOND + self.below(10 * SECOND);
            self.later(due, at, Pending::Lost { peer: of, connection });
        }
    }

    pub(super) fn lose(&mut self, at: usize, of: usize, connection: u64) {
        if self.network.connected.get(&(at, of)) != Some(&connection) {
            return;
        }
        let silent = self.is_silent(at, of) || self.is_silent(of, at);
        if !silent && self.is_whole(at, of) {
            return;
        }
        self.drop_side(at, of);
        if !self.is_silent(at, of) {
            let due = self.now + self.delay();
            self.later(due, of, Pending::Lost { peer: at, connection });
        }
    }

    pub(super) fn mend(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            if !self.network.silent.remove(&(from, to)) {
                continue;
            }
            let (through, still): (Vec<_>, Vec<_>) = std::mem::take(&mut self.network.stalled)
                .into_iter()
                .partition(|(sender, (receiver, _), _)| (*sender, *receiver) == (from, to));
            self.network.stalled = still;
            for (_, end, data) in through {
                self.arrive(end, data);
            }
        }
        if !self.is_whole(a, b) {
            self.doubt(a, b);
            self.doubt(b, a);
        }
    }

    pub(super) fn mend_all(&mut self) {
        for (from, to) in self.network.silent.clone() {
            self.mend(from, to);
        }
    }

    /// A process is gone: the system tells the others, if it still runs.
    pub(super) fn cut_everything_of(&mut self, index: usize, told: bool) {
        for other in 0..self.nodes.len() {
            if told && !self.is_silent(index, other) {
                self.drop_side(other, index);
            } else {
                self.doubt(other, index);
            }
            self.drop_side(index, other);
        }
    }

    fn disconnect(&mut self, a: usize, b: usize) {
        self.drop_side(a, b);
        self.drop_side(b, a);
    }

    /// A node gives a connection up.
    fn drop_side(&mut self, at: usize, of: usize) {
        if self.network.connected.remove(&(at, of)).is_none() {
            return;
        }
        self.close_streams(at, of);
        let peer = self.nodes[of].peer;
        let asked = self.network.requests.iter();
        let asked: Vec<u64> = asked
            .filter(|(_, (from, _, to))| (*from, *to) == (at, of))
            .map(|(request, _)| *request)
            .collect();
        for request in asked {
            if let Some((_, token, _)) = self.network.requests.remove(&request) {
                self.request_fails(self.now + 1, at, token, RequestFailed::Closed);
            }
        }
        if !self.is_connected_to(at, &peer) {
            self.event_later(self.now + DROPPED_MS, at, NetEvent::Disconnected { peer });
        }
    }

    fn close_streams(&mut self, at: usize, of: usize) {
        let ends = self.network.streams.iter();
        let ends: Vec<End> = ends
            .filter(|(end, (other, _))| end.0 == at && other.0 == of)
            .map(|(end, _)| *end)
            .collect();
        let peer = self.nodes[of].peer;
        for end in ends {
            let Some((other, _)) = self.network.streams.remove(&end) else {
                continue;
            };
            // What is on its way arrives before the end of the stream.
            let arriving = self.network.streams.get(&other).map_or(0, |(_, last)| last + 1);
            let due = arriving.max(self.now + self.delay().min(25));
            self.event_later(due, at, NetEvent::StreamClosed { stream: end.1, peer });
        }
    }

    /// Does what an engine asked of the network.
    pub(super) fn execute(&mut self, from: usize, command: NetCommand) {
        match command {
            NetCommand::Dial { peer, .. } => self.dial(from, &peer),
            NetCommand::Publish { data, token, topic } => self.publish(from, data, token, topic),
            NetCommand::Request {
                peer,
                addresses,
                token,
                data,
            } => {
                if !addresses.is_empty() && self.connected_to(from, &peer).is_none() {
                    self.dial(from, &peer);
                }
                self.request(from, &peer, token, data);
            }
            NetCommand::Respond { request, data } => self.respond(from, request, data),
            NetCommand::OpenStream { peer, token } => self.open(from, &peer, token),
            NetCommand::SendFrame { stream, data } => self.frame(from, stream, data),
            NetCommand::CloseStream { stream } => self.close(from, stream),
            NetCommand::Disconnect { peer } => {
                for to in self.all_at(&peer) {
                    self.disconnect(from, to);
                }
            }
            NetCommand::Block { peer } => {
                self.nodes[from].refuses.insert(peer);
                for to in self.all_at(&peer) {
                    self.disconnect(from, to);
                }
            }
            NetCommand::Unblock { peer } => {
                self.nodes[from].refuses.remove(&peer);
            }
            NetCommand::Protect { .. } | NetCommand::Unprotect { .. } => {}
        }
    }

    fn dial(&mut self, from: usize, peer: &PeerId) {
        let at = self.now + self.delay();
        let there = self.all_at(peer).into_iter();
        let there: Vec<usize> = there.filter(|to| self.reachable(from, *to)).collect();
        let Some(to) = self.any_of(&there) else {
            let event = NetEvent::DialFailed {
                peer: *peer,
                reason: "nobody there".to_owned(),
            };
            return self.event_later(at, from, event);
        };
        if self.is_whole(from, to) {
            return;
        }
        let connection = self.number();
        // After the end of the connection before this one was told.
        let at = at + DROPPED_MS;
        for (index, other, outbound) in [(from, to, true), (to, from, false)] {
            let peer = self.nodes[other].peer;
            // Of a second connection to a peer nobody is told.
            let known = self.is_connected_to(index, &peer);
            if self.network.connected.insert((index, other), connection).is_some() {
                // It held a dead one: what was on it ends, and nobody is told of another.
                self.close_streams(index, other);
                continue;
            }
            if known {
                continue;
            }
            let address = address_of(other);
            let event = NetEvent::Connected {
                peer,
                address,
                outbound,
            };
            self.event_later(at, index, event);
        }
    }

    fn neighbours(&self, of: usize) -> Vec<usize> {
        let all = 0..self.nodes.len();
        all.filter(|n| *n != of && self.is_whole(of, *n) && !self.is_silent(of, *n))
            .collect()
    }

    /// Everybody who is connected, directly or through others, gets it, each with its own luck.
    fn publish(&mut self, from: usize, data: Bytes, token: u64, topic: u8) {
        let mut reached = BTreeSet::from([from]);
        let mut edge = vec![from];
        while let Some(node) = edge.pop() {
            edge.extend(self.neighbours(node).into_iter().filter(|n| reached.insert(*n)));
        }
        self.wire.push(Wire::Envelope(data.clone()));
        *self.network.published.entry(from).or_default() += data.len() as u64;
        let held = self.network.connected.keys();
        let result = match held.filter(|(at, _)| *at == from).count() {
            0 => PublishResult::NoPeers,
            peers => PublishResult::Sent { peers },
        };
        self.event_later(self.now + 1, from, NetEvent::Published { token, result });
        for to in reached.into_iter().filter(|to| *to != from) {
            let copies = match self.chance(self.weather.loss) {
                true => 0,
                false => 1 + u64::from(self.chance(self.weather.repeat)),
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

    fn request_fails(&mut self, at: u64, from: usize, token: u64, why: RequestFailed) {
        let result = Err(why);
        self.event_later(at, from, NetEvent::Response { token, result });
    }

    fn connected_to(&mut self, from: usize, peer: &PeerId) -> Option<usize> {
        let there = self.all_at(peer).into_iter();
        let held = |to: &usize| self.network.connected.contains_key(&(from, *to));
        let there: Vec<usize> = there.filter(held).collect();
        self.any_of(&there)
    }

    fn request(&mut self, from: usize, peer: &PeerId, token: u64, data: Bytes) {
        let at = self.now + self.delay();
        let Some(to) = self.connected_to(from, peer) else {
            return self.request_fails(at, from, token, RequestFailed::NotConnected);
        };
        self.wire.push(Wire::Knock(data.clone()));
        if self.chance(self.weather.loss) || self.is_silent(from, to) || !self.is_whole(from, to) {
            return self.request_fails(self.now + REQUEST_MS, from, token, RequestFailed::TimedOut);
        }
        let request = self.number();
        self.network.requests.insert(request, (from, token, to));
        let peer = self.nodes[from].peer;
        self.event_later(at, to, NetEvent::Request { peer, request, data });
    }

    fn respond(&mut self, from: usize, request: u64, data: Bytes) {
        let Some((to, token, _)) = self.network.requests.remove(&request) else {
            return;
        };
        if self.chance(self.weather.loss) || self.is_silent(from, to) {
            return self.request_fails(self.now + REQUEST_MS, to, token, RequestFailed::TimedOut);
        }
        let at = self.now + self.delay();
        let result = Ok(data);
        self.event_later(at, to, NetEvent::Response { token, result });
    }

    fn open(&mut self, from: usize, peer: &PeerId, token: u64) {
        let at = self.now + self.delay();
        let to = self.connected_to(from, peer);
        let stalls =
            to.is_some_and(|to| self.is_silent(from, to) || self.is_silent(to, from) || !self.is_whole(from, to));
        let Some(to) = to.filter(|_| !stalls) else {
            let event = NetEvent::StreamFailed {
                token,
                peer: *peer,
                reason: "not connected".to_owned(),
            };
            return self.event_later(if stalls { at + REQUEST_MS } else { at }, from, event);
        };
        let (ours, theirs) = (self.number(), self.number());
        self.network.streams.insert((from, ours), ((to, theirs), at));
        self.network.streams.insert((to, theirs), ((from, ours), at));
        for (index, stream, of, token) in [(from, ours, to, Some(token)), (to, theirs, from, None)] {
            let peer = self.nodes[of].peer;
            self.event_later(at, index, NetEvent::StreamOpened { stream, peer, token });
        }
    }

    fn frame(&mut self, from: usize, stream: u64, data: Bytes) {
        *self.network.sent.entry(from).or_default() += data.len() as u64;
        let Some((end, _)) = self.network.streams.get(&(from, stream)).copied() else {
            return;
        };
        if self.is_silent(from, end.0) {
            return self.network.stalled.push((from, end, data));
        }
        self.arrive(end, data);
    }

    /// Frames of one direction arrive in order, as long as their stream is there.
    fn arrive(&mut self, (to, stream): End, data: Bytes) {
        let at = self.now + self.delay();
        let Some((other, _)) = self.network.streams.get(&(to, stream)).copied() else {
            return;
        };
        let Some((_, last)) = self.network.streams.get_mut(&other) else {
            return;
        };
        *last = at.max(*last);
        let at = *last;
        self.event_later(at, to, NetEvent::Frame { stream, data });
    }

    fn close(&mut self, from: usize, stream: u64) {
        let Some((end, last)) = self.network.streams.remove(&(from, stream)) else {
            return;
        };
        let (to, theirs) = end;
        let (here, there) = (self.nodes[from].peer, self.nodes[to].peer);
        self.event_later(self.now + 1, from, NetEvent::StreamClosed { stream, peer: there });
        if self.is_silent(from, to) || self.network.streams.remove(&end).is_none() {
            return;
        }
        let at = last.max(self.now) + self.delay();
        let stream = theirs;
        self.event_later(at, to, NetEvent::StreamClosed { stream, peer: here });
    }
}
