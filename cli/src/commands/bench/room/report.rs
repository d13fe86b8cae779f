//! The figures of a room, and what is wanted of them.

use std::time::Duration;

use serde::Serialize;

use super::talk::Talk;
use crate::commands::bench::machine::Machine;
use crate::commands::bench::report::{Memory, Spread, rounded};
use crate::commands::bench::table::{Row, fact, mib, row, table};

/// Growth of a node's memory from half of the messages on, MiB, that is none.
const FLAT_MIB: f64 = 4.0;

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
    /// Of each member, over both parts; half way is between them.
    pub memory: Vec<Memory>,
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
        rows.extend(self.memory_row());
        rows
    }

    /// The memory of the member whose memory grew most from half way on.
    fn memory_row(&self) -> Option<Row> {
        let growth = |memory: &Memory| memory.half.zip(memory.after).map(|(half, after)| after - half);
        let grown = |one: &&Memory, other: &&Memory| {
            let [one, other] = [one, other].map(|memory| growth(memory).unwrap_or(f64::MIN));
            one.total_cmp(&other)
        };
        let most = self.memory.iter().max_by(grown)?;
        Some(Row {
            what: "memory of whoever grew most",
            figure: format!("{}; {} MiB behind half way", most.text(), mib(growth(most))),
            goal: "flat (4 MiB)",
            met: growth(most).map(|growth| growth <= FLAT_MIB),
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
            paced: said(51),
            fast: said(900),
            memory: vec![memory(34.5), memory(39.0), memory(33.0)],
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
        let grown = line("memory of whoever grew most");
        assert!(
            grown.contains("39.0 after; 5.0 MiB") && grown.ends_with("missed"),
            "{shown}"
        );
        assert!(line("paced: all members").contains("20 messages/s, 1234 µs"), "{shown}");
        assert!(shown.contains("2000 messages are on all disks exactly once"), "{shown}");
    }
}
