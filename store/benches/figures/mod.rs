//! What was measured, and what is wanted of it: a table for people, JSON for programs, lines for another process.

use std::fmt::Write as _;
use std::time::Duration;

/// Figures in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Figures(Vec<Figure>);

struct Figure {
    name: String,
    value: f64,
    /// `<= 10`, and the like; empty for what is only told.
    goal: String,
}

/// Times in ms.
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

pub(crate) fn spread(mut times: Vec<Duration>) -> Spread {
    times.sort_unstable();
    let at = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times[rank].as_secs_f64() * 1e3
    };
    Spread {
        p50: at(50),
        p99: at(99),
        max: at(100),
    }
}

/// Resident memory of this process, MiB.
pub(crate) fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

impl Figures {
    pub(crate) fn number(&mut self, name: &str, value: f64) {
        self.goal(name, value, "");
    }

    pub(crate) fn goal(&mut self, name: &str, value: f64, goal: &str) {
        self.0.push(Figure {
            name: name.to_owned(),
            value,
            goal: goal.to_owned(),
        });
    }

    pub(crate) fn spread(&mut self, name: &str, times: &Spread) {
        for (what, value) in [("p50", times.p50), ("p99", times.p99), ("max", times.max)] {
            self.number(&format!("{name}_{what}_ms"), value);
        }
    }

    /// How busy the machine is, over a minute.
    pub(crate) fn load(&mut self, name: &str) {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let one = load.split(' ').next().and_then(|one| one.parse().ok());
        self.number(name, one.unwrap_or(f64::NAN));
    }

    /// One line a figure.
    pub(crate) fn lines(&self) -> String {
        let mut lines = String::new();
        for figure in &self.0 {
            let _ = writeln!(lines, "{}\t{}\t{}", figure.name, figure.value, figure.goal);
        }
        lines
    }

    /// Takes up the lines of another process.
    pub(crate) fn extend(&mut self, lines: &str) {
        for line in lines.lines() {
            let mut fields = line.split('\t');
            let (Some(name), Some(value)) = (fields.next(), fields.next().and_then(|value| value.parse().ok())) else {
                continue;
            };
            self.goal(name, value, fields.next().unwrap_or_default());
        }
    }

    pub(crate) fn json(&self) -> String {
        let fields = self
            .0
            .iter()
            .map(|figure| format!("\"{}\":{:.3}", figure.name, figure.value));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }

    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        for figure in &self.0 {
            let met = match figure.is_met() {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "",
            };
            let _ = writeln!(
                table,
                "{:<44} {:>12.3}  {:<10} {met}",
                figure.name, figure.value, figure.goal
            );
        }
        table
    }
}

impl Figure {
    fn is_met(&self) -> Option<bool> {
        let (how, bound) = self.goal.split_once(' ')?;
        let bound: f64 = bound.parse().ok()?;
        match how {
            "<" => Some(self.value < bound),
            "<=" => Some(self.value <= bound),
            ">=" => Some(self.value >= bound),
            _ => None,
        }
    }
}
