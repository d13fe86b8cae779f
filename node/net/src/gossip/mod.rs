//! Gossip: how gossipsub is set up, and who is subscribed to what.
//!
//! Messages carry no author and no signature; a message's id is the hash of its bytes. What a message is worth is told
//! by its source's bucket (`guard`, `rates`) and by the configured verdict, never by decryption or disk: or relaying would die
//! with the first full disk, and recipients would show themselves.

mod guard;
mod orders;
mod rates;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use libp2p::{
    PeerId,
    gossipsub::{
        self, IdentTopic, MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds, PublishError,
        TopicHash, TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
    },
};
use tokio::time::Instant;

pub(crate) use guard::{Behaviour, Event};
pub(crate) use rates::{Bucket, Rate};

use crate::{
    config::{NetLimits, Verdict},
    event::PublishResult,
    refusals::Counter,
};
use rates::Rates;

/// Longest gossip message. The rest of the 64 KiB frame is for the topic and the framing around it; a message that
/// fills the frame would be queued here and refused by every receiver.
pub const MAX_GOSSIP_BYTES: usize = MAX_TRANSMIT - 512;

const MAX_TRANSMIT: usize = 64 * 1024;
/// Orders in one frame.
const MAX_CONTROL: usize = 16 * 1024;
/// Message ids that are offered to a neighbour, and asked of it, in one heartbeat. What was promised is remembered for three
/// seconds, by name. They fit into [`MAX_CONTROL`].
const MAX_IDS: usize = 400;
/// Messages in one frame; ours hold one.
const MAX_MESSAGES: usize = 128;
/// What waits for one neighbour that does not read; everything the engine publishes at once fits.
const QUEUE: usize = 96;
/// How long scores outlive a connection. Each is remembered, also of those who come and go under new names.
const RETAIN_SCORE: Duration = Duration::from_secs(300);
const HEARTBEAT: Duration = Duration::from_millis(700);
const DUPLICATE_CACHE: Duration = Duration::from_secs(300);
const PUBLISH_QUEUE: Duration = Duration::from_secs(30);
const FORWARD_QUEUE: Duration = Duration::from_secs(5);
/// Score of a protected peer.
const PROTECTED_SCORE: f64 = 50.0;
/// Sets gossipsub up and subscribes to `topics`.
pub(crate) fn behaviour(topics: &Topics, limits: &NetLimits, refusals: Counter) -> Result<Behaviour, String> {
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id_prefix("/parlour/mesh")
        .heartbeat_interval(HEARTBEAT)
        .heartbeat_initial_delay(HEARTBEAT)
        .mesh_n_low(4)
        .mesh_n(6)
        .mesh_n_high(12)
        .mesh_outbound_min(2)
        .gossip_lazy(6)
        .history_length(8)
        .history_gossip(5)
        .flood_publish(true)
        .max_transmit_size(MAX_TRANSMIT)
        .max_control_message_size(MAX_CONTROL)
        .max_control_messages_sent(MAX_IDS)
        .max_publish_messages(MAX_MESSAGES)
        .connection_handler_queue_len(QUEUE)
        .duplicate_cache_time(DUPLICATE_CACHE)
        .publish_queue_duration(PUBLISH_QUEUE)
        .forward_queue_duration(FORWARD_QUEUE)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| MessageId::from(blake3::hash(&message.data).as_bytes().to_vec()))
        .build()
        .map_err(|cause| cause.to_string())?;
    // The filter without a count: the counting one drops a peer's whole hello when it names too many topics.
    let filter = WhitelistSubscriptionFilter(topics.index.keys().cloned().collect());
    let mut gossip =
        gossipsub::Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)?;
    gossip.with_peer_score(score(topics), PeerScoreThresholds::default())?;
    for topic in &topics.list {
        gossip.subscribe(topic).map_err(|cause| cause.to_string())?;
    }
    let rates = Rates::new(limits, Instant::now());
    let known = topics.index.keys().cloned().collect();
    Ok(Behaviour::new(gossip, known, rates, refusals))
}

