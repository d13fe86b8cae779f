//! Rooms: who comes, who goes, and what each of them is given. bo knows ada and cy, who do not know each other.

use parlour_crypto::{Control, History, Rank, UserId};
use parlour_store::rooms::{self, Standing};
use parlour_store::system;
use parlour_store::timeline::Position;

use super::*;
use crate::engine::{NewRoom, PolicyChange, RoomAct, RoomError};

impl Sim {
    pub(super) fn make_room(&mut self, by: usize, name: &str, history: History) -> ConversationId {
        let new = NewRoom {
            name: name.to_owned(),
            topic: None,
            policy: PolicyChange {
                history: Some(history),
                ..PolicyChange::default()
            },
        };
        let made = self.ask(by, |reply| Command::MakeRoom(new, reply));
        made.expect("up").expect("a room")
    }

    pub(super) fn in_room(&mut self, who: usize, room: ConversationId, act: RoomAct) -> Result<(), RoomError> {
        self.ask(who, |reply| Command::ActInRoom(room, act, reply)).expect("up")
    }

    pub(super) fn let_in(&mut self, by: usize, room: ConversationId, who: usize) {
        let user = self.user(who);
        self.in_room(by, room, RoomAct::Invite(user, Rank::Member))
            .expect("invited");
        self.wait(5 * SECOND);
        self.in_room(who, room, RoomAct::Join).expect("joined");
        self.wait(5 * SECOND);
    }

    pub(super) fn standing(&self, who: usize, room: &ConversationId) -> Option<Standing> {
        let no = self.number_of(who, room)?;
        let row = rooms::get(self.nodes[who].store(), no).expect("readable");
        row.map(|row| row.standing)
    }

    /// Who takes part, as a node sees it.
    pub(super) fn members_at(&self, who: usize, room: &ConversationId) -> Vec<usize> {
        let no = self.number_of(who, room).expect("the room is there");
        let members = rooms::members(self.nodes[who].store(), no).expect("readable");
        (0..self.nodes.len())
            .filter(|index| members.contains_key(&self.user(*index)))
            .collect()
    }

    /// Who is kept out, as a node sees it.
    pub(super) fn banned_at(&self, who: usize, room: &ConversationId) -> Vec<UserId> {
        let no = self.number_of(who, room).expect("the room is there");
        let banned = rooms::banned(self.nodes[who].store(), no);
        banned.expect("readable").into_iter().collect()
    }

    /// What a node shows of what happened in a room, in its order.
    pub(super) fn happened(&self, who: usize, room: &ConversationId) -> Vec<Position> {
        let no = self.number_of(who, room).expect("the room is there");
        let all = system::all(self.nodes[who].store(), no);
        all.map(|entry| entry.expect("readable").at).collect()
    }

    pub(super) fn remove(&mut self, by: usize, room: ConversationId, who: usize) {
        let act = RoomAct::Remove {
            user: self.user(who),
            ban: false,
            purge: false,
            reason: String::new(),
        };
        self.in_room(by, room, act).expect("removed");
    }
}

/// ada, bo and cy, in a room that bo has made.
pub(super) fn three(seed: u64) -> (Sim, ConversationId) {
    let (mut sim, _) = Sim::people(seed);
    let room = sim.make_room(1, "garden", History::Last100);
    sim.let_in(1, room, 0);
    sim.let_in(1, room, 2);
    (sim, room)
}

#[test]
fn all_members_have_everything_in_one_order_also_those_who_know_each_other_through_the_room_alone() {
    let (mut sim, room) = three(41);
    for who in [0, 1, 2] {
        assert_eq!(sim.members_at(who, &room), [0, 1, 2]);
    }
    for (who, text) in [(0, "beans"), (2, "peas"), (1, "corn"), (2, "leeks")] {
        sim.tell(who, room, text);
    }
    sim.wait(10 * SECOND);
    let shown = sim.plain_texts(1, &room);
    assert_eq!(shown.len(), 4);
    assert_eq!(sim.plain_texts(0, &room), shown);
    assert_eq!(sim.plain_texts(2, &room), shown);
    for who in [0, 1, 2] {
        let own = sim
            .statuses(who, &room)
            .into_iter()
            .filter(|status| *status != MessageStatus::Received);
        assert!(
            own.into_iter().all(|status| status == Delivered),
            "by every member, also those who are no contacts"
        );
    }
    assert_eq!(sim.state_at(0, 2), None, "a fellow member is no contact");
    sim.cut(0, 1);
    sim.cut(1, 2);
    sim.tell(2, room, "past bo");
    sim.wait(MINUTE);
    assert_eq!(
        sim.plain_texts(0, &room).len(),
        5,
        "who is in a room together needs nobody between them"
    );
}

