//! Who goes and comes back, who is told so, and what others give of the time between.

use parlour_crypto::{Body, DeviceKeys, Draft, EventId, History, Message, Rank, VerifiedEvent};
use parlour_store::contacts::ContactState;
use parlour_store::rooms::Standing;
use parlour_store::{EventKey, LogKey, events, logs};

use super::rooms::three;
use super::*;
use crate::engine::{PolicyChange, RoomAct, RoomError};

/// ada, bo, cy and di; bo, who knows them all, has made a room and let in `members`.
fn garden(seed: u64, history: History, members: &[usize]) -> (Sim, ConversationId) {
    let mut sim = Sim::with(seed, &["ada", "bo", "cy", "di"]);
    for other in [0, 2, 3] {
        sim.introduce(1, other);
    }
    sim.wait(10 * SECOND);
    let room = sim.make_room(1, "garden", history);
    for who in members {
        sim.let_in(1, room, *who);
    }
    (sim, room)
}

fn renamed(name: &str) -> RoomAct {
    RoomAct::Info {
        name: Some(name.to_owned()),
        topic: None,
    }
}

#[test]
fn what_somebody_is_given_goes_by_the_rule_when_they_came_also_at_those_who_learn_it_later() {
    let (mut sim, room) = garden(96, History::None, &[0, 2]);
    sim.tell(0, room, "not for those to come");
    sim.wait(10 * SECOND);
    sim.down(2, Crash::Killed);
    sim.let_in(1, room, 3);
    let open = PolicyChange {
        history: Some(History::All),
        ..PolicyChange::default()
    };
    sim.in_room(1, room, RoomAct::Policy(open)).expect("ruled");
    sim.wait(MINUTE);
    sim.down(0, Crash::Killed);
    sim.start(2);
    sim.wait(5 * MINUTE);
    assert_eq!(sim.members_at(2, &room), [0, 1, 2, 3]);
    assert_eq!(sim.plain_texts(3, &room), Vec::<String>::new());
}

#[test]
fn what_was_said_while_somebody_was_out_is_not_given_by_those_who_learn_of_both_at_once() {
    for seed in [97, 98, 99, 100] {
        let (mut sim, room) = garden(seed, History::None, &[0, 2, 3]);
        let ada = sim.user(0);
        sim.in_room(1, room, RoomAct::Role(ada, Rank::Admin)).expect("raised");
        sim.wait(10 * SECOND);
        sim.down(2, Crash::Killed);
        // The removal builds on what ada does, and what she says follows it, so that whatever comes first waits.
        sim.in_room(0, room, renamed("beds")).expect("renamed");
        sim.wait(10 * SECOND);
        sim.remove(1, room, 3);
        sim.wait(10 * SECOND);
        sim.tell(0, room, "without di");
        sim.wait(10 * SECOND);
        sim.let_in(1, room, 3);
        sim.tell(0, room, "with di");
        sim.wait(MINUTE);
        sim.start(2);
        sim.wait(5 * MINUTE);
        for other in [0, 1] {
            sim.cut(other, 3);
        }
        sim.tell(2, room, "by cy");
        sim.wait(5 * MINUTE);
        assert_eq!(sim.plain_texts(3, &room), ["with di", "by cy"], "seed {seed}");
        assert_eq!(
            sim.plain_texts(2, &room),
            ["without di", "with di", "by cy"],
            "seed {seed}"
        );
    }
}

/// A message as its author could sign it, in a log of its own.
fn said(
    keys: &DeviceKeys,
    room: ConversationId,
    (log, seq): (u32, u64),
    view: Option<[u8; 32]>,
    now: u64,
) -> VerifiedEvent {
    let body = Body::Message(Message::text("back then"));
    let draft = Draft {
        kind: body.kind(),
        conversation: room,
        device: keys.id(),
        log,
        seq,
        prev: (seq > 1).then_some(EventId::from_bytes([1; 32])),
        parents: Vec::new(),
        clock: now,
        view,
    };
    VerifiedEvent::sign(keys, draft, [8; 16], &body.encode().expect("fits")).expect("signed")
}

