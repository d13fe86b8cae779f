//! Knocking at rooms: who sees it, who decides, and what one member can have others see. ada made the room, bo and cy are in it; di and ed
//! know nobody.

use parlour_crypto::{Control, Frame, History, JoinRule, Rank, RoomKnock, UserId};
use parlour_store::feed::{self, FeedRow};
use parlour_store::rooms::{self, RequestRow, Standing};

use super::*;
use crate::engine::{LinkKind, PolicyChange, RoomAct, RoomError};

const ADA: usize = 0;
const BO: usize = 1;
const CY: usize = 2;
const DI: usize = 3;
const ED: usize = 4;

impl Sim {
    /// Who waits at a room, as a node shows it: who, what they call themselves, and who told of it.
    fn at_the_door(&self, who: usize, room: &ConversationId) -> Vec<(UserId, RequestRow)> {
        let no = self.number_of(who, room).expect("there");
        let mut all = rooms::requests(self.nodes[who].store(), Some(no)).expect("readable");
        all.retain(|(_, _, row)| row.is_open());
        all.into_iter().map(|(_, user, row)| (user, row)).collect()
    }

    fn knockers(&self, who: usize, room: &ConversationId) -> Vec<UserId> {
        self.at_the_door(who, room).into_iter().map(|(user, _)| user).collect()
    }

    fn door_of(&mut self, by: usize, room: ConversationId) -> String {
        let made = self.ask(by, |reply| Command::MakeRoomLink {
            room,
            kind: LinkKind::Knocks,
            valid_ms: 30 * DAY,
            reply,
        });
        made.expect("up").expect("a link").link
    }

    /// How often readers were told of who knocks.
    fn told_of_knocks(&self, who: usize) -> usize {
        let rows = feed::after(self.nodes[who].store(), 0, 100_000).expect("readable");
        rows.iter()
            .filter(|(_, row)| matches!(row, FeedRow::Knock { .. }))
            .count()
    }

    fn is_refused(&self, who: usize, room: &ConversationId) -> bool {
        matches!(self.standing(who, room), Some(Standing::Asked { refused: Some(0), .. }))
    }

    fn invites_from(&mut self, by: usize, room: ConversationId, least: Rank) {
        let rule = PolicyChange {
            invite: Some(least),
            ..PolicyChange::default()
        };
        self.in_room(by, room, RoomAct::Policy(rule)).expect("ruled");
    }
}

fn five(seed: u64) -> (Sim, ConversationId) {
    let mut sim = Sim::with(seed, &["ada", "bo", "cy", "di", "ed"]);
    sim.introduce(ADA, BO);
    sim.introduce(ADA, CY);
    sim.wait(5 * SECOND);
    let room = sim.make_room(ADA, "garden", History::All);
    for who in [BO, CY] {
        sim.let_in(ADA, room, who);
    }
    let rule = PolicyChange {
        join: Some(JoinRule::Knock),
        ..PolicyChange::default()
    };
    sim.in_room(ADA, room, RoomAct::Policy(rule)).expect("ruled");
    sim.wait(30 * SECOND);
    (sim, room)
}

fn knock(room: ConversationId, user: UserId, at: u64) -> Control {
    Control::RoomKnock(RoomKnock {
        room,
        user,
        at,
        name: "somebody".to_owned(),
        note: "x".repeat(512),
        ext: Vec::new(),
    })
}

fn somebody(n: u8) -> UserId {
    UserId::from_bytes([n; 32])
}

