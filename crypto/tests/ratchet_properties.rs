//! Whatever the network does, each plaintext comes out at most once, and within the limits exactly once for each
//! envelope that arrives.
//!
//! `PARLOUR_CASES` and `PARLOUR_MESSAGES` make the runs longer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use support::{eager_sides, rng, sides};

fn env(name: &str, default: u32) -> u32 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: env("PARLOUR_CASES", 24),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Send {
        from: usize,
    },
    /// Delivers one of the envelopes on their way; `again` leaves it there to come a second time.
    Deliver {
        to: usize,
        which: prop::sample::Index,
        again: bool,
    },
    /// Delivers one with a byte changed.
    Damage {
        to: usize,
        which: prop::sample::Index,
        byte: prop::sample::Index,
    },
    Lose {
        to: usize,
        which: prop::sample::Index,
    },
    Reload {
        side: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let side = 0..2_usize;
    prop_oneof![
        6 => side.clone().prop_map(|from| Op::Send { from }),
        5 => (side.clone(), any::<prop::sample::Index>(), prop::bool::weighted(0.2))
            .prop_map(|(to, which, again)| Op::Deliver { to, which, again }),
        1 => (side.clone(), any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(to, which, byte)| Op::Damage { to, which, byte }),
        1 => (side.clone(), any::<prop::sample::Index>()).prop_map(|(to, which)| Op::Lose { to, which }),
        1 => side.prop_map(|side| Op::Reload { side }),
    ]
}

/// Runs `ops` and returns every envelope that was sealed; `reload` reads both sides back after every step. With `eager` sides there
/// are refreshes all the time.
fn run(seed: u64, ops: &[Op], eager: bool, reload: bool) -> Vec<Vec<u8>> {
    let mut sides = if eager { eager_sides(seed) } else { sides(seed) };
    let mut sent = Vec::new();
    let mut under_way: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    let mut opened = BTreeSet::new();
    for op in ops {
        match *op {
            Op::Send { from } => {
                under_way[1 - from].push(sent.len());
                sent.push(sides[from].seal(&sent.len().to_be_bytes()));
            }
            Op::Deliver { to, which, again } if !under_way[to].is_empty() => {
                let at = which.index(under_way[to].len());
                let id = under_way[to][at];
                if opened.insert(id) {
                    let payload = sides[to].open(&sent[id]).expect("an envelope that arrives first opens");
                    assert_eq!(payload.as_slice(), id.to_be_bytes());
                } else {
                    sides[to].refuses(&sent[id]);
                }
                if !again {
                    under_way[to].swap_remove(at);
                }
            }
            Op::Damage { to, which, byte } if !under_way[to].is_empty() => {
                let mut envelope = sent[under_way[to][which.index(under_way[to].len())]].clone();
                let at = byte.index(envelope.len());
                envelope[at] ^= 0x10;
                sides[to].refuses(&envelope);
            }
            Op::Lose { to, which } if !under_way[to].is_empty() => {
                let at = which.index(under_way[to].len());
                under_way[to].swap_remove(at);
            }
            Op::Reload { side } => sides[side].reload(),
            Op::Deliver { .. } | Op::Damage { .. } | Op::Lose { .. } => {}
        }
        if reload {
            sides.iter_mut().for_each(support::Side::reload);
        }
    }
    // What is still under way arrives at last, the newest first.
    for to in [0, 1] {
        for id in std::mem::take(&mut under_way[to]).into_iter().rev() {
            if opened.insert(id) {
                assert_eq!(sides[to].open(&sent[id]).unwrap().as_slice(), id.to_be_bytes());
            }
            sides[to].refuses(&sent[id]);
        }
    }
    sent
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_loss_order_and_duplication_gives_each_plaintext_once(
        seed in any::<u32>(),
        ops in prop::collection::vec(op(), 1..400),
        eager in any::<bool>(),
    ) {
        run(seed.into(), &ops, eager, false);
    }

    #[test]
    fn reading_the_session_back_between_any_two_steps_changes_nothing(
        seed in any::<u32>(),
        ops in prop::collection::vec(op(), 1..120),
        eager in any::<bool>(),
    ) {
        prop_assert_eq!(run(seed.into(), &ops, eager, false), run(seed.into(), &ops, eager, true));
    }

    #[test]
    fn reordered_and_lossy_traffic_is_all_read(
        seed in any::<u32>(),
        window in 1..=500_u64,
        loss in 0..=30_u64,
        two_way in any::<bool>(),
        burst in 1..=20_u64,
        eager in any::<bool>(),
    ) {
        let messages = env("PARLOUR_MESSAGES", 2000);
        Traffic { window, loss, two_way, burst, eager }.run(seed.into(), messages);
    }
}

/// Each message takes 0 to `window` steps, `loss` per cent never arrive; the sender changes every 1 to `burst` messages.
#[derive(Debug)]
struct Traffic {
    window: u64,
    loss: u64,
    two_way: bool,
    burst: u64,
    /// Refreshes as often as they can be, not only after 50 messages.
    eager: bool,
}

impl Traffic {
    /// Returns how many refreshes each side saw.
    fn run(&self, seed: u64, messages: u32) -> [u32; 2] {
        let mut sides = eager_sides(seed);
        for side in &mut sides {
            side.eager = self.eager;
        }
        let mut dice = rng(seed ^ 0xD1CE);
        let mut arrivals: BTreeMap<u64, Vec<(usize, u32, Vec<u8>)>> = BTreeMap::new();
        let (mut from, mut left) = (0, 0);
        let (mut arrived, mut lost) = (0, 0);
        for step in 0..u64::from(messages) + self.window {
            if let Ok(number) = u32::try_from(step)
                && number < messages
            {
                if left == 0 {
                    from = if self.two_way { below(&mut dice, 2) as usize } else { 0 };
                    left = 1 + below(&mut dice, self.burst);
                }
                left -= 1;
                let envelope = sides[from].seal(&number.to_be_bytes());
                if below(&mut dice, 100) < self.loss {
                    lost += 1;
                } else {
                    let at = step + below(&mut dice, self.window);
                    arrivals.entry(at).or_default().push((1 - from, number, envelope));
                }
            }
            for (to, number, envelope) in arrivals.remove(&step).unwrap_or_default() {
                let payload = sides[to].open(&envelope);
                let payload = payload.unwrap_or_else(|error| panic!("message {number}: {error}; {self:?}"));
                assert_eq!(payload.as_slice(), number.to_be_bytes());
                arrived += 1;
            }
        }
        assert_eq!(arrived + lost, messages, "every message arrives or is lost");
        sides.map(|side| side.session.refreshes())
    }
}

fn below(dice: &mut ChaCha20Rng, limit: u64) -> u64 {
    dice.next_u64() % limit
}

#[test]
fn traffic_at_the_corners_of_the_model_is_all_read() {
    // How many refreshes there are at least: a turn takes about a window, and a refresh two of each side.
    for (window, loss, two_way, burst, eager, least) in [
        (500, 30, true, 1, true, 1),
        (500, 30, false, 1, true, 0),
        (500, 0, true, 20, true, 1),
        (1, 30, true, 1, true, 100),
        (50, 30, true, 2, true, 8),
        (50, 30, true, 2, false, 6),
    ] {
        let traffic = Traffic {
            window,
            loss,
            two_way,
            burst,
            eager,
        };
        let [a, b] = traffic.run(1, 3000);
        assert!(a.abs_diff(b) <= 1, "{traffic:?}: {a} and {b}");
        assert!(a.max(b) >= least, "{traffic:?}: {a} and {b}");
    }
}
