//! A guard before gossipsub: what a neighbour sends is counted, and dropped if it is too much or not to be, before gossipsub
//! keeps anything of it.
//!
//! Gossipsub remembers every message (for five minutes, and for two more times the score) before it asks for a verdict, also
//! on topics that nobody here has; it keeps what a neighbour does not want to get, and how long it wants to be left alone, up
//! to an hour and beyond its connection. Verdicts come too late for all of that.

use std::{
    collections::{HashSet, VecDeque},
    fmt::{self, Debug, Write as _},
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

use super::rates::{Rate, Rates};
use crate::refusals::{Counter, Kind};

type Inner = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;
type FromHandler = THandlerOutEvent<Inner>;

/// Longest time an honest neighbour asks to be left alone, in seconds; ours ask for 60. Gossipsub would remember an hour.
const MAX_BACK_OFF: u64 = 120;
/// What an order costs, and one that no honest neighbour gives.
const ORDER_TOKENS: u32 = 4;
const FORBIDDEN_TOKENS: u32 = 50;
/// Enough of a printed order to see what it is. A topic of ours is much shorter.
const HEAD: usize = 192;

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
<<<<<<< HEAD
        let has_some = !(messages.is_empty() && actions.is_empty());
        let free = !more && has_some;
=======
        let free = !(more || messages.is_empty() && actions.is_empty());
>>>>>>> w-a
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

/// Orders that no honest neighbour gives: IDONTWANT, which our version of gossipsub does not have, and PRUNE for longer than
/// anybody asks for, or with peers to go to instead. Their types are not public; what they print is.
fn is_forbidden(action: &impl Debug) -> bool {
    let mut head = Head::default();
    // An error means that the head is full.
    let _ = write!(head, "{action:?}");
    let text = head.text();
    if text.starts_with("IDontWant(") {
        return true;
    }
    if !text.starts_with("Prune(") {
        return false;
    }
    let Some((_, back_off)) = text.split_once("peers: [], backoff: ") else {
        return true;
    };
    let asked = back_off.trim_end_matches([' ', '}', ')']);
    let seconds = asked.strip_prefix("Some(").map(str::parse::<u64>);
    !(asked == "None" || matches!(seconds, Some(Ok(0..=MAX_BACK_OFF))))
}

/// The first bytes of what is written.
struct Head {
    bytes: [u8; HEAD],
    len: usize,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            bytes: [0; HEAD],
            len: 0,
        }
    }
}

impl Head {
    fn text(&self) -> &str {
        let written = self.bytes.get(..self.len).unwrap_or_default();
        match std::str::from_utf8(written) {
            Ok(text) => text,
            // Cut inside of a character.
            Err(error) => {
                let whole = written.get(..error.valid_up_to()).unwrap_or_default();
                std::str::from_utf8(whole).unwrap_or_default()
            }
        }
    }
}

impl fmt::Write for Head {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let fits = room.len().min(text.len());
        for (to, from) in room.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.len = self.len.saturating_add(fits);
        if fits < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The same shapes as gossipsub's own, whose types are private; `node/net/tests/net/orders.rs` sends real ones.
    #[derive(Debug)]
    #[expect(dead_code, reason = "only printed")]
    enum Action {
        IHave(Ids),
        IDontWant(Ids),
        Prune(Prune),
    }
    #[derive(Debug)]
    #[expect(dead_code, reason = "only printed")]
    struct Ids {
        message_ids: Vec<u8>,
    }
    #[derive(Debug)]
    #[expect(dead_code, reason = "only printed")]
    struct Prune {
        topic_hash: String,
        peers: Vec<u8>,
        backoff: Option<u64>,
    }

    fn prune(backoff: Option<u64>, peers: usize, topic: usize) -> Action {
        Action::Prune(Prune {
            topic_hash: "t".repeat(topic),
            peers: vec![1; peers],
            backoff,
        })
    }

    #[test]
    fn only_orders_that_nobody_honest_gives_are_forbidden() {
        let ids = || Ids { message_ids: vec![1] };
        assert!(is_forbidden(&Action::IDontWant(ids())));
        assert!(!is_forbidden(&Action::IHave(ids())));
        for seconds in [None, Some(0), Some(1), Some(60), Some(MAX_BACK_OFF)] {
            assert!(!is_forbidden(&prune(seconds, 0, 14)), "{seconds:?}");
        }
        for seconds in [MAX_BACK_OFF + 1, 3_600, u64::from(u32::MAX) + 1, u64::MAX - 1, u64::MAX] {
            assert!(is_forbidden(&prune(Some(seconds), 0, 14)), "{seconds}");
        }
        assert!(is_forbidden(&prune(Some(60), 1, 14)));
        assert!(is_forbidden(&prune(Some(60), 0, 10_000)));
    }

    #[test]
    fn a_name_that_looks_like_an_end_is_no_way_around() {
        let sly = Action::Prune(Prune {
            topic_hash: "x, peers: [], backoff: None".to_owned(),
            peers: vec![],
            backoff: Some(u64::MAX),
        });
        assert!(is_forbidden(&sly));
    }
}