#[test]
fn all_who_may_let_others_in_see_who_knocks_and_any_of_them_lets_them_in() {
    let (mut sim, room) = five(801);
    let (ada, di) = (sim.user(ADA), sim.user(DI));
    let link = sim.door_of(ADA, room);
    sim.show_link(DI, &link).expect("shown");
    sim.wait(MINUTE);
    for who in [BO, CY] {
        let there = sim.at_the_door(who, &room);
        let [(user, row)] = &there[..] else {
            panic!("one knocks: {there:?}")
        };
        assert_eq!((*user, row.name.as_str()), (di, "di"));
        let teller = row.told_by().expect("told");
        let teller = parlour_store::devices::get(sim.nodes[who].store(), teller).expect("readable");
        assert_eq!(teller.map(|device| device.user), Some(ada));
    }
    assert_eq!(sim.knockers(ADA, &room), [di]);
    // Who knows nobody else there is let in by somebody they never met.
    sim.in_room(CY, room, RoomAct::Invite(di, Rank::Member))
        .expect("let in");
    sim.wait(MINUTE);
    assert_eq!(sim.standing(DI, &room), Some(Standing::Member));
    for who in [ADA, BO, CY, DI] {
        assert_eq!(sim.members_at(who, &room), [ADA, BO, CY, DI]);
        assert_eq!(sim.knockers(who, &room), []);
    }
    for who in [ADA, BO, CY] {
        assert_eq!(
            sim.told_of_knocks(who),
            2,
            "once that they knock, once that they do no more"
        );
        sim.crash(who);
    }
    sim.wait(HOUR);
    for who in [ADA, BO, CY] {
        assert_eq!(sim.knockers(who, &room), [], "and it does not come again");
        assert_eq!(sim.told_of_knocks(who), 2);
    }
}

#[test]
fn who_is_turned_away_by_one_is_gone_for_all_and_bothers_nobody_for_a_day() {
    let (mut sim, room) = five(802);
    let di = sim.user(DI);
    let link = sim.door_of(ADA, room);
    sim.show_link(DI, &link).expect("shown");
    sim.wait(MINUTE);
    sim.in_room(BO, room, RoomAct::TurnAway(di)).expect("turned away");
    assert_eq!(sim.in_room(BO, room, RoomAct::TurnAway(di)), Err(RoomError::NotAsking));
    sim.wait(MINUTE);
    assert!(sim.is_refused(DI, &room));
    for who in [ADA, BO, CY] {
        assert_eq!(sim.knockers(who, &room), []);
    }
    let told = [ADA, BO, CY].map(|who| sim.told_of_knocks(who));
    sim.wait(HOUR);
    sim.show_link(DI, &link).expect("shown again");
    sim.wait(MINUTE);
    assert!(sim.is_refused(DI, &room));
    assert_eq!(
        [ADA, BO, CY].map(|who| sim.told_of_knocks(who)),
        told,
        "nobody was bothered"
    );
    sim.wait(DAY);
    sim.show_link(DI, &link).expect("shown a day later");
    sim.wait(MINUTE);
    for who in [ADA, BO, CY] {
        assert_eq!(sim.knockers(who, &room), [di]);
    }
}

#[test]
fn an_answer_that_comes_before_the_knock_counts() {
    let (mut sim, room) = five(803);
    let di = sim.user(DI);
    let link = sim.door_of(ADA, room);
    sim.down(CY, Crash::Killed);
    sim.show_link(DI, &link).expect("shown");
    sim.wait(MINUTE);
    sim.down(ADA, Crash::Killed);
    sim.in_room(BO, room, RoomAct::TurnAway(di)).expect("turned away");
    sim.wait(MINUTE);
    sim.start(CY);
    sim.wait(10 * MINUTE);
    sim.down(BO, Crash::Killed);
    // ada knows nothing of it, and tells cy.
    sim.start(ADA);
    sim.wait(20 * MINUTE);
    assert_eq!(sim.knockers(ADA, &room), [di]);
    assert_eq!(sim.knockers(CY, &room), []);
    assert_eq!(sim.told_of_knocks(CY), 0);
    sim.start(BO);
    sim.wait(20 * MINUTE);
    assert_eq!(sim.knockers(ADA, &room), []);
    assert!(sim.is_refused(DI, &room));
}

#[test]
fn of_two_doors_one_answer_is_for_both() {
    let (mut sim, room) = five(804);
    let di = sim.user(DI);
    for by in [ADA, BO] {
        let link = sim.door_of(by, room);
        sim.show_link(DI, &link).expect("shown");
        sim.wait(MINUTE);
    }
    assert_eq!(sim.knockers(CY, &room), [di]);
    sim.in_room(CY, room, RoomAct::TurnAway(di)).expect("turned away");
    sim.wait(MINUTE);
    for who in [ADA, BO, CY] {
        assert_eq!(sim.knockers(who, &room), []);
    }
    assert!(sim.is_refused(DI, &room));
}

