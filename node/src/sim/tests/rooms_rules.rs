//! Ranks and rules of rooms, for those who act and for what others are given.

use parlour_crypto::{Body, Draft, Frame, Pin, Rank, VerifiedEvent};

use super::rooms::three;
use super::*;
use crate::engine::{PolicyChange, RoomAct, RoomError};

#[test]
fn ranks_decide_who_may_do_what() {
    let (mut sim, room) = three(46);
    let (ada, bo, cy) = (sim.user(0), sim.user(1), sim.user(2));
    let kick = |user| RoomAct::Remove {
        user,
        ban: true,
        purge: false,
        reason: String::new(),
    };
    assert!(matches!(sim.in_room(0, room, kick(cy)), Err(RoomError::Rank { .. })));
    assert_eq!(sim.in_room(1, room, RoomAct::Leave), Err(RoomError::Owner));
    sim.in_room(1, room, RoomAct::Role(ada, Rank::Moderator))
        .expect("raised");
    sim.wait(5 * SECOND);
    assert_eq!(sim.in_room(0, room, kick(bo)), Err(RoomError::Above(Rank::Owner)));
    assert_eq!(
        sim.in_room(0, room, RoomAct::Role(cy, Rank::Guest))
            .map_err(|e| matches!(e, RoomError::Rank { .. })),
        Err(true)
    );
    sim.in_room(0, room, kick(cy)).expect("a moderator may");
    sim.wait(5 * SECOND);
    assert_eq!(sim.members_at(1, &room), [0, 1]);
    assert_eq!(
        sim.in_room(1, room, RoomAct::Invite(cy, Rank::Member)),
        Err(RoomError::Banned)
    );
    sim.in_room(1, room, RoomAct::Unban(cy)).expect("unbanned");
    sim.let_in(1, room, 2);
    assert_eq!(sim.members_at(0, &room), [0, 1, 2]);
}

#[test]
fn a_rule_about_writing_holds_for_those_below_it() {
    let (mut sim, room) = three(47);
    let change = PolicyChange {
        post: Some(Rank::Moderator),
        ..PolicyChange::default()
    };
    sim.in_room(1, room, RoomAct::Policy(change)).expect("ruled");
    sim.wait(5 * SECOND);
    let refused = sim.ask(0, |reply| Command::Send(SendText::plain(room, "may I"), reply));
    assert_eq!(
        refused.expect("up").err(),
        Some(SendError::Refused(Refusal::MayNotPost))
    );
    sim.tell(1, room, "hear, hear");
    sim.wait(10 * SECOND);
    assert_eq!(sim.plain_texts(2, &room), ["hear, hear"]);
}

#[test]
fn pins_the_timer_and_slow_mode_go_by_rank() {
    let (mut sim, room) = three(77);
    let change = PolicyChange {
        pin: Some(Rank::Moderator),
        slow_mode_ms: Some(60_000),
        ..PolicyChange::default()
    };
    sim.in_room(1, room, RoomAct::Policy(change)).expect("ruled");
    sim.wait(5 * SECOND);
    let said = sim.tell(0, room, "slowly");
    sim.wait(5 * SECOND);
    let send = |text: &str| SendText::plain(room, text);
    let again = sim.ask(0, |reply| Command::Send(send("too soon"), reply)).expect("up");
    assert!(matches!(
        again.err(),
        Some(SendError::Refused(Refusal::SlowMode {
            wait_ms: 50_000..=60_000
        }))
    ));
    sim.tell(1, room, "an owner need not wait");
    sim.tell(1, room, "at all");
    sim.wait(MINUTE);
    let last = sim.tell(0, room, "a minute later");
    let pin = sim.change(0, said, Change::Pin(true)).expect("up");
    assert_eq!(pin, Err(ChangeError::Refused(Refusal::MayNotPin)));
    let timer = |conversation| SetTimer {
        conversation,
        expires_after_ms: Some(60_000_000),
    };
    let refused = sim.ask(0, |reply| Command::SetTimer(timer(room), reply)).expect("up");
    assert_eq!(refused.err(), Some(TimerError::Refused(Refusal::MayNotSetTimer)));
    sim.wait(5 * SECOND);
    assert_eq!(sim.change(1, said, Change::Pin(true)), Some(Ok(())));
    sim.ask(1, |reply| Command::SetTimer(timer(room), reply))
        .expect("up")
        .expect("set");
    sim.wait(5 * SECOND);
    // What other code says all the same is not taken.
    let unruled = Body::Pin(Pin {
        target: said,
        on: false,
        ext: Vec::new(),
    });
    let view = sim.event(0, &said).header().view;
    let keys = sim.nodes[0].keys();
    let before = sim.shows(1, &room);
    let draft = Draft {
        kind: unruled.kind(),
        conversation: room,
        device: keys.id(),
        log: 1,
        seq: 3,
        prev: Some(last),
        parents: vec![said],
        clock: sim.now,
        view,
    };
    let event = VerifiedEvent::sign(&keys, draft, [9; 16], &unruled.encode().expect("fits")).expect("signed");
    let frame = Frame::Events {
        conversation: room,
        events: vec![event.to_wire()],
    };
    let now = sim.now;
    for command in sim.nodes[0].forge_frame(&frame, None, now) {
        sim.execute(0, command);
    }
    sim.wait(5 * SECOND);
    assert_eq!(sim.shows(1, &room), before);
    let place = parlour_store::events::place(sim.nodes[1].store(), &event.id()).expect("readable");
    assert_eq!(place, None);
}