#[test]
fn what_was_said_before_others_came_stays_delivered() {
    let (mut sim, _) = Sim::people(78);
    let room = sim.make_room(1, "garden", History::None);
    sim.tell(1, room, "to nobody yet");
    sim.wait(10 * SECOND);
    assert_eq!(sim.statuses(1, &room), [Delivered]);
    sim.let_in(1, room, 0);
    assert_eq!(sim.statuses(1, &room), [Delivered]);
}

#[test]
fn an_invitation_waits_for_the_user_and_can_be_turned_down() {
    let (mut sim, _) = Sim::people(42);
    let room = sim.make_room(1, "garden", History::None);
    let ada = sim.user(0);
    sim.in_room(1, room, RoomAct::Invite(ada, Rank::Member))
        .expect("invited");
    sim.wait(5 * SECOND);
    assert!(matches!(sim.standing(0, &room), Some(Standing::Invited { .. })));
    assert_eq!(sim.members_at(1, &room), [1]);
    let refused = sim.ask(0, |reply| Command::Send(SendText::plain(room, "early"), reply));
    assert_eq!(
        refused.expect("up").err(),
        Some(SendError::Refused(Refusal::NotMember)),
        "nobody speaks before they have joined"
    );
    sim.in_room(0, room, RoomAct::Leave).expect("turned down");
    assert_eq!(sim.standing(0, &room), Some(Standing::Gone));
    sim.wait(5 * SECOND);
    assert_eq!(sim.members_at(1, &room), [1]);
}

#[test]
fn who_was_removed_is_told_and_gets_nothing_from_then_on() {
    let (mut sim, room) = three(43);
    sim.tell(0, room, "all of us");
    sim.wait(10 * SECOND);
    sim.remove(1, room, 2);
    sim.wait(5 * SECOND);
    assert_eq!(sim.standing(2, &room), Some(Standing::Gone));
    sim.tell(1, room, "without cy");
    sim.tell(0, room, "nor by ada");
    sim.wait(5 * MINUTE);
    assert_eq!(sim.plain_texts(2, &room), ["all of us"]);
    assert_eq!(sim.plain_texts(0, &room).len(), 3);
    for who in [0, 1] {
        assert_eq!(sim.members_at(who, &room), [0, 1]);
        assert!(
            sim.statuses(who, &room)
                .iter()
                .all(|status| *status != MessageStatus::Sent)
        );
    }
}

#[test]
fn who_was_removed_while_away_comes_back_to_nothing_new() {
    let (mut sim, room) = three(44);
    sim.tell(0, room, "before");
    sim.wait(10 * SECOND);
    sim.down(2, Crash::Killed);
    sim.remove(1, room, 2);
    sim.tell(0, room, "after");
    sim.wait(MINUTE);
    sim.start(2);
    sim.wait(10 * MINUTE);
    assert_eq!(sim.plain_texts(2, &room), ["before"]);
    assert_eq!(sim.standing(2, &room), Some(Standing::Gone));
}

#[test]
fn those_who_come_later_are_given_what_the_rule_says() {
    for (history, given) in [
        (History::None, vec!["after"]),
        (History::Last100, vec!["first", "second", "after"]),
        (History::All, vec!["first", "second", "after"]),
    ] {
        let (mut sim, _) = Sim::people(45);
        let room = sim.make_room(1, "garden", history);
        sim.let_in(1, room, 0);
        sim.tell(0, room, "first");
        sim.wait(5 * SECOND);
        sim.tell(1, room, "second");
        sim.wait(5 * SECOND);
        sim.let_in(1, room, 2);
        sim.tell(0, room, "after");
        sim.wait(MINUTE);
        assert_eq!(sim.plain_texts(2, &room), given, "{history:?}");
    }
}

#[test]
fn a_room_survives_kills_and_partitions_without_losing_a_word() {
    let (mut sim, room) = three(48);
    sim.tell(0, room, "one");
    sim.cut(0, 1);
    sim.tell(0, room, "two");
    sim.tell(1, room, "three");
    sim.tell(2, room, "four");
    sim.wait(MINUTE);
    for who in [0, 1, 2] {
        sim.crash(who);
    }
    sim.wait(MINUTE);
    sim.mend_all();
    sim.wait(10 * MINUTE);
    let shown = sim.plain_texts(1, &room);
    assert_eq!(shown.len(), 4);
    assert_eq!(sim.plain_texts(0, &room), shown);
    assert_eq!(sim.plain_texts(2, &room), shown);
}

