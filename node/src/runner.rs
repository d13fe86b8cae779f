//! The account loop: one turn = drain, decide, commit once, act. It has a thread of its own, since a commit waits for the disk.

use std::sync::Arc;
use std::time::Duration;

use parlour_net::{NetEvent, NetHandle, PeerId};
use parlour_store::view::Own;
use parlour_store::{Batch, CommitError, Store, StoreError, feed};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::engine::{Account, Effects, Engine, EngineRng, Ephemera, Input, Live, Released, Start, StorageFailed};
use crate::handle::Health;

/// Inputs in one turn.
const TURN_INPUTS: usize = 256;
/// A turn takes no further input after this.
const TURN_TIME: Duration = Duration::from_millis(2);
/// How long a failed account waits before it tries its storage again.
const RETRY_MS: u64 = 1_000;

/// Milliseconds since 1970. The only place that reads the clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the runner is where time comes from")]
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

#[expect(clippy::disallowed_methods, reason = "a turn measures how long it has taken")]
pub(crate) fn instant() -> std::time::Instant {
    std::time::Instant::now()
}

/// What the rest of the node watches.
pub(crate) struct Outside {
    pub(crate) live: watch::Sender<Arc<Live>>,
    pub(crate) ephemera: watch::Sender<Arc<Ephemera>>,
    pub(crate) feed: watch::Sender<u64>,
    pub(crate) health: watch::Sender<Health>,
}

/// Runs one account until it is cancelled.
pub(crate) struct Runner {
    store: Store,
    net: NetHandle,
    inputs: mpsc::Receiver<Input>,
    events: mpsc::Receiver<NetEvent>,
    outside: Outside,
    engine: State,
    checkpoint: Option<std::thread::JoinHandle<()>>,
}

/// The engine, or what is needed to make it again after a turn that failed.
enum State {
    Running(Box<Engine>),
    Failed(Box<Engine>, u64),
    Gone,
}

