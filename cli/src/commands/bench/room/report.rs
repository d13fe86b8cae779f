//! The figures of a room, and what is wanted of them.

use std::time::Duration;

use serde::Serialize;

use super::talk::Talk;
use crate::commands::bench::machine::Machine;
use crate::commands::bench::report::{Memory, Spread, rounded};
use crate::commands::bench::table::{Row, fact, mib, row, table};

/// Growth of a node's memory that is none, MiB a minute.
const FLAT_MIB: f64 = 1.0;
/// Seconds of a part until that can be said: so long gossip remembers what passed, and caches fill.
const WARM: f64 = 600.0;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub version: &'static str,
    /// Figures of a debug build say nothing.
    pub build: &'static str,
    pub before: Machine,
    pub after: Machine,
    /// Chooses who writes what.
    pub seed: u64,
    pub members: usize,
    /// Messages a second of the paced part.
    pub rate: u32,
    pub paced: Said,
    pub fast: Said,
    /// Of each member, in the paced part and with half way in its middle, and in the other one.
    pub paced_memory: Vec<Memory>,
    pub fast_memory: Vec<Memory>,
    /// Messages whose place on all disks was checked at the end.
    pub checked: usize,
    /// What was lost, doubled or not confirmed: always nothing, or else the program fails.
    pub problems: Vec<String>,
}

/// Messages by random members.
#[derive(Debug, Serialize)]
pub(crate) struct Said {
    pub messages: usize,
    /// Until the last of them was on the last stream.
    pub seconds: f64,
    /// Until the API's answer.
    pub answered: Spread,
    /// Until the stream of each other member; in the paced part from when the message was due.
    pub arrived: Spread,
    /// The same until the stream of the last member.
    pub everywhere: Spread,
    /// All members together.
    pub cpu_us_per_message: Option<f64>,
}

impl Said {
    pub(super) fn of(talk: &Talk, took: Duration, busy: Option<Duration>) -> Self {
        let each = |busy: Duration| rounded(busy.as_secs_f64() * 1e6 / talk.len() as f64);
        Self {
            messages: talk.len(),
            seconds: rounded(took.as_secs_f64()),
            answered: Spread::of(talk.answers()),
            arrived: Spread::of(talk.arrivals()),
            everywhere: Spread::of(talk.last_arrivals()),
            cpu_us_per_message: busy.map(each),
        }
    }

    fn text(&self) -> String {
        let cpu = self
            .cpu_us_per_message
            .map_or_else(|| "?".to_owned(), |cpu| format!("{cpu:.0}"));
        let rate = self.messages as f64 / self.seconds;
        format!(
            "{} in {:.1} s, {rate:.0} messages/s, {cpu} µs of processor a message",
            self.messages, self.seconds
        )
    }
}

impl Report {
    pub(crate) fn table(&self) -> String {
        let machines = [&self.before, &self.after];
        table(machines, self.rows(), (self.checked, "all"), &self.problems)
    }

    fn rows(&self) -> Vec<Row> {
        let (paced, fast) = (&self.paced, &self.fast);
        let who = format!("{} nodes, seed {}", self.members, self.seed);
        let mut rows = vec![
            fact("room: members", who),
            fact("paced: all members together", paced.text()),
            row(
                "paced: on each other's stream",
                paced.arrived.text(),
                "p99 50 ms",
                paced.arrived.p99_ms <= 50.0,
            ),
            fact("paced: on the last one's stream", paced.everywhere.text()),
            fact("paced: answered", paced.answered.text()),
            fact("fast: all members together", fast.text()),
            row(
                "fast: on each other's stream",
                fast.arrived.text(),
                "p99 < 1 s",
                fast.arrived.p99_ms < 1e3,
            ),
            fact("fast: on the last one's stream", fast.everywhere.text()),
            fact("fast: answered", fast.answered.text()),
        ];
        rows.extend(self.paced_memory_row());
        let most = self.fast_memory.iter();
        let most = most.max_by(|one, other| one.peak.unwrap_or(0.0).total_cmp(&other.peak.unwrap_or(0.0)));
        rows.extend(most.map(|most| fact("fast: memory of who took most", most.text())));
        rows
    }

    /// The memory of the member whose memory grew most in the second half of the paced part.
    fn paced_memory_row(&self) -> Option<Row> {
        let growth = |memory: &Memory| memory.half.zip(memory.after).map(|(half, after)| after - half);
        let grown = |one: &&Memory, other: &&Memory| {
            let [one, other] = [one, other].map(|memory| growth(memory).unwrap_or(f64::MIN));
            one.total_cmp(&other)
        };
        let most = self.paced_memory.iter().max_by(grown)?;
        let a_minute = growth(most).map(|growth| growth / (self.paced.seconds / 2.0) * 60.0);
        let what = "paced: memory of who grew most";
        let figure = format!("{}; {} MiB a minute behind half way", most.text(), mib(a_minute));
        Some(match self.paced.seconds >= WARM {
            true => Row {
                what,
                figure,
                goal: "< 1 MiB a minute",
                met: a_minute.map(|a_minute| a_minute < FLAT_MIB),
            },
            false => fact(what, format!("{figure} (of ten minutes that would say something)")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_messages_and_growing_members_miss_their_goals() {
        let spread = |ms| Spread::of(vec![Duration::from_millis(ms)]);
        let said = |ms| Said {
            messages: 1_000,
            seconds: 50.0,
            answered: spread(1),
            arrived: spread(ms),
            everywhere: spread(ms),
            cpu_us_per_message: Some(1_234.0),
        };
        let memory = |after: f64| Memory {
            before: Some(30.0),
            half: Some(34.0),
            peak: Some(50.0),
            after: Some(after),
        };
        let machine = Machine { cores: 2, load: None };
        let report = Report {
            version: "1",
            build: "release",
            before: machine,
            after: machine,
            seed: 7,
            members: 10,
            rate: 20,
            paced: Said {
                messages: 12_000,
                seconds: 600.0,
                ..said(51)
            },
            fast: said(900),
            paced_memory: vec![memory(34.5), memory(39.0), memory(33.0)],
            fast_memory: vec![memory(34.0)],
            checked: 2_000,
            problems: Vec::new(),
        };
        let shown = report.table();
        let line = |begin: &str| {
            let mut lines = shown.lines();
            let line = lines.find(|line| line.contains(begin)).unwrap_or_default();
            line.trim_end().to_owned()
        };
        assert!(line("paced: on each other's stream").ends_with("missed"), "{shown}");
        assert!(line("fast: on each other's stream").ends_with("met"), "{shown}");
        let grown = line("paced: memory of who grew most");
        assert!(
            grown.contains("39.0 after; 1.0 MiB a minute") && grown.ends_with("missed"),
            "{shown}"
        );
        assert!(line("fast: memory").contains("50.0 at most"), "{shown}");
        assert!(line("paced: all members").contains("20 messages/s, 1234 µs"), "{shown}");
        assert!(shown.contains("2000 messages are on all disks exactly once"), "{shown}");
        let short = Report {
            paced: said(50),
            ..report
        };
        assert!(short.table().contains("(of ten minutes that would say something)"));
    }
}
