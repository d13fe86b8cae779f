//! The oracle of promises 1 and 2: several real engines with real stores under one seeded schedule, a virtual clock and a
//! virtual network that loses, delays, repeats and cuts, with crashes between any two effects. Whatever was accepted must
//! be on every device it is meant for once the network heals, exactly once and in the same order.

mod changes;
mod damage;
mod hostile;
mod network;
mod node;
mod personal;
mod refresh;
mod scenario;

use std::collections::BTreeMap;

use parlour_net::{NetCommand, PeerId};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::engine::{Effects, Input};
use network::Network;
use node::SimNode;

/// Something that will happen to a node.
enum Pending {
    /// An input; void if the node was started again since.
    Input { life: u32, input: Input },
    /// Its next timer.
    Tick { life: u32 },
    /// It comes back after a crash.
    Start,
}

/// What the schedule may do.
#[derive(Clone, Copy)]
struct Weather {
    /// Chances in 1000.
    loss: u64,
    repeat: u64,
    crash: u64,
    max_delay_ms: u64,
}

const CALM: Weather = Weather {
    loss: 0,
    repeat: 0,
    crash: 0,
    max_delay_ms: 20,
};

struct Sim {
    rng: ChaCha8Rng,
    now: u64,
    order: u64,
    nodes: Vec<SimNode>,
    network: Network,
    queue: BTreeMap<(u64, u64), (usize, Pending)>,
    weather: Weather,
    crashes: u32,
    /// Envelopes and knocks that were on the wire, for those who replay them.
    wire: Vec<Wire>,
}

/// What an eavesdropper keeps.
enum Wire {
    Envelope(bytes::Bytes),
    Knock(bytes::Bytes),
}

impl Sim {
    fn new(seed: u64, names: &[&str]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let now = 1_800_000_000_000;
        let nodes = names.iter().map(|name| SimNode::create(name, &mut rng, now)).collect();
        let mut sim = Self {
            rng,
            now,
            order: 0,
            nodes,
            network: Network::default(),
            queue: BTreeMap::new(),
            weather: CALM,
            crashes: 0,
            wire: Vec::new(),
        };
        for index in 0..sim.nodes.len() {
            sim.start(index);
        }
        sim
    }

    /// Starts a new device of a node's user, made from the words alone.
    fn recover(&mut self, index: usize) -> usize {
        let node = self.nodes[index].recovered(&mut self.rng, self.now);
        self.nodes.push(node);
        self.start(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn chance(&mut self, in_1000: u64) -> bool {
        self.rng.next_u64() % 1000 < in_1000
    }

    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n.max(1)
    }

    fn delay(&mut self) -> u64 {
        1 + self.below(self.weather.max_delay_ms)
    }

    fn index_of(&self, peer: &PeerId) -> Option<usize> {
        self.nodes.iter().position(|node| node.peer == *peer)
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
                Pending::Input { life, input } if life == self.nodes[index].life => {
                    if !self.is_over(index, &input) {
                        self.turn(index, input);
                    }
                }
                Pending::Tick { life } if life == self.nodes[index].life => self.turn(index, Input::Tick),
                Pending::Input { .. } | Pending::Tick { .. } => {}
            }
        }
        self.now = until;
    }

    fn start(&mut self, index: usize) {
        let seed = self.rng.next_u64();
        let effects = self.nodes[index].start(seed, self.now);
        self.act(index, effects, None);
        let address = network::address_of(index);
        self.input_later(
            self.now + 1,
            index,
            Input::Net(parlour_net::NetEvent::Listening { address }),
        );
        self.schedule_tick(index);
    }

    fn schedule_tick(&mut self, index: usize) {
        let life = self.nodes[index].life;
        if let Some(due) = self.nodes[index].next_tick() {
            self.later(due.max(self.now + 1), index, Pending::Tick { life });
        }
    }

    /// One turn of a node, perhaps with a crash before its commit, or after it and between any two effects.
    fn turn(&mut self, index: usize, input: Input) {
        if !self.nodes[index].is_up() {
            return;
        }
        let crash = self.chance(self.weather.crash);
        if crash && self.chance(300) {
            self.nodes[index].decide_and_forget(input, self.now);
            return self.crash(index);
        }
        let effects = self.nodes[index].turn(input, self.now);
        let stop_after = crash.then(|| self.below(1 + effects.net.len() as u64) as usize);
        self.act(index, effects, stop_after);
        if crash {
            return self.crash(index);
        }
        self.schedule_tick(index);
    }

    fn act(&mut self, index: usize, mut effects: Effects, stop_after: Option<usize>) {
        if stop_after == Some(0) {
            return;
        }
        effects.answer(Ok(()));
        let commands: Vec<NetCommand> = effects.net;
        for command in commands.into_iter().take(stop_after.unwrap_or(usize::MAX)) {
            self.execute(index, command);
        }
    }

    fn crash(&mut self, index: usize) {
        self.crashes += 1;
        self.nodes[index].crash();
        self.cut_everything_of(index);
        let pause = 100 + self.below(3_000);
        self.later(self.now + pause, index, Pending::Start);
    }
}