#[test]
fn who_knocks_is_seen_with_the_right_to_let_in_and_not_without() {
    let (mut sim, room) = five(805);
    let (bo, cy, di) = (sim.user(BO), sim.user(CY), sim.user(DI));
    sim.invites_from(ADA, room, Rank::Moderator);
    sim.in_room(ADA, room, RoomAct::Role(bo, Rank::Moderator))
        .expect("ranked");
    sim.wait(MINUTE);
    let link = sim.door_of(ADA, room);
    sim.show_link(DI, &link).expect("shown");
    sim.wait(MINUTE);
    let seen = |sim: &Sim| [ADA, BO, CY].map(|who| sim.knockers(who, &room).contains(&di));
    assert_eq!(seen(&sim), [true, true, false]);
    assert!(matches!(
        sim.in_room(CY, room, RoomAct::TurnAway(di)),
        Err(RoomError::Rank { .. })
    ));
    sim.in_room(ADA, room, RoomAct::Role(cy, Rank::Moderator))
        .expect("ranked");
    sim.wait(MINUTE);
    assert_eq!(seen(&sim), [true, true, true], "also what was asked before");
    sim.in_room(ADA, room, RoomAct::Role(bo, Rank::Member)).expect("ranked");
    sim.wait(MINUTE);
    assert_eq!(seen(&sim), [true, false, true]);
    sim.remove(ADA, room, CY);
    sim.wait(MINUTE);
    assert_eq!(seen(&sim), [true, false, false]);
}

#[test]
fn who_waits_too_long_waits_nowhere() {
    let (mut sim, room) = five(806);
    let link = sim.door_of(ADA, room);
    sim.show_link(DI, &link).expect("shown");
    sim.wait(MINUTE);
    assert_eq!(sim.knockers(BO, &room).len(), 1);
    // Whoever was away all the time never learns of it.
    sim.down(CY, Crash::Killed);
    sim.show_link(ED, &link).expect("shown");
    sim.wait(MINUTE);
    assert_eq!(sim.knockers(BO, &room).len(), 2);
    sim.wait(7 * DAY + HOUR);
    sim.start(CY);
    sim.wait(20 * MINUTE);
    for who in [ADA, BO] {
        assert_eq!(sim.knockers(who, &room), []);
    }
    assert!(!sim.knockers(CY, &room).contains(&sim.user(ED)));
    assert!(sim.is_refused(DI, &room) && sim.is_refused(ED, &room));
}

#[test]
fn blocked_users_knock_unseen() {
    let (mut sim, room) = five(807);
    let di = sim.user(DI);
    sim.introduce(CY, DI);
    sim.wait(5 * SECOND);
    sim.block(CY, DI, true);
    let link = sim.door_of(ADA, room);
    sim.show_link(DI, &link).expect("shown");
    sim.wait(MINUTE);
    assert_eq!(sim.knockers(BO, &room), [di]);
    assert_eq!(sim.knockers(CY, &room), []);
}

#[test]
fn a_member_who_invents_people_at_the_door_fills_a_little_and_no_more() {
    let (mut sim, room) = five(808);
    for n in 0..100 {
        let control = knock(room, somebody(n), sim.now);
        sim.say_to(CY, Some(BO), &Frame::Control { id: [n; 16], control });
        sim.wait(SECOND);
    }
    sim.wait(MINUTE);
    assert_eq!(sim.knockers(BO, &room).len(), 16);
    // Others who knock are seen all the same.
    let link = sim.door_of(ADA, room);
    sim.show_link(DI, &link).expect("shown");
    sim.wait(MINUTE);
    assert!(sim.knockers(BO, &room).contains(&sim.user(DI)));
    // To invent answers makes room, at a slow pace.
    let before = sim.told_of_knocks(BO);
    for n in 0..200_u8 {
        let control = Control::RoomTurnedAway {
            room,
            user: somebody(n),
            at: sim.now,
            ext: Vec::new(),
        };
        sim.say_to(CY, Some(BO), &Frame::Control { id: [n; 16], control });
        sim.wait(100);
    }
    assert!(sim.told_of_knocks(BO) - before <= 16);
    let no = sim.number_of(BO, &room).expect("there");
    let all = rooms::requests(sim.nodes[BO].store(), Some(no)).expect("readable");
    assert!(all.len() <= 64 + 17, "{}", all.len());
    // With whoever told of them they go.
    let left = RoomAct::Remove {
        user: sim.user(CY),
        ban: false,
        purge: false,
        reason: String::new(),
    };
    sim.in_room(ADA, room, left).expect("removed");
    sim.wait(MINUTE);
    assert_eq!(sim.knockers(BO, &room), [sim.user(DI)]);
}

