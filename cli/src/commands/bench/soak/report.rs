//! The figures of a soak, and what is wanted of them.

use std::time::Duration;

use serde::Serialize;

use super::plan::Plan;
use super::samples::{Sample, Samples, files_in_a_life, slope};
use super::{NAMES, Restarts};
use crate::commands::bench::BUILD;
use crate::commands::bench::machine::Machine;
use crate::commands::bench::report::rounded;
use crate::commands::bench::table::{Row, fact, table};

/// Nodes warm up for this part of the time, and not longer than so many minutes.
const WARM_UP: (f64, f64) = (0.2, 2.0);
/// A shorter soak says nothing of memory: it is all caches that fill up.
const LEAST_MINUTES: f64 = 5.0;
/// Files that a node may end with more than it began with: whoever came back meanwhile; where a life is a few seconds also one
/// part of the search index, which is merged later.
const MORE_FILES: f64 = 3.0;
const MORE_IN_A_SHORT_LIFE: f64 = 8.0;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub version: &'static str,
    pub build: &'static str,
    pub before: Machine,
    pub after: Machine,
    /// Chooses everything that is random here.
    pub seed: u64,
    pub minutes: f64,
    pub messages: usize,
    pub killed: usize,
    pub stopped: usize,
    /// The node that was left alone, and the two that were ended again and again.
    pub nodes: Vec<Grown>,
    /// Messages whose place on both disks was checked at the end.
    pub checked: usize,
    /// What was lost, doubled or not confirmed, and what grew: always nothing, or else the program fails.
    pub problems: Vec<String>,
}

/// What a node used once it was warm.
#[derive(Debug, Serialize)]
pub(crate) struct Grown {
    pub name: &'static str,
    pub samples: usize,
    pub rss_mib: Range,
    /// By least squares; says little of a node that was restarted.
    pub rss_mib_per_minute: Option<f64>,
    pub files: Range,
    /// Says little: parts of the search index come and go.
    pub files_per_minute: Option<f64>,
    /// Least of the later half less least of the earlier one, in the life in which that is most.
    pub files_in_a_life: Option<f64>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Range {
    pub first: Option<f64>,
    pub last: Option<f64>,
    pub least: Option<f64>,
    pub most: Option<f64>,
}

impl Report {
    #[expect(clippy::too_many_arguments, reason = "called once, at the end")]
    pub(super) fn new(
        before: Machine,
        seed: u64,
        length: Duration,
        plan: &Plan,
        restarts: Restarts,
        samples: &Samples,
        checked: usize,
        problems: Vec<String>,
    ) -> Self {
        let minutes = length.as_secs_f64() / 60.0;
        let (part, most) = WARM_UP;
        let warm = (minutes * part).min(most);
        let grown = |(node, name)| Grown::of(name, &samples.of(node), warm);
        let mut report = Self {
            version: env!("CARGO_PKG_VERSION"),
            build: BUILD,
            before,
            after: Machine::now(),
            seed,
            minutes: rounded(minutes),
            messages: plan.len(),
            killed: restarts.killed,
            stopped: restarts.stopped,
            nodes: NAMES.into_iter().enumerate().map(grown).collect(),
            checked,
            problems,
        };
        let missed = report.missed();
        report.problems.extend(missed);
        report
    }

    /// Nothing that is wanted here asks for a fast machine or a quiet one.
    fn missed(&self) -> Vec<String> {
        let missed = self.rows().into_iter().filter(|row| row.met == Some(false));
        missed
            .map(|row| format!("{}: {} (goal: {})", row.what, row.figure, row.goal))
            .collect()
    }

    pub(crate) fn table(&self) -> String {
        let machines = [&self.before, &self.after];
        table(machines, self.rows(), (self.checked, "both"), &self.problems)
    }

