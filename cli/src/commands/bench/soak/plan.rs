//! Who says what to whom, and when: the same for the same seed.

use std::time::Duration;

pub(super) const NODES: usize = 3;
/// What follows a message's number: people write about as much.
const WORDS: &str = "and some words about nothing in particular, about as many as people write at once, and so on";

/// Numbers that come again with the same seed (SplitMix64).
pub(in crate::commands::bench) struct Random(u64);

impl Random {
    pub(in crate::commands::bench) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A place among `count`.
    pub(in crate::commands::bench) fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.below(u64::try_from(count).unwrap_or(1))).unwrap_or_default()
    }
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// All messages, evenly over the time.
pub(super) struct Plan {
    messages: Vec<Planned>,
    pause: Duration,
}

impl Plan {
    pub(super) fn new(length: Duration, rate: u32, random: &mut Random) -> Self {
        let count = (length.as_secs_f64() * f64::from(rate)) as usize;
        let message = |_| {
            let from = random.place(NODES);
            let to = (from + 1 + random.place(NODES - 1)) % NODES;
            Planned { from, to }
        };
        Self {
            messages: (0..count).map(message).collect(),
            pause: Duration::from_secs(1) / rate.max(1),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (usize, Planned)> {
        self.messages.iter().copied().enumerate()
    }

    /// What a node is to write: number, recipient, and when since the beginning.
    pub(super) fn of(&self, node: usize) -> impl Iterator<Item = (usize, usize, Duration)> {
        let own = self.all().filter(move |(_, planned)| planned.from == node);
        own.map(|(n, planned)| (n, planned.to, self.pause * u32::try_from(n).unwrap_or(u32::MAX)))
    }

    /// What message `n` says.
    pub(super) fn text(&self, n: usize) -> String {
        format!("soak {n} {WORDS}")
    }

    /// Which message says this.
    pub(super) fn number(text: &str) -> Option<usize> {
        text.strip_prefix("soak ")?.split(' ').next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_comes_again_with_its_seed_and_nobody_writes_to_themselves() {
        let plan = |seed| Plan::new(Duration::from_secs(10), 20, &mut Random::new(seed));
        let (one, again, other) = (plan(7), plan(7), plan(8));
        assert_eq!(one.len(), 200);
        assert_eq!(one.messages, again.messages);
        assert_ne!(one.messages, other.messages);
        assert!(
            one.all()
                .all(|(_, planned)| planned.from != planned.to && planned.to < NODES)
        );
        let written: usize = (0..NODES).map(|node| one.of(node).count()).sum();
        assert_eq!(written, 200);
        let last = (0..NODES).filter_map(|node| one.of(node).last()).map(|(_, _, due)| due);
        assert_eq!(last.max(), Some(Duration::from_millis(9_950)));
    }

    #[test]
    fn a_message_knows_its_number() {
        let plan = Plan::new(Duration::from_secs(1), 20, &mut Random::new(1));
        assert_eq!(Plan::number(&plan.text(19)), Some(19));
        assert_eq!(Plan::number("soaked"), None);
    }
}
