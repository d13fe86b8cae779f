//! Rooms are bounded: what outsiders, visitors and contacts can fill, and what is told when it is full.

use parlour_crypto::{
    Act, Control, DeviceKeys, Draft, EventId, Frame, History, KIND_OPERATION, LinkUse, Message, Operation, Rank,
    RoomAsk, UserId, VerifiedEvent,
};
use parlour_store::rooms::{self, Standing};
use parlour_store::{devices, events, outbox};

use super::rooms::three;
use super::*;
use crate::engine::RoomAct;

/// In the number of a log: it holds operations.
const OPERATIONS: u32 = 1 << 31;

/// Signs operations with a device's keys, as other code could.
pub(super) struct Forger {
    keys: DeviceKeys,
    user: UserId,
    room: ConversationId,
    pub(super) parents: Vec<EventId>,
    pub(super) last: Option<EventId>,
    /// Of this device's operations in the room.
    made: u32,
}

impl Sim {
    /// Goes on where a node is with its operations.
    pub(super) fn forger(&self, who: usize, room: ConversationId, made: u32) -> Forger {
        let no = self.number_of(who, &room).expect("known");
        let row = rooms::get(self.nodes[who].store(), no)
            .expect("readable")
            .expect("a room");
        Forger {
            keys: self.nodes[who].keys(),
            user: self.user(who),
            room,
            parents: row.heads,
            last: None,
            made,
        }
    }

    /// How many operations of a room a node has.
    fn operations_at(&self, who: usize, room: &ConversationId) -> u64 {
        let no = self.number_of(who, room).expect("known");
        let logs = parlour_store::logs::of_conversation(self.nodes[who].store(), no).expect("readable");
        let operations = logs.into_iter().filter(|(log, _)| log.log & OPERATIONS != 0);
        operations.map(|(_, row)| row.have.count()).sum()
    }

    pub(super) fn give_room(&mut self, to: usize, room: &ConversationId, by: usize, event: &VerifiedEvent) {
        let (user, now) = (self.user(by), self.now);
        if !self.nodes[to].is_up() {
            return;
        }
        // Whether it was is seen by what is there.
        let _: bool = self.nodes[to].take_wire(room, &user, &event.to_wire(), now);
    }

    pub(super) fn has(&self, who: usize, id: &EventId) -> bool {
        events::place(self.nodes[who].store(), id).expect("readable").is_some()
    }
}

impl Forger {
    /// The next operation, knowing the one before; `log` is one that the device itself does not use.
    pub(super) fn next(&mut self, now: u64, act: Act) -> VerifiedEvent {
        self.made += 1;
        let operation = Operation {
            user: self.user,
            op_seq: self.made,
            parents: self.parents.clone(),
            act,
            ext: Vec::new(),
        };
        let draft = Draft {
            kind: KIND_OPERATION,
            conversation: self.room,
            device: self.keys.id(),
            log: OPERATIONS | 1,
            seq: u64::from(self.made),
            prev: self.last,
            parents: Vec::new(),
            clock: now,
            view: None,
        };
        let body = operation.encode().expect("in bounds");
        let event = VerifiedEvent::sign(&self.keys, draft, [3; 16], &body).expect("signed");
        self.last = Some(event.id());
        self.parents = vec![event.id()];
        event
    }

    pub(super) fn invite(&mut self, now: u64, user: u8, link: Option<EventId>) -> VerifiedEvent {
        let act = Act::Invite {
            user: UserId::from_bytes([user; 32]),
            role: 2,
            link: link.map(|link| LinkUse { link, number: 0 }),
        };
        self.next(now, act)
    }
}

/// The last operation of a device in a room.
pub(super) fn last_operation(sim: &Sim, who: usize, room: &ConversationId) -> (EventId, u32) {
    let (store, no) = (sim.nodes[who].store(), sim.number_of(who, room).expect("known"));
    let own = sim.nodes[who].engine().own().device;
    let log = parlour_store::LogKey {
        conversation: no,
        device: own,
        log: OPERATIONS | 1,
    };
    let row = parlour_store::logs::get(store, &log).expect("readable");
    let made = row.have.max().expect("some");
    (row.top.expect("one"), u32::try_from(made).expect("few"))
}

