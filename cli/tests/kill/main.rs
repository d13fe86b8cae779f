//! Two real nodes that talk while either of them is killed again and again, in the middle of what it does and in the middle of
//! starting again. The clients do what clients should: they repeat a message under its client id until it is acknowledged.
//! `PARLOUR_KILLS` and `PARLOUR_SEED` choose how often and which sequence of chances; `PARLOUR_LOG` what the nodes log.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests are tests"
)]

mod connection;
mod node;
mod world;
mod writer;

use std::time::Duration;

use crate::world::World;

/// Starts that are killed in a row, and after which time at most.
const STARTS: u64 = 10;
const START_MS: u64 = 150;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_nodes_are_killed() {
    let kills = number("PARLOUR_KILLS").unwrap_or(100);
    let mut world = World::new();
    world.meet();
    let mut killed = 0;
    while killed < kills {
        world.let_write();
        // One at a time mostly, both at once sometimes: then nobody remembers for the other.
        let victims = match world.chance.below(16) {
            0 => vec![0, 1],
            n => vec![usize::from(n > 8)],
        };
        for victim in &victims {
            world.nodes[*victim].kill();
            killed += 1;
        }
        for victim in victims {
            world.nodes[victim].start();
        }
    }
    world.agree();
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_nodes_are_killed_while_they_recover() {
    let mut starts = number("PARLOUR_KILLS").unwrap_or(100) / 2;
    let mut world = World::new();
    world.meet();
    while starts > 0 {
        world.let_write();
        let victim = world.chance.below(2) as usize;
        world.nodes[victim].kill();
        for _ in 0..starts.min(STARTS) {
            let moment = Duration::from_millis(world.chance.below(START_MS + 1));
            world.nodes[victim].start_and_kill(moment);
            starts -= 1;
        }
        world.nodes[victim].start();
    }
    world.agree();
}

pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|value| value.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// SplitMix64.
pub(crate) struct Chance {
    pub(crate) seed: u64,
    state: u64,
}

impl Chance {
    pub(crate) fn new() -> Self {
        let seed = number("PARLOUR_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
        Self { seed, state: seed }
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