/// Why an account could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its state could not be read.
    #[error("the account's state could not be read")]
    Store(#[from] StoreError),
    /// Its first turn could not be written.
    #[error("the account's storage takes no writes")]
    Commit(#[from] CommitError),
}

impl Runner {
    #[expect(clippy::too_many_arguments, reason = "called once, from the node's start")]
    pub(crate) fn start(
        account: Account,
        peer: PeerId,
        store: Store,
        rng: EngineRng,
        start: Start,
        net: NetHandle,
        inputs: mpsc::Receiver<Input>,
        events: mpsc::Receiver<NetEvent>,
        outside: Outside,
    ) -> Result<(Self, Released, Own), StartError> {
        let (engine, batch, effects) = Engine::load(account, peer, &store, rng, start, now_ms())?;
        let first = effects.release(store.commit(batch)?);
        outside.feed.send_replace(feed::last(&store)?);
        let own = engine.own();
        let engine = State::Running(Box::new(engine));
        Ok((
            Self {
                store,
                net,
                inputs,
                events,
                outside,
                engine,
                checkpoint: None,
            },
            first,
            own,
        ))
    }

    /// The loop. Ends when `stop` is cancelled; what was accepted is on disk by then.
    pub(crate) async fn run(mut self, first: Released, stop: CancellationToken) {
        self.act(first).await;
        loop {
            let pause = Duration::from_millis(self.next_due().saturating_sub(now_ms()));
            let input = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(input) = self.inputs.recv() => input,
                Some(event) = self.events.recv() => Input::Net(event),
                () = tokio::time::sleep(pause) => Input::Tick,
            };
            self.turn(input).await;
        }
        self.inputs.close();
        while let Ok(input) = self.inputs.try_recv() {
            self.turn(input).await;
        }
        if let Some(running) = self.checkpoint.take() {
            let _ = running.join();
        }
    }

    fn next_due(&self) -> u64 {
        match &self.engine {
            State::Running(engine) => engine.next_tick().unwrap_or(u64::MAX),
            State::Failed(_, retry) => *retry,
            State::Gone => u64::MAX,
        }
    }

    async fn turn(&mut self, first: Input) {
        let now = now_ms();
        if let State::Failed(..) = &self.engine {
            self.recover(now).await;
        }
        let State::Running(engine) = &mut self.engine else {
            return self.refuse(first).await;
        };
        let started = instant();
        let mut effects = Effects::default();
        let mut txn = self.store.begin();
        let mut decided = engine.handle(&mut txn, &mut effects, first, now);
        let mut taken = 1;
        while decided.is_ok() && taken < TURN_INPUTS && started.elapsed() < TURN_TIME {
            let next = match self.inputs.try_recv() {
                Ok(input) => input,
                Err(_) => match self.events.try_recv() {
                    Ok(event) => Input::Net(event),
                    Err(_) => break,
                },
            };
            decided = engine.handle(&mut txn, &mut effects, next, now);
            taken += 1;
        }
        if decided.is_ok() && engine.next_tick().is_some_and(|due| due <= now) {
            decided = engine.handle(&mut txn, &mut effects, Input::Tick, now);
        }
        let decided = decided.and_then(|()| engine.finish_turn(&mut txn, &mut effects, now));
        let batch = txn.into_batch();
        match decided {
            Ok(()) => self.finish(batch, effects, now).await,
            Err(error) => {
                tracing::error!(%error, "reading the account's storage failed");
                self.fail(effects, StorageFailed::Failed, now).await;
            }
        }
    }

    /// Durable first, then the network, then the answers, then the readers.
    async fn finish(&mut self, batch: Batch, effects: Effects, now: u64) {
        let wrote = !batch.is_empty();
        match self.store.commit(batch) {
            Ok(committed) => {
                self.act(effects.release(committed)).await;
                if wrote {
                    self.wake_readers();
                    self.checkpoint(now);
                }
                self.outside
                    .health
                    .send_if_modified(|h| std::mem::replace(h, Health::Ready) != Health::Ready);
            }
            Err(error) => {
                let failed = match &error {
                    CommitError::DiskFull { .. } => StorageFailed::DiskFull,
                    _ => StorageFailed::Failed,
                };
                tracing::error!(%error, "nothing of this turn was written");
                self.fail(effects, failed, now).await;
            }
        }
    }

    async fn act(&mut self, mut released: Released) {
        // First, since what others are told has the longer way.
        for command in std::mem::take(&mut released.net) {
            // Closed only at shutdown.
            let _ = self.net.send(command).await;
        }
        released.answer();
        if let State::Running(engine) = &mut self.engine
            && let Some(live) = engine.take_live()
        {
            self.outside.live.send_replace(Arc::new(live));
        }
        if let State::Running(engine) = &mut self.engine
            && let Some(ephemera) = engine.take_ephemera()
        {
            self.outside.ephemera.send_replace(Arc::new(ephemera));
        }
    }

    fn wake_readers(&self) {
        if let Ok(last) = feed::last(&self.store) {
            self.outside
                .feed
                .send_if_modified(|seq| std::mem::replace(seq, last) != last);
        }
    }

    fn checkpoint(&mut self, now: u64) {
        if self.checkpoint.as_ref().is_some_and(|running| !running.is_finished())
            || !self.store.db().needs_checkpoint(now)
        {
            return;
        }
        let store = self.store.clone();
        let run = move || {
            if let Err(error) = store.db().checkpoint() {
                tracing::error!(%error, "a checkpoint failed");
            }
        };
        self.checkpoint = std::thread::Builder::new().name("checkpoint".into()).spawn(run).ok();
    }

    /// Nothing of the turn happened: callers hear so, and the engine is made again from what is on disk.
    async fn fail(&mut self, effects: Effects, why: StorageFailed, now: u64) {
        effects.refuse(why);
        self.outside.health.send_replace(Health::ReadOnly(why));
        if let State::Running(mut engine) = std::mem::replace(&mut self.engine, State::Gone) {
            for command in engine.abandon_streams() {
                let _ = self.net.send(command).await;
            }
            self.engine = State::Failed(
                engine,
                now.saturating_add(if why == StorageFailed::DiskFull { 0 } else { RETRY_MS }),
            );
        }
    }

    async fn recover(&mut self, now: u64) {
        let State::Failed(engine, retry) = std::mem::replace(&mut self.engine, State::Gone) else {
            return;
        };
        if retry > now {
            self.engine = State::Failed(engine, retry);
            return;
        }
        let (engine, loaded) = engine.reload(&self.store, now);
        let committed = loaded.map_err(|_| ()).and_then(|(batch, effects)| {
            self.store
                .commit(batch)
                .map(|committed| effects.release(committed))
                .map_err(|_| ())
        });
        match committed {
            Ok(released) => {
                self.engine = State::Running(engine);
                self.act(released).await;
            }
            Err(()) => self.engine = State::Failed(engine, now.saturating_add(RETRY_MS)),
        }
    }

    /// Nothing can be decided now: callers hear so, and what must not be missed is noted.
    async fn refuse(&mut self, input: Input) {
        if let (Input::Net(event), State::Failed(engine, _)) = (&input, &mut self.engine)
            && let Some(command) = engine.observe(event)
        {
            let _ = self.net.send(command).await;
        }
        if let Input::Command(command) = input {
            let why = match *self.outside.health.borrow() {
                Health::ReadOnly(why) => why,
                Health::Ready => StorageFailed::Failed,
            };
            let mut effects = Effects::default();
            command.refuse(&mut effects, why);
        }
    }
}
