//! What a member with other code does to the others in a room: forks, purges without end, bodies held back, false links.

use parlour_crypto::{Act, History, KIND_EDIT, KIND_MESSAGE, LastSeq, Rank, RoomLink, VerifiedEvent};
use parlour_store::conversations::{self, ConversationKind};
use parlour_store::view::{Absent, Shown};
use parlour_store::{EventKey, events, rooms};

use super::rooms::three;
use super::rooms_bounds::last_operation;
use super::*;
use crate::engine::{Change, RoomAct, RoomError};

/// More than anybody ever says.
const FAR: u64 = 1_000_000_000_000;

impl Sim {
    pub(super) fn rank_at(&self, who: usize, room: &ConversationId, of: usize) -> Option<Rank> {
        let no = self.number_of(who, room).expect("known");
        let member = rooms::member(self.nodes[who].store(), no, &self.user(of)).expect("readable");
        member.and_then(|member| Rank::from_number(member.rank))
    }

    /// bo's removal of ada with all that they said up to a place, as other code could write it; given to everybody.
    fn purge_by_bo(&mut self, room: ConversationId, up_to: u64) {
        let (top, made) = last_operation(self, 1, &room);
        let mut bo = self.forger(1, room, made);
        bo.last = Some(top);
        let act = Act::Remove {
            user: self.user(0),
            device: None,
            ban: false,
            purge: true,
            logs: vec![LastSeq {
                device: self.nodes[0].keys().id(),
                log: 1,
                seq: up_to,
            }],
            reason: String::new(),
        };
        let removal = bo.next(self.now, act);
        for who in [0, 1, 2] {
            self.give_room(who, &room, 1, &removal);
        }
    }
}

#[test]
fn who_gives_two_operations_in_one_place_splits_no_room_and_keeps_nobody_out() {
    let mut sim = Sim::with(160, &["ada", "bo", "cy", "di"]);
    for who in [0, 2, 3] {
        sim.introduce(1, who);
    }
    sim.wait(MINUTE);
    let room = sim.make_room(1, "garden", History::All);
    sim.let_in(1, room, 0);
    sim.let_in(1, room, 2);
    let (prev, made) = last_operation(&sim, 0, &room);
    // Ten in one place: some of them for cy, another one for bo.
    let now = sim.now;
    let fork = |n| {
        let mut ada = sim.forger(0, room, made);
        ada.last = Some(prev);
        ada.invite(now, n, None)
    };
    let forks: Vec<_> = (0..10).map(fork).collect();
    for fork in &forks[..8] {
        sim.give_room(2, &room, 0, fork);
    }
    sim.give_room(1, &room, 0, &forks[9]);
    // ada's own node has none of it to give.
    sim.down(0, Crash::Killed);
    let ada = sim.user(0);
    sim.in_room(1, room, RoomAct::Role(ada, Rank::Guest)).expect("lowered");
    sim.wait(2 * MINUTE);
    assert_eq!(
        sim.rank_at(2, &room, 0),
        Some(Rank::Guest),
        "cy asked for what bo built on"
    );
    assert!(sim.has(2, &forks[9].id()));
    sim.let_in(1, room, 3);
    assert_eq!(sim.members_at(3, &room), [0, 1, 2, 3], "a newcomer gets both");
    let said = sim.tell(2, room, "still one room");
    sim.wait(MINUTE);
    for who in [1, 3] {
        assert_eq!(sim.shown_at(who, &said), Some(Shown::Text("still one room".to_owned())));
    }
}

#[test]
fn operations_from_a_time_to_come_wait_for_it_and_those_at_the_limits_of_clocks_change_nothing() {
    let (mut sim, room) = three(164);
    let (prev, made) = last_operation(&sim, 1, &room);
    let tomorrow = sim.now + 24 * HOUR;
    let clocks = [tomorrow, u64::MAX, u64::MAX - 1, u64::MAX / 2];
    let made_at = |(n, clock)| {
        let mut bo = sim.forger(1, room, made);
        bo.last = Some(prev);
        bo.invite(clock, n, None)
    };
    let operations: Vec<_> = (1..).zip(clocks).map(made_at).collect();
    let give = |sim: &mut Sim| {
        for (who, operation) in [0, 2]
            .into_iter()
            .flat_map(|who| operations.iter().map(move |one| (who, one)))
        {
            sim.give_room(who, &room, 1, operation);
        }
    };
    let held = |sim: &Sim| [0, 2].map(|who| operations.iter().filter(|one| sim.has(who, &one.id())).count());
    give(&mut sim);
    assert_eq!(held(&sim), [0, 0]);
    let said = sim.tell(2, room, "as before");
    sim.wait(MINUTE);
    assert_eq!(sim.shown_at(0, &said), Some(Shown::Text("as before".to_owned())));
    sim.wait(24 * HOUR);
    give(&mut sim);
    assert_eq!(held(&sim), [1, 1], "its time has come");
    assert!(sim.has(0, &operations[0].id()) && sim.has(2, &operations[0].id()));
}