#[test]
fn a_damaged_member_gets_the_room_back() {
    for (seed, (what, harm)) in super::disks::HARMS.into_iter().enumerate() {
        let (mut sim, room) = three(60 + seed as u64);
        for (who, text) in [(0, "one"), (1, "two"), (2, "three")] {
            sim.tell(who, room, text);
            sim.wait(5 * SECOND);
        }
        sim.nodes[1].store().db().checkpoint().expect("a checkpoint");
        sim.tell(1, room, "four");
        sim.nodes[1].store().db().checkpoint().expect("a checkpoint");
        sim.wait(10 * SECOND);
        sim.down(1, Crash::Killed);
        harm(&sim.nodes[1].disk().join("db"));
        sim.nodes[1].damaged = true;
        sim.start(1);
        sim.wait(10 * MINUTE);
        sim.tell(1, room, "five");
        sim.wait(10 * MINUTE);
        for who in [0, 1, 2] {
            assert_eq!(
                sim.plain_texts(who, &room),
                ["one", "two", "three", "four", "five"],
                "{what}, node {who}"
            );
            assert_eq!(sim.members_at(who, &room), [0, 1, 2], "{what}, node {who}");
        }
        sim.remove(1, room, 2);
        sim.wait(MINUTE);
        assert_eq!(sim.members_at(0, &room), [0, 1], "{what}: its owner can still rule");
        let audit = parlour_store::check(sim.nodes[1].store(), |_, _| ()).expect("readable");
        assert_eq!(audit.problems, [], "{what}");
    }
}

impl Sim {
    /// What waits in a node's outbox for a user.
    pub(super) fn waits_for(&self, who: usize, whom: usize) -> Vec<Control> {
        let (store, user) = (self.nodes[who].store(), self.user(whom));
        let devices = parlour_store::devices::of_user(store, &user).expect("readable");
        let rows = devices
            .into_iter()
            .flat_map(|device| parlour_store::outbox::of_device(store, device).expect("readable"));
        rows.map(|row| row.control).collect()
    }

    /// How many devices a node's own messages in a conversation are meant for.
    pub(super) fn recipients_at(&self, who: usize, conversation: &ConversationId) -> usize {
        let no = self.number_of(who, conversation).expect("known");
        let (store, own) = (self.nodes[who].store(), self.nodes[who].engine().own());
        parlour_store::view::recipients(store, own, no).expect("readable").len()
    }
}

#[test]
fn a_device_that_no_operation_names_is_no_member() {
    let (mut sim, room) = three(70);
    sim.tell(1, room, "for those who are here");
    sim.wait(10 * SECOND);
    // Whoever has ada's words makes a device with them, and becomes bo's contact as ada.
    sim.down(0, Crash::Killed);
    let again = sim.recover(0);
    sim.introduce(1, again);
    sim.wait(MINUTE);
    let ada = sim.user(0);
    let known = parlour_store::contacts::get(sim.nodes[1].store(), &ada).expect("readable");
    let code = crate::engine::list_code(&known.expect("a contact").device_list);
    sim.decide(1, Decision::Accept(ada, code)).expect("exactly this device");
    sim.tell(1, room, "not for new devices");
    sim.wait(5 * MINUTE);
    assert_eq!(sim.number_of(again, &room), None, "nothing of the room came to it");
    assert_eq!(
        sim.recipients_at(1, &room),
        1,
        "cy alone: ada's old device is off her list"
    );
    assert_eq!(
        sim.recipients_at(1, &sim.direct(0, 1)),
        1,
        "but it is a device of a contact"
    );
    assert_eq!(sim.statuses(1, &room), [Delivered, Delivered]);
}

#[test]
fn whoever_was_removed_and_not_told_learns_it_from_any_member() {
    let (mut sim, room) = three(71);
    sim.down(2, Crash::Killed);
    sim.remove(1, room, 2);
    sim.wait(5 * SECOND);
    // bo, who has done it, is not there when cy comes back: ada knows.
    sim.down(1, Crash::Killed);
    sim.start(2);
    sim.wait(5 * MINUTE);
    assert_eq!(sim.standing(2, &room), Some(Standing::Gone));
    assert_eq!(sim.members_at(2, &room), [0, 1]);
    assert_eq!(sim.waits_for(0, 2), [], "and nothing is said again and again");
}

