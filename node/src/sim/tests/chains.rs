//! Sender chains in rooms: one envelope for all, and who can open it.

use parlour_crypto::{Control, Frame, History, SendingChain};
use parlour_store::chains::{self, Which};
use parlour_store::outbox;

use super::rooms::three;
use super::*;

impl Sim {
    /// How many envelopes have been on the wire.
    fn envelopes(&self) -> usize {
        let envelopes = self.wire.iter().filter(|wire| matches!(wire, Wire::Envelope(_)));
        envelopes.count()
    }

    /// The chain a node writes a room with: its id, its next message, and how many were handed it.
    pub(super) fn own_chain(&self, who: usize, room: &ConversationId) -> Option<([u8; 16], u32, usize)> {
        self.chain_of(who, room, Which::Current)
    }

    fn chain_of(&self, who: usize, room: &ConversationId, which: Which) -> Option<([u8; 16], u32, usize)> {
        let no = self.number_of(who, room).expect("known");
        let own = chains::own(self.nodes[who].store(), no, which).expect("readable")?;
        Some((own.chain.cert().chain(), own.chain.iteration(), own.given.len()))
    }

    /// How many senders' chains of rooms a node has.
    pub(super) fn senders(&self, who: usize) -> usize {
        chains::all_records(self.nodes[who].store()).expect("readable").len()
    }
}

#[test]
fn what_is_said_to_a_room_goes_to_all_in_one_envelope() {
    let (mut sim, room) = three(80);
    sim.tell(0, room, "first");
    sim.wait(10 * SECOND);
    let (chain, next, given) = sim.own_chain(0, &room).expect("a chain");
    assert_eq!((next, given), (1, 2));
    assert_eq!((sim.senders(1), sim.senders(2)), (1, 1));
    let before = sim.envelopes();
    sim.tell(0, room, "second");
    sim.wait(500);
    assert_eq!(sim.envelopes() - before, 1, "for bo and cy together");
    for who in [1, 2] {
        assert_eq!(sim.plain_texts(who, &room), ["first", "second"], "{who}");
    }
    assert_eq!(sim.own_chain(0, &room), Some((chain, 2, 2)));
}

#[test]
fn a_chain_goes_on_after_a_restart_on_both_sides() {
    let (mut sim, room) = three(81);
    sim.tell(0, room, "first");
    sim.wait(10 * SECOND);
    let (chain, ..) = sim.own_chain(0, &room).expect("a chain");
    for who in [0, 1, 2] {
        sim.crash(who);
    }
    sim.wait(MINUTE);
    let before = sim.envelopes();
    sim.tell(0, room, "second");
    sim.wait(500);
    assert_eq!(sim.envelopes() - before, 1);
    assert_eq!(sim.plain_texts(2, &room), ["first", "second"]);
    let (same, next, _) = sim.own_chain(0, &room).expect("a chain");
    assert_eq!(same, chain, "kept on the disk");
    assert!(next >= 2, "and never behind what was sealed");
}

#[test]
fn whoever_goes_or_is_removed_is_handed_no_chain_any_more() {
    let (mut sim, room) = three(82);
    sim.tell(0, room, "all of us");
    sim.tell(1, room, "all of us, too");
    sim.wait(10 * SECOND);
    let (before, ..) = sim.own_chain(1, &room).expect("a chain");
    sim.remove(1, room, 2);
    sim.wait(5 * SECOND);
    assert_eq!(sim.senders(2), 0, "what they had opens nothing that they are to have");
    sim.let_in(1, room, 2);
    sim.remove(1, room, 2);
    sim.wait(5 * SECOND);
    sim.tell(0, room, "ada alone with bo");
    sim.tell(1, room, "bo alone with ada");
    sim.wait(MINUTE);
    assert_eq!(sim.plain_texts(2, &room), ["all of us", "all of us, too"]);
    for who in [0, 1] {
        assert_eq!(waiting_chains(&sim, who, 2), 0);
    }
    // A third member makes a chain worth while again: it is another one.
    sim.let_in(1, room, 2);
    sim.tell(1, room, "together again");
    sim.wait(MINUTE);
    let (after, ..) = sim.own_chain(1, &room).expect("a chain");
    assert_eq!(
        sim.plain_texts(2, &room).last().map(String::as_str),
        Some("together again")
    );
    assert_ne!(after, before, "cy had been handed the first one and was removed since");
}