#[test]
fn a_purge_of_more_than_there_is_ends_and_does_not_reach_what_is_said_after_a_new_beginning() {
    for up_to in [FAR, u64::MAX] {
        let (mut sim, room) = three(161);
        let old = sim.tell(0, room, "before");
        sim.wait(10 * SECOND);
        sim.purge_by_bo(room, up_to);
        sim.wait(MINUTE);
        for who in [1, 2] {
            let shown = sim.shown_at(who, &old);
            assert!(matches!(shown, Some(Shown::Absent(_))), "{shown:?}");
        }
        sim.let_in(1, room, 0);
        let new = sim.tell(0, room, "after");
        sim.wait(MINUTE);
        for who in [0, 1, 2] {
            assert_eq!(
                sim.shown_at(who, &new),
                Some(Shown::Text("after".to_owned())),
                "{who} {up_to}"
            );
        }
    }
}

#[test]
fn who_learns_of_a_purge_and_the_return_after_it_at_once_deletes_the_same() {
    for seed in 160..200 {
        let (mut sim, room) = three(seed);
        let old: Vec<_> = (0..5).map(|n| sim.tell(0, room, &format!("before {n}"))).collect();
        sim.wait(10 * SECOND);
        sim.down(2, Crash::Killed);
        sim.purge_by_bo(room, FAR);
        sim.wait(MINUTE);
        sim.let_in(1, room, 0);
        let new: Vec<_> = (0..5).map(|n| sim.tell(0, room, &format!("after {n}"))).collect();
        sim.wait(MINUTE);
        sim.start(2);
        sim.wait(5 * MINUTE);
        for who in [1, 2] {
            for id in &old {
                let shown = sim.shown_at(who, id);
                assert!(matches!(shown, Some(Shown::Absent(_))), "seed {seed}, {who}");
            }
            for (n, id) in new.iter().enumerate() {
                let expected = Some(Shown::Text(format!("after {n}")));
                assert_eq!(sim.shown_at(who, id), expected, "seed {seed}, {who}");
            }
        }
    }
}

#[test]
fn bodies_that_one_member_holds_back_come_from_others() {
    let (mut sim, room) = three(163);
    // The chain of ada that cy has opens nothing of this: it comes by stream alone.
    sim.down(2, Crash::Killed);
    let plain = sim.tell(0, room, "heron");
    let edited = sim.tell(0, room, "egret");
    assert_eq!(
        sim.change(0, edited, Change::Edit("little egret".to_owned())),
        Some(Ok(()))
    );
    let deleted = sim.tell(0, room, "stork");
    assert_eq!(sim.change(0, deleted, Change::Delete), Some(Ok(())));
    sim.wait(10 * SECOND);
    for whom in [0, 1] {
        sim.cut(2, whom);
    }
    sim.start(2);
    let (bo, now, unread) = (sim.user(1), sim.now, sim.unread(2, &room));
    let no = sim.number_of(0, &room).expect("known");
    let logs = parlour_store::logs::of_conversation(sim.nodes[0].store(), no).expect("readable");
    for (log, row) in logs.iter().filter(|(log, _)| log.log == 1) {
        for seq in row.have.values() {
            let at = EventKey {
                log: *log,
                seq,
                branch: 0,
            };
            let whole = events::get(sim.nodes[0].store(), &at).expect("readable").expect("held");
            let stub = VerifiedEvent::restore(whole.header().clone(), *whole.signature(), None);
            let taken = sim.nodes[2].take_wire(&room, &bo, &stub.to_wire(), now);
            let may_be = [KIND_MESSAGE, KIND_EDIT].contains(&whole.header().kind);
            assert_eq!(taken, may_be, "nobody ever erases what a deletion says");
        }
    }
    assert!(matches!(sim.shown_at(2, &plain), Some(Shown::Absent(_))));
    assert_eq!(sim.unread(2, &room), unread, "a mark is nothing to be read");
    sim.mend_all();
    sim.wait(5 * MINUTE);
    assert_eq!(sim.shown_at(2, &plain), Some(Shown::Text("heron".to_owned())));
    assert_eq!(sim.shown_at(2, &edited), Some(Shown::Text("little egret".to_owned())));
    assert_eq!(sim.shown_at(2, &deleted), Some(Shown::Absent(Absent::Deleted)));
    assert_eq!(sim.unread(2, &room), unread + 2);
}

#[test]
fn a_link_that_names_a_conversation_of_two_makes_no_room_of_it() {
    let mut sim = Sim::with(164, &["ada", "bo", "cy"]);
    sim.introduce(1, 2);
    sim.wait(MINUTE);
    let room = sim.make_room(2, "trap", History::None);
    let link = RoomLink::parse(&sim.link_into(2, room, None)).expect("a link");
    let to = |room| RoomLink { room, ..link.clone() }.to_link();
    let known = sim.direct(1, 2);
    assert_eq!(sim.show_link(1, &to(known)), Err(RoomError::NotARoom));
    // Nobody can know what this one is, yet.
    let later = sim.direct(0, 1);
    sim.show_link(1, &to(later)).expect("shown");
    sim.introduce(0, 1);
    sim.wait(MINUTE);
    let said = sim.tell(0, later, "just us");
    sim.tell(1, later, "yes");
    sim.wait(MINUTE);
    assert_eq!(sim.shown_at(1, &said), Some(Shown::Text("just us".to_owned())));
    assert_eq!(sim.plain_texts(0, &later), ["just us", "yes"]);
    let no = sim.number_of(1, &later).expect("known");
    let row = conversations::get(sim.nodes[1].store(), no)
        .expect("readable")
        .expect("there");
    assert_eq!(row.kind, ConversationKind::Direct { with: sim.user(0) });
}
