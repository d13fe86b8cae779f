//! A node that stops anywhere: state is written before an envelope leaves and before a payload counts, and what was not
//! written did not happen. No cipher key meets the same nonce twice, even where an envelope was sealed and never left.
//!
//! Every payload is the same, so two bodies sealed under one key and nonce would begin with the same bytes.
//!
//! Header nonces are fresh by assumption: `crash` does not put the random source back. Where it is put back with the state from before
//! a message was sealed, the next message meets the same message key and the same nonce, whatever it says: both follow from state and
//! source alone, so by design no test can ask more. What left is still safe if the state is the last that was written, since what was
//! sealed and not written never left; where a whole machine is put back to an earlier state, source and all, it is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::{OpenError, PREFIX_LEN, RecordKey, Session};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use support::{DAY, NOW, eager_sides, rng};
use zeroize::Zeroizing;

const PAYLOAD: &[u8] = b"always the same words";
const NONCE: usize = 24;
const HEADER: usize = 48 + 16;

/// What a store holds of a session after a commit.
#[derive(Clone, Default)]
struct Disk {
    core: Vec<u8>,
    records: BTreeMap<RecordKey, Vec<u8>>,
    /// Envelopes whose payload counts.
    read: BTreeSet<usize>,
}

impl Disk {
    fn write(&mut self, session: &mut Session) {
        self.core = session.core().to_vec();
        for change in session.take_changes() {
            match change.value {
                Some(value) => self.records.insert(change.key, value.to_vec()),
                None => self.records.remove(&change.key),
            };
        }
    }

    fn read_back(&self) -> Session {
        let records = self.records.iter();
        Session::load(
            &self.core,
            records.map(|(key, value)| (*key, Zeroizing::new(value.clone()))),
        )
        .unwrap()
    }
}

struct Node {
    session: Session,
    disk: Disk,
    /// Every state that was ever written, oldest first.
    backups: Vec<Disk>,
    rng: ChaCha20Rng,
    /// The random source as it was at the last commit.
    source: ChaCha20Rng,
}

impl Node {
    fn new(mut session: Session, seed: u64) -> Self {
        let mut disk = Disk::default();
        disk.write(&mut session);
        Self {
            session,
            backups: vec![disk.clone()],
            disk,
            rng: rng(seed),
            source: rng(seed),
        }
    }

    fn commit(&mut self) {
        self.disk.write(&mut self.session);
        self.backups.push(self.disk.clone());
        self.source = self.rng.clone();
    }

    /// What is in memory is gone.
    fn crash(&mut self) {
        self.session = self.disk.read_back();
    }

    /// The same, and the random source is where it was at the last commit.
    fn crash_with_source(&mut self) {
        self.crash();
        self.rng = self.source.clone();
    }
}

/// Everything that was ever encrypted, whether it left or not.
#[derive(Default)]
struct Sealed {
    nonces: BTreeSet<Vec<u8>>,
    headers: BTreeSet<Vec<u8>>,
    bodies: BTreeSet<Vec<u8>>,
}

impl Sealed {
    fn note(&mut self, envelope: &[u8]) {
        let (nonce, rest) = envelope[PREFIX_LEN..].split_at(NONCE);
        let (header, body) = rest.split_at(HEADER);
        assert!(self.nonces.insert(nonce.to_vec()), "a header nonce came twice");
        assert!(
            self.headers.insert(header[..32].to_vec()),
            "a header key met a nonce twice"
        );
        assert!(
            self.bodies.insert(body[..32].to_vec()),
            "a message key met a nonce twice"
        );
    }
}

/// Where a node stops while it does one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Never,
    /// Before the commit: nothing happened.
    Before,
    /// After the commit, before the envelope leaves or the payload is shown.
    After,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Send {
        from: usize,
        stop: Stop,
    },
    /// Delivers an envelope; it stays on its way, to come again.
    Deliver {
        to: usize,
        which: prop::sample::Index,
        stop: Stop,
    },
    /// Puts back a state of long ago.
    Restore {
        side: usize,
        which: prop::sample::Index,
    },
}

fn op(restore: u32) -> impl Strategy<Value = Op> {
    let side = 0..2_usize;
    let stop = prop_oneof![3 => Just(Stop::Never), 1 => Just(Stop::Before), 1 => Just(Stop::After)];
    prop_oneof![
        10 => (side.clone(), stop.clone()).prop_map(|(from, stop)| Op::Send { from, stop }),
        10 => (side.clone(), any::<prop::sample::Index>(), stop)
            .prop_map(|(to, which, stop)| Op::Deliver { to, which, stop }),
        restore => (side, any::<prop::sample::Index>()).prop_map(|(side, which)| Op::Restore { side, which }),
    ]
}

