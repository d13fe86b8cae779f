//! Memory and open files of the nodes over time, and how fast they grow.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::plan::NODES;
use crate::commands::bench::machine::{Usage, mib, open_files};

/// What a node used at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
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
                minutes: since.as_secs_f64() / 60.0,
                rss_mib,
                files: files as f64,
            });
        }
    }

    /// Those of a node from so many minutes on.
    pub(super) fn of(&self, node: usize, from: f64) -> Vec<Sample> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = all.get(node).into_iter().flatten();
        samples.filter(|sample| sample.minutes >= from).copied().collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_the_nearest_line() {
        let sample = |minutes: f64, rss_mib: f64| Sample {
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

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_looked_at() {
        let samples = Samples::default();
        samples.look(1, std::process::id(), Duration::from_secs(60));
        samples.look(2, u32::MAX, Duration::from_secs(60));
        assert!(
            samples
                .of(1, 0.5)
                .first()
                .is_some_and(|sample| sample.rss_mib > 1.0 && sample.files > 2.0)
        );
        assert!(samples.of(1, 1.5).is_empty() && samples.of(2, 0.0).is_empty());
    }
}
