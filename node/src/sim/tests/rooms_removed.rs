//! What was said around a removal, by those who did not know of it and in spite of it.

use parlour_crypto::{History, Rank};
use parlour_store::conversations;
use parlour_store::view::{Absent, Shown};

use super::rooms::three;
use super::*;
use crate::engine::RoomAct;

impl Sim {
    /// What a node shows of a room, with what is marked as said around a removal.
    fn marked_texts(&self, who: usize, room: &ConversationId) -> Vec<(String, bool)> {
        let shown = self.shows(who, room).messages.into_iter();
        let said = shown.filter_map(|(_, state)| Some((state.shown.words()?, state.around_removal)));
        said.collect()
    }
}

#[test]
fn what_somebody_says_before_they_hear_of_their_removal_is_marked_alike_at_all() {
    for seed in 300..308 {
        let (mut sim, room) = three(seed);
        sim.tell(2, room, "seen");
        sim.wait(10 * SECOND);
        for other in [0, 2] {
            sim.cut(1, other);
        }
        sim.tell(2, room, "unseen");
        sim.wait(10 * SECOND);
        sim.tell(0, room, "so I heard");
        if seed % 2 == 0 {
            sim.remove(1, room, 2);
            sim.mend_all();
        } else {
            // bo hears of it first, and takes it from ada, who has learned of the removal by then.
            sim.remove(1, room, 2);
            sim.down(2, Crash::Killed);
            sim.mend_all();
        }
        sim.wait(5 * MINUTE);
        if seed % 2 == 1 {
            sim.start(2);
            sim.wait(5 * MINUTE);
        }
        let expected = [("seen", false), ("unseen", true), ("so I heard", false)];
        let expected = expected.map(|(text, around)| (text.to_owned(), around));
        for who in [0, 1] {
            assert_eq!(sim.marked_texts(who, &room), expected, "seed {seed}, {who}");
            assert_eq!(sim.members_at(who, &room), [0, 1]);
        }
        let own = sim.marked_texts(2, &room);
        assert!(own.contains(&expected[1]), "whoever said it knows, too: {own:?}");
    }
}

#[test]
fn who_speaks_on_in_spite_of_a_removal_is_not_heard_by_those_who_know_of_it() {
    for seed in 310..314 {
        let (mut sim, room) = three(seed);
        sim.tell(2, room, "seen");
        sim.wait(10 * SECOND);
        // cy hears nothing of it, and is heard.
        for other in [0, 1] {
            sim.silence(other, 2);
        }
        sim.remove(1, room, 2);
        sim.wait(5 * SECOND);
        sim.tell(2, room, "in spite of it");
        sim.wait(5 * MINUTE);
        for who in [0, 1] {
            assert_eq!(sim.plain_texts(who, &room), ["seen"], "seed {seed}, {who}");
        }
        sim.mend_all();
        sim.wait(5 * MINUTE);
        for who in [0, 1] {
            assert_eq!(sim.plain_texts(who, &room), ["seen"], "seed {seed}, {who}");
        }
    }
}

#[test]
fn what_is_said_by_a_right_that_turns_out_void_is_hidden_where_it_was_shown() {
    let mut sim = Sim::with(320, &["ada", "bo", "cy", "di"]);
    for (one, other) in [(1, 0), (1, 2), (0, 3), (0, 2), (2, 3)] {
        sim.introduce(one, other);
    }
    sim.wait(10 * SECOND);
    let room = sim.make_room(1, "garden", History::All);
    for who in [0, 2] {
        sim.let_in(1, room, who);
    }
    let ada = sim.user(0);
    sim.in_room(1, room, RoomAct::Role(ada, Rank::Admin)).expect("raised");
    sim.tell(0, room, "before");
    sim.wait(MINUTE);
    for other in [0, 2, 3] {
        sim.cut(1, other);
    }
    sim.let_in(0, room, 3);
    sim.wait(10 * SECOND);
    let said = sim.tell(3, room, "let in by somebody who is out");
    sim.wait(MINUTE);
    let unread = |sim: &Sim| {
        let no = sim.number_of(2, &room).expect("known");
        conversations::get(sim.nodes[2].store(), no)
            .expect("readable")
            .expect("there")
            .unread
    };
    assert_eq!((sim.plain_texts(2, &room).len(), unread(&sim)), (2, 2));
    sim.remove(1, room, 0);
    sim.mend_all();
    sim.wait(5 * MINUTE);
    assert_eq!(sim.members_at(2, &room), [1, 2]);
    for who in [1, 2] {
        assert_eq!(sim.marked_texts(who, &room), [("before".to_owned(), false)]);
    }
    assert_eq!(sim.shown_at(2, &said), Some(Shown::Absent(Absent::Void)));
    assert_eq!(unread(&sim), 1, "what is hidden is not unread");
}