/// How many chains wait at a node for another one's devices.
fn waiting_chains(sim: &Sim, at: usize, to: usize) -> usize {
    let devices = parlour_store::devices::of_user(sim.nodes[at].store(), &sim.user(to)).expect("readable");
    devices
        .into_iter()
        .flat_map(|device| outbox::of_device(sim.nodes[at].store(), device).expect("readable"))
        .filter(|row| matches!(row.control, Control::SenderChain { .. }))
        .count()
}

#[test]
fn a_chain_that_waits_for_somebody_gives_way_to_the_next_and_goes_when_they_are_removed() {
    let mut sim = Sim::with(87, &["ada", "bo", "cy", "di"]);
    for other in [0, 2, 3] {
        sim.introduce(1, other);
    }
    sim.wait(10 * SECOND);
    let room = sim.make_room(1, "garden", History::None);
    for who in [0, 2, 3] {
        sim.let_in(1, room, who);
    }
    sim.down(2, Crash::Killed);
    sim.tell(1, room, "cy is away");
    sim.wait(10 * SECOND);
    let (first, ..) = sim.own_chain(1, &room).expect("a chain");
    assert_eq!(waiting_chains(&sim, 1, 2), 1);
    sim.remove(1, room, 3);
    sim.wait(10 * SECOND);
    sim.tell(1, room, "without di");
    sim.wait(10 * SECOND);
    let (second, ..) = sim.own_chain(1, &room).expect("a chain");
    assert_ne!(first, second);
    assert_eq!(waiting_chains(&sim, 1, 2), 1, "the newest one alone");
    sim.remove(1, room, 2);
    sim.wait(10 * SECOND);
    assert_eq!(waiting_chains(&sim, 1, 2), 0, "nothing is handed to who was removed");
}

#[test]
fn who_comes_later_is_handed_the_chain_from_here_on() {
    let mut sim = Sim::with(83, &["ada", "bo", "cy", "di"]);
    for other in [0, 2, 3] {
        sim.introduce(1, other);
    }
    sim.wait(10 * SECOND);
    let room = sim.make_room(1, "garden", History::None);
    for who in [0, 2] {
        sim.let_in(1, room, who);
    }
    sim.tell(1, room, "before di");
    sim.wait(10 * SECOND);
    let (chain, ..) = sim.own_chain(1, &room).expect("a chain");
    sim.let_in(1, room, 3);
    sim.tell(1, room, "with di");
    sim.wait(10 * SECOND);
    assert_eq!(
        sim.own_chain(1, &room),
        Some((chain, 2, 3)),
        "the same chain, in one more hand"
    );
    assert_eq!(sim.plain_texts(3, &room), ["with di"]);
    assert_eq!(sim.plain_texts(0, &room), ["before di", "with di"]);
}

#[test]
fn who_has_lost_the_chains_is_handed_them_again_and_makes_new_ones_for_what_they_say() {
    let (mut sim, room) = three(84);
    for who in [0, 1, 2] {
        sim.tell(who, room, &format!("by {who}"));
        sim.wait(10 * SECOND);
    }
    let (before, ..) = sim.own_chain(1, &room).expect("a chain");
    sim.nodes[1].store().db().checkpoint().expect("a checkpoint");
    sim.down(1, Crash::Killed);
    let (_, harm) = super::disks::HARMS[0];
    harm(&sim.nodes[1].disk().join("db"));
    sim.nodes[1].damaged = true;
    sim.start(1);
    sim.wait(10 * MINUTE);
    assert_eq!(sim.senders(1), 2, "ada's and cy's");
    sim.tell(1, room, "I am back");
    sim.wait(10 * SECOND);
    let (after, ..) = sim.own_chain(1, &room).expect("a chain");
    assert_ne!(after, before);
    let sealed = sim.envelopes();
    sim.tell(0, room, "welcome");
    sim.wait(500);
    assert_eq!(sim.envelopes() - sealed, 1);
    assert_eq!(sim.plain_texts(1, &room).len(), 5);
    assert_eq!(sim.plain_texts(1, &room), sim.plain_texts(2, &room));
}

