//! Memory and open files of the nodes over time, and how fast they grow.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::plan::NODES;
use crate::commands::bench::machine::{Usage, mib, open_files};

/// A node opens what it needs in this time after its start.
const YOUNG_MINUTES: f64 = 5.0 / 60.0;
/// Samples after that without which a life says nothing.
const LEAST_OF_A_LIFE: usize = 20;

/// What a node used at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    /// Another one after each start.
    pub(super) pid: u32,
    pub(super) minutes: f64,
    pub(super) rss_mib: f64,
    pub(super) files: f64,
}

/// What the nodes used, node by node.
#[derive(Default)]
pub(super) struct Samples(Mutex<[Vec<Sample>; NODES]>);

impl Samples {
    pub(super) fn look(&self, node: usize, pid: u32, since: Duration) {
        let (rss, files) = (mib(Usage::of(pid).rss_kib), open_files(pid));
        let (Some(rss_mib), Some(files)) = (rss, files) else {
            return;
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(samples) = all.get_mut(node) {
            samples.push(Sample {
                pid,
                minutes: since.as_secs_f64() / 60.0,
                rss_mib,
                files: files as f64,
            });
        }
    }

    pub(super) fn of(&self, node: usize) -> Vec<Sample> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(node).cloned().unwrap_or_default()
    }
}

/// Growth in a minute, by least squares; `None` where there is too little to say.
pub(super) fn slope(samples: &[Sample], what: impl Fn(&Sample) -> f64) -> Option<f64> {
    let count = samples.len() as f64;
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|sample| sample.minutes), mean(&what));
    let spread: f64 = samples.iter().map(|sample| (sample.minutes - x).powi(2)).sum();
    let together: f64 = samples
        .iter()
        .map(|sample| (sample.minutes - x) * (what(sample) - y))
        .sum();
    (samples.len() > 2 && spread > 0.0).then_some(together / spread)
}

/// How many files more a node had open late in a life than early in it, in the life in which that is most. `None` where all
/// lives were too short to say.
pub(super) fn files_in_a_life(samples: &[Sample]) -> Option<f64> {
    let lives = samples.chunk_by(|one, next| one.pid == next.pid);
    lives.filter_map(more_files).max_by(f64::total_cmp)
}

/// The least of each half: what is open for a moment, as parts of the search index are until they are merged, is in neither.
fn more_files(life: &[Sample]) -> Option<f64> {
    let started = life.first()?.minutes;
    let young = life.partition_point(|sample| sample.minutes < started + YOUNG_MINUTES);
    let grown = life.get(young..).filter(|grown| grown.len() >= LEAST_OF_A_LIFE)?;
    let (early, late) = grown.split_at(grown.len() / 2);
    let least = |half: &[Sample]| half.iter().map(|sample| sample.files).min_by(f64::total_cmp);
    Some(least(late)? - least(early)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_the_nearest_line() {
        let sample = |minutes: f64, rss_mib: f64| Sample {
            pid: 1,
            minutes,
            rss_mib,
            files: 40.0,
        };
        let rising: Vec<Sample> = (0..10)
            .map(|n| sample(f64::from(n), 30.0 + 2.0 * f64::from(n)))
            .collect();
        assert_eq!(slope(&rising, |sample| sample.rss_mib), Some(2.0));
        assert_eq!(slope(&rising, |sample| sample.files), Some(0.0));
        let noisy = [
            sample(0.0, 30.0),
            sample(1.0, 32.0),
            sample(2.0, 30.0),
            sample(3.0, 32.0),
        ];
        let slope_of_noise = slope(&noisy, |sample| sample.rss_mib).unwrap();
        assert!((slope_of_noise - 0.4).abs() < 1e-9, "{slope_of_noise}");
        assert_eq!(slope(&rising[..2], |sample| sample.rss_mib), None);
    }

    #[test]
    fn files_are_compared_within_a_life_and_not_with_another_one() {
        let life = |pid: u32, files: &[u32]| -> Vec<Sample> {
            let sample = |(n, files): (u32, &u32)| Sample {
                pid,
                minutes: f64::from(pid) * 10.0 + f64::from(n) * 0.0085,
                rss_mib: 30.0,
                files: f64::from(*files),
            };
            (0..).zip(files).map(sample).collect()
        };
        // Young for ten samples.
        let after = |first: u32, files: &[u32]| [&[first; 10], files].concat();
        let comes_and_goes = |low: u32| [low, low + 12, low + 24, low + 6, low + 18].repeat(4);
        let steady = life(1, &after(20, &comes_and_goes(36)));
        let more = life(2, &after(20, &comes_and_goes(60)));
        let short = life(3, &after(10, &[20, 30, 40, 90]));
        let leaks = life(4, &after(20, &(40..60).collect::<Vec<u32>>()));
        assert_eq!(files_in_a_life(&steady), Some(0.0));
        assert_eq!(files_in_a_life(&short), None);
        assert_eq!(files_in_a_life(&[steady.clone(), more, short].concat()), Some(0.0));
        assert_eq!(files_in_a_life(&[steady, leaks].concat()), Some(10.0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_looked_at() {
        let samples = Samples::default();
        samples.look(1, std::process::id(), Duration::from_secs(60));
        samples.look(2, u32::MAX, Duration::from_secs(60));
        assert!(
            samples
                .of(1)
                .first()
                .is_some_and(|sample| sample.rss_mib > 1.0 && sample.files > 2.0)
        );
        assert!(samples.of(0).is_empty() && samples.of(2).is_empty());
    }
}