#[test]
fn a_guest_fills_no_room_with_what_does_not_count_and_a_member_who_built_on_it_is_heard() {
    let (mut sim, room) = three(90);
    let ada = sim.user(0);
    sim.in_room(1, room, RoomAct::Role(ada, Rank::Guest)).expect("lowered");
    sim.wait(MINUTE);
    let (prev, made) = last_operation(&sim, 0, &room);
    let mut forger = sim.forger(0, room, made);
    forger.last = Some(prev);
    let before = (sim.operations_at(1, &room), sim.operations_at(2, &room));
    let now = sim.now;
    let void: Vec<_> = (0..100).map(|n| forger.invite(now, n, None)).collect();
    for event in &void {
        sim.give_room(1, &room, 0, event);
    }
    assert_eq!(
        sim.operations_at(1, &room),
        before.0 + 64,
        "of one who may do nothing, so many and no more"
    );
    assert!(sim.has(1, &void[63].id()) && !sim.has(1, &void[64].id()));
    // cy has some of them that bo has not, and builds on them: bo takes what cy's operation needs, and no more.
    for event in &void[..64] {
        sim.give_room(2, &room, 0, event);
    }
    let (top, made) = last_operation(&sim, 2, &room);
    let mut cy = sim.forger(2, room, made);
    cy.last = Some(top);
    cy.parents = vec![void[69].id(), top];
    cy.parents.sort_unstable();
    let leave = cy.next(now, Act::Leave);
    sim.give_room(1, &room, 2, &leave);
    for event in void.iter().rev() {
        sim.give_room(1, &room, 0, event);
    }
    assert_eq!(sim.operations_at(1, &room), before.0 + 70 + 1);
    assert!(sim.has(1, &void[69].id()) && !sim.has(1, &void[70].id()));
    assert_eq!(sim.members_at(1, &room), [0, 1], "what cy did is known");
    // The room goes on for those who may do something.
    sim.in_room(1, room, RoomAct::Role(ada, Rank::Member))
        .expect("a room that is not full");
}

#[test]
fn a_link_lets_in_so_many_who_do_not_come_and_no_more() {
    let mut sim = Sim::with(91, &["ada", "bo", "cy"]);
    let room = sim.make_room(0, "garden", History::None);
    let link = sim.link_into(0, room, None);
    sim.show_link(1, &link).expect("shown");
    sim.wait(MINUTE);
    assert_eq!(sim.standing(1, &room), Some(Standing::Member));
    // bo lets in 64 by the same link, who never come.
    let made_link = last_link(&sim, 0, &room);
    let (top, made) = last_operation(&sim, 1, &room);
    let mut bo = sim.forger(1, room, made);
    bo.last = Some(top);
    let now = sim.now;
    for n in 0..64 {
        let event = bo.invite(now, n, Some(made_link));
        sim.give_room(0, &room, 1, &event);
    }
    sim.show_link(2, &link).expect("shown");
    sim.wait(MINUTE);
    let standing = sim.standing(2, &room);
    assert!(
        matches!(standing, Some(Standing::Asked { refused: Some(0), .. })),
        "{standing:?}"
    );
    // By name, they still are.
    sim.introduce(0, 2);
    sim.wait(MINUTE);
    sim.let_in(0, room, 2);
    assert_eq!(sim.standing(2, &room), Some(Standing::Member));
}

/// The operation of a node's device that made the only link of a room.
fn last_link(sim: &Sim, who: usize, room: &ConversationId) -> EventId {
    let (store, no) = (sim.nodes[who].store(), sim.number_of(who, room).expect("known"));
    let own = sim.nodes[who].engine().own().device;
    let log = parlour_store::LogKey {
        conversation: no,
        device: own,
        log: OPERATIONS | 1,
    };
    let found = (1..10).filter_map(|seq| {
        let event = events::get(store, &parlour_store::EventKey { log, seq, branch: 0 }).expect("readable")?;
        let operation = Operation::decode(event.body()?.1).ok()?;
        matches!(operation.act, Act::Link { .. }).then_some(event.id())
    });
    found.min_by_key(|id| *id.as_bytes()).expect("a link")
}

