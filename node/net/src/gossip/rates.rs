//! How much of everything one neighbour may send, and all strangers together.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use libp2p::PeerId;
use tokio::time::Instant;

use crate::config::NetLimits;

/// A message costs one token for each KiB begun, so that the rate bounds bytes as well.
const BYTES_PER_TOKEN: usize = 1024;
/// A source that had this many bursts ignored without a pause is left.
const FLOOD_BURSTS: f64 = 10.0;
/// What a neighbour may always bring, a second and at once, however much others send: somebody who forwards a message now
/// and then is heard through a flood.
const QUIET: (f64, f64) = (4.0, 50.0);
/// How much of the strangers' rate is left at least when the node does not keep up, what is left of it after each look that
/// showed so, and how fast it comes back.
const LEAST: f64 = 0.02;
const LATE: f64 = 0.25;
const IN_TIME: f64 = 1.5;
/// A swarm that works for longer than this without a pause does not keep up.
const LATE_AFTER: Duration = Duration::from_millis(50);
/// Messages remembered as seen, so that what several neighbours bring counts once.
const SEEN: usize = 16_384;

/// What a source's bucket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    Within,
    Over,
    /// Over for so long that the source is to be left.
    Flood,
}

/// A token bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(per_second: f64, burst: f64, now: Instant) -> Self {
        Self {
            per_second,
            burst,
            tokens: burst,
            at: now,
        }
    }

    /// Takes `tokens` if they are there.
    pub(crate) fn take(&mut self, tokens: u32, now: Instant) -> bool {
        self.tokens = self.level(now);
        self.at = now;
        let price = f64::from(tokens);
        let enough = self.tokens >= price;
        if enough {
            self.tokens -= price;
        }
        enough
    }

    fn level(&self, now: Instant) -> f64 {
        let gained = now.duration_since(self.at).as_secs_f64() * self.per_second;
        (self.tokens + gained).min(self.burst)
    }

    fn is_full(&self, now: Instant) -> bool {
        self.level(now) >= self.burst
    }
}

/// One neighbour's buckets.
#[derive(Debug)]
struct Source {
    all: Bucket,
    quiet: Bucket,
    ignored: f64,
}

/// The buckets of all neighbours. They outlive the connection until they are full again: who comes back at once finds them
/// as they were.
#[derive(Debug)]
pub(crate) struct Rates {
    per_second: f64,
    burst: f64,
    sources: HashMap<PeerId, Source>,
    /// All strangers together: what is configured, and what of it is allowed now.
    strangers_per_second: f64,
    strangers: Bucket,
    seen: HashSet<u64>,
    /// The same in the order they came.
    order: VecDeque<u64>,
    /// Keyed by chance, so that nobody makes two messages look alike.
    hasher: RandomState,
}

impl Rates {
    pub(crate) fn new(limits: &NetLimits, now: Instant) -> Self {
        Self {
            per_second: f64::from(limits.gossip_per_second),
            burst: f64::from(limits.gossip_burst),
            sources: HashMap::new(),
            strangers_per_second: f64::from(limits.strangers_per_second),
            strangers: Bucket::new(
                f64::from(limits.strangers_per_second),
                f64::from(limits.strangers_burst),
                now,
            ),
            seen: HashSet::new(),
            order: VecDeque::new(),
            hasher: RandomState::new(),
        }
    }

    /// Whether a gossip message may pass: within the rate of its source, and, if nobody brought it before, within that of
    /// all strangers.
    pub(crate) fn take_message(&mut self, source: PeerId, data: &[u8], now: Instant) -> Rate {
        let price = price(data.len());
        let rate = self.take(source, price, now);
        if rate != Rate::Within {
            return rate;
        }
        let mark = self.hasher.hash_one(data);
        if self.seen.contains(&mark) {
            return Rate::Within;
        }
        let quiet =
            |all: &mut HashMap<PeerId, Source>| all.get_mut(&source).is_some_and(|of| of.quiet.take(price, now));
        if !quiet(&mut self.sources) && !self.strangers.take(price, now) {
            return Rate::Over;
        }
        self.remember(mark);
        Rate::Within
    }

    fn remember(&mut self, mark: u64) {
        if self.order.len() >= SEEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        if self.seen.insert(mark) {
            self.order.push_back(mark);
        }
    }

    /// Takes `tokens` from the bucket of `source`.
    pub(crate) fn take(&mut self, source: PeerId, tokens: u32, now: Instant) -> Rate {
        let (per_second, burst) = (self.per_second, self.burst);
        let source = self.sources.entry(source).or_insert_with(|| Source {
            all: Bucket::new(per_second, burst, now),
            quiet: Bucket::new(QUIET.0, QUIET.1, now),
            ignored: 0.0,
        });
        if source.all.take(tokens, now) {
            return Rate::Within;
        }
        source.ignored += f64::from(tokens);
        if source.ignored > burst * FLOOD_BURSTS {
            source.ignored = 0.0;
            return Rate::Flood;
        }
        Rate::Over
    }

    /// Strangers get less while the node does not keep up, whoever is to blame, so that contacts wait for none of theirs.
    pub(crate) fn keep_up(&mut self, busy: Duration, now: Instant) {
        let factor = if busy > LATE_AFTER { LATE } else { IN_TIME };
        let (most, least) = (self.strangers_per_second, self.strangers_per_second * LEAST);
        self.strangers.tokens = self.strangers.level(now);
        self.strangers.at = now;
        self.strangers.per_second = (self.strangers.per_second * factor).min(most).max(least);
        if busy > LATE_AFTER {
            self.strangers.tokens *= LATE;
        }
    }

