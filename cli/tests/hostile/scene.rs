//! The two honest nodes, and what has to be true of them under an attack.

use std::future::Future;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::node::Node;
use crate::talk::{Talk, resident_kib};

/// An honest message arrives within this after an attack.
const AFTER: Duration = Duration::from_secs(5);
/// 99 of 100 arrive within this during it: where it is measured, and on a machine that does other things besides.
const P99: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3));
/// How much a node's resident memory may grow.
const GROWTH_KIB: u64 = 64 * 1024;
/// Messages before an attack, so that what a node needs once is not counted.
const WARM: usize = 60;
/// Messages that an attack is judged by. One that is over sooner is judged by what is written just after it, too.
const JUDGED: usize = 40;
/// Messages written after an attack that are waited for.
const LATER: usize = 8;

/// One attack at a time: they measure.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Two contacts who talk.
pub(crate) struct Scene {
    /// First, so that it ends first.
    talk: Option<Talk>,
    pub(crate) ada: Node,
    pub(crate) bo: Node,
    conversation: String,
    _alone: MutexGuard<'static, ()>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let alone = ALONE.lock().await;
        let (ada, bo) = (Node::new("ada").await, Node::new("bo").await);
        let invite = ada.api.post("invites", &json!({})).await;
        bo.api.post("contacts", &json!({ "link": invite["link"] })).await;
        for node in [&ada, &bo] {
            let deadline = Instant::now() + crate::PATIENCE;
            while node.api.get("contacts").await["items"][0]["reachable"] != true {
                assert!(Instant::now() < deadline, "{} does not reach its contact", node.name);
            }
        }
        let contacts = bo.api.get("contacts").await;
        let conversation = contacts["items"][0]["conversation"].as_str().unwrap().to_owned();
        let mut scene = Self {
            talk: None,
            ada,
            bo,
            conversation,
            _alone: alone,
        };
        scene.talk_on().await;
        scene
    }

    pub(crate) fn nodes(&self) -> [&Node; 2] {
        [&self.ada, &self.bo]
    }

    /// Both begin to write, and are let write for a while.
    pub(crate) async fn talk_on(&mut self) {
        let talk = Talk::start([&self.ada, &self.bo], &self.conversation).await;
        talk.until_arrived(Instant::now(), WARM).await;
        self.talk = Some(talk);
    }

    /// Nobody writes for a while, because a node is going to be stopped.
    pub(crate) async fn be_silent(&mut self) {
        let start = Instant::now();
        let mut talk = self.talk.take().unwrap();
        talk.arrivals(start, start, AFTER).await;
    }

    /// Lets `attack` happen and checks that nobody minds.
    pub(crate) async fn stands<T>(&mut self, name: &str, attack: impl AsyncFnOnce(&Self) -> T) -> T {
        let before = self.nodes().map(|node| resident_kib(node.pid()));
        self.talk.as_ref().unwrap().resident();
        let pids = [self.ada.pid(), self.bo.pid(), std::process::id()];
        let worked = pids.map(cpu_ms);
        let written = self.nodes().map(Node::written);
        let start = Instant::now();
        let result = attack(self).await;
        self.talk.as_ref().unwrap().until_arrived(start, JUDGED).await;
        let end = Instant::now();
        let written = [0, 1].map(|at| self.nodes()[at].written() - written[at]);
        let worked: Vec<u64> = pids
            .into_iter()
            .zip(worked)
            .map(|(pid, before)| cpu_ms(pid) - before)
            .collect();
        let talk = self.talk.as_mut().unwrap();
        talk.until_arrived(end, LATER).await;
        let during = talk.arrivals(start, end, AFTER).await;
        let after = talk.arrivals(end, Instant::now(), AFTER).await;
        let most = talk.resident();
        let growth = [0, 1].map(|at| most[at].saturating_sub(before[at]));
        eprintln!(
            "{name}: {} s, {:?} envelopes/s written, {} messages: p50 {:?}, p99 {:?}, worst {:?}; after it {:?}; memory {:?} MiB, grew by {:.1} and {:.1} MiB; processor {worked:?} ms",
            (end - start).as_secs(),
            written.map(|count| per_second(count, end - start)),
            during.count,
            during.p50,
            during.p99,
            during.worst,
            after.worst,
            before.map(|kib| kib / 1024),
            growth[0] as f64 / 1024.0,
            growth[1] as f64 / 1024.0,
        );
        assert!(
            during.count >= JUDGED && after.count >= LATER,
            "{name}: {during:?} {after:?}"
        );
        let limit = if crate::measured() { P99.0 } else { P99.1 };
        assert!(during.p99 < limit, "{name}: {during:?}");
        assert!(
            growth.iter().all(|kib| *kib < GROWTH_KIB),
            "{name}: {before:?} {most:?}"
        );
        for node in self.nodes() {
            assert!(!node.log().contains("panicked"), "{} panicked", node.name);
        }
        result
    }
}

/// Rounded down.
pub(crate) fn per_second(count: u64, time: Duration) -> u64 {
    (count as f64 / time.as_secs_f64()) as u64
}

/// Time on the processor so far.
fn cpu_ms(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // In hundredths of a second: user and system.
    let ticks: u64 = fields[11..13].iter().map(|text| text.parse::<u64>().unwrap()).sum();
    ticks * 10
}

/// Lets a future go on for a while.
pub(crate) async fn goes_on(for_: Duration, work: impl Future<Output = ()>) {
    let _ = tokio::time::timeout(for_, work).await;
}
