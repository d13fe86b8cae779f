//! Who writes in a room, and how far its members have read: told to all who are in it, contacts or not, unless they switched that off or
//! have blocked each other. ada and cy are no contacts.

use parlour_crypto::{Control, Frame};

use super::rooms::three;
use super::*;

fn settings(read_receipts: Option<bool>, presence: Option<bool>) -> Decision {
    Decision::Settings {
        read_receipts,
        presence,
    }
}

/// Whether a node sees another one write in this conversation.
fn writes_in(sim: &mut Sim, who: usize, of: usize, conversation: &ConversationId) -> bool {
    let user = sim.user(of);
    sim.nodes[who].ephemera().typing.contains(&(*conversation, user))
}

#[test]
fn fellow_members_see_each_other_write() {
    let (mut sim, room) = three(501);
    sim.decide(0, typing(room, true)).expect("told");
    sim.wait(500);
    assert!(writes_in(&mut sim, 1, 0, &room), "a contact");
    assert!(writes_in(&mut sim, 2, 0, &room), "a fellow member");
    assert_eq!(presence_of(&mut sim, 2, 0), None, "presence is for contacts");
    sim.tell(0, room, "done");
    sim.wait(SECOND);
    assert!(!writes_in(&mut sim, 2, 0, &room));
    sim.decide(0, settings(None, Some(false))).expect("written");
    sim.decide(0, typing(room, true)).expect("not told");
    sim.wait(500);
    assert!(!writes_in(&mut sim, 1, 0, &room) && !writes_in(&mut sim, 2, 0, &room));
}

#[test]
fn nobody_types_in_a_room_they_are_not_in_nor_to_whoever_blocked_them() {
    let (mut sim, room) = three(502);
    let alone = sim.make_room(1, "shed", parlour_crypto::History::All);
    sim.let_in(1, alone, 0);
    let frame = Frame::Typing {
        conversation: alone,
        typing: true,
    };
    let forged = sim.nodes[2].forge_frame(&frame, None, sim.now);
    forged.into_iter().for_each(|command| sim.execute(2, command));
    sim.wait(500);
    assert!(!writes_in(&mut sim, 0, 2, &alone) && !writes_in(&mut sim, 1, 2, &alone));
    sim.block(0, 2, true);
    sim.wait(SECOND);
    sim.decide(2, typing(room, true)).expect("told");
    sim.decide(0, typing(room, true)).expect("told");
    sim.wait(500);
    assert!(writes_in(&mut sim, 1, 2, &room) && writes_in(&mut sim, 1, 0, &room));
    assert!(!writes_in(&mut sim, 0, 2, &room), "cy is blocked");
    assert!(!writes_in(&mut sim, 2, 0, &room), "and learns nothing");
}

#[test]
fn fellow_members_learn_what_is_read() {
    let (mut sim, room) = three(503);
    sim.tell(0, room, "read me");
    sim.wait(10 * SECOND);
    assert_eq!(sim.statuses(0, &room), [Delivered]);
    sim.read(1, room, UpTo::End).expect("read");
    sim.wait(5 * SECOND);
    assert_eq!(sim.statuses(0, &room), [Delivered], "cy has not read it");
    sim.read(2, room, UpTo::End).expect("read");
    sim.wait(5 * SECOND);
    assert_eq!(sim.statuses(0, &room), [Read], "by all of them");
}

#[test]
fn whoever_is_away_learns_later_what_was_read_and_those_who_tell_nobody_do_not() {
    let (mut sim, room) = three(504);
    let reads = |sim: &Sim, who, of| {
        let controls = sim.waits_for(who, of).into_iter();
        controls.filter(|control| matches!(control, Control::Read(_))).count()
    };
    sim.tell(0, room, "one");
    sim.wait(10 * SECOND);
    sim.down(0, Crash::Killed);
    sim.decide(1, settings(Some(false), None)).expect("written");
    for who in [1, 2] {
        sim.read(who, room, UpTo::End).expect("read");
    }
    assert_eq!((reads(&sim, 1, 0), reads(&sim, 2, 0)), (0, 1));
    sim.start(0);
    sim.wait(2 * MINUTE);
    assert_eq!(reads(&sim, 2, 0), 0, "told");
    assert_eq!(sim.statuses(0, &room), [Delivered], "bo does not say what he reads");
    sim.decide(1, settings(Some(true), None)).expect("written");
    sim.tell(0, room, "two");
    sim.wait(10 * SECOND);
    for who in [1, 2] {
        sim.read(who, room, UpTo::End).expect("read");
    }
    sim.wait(5 * SECOND);
    assert_eq!(sim.statuses(0, &room), [Read, Read]);
}

#[test]
fn a_blocked_member_does_not_learn_what_is_read() {
    let (mut sim, room) = three(505);
    sim.tell(0, room, "read me");
    sim.wait(10 * SECOND);
    sim.block(2, 0, true);
    sim.read(2, room, UpTo::End).expect("read");
    sim.wait(MINUTE);
    sim.read(1, room, UpTo::End).expect("read");
    sim.wait(MINUTE);
    assert_eq!(sim.statuses(0, &room), [Delivered]);
}