#[test]
fn what_the_removed_date_back_is_taken_from_those_who_are_in_again_marked_and_no_more_than_a_little() {
    let (mut sim, room) = three(101);
    let one = sim.tell(2, room, "before");
    sim.wait(10 * SECOND);
    let then = sim.event(1, &one).header().view;
    sim.remove(1, room, 2);
    sim.wait(10 * SECOND);
    sim.let_in(1, room, 2);
    let now = sim.now;
    let (keys, cy) = (sim.nodes[2].keys(), sim.user(2));
    let take = |sim: &mut Sim, event: &VerifiedEvent| sim.nodes[1].take_wire(&room, &cy, &event.to_wire(), now);
    let second = said(&keys, room, (1, 2), then, now);
    assert!(
        take(&mut sim, &second),
        "bo had seen one message, and this is the second"
    );
    let around = |sim: &Sim, id| sim.seen_at(1, &id).is_some_and(|state| state.around_removal);
    assert!(
        around(&sim, second.id()) && !around(&sim, one),
        "marked, and what bo had seen is not"
    );
    assert!(
        !take(&mut sim, &said(&keys, room, (1, 1_002), then, now)),
        "1 000 behind what bo had seen is enough"
    );
    assert!(
        !take(&mut sim, &said(&keys, room, (9, 1), then, now)),
        "nor in another log"
    );
    assert!(
        take(&mut sim, &said(&keys, room, (1, 1), then, now)),
        "a fork of what bo had seen is kept as proof"
    );
    sim.tell(2, room, "after");
    sim.wait(10 * SECOND);
    assert_eq!(sim.plain_texts(1, &room).last().map(String::as_str), Some("after"));
}

/// bo and cy have come into ada's room by a link, and nobody of them is a contact; more than a day ago.
fn strangers(seed: u64) -> (Sim, ConversationId) {
    let mut sim = Sim::with(seed, &["ada", "bo", "cy"]);
    let room = sim.make_room(0, "garden", History::None);
    let link = sim.link_into(0, room, None);
    for who in [1, 2] {
        sim.show_link(who, &link).expect("shown");
        sim.wait(MINUTE);
    }
    sim.tell(1, room, "hello");
    sim.wait(26 * HOUR);
    for who in [0, 1, 2] {
        assert_eq!(sim.members_at(who, &room), [0, 1, 2]);
    }
    (sim, room)
}

#[test]
fn a_stranger_who_was_removed_while_away_is_told_by_whoever_is_there() {
    let (mut sim, room) = strangers(102);
    sim.down(1, Crash::Killed);
    sim.remove(0, room, 1);
    sim.wait(20 * MINUTE);
    sim.down(0, Crash::Killed);
    sim.start(1);
    sim.wait(20 * MINUTE);
    assert_eq!(sim.standing(1, &room), Some(Standing::Gone));
}

#[test]
fn that_a_stranger_has_left_is_told_to_those_who_come_back_later() {
    let (mut sim, room) = strangers(103);
    sim.down(0, Crash::Killed);
    sim.down(2, Crash::Killed);
    sim.in_room(1, room, RoomAct::Leave).expect("left");
    sim.wait(2 * HOUR);
    sim.start(0);
    sim.start(2);
    sim.wait(8 * HOUR);
    for who in [0, 2] {
        assert_eq!(sim.members_at(who, &room), [0, 2], "{who}");
    }
}

#[test]
fn while_others_operations_are_lost_nothing_is_done_in_the_room() {
    let (mut sim, room) = three(104);
    let ada = sim.user(0);
    sim.in_room(1, room, RoomAct::Role(ada, Rank::Admin)).expect("raised");
    sim.wait(10 * SECOND);
    sim.in_room(0, room, renamed("beds")).expect("renamed");
    sim.wait(10 * SECOND);
    // bo's disk loses what ada did last, and nothing of his own.
    let (store, no) = (sim.nodes[1].store(), sim.number_of(1, &room).expect("known"));
    let device = parlour_store::devices::number(store, &sim.nodes[0].keys().id())
        .expect("readable")
        .expect("known");
    let log = LogKey {
        conversation: no,
        device,
        log: 1 << 31 | 1,
    };
    let seq = logs::get(store, &log).expect("readable").have.max().expect("some");
    let mut txn = store.begin();
    events::erase(&mut txn, &EventKey { log, seq, branch: 0 }).expect("erased");
    store.commit(txn.into_batch()).expect("written");
    sim.crash_as(1, Crash::Killed);
    sim.wait(MINUTE);
    let error = sim
        .in_room(1, room, renamed("hedges"))
        .expect_err("something is missing");
    assert_eq!(error, RoomError::Lost);
    assert_eq!(sim.members_at(1, &room), [0, 1, 2]);
}