struct World {
    nodes: [Node; 2],
    sealed: Sealed,
    /// Envelopes that left for each side, by number.
    under_way: [Vec<(usize, Vec<u8>)>; 2],
    sent: usize,
    restored: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let [a, b] = eager_sides(seed).map(|side| side.session);
        Self {
            nodes: [Node::new(a, seed ^ 0xA), Node::new(b, seed ^ 0xB)],
            sealed: Sealed::default(),
            under_way: [Vec::new(), Vec::new()],
            sent: 0,
            restored: false,
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Send { from, stop } => self.send(from, stop),
            Op::Deliver { to, which, stop } if !self.under_way[to].is_empty() => {
                let (id, envelope) = self.under_way[to][which.index(self.under_way[to].len())].clone();
                self.deliver(to, id, &envelope, stop);
            }
            Op::Deliver { .. } => {}
            Op::Restore { side, which } => {
                let node = &mut self.nodes[side];
                node.disk = node.backups[which.index(node.backups.len())].clone();
                node.crash();
                self.restored = true;
            }
        }
    }

    fn send(&mut self, from: usize, stop: Stop) {
        let node = &mut self.nodes[from];
        node.session.ask_for_refresh();
        let envelope = node.session.seal(&mut node.rng, DAY, PAYLOAD).unwrap();
        self.sealed.note(&envelope);
        if stop == Stop::Before {
            return node.crash();
        }
        node.commit();
        if stop == Stop::After {
            // Written, never sent: to the other side a lost envelope.
            return node.crash();
        }
        self.under_way[1 - from].push((self.sent, envelope));
        self.sent += 1;
    }

    fn deliver(&mut self, to: usize, id: usize, envelope: &[u8], stop: Stop) {
        let restored = self.restored;
        let node = &mut self.nodes[to];
        let opened = node.session.open(envelope, NOW);
        if !restored {
            // Exactly what is not yet read opens.
            match &opened {
                Ok(payload) => assert!(!node.disk.read.contains(&id) && payload.as_slice() == PAYLOAD),
                Err(error) => assert!(
                    node.disk.read.contains(&id) && matches!(error, OpenError::Replayed | OpenError::NoKey),
                    "{error}"
                ),
            }
        }
        if opened.is_err() {
            return;
        }
        if stop == Stop::Before {
            return node.crash();
        }
        node.disk.read.insert(id);
        node.commit();
        if stop == Stop::After {
            node.crash();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stop_at_any_point_repeats_no_key_and_loses_or_repeats_no_message(
        seed in any::<u32>(),
        ops in prop::collection::vec(op(0), 1..150),
    ) {
        let mut world = World::new(seed.into());
        for op in ops {
            world.step(op);
        }
        for to in [0, 1] {
            for (id, envelope) in std::mem::take(&mut world.under_way[to]) {
                world.deliver(to, id, &envelope, Stop::Never);
                prop_assert!(world.nodes[to].disk.read.contains(&id));
            }
        }
    }

    #[test]
    fn not_even_a_state_of_long_ago_put_back_repeats_a_key(
        seed in any::<u32>(),
        ops in prop::collection::vec(op(3), 1..150),
    ) {
        let mut world = World::new(seed.into());
        for op in ops {
            world.step(op);
        }
    }
}

/// With the last state that was written comes the random source that was there then: what is sealed again never left the first time.
#[test]
fn a_random_source_put_back_with_the_state_repeats_no_key_of_what_left() {
    let mut world = World::new(3);
    let (mut left, mut never_left) = (Sealed::default(), 0);
    for turn in 0..120_usize {
        let (from, to) = (turn / 5 % 2, 1 - turn / 5 % 2);
        let node = &mut world.nodes[from];
        let mut unwritten = Vec::new();
        for _ in 0..turn % 3 {
            node.session.ask_for_refresh();
            let envelope = node.session.seal(&mut node.rng, DAY, PAYLOAD).unwrap();
            unwritten.push(envelope);
        }
        node.crash_with_source();
        node.session.ask_for_refresh();
        let envelope = node.session.seal(&mut node.rng, DAY, PAYLOAD).unwrap();
        // Under the same key and nonce.
        assert!(unwritten.first().is_none_or(|first| *first == envelope));
        never_left += unwritten.len();
        node.commit();
        left.note(&envelope);
        if turn % 4 == 0 {
            node.crash_with_source();
        }
        world.deliver(to, turn, &envelope, [Stop::Never, Stop::After][turn % 2]);
        assert!(world.nodes[to].disk.read.contains(&turn));
    }
    assert_eq!((left.bodies.len(), never_left), (120, 120));
}

/// One exchange, stopped at each of its points in turn, and at each pair of them.
#[test]
fn every_point_of_an_exchange_can_be_the_last() {
    // From the offer of a refresh to the chain after the one that mixes it in, whichever side offers.
    let turn = [(1, true), (0, false), (0, true), (1, false)];
    let exchange: Vec<_> = [turn, turn, turn].into_iter().flatten().collect();
    let stops = [Stop::Never, Stop::Before, Stop::After];
    for first in 0..exchange.len() {
        for second in first..exchange.len() {
            for (one, other) in stops.iter().flat_map(|one| stops.map(|other| (*one, other))) {
                let mut world = World::new(7);
                for (at, &(side, sends)) in exchange.iter().enumerate() {
                    let stop = match at {
                        _ if at == first => one,
                        _ if at == second => other,
                        _ => Stop::Never,
                    };
                    if sends {
                        world.send(side, stop);
                    } else {
                        for (id, envelope) in world.under_way[side].clone() {
                            world.deliver(side, id, &envelope, stop);
                        }
                    }
                }
                for side in [0, 1] {
                    for (id, envelope) in world.under_way[side].clone() {
                        world.deliver(side, id, &envelope, Stop::Never);
                        assert!(world.nodes[side].disk.read.contains(&id));
                    }
                }
                if (one, other) == (Stop::Never, Stop::Never) {
                    assert_eq!(world.nodes.map(|node| node.session.refreshes()), [1, 1]);
                }
            }
        }
    }
}
