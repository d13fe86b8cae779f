//! What was done to messages by a right that turns out void: undone where it was done, and what it had erased comes back from others.

use parlour_crypto::{History, Rank};
use parlour_store::annotations;
use parlour_store::rooms::Standing;
use parlour_store::view::{Absent, Shown};

use super::polls::{ask, poll, vote};
use super::*;
use crate::engine::RoomAct;

/// ada, cy and di in a room of bo's, ada its admin; bo is to be cut off, and to remove ada.
struct Parted {
    sim: Sim,
    room: ConversationId,
    /// What di, cy and ada said before.
    said: [EventId; 3],
}

impl Parted {
    fn new(seed: u64) -> Self {
        let mut sim = Sim::with(seed, &["ada", "bo", "cy", "di", "ed"]);
        for (one, other) in [(1, 0), (1, 2), (1, 3), (0, 2), (0, 4), (2, 4)] {
            sim.introduce(one, other);
        }
        sim.wait(10 * SECOND);
        let room = sim.make_room(1, "garden", History::All);
        for who in [0, 2, 3] {
            sim.let_in(1, room, who);
        }
        let ada = sim.user(0);
        sim.in_room(1, room, RoomAct::Role(ada, Rank::Admin)).expect("raised");
        let said = [(3, "by di"), (2, "by cy"), (0, "by ada")].map(|(who, text)| sim.tell(who, room, text));
        sim.wait(MINUTE);
        Self { sim, room, said }
    }

    /// Cuts these off from all others.
    fn part(&mut self, side: &[usize]) {
        for one in side {
            for other in (0..5).filter(|other| !side.contains(other)) {
                self.sim.cut(*one, other);
            }
        }
    }

    /// bo's side removes ada, all are together again, and it is as if what was done by ada's right had never been.
    fn together(&mut self) {
        let room = self.room;
        self.sim.remove(1, room, 0);
        self.sim.mend_all();
        self.sim.wait(10 * MINUTE);
        assert_eq!(self.sim.members_at(2, &room), [1, 2, 3]);
        let expected = self.sim.shows(1, &room);
        for who in [2, 3] {
            let shows = self.sim.shows(who, &room);
            let standing = shows.messages.iter().filter(|(id, _)| !self.is_void(who, id));
            assert_eq!(standing.cloned().collect::<Vec<_>>(), expected.messages, "{who}");
            assert_eq!(shows.pins, expected.pins, "{who}");
        }
    }

    fn is_void(&self, who: usize, id: &EventId) -> bool {
        annotations::ruling(self.sim.nodes[who].store(), id)
            .expect("readable")
            .void
    }

    fn text(&self, who: usize, id: &EventId) -> Option<String> {
        let (sim, room) = (&self.sim, &self.room);
        let shown = sim.shows(who, room).messages.into_iter();
        shown
            .filter(|(one, _)| one == id)
            .find_map(|(_, state)| state.shown.words())
    }

    fn change(&mut self, who: usize, id: EventId, what: Change) {
        self.sim.change(who, id, what).expect("up").expect("done");
    }
}

#[test]
fn what_somebody_deleted_who_was_raised_by_a_void_right_comes_back() {
    // In the second case its author carried that out as well.
    for (seed, side) in [(331, &[1, 3][..]), (334, &[1])] {
        let mut parted = Parted::new(seed);
        let [by_di, by_cy, _] = parted.said;
        parted.change(3, by_di, Change::Edit("by di, better".to_owned()));
        parted.sim.wait(MINUTE);
        parted.part(side);
        let cy = parted.sim.user(2);
        let raised = parted.sim.in_room(0, parted.room, RoomAct::Role(cy, Rank::Moderator));
        raised.expect("raised");
        parted.sim.wait(10 * SECOND);
        parted.change(2, by_di, Change::Delete);
        parted.change(2, by_cy, Change::Delete);
        parted.sim.wait(MINUTE);
        assert_eq!((parted.text(2, &by_di), parted.text(0, &by_di)), (None, None));
        assert_eq!(parted.text(3, &by_di).is_some(), side.contains(&3));
        let unread = parted.sim.unread(2, &parted.room);
        parted.together();
        assert_eq!(
            parted.sim.unread(2, &parted.room),
            unread,
            "{seed}: it was counted once"
        );
        for who in [1, 2, 3] {
            assert_eq!(
                parted.text(who, &by_di).as_deref(),
                Some("by di, better"),
                "{seed}, {who}"
            );
            assert_eq!(parted.text(who, &by_cy), None, "{seed}, {who}: cy's own, as ever");
        }
    }
}