#[test]
fn an_answer_that_has_not_arrived_is_not_given_again() {
    let mut sim = Sim::with(92, &["ada", "bo"]);
    sim.introduce(0, 1);
    sim.wait(MINUTE);
    let room = sim.make_room(0, "garden", History::None);
    let ask = Control::RoomAsk(RoomAsk {
        room,
        token: Some([9; 16]),
        name: "bo".to_owned(),
        device_list: Vec::new(),
        note: String::new(),
        ext: Vec::new(),
    });
    // Nothing of ada's arrives.
    sim.silence(0, 1);
    for n in 0..10_u8 {
        let frame = Frame::Control {
            id: [n; 16],
            control: ask.clone(),
        };
        let now = sim.now;
        for command in sim.nodes[1].forge_frame(&frame, None, now) {
            sim.execute(1, command);
        }
        sim.wait(200);
    }
    let refused = |control: &Control| matches!(control, Control::RoomRefused { .. });
    assert_eq!(sim.waits_for(0, 1).iter().filter(|control| refused(control)).count(), 1);
}

#[test]
fn a_contact_tells_of_so_many_rooms_and_no_more() {
    let (mut sim, _) = Sim::friends(93);
    let bo = sim.user(1);
    let known = |sim: &Sim| rooms::all(sim.nodes[1].store()).expect("readable").len();
    let mut made = Vec::new();
    for n in 0..40 {
        let room = sim.make_room(0, &format!("spam {n}"), History::None);
        sim.in_room(0, room, RoomAct::Invite(bo, Rank::Member))
            .expect("invited");
        made.push(room);
        sim.wait(2 * MINUTE);
    }
    sim.wait(2 * HOUR);
    assert_eq!(known(&sim), 32, "whatever became of them");
    // What bo joined does not count.
    let first = made[0];
    sim.in_room(1, first, RoomAct::Join).expect("joined");
    sim.wait(8 * HOUR);
    assert_eq!(known(&sim), 33);
}

#[test]
fn whoever_showed_a_link_and_was_not_let_in_leaves_nothing_behind() {
    let mut sim = Sim::with(94, &["ada", "bo", "cy"]);
    let room = sim.make_room(0, "garden", History::None);
    let link = sim.link_into(0, room, Some(1));
    for who in [1, 2] {
        sim.show_link(who, &link).expect("shown");
        sim.wait(MINUTE);
    }
    let known = |sim: &Sim, who| {
        devices::of_user(sim.nodes[0].store(), &sim.user(who))
            .expect("readable")
            .len()
    };
    assert_eq!((known(&sim, 1), known(&sim, 2)), (1, 1));
    assert_eq!(sim.standing(1, &room), Some(Standing::Member));
    sim.wait(25 * HOUR);
    assert_eq!(
        (known(&sim, 1), known(&sim, 2)),
        (1, 0),
        "one is a member, and of the other there is no trace"
    );
    let waiting: usize = outbox::devices(sim.nodes[0].store()).expect("readable").len();
    assert_eq!(waiting, 0);
}

#[test]
fn questions_for_views_are_few_however_many_are_unknown() {
    let (mut sim, room) = three(95);
    let keys = sim.nodes[2].keys();
    let body = Message::text("from nowhere").encode().expect("fits");
    let now = sim.now;
    let events: Vec<Vec<u8>> = (0..200_u8)
        .map(|n| {
            let draft = Draft {
                kind: parlour_crypto::KIND_MESSAGE,
                conversation: room,
                device: keys.id(),
                log: 7,
                seq: u64::from(n) + 1,
                prev: (n > 0).then_some(EventId::from_bytes([1; 32])),
                parents: Vec::new(),
                clock: now,
                view: Some([n; 32]),
            };
            VerifiedEvent::sign(&keys, draft, [n; 16], &body)
                .expect("signed")
                .to_wire()
        })
        .collect();
    // Nothing comes back, so that all that is asked for waits.
    sim.silence(1, 2);
    let frame = Frame::Events {
        conversation: room,
        events,
    };
    for command in sim.nodes[2].forge_frame(&frame, None, now) {
        sim.execute(2, command);
    }
    sim.wait(5 * SECOND);
    let asked = |control: &Control| matches!(control, Control::RoomHeads { .. });
    let waiting = sim.waits_for(1, 2).iter().filter(|control| asked(control)).count();
    assert_eq!(waiting, 16);
}
