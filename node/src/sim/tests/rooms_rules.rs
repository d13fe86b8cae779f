//! Ranks and rules of rooms, for those who act and for what others are given.

use parlour_crypto::{Act, Body, Delete, Draft, EventId, Frame, Message, Pin, Rank, VerifiedEvent};
use parlour_store::view::{Absent, Shown};

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
    for who in [0, 1, 2] {
        assert_eq!(sim.banned_at(who, &room), [cy], "at {who}");
    }
    assert_eq!(
        sim.in_room(1, room, RoomAct::Invite(cy, Rank::Member)),
        Err(RoomError::Banned)
    );
    sim.in_room(1, room, RoomAct::Unban(cy)).expect("unbanned");
    sim.let_in(1, room, 2);
    assert_eq!(sim.members_at(0, &room), [0, 1, 2]);
    assert_eq!(sim.banned_at(0, &room), []);
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

impl Sim {
    /// Something a node's device could sign with other code: in a log of its own, under the view of what it said before.
    fn signed_anew(
        &self,
        who: usize,
        room: ConversationId,
        like: &EventId,
        (log, seq, clock): (u32, u64, u64),
        body: &Body,
    ) -> VerifiedEvent {
        let keys = self.nodes[who].keys();
        let draft = Draft {
            kind: body.kind(),
            conversation: room,
            device: keys.id(),
            log,
            seq,
            prev: (seq > 1).then_some(EventId::from_bytes([1; 32])),
            parents: Vec::new(),
            clock,
            view: self.event(who, like).header().view,
        };
        VerifiedEvent::sign(&keys, draft, [9; 16], &body.encode().expect("fits")).expect("signed")
    }

    /// The texts that can be read at a node.
    fn readable_texts(&self, who: usize, room: &ConversationId) -> Vec<String> {
        let no = self.number_of(who, room).expect("known");
        let entries = parlour_store::timeline::after(self.nodes[who].store(), no, None, usize::MAX).expect("readable");
        let shown = entries.iter().filter_map(|entry| self.shown_at(who, &entry.at.id));
        let texts = shown.filter_map(|shown| match shown {
            Shown::Text(text) => Some(text),
            _ => None,
        });
        texts.collect()
    }

    /// What is to be seen of a message at a node.
    pub(super) fn shown_at(&self, who: usize, id: &EventId) -> Option<Shown> {
        self.seen_at(who, id).map(|state| state.shown)
    }

    /// A message as it stands at a node.
    pub(super) fn seen_at(&self, who: usize, id: &EventId) -> Option<parlour_store::view::State> {
        let store = self.nodes[who].store();
        let at = parlour_store::events::place(store, id).expect("readable")?;
        let event = self.event(who, id);
        let author = parlour_store::annotations::author(store, &at).expect("readable");
        Some(parlour_store::view::state(store, &at, &event, &author).expect("readable"))
    }
}

const DELETED: Option<Shown> = Some(Shown::Absent(Absent::Deleted));

