//! Views of rooms: what was written knowing operations that others know together only with later ones.

use parlour_crypto::Rank;

use super::rooms::three;
use super::*;
use crate::engine::RoomAct;

fn named(name: &str) -> RoomAct {
    RoomAct::Info {
        name: Some(name.to_owned()),
        topic: None,
    }
}

#[test]
fn what_was_written_under_a_view_that_was_never_ours_is_taken() {
    // Whose operations come first depends on who is who: so the last one is by either.
    for (seed, last) in [(66, 0), (66, 1), (67, 0), (67, 1)] {
        written_under_two_heads(seed, last);
    }
}

fn written_under_two_heads(seed: u64, last: usize) {
    let (mut sim, room) = three(seed);
    let ada = sim.user(0);
    sim.in_room(1, room, RoomAct::Role(ada, Rank::Admin)).expect("raised");
    sim.wait(MINUTE);
    sim.down(2, Crash::Killed);
    // Two operations at once, a message of whoever knows both, and then one more.
    sim.cut(0, 1);
    sim.in_room(1, room, named("beds")).expect("renamed");
    sim.in_room(0, room, named("hedges")).expect("renamed");
    sim.mend(0, 1);
    sim.wait(MINUTE);
    sim.tell(1, room, "both are good names");
    sim.tell(0, room, "so they are");
    sim.wait(MINUTE);
    sim.in_room(last, room, named("garden")).expect("renamed");
    sim.wait(MINUTE);
    sim.tell(1, room, "back to the first");
    sim.wait(MINUTE);
    let written = sim.plain_texts(1, &room);
    assert_eq!(written.len(), 3);

    sim.start(2);
    sim.wait(5 * MINUTE);
    assert_eq!(
        sim.plain_texts(2, &room),
        written,
        "seed {seed}, last operation by {last}"
    );
    for who in [0, 1] {
        let mut own = sim.statuses(who, &room).into_iter();
        assert!(own.all(|status| [MessageStatus::Received, Delivered].contains(&status)));
    }
}

#[test]
fn a_burst_right_behind_an_operation_is_not_held_up() {
    for seed in 511..515 {
        // Two of them: there is no chain that would bring it past the stream.
        let (mut sim, _) = Sim::people(seed);
        let room = sim.make_room(1, "garden", parlour_crypto::History::None);
        sim.let_in(1, room, 0);
        sim.in_room(1, room, named("beds")).expect("renamed");
        for n in 0..110 {
            sim.tell(1, room, &format!("{n}"));
        }
        sim.wait(20 * SECOND);
        assert_eq!(sim.plain_texts(0, &room).len(), 110, "seed {seed}");
    }
}