#[test]
fn what_outsiders_and_those_without_right_say_of_the_door_changes_nothing() {
    let (mut sim, room) = five(809);
    let di = sim.user(DI);
    sim.invites_from(ADA, room, Rank::Moderator);
    let bo = sim.user(BO);
    sim.in_room(ADA, room, RoomAct::Role(bo, Rank::Moderator))
        .expect("ranked");
    let link = sim.door_of(ADA, room);
    sim.show_link(DI, &link).expect("shown");
    sim.wait(MINUTE);
    assert_eq!(sim.knockers(BO, &room), [di]);
    let say = |sim: &mut Sim, who: usize, n: u8, control: Control| {
        sim.say_to(who, Some(BO), &Frame::Control { id: [n; 16], control });
        sim.wait(SECOND);
    };
    let away = |user: UserId, at: u64| Control::RoomTurnedAway {
        room,
        user,
        at,
        ext: Vec::new(),
    };
    let now = sim.now;
    // cy may not let anybody in.
    let control = knock(room, somebody(1), now);
    say(&mut sim, CY, 1, control);
    say(&mut sim, CY, 2, away(di, now));
    // ada may, and speaks of what is too old, to come, or of somebody who is in the room; nor does an earlier answer answer di.
    let (cy, old) = (sim.user(CY), now - 7 * DAY);
    for (n, user, at) in [(3, somebody(2), old), (4, somebody(3), now + 20 * MINUTE), (5, cy, now)] {
        let control = knock(room, user, at);
        say(&mut sim, ADA, n, control);
    }
    say(&mut sim, ADA, 6, away(di, now - 10 * MINUTE));
    let no = sim.number_of(BO, &room).expect("there");
    let all = rooms::requests(sim.nodes[BO].store(), Some(no)).expect("readable");
    assert_eq!(all.len(), 1);
    assert_eq!(sim.knockers(BO, &room), [di]);
    // Who was removed says no more.
    sim.remove(ADA, room, BO);
    sim.wait(MINUTE);
    let control = knock(room, somebody(4), sim.now);
    sim.say_to(BO, Some(ADA), &Frame::Control { id: [7; 16], control });
    let answer = away(di, sim.now);
    sim.say_to(
        BO,
        Some(ADA),
        &Frame::Control {
            id: [8; 16],
            control: answer,
        },
    );
    sim.wait(MINUTE);
    assert_eq!(sim.knockers(ADA, &room), [di]);
}

#[test]
fn more_than_are_told_at_once_are_told_as_others_are_answered() {
    let (mut sim, room) = five(810);
    let no = sim.number_of(ADA, &room).expect("there");
    // Others at ada's door, by whatever links.
    let store = sim.nodes[ADA].store();
    let mut txn = store.begin();
    for n in 0..20 {
        let row = RequestRow {
            name: format!("{n}"),
            note: String::new(),
            door: rooms::Door::Here(parlour_store::DeviceNo(999)),
            at: sim.now - 1_000 + u64::from(n),
            told: Vec::new(),
            answer: None,
        };
        rooms::put_request(&mut txn, no, &somebody(n), &row);
    }
    store.commit(txn.into_batch()).expect("written");
    let link = sim.door_of(ADA, room);
    sim.show_link(DI, &link).expect("shown");
    sim.wait(MINUTE);
    assert_eq!(sim.knockers(BO, &room).len(), 16);
    for n in 0..5 {
        sim.in_room(BO, room, RoomAct::TurnAway(somebody(n)))
            .expect("turned away");
        sim.wait(10 * SECOND);
    }
    assert_eq!(sim.knockers(BO, &room).len(), 16);
    assert!(sim.knockers(BO, &room).contains(&sim.user(DI)));
}
