//! What happened in a room is shown between what was said there, the same on all nodes.

use parlour_crypto::{Act, Body, EventId, KIND_OPERATION, Operation, Rank};
use parlour_store::feed::{self, FeedRow};
use parlour_store::{events, system};

use super::rooms::three;
use super::*;
use crate::engine::RoomAct;

impl Sim {
    /// The same in words, on the node of the one who asks.
    fn told(&self, who: usize, room: &ConversationId) -> Vec<&'static str> {
        let happened = self.happened(who, room).into_iter();
        let words = happened.map(|at| {
            let event = self.event(who, &at.id);
            let (_, body) = event.body().expect("whole");
            if event.header().kind != KIND_OPERATION {
                return match Body::read(event.header().kind, body).expect("read") {
                    Body::Pin(pin) if pin.on => "pin",
                    Body::Pin(_) => "unpin",
                    _ => "something else",
                };
            }
            match Operation::decode(body).expect("read").act {
                Act::Create { .. } => "create",
                Act::Join { .. } => "join",
                Act::Leave => "leave",
                Act::Info(_) => "info",
                Act::Role { .. } => "role",
                Act::Remove { .. } => "remove",
                _ => "something else",
            }
        });
        words.collect()
    }

    /// The last operation of a user.
    fn last_told(&self, who: usize, room: &ConversationId) -> EventId {
        self.happened(who, room).last().expect("something happened").id
    }
}

#[test]
fn what_happened_stands_in_one_order_and_is_nothing_to_be_read() {
    let (mut sim, room) = three(701);
    let ada = sim.user(0);
    sim.in_room(1, room, RoomAct::Role(ada, Rank::Moderator))
        .expect("ranked");
    sim.wait(SECOND);
    let said = sim.tell(2, room, "a word");
    sim.wait(10 * SECOND);
    let name = RoomAct::Info {
        name: Some("orchard".to_owned()),
        topic: None,
    };
    sim.in_room(0, room, name).expect("renamed");
    assert_eq!(sim.change(1, said, Change::Pin(true)), Some(Ok(())));
    sim.wait(10 * SECOND);
    assert_eq!(sim.change(0, said, Change::Pin(false)), Some(Ok(())));
    sim.wait(10 * SECOND);
    sim.in_room(2, room, RoomAct::Leave).expect("left");
    sim.wait(10 * SECOND);
    let told = ["create", "join", "join", "role", "info", "pin", "unpin", "leave"];
    for who in [0, 1] {
        assert_eq!(sim.told(who, &room), told, "at {who}");
        assert_eq!(sim.happened(who, &room), sim.happened(1, &room));
        let row = sim.unread(who, &room);
        assert_eq!(row, 1, "the word alone is to be read");
    }
    // Between what is said, and found from any place in it.
    let no = sim.number_of(1, &room).expect("there");
    let store = sim.nodes[1].store();
    let whole = system::page_after(store, no, None, 100).expect("readable");
    assert!(whole.is_sorted_by(|one, next| one.at < next.at));
    let numbers: Vec<u64> = whole.iter().map(|entry| entry.room_seq).collect();
    assert_eq!(numbers, [0, 0, 0, 0, 1, 0, 0, 0, 0], "what happened takes no number");
    for at in 0..whole.len() {
        let before = system::page_before(store, no, Some(&whole[at].at), 3).expect("readable");
        assert_eq!(before, whole[at.saturating_sub(3)..at], "before {at}");
        let after = system::page_after(store, no, Some(&whole[at].at), 3).expect("readable");
        assert_eq!(after, whole[at + 1..whole.len().min(at + 4)], "after {at}");
    }
}

#[test]
fn what_turns_out_void_is_shown_no_more_and_readers_are_told() {
    let (mut sim, room) = three(702);
    let (ada, cy) = (sim.user(0), sim.user(2));
    sim.in_room(1, room, RoomAct::Role(ada, Rank::Admin)).expect("ranked");
    sim.wait(10 * SECOND);
    sim.cut(0, 1);
    sim.cut(0, 2);
    let remove = |user| RoomAct::Remove {
        user,
        ban: false,
        purge: false,
        reason: String::new(),
    };
    sim.in_room(0, room, remove(cy)).expect("as far as ada knows");
    let void = sim.last_told(0, &room);
    sim.in_room(1, room, remove(ada)).expect("removed");
    assert_eq!(sim.told(0, &room), ["create", "join", "join", "role", "remove"]);
    sim.mend_all();
    sim.wait(10 * MINUTE);
    let told = sim.happened(1, &room);
    assert_eq!(sim.told(1, &room), ["create", "join", "join", "role", "remove"]);
    for who in [0, 1, 2] {
        assert_eq!(sim.happened(who, &room), told, "at {who}");
    }
    assert!(told.iter().all(|at| at.id != void));
    let store = sim.nodes[0].store();
    let key = events::place(store, &void)
        .expect("readable")
        .expect("kept all the same");
    let changes = feed::after(store, 0, usize::MAX).expect("readable");
    let about = changes.iter().filter(|(_, row)| *row == FeedRow::System { event: key });
    assert_eq!(about.count(), 2, "once when it happened, and once when it had not");
}

#[test]
fn rooms_from_before_show_what_happened_after_the_next_start() {
    let (mut sim, room) = three(703);
    sim.wait(10 * SECOND);
    let told = sim.happened(0, &room);
    assert_eq!(told.len(), 3);
    let no = sim.number_of(0, &room).expect("there");
    let store = sim.nodes[0].store();
    let mut txn = store.begin();
    for at in &told {
        system::remove(&mut txn, no, at);
    }
    store.commit(txn.into_batch()).expect("written");
    assert_eq!(sim.happened(0, &room), []);
    let last = feed::last(sim.nodes[0].store()).expect("readable");
    sim.crash(0);
    sim.wait(MINUTE);
    assert_eq!(sim.happened(0, &room), told);
    let news = feed::after(sim.nodes[0].store(), last, usize::MAX).expect("readable");
    let news = news.iter().filter(|(_, row)| matches!(row, FeedRow::System { .. }));
    assert_eq!(news.count(), 0, "it is no news");
}