#[test]
fn moderators_delete_what_others_wrote_for_all_and_nobody_else_does() {
    let (mut sim, room) = three(110);
    let cy = sim.user(2);
    let rude = sim.tell(0, room, "something rude");
    let also = sim.tell(0, room, "something else");
    let own = sim.tell(2, room, "by cy");
    sim.wait(10 * SECOND);
    let refused = sim.change(2, rude, Change::Delete);
    assert_eq!(refused, Some(Err(ChangeError::NotYours)));
    // With other code, it means nothing.
    let body = Body::Delete(Delete {
        targets: vec![rude, also],
        ext: Vec::new(),
    });
    let (now, told) = (sim.now, sim.signed_anew(2, room, &own, (7, 1, sim.now), &body));
    assert!(sim.nodes[1].take_wire(&room, &cy, &told.to_wire(), now));
    assert_eq!(sim.readable_texts(1, &room).len(), 3);

    sim.in_room(1, room, RoomAct::Role(cy, Rank::Moderator))
        .expect("raised");
    sim.wait(10 * SECOND);
    // ada has not seen it, and edits what is deleted; bo has seen neither.
    sim.down(1, Crash::Killed);
    sim.cut(0, 2);
    assert_eq!(sim.change(2, rude, Change::Delete), Some(Ok(())));
    assert_eq!(sim.change(0, rude, Change::Edit("ruder".to_owned())), Some(Ok(())));
    sim.wait(10 * SECOND);
    assert_eq!(sim.shown_at(2, &rude), DELETED);
    sim.mend_all();
    sim.start(1);
    sim.wait(5 * MINUTE);
    for who in [0, 1, 2] {
        assert_eq!(sim.shown_at(who, &rude), DELETED, "{who}");
        assert_eq!(
            sim.shown_at(who, &also),
            Some(Shown::Text("something else".to_owned())),
            "{who}"
        );
        assert!(sim.event(who, &rude).body().is_none(), "erased at {who}");
    }
    // Who comes to be one later has deleted nothing by what they said before.
    assert_eq!(sim.change(1, also, Change::Delete), Some(Ok(())), "the owner may, too");
    sim.wait(10 * SECOND);
    assert_eq!(sim.shown_at(0, &also), DELETED);
}

#[test]
fn a_deletion_that_comes_before_the_message_holds() {
    let (mut sim, room) = three(111);
    sim.down(2, Crash::Killed);
    let rude = sim.tell(0, room, "something rude");
    sim.wait(10 * SECOND);
    assert_eq!(sim.change(1, rude, Change::Delete), Some(Ok(())));
    let wire = sim.event(0, &rude);
    sim.down(0, Crash::Killed);
    sim.wait(10 * SECOND);
    sim.start(2);
    sim.wait(5 * MINUTE);
    assert_eq!(sim.shown_at(2, &rude), DELETED);
    let (bo, now) = (sim.user(1), sim.now);
    assert!(sim.nodes[2].take_wire(&room, &bo, &wire.to_wire(), now));
    assert_eq!(sim.shown_at(2, &rude), DELETED, "whoever has it whole");
}

#[test]
fn what_comes_too_soon_is_hidden_in_whatever_order_it_comes() {
    let (mut sim, room) = three(112);
    let slow = PolicyChange {
        slow_mode_ms: Some(60_000),
        ..PolicyChange::default()
    };
    sim.in_room(1, room, RoomAct::Policy(slow)).expect("ruled");
    sim.wait(10 * SECOND);
    let like = sim.tell(0, room, "within the rules");
    sim.wait(MINUTE);
    let (ada, start) = (sim.user(0), sim.now - 3 * MINUTE);
    // What is said in another log, and in the place of something else, is too soon all the same.
    let said = [
        (7, 1, 0),
        (7, 2, 1_000),
        (7, 3, 59_999),
        (7, 4, 61_000),
        (7, 5, 200_000),
        (8, 1, 201_000),
        (7, 5, 205_000),
        (9, 1, 300_000),
    ];
    let said = said.map(|(log, seq, ms)| {
        let body = Body::Message(Message::text(format!("{ms}")));
        sim.signed_anew(0, room, &like, (log, seq, start + ms), &body)
    });
    let now = sim.now + 3 * MINUTE;
    for (who, order) in [(1, [0, 1, 2, 3, 4, 5, 6, 7]), (2, [7, 6, 4, 5, 2, 3, 0, 1])] {
        // Not from each other.
        sim.cut(0, who);
        sim.cut(1, 2);
        let unread = sim.unread(who, &room);
        for at in order {
            assert!(sim.nodes[who].take_wire(&room, &ada, &said[at].to_wire(), now));
        }
        let hidden = said
            .each_ref()
            .map(|event| sim.shown_at(who, &event.id()) == Some(Shown::Absent(Absent::TooSoon)));
        assert_eq!(hidden, [false, true, true, true, false, true, true, false], "{who}");
        assert_eq!(sim.unread(who, &room), unread + 3, "and not counted");
    }
    // It stands in the log all the same, and is given to others.
    assert_eq!(sim.shows(1, &room).messages.len(), 9);
}

