//! The figures, and what is wanted of them. A figure is never rounded towards its goal.

use std::time::Duration;

use serde::Serialize;

use super::history::History;
use super::machine::Machine;
use super::sockets::Sockets;
use super::table::{Row, fact, mib, row, table};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub version: &'static str,
    /// Figures of a debug build say nothing.
    pub build: &'static str,
    pub before: Machine,
    pub after: Machine,
    pub start: Option<Start>,
    pub message: Option<OneMessage>,
    pub sustained: Option<Sustained>,
    pub catch_up: Option<CatchUp>,
    pub history: Option<History>,
    pub sockets: Option<Sockets>,
    pub idle: Option<Idle>,
    /// Messages whose place on both disks was checked at the end.
    pub checked: usize,
    /// What was lost, doubled or not confirmed: always nothing, or else the program fails.
    pub problems: Vec<String>,
}

/// From starting a process until it can be used.
#[derive(Debug, Serialize)]
pub(super) struct Start {
    /// `/health/ready` of a node with a new account.
    pub ready: Spread,
    /// Two nodes that are contacts, started at once: until each shows the other as reachable.
    pub connected: Spread,
}

/// One message after the other.
#[derive(Debug, Serialize)]
pub(super) struct OneMessage {
    /// Until the API's answer.
    pub answered: Spread,
    /// Until it is on the stream of the other node.
    pub arrived: Spread,
    /// Until it is on the stream of the own node.
    pub echoed: Spread,
}

/// As many as go through.
#[derive(Debug, Serialize)]
pub(super) struct Sustained {
    pub messages: usize,
    pub connections: usize,
    pub seconds: f64,
    /// Until the other node has confirmed, after its disk did.
    pub delivered_per_second: f64,
    pub answered: Spread,
    pub arrived: Spread,
    /// Both nodes together, until the last confirmation.
    pub cpu_us_per_message: Option<f64>,
    /// The same, and what they do afterwards, such as indexing for search.
    pub cpu_us_per_message_settled: Option<f64>,
    /// This program, which shares the machine.
    pub client_cpu_us_per_message: Option<f64>,
    pub writer: Memory,
    pub reader: Memory,
}

/// Messages that wait for a node that is away.
#[derive(Debug, Serialize)]
pub(super) struct CatchUp {
    pub messages: usize,
    /// Writing them while the other is away.
    pub queued_per_second: f64,
    /// From starting the process until everything is confirmed.
    pub seconds: f64,
    /// The same, from the moment when it was ready.
    pub seconds_from_ready: f64,
    pub writer: Memory,
    pub reader: Memory,
}

/// Two connected nodes with nothing to do.
#[derive(Debug, Serialize)]
pub(super) struct Idle {
    pub seconds: f64,
    /// Of one core, both nodes together.
    pub cpu_percent: Option<f64>,
    /// What they say to each other, both ways; of the whole loopback interface, so with all that others send over it.
    pub bytes_per_second: Option<f64>,
    pub rss_mib: [Option<f64>; 2],
}

/// A process's memory in MiB during a measurement.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Memory {
    pub before: Option<f64>,
    /// At half of the messages: growth behind it is a leak.
    pub half: Option<f64>,
    pub peak: Option<f64>,
    pub after: Option<f64>,
}

/// Times in ms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub count: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Spread {
    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        // The smallest time that is not below the given share of all.
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times
                .get(rank)
                .map_or(f64::NAN, |time| rounded(time.as_secs_f64() * 1e3))
        };
        Self {
            count: times.len(),
            p50_ms: at(50),
            p99_ms: at(99),
            max_ms: at(100),
        }
    }

    pub(super) fn text(&self) -> String {
        format!(
            "p50 {} ms, p99 {} ms, max {} ms",
            short(self.p50_ms),
            short(self.p99_ms),
            short(self.max_ms)
        )
    }
}

/// To µs.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

impl Report {
    pub(super) fn table(&self) -> String {
        let machines = [&self.before, &self.after];
        table(machines, self.rows(), (self.checked, "both"), &self.problems)
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        self.start.iter().for_each(|start| start.rows(&mut rows));
        self.idle.iter().for_each(|idle| idle.rows(&mut rows));
        self.message.iter().for_each(|message| message.rows(&mut rows));
        self.sustained.iter().for_each(|sustained| sustained.rows(&mut rows));
        self.catch_up.iter().for_each(|catch_up| catch_up.rows(&mut rows));
        self.history.iter().for_each(|history| history.rows(&mut rows));
        self.sockets.iter().for_each(|sockets| sockets.rows(&mut rows));
        rows
    }
}

impl Start {
    fn rows(&self, rows: &mut Vec<Row>) {
        rows.push(row(
            "start: new node ready",
            self.ready.text(),
            "p50 < 100 ms",
            self.ready.p50_ms < 100.0,
        ));
        rows.push(row(
            "start: two nodes connected",
            self.connected.text(),
            "p50 < 1 s",
            self.connected.p50_ms < 1e3,
        ));
    }
}

