//! Members who cheat, and former members who put together what they have.

use parlour_crypto::{Body, ChainSender, Draft, EventId, History, Message, VerifiedEvent};
use parlour_store::{EventKey, LogKey, chains, devices, events};

use super::rooms::three;
use super::*;

#[test]
fn two_who_were_removed_open_nothing_of_what_is_said_afterwards_with_all_they_have_together() {
    let mut sim = Sim::with(117, &["ada", "bo", "cy", "di", "ed"]);
    for other in [0, 2, 3, 4] {
        sim.introduce(1, other);
    }
    sim.wait(10 * SECOND);
    let room = sim.make_room(1, "garden", History::All);
    for who in [0, 2, 3, 4] {
        sim.let_in(1, room, who);
    }
    for who in [0, 1, 2] {
        sim.tell(who, room, "all of us");
    }
    sim.wait(10 * SECOND);
    // What cy's and ed's disks have of the chains of those who stay.
    let mut loot = Vec::new();
    for who in [2, 4] {
        for ((_, device), records) in chains::all_records(sim.nodes[who].store()).expect("readable") {
            let row = devices::get(sim.nodes[who].store(), device)
                .expect("readable")
                .expect("known");
            let owner = parlour_crypto::DeviceCert::verify(&row.certificate).expect("certified");
            loot.push(ChainSender::load(room, &owner, records).expect("loads"));
        }
    }
    assert!(loot.len() >= 5);
    let opens = |sim: &Sim, from: usize, loot: &[ChainSender]| {
        let envelopes = sim.wire[from..].iter().filter_map(|wire| match wire {
            Wire::Envelope(data) => Some(data),
            Wire::Knock(_) => None,
        });
        let chains = |sender: &ChainSender| sender.tags(0).map(|(chain, _)| chain).collect::<Vec<_>>();
        envelopes
            .filter(|data| {
                let mut senders = loot.iter();
                senders.any(|sender| chains(sender).iter().any(|chain| sender.open(chain, data).is_ok()))
            })
            .count()
    };
    let before = sim.wire.len();
    sim.tell(1, room, "still all of us");
    sim.wait(10 * SECOND);
    assert!(opens(&sim, before, &loot) >= 1, "what they are to read, they read");
    for who in [2, 4] {
        sim.remove(1, room, who);
    }
    sim.wait(10 * SECOND);
    let after = sim.wire.len();
    for n in 0..30 {
        sim.tell(n % 2, room, &format!("{n} without them"));
        sim.tell(3, room, &format!("{n} without them, by di"));
        sim.wait(SECOND);
    }
    sim.wait(MINUTE);
    assert!(sim.wire.len() - after >= 60, "it was on the wire");
    assert_eq!(opens(&sim, after, &loot), 0);
    for who in [0, 1, 3] {
        assert_eq!(sim.plain_texts(who, &room).len(), 4 + 60);
    }
    for who in [2, 4] {
        assert_eq!(sim.plain_texts(who, &room).len(), 4);
    }
}

#[test]
fn who_says_two_things_in_one_place_is_shown_with_both_and_everywhere_alike() {
    let (mut sim, room) = three(118);
    let like = sim.tell(2, room, "honest");
    sim.wait(10 * SECOND);
    let (keys, cy, now) = (sim.nodes[2].keys(), sim.user(2), sim.now);
    let view = sim.event(1, &like).header().view;
    let two = ["to ada", "to bo"].map(|text| {
        let body = Body::Message(Message::text(text));
        let draft = Draft {
            kind: body.kind(),
            conversation: room,
            device: keys.id(),
            log: 1,
            seq: 2,
            prev: Some(like),
            parents: vec![like],
            clock: now,
            view,
        };
        VerifiedEvent::sign(&keys, draft, [5; 16], &body.encode().expect("fits")).expect("signed")
    });
    for (who, order) in [(0, [0, 1]), (1, [1, 0])] {
        for at in order {
            assert!(sim.nodes[who].take_wire(&room, &cy, &two[at].to_wire(), now));
        }
    }
    assert_eq!(sim.plain_texts(0, &room), sim.plain_texts(1, &room));
    assert_eq!(sim.plain_texts(0, &room).len(), 3);
    for who in [0, 1] {
        let device = devices::number(sim.nodes[who].store(), &keys.id())
            .expect("readable")
            .expect("known");
        let conversation = sim.number_of(who, &room).expect("known");
        let log = LogKey {
            conversation,
            device,
            log: 1,
        };
        let row = parlour_store::logs::get(sim.nodes[who].store(), &log).expect("readable");
        assert!(row.forked, "it is proved against the device");
        let at = |branch| events::get(sim.nodes[who].store(), &EventKey { log, seq: 2, branch }).expect("readable");
        let mut ids: Vec<EventId> = [0, 1].into_iter().filter_map(|branch| Some(at(branch)?.id())).collect();
        ids.sort_unstable();
        let mut both: Vec<EventId> = two.iter().map(VerifiedEvent::id).collect();
        both.sort_unstable();
        assert_eq!(ids, both);
    }
}