#[test]
fn what_a_blocked_member_says_is_not_seen_until_they_are_unblocked_whoever_brings_it() {
    let (mut sim, room) = three(105);
    sim.tell(2, room, "before");
    sim.wait(10 * SECOND);
    sim.block(1, 2, true);
    let unread = sim.unread(1, &room);
    let feed = sim.feed_of(1);
    let heard = sim.tell(2, room, "by cy");
    sim.wait(10 * SECOND);
    assert!(
        events::place(sim.nodes[1].store(), &heard).expect("readable").is_some(),
        "ada brought it"
    );
    let answer = sim.tell(0, room, "by ada, who knows it");
    sim.wait(5 * MINUTE);
    assert_eq!(sim.plain_texts(1, &room), ["before", "by ada, who knows it"]);
    assert_eq!(sim.unread(1, &room), unread + 1);
    let news = parlour_store::feed::after(sim.nodes[1].store(), feed, 100).expect("readable");
    let messages = news
        .iter()
        .filter(|(_, row)| matches!(row, parlour_store::feed::FeedRow::Message { .. }));
    assert_eq!(messages.count(), 1);
    let no = sim.number_of(1, &room).expect("known");
    let row = conversations::get(sim.nodes[1].store(), no)
        .expect("readable")
        .expect("a room");
    assert_eq!(
        (row.missing, row.heads.iter().map(|(_, id)| *id).collect::<Vec<_>>()),
        (0, vec![answer])
    );
    sim.crash(1);
    sim.wait(MINUTE);
    assert_eq!(sim.plain_texts(1, &room).len(), 2, "a block outlives the process");
    sim.remove(1, room, 2);
    sim.wait(10 * SECOND);
    assert_eq!(sim.members_at(0, &room), [0, 1], "what is done about them holds");
    sim.block(1, 2, false);
    sim.wait(5 * MINUTE);
    assert_eq!(sim.plain_texts(1, &room), ["before", "by cy", "by ada, who knows it"]);
    assert_eq!(sim.plain_texts(1, &room), sim.plain_texts(0, &room));
}

#[test]
fn a_fellow_member_who_is_no_contact_is_blocked_like_a_contact_and_is_one_no_more_than_before() {
    let (mut sim, room) = three(721);
    sim.tell(2, room, "before");
    sim.wait(10 * SECOND);
    assert_eq!(sim.state_at(0, 2), None, "ada knows cy through the room alone");
    sim.block(0, 2, true);
    let unread = sim.unread(0, &room);
    let heard = sim.tell(2, room, "by cy");
    sim.wait(10 * SECOND);
    assert!(
        events::place(sim.nodes[0].store(), &heard).expect("readable").is_some(),
        "bo brought it"
    );
    sim.tell(1, room, "by bo, who knows it");
    sim.wait(5 * MINUTE);
    assert_eq!(sim.plain_texts(0, &room), ["before", "by bo, who knows it"]);
    assert_eq!(sim.unread(0, &room), unread + 1);
    sim.crash(0);
    sim.wait(MINUTE);
    assert_eq!(sim.plain_texts(0, &room).len(), 2, "a block outlives the process");
    sim.block(0, 2, false);
    sim.wait(10 * MINUTE);
    assert_eq!(sim.plain_texts(0, &room), ["before", "by cy", "by bo, who knows it"]);
    assert_eq!(sim.state_at(0, 2), None);
    sim.tell(2, room, "again");
    sim.tell(0, room, "to all");
    sim.wait(5 * MINUTE);
    assert_eq!(sim.plain_texts(0, &room), sim.plain_texts(2, &room));
    assert!(
        sim.statuses(0, &room)
            .iter()
            .all(|status| *status != MessageStatus::Sent)
    );
    let stranger = parlour_crypto::UserId::from_bytes([9; 32]);
    for nobody in [stranger, sim.user(0)] {
        let change = ContactChange {
            blocked: Some(true),
            ..ContactChange::default()
        };
        let refused = sim.decide(0, Decision::Contact(nobody, change));
        assert_eq!(refused, Err(DecisionError::UnknownContact));
    }
}

#[test]
fn an_invitation_that_comes_before_the_answer_to_an_invite_is_not_lost() {
    for seed in 0..20 {
        let mut sim = Sim::with(seed, &["ada", "bo"]);
        let room = sim.make_room(0, "garden", History::None);
        let link = sim.invite(0, DAY, 1).link;
        sim.open_invite(1, &link).expect("opened");
        while sim.state_at(0, 1) != Some(ContactState::Accepted) {
            sim.wait(1);
        }
        let bo = sim.user(1);
        sim.in_room(0, room, RoomAct::Invite(bo, Rank::Member))
            .expect("invited");
        // Long before anything is said again by itself.
        sim.wait(10 * SECOND);
        let standing = sim.standing(1, &room);
        assert!(
            matches!(standing, Some(Standing::Invited { open: true, .. })),
            "{seed}: {standing:?}"
        );
    }
}

#[test]
fn members_who_meet_all_at_once_keep_nothing_that_nobody_waits_for() {
    for seed in 0..8 {
        let mut sim = Sim::with(seed, &["ada", "bo", "cy", "di", "ed", "fay"]);
        let room = sim.make_room(0, "garden", History::All);
        let link = sim.link_into(0, room, None);
        for who in 1..6 {
            sim.show_link(who, &link).expect("shown");
        }
        sim.wait(5 * MINUTE);
        for who in 0..6 {
            assert_eq!(sim.members_at(who, &room), [0, 1, 2, 3, 4, 5], "{seed}");
            for other in (0..6).filter(|other| *other != who) {
                assert_eq!(sim.waits_for(who, other), [], "{seed}: {who} for {other}");
            }
        }
    }
}
