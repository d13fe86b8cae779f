//! What honest people do meanwhile: both write at a steady pace, and it is noted when each message arrives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::node::Node;

/// Between two messages of one side.
const PACE: Duration = Duration::from_millis(50);

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// Messages that have not arrived, and when their writer handed them in.
    open: HashMap<String, Instant>,
    /// When written, and how long it took.
    arrived: Vec<(Instant, Duration)>,
    /// Greatest resident memory since the last look, KiB, of each node.
    resident: [u64; 2],
    /// Why a message could not be handed in.
    failed: Option<String>,
}

/// A conversation that goes on until it is dropped.
pub(crate) struct Talk {
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

/// How the messages did that were written in a certain time.
#[derive(Debug)]
pub(crate) struct Arrivals {
    pub(crate) count: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) worst: Duration,
}

impl Talk {
    pub(crate) async fn start(nodes: [&Node; 2], conversation: &str) -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let mut tasks = JoinSet::new();
        for (at, node) in nodes.into_iter().enumerate() {
            let mut texts = node.api.messages().await;
            let noted = seen.clone();
            tasks.spawn(async move {
                while let Some(text) = texts.recv().await {
                    let mut seen = noted.lock().unwrap();
                    if let Some(written) = seen.open.remove(&text) {
                        seen.arrived.push((written, written.elapsed()));
                    }
                }
            });
            let (api, pid, path) = (
                node.api.clone(),
                node.pid(),
                format!("conversations/{conversation}/messages"),
            );
            let noted = seen.clone();
            tasks.spawn(async move {
                let mut pace = interval(PACE);
                pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
                for n in 0_u64.. {
                    pace.tick().await;
                    let text = format!("{at} {n}");
                    noted.lock().unwrap().open.insert(text.clone(), Instant::now());
                    if let Err(error) = api.write(&path, &text).await {
                        noted.lock().unwrap().failed = Some(error.to_string());
                        return;
                    }
                    let resident = resident_kib(pid);
                    let mut seen = noted.lock().unwrap();
                    seen.resident[at] = seen.resident[at].max(resident);
                }
            });
        }
        Self { seen, _tasks: tasks }
    }

    /// All messages written since `start` have arrived, or none of them is younger than the deadline.
    pub(crate) async fn arrivals(&mut self, start: Instant, end: Instant, patience: Duration) -> Arrivals {
        let mut look = interval(Duration::from_millis(20));
        loop {
            look.tick().await;
            let seen = self.seen.lock().unwrap();
            assert_eq!(seen.failed, None, "a message was not taken");
            let open = seen.open.iter().filter(|(_, written)| (start..end).contains(*written));
            let waiting: Vec<_> = open.map(|(text, written)| (text, written.elapsed())).collect();
            if !waiting.is_empty() {
                let lost: Vec<_> = waiting.iter().filter(|(_, age)| *age > patience).collect();
                assert!(
                    lost.is_empty(),
                    "{} of {} did not arrive: {lost:?}",
                    lost.len(),
                    seen.arrived.len()
                );
                continue;
            }
            let of_time = seen
                .arrived
                .iter()
                .filter(|(written, _)| (start..end).contains(written));
            let mut took: Vec<Duration> = of_time.map(|(_, took)| *took).collect();
            took.sort_unstable();
            let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or_default();
            return Arrivals {
                count: took.len(),
                p50: at(50),
                p99: at(99),
                worst: took.last().copied().unwrap_or_default(),
            };
        }
    }

    /// The greatest resident memory since the last call, KiB.
    pub(crate) fn resident(&self) -> [u64; 2] {
        std::mem::take(&mut self.seen.lock().unwrap().resident)
    }

    /// Waits until so many messages have arrived that were written after `since`.
    pub(crate) async fn until_arrived(&self, since: Instant, count: usize) {
        let mut look = interval(Duration::from_millis(20));
        let deadline = Instant::now() + crate::PATIENCE;
        let arrived = || {
            let seen = self.seen.lock().unwrap();
            seen.arrived.iter().filter(|(written, _)| *written >= since).count()
        };
        while arrived() < count {
            look.tick().await;
            assert!(Instant::now() < deadline, "{} of {count} messages arrived", arrived());
        }
    }
}

pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}
