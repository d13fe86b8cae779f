//! The oracle of promises 1 and 2: real engines with real stores under one seeded schedule, virtual clocks and a virtual network.
//!
//! ```text
//! weather   which faults there are and how often: one draw per seed
//! mod       the driver: one queue of what will happen, turns, crashes, clocks
//! network   connections, streams, gossip and knocks; loss, delay, repetition, links that carry one way or none
//! disk      what a crash leaves: everything written, what was synced, half a commit, an old copy
//! people    what people do;  storm: all of it at random, then calm;  adversary: a contact with other code
//! ledger    what was accepted;  fold: what it means, worked out anew;  watch and oracle: what has to hold on the way and at the end
//! seeds     runs many seeds and names those that fail
//! tests     one file a noun
//! ```
//! Whatever was accepted is on every device it is meant for once the network heals, exactly once, in the same order and with the
//! same view of it; what was acknowledged is on the disk of who acknowledged it; blocked users change nothing; bad contacts cost
//! bounded work and change nothing between honest ones.

mod adversary;
mod disk;
mod fold;
mod ledger;
mod network;
mod node;
mod oracle;
mod people;
mod seeds;
mod storm;
mod tests;
mod watch;
mod weather;

use std::collections::BTreeMap;
use std::time::Duration;

use parlour_net::{NetCommand, NetEvent, PeerId};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::engine::{Input, Released, StorageFailed};
use crate::runner::instant;
use disk::Crash;
use ledger::Ledger;
use network::Network;
use node::SimNode;
use watch::{DiskCopy, Watched};
use weather::{CALM, Weather};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Something that will happen.
enum Pending {
    /// An input of a node; void if it was started again since.
    Input { life: u32, input: Input },
    /// A node's next timer; void if it was set anew since.
    Tick { life: u32 },
    /// It comes back after a crash.
    Start,
    /// A node notices that a connection carries nothing.
    Lost { peer: usize, connection: u64 },
}

struct Sim {
    rng: ChaCha8Rng,
    now: u64,
    order: u64,
    nodes: Vec<SimNode>,
    network: Network,
    queue: BTreeMap<(u64, u64), (usize, Pending)>,
    weather: Weather,
    ledger: Ledger,
    watched: Watched,
    /// What happened, by name.
    happened: BTreeMap<&'static str, u64>,
    /// Folded over everything that happened, to see that a seed repeats itself.
    trace: u64,
    /// Envelopes and knocks that were on the wire, for those who replay them.
    wire: Vec<Wire>,
    /// How long the nodes have worked, all of them together.
    worked: Duration,
}

/// What an eavesdropper keeps.
enum Wire {
    Envelope(bytes::Bytes),
    Knock(bytes::Bytes),
}

