//! All faults together, at random: the oracle of everything that was accepted.

use std::collections::BTreeMap;

use super::super::adversary::ATTACKS;
use super::super::seeds;
use super::super::storm::Storm;

fn check(seed: u64) -> BTreeMap<&'static str, u64> {
    let storm = Storm::run(seed);
    storm.sim.check(storm.honest);
    storm.sim.check_nonces();
    storm.sim.happened
}

#[test]
fn what_was_accepted_is_everywhere_once_in_one_order_and_with_one_view() {
    let seeds = seeds::seeds(0..256);
    let many = seeds.end - seeds.start >= 256;
    let happened = seeds::each("sim::tests::storm", seeds, check);
    // So that no fault goes missing unnoticed.
    for what in [
        "kill",
        "crash before a commit",
        "power cut",
        "power cut in a commit",
        "power cut in a checkpoint",
        "disk full",
        "cut",
        "silent link",
        "clock set back",
        "clock set forward",
        "sleep",
        "old copy put back",
        "block",
    ]
    .into_iter()
    .chain(ATTACKS)
    {
        let count = happened.get(what).copied().unwrap_or(0);
        assert!(!many || count >= 5, "{what} happened {count} times: {happened:?}");
    }
}

/// Seeds beyond those above that something was found by.
#[test]
fn what_was_mended_stays_mended() {
    for seed in [373, 462, 627, 753, 879, 1020, 1607, 1656, 1862, 2250] {
        check(seed);
    }
}

#[test]
fn a_seed_repeats_itself() {
    for seed in 0..3 {
        let [once, again] = [(); 2].map(|()| Storm::run(seed).sim.trace);
        assert_eq!(once, again, "seed {seed}");
    }
}
