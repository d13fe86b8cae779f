//! Runs a scenario for many seeds, on all cores, and names the seeds that fail.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Asks for other seeds: `FROM..TO`.
const VARIABLE: &str = "PARLOUR_SIM_SEEDS";

/// The seeds to run.
pub(super) fn seeds(usually: Range<u64>) -> Range<u64> {
    let Ok(asked) = std::env::var(VARIABLE) else {
        return usually;
    };
    let range = asked.split_once("..").and_then(|(from, to)| {
        let range: Range<u64> = from.parse().ok()?..to.parse().ok()?;
        Some(range)
    });
    range.unwrap_or_else(|| panic!("{VARIABLE} is FROM..TO, not {asked:?}"))
}

/// Runs `check` for each seed; returns what happened in all of them together.
pub(super) fn each(
    test: &str,
    seeds: Range<u64>,
    check: impl Fn(u64) -> BTreeMap<&'static str, u64> + Sync,
) -> BTreeMap<&'static str, u64> {
    let next = AtomicU64::new(seeds.start);
    let outcome = Mutex::new((BTreeMap::new(), Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let run = catch_unwind(AssertUnwindSafe(|| check(seed)));
            let mut outcome = outcome.lock().expect("nobody panics here");
            match run {
                Ok(happened) => {
                    for (what, count) in happened {
                        *outcome.0.entry(what).or_default() += count;
                    }
                }
                Err(why) => {
                    let text = why.downcast_ref::<String>().cloned();
                    let text = text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                    outcome.1.push((seed, text.unwrap_or_default()));
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (happened, mut failed) = outcome.into_inner().expect("nobody panics here");
    failed.sort();
    let report: String = failed
        .iter()
        .map(|(seed, why)| {
            let end = seed + 1;
            let first = why.lines().take(12).collect::<Vec<_>>().join("\n    ");
            format!(
                "\nseed {seed}: {first}\n  again: {VARIABLE}={seed}..{end} cargo test -p parlour-node --lib {test}\n"
            )
        })
        .collect();
    assert!(failed.is_empty(), "{} seeds failed{report}", failed.len());
    happened
}