#[test]
fn who_is_removed_with_all_they_said_leaves_nothing_to_read() {
    let (mut sim, room) = three(113);
    let mut spam: Vec<EventId> = (0..30).map(|n| sim.tell(0, room, &format!("spam {n}"))).collect();
    sim.wait(10 * SECOND);
    sim.down(2, Crash::Killed);
    spam.extend((30..40).map(|n| sim.tell(0, room, &format!("spam {n}"))));
    let kept = sim.tell(1, room, "who is this?");
    sim.wait(10 * SECOND);
    let last = sim.event(0, &spam[39]);
    let purge = RoomAct::Remove {
        user: sim.user(0),
        ban: true,
        purge: true,
        reason: "spam".to_owned(),
    };
    sim.in_room(1, room, purge.clone()).expect("removed");
    sim.wait(MINUTE);
    assert_eq!(sim.readable_texts(1, &room), ["who is this?"]);
    sim.start(2);
    sim.wait(5 * MINUTE);
    for id in &spam[..30] {
        for who in [1, 2] {
            assert_eq!(sim.shown_at(who, id), DELETED);
            assert!(sim.event(who, id).body().is_none());
        }
    }
    assert_eq!(sim.readable_texts(2, &room), ["who is this?"]);
    let (bo, now) = (sim.user(1), sim.now);
    let _: bool = sim.nodes[2].take_wire(&room, &bo, &last.to_wire(), now);
    assert_eq!(
        sim.shown_at(2, &spam[39]),
        DELETED,
        "what comes later is deleted when it comes"
    );
    assert_eq!(sim.shown_at(2, &kept), Some(Shown::Text("who is this?".to_owned())));
    // What somebody said can be deleted when they have gone by themselves, too.
    let cy = sim.tell(2, room, "by cy");
    sim.wait(10 * SECOND);
    sim.in_room(2, room, RoomAct::Leave).expect("left");
    sim.wait(10 * SECOND);
    let user = sim.user(2);
    let RoomAct::Remove { reason, .. } = purge else {
        unreachable!("it is one")
    };
    let purge = RoomAct::Remove {
        user,
        ban: false,
        purge: true,
        reason,
    };
    sim.in_room(1, room, purge).expect("deleted");
    sim.wait(MINUTE);
    assert_eq!(sim.shown_at(1, &cy), DELETED);
}

#[test]
fn a_room_is_called_what_its_node_calls_it() {
    let (mut sim, room) = three(114);
    let alias = |name: &str| RoomAct::Alias(name.to_owned());
    let other = sim.make_room(1, "garden", parlour_crypto::History::None);
    sim.in_room(1, room, alias("main-hall")).expect("called so");
    let slug = |sim: &Sim, who, room| {
        let no = sim.number_of(who, room).expect("known");
        let row = parlour_store::rooms::get(sim.nodes[who].store(), no).expect("readable");
        row.expect("a room").slug
    };
    assert_eq!(
        (slug(&sim, 1, &room), slug(&sim, 0, &room)),
        ("main-hall".to_owned(), "garden".to_owned())
    );
    assert_eq!(
        sim.in_room(1, other, alias("main-hall")),
        Err(RoomError::AliasTaken("main-hall".to_owned()))
    );
    for bad in ["", "Main Hall", "a--b", "-a", "a/b", &"x".repeat(41)] {
        let refused = sim.in_room(1, other, alias(bad));
        assert!(matches!(refused, Err(RoomError::BadAlias { .. })), "{bad:?}");
    }
    sim.in_room(1, room, alias("main-hall")).expect("it is");
    sim.in_room(
        1,
        room,
        RoomAct::Info {
            name: Some("hall".to_owned()),
            topic: None,
        },
    )
    .expect("renamed");
    assert_eq!(slug(&sim, 1, &room), "main-hall");
}