impl Sim {
    fn new(seed: u64, names: &[&str]) -> Self {
        let mut sim = Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            now: 1_800_000_000_000,
            order: 0,
            nodes: Vec::new(),
            network: Network::default(),
            queue: BTreeMap::new(),
            weather: CALM,
            ledger: Ledger::default(),
            watched: Watched::default(),
            happened: BTreeMap::new(),
            trace: seed,
            wire: Vec::new(),
            worked: Duration::ZERO,
        };
        sim.add(names);
        sim
    }

    fn add(&mut self, names: &[&str]) {
        for name in names {
            self.nodes.push(SimNode::create(name, &mut self.rng, self.now));
            self.start(self.nodes.len() - 1);
        }
    }

    /// Starts a new device of a node's user, made from the words alone.
    fn recover(&mut self, index: usize) -> usize {
        let node = self.nodes[index].recovered(&mut self.rng, self.now);
        self.nodes.push(node);
        self.start(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn chance(&mut self, in_1000: u64) -> bool {
        in_1000 > 0 && self.rng.next_u64() % 1000 < in_1000
    }

    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n.max(1)
    }

    fn delay(&mut self) -> u64 {
        1 + self.below(self.weather.max_delay_ms)
    }

    fn note(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    /// The nodes at a peer id: one, unless a copy of its disk runs beside it.
    fn all_at(&self, peer: &PeerId) -> Vec<usize> {
        let all = self.nodes.iter().enumerate();
        all.filter(|(_, node)| node.peer == *peer).map(|(at, _)| at).collect()
    }

    /// One of several.
    fn any_of(&mut self, nodes: &[usize]) -> Option<usize> {
        match nodes {
            [] => None,
            [only] => Some(*only),
            several => several.get(self.below(several.len() as u64) as usize).copied(),
        }
    }

    /// Starts a second node from a copy of the first one's disk: the same device, keys, sessions and peer id.
    fn start_copy(&mut self, of: usize, copy: &DiskCopy) -> usize {
        let node = self.nodes[of].copied(copy.files());
        self.nodes.push(node);
        // What each acknowledges the other need not have.
        self.nodes[of].rolled_back = true;
        self.start(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn later(&mut self, at: u64, index: usize, pending: Pending) {
        self.order += 1;
        self.queue.insert((at, self.order), (index, pending));
    }

    fn input_later(&mut self, at: u64, index: usize, input: Input) {
        let life = self.nodes[index].life;
        self.later(at, index, Pending::Input { life, input });
    }

    /// Lets everything happen that is due until `until`.
    fn run_until(&mut self, until: u64) {
        while let Some((&(at, order), _)) = self.queue.first_key_value() {
            if at > until {
                break;
            }
            let Some((index, pending)) = self.queue.remove(&(at, order)) else {
                break;
            };
            self.now = self.now.max(at);
            match pending {
                Pending::Start => self.start(index),
                Pending::Lost { peer, connection } => self.lose(index, peer, connection),
                Pending::Input { life, input } if life == self.nodes[index].life => {
                    if !self.is_over(index, &input) {
                        self.turn(index, input);
                    }
                }
                Pending::Tick { life } if life == self.nodes[index].life => {
                    self.nodes[index].ticks_at = None;
                    self.turn(index, Input::Tick);
                }
                Pending::Input { .. } | Pending::Tick { .. } => {}
            }
        }
        self.now = self.now.max(until);
    }

    fn wait(&mut self, ms: u64) {
        self.run_until(self.now + ms);
    }

    fn start(&mut self, index: usize) {
        if self.nodes[index].is_up() {
            return;
        }
        let seed = self.rng.next_u64();
        let effects = self.nodes[index].start(seed, self.now);
        self.act(index, effects, None);
        let address = network::address_of(index);
        self.input_later(self.now + 1, index, Input::Net(NetEvent::Listening { address }));
        self.schedule_tick(index);
        // What was being written may be gone, and its place be given out again.
        self.ledger.forget_logs_of(index);
        self.watch_start(index);
    }

    /// Asks for the node's next timer, as its runner's sleep does. A timer that was moved back finds nothing due.
    fn schedule_tick(&mut self, index: usize) {
        let Some(due) = self.nodes[index].next_tick() else {
            return;
        };
        let due = due.max(self.now + 1);
        if self.nodes[index].ticks_at.is_none_or(|at| due < at) {
            self.nodes[index].ticks_at = Some(due);
            let life = self.nodes[index].life;
            self.later(due, index, Pending::Tick { life });
        }
    }

    /// One turn of a node, perhaps with a full disk, or a crash before, in the middle of or after its commit, or between any two
    /// effects.
    fn turn(&mut self, index: usize, input: Input) {
        if !self.nodes[index].is_up() {
            return;
        }
        let command = matches!(input, Input::Command(_));
        if self.chance(self.weather.full) {
            self.note("disk full");
            return self.fail(index, input);
        }
        let crash = self.chance(self.weather.crash).then(|| self.draw_crash());
        match crash {
            Some(Crash::BeforeCommit) => {
                self.nodes[index].decide_and_forget(input, self.now);
                return self.crash_as(index, Crash::BeforeCommit);
            }
            Some(Crash::InCommit) => self.nodes[index].remember_journal(),
            _ => {}
        }
        let began = instant();
        let effects = self.nodes[index].turn(input, self.now);
        self.worked += began.elapsed();
        self.trace(index, &effects);
        if command {
            self.observe(index);
        }
        let stop_after = match crash {
            None => None,
            Some(Crash::InCommit) => Some(0),
            Some(_) => Some(self.below(1 + effects.net.len() as u64) as usize),
        };
        self.act(index, effects, stop_after);
        if let Some(crash) = crash {
            return self.crash_as(index, crash);
        }
        if self.chance(self.weather.checkpoint) || self.nodes[index].journal_is_long() {
            self.note("checkpoint");
            if self.weather.crash > 0 && self.chance(self.weather.power / 4) {
                return self.crash_as(index, Crash::InCheckpoint);
            }
            self.nodes[index].checkpoint();
        }
        self.watch_timers(index);
        self.schedule_tick(index);
    }

    /// A turn that cannot be written, and the engine made again, as the runner does.
    fn fail(&mut self, index: usize, input: Input) {
        let (effects, closed, again) = self.nodes[index].fail(input, self.now);
        effects.refuse(StorageFailed::DiskFull);
        for command in closed {
            self.execute(index, command);
        }
        self.act(index, again, None);
        self.schedule_tick(index);
    }

    fn act(&mut self, index: usize, mut released: Released, stop_after: Option<usize>) {
        if stop_after == Some(0) {
            return;
        }
        released.answer();
        let commands: Vec<NetCommand> = released.net;
        for command in commands.into_iter().take(stop_after.unwrap_or(usize::MAX)) {
            self.execute(index, command);
        }
    }

    fn trace(&mut self, index: usize, released: &Released) {
        for part in [self.now, index as u64, released.net.len() as u64] {
            self.trace = (self.trace ^ part).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        }
    }

    /// The process ends at once; what it wrote is on its disk.
    fn crash(&mut self, index: usize) {
        self.crash_as(index, Crash::Killed);
    }

    fn crash_as(&mut self, index: usize, how: Crash) {
        self.note(how.name());
        self.down(index, how);
        let pause = 100 + self.below(3_000);
        self.later(self.now + pause, index, Pending::Start);
    }

    /// The process ends, and does not come back by itself.
    fn down(&mut self, index: usize, how: Crash) {
        if self.nodes[index].is_up() {
            self.nodes[index].crash(how, &mut self.rng);
        }
        self.cut_everything_of(index, matches!(how, Crash::Killed | Crash::BeforeCommit));
    }
}