#[test]
fn an_invitation_that_counts_no_more_lets_nobody_in() {
    let (mut sim, _) = Sim::people(72);
    sim.introduce(0, 2);
    let room = sim.make_room(1, "garden", History::All);
    sim.let_in(1, room, 0);
    // ada lets cy in while bo removes her: she could not, as bo sees it.
    sim.cut(0, 1);
    sim.cut(1, 2);
    let cy = sim.user(2);
    sim.in_room(0, room, RoomAct::Invite(cy, Rank::Member))
        .expect("invited");
    sim.remove(1, room, 0);
    sim.wait(5 * SECOND);
    assert!(matches!(
        sim.standing(2, &room),
        Some(Standing::Invited { open: true, .. })
    ));
    sim.in_room(2, room, RoomAct::Join).expect("cy does not know better");
    sim.tell(2, room, "let me in");
    sim.wait(5 * SECOND);
    assert_eq!(sim.standing(2, &room), Some(Standing::Member));
    sim.mend_all();
    sim.wait(10 * MINUTE);
    assert_eq!(sim.members_at(1, &room), [1]);
    assert_eq!(sim.plain_texts(1, &room), Vec::<String>::new());
    for who in [0, 2] {
        assert_eq!(sim.standing(who, &room), Some(Standing::Gone), "{who}");
    }
    sim.let_in(1, room, 2);
    assert_eq!(
        sim.standing(2, &room),
        Some(Standing::Member),
        "invited anew, and this time it counts"
    );
    assert_eq!(sim.members_at(1, &room), [1, 2]);
}

#[test]
fn who_comes_late_into_a_long_room_is_given_what_is_theirs_at_once() {
    let (mut sim, _) = Sim::people(74);
    let room = sim.make_room(1, "garden", History::None);
    sim.let_in(1, room, 0);
    for n in 0..700 {
        sim.tell(0, room, &format!("{n}"));
    }
    sim.wait(MINUTE);
    assert_eq!(sim.plain_texts(1, &room).len(), 700);
    sim.let_in(1, room, 2);
    sim.tell(0, room, "now");
    sim.wait(20 * SECOND);
    assert_eq!(sim.plain_texts(2, &room), ["now"]);
    // By stream alone, too: ada is the only one who has what she said meanwhile.
    sim.cut(0, 2);
    sim.tell(0, room, "and then");
    sim.wait(20 * SECOND);
    assert_eq!(sim.plain_texts(2, &room), ["now", "and then"], "by way of bo");
}

#[test]
fn a_blocked_member_is_not_waited_for() {
    let (mut sim, room) = three(75);
    sim.block(1, 2, true);
    sim.tell(1, room, "to ada alone");
    sim.wait(MINUTE);
    assert_eq!(sim.statuses(1, &room), [Delivered]);
    sim.block(1, 2, false);
    sim.wait(5 * MINUTE);
    assert_eq!(
        sim.plain_texts(2, &room),
        ["to ada alone"],
        "unblocked, they are given what they missed"
    );
}

#[test]
fn who_has_lost_what_they_did_does_nothing_until_it_is_back() {
    let (mut sim, room) = three(76);
    sim.nodes[1].store().db().checkpoint().expect("a checkpoint");
    sim.down(1, Crash::Killed);
    let (_, harm) = super::disks::HARMS[0];
    harm(&sim.nodes[1].disk().join("db"));
    sim.nodes[1].damaged = true;
    sim.down(0, Crash::Killed);
    sim.down(2, Crash::Killed);
    sim.start(1);
    sim.wait(SECOND);
    let act = || RoomAct::Info {
        name: Some("garden party".to_owned()),
        topic: None,
    };
    let error = sim
        .in_room(1, room, act())
        .expect_err("nobody is there to give it back");
    assert_eq!(error, RoomError::Lost);
    sim.start(0);
    sim.start(2);
    sim.wait(10 * MINUTE);
    sim.in_room(1, room, act()).expect("back");
    sim.wait(MINUTE);
    for who in [0, 2] {
        let no = sim.number_of(who, &room).expect("known");
        let row = rooms::get(sim.nodes[who].store(), no)
            .expect("readable")
            .expect("a room");
        assert_eq!(row.name, "garden party");
    }
}
