//! What processes use of the machine, and how busy it is otherwise. Where the system has no `/proc`, nothing is known.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::report::Memory;

/// The kernel counts the time of processes in hundredths of a second, whatever its own clock is.
const TICKS_PER_SECOND: u64 = 100;
/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(50);

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage {
    pub cpu: Option<Duration>,
    pub rss_kib: Option<u64>,
}

impl Usage {
    pub(super) fn of(pid: u32) -> Self {
        Self {
            cpu: read(&format!("/proc/{pid}/stat")).as_deref().and_then(cpu),
            rss_kib: read(&format!("/proc/{pid}/status")).as_deref().and_then(rss),
        }
    }

    /// Of this very process.
    pub(super) fn own() -> Self {
        Self::of(std::process::id())
    }
}

/// The machine while it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Machine {
    pub cores: usize,
    /// Over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
}

impl Machine {
    pub(super) fn now() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load: read("/proc/loadavg").as_deref().and_then(load),
        }
    }
}

/// Bytes that have crossed the loopback interface: those of all programs. Each counts once.
pub(super) fn loopback() -> Option<u64> {
    received(&read("/proc/net/dev")?)
}

/// Files, sockets and the like that a process has open.
pub(super) fn open_files(pid: u32) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// Follows the memory of a process.
pub(super) struct Sampler {
    pid: Option<u32>,
    before: Option<f64>,
    seen: Arc<Mutex<Samples>>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Default)]
struct Samples {
    half: Option<f64>,
    peak: Option<f64>,
}

impl Sampler {
    pub(super) fn start(pid: Option<u32>, is_past_half: impl Fn() -> bool + Send + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Samples::default()));
        let samples = seen.clone();
        let task = tokio::spawn(async move {
            loop {
                samples
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .add(memory(pid), is_past_half());
                sleep(SAMPLE).await;
            }
        });
        Self {
            pid,
            before: memory(pid),
            seen,
            task,
        }
    }

    pub(super) fn finish(self) -> Memory {
        self.task.abort();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let after = memory(self.pid);
        seen.add(after, true);
        Memory {
            before: self.before,
            half: seen.half,
            peak: seen.peak,
            after,
        }
    }
}

impl Samples {
    fn add(&mut self, now: Option<f64>, is_past_half: bool) {
        if let Some(now) = now {
            self.peak = Some(self.peak.map_or(now, |peak| peak.max(now)));
            if is_past_half && self.half.is_none() {
                self.half = Some(now);
            }
        }
    }
}

fn memory(pid: Option<u32>) -> Option<f64> {
    mib(Usage::of(pid?).rss_kib)
}

pub(super) fn mib(kib: Option<u64>) -> Option<f64> {
    // A process has far less than 2^52 KiB.
    kib.map(|kib| (kib as f64 / 102.4).round() / 10.0)
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// User and system time: the 14th and 15th field. The second, a name, may hold spaces and brackets.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields
        .split_whitespace()
        .skip(11)
        .map_while(|field| field.parse::<u64>().ok());
    let ticks = times.next()?.checked_add(times.next()?)?;
    Some(Duration::from_millis(ticks.checked_mul(1000 / TICKS_PER_SECOND)?))
}

fn rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn received(interfaces: &str) -> Option<u64> {
    let line = interfaces
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("lo:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn load(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text.split(' ').map_while(|number| number.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 4 0 100 1000 10";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1750)));
        assert_eq!(cpu("42 (a) S 1"), None);
        assert_eq!(rss("VmHWM:\t 9 kB\nVmRSS:\t   1234 kB\n"), Some(1234));
        assert_eq!(load("0.50 1.25 2.00 1/200 4242\n"), Some([0.5, 1.25, 2.0]));
        assert_eq!(load("nonsense"), None);
        let interfaces = "Inter-| Receive\n face |bytes packets\n  eth0: 9 1\n    lo: 1234567 100 0 0\n";
        assert_eq!(received(interfaces), Some(1_234_567));
        assert_eq!(received("eth0: 9 1"), None);
    }

    #[test]
    fn memory_is_kept_at_half_and_at_its_peak() {
        let mut samples = Samples::default();
        for (now, past) in [(1.0, false), (3.0, true), (5.0, true), (2.0, true)] {
            samples.add(Some(now), past);
        }
        samples.add(None, true);
        assert_eq!((samples.half, samples.peak), (Some(3.0), Some(5.0)));
        assert_eq!(mib(Some(1536)), Some(1.5));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_something() {
        let own = Usage::own();
        assert!(own.cpu.is_some() && own.rss_kib > Some(0), "{own:?}");
        assert!(Machine::now().load.is_some());
        assert!(loopback().is_some());
        assert!(open_files(std::process::id()) > Some(2));
    }
}
