//! The timer of a room: set by those who may change its rules, known to whoever comes later whatever they are given of what was said
//! before, and followed by all.

use parlour_crypto::{Body, Draft, Frame, History, Rank, Timer, VerifiedEvent};
use parlour_store::view;

use super::*;
use crate::engine::{PolicyChange, RoomAct};

const AFTER_MS: u64 = 10 * MINUTE;

impl Sim {
    fn set_timer(&mut self, who: usize, conversation: ConversationId, after: Option<u64>) -> Result<(), TimerError> {
        let set = SetTimer {
            conversation,
            expires_after_ms: after,
        };
        self.ask(who, |reply| Command::SetTimer(set, reply)).expect("up")
    }

    fn timer_at(&self, who: usize, conversation: &ConversationId) -> Option<u64> {
        let no = self.number_of(who, conversation).expect("it is there");
        view::timer(self.nodes[who].store(), no).expect("readable")
    }
}

#[test]
fn a_newcomer_who_is_given_nothing_from_before_follows_the_timer_like_all_others() {
    for (seed, history) in [(511, History::None), (512, History::Last100)] {
        let (mut sim, _) = Sim::people(seed);
        let room = sim.make_room(1, "garden", history);
        sim.let_in(1, room, 0);
        sim.set_timer(1, room, Some(AFTER_MS)).expect("set");
        for n in 0..110 {
            sim.tell(1, room, &format!("{n}"));
        }
        sim.wait(20 * SECOND);
        sim.let_in(1, room, 2);
        assert_eq!(sim.timer_at(2, &room), Some(AFTER_MS), "{history:?}");
        sim.tell(2, room, "hello");
        sim.wait(MINUTE);
        for who in [0, 1, 2] {
            assert!(sim.plain_texts(who, &room).contains(&"hello".to_owned()), "{who}");
        }
        sim.wait(AFTER_MS + MINUTE);
        for who in [0, 1, 2] {
            let shown = sim.shows(who, &room).messages;
            let there = shown.iter().filter(|(_, state)| state.text().is_some());
            assert_eq!(there.count(), 0, "{who} still shows something, {history:?}");
        }
    }
}

#[test]
fn a_timer_is_set_by_admins_changed_by_the_last_of_them_and_switched_off() {
    let (mut sim, room) = rooms::three(513);
    let refused = sim.set_timer(0, room, Some(AFTER_MS));
    assert_eq!(refused.err(), Some(TimerError::Refused(Refusal::MayNotSetTimer)));
    let ada = sim.user(0);
    sim.in_room(1, room, RoomAct::Role(ada, Rank::Admin)).expect("ranked");
    sim.wait(5 * SECOND);
    sim.set_timer(0, room, Some(AFTER_MS)).expect("set");
    sim.wait(5 * SECOND);
    let change = PolicyChange {
        slow_mode_ms: Some(1_000),
        ..PolicyChange::default()
    };
    sim.in_room(1, room, RoomAct::Policy(change)).expect("ruled");
    sim.wait(5 * SECOND);
    for who in [0, 1, 2] {
        assert_eq!(sim.timer_at(who, &room), Some(AFTER_MS), "other rules leave it, {who}");
    }
    let before = sim.feed_of(2);
    sim.set_timer(1, room, None).expect("switched off");
    sim.set_timer(1, room, None).expect("it is off");
    sim.wait(5 * SECOND);
    assert!(sim.feed_of(2) > before, "readers are told");
    for who in [0, 1, 2] {
        assert_eq!(sim.timer_at(who, &room), None, "{who}");
    }
    sim.tell(2, room, "stays");
    sim.wait(2 * AFTER_MS);
    assert_eq!(sim.plain_texts(1, &room), ["stays"]);
}

#[test]
fn of_timers_set_at_once_the_shorter_holds_at_all_nodes() {
    let (mut sim, room) = rooms::three(514);
    let ada = sim.user(0);
    sim.in_room(1, room, RoomAct::Role(ada, Rank::Admin)).expect("ranked");
    sim.wait(5 * SECOND);
    sim.cut(0, 1);
    sim.cut(0, 2);
    sim.set_timer(0, room, Some(AFTER_MS)).expect("set");
    sim.set_timer(1, room, Some(2 * AFTER_MS)).expect("set");
    sim.wait(5 * SECOND);
    assert_eq!(sim.timer_at(2, &room), Some(2 * AFTER_MS));
    sim.mend_all();
    sim.wait(5 * MINUTE);
    for who in [0, 1, 2] {
        assert_eq!(sim.timer_at(who, &room), Some(AFTER_MS), "{who}");
    }
}

#[test]
fn a_timer_beside_the_rules_is_not_taken_not_even_from_the_owner() {
    let (mut sim, room) = rooms::three(515);
    let said = sim.tell(1, room, "first");
    sim.wait(5 * SECOND);
    let before = sim.shows(2, &room);
    let timer = Body::Timer(Timer {
        expires_after_ms: Some(AFTER_MS),
        ext: Vec::new(),
    });
    let (keys, view) = (sim.nodes[1].keys(), sim.event(1, &said).header().view);
    let draft = Draft {
        kind: timer.kind(),
        conversation: room,
        device: keys.id(),
        log: 1,
        seq: 2,
        prev: Some(said),
        parents: vec![said],
        clock: sim.now,
        view,
    };
    let event = VerifiedEvent::sign(&keys, draft, [9; 16], &timer.encode().expect("fits")).expect("signed");
    let frame = Frame::Events {
        conversation: room,
        events: vec![event.to_wire()],
    };
    let now = sim.now;
    for command in sim.nodes[1].forge_frame(&frame, None, now) {
        sim.execute(1, command);
    }
    sim.wait(5 * SECOND);
    assert_eq!(sim.shows(2, &room), before);
    assert_eq!(sim.timer_at(2, &room), None);
}