/// Scores blame only what a peer did: rejected messages and protocol abuse. Neighbours behind one address are normal on
/// a LAN, and silence is normal everywhere.
fn score(topics: &Topics) -> PeerScoreParams {
    let topic = TopicScoreParams {
        // Small: a long stay in the mesh must not outweigh rejected messages.
        time_in_mesh_weight: 0.1,
        time_in_mesh_quantum: Duration::from_secs(60),
        time_in_mesh_cap: 10.0,
        first_message_deliveries_weight: 0.05,
        first_message_deliveries_cap: 100.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: topics.index.keys().map(|hash| (hash.clone(), topic.clone())).collect(),
        topic_score_cap: 20.0,
        // The default of 10 would turn +50 into +500.
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        // What does not fit into our own queue says nothing of the neighbour: 251 such messages would have us publish to nobody.
        // Who does not read is left (`event_loop`).
        slow_peer_weight: 0.0,
        retain_score: RETAIN_SCORE,
        ..PeerScoreParams::default()
    }
}

/// Gives a connected peer the score of a contact, or takes it back. Scores of absent peers cannot be set: this has to
/// be said again at each connection.
pub(crate) fn set_protected(gossip: &mut Behaviour, peer: &PeerId, protected: bool) {
    let score = if protected { PROTECTED_SCORE } else { 0.0 };
    gossip.set_protected(*peer, protected);
    gossip.inner().set_application_score(peer, score);
}

impl From<Verdict> for gossipsub::MessageAcceptance {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accept => Self::Accept,
            Verdict::Ignore => Self::Ignore,
            Verdict::Reject => Self::Reject,
        }
    }
}

impl From<PublishError> for PublishResult {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Duplicate => Self::Duplicate,
            PublishError::NoPeersSubscribedToTopic => Self::NoPeers,
            PublishError::AllQueuesFull(_) => Self::QueuesFull,
            // Signing and transforming do not happen here.
            PublishError::MessageTooLarge | PublishError::SigningError(_) | PublishError::TransformFailed(_) => {
                Self::TooLarge
            }
        }
    }
}

/// The configured topics and who of the connected peers is subscribed to them.
#[derive(Debug)]
pub(crate) struct Topics {
    list: Vec<IdentTopic>,
    index: HashMap<TopicHash, u8>,
    subscribers: Vec<HashSet<PeerId>>,
}

impl Topics {
    /// `None` for more than 255 topics or one named twice.
    pub(crate) fn new(names: &[String]) -> Option<Self> {
        let list: Vec<IdentTopic> = names.iter().map(IdentTopic::new).collect();
        let mut index = HashMap::new();
        for (number, topic) in list.iter().enumerate() {
            let number = u8::try_from(number).ok().filter(|n| *n < u8::MAX)?;
            if index.insert(topic.hash(), number).is_some() {
                return None;
            }
        }
        let subscribers = vec![HashSet::new(); list.len()];
        Some(Self {
            list,
            index,
            subscribers,
        })
    }

    pub(crate) fn hash(&self, number: u8) -> Option<TopicHash> {
        self.list.get(usize::from(number)).map(IdentTopic::hash)
    }

    pub(crate) fn number(&self, hash: &TopicHash) -> Option<u8> {
        self.index.get(hash).copied()
    }

    pub(crate) fn subscribers(&self, number: u8) -> usize {
        self.subscribers.get(usize::from(number)).map_or(0, HashSet::len)
    }

    pub(crate) fn subscribed(&mut self, peer: PeerId, hash: &TopicHash) {
        if let Some(peers) = self.peers_mut(hash) {
            peers.insert(peer);
        }
    }

    pub(crate) fn unsubscribed(&mut self, peer: &PeerId, hash: &TopicHash) {
        if let Some(peers) = self.peers_mut(hash) {
            peers.remove(peer);
        }
    }

    pub(crate) fn forget(&mut self, peer: &PeerId) {
        for peers in &mut self.subscribers {
            peers.remove(peer);
        }
    }

    fn peers_mut(&mut self, hash: &TopicHash) -> Option<&mut HashSet<PeerId>> {
        let number = self.number(hash)?;
        self.subscribers.get_mut(usize::from(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_numbered_once() {
        let names = |n: usize| (0..n).map(|i| format!("/t/{i}")).collect::<Vec<_>>();
        assert!(Topics::new(&names(255)).is_some());
        assert!(Topics::new(&names(256)).is_none());
        assert!(Topics::new(&["a".into(), "a".into()]).is_none());
    }
}