#[test]
fn a_chain_is_replaced_after_a_week() {
    let (mut sim, room) = three(85);
    sim.tell(0, room, "this week");
    sim.wait(10 * SECOND);
    let (before, ..) = sim.own_chain(0, &room).expect("a chain");
    for who in [0, 1, 2] {
        sim.down(who, Crash::Killed);
    }
    sim.wait(8 * 24 * HOUR);
    for who in [0, 1, 2] {
        sim.start(who);
    }
    sim.wait(MINUTE);
    sim.tell(0, room, "next week");
    sim.wait(10 * SECOND);
    let (after, next, given) = sim.own_chain(0, &room).expect("a chain");
    assert_ne!(after, before);
    assert_eq!((next, given), (1, 2));
    assert_eq!(sim.plain_texts(2, &room), ["this week", "next week"]);
}

#[test]
fn the_chain_of_somebody_who_is_no_member_is_not_taken() {
    let (mut sim, room) = three(86);
    sim.tell(1, room, "by bo");
    sim.wait(10 * SECOND);
    assert_eq!(sim.senders(0), 1);
    sim.remove(1, room, 2);
    sim.wait(5 * SECOND);
    let keys = sim.nodes[2].keys();
    let audience = parlour_crypto::Audience::new([keys.id()]).expect("one");
    let chain = SendingChain::create(&mut sim.rng, &keys, room, [0; 32], &audience, sim.now);
    let frame = Frame::Control {
        id: [7; 16],
        control: Control::SenderChain {
            chains: vec![chain.share(Vec::new()).expect("new")],
            ext: Vec::new(),
        },
    };
    let now = sim.now;
    let said = sim.nodes[2].forge_frame(&frame, None, now);
    assert!(!said.is_empty(), "bo and cy are contacts, and connected");
    for command in said {
        sim.execute(2, command);
    }
    sim.wait(5 * SECOND);
    assert_eq!(sim.senders(1), 0, "made for the room, and by nobody who is in it");
}

/// All are away for so long, of the simulator's time.
fn away(sim: &mut Sim, ms: u64) {
    for who in [0, 1, 2] {
        sim.down(who, Crash::Killed);
    }
    sim.wait(ms);
    for who in [0, 1, 2] {
        sim.start(who);
    }
    sim.wait(MINUTE);
}

#[test]
fn the_next_chain_is_in_all_hands_before_the_one_in_use_ends() {
    let (mut sim, room) = three(88);
    sim.tell(0, room, "first");
    sim.wait(10 * SECOND);
    let (first, ..) = sim.own_chain(0, &room).expect("a chain");
    assert_eq!(sim.chain_of(0, &room, Which::Next), None);
    away(&mut sim, 6 * DAY);
    let before = sim.envelopes();
    sim.tell(0, room, "second");
    sim.wait(10 * SECOND);
    assert_eq!(sim.own_chain(0, &room), Some((first, 2, 2)), "it goes on");
    let (next, made, given) = sim.chain_of(0, &room, Which::Next).expect("the next one");
    assert_ne!(next, first);
    assert_eq!(
        (made, given, waiting_chains(&sim, 0, 1), waiting_chains(&sim, 0, 2)),
        (0, 2, 0, 0)
    );
    assert_eq!(sim.envelopes() - before, 1);
    away(&mut sim, 2 * DAY);
    sim.tell(0, room, "third");
    sim.wait(500);
    assert_eq!(sim.own_chain(0, &room), Some((next, 1, 2)), "handed out two days ago");
    assert_eq!(sim.chain_of(0, &room, Which::Next), None);
    assert_eq!(sim.plain_texts(2, &room), ["first", "second", "third"]);
    // Both go when somebody goes who was handed them.
    away(&mut sim, 4 * DAY);
    sim.tell(0, room, "fourth");
    sim.wait(10 * SECOND);
    assert!(sim.chain_of(0, &room, Which::Next).is_some());
    sim.remove(1, room, 2);
    sim.wait(10 * SECOND);
    for which in [Which::Current, Which::Next] {
        assert_eq!(sim.chain_of(0, &room, which), None);
    }
}