    /// Forgets the buckets that are full again.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.sources
            .retain(|_, source| !source.all.is_full(now) || !source.quiet.is_full(now));
    }
}

fn price(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(BYTES_PER_TOKEN).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rates(start: Instant) -> Rates {
        Rates::new(
            &NetLimits {
                gossip_per_second: 10,
                gossip_burst: 20,
                ..NetLimits::default()
            },
            start,
        )
    }

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    fn message(n: u32, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        data[..4].copy_from_slice(&n.to_be_bytes());
        data
    }

    #[test]
    fn bucket_allows_a_burst_and_then_the_rate() {
        let start = Instant::now();
        let (mut rates, peer) = (rates(start), PeerId::random());
        for n in 0..20 {
            assert_eq!(rates.take_message(peer, &message(n, 512), start), Rate::Within);
        }
        assert_eq!(rates.take_message(peer, &message(20, 512), start), Rate::Over);
        assert_eq!(
            rates.take_message(PeerId::random(), &message(20, 512), start),
            Rate::Within
        );
        let later = after(start, 1000);
        for n in 30..40 {
            assert_eq!(rates.take_message(peer, &message(n, 512), later), Rate::Within);
        }
        assert_eq!(rates.take_message(peer, &message(40, 512), later), Rate::Over);
    }

    #[test]
    fn large_message_costs_more() {
        let start = Instant::now();
        let (mut rates, peer) = (rates(start), PeerId::random());
        assert_eq!(rates.take_message(peer, &message(0, 16_384), start), Rate::Within);
        assert_eq!(rates.take_message(peer, &message(1, 8_192), start), Rate::Over);
        assert_eq!(rates.take_message(peer, &message(2, 4_096), start), Rate::Within);
    }

    #[test]
    fn flooding_is_told_once_per_ten_bursts_ignored() {
        let start = Instant::now();
        let (mut rates, peer) = (rates(start), PeerId::random());
        let verdicts: Vec<Rate> = (0..1000)
            .map(|n| rates.take_message(peer, &message(n, 4), start))
            .collect();
        let position = verdicts.iter().position(|v| *v == Rate::Flood);
        assert_eq!(position, Some(220));
    }

    #[test]
    fn strangers_share_a_rate_and_whoever_is_quiet_is_heard_all_the_same() {
        let start = Instant::now();
        let mut rates = Rates::new(
            &NetLimits {
                strangers_per_second: 100,
                strangers_burst: 1_000,
                ..NetLimits::default()
            },
            start,
        );
        let mut next = 0;
        let mut bring = |rates: &mut Rates, peer, messages: usize| {
            let within = (0..messages).filter(|_| {
                next += 1;
                rates.take_message(peer, &message(next, 4), start) == Rate::Within
            });
            within.count()
        };
        // Each is far below its own burst, and each has its quiet share.
        let loud = [PeerId::random(), PeerId::random(), PeerId::random()];
        let passed: usize = loud.iter().map(|peer| bring(&mut rates, *peer, 1_000)).sum();
        assert_eq!(passed, 1_000 + 3 * 50);
        assert_eq!(bring(&mut rates, loud[0], 1), 0);
        assert_eq!(bring(&mut rates, PeerId::random(), 10), 10);
    }

    #[test]
    fn what_several_neighbours_bring_counts_once() {
        let start = Instant::now();
        let mut rates = Rates::new(
            &NetLimits {
                strangers_per_second: 1,
                strangers_burst: 100,
                ..NetLimits::default()
            },
            start,
        );
        let peers: Vec<PeerId> = (0..20).map(|_| PeerId::random()).collect();
        for n in 0..150 {
            for peer in &peers {
                assert_eq!(rates.take_message(*peer, &message(n, 4), start), Rate::Within, "{n}");
            }
        }
        assert_eq!(rates.take_message(peers[0], &message(150, 4), start), Rate::Over);
    }

    #[test]
    fn strangers_get_less_while_the_node_does_not_keep_up() {
        let start = Instant::now();
        let mut rates = Rates::new(&NetLimits::default(), start);
        let mut next = 0;
        let mut second = |rates: &mut Rates, now, late: u64| {
            rates.keep_up(Duration::from_millis(late), now);
            let passed = (0..12).filter(|_| {
                next += 1;
                rates.take_message(PeerId::random(), &message(next, 60_000), now) == Rate::Within
            });
            passed.count()
        };
        // One message of 59 KiB takes 59 tokens: too many for the share that everybody has.
        let busy: Vec<usize> = (0..5)
            .map(|n| second(&mut rates, after(start, n * 1_000), 200))
            .collect();
        assert_eq!(busy[0], 250 / 59);
        assert_eq!(busy[4], 0);
        let calm: Vec<usize> = (5..20)
            .map(|n| second(&mut rates, after(start, n * 1_000), 1))
            .collect();
        assert!((7..=9).contains(&calm[14]), "{calm:?}");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let start = Instant::now();
        let mut rates = rates(start);
        for mark in 0..100_000 {
            rates.remember(mark);
        }
        assert_eq!((rates.seen.len(), rates.order.len()), (SEEN, SEEN));
    }

    #[test]
    fn full_buckets_are_forgotten_and_empty_ones_are_not() {
        let start = Instant::now();
        let (mut rates, peer) = (rates(start), PeerId::random());
        for n in 0..20 {
            rates.take_message(peer, &message(n, 4), start);
        }
        rates.sweep(after(start, 1_900));
        assert_eq!(rates.sources.len(), 1);
        rates.sweep(after(start, 13_000));
        assert!(rates.sources.is_empty());
    }
}