    fn rows(&self) -> Vec<Row> {
        let said = format!("{} in {:.1} minutes, seed {}", self.messages, self.minutes, self.seed);
        let ended = format!("{} killed, {} stopped, each started again", self.killed, self.stopped);
        let mut rows = vec![
            fact("messages between three nodes", said),
            fact("restarts of two of them", ended),
        ];
        if let Some((steady, others)) = self.nodes.split_first() {
            rows.push(Row {
                what: "memory of the steady node",
                figure: format!(
                    "{}, {} a minute",
                    steady.rss_mib.text("MiB"),
                    number(steady.rss_mib_per_minute)
                ),
                goal: "< 1 MiB a minute",
                met: steady
                    .rss_mib_per_minute
                    .filter(|_| self.minutes >= LEAST_MINUTES)
                    .map(|slope| slope < 1.0),
            });
            rows.push(Row {
                what: "open files of the steady node",
                figure: format!(
                    "{}, {} more late than early",
                    steady.files.text(""),
                    number(steady.files_in_a_life)
                ),
                goal: "flat (3)",
                met: steady.files_in_a_life.map(|more| more <= MORE_FILES),
            });
            for (what, files, other) in others
                .iter()
                .zip(OTHERS)
                .map(|(other, (what, files))| (what, files, other))
            {
                rows.push(fact(what, other.rss_mib.text("MiB")));
                rows.push(Row {
                    what: files,
                    figure: format!(
                        "{}, {} more late than early in one life",
                        other.files.text(""),
                        number(other.files_in_a_life)
                    ),
                    goal: "flat (8)",
                    met: other.files_in_a_life.map(|more| more <= MORE_IN_A_SHORT_LIFE),
                });
            }
        }
        rows
    }
}

const OTHERS: [(&str, &str); 2] = [
    ("memory of the second", "open files of the second"),
    ("memory of the third", "open files of the third"),
];

impl Grown {
    /// Of all its samples; those before it was warm count for the files of each life alone.
    fn of(name: &'static str, all: &[Sample], warm: f64) -> Self {
        let cold = all.partition_point(|sample| sample.minutes < warm);
        let samples = all.get(cold..).unwrap_or_default();
        Self {
            name,
            samples: samples.len(),
            rss_mib: Range::of(samples, |sample| sample.rss_mib),
            rss_mib_per_minute: slope(samples, |sample| sample.rss_mib).map(rounded),
            files: Range::of(samples, |sample| sample.files),
            files_per_minute: slope(samples, |sample| sample.files).map(rounded),
            files_in_a_life: files_in_a_life(all),
        }
    }
}

impl Range {
    fn of(samples: &[Sample], what: impl Fn(&Sample) -> f64) -> Self {
        Self {
            first: samples.first().map(&what),
            last: samples.last().map(&what),
            least: samples.iter().map(&what).min_by(f64::total_cmp),
            most: samples.iter().map(&what).max_by(f64::total_cmp),
        }
    }

    fn text(&self, unit: &str) -> String {
        let [first, last, least, most] = [self.first, self.last, self.least, self.most].map(number);
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(" {unit}")
        };
        format!("{first} to {last}{unit}, between {least} and {most}")
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| format!("{value:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_grows_misses_its_goal() {
        let at = |minutes: f64, rss_mib: f64| Sample {
            pid: 1,
            minutes,
            rss_mib,
            files: 30.0,
        };
        let samples: Vec<Sample> = (0..50)
            .map(|n| at(f64::from(n) * 0.1, 40.0 + 0.3 * f64::from(n)))
            .collect();
        let leaks = |n: u32| Sample {
            files: f64::from(n),
            ..at(f64::from(n) / 120.0, 40.0)
        };
        let leaking: Vec<Sample> = (0..40).map(leaks).collect();
        let machine = Machine { cores: 2, load: None };
        let mut report = Report {
            version: "1",
            build: "release",
            before: machine,
            after: machine,
            seed: 7,
            minutes: 5.0,
            messages: 6_000,
            killed: 3,
            stopped: 1,
            nodes: vec![
                Grown::of("ada", &samples, 0.0),
                Grown::of("bo", &samples[..1], 0.0),
                Grown::of("cy", &leaking, 0.2),
            ],
            checked: 6_000,
            problems: Vec::new(),
        };
        let shown = report.table();
        let line = |begin: &str| {
            shown
                .lines()
                .find(|line| line.contains(begin))
                .unwrap_or_default()
                .trim_end()
        };
        assert!(
            line("memory of the steady").contains("40.0 to 54.7 MiB, between 40.0 and 54.7, 3.0 a minute"),
            "{shown}"
        );
        assert!(line("memory of the steady").ends_with("missed"), "{shown}");
        assert!(line("files of the steady").ends_with("met"), "{shown}");
        assert!(line("restarts").contains("3 killed, 1 stopped"), "{shown}");
        assert!(
            line("files of the second").contains("30.0, ? more late than early in one life"),
            "{shown}"
        );
        assert!(
            line("files of the third").contains("15.0 more late than early in one life"),
            "{shown}"
        );
        assert!(line("files of the third").ends_with("missed"), "{shown}");
        assert!(shown.contains("6000 messages are on both disks"), "{shown}");

        let missed = report.missed();
        assert_eq!(missed.len(), 2, "{missed:?}");
        assert!(
            missed[0].starts_with("memory of the steady node: 40.0 to"),
            "{missed:?}"
        );
        assert!(
            missed[0].ends_with("3.0 a minute (goal: < 1 MiB a minute)"),
            "{missed:?}"
        );
        assert!(missed[1].starts_with("open files of the third"), "{missed:?}");
        report.minutes = 4.9;
        assert_eq!(report.missed().len(), 1, "too short to say");
    }
}
