//! The swarm task: commands in, events out.
//!
//! The engine and this task form a ring of bounded channels. Commands are therefore always taken, whatever waits to go
//! out, and the task waits for room in the event queue only as one arm of `select!`. When the backlog is full the swarm
//! is not polled, which stops the peers, not the engine.

mod bootstrap;
mod busy;
mod execute;
mod translate;

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use futures::StreamExt;
use libp2p::{Multiaddr, PeerId, Swarm};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use bootstrap::Bootstrap;
use busy::Busy;

use crate::{
    behaviour::Behaviour,
    command::NetCommand,
    config::{NetConfig, Verdict},
    event::NetEvent,
    gossip::Topics,
    knock::Knocks,
    refusals::Counter,
    streams::{Opened, Streams},
    whereabouts::Whereabouts,
};

/// Events that wait for room in the event queue before the swarm has to wait. Answers to commands may go beyond it: a
/// turn of the engine makes a bounded number.
const BACKLOG: usize = 256;
/// Frames on their way from the streams' tasks to the event queue.
const LANE: usize = 16;
/// Commands taken at once, so that a burst of publications does not cost a wake-up each.
const COMMANDS_AT_ONCE: usize = 64;
/// Also how often it is seen whether the swarm keeps up.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// How long it is remembered which own addresses peers told.
const TOLD_FOR: Duration = Duration::from_secs(60);
/// For saying goodbye to the peers.
const STOP_WITHIN: Duration = Duration::from_millis(500);

/// An event for the engine, and what may go on once the engine has it.
struct Waiting {
    event: NetEvent,
    gate: Option<oneshot::Sender<()>>,
}

pub(crate) struct EventLoop {
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<NetCommand>,
    backlog: VecDeque<Waiting>,
    topics: Topics,
    knocks: Knocks,
    streams: Streams,
    validate: fn(&[u8], u64) -> Verdict,
    now_ms: fn() -> u64,
    /// Own addresses that peers told: they repeat themselves, or say something else each time.
    told: VecDeque<Multiaddr>,
    told_since: Instant,
    /// The first address of each connected peer.
    connected_from: HashMap<PeerId, Multiaddr>,
    /// Neighbours whose queue overflowed: when last, and how often in a row.
    slow: HashMap<PeerId, (Instant, u8)>,
    busy: Busy,
    bootstraps: Vec<Bootstrap>,
    whereabouts: Whereabouts,
    refusals: Counter,
    cancel: CancellationToken,
    lane: JoinSet<()>,
}

impl EventLoop {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        topics: Topics,
        config: &NetConfig,
        commands: mpsc::Receiver<NetCommand>,
        events: &mpsc::Sender<NetEvent>,
        cancel: CancellationToken,
        refusals: Counter,
    ) -> Self {
        let (frames, lane_queue) = mpsc::channel(LANE);
        let mut lane = JoinSet::new();
        lane.spawn(carry_frames(lane_queue, events.clone()));
        Self {
            swarm,
            commands,
            backlog: VecDeque::new(),
            topics,
            knocks: Knocks::new(config.limits.knocks),
            streams: Streams::new(&config.limits, frames, cancel.clone(), refusals.clone()),
            validate: config.validate,
            now_ms: config.now_ms,
            told: VecDeque::new(),
            told_since: Instant::now(),
            connected_from: HashMap::new(),
            slow: HashMap::new(),
            busy: Busy::default(),
            bootstraps: Vec::new(),
            whereabouts: Whereabouts::default(),
            refusals,
            cancel,
            lane,
        }
    }

    /// Runs until it is cancelled or nobody listens any more.
    pub(crate) async fn run(
        mut self,
        events: mpsc::Sender<NetEvent>,
        listen: Vec<Multiaddr>,
        external: Vec<Multiaddr>,
        bootstraps: Vec<Vec<Multiaddr>>,
    ) {
        self.listen(listen, external);
        let now = Instant::now();
        self.bootstraps = bootstraps.into_iter().map(|one| Bootstrap::new(one, now)).collect();
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.cancel.cancelled() => break,
                command = self.commands.recv() => match command {
                    Some(command) => self.execute_all(command),
                    None => break,
                },
                permit = events.reserve(), if !self.backlog.is_empty() => match permit {
                    Ok(permit) => deliver(&mut self.backlog, permit, &events),
                    Err(_) => break,
                },
                event = self.busy.next(&mut self.swarm), if self.backlog.len() < BACKLOG => self.translate(event),
                () = self.streams.ended() => {}
                _ = sweep.tick() => self.sweep(),
            }
        }
        self.stop().await;
    }

    fn listen(&mut self, listen: Vec<Multiaddr>, external: Vec<Multiaddr>) {
        for address in external {
            self.swarm.add_external_address(address);
        }
        for address in listen {
            if let Err(cause) = self.swarm.listen_on(address.clone()) {
                let reason = translate::chain(&cause);
                warn!(error = reason, "cannot listen");
                self.tell(NetEvent::ListenerFailed { address, reason });
            }
        }
    }

    fn execute_all(&mut self, first: NetCommand) {
        self.execute(first);
        for _ in 1..COMMANDS_AT_ONCE {
            let Ok(command) = self.commands.try_recv() else {
                return;
            };
            self.execute(command);
        }
    }

    fn sweep(&mut self) {
        let now = Instant::now();
        if self.knocks.is_waiting() {
            self.knocks.expire(now);
        }
        let behaviour = self.swarm.behaviour_mut();
        behaviour.gossip.rates.sweep(now);
        behaviour.gossip.rates.keep_up(self.busy.longest(now), now);
        behaviour.limits.sweep(now);
        self.dial_bootstraps(now);
        if now.duration_since(self.told_since) >= TOLD_FOR {
            self.told.clear();
            self.told_since = now;
        }
    }

    fn tell(&mut self, event: NetEvent) {
        self.backlog.push_back(Waiting { event, gate: None });
    }

    fn tell_opened(&mut self, event: impl FnOnce(u64) -> NetEvent, opened: Opened) {
        self.backlog.push_back(Waiting {
            event: event(opened.stream),
            gate: Some(opened.gate),
        });
    }

    /// Closes the connections in order, so that peers need not wait for a timeout to notice.
    async fn stop(mut self) {
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let goodbye = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.select_next_some().await;
            }
        };
        if timeout(STOP_WITHIN, goodbye).await.is_err() {
            debug!("stopped with connections open");
        }
        self.lane.abort_all();
    }
}

/// Hands over what fits, the first by the permit that was waited for.
fn deliver(backlog: &mut VecDeque<Waiting>, permit: mpsc::Permit<'_, NetEvent>, events: &mpsc::Sender<NetEvent>) {
    let mut permit = Some(permit);
    while let Some(ready) = permit.take() {
        let Some(Waiting { event, gate }) = backlog.pop_front() else {
            return;
        };
        ready.send(event);
        if let Some(gate) = gate {
            // Fails when the stream was aborted meanwhile; its end is told by its task.
            let _ = gate.send(());
        }
        permit = events.try_reserve().ok();
    }
}

/// One waiter for all frames: the swarm's own events get every second place, however many streams are busy.
async fn carry_frames(mut frames: mpsc::Receiver<NetEvent>, events: mpsc::Sender<NetEvent>) {
    while let Some(frame) = frames.recv().await {
        if events.send(frame).await.is_err() {
            return;
        }
    }
}
