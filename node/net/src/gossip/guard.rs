//! A guard before gossipsub: what a neighbour sends is counted, and dropped if it is too much or not to be, before gossipsub
//! keeps anything of it.
//!
//! Gossipsub remembers every message (for five minutes, and for two more times the score) before it asks for a verdict, also
//! on topics that nobody here has; it keeps what a neighbour does not want to get, and how long it wants to be left alone, up
//! to an hour and beyond its connection. Verdicts come too late for all of that.

use std::{
    collections::{HashSet, VecDeque},
    fmt::Debug,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    gossipsub::{self, IdentityTransform, RawMessage, TopicHash, WhitelistSubscriptionFilter},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm,
    },
};
use tokio::time::Instant;

use super::orders::is_forbidden;
use super::rates::{Rate, Rates};
use crate::refusals::{Counter, Kind};

type Inner = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;
type FromHandler = THandlerOutEvent<Inner>;

/// What an order costs, and one that no honest neighbour gives.
const ORDER_TOKENS: u32 = 4;
const FORBIDDEN_TOKENS: u32 = 50;

/// What gossip tells the event loop.
#[derive(Debug)]
pub(crate) enum Event {
    Gossip(gossipsub::Event),
    /// This neighbour is to be left.
    Flood(PeerId),
}

/// Gossipsub and its guard.
pub(crate) struct Behaviour {
    inner: Inner,
    topics: HashSet<TopicHash>,
    pub(crate) rates: Rates,
    protected: HashSet<PeerId>,
    floods: VecDeque<PeerId>,
    refusals: Counter,
}

impl Behaviour {
    pub(super) fn new(inner: Inner, topics: HashSet<TopicHash>, rates: Rates, refusals: Counter) -> Self {
        Self {
            inner,
            topics,
            rates,
            protected: HashSet::new(),
            floods: VecDeque::new(),
            refusals,
        }
    }

    pub(crate) fn inner(&mut self) -> &mut Inner {
        &mut self.inner
    }

    /// Contacts are not counted.
    pub(super) fn set_protected(&mut self, peer: PeerId, protected: bool) {
        if protected {
            self.protected.insert(peer);
        } else {
            self.protected.remove(&peer);
        }
    }

    /// Leaves of an RPC what may pass; `false` if nothing of it may.
    fn admit<A: Debug>(
        &mut self,
        peer: PeerId,
        messages: &mut Vec<RawMessage>,
        actions: &mut Vec<A>,
        more: bool,
    ) -> bool {
        let now = Instant::now();
        let stranger = !self.protected.contains(&peer);
        let mut flood = false;
        let mut take = |rates: &mut Rates, tokens: u32| {
            let rate = if stranger {
                rates.take(peer, tokens, now)
            } else {
                Rate::Within
            };
            flood |= rate == Rate::Flood;
            rate == Rate::Within
        };
        // Subscriptions, empty frames and messages of another form cost as well.
        let has_some = !(messages.is_empty() && actions.is_empty());
        let free = !more && has_some;
        let within = free || take(&mut self.rates, 1);
        actions.retain(|action| {
            let forbidden = is_forbidden(action);
            let paid = take(&mut self.rates, if forbidden { FORBIDDEN_TOKENS } else { ORDER_TOKENS });
            if forbidden {
                self.refusals.count(Kind::GossipControl);
            } else if !paid {
                self.refusals.count(Kind::GossipRate);
            }
            paid && !forbidden
        });
        messages.retain(|message| {
            let foreign = !self.topics.contains(&message.topic);
            let rate = match stranger {
                true => self.rates.take_message(peer, &message.data, now),
                false => Rate::Within,
            };
            flood |= rate == Rate::Flood;
            let kind = match rate {
                _ if foreign => Kind::GossipTopic,
                Rate::Within => return true,
                Rate::Over | Rate::Flood => Kind::GossipRate,
            };
            self.refusals.count(kind);
            false
        });
        if flood {
            self.floods.push_back(peer);
            return false;
        }
        within
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = <Inner as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, mut event: THandlerOutEvent<Self>) {
        if let FromHandler::Message { rpc, invalid_messages } = &mut event {
            let more = !rpc.subscriptions.is_empty() || !invalid_messages.is_empty();
            if !self.admit(peer, &mut rpc.messages, &mut rpc.control_msgs, more) {
                return;
            }
        }
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(peer) = self.floods.pop_front() {
            self.refusals.count(Kind::Flood);
            return Poll::Ready(ToSwarm::GenerateEvent(Event::Flood(peer)));
        }
        self.inner.poll(cx).map(|event| event.map_out(Event::Gossip))
    }
}
