//! Gossip: how gossipsub is set up, and how much of it one neighbour may send.
//!
//! Messages carry no author and no signature; a message's id is the hash of its bytes. What a message is worth is told
//! by the configured verdict and by the source's bucket, never by decryption or disk: or relaying would die with the
//! first full disk, and recipients would show themselves.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use libp2p::{
    PeerId,
    gossipsub::{
        self, IdentTopic, IdentityTransform, MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds,
        PublishError, TopicHash, TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
    },
};
use tokio::time::Instant;

use crate::{
    config::{NetLimits, Verdict},
    event::PublishResult,
};

/// Longest gossip message. The rest of the 64 KiB frame is for the topic and the framing around it; a message that
/// fills the frame would be queued here and refused by every receiver.
pub const MAX_GOSSIP_BYTES: usize = MAX_TRANSMIT - 512;

const MAX_TRANSMIT: usize = 64 * 1024;
const MAX_CONTROL: usize = 256 * 1024;
const HEARTBEAT: Duration = Duration::from_millis(700);
const DUPLICATE_CACHE: Duration = Duration::from_secs(300);
const PUBLISH_QUEUE: Duration = Duration::from_secs(30);
const FORWARD_QUEUE: Duration = Duration::from_secs(5);
/// Score of a protected peer.
const PROTECTED_SCORE: f64 = 50.0;
/// A message costs one token for each 4 KiB begun, so that the rate bounds bytes as well.
const BYTES_PER_TOKEN: usize = 4096;
/// A source that had this many bursts ignored without a pause is left: each ignored message still costs a place in the
/// duplicate cache.
const FLOOD_BURSTS: f64 = 10.0;

pub(crate) type Behaviour = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

/// Sets gossipsub up and subscribes to `topics`.
pub(crate) fn behaviour(topics: &Topics) -> Result<Behaviour, String> {
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
    let mut gossip = Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)?;
    gossip.with_peer_score(score(topics), PeerScoreThresholds::default())?;
    for topic in &topics.list {
        gossip.subscribe(topic).map_err(|cause| cause.to_string())?;
    }
    Ok(gossip)
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
        ..PeerScoreParams::default()
    }
}

/// Gives a connected peer the score of a contact, or takes it back. Scores of absent peers cannot be set: this has to
/// be said again at each connection.
pub(crate) fn set_protected(gossip: &mut Behaviour, peer: &PeerId, protected: bool) {
    let score = if protected { PROTECTED_SCORE } else { 0.0 };
    gossip.set_application_score(peer, score);
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

/// What a source's bucket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    Within,
    Over,
    /// Over for so long that the source is to be left.
    Flood,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    ignored: f64,
    at: Instant,
}

/// One token bucket per neighbour. A bucket outlives the connection until it is full again: who comes back at once finds
/// it as it was.
#[derive(Debug)]
pub(crate) struct Rates {
    per_second: f64,
    burst: f64,
    buckets: HashMap<PeerId, Bucket>,
}

impl Rates {
    pub(crate) fn new(limits: &NetLimits) -> Self {
        Self {
            per_second: f64::from(limits.gossip_per_second),
            burst: f64::from(limits.gossip_burst),
            buckets: HashMap::new(),
        }
    }

    /// Takes the price of a message of `bytes` from the bucket of `source`.
    pub(crate) fn take_message(&mut self, source: PeerId, bytes: usize, now: Instant) -> Rate {
        let tokens = u32::try_from(bytes.div_ceil(BYTES_PER_TOKEN).max(1)).unwrap_or(u32::MAX);
        self.take(source, tokens, now)
    }

    /// Takes `tokens` from the bucket of `source`.
    pub(crate) fn take(&mut self, source: PeerId, tokens: u32, now: Instant) -> Rate {
        let (per_second, burst) = (self.per_second, self.burst);
        let bucket = self.buckets.entry(source).or_insert(Bucket {
            tokens: burst,
            ignored: 0.0,
            at: now,
        });
        let gained = now.duration_since(bucket.at).as_secs_f64() * per_second;
        bucket.tokens = (bucket.tokens + gained).min(burst);
        bucket.at = now;
        let price = f64::from(tokens);
        if bucket.tokens >= price {
            bucket.tokens -= price;
            return Rate::Within;
        }
        bucket.ignored += price;
        if bucket.ignored > burst * FLOOD_BURSTS {
            bucket.ignored = 0.0;
            return Rate::Flood;
        }
        Rate::Over
    }

    /// Forgets the buckets that are full again.
    pub(crate) fn sweep(&mut self, now: Instant) {
        let (per_second, burst) = (self.per_second, self.burst);
        self.buckets.retain(|_, bucket| {
            let gained = now.duration_since(bucket.at).as_secs_f64() * per_second;
            bucket.tokens + gained < burst
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates() -> Rates {
        Rates::new(&NetLimits {
            gossip_per_second: 10,
            gossip_burst: 20,
            ..NetLimits::default()
        })
    }

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn bucket_allows_a_burst_and_then_the_rate() {
        let (mut rates, peer, start) = (rates(), PeerId::random(), Instant::now());
        for _ in 0..20 {
            assert_eq!(rates.take_message(peer, 512, start), Rate::Within);
        }
        assert_eq!(rates.take_message(peer, 512, start), Rate::Over);
        assert_eq!(rates.take_message(PeerId::random(), 512, start), Rate::Within);
        let later = after(start, 1000);
        for _ in 0..10 {
            assert_eq!(rates.take_message(peer, 512, later), Rate::Within);
        }
        assert_eq!(rates.take_message(peer, 512, later), Rate::Over);
    }

    #[test]
    fn large_message_costs_more() {
        let (mut rates, peer, start) = (rates(), PeerId::random(), Instant::now());
        assert_eq!(rates.take_message(peer, 49152, start), Rate::Within);
        assert_eq!(rates.take_message(peer, 49152, start), Rate::Over);
        assert_eq!(rates.take_message(peer, 32768, start), Rate::Within);
    }

    #[test]
    fn flooding_is_told_once_per_ten_bursts_ignored() {
        let (mut rates, peer, start) = (rates(), PeerId::random(), Instant::now());
        let verdicts: Vec<Rate> = (0..1000).map(|_| rates.take_message(peer, 1, start)).collect();
        let position = verdicts.iter().position(|v| *v == Rate::Flood);
        assert_eq!(position, Some(220));
    }

    #[test]
    fn full_buckets_are_forgotten_and_empty_ones_are_not() {
        let (mut rates, peer, start) = (rates(), PeerId::random(), Instant::now());
        for _ in 0..20 {
            rates.take_message(peer, 1, start);
        }
        rates.sweep(after(start, 1900));
        assert_eq!(rates.buckets.len(), 1);
        rates.sweep(after(start, 2100));
        assert!(rates.buckets.is_empty());
    }

    #[test]
    fn topics_are_numbered_once() {
        let names = |n: usize| (0..n).map(|i| format!("/t/{i}")).collect::<Vec<_>>();
        assert!(Topics::new(&names(255)).is_some());
        assert!(Topics::new(&names(256)).is_none());
        assert!(Topics::new(&["a".into(), "a".into()]).is_none());
    }
}