#[test]
fn a_thousand_messages_go_by_two_chains_and_none_of_them_twice() {
    let (mut sim, room) = three(89);
    sim.tell(0, room, "0");
    sim.wait(10 * SECOND);
    let (first, ..) = sim.own_chain(0, &room).expect("a chain");
    let before = sim.envelopes();
    for n in 1..=1_010 {
        sim.tell(0, room, &n.to_string());
        sim.wait(50);
    }
    sim.wait(10 * SECOND);
    let (second, sealed, _) = sim.own_chain(0, &room).expect("a chain");
    assert_ne!(second, first);
    assert_eq!(sealed, 11);
    assert_eq!(
        sim.envelopes() - before,
        1_010,
        "nothing but the messages, and each for both"
    );
    assert_eq!(sim.plain_texts(2, &room).len(), 1_011);
}

#[test]
fn who_misses_a_chain_asks_for_it() {
    let (mut sim, room) = three(90);
    sim.tell(0, room, "first");
    sim.wait(10 * SECOND);
    let (chain, ..) = sim.own_chain(0, &room).expect("a chain");
    // cy's disk has lost the chain and nothing else.
    let (store, no) = (sim.nodes[2].store(), sim.number_of(2, &room).expect("known"));
    let ada = parlour_store::devices::number(store, &sim.nodes[0].keys().id())
        .expect("readable")
        .expect("known");
    let mut txn = store.begin();
    chains::delete(&mut txn, no, ada).expect("deleted");
    store.commit(txn.into_batch()).expect("written");
    sim.crash_as(2, Crash::Killed);
    sim.wait(MINUTE);
    assert_eq!(sim.senders(2), 0);
    sim.tell(0, room, "second");
    sim.wait(10 * SECOND);
    assert_eq!(sim.plain_texts(2, &room), ["first", "second"], "by stream");
    assert_eq!(sim.senders(2), 1, "handed over again");
    let (same, ..) = sim.own_chain(0, &room).expect("a chain");
    assert_eq!(same, chain);
    sim.cut(0, 2);
    sim.tell(0, room, "third");
    sim.wait(300);
    assert_eq!(
        sim.plain_texts(2, &room).len(),
        3,
        "by the envelope, which bo passed on"
    );
    sim.mend_all();
    // Whoever asks without a pause is answered now and then.
    let request = Control::KeyRequest {
        room,
        chains: vec![(sim.nodes[0].keys().id(), [0; 16])],
        ext: Vec::new(),
    };
    sim.wait(MINUTE);
    let handed = |sim: &Sim| sim.feed_of(0);
    let quiet = handed(&sim);
    for n in 0..50_u8 {
        let frame = Frame::Control {
            id: [n; 16],
            control: request.clone(),
        };
        let now = sim.now;
        for command in sim.nodes[2].forge_frame(&frame, None, now) {
            sim.execute(2, command);
        }
    }
    sim.wait(SECOND);
    assert_eq!(handed(&sim), quiet);
    assert!(waiting_chains(&sim, 0, 2) <= 1);
}

#[test]
fn who_was_removed_and_let_in_again_is_read_by_chain_from_the_first_word_on() {
    for seed in [106, 107] {
        let (mut sim, room) = three(seed);
        sim.tell(2, room, "first");
        sim.wait(10 * SECOND);
        sim.down(0, Crash::Killed);
        sim.remove(1, room, 2);
        sim.wait(10 * SECOND);
        sim.let_in(1, room, 2);
        sim.start(0);
        sim.wait(MINUTE);
        sim.tell(2, room, "back");
        sim.wait(MINUTE);
        assert_eq!(sim.plain_texts(0, &room), ["first", "back"], "seed {seed}");
        assert_eq!((sim.senders(0), sim.senders(1)), (1, 1), "seed {seed}");
    }
}