#[test]
fn who_was_let_in_by_a_void_right_leaves_nothing_on_messages() {
    let mut parted = Parted::new(332);
    parted.part(&[1, 3]);
    let [by_di, by_cy, _] = parted.said;
    let room = parted.room;
    let asked = ask(&mut parted.sim, 2, room, None);
    parted.change(
        2,
        by_di,
        Change::React {
            emoji: "🌱".to_owned(),
            on: true,
        },
    );
    parted.change(2, by_cy, Change::Pin(true));
    parted.sim.let_in(0, room, 4);
    parted.sim.wait(10 * SECOND);
    let own = parted.sim.tell(4, room, "I am ed");
    parted.change(4, own, Change::Edit("I am edward".to_owned()));
    let emoji = "🎉".to_owned();
    parted.change(4, by_di, Change::React { emoji, on: true });
    parted.change(4, by_cy, Change::Pin(false));
    parted.change(4, by_di, Change::Pin(true));
    vote(&mut parted.sim, 4, asked, &[1]).expect("voted");
    let under = SendText {
        thread: Some(by_cy),
        ..SendText::plain(room, "under it")
    };
    let under = parted.sim.ask(4, |reply| Command::Send(under, reply)).expect("up");
    under.expect("said");
    parted.sim.wait(MINUTE);
    assert_eq!(parted.sim.shows(2, &room).pins, [by_di]);
    assert_eq!(poll(&parted.sim, 2, &room, asked).total, 1);
    parted.together();
    assert_eq!(parted.sim.shows(2, &room).pins, [by_cy], "cy's pin counts again");
    assert_eq!(poll(&parted.sim, 2, &room, asked).total, 0);
    let shown = parted.sim.shows(2, &room).messages;
    let state = |id| shown.iter().find(|(one, _)| *one == id).map(|(_, state)| state);
    let reactions = &state(by_di).expect("there").reactions;
    assert!(reactions.len() == 1 && reactions[0].emoji == "🌱", "{reactions:?}");
    assert_eq!(state(by_cy).expect("there").replies, None);
    assert_eq!(state(own).expect("there").shown, Shown::Absent(Absent::Void));
}

#[test]
fn all_that_somebody_had_said_comes_back_when_their_removal_turns_out_void() {
    let mut parted = Parted::new(333);
    parted.part(&[1, 3]);
    let [by_di, ..] = parted.said;
    let more: Vec<EventId> = (0..30)
        .map(|n| parted.sim.tell(2, parted.room, &format!("more by cy {n}")))
        .collect();
    parted.sim.wait(MINUTE);
    let act = RoomAct::Remove {
        user: parted.sim.user(3),
        ban: true,
        purge: true,
        reason: String::new(),
    };
    parted.sim.in_room(0, parted.room, act).expect("removed");
    parted.sim.wait(MINUTE);
    assert_eq!((parted.text(2, &by_di), parted.text(0, &by_di)), (None, None));
    parted.together();
    for who in [1, 2, 3] {
        assert_eq!(parted.text(who, &by_di).as_deref(), Some("by di"), "{who}");
        assert!(more.iter().all(|id| parted.text(who, id).is_some()), "{who}");
        assert!(parted.sim.banned_at(who, &parted.room).is_empty());
    }
}

#[test]
fn who_hears_of_a_void_removal_first_is_in_again_when_the_others_are_there() {
    for seed in 335..339 {
        let mut parted = Parted::new(seed);
        parted.part(&[1]);
        let act = RoomAct::Remove {
            user: parted.sim.user(3),
            ban: seed % 2 == 0,
            purge: true,
            reason: String::new(),
        };
        parted.sim.in_room(0, parted.room, act).expect("removed");
        parted.sim.wait(MINUTE);
        assert_eq!(parted.sim.standing(3, &parted.room), Some(Standing::Gone));
        // The owner removes ada, and meets di alone.
        parted.sim.down(0, Crash::Killed);
        parted.sim.down(2, Crash::Killed);
        parted.sim.remove(1, parted.room, 0);
        parted.sim.mend_all();
        parted.sim.wait(5 * MINUTE);
        let [by_di, ..] = parted.said;
        assert_eq!(parted.sim.standing(3, &parted.room), Some(Standing::Member), "{seed}");
        assert_eq!(parted.text(3, &by_di).as_deref(), Some("by di"), "{seed}");
        parted.sim.start(0);
        parted.sim.start(2);
        parted.sim.wait(5 * MINUTE);
        let said = parted.sim.tell(3, parted.room, "here again");
        parted.sim.wait(MINUTE);
        for who in [1, 2] {
            assert_eq!(parted.sim.members_at(who, &parted.room), [1, 2, 3], "{seed}, {who}");
            assert_eq!(parted.text(who, &said).as_deref(), Some("here again"), "{seed}, {who}");
        }
        assert_eq!(parted.text(0, &said), None, "{seed}: ada reads no more");
    }
}