#[test]
fn who_is_given_false_history_has_the_true_one_from_others() {
    let (mut sim, _) = Sim::people(119);
    let room = sim.make_room(1, "garden", History::All);
    sim.let_in(1, room, 0);
    let first = sim.tell(1, room, "first");
    sim.tell(1, room, "second");
    sim.wait(10 * SECOND);
    sim.let_in(1, room, 2);
    // ada says in bo's name what he never said, and changes what he did.
    let (ada, now) = (sim.user(0), sim.now);
    let honest = sim.event(1, &first);
    let mut wire = honest.to_wire();
    let changed: Vec<Vec<u8>> = (0..wire.len())
        .step_by(7)
        .map(|at| {
            wire[at] ^= 1;
            let lie = wire.clone();
            wire[at] ^= 1;
            lie
        })
        .collect();
    let keys = sim.nodes[0].keys();
    let draft = Draft {
        kind: honest.header().kind,
        conversation: room,
        device: sim.nodes[1].keys().id(),
        log: 1,
        seq: 3,
        prev: Some(first),
        parents: Vec::new(),
        clock: now,
        view: honest.header().view,
    };
    let body = Message::text("I never said this").encode().expect("fits");
    assert!(
        VerifiedEvent::sign(&keys, draft, [1; 16], &body).is_err(),
        "nobody signs for another device"
    );
    let mut told = 0;
    for lie in changed {
        if parlour_crypto::SignedEvent::decode(&lie).is_ok() {
            told += 1;
            let _: bool = sim.nodes[2].take_wire(&room, &ada, &lie, now);
        }
    }
    assert!(told > 0, "some of it has the form of an event");
    sim.wait(MINUTE);
    assert_eq!(sim.plain_texts(2, &room), ["first", "second"]);
}

#[test]
fn what_whoever_let_somebody_in_holds_back_comes_from_another_member() {
    let mut sim = Sim::with(119, &["ada", "bo", "cy", "di", "eve"]);
    for (one, other) in [(1, 0), (1, 2), (1, 3), (0, 4), (2, 4), (3, 4)] {
        sim.introduce(one, other);
    }
    sim.wait(10 * SECOND);
    let room = sim.make_room(1, "garden", History::All);
    for who in [0, 2, 3] {
        sim.let_in(1, room, who);
    }
    sim.wait(MINUTE);
    // To whom she lets in, ada is as if she had never heard of di's removal.
    for other in [1, 2, 3] {
        sim.cut(0, other);
    }
    for other in [1, 2, 3] {
        sim.cut(4, other);
    }
    sim.remove(1, room, 3);
    sim.wait(10 * SECOND);
    sim.let_in(0, room, 4);
    sim.wait(10 * SECOND);
    assert_eq!(sim.members_at(4, &room), [0, 1, 2, 3, 4], "eve believes her");
    sim.mend(2, 4);
    sim.wait(5 * MINUTE);
    assert_eq!(sim.members_at(4, &room), [0, 1, 2, 4], "and cy knows better");
    sim.mend(3, 4);
    sim.tell(4, room, "not for di");
    sim.wait(5 * MINUTE);
    assert_eq!(sim.plain_texts(2, &room), ["not for di"]);
    assert_eq!(sim.plain_texts(3, &room), Vec::<String>::new());
}