#[test]
fn calls_by_name_are_counted_until_they_are_read() {
    let (mut sim, room) = three(120);
    let cy = sim.user(2);
    let counts = |sim: &Sim, who| {
        let no = sim.number_of(who, &room).expect("known");
        let row = conversations::get(sim.nodes[who].store(), no)
            .expect("readable")
            .expect("a room");
        (row.unread, row.mentions)
    };
    let mut called = Vec::new();
    for n in 0..6 {
        let text = SendText {
            mentions: if n % 2 == 0 { vec![cy] } else { Vec::new() },
            ..SendText::plain(room, format!("{n}"))
        };
        let sent = sim.ask(0, |reply| Command::Send(text, reply)).expect("up");
        called.push(sent.expect("sent").at.id);
        sim.wait(SECOND);
    }
    sim.wait(10 * SECOND);
    assert_eq!(
        (counts(&sim, 2), counts(&sim, 1), counts(&sim, 0)),
        ((6, 3), (6, 0), (0, 0))
    );
    sim.crash(2);
    sim.wait(MINUTE);
    assert_eq!(counts(&sim, 2), (6, 3));
    sim.read(2, room, UpTo::Message(called[2])).expect("read");
    assert_eq!(counts(&sim, 2), (3, 1));
    assert_eq!(sim.change(2, called[4], Change::Hide), Some(Ok(())));
    assert_eq!(counts(&sim, 2), (2, 0));
    sim.read(2, room, UpTo::End).expect("read");
    assert_eq!(counts(&sim, 2), (0, 0));
}

#[test]
fn what_is_done_and_said_without_the_right_is_counted() {
    let (mut sim, room) = three(130);
    let counted = |sim: &Sim| {
        let counters = sim.nodes[2].engine().counters();
        (counters.void_operations, counters.unruled_events)
    };
    assert_eq!(counted(&sim), (0, 0));
    let said = sim.tell(0, room, "rightly");
    sim.wait(5 * SECOND);
    let unruled = Body::Pin(Pin {
        target: said,
        on: true,
        ext: Vec::new(),
    });
    let change = PolicyChange {
        pin: Some(Rank::Owner),
        ..PolicyChange::default()
    };
    sim.in_room(1, room, RoomAct::Policy(change)).expect("ruled");
    sim.wait(5 * SECOND);
    let later = sim.tell(0, room, "knowing of it");
    let keys = sim.nodes[0].keys();
    let draft = Draft {
        kind: unruled.kind(),
        conversation: room,
        device: keys.id(),
        log: 1,
        seq: 3,
        prev: Some(later),
        parents: vec![later],
        clock: sim.now,
        view: sim.event(0, &later).header().view,
    };
    let event = VerifiedEvent::sign(&keys, draft, [9; 16], &unruled.encode().expect("fits")).expect("signed");
    sim.give_room(2, &room, 0, &event);
    assert_eq!(counted(&sim), (0, 1));
    assert_eq!(sim.shows(2, &room).pins, []);
    let (top, made) = super::rooms_bounds::last_operation(&sim, 0, &room);
    let mut ada = sim.forger(0, room, made);
    ada.last = Some(top);
    let remove = Act::Remove {
        user: sim.user(1),
        device: None,
        ban: true,
        purge: false,
        logs: Vec::new(),
        reason: String::new(),
    };
    let removal = ada.next(sim.now, remove);
    sim.give_room(2, &room, 0, &removal);
    assert_eq!(sim.members_at(2, &room), [0, 1, 2], "a member removes no owner");
    assert_eq!(counted(&sim), (1, 1));
    sim.give_room(2, &room, 0, &removal);
    assert_eq!(counted(&sim), (1, 1), "once");
}
