//! What the swarm says, in our words.

use std::{collections::BTreeMap, error::Error, time::Duration};

use libp2p::{
    Multiaddr, PeerId, gossipsub, identify, mdns, ping,
    request_response::{self, Message},
    swarm::{ConnectionId, DialError, SwarmEvent},
};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{BACKLOG, EventLoop};
use crate::{
    address::MAX_ADDRESS_BYTES,
    behaviour::BehaviourEvent,
    config::Verdict,
    event::NetEvent,
    gossip::{self, Rate},
    knock,
    refusals::Kind,
    streams,
};

/// Addresses taken from one announcement.
const ADDRESSES: usize = 16;
/// Addresses remembered as told.
const TOLD: usize = 32;
/// How many overflows in a row, each so soon after the last, show that a neighbour takes nothing.
const SLOW_TIMES: u8 = 8;
const SLOW_PAUSE: Duration = Duration::from_secs(30);
/// Longest reason that leaves this crate.
const REASON: usize = 512;
/// What a knock, a stream and an announcement cost of the sender's bucket.
const KNOCK_TOKENS: u32 = 20;
const STREAM_TOKENS: u32 = 20;
const IDENTIFY_TOKENS: u32 = 50;

impl EventLoop {
    pub(super) fn translate(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.behaviour(event),
            SwarmEvent::ConnectionEstablished {
                peer_id: peer,
                connection_id,
                endpoint,
                num_established,
                ..
            } => {
                let outbound = endpoint.is_dialer();
                if num_established.get() == 1 {
                    let address = endpoint.get_remote_address().clone();
                    self.connected(peer, address, outbound);
                }
                if outbound {
                    self.bootstrap_reached(connection_id, peer);
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id: peer,
                connection_id,
                num_established,
                cause,
                ..
            } => {
                debug!(peer.id = %peer, ?cause, "connection closed");
                self.streams.connection_closed(connection_id);
                if num_established == 0 {
                    self.topics.forget(&peer);
                    self.connected_from.remove(&peer);
                    self.slow.remove(&peer);
                    self.tell(NetEvent::Disconnected { peer });
                }
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id,
                connection_id,
                error,
            } => {
                self.bootstrap_missed(connection_id, &error);
                if let Some(peer) = peer_id {
                    let reason = dial_error(&error);
                    debug!(peer.id = %peer, reason, "dial failed");
                    self.tell(NetEvent::DialFailed { peer, reason });
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                self.tell(NetEvent::Listening { address });
            }
            SwarmEvent::ListenerClosed {
                addresses,
                reason: Err(cause),
                ..
            } => {
                warn!(error = %cause, "a listener stopped");
                let reason = chain(&cause);
                for address in addresses {
                    let reason = reason.clone();
                    self.tell(NetEvent::ListenerFailed { address, reason });
                }
            }
            SwarmEvent::NewExternalAddrCandidate { address } | SwarmEvent::ExternalAddrConfirmed { address } => {
                self.external(address)
            }
            _ => {}
        }
    }

    fn behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Limits(never) => match never {},
            BehaviourEvent::Memory(never) => match never {},
            BehaviourEvent::Gossip(gossip::Event::Gossip(event)) => self.gossip(event),
            BehaviourEvent::Gossip(gossip::Event::Flood(peer)) => self.leave(peer, "it floods"),
            BehaviourEvent::Knock(event) => self.knock(event),
            BehaviourEvent::Streams(event) => self.stream(event),
            BehaviourEvent::Ping(ping::Event {
                peer,
                connection,
                result: Err(cause),
            }) => self.missed(peer, connection, &cause),
            BehaviourEvent::Ping(_) => {}
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.identified(peer_id, info.listen_addrs);
            }
            BehaviourEvent::Identify(_) => {}
            BehaviourEvent::Lan(mdns::Event::Discovered(found)) => self.discovered(found),
            BehaviourEvent::Lan(mdns::Event::Expired(_)) => {}
        }
    }

    fn connected(&mut self, peer: PeerId, address: Multiaddr, outbound: bool) {
        let behaviour = self.swarm.behaviour_mut();
        if behaviour.limits.is_protected(&peer) {
            gossip::set_protected(&mut behaviour.gossip, &peer, true);
        }
        self.connected_from.insert(peer, address.clone());
        self.tell(NetEvent::Connected {
            peer,
            address,
            outbound,
        });
    }

    /// The handler keeps the first miss to itself, so this is the second in a row.
    fn missed(&mut self, peer: PeerId, connection: ConnectionId, cause: &ping::Failure) {
        if !matches!(cause, ping::Failure::Unsupported) {
            debug!(peer.id = %peer, error = %cause, "connection closed: two pings without an answer");
            self.swarm.close_connection(connection);
        }
    }

    fn gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source: source,
                message_id,
                message,
            } => {
                let verdict = (self.validate)(&message.data, (self.now_ms)());
                let gossip = self.swarm.behaviour_mut().gossip.inner();
                gossip.report_message_validation_result(&message_id, &source, verdict.into());
                if verdict == Verdict::Accept
                    && let Some(topic) = self.topics.number(&message.topic)
                {
                    let data = message.data.into();
                    self.tell(NetEvent::Envelope { data, source, topic });
                }
            }
            gossipsub::Event::Subscribed { peer_id, topic, .. } => {
                self.topics.subscribed(peer_id, &topic);
            }
            gossipsub::Event::Unsubscribed { peer_id, topic } => {
                self.topics.unsubscribed(&peer_id, &topic);
            }
            gossipsub::Event::SlowPeer { peer_id: peer, .. } => {
                debug!(peer.id = %peer, "gossip for a slow peer was dropped");
                self.slow(peer);
            }
            _ => {}
        }
    }

    /// A burst may overflow the queue of a neighbour that reads. One that overflows again and again keeps memory for nothing.
    fn slow(&mut self, peer: PeerId) {
        let now = Instant::now();
        let (last, times) = self.slow.entry(peer).or_insert((now, 0));
        *times = if now.duration_since(*last) < SLOW_PAUSE {
            times.saturating_add(1)
        } else {
            1
        };
        *last = now;
        let times = *times;
        if times >= SLOW_TIMES && !self.swarm.behaviour().limits.is_protected(&peer) {
            self.refusals.count(Kind::Flood);
            self.leave(peer, "it takes no gossip");
        }
    }

    /// Leaves a stranger for a while.
    fn leave(&mut self, peer: PeerId, reason: &'static str) {
        warn!(peer.id = %peer, reason, "disconnected for a minute");
        let limits = &mut self.swarm.behaviour_mut().limits;
        limits.shun(peer, Instant::now());
        self.disconnect(peer);
    }

    /// Takes the price of what `peer` wants from its bucket. Contacts do not pay.
    fn may(&mut self, peer: PeerId, tokens: u32) -> bool {
        let behaviour = self.swarm.behaviour_mut();
        if behaviour.limits.is_protected(&peer) {
            return true;
        }
        match behaviour.gossip.rates.take(peer, tokens, Instant::now()) {
            Rate::Within => true,
            Rate::Over => false,
            Rate::Flood => {
                self.refusals.count(Kind::Flood);
                self.leave(peer, "it floods");
                false
            }
        }
    }

    fn knock(&mut self, event: request_response::Event<bytes::Bytes, bytes::Bytes>) {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                Message::Request { request, channel, .. } => {
                    let protected = self.swarm.behaviour().limits.is_protected(&peer);
                    let may = self.may(peer, KNOCK_TOKENS);
                    let admitted = may.then(|| self.knocks.admit(peer, protected, channel, Instant::now()));
                    match admitted.flatten() {
                        Some(number) => self.tell(NetEvent::Request {
                            peer,
                            request: number,
                            data: request,
                        }),
                        None => self.refusals.count(Kind::Knock),
                    }
                }
                Message::Response { request_id, response } => {
                    if let Some(token) = self.knocks.finished(request_id) {
                        let result = Ok(response);
                        self.tell(NetEvent::Response { token, result });
                    }
                }
            },
            request_response::Event::OutboundFailure { request_id, error, .. } => {
                if let Some(token) = self.knocks.finished(request_id) {
                    let result = Err(knock::failure(&error));
                    self.tell(NetEvent::Response { token, result });
                }
            }
            request_response::Event::InboundFailure { .. } | request_response::Event::ResponseSent { .. } => {}
        }
    }

    fn stream(&mut self, event: streams::Event) {
        match event {
            streams::Event::Inbound { peer, connection, io } => {
                let protected = self.swarm.behaviour().limits.is_protected(&peer);
                let may = self.stands(&peer, connection) && self.may(peer, STREAM_TOKENS);
                let opened = may.then(|| self.streams.accept(peer, protected, connection, io));
                if let Some(opened) = opened.flatten() {
                    let event = |stream| NetEvent::StreamOpened {
                        stream,
                        peer,
                        token: None,
                    };
                    self.tell_opened(event, opened);
                } else {
                    self.refusals.count(Kind::Stream);
                    debug!(peer.id = %peer, "stream refused: too many are open, or its connection is gone");
                }
            }
            streams::Event::Outbound {
                peer,
                connection,
                token,
                io,
            } => {
                if !self.stands(&peer, connection) {
                    let reason = "the connection closed".to_owned();
                    self.tell(NetEvent::StreamFailed { token, peer, reason });
                    return;
                }
                let opened = self.streams.opened(peer, connection, io);
                let event = |stream| NetEvent::StreamOpened {
                    stream,
                    peer,
                    token: Some(token),
                };
                self.tell_opened(event, opened);
            }
            streams::Event::Failed { peer, token, reason } => self.tell(NetEvent::StreamFailed { token, peer, reason }),
        }
    }

    fn stands(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        self.swarm.behaviour().streams.stands(peer, connection)
    }

    fn identified(&mut self, peer: PeerId, mut addresses: Vec<Multiaddr>) {
        if !self.may(peer, IDENTIFY_TOKENS) {
            self.refusals.count(Kind::Address);
            return;
        }
        addresses.retain(|address| address.len() <= MAX_ADDRESS_BYTES);
        addresses.truncate(ADDRESSES);
        if self.swarm.behaviour().limits.is_protected(&peer) {
            self.whereabouts.told(peer, self.connected_from.get(&peer), &addresses);
        }
        self.tell(NetEvent::PeerAddresses { peer, addresses });
    }

    fn discovered(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        let mut by_peer: BTreeMap<PeerId, Vec<Multiaddr>> = BTreeMap::new();
        for (peer, address) in found {
            let known = by_peer.len();
            let addresses = by_peer.entry(peer).or_default();
            if addresses.len() < ADDRESSES && known < BACKLOG {
                addresses.push(address);
            }
        }
        let now = Instant::now();
        for (peer, addresses) in by_peer {
            if self.whereabouts.announced(peer, &addresses, now) {
                self.tell(NetEvent::DiscoveredLan { peer, addresses });
            } else {
                self.refusals.count(Kind::Address);
            }
        }
    }

    fn external(&mut self, address: Multiaddr) {
        if address.len() > MAX_ADDRESS_BYTES || self.told.contains(&address) {
            return;
        }
        // As many in a minute: who says something new each time is not worth the engine's.
        if self.told.len() >= TOLD {
            self.refusals.count(Kind::Address);
            return;
        }
        self.told.push_back(address.clone());
        self.tell(NetEvent::ExternalAddress { address });
    }
}

/// Why a dial failed, in one bounded line.
pub(super) fn dial_error(error: &DialError) -> String {
    let text = match error {
        DialError::LocalPeerId { .. } => "that is this node itself".to_owned(),
        DialError::NoAddresses => "no address is known".to_owned(),
        DialError::DialPeerConditionFalse(_) => "already connected or dialling".to_owned(),
        DialError::Aborted => "the dial was cancelled".to_owned(),
        DialError::WrongPeerId { obtained, address } => {
            format!("another peer ({obtained}) answers at {address}")
        }
        DialError::Denied { cause } => chain(cause),
        DialError::Transport(errors) => {
            let lines = errors.iter().map(|(address, cause)| {
                let cause = chain(cause);
                format!("{address}: {cause}")
            });
            lines.collect::<Vec<_>>().join("; ")
        }
    };
    bounded(text)
}

/// An error and what caused it, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !text.is_empty() && !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    bounded(parts.join(": "))
}

fn bounded(mut text: String) -> String {
    if text.len() > REASON {
        let cut = (0..=REASON).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
    }
    text
}