impl OneMessage {
    fn rows(&self, rows: &mut Vec<Row>) {
        let met = self.arrived.p50_ms <= 1.0 && self.arrived.p99_ms <= 10.0;
        rows.push(row(
            "message: on the other's stream",
            self.arrived.text(),
            "p50 1 ms, p99 10 ms",
            met,
        ));
        rows.push(fact("message: on the own stream", self.echoed.text()));
        rows.push(fact("message: answered", self.answered.text()));
    }
}

impl Sustained {
    fn rows(&self, rows: &mut Vec<Row>) {
        let rate = format!(
            "{:.0} messages/s ({} in {:.2} s)",
            self.delivered_per_second, self.messages, self.seconds
        );
        rows.push(row(
            "sustained: delivered",
            rate,
            "5000 messages/s",
            self.delivered_per_second >= 5_000.0,
        ));
        rows.push(fact("sustained: on the other's stream", self.arrived.text()));
        rows.push(fact("sustained: answered", self.answered.text()));
        let cpu = format!(
            "{} µs a message ({} with indexing); client {} µs",
            whole(self.cpu_us_per_message),
            whole(self.cpu_us_per_message_settled),
            whole(self.client_cpu_us_per_message)
        );
        rows.push(Row {
            what: "sustained: processor, both nodes",
            figure: cpu,
            goal: "300 µs a message",
            met: self.cpu_us_per_message.map(|cpu| cpu <= 300.0),
        });
        rows.push(fact("sustained: memory of the writer", self.writer.text()));
        rows.push(fact("sustained: memory of the reader", self.reader.text()));
    }
}

impl CatchUp {
    fn rows(&self, rows: &mut Vec<Row>) {
        let figure = format!(
            "{} in {:.2} s ({:.2} s from ready); queued at {:.0} messages/s",
            self.messages, self.seconds, self.seconds_from_ready, self.queued_per_second
        );
        let allowed = self.messages as f64 * 15.0 / 100_000.0;
        rows.push(row(
            "catch-up: delivered",
            figure,
            "15 s for 100000",
            self.seconds <= allowed,
        ));
        for (what, memory) in [
            ("catch-up: memory of the writer", &self.writer),
            ("catch-up: memory of the reader", &self.reader),
        ] {
            let growth = memory.before.zip(memory.peak).map(|(before, peak)| peak - before);
            let met = growth.map(|growth| growth <= 32.0);
            rows.push(Row {
                what,
                figure: memory.text(),
                goal: "growth 32 MiB",
                met,
            });
        }
    }
}

impl Idle {
    fn rows(&self, rows: &mut Vec<Row>) {
        let known = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
        rows.push(Row {
            what: "idle: processor, both nodes",
            figure: known(self.cpu_percent.map(|cpu| format!("{cpu:.2} % of a core"))),
            goal: "1 % of a core",
            met: self.cpu_percent.map(|cpu| cpu < 1.0),
        });
        rows.push(Row {
            what: "idle: said, both ways",
            figure: known(self.bytes_per_second.map(|bytes| format!("{bytes:.0} bytes/s"))),
            goal: "1000 bytes/s",
            met: self.bytes_per_second.map(|bytes| bytes < 1_000.0),
        });
        let [one, other] = self.rss_mib.map(mib);
        rows.push(Row {
            what: "idle: memory, each",
            figure: format!("{one}, {other} MiB"),
            goal: "30 MiB",
            met: self.rss_mib[0]
                .zip(self.rss_mib[1])
                .map(|(one, other)| one.max(other) <= 30.0),
        });
    }
}

impl Memory {
    pub(super) fn text(&self) -> String {
        let [before, half, peak, after] = [self.before, self.half, self.peak, self.after].map(mib);
        format!("{before} MiB before, {half} half way, {peak} at most, {after} after")
    }
}

fn short(ms: f64) -> String {
    if ms < 100.0 {
        format!("{ms:.2}")
    } else {
        format!("{ms:.0}")
    }
}

fn whole(value: Option<f64>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| format!("{value:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_happened() {
        let spread = Spread::of((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(
            spread,
            Spread {
                count: 200,
                p50_ms: 100.0,
                p99_ms: 198.0,
                max_ms: 200.0
            }
        );
        assert_eq!(Spread::of(vec![Duration::from_micros(1500)]).p99_ms, 1.5);
        assert!(Spread::of(Vec::new()).p50_ms.is_nan());
    }

    #[test]
    fn the_table_says_what_was_missed_and_what_failed() {
        let spread = |ms| Spread::of(vec![Duration::from_millis(ms)]);
        let machine = Machine {
            cores: 2,
            load: Some([0.5, 1.0, 2.0]),
        };
        let mut report = Report {
            version: "1",
            build: "release",
            before: machine,
            after: machine,
            start: Some(Start {
                ready: spread(20),
                connected: spread(1500),
            }),
            message: None,
            sustained: None,
            catch_up: None,
            history: None,
            sockets: None,
            idle: None,
            checked: 7,
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
            line("ready").ends_with("met") && line("connected").ends_with("missed"),
            "{shown}"
        );
        assert!(shown.contains("2 cores, load average 0.50 1.00 2.00"), "{shown}");
        assert!(shown.contains("7 messages are on both disks"), "{shown}");
        report.problems.push("many: 1 of 7 messages did not arrive".to_owned());
        assert!(report.table().contains("FAILED: many: 1 of 7"));
    }
}
