//! Public rooms as news: who hears of one, how soon, how often, and what one peer can have readers told.

use parlour_crypto::{JoinRule, ListedRoom};
use parlour_net::NetEvent;
use parlour_store::feed::{self, FeedRow};
use parlour_store::rooms;

use super::*;
use crate::engine::{NewRoom, PolicyChange, RoomAct};

impl Sim {
    fn make_with_rule(&mut self, by: usize, name: &str, join: JoinRule) -> ConversationId {
        let new = NewRoom {
            name: name.to_owned(),
            topic: None,
            policy: PolicyChange {
                join: Some(join),
                ..PolicyChange::default()
            },
        };
        self.ask(by, |reply| Command::MakeRoom(new, reply))
            .expect("up")
            .expect("a room")
    }

    fn open_to_all(&mut self, by: usize, room: ConversationId) {
        let rule = PolicyChange {
            join: Some(JoinRule::Public),
            ..PolicyChange::default()
        };
        self.in_room(by, room, RoomAct::Policy(rule)).expect("ruled");
    }

    /// The rooms that readers of a node were told of, in that order.
    fn news(&self, who: usize) -> Vec<ConversationId> {
        let rows = feed::after(self.nodes[who].store(), 0, 100_000).expect("readable");
        let news = rows.into_iter().filter_map(|(_, row)| match row {
            FeedRow::PublicRoom { room } => Some(room),
            _ => None,
        });
        news.collect()
    }

    /// A room of a node, as it lists it.
    fn listing(&mut self, by: usize, room: ConversationId) -> ListedRoom {
        let no = self.number_of(by, &room).expect("there");
        let row = rooms::get(self.nodes[by].store(), no).expect("readable");
        let create = self.event(by, &row.expect("a room").heads[0]).to_wire();
        ListedRoom {
            create,
            link: self.link_into(by, room, None),
            name: "a room".to_owned(),
            topic: String::new(),
            members: 1,
            ext: Vec::new(),
        }
    }

    fn is_seen_near(&mut self, who: usize, other: usize) {
        let found = NetEvent::DiscoveredLan {
            peer: self.nodes[other].peer,
            addresses: vec![crate::sim::network::address_of(other)],
        };
        self.turn(who, Input::Net(found));
    }
}

#[test]
fn connected_contacts_hear_at_once_of_a_room_that_is_public_and_nobody_else_does() {
    let (mut sim, _) = Sim::people(821);
    sim.wait(MINUTE);
    let garden = sim.make_with_rule(1, "garden", JoinRule::Public);
    sim.wait(5 * SECOND);
    assert_eq!((sim.news(0), sim.news(2)), (vec![garden], vec![garden]));
    assert_eq!(sim.news(1), [], "their own is none");
    let no_contact = sim.make_with_rule(2, "cellar", JoinRule::Public);
    sim.wait(5 * SECOND);
    assert_eq!(sim.news(0), [garden], "cy is a stranger");
    assert_eq!(sim.news(1), [no_contact]);
    // One that was closed becomes public, at once with another one.
    let closed = sim.make_with_rule(1, "shed", JoinRule::Invite);
    sim.wait(HOUR);
    assert_eq!(sim.news(0), [garden]);
    sim.open_to_all(1, closed);
    let third = sim.make_with_rule(1, "orchard", JoinRule::Public);
    sim.wait(5 * SECOND);
    assert_eq!(sim.news(0).len(), 3);
    assert!(sim.news(0).contains(&closed) && sim.news(0).contains(&third));
    sim.crash(0);
    sim.wait(DAY);
    assert_eq!(sim.news(0).len(), 3, "each of them is news once");
}

#[test]
fn who_was_away_hears_of_it_when_they_are_back_and_members_hear_nothing() {
    let (mut sim, _) = Sim::people(822);
    sim.down(0, Crash::Killed);
    let garden = sim.make_with_rule(1, "garden", JoinRule::Invite);
    sim.let_in(1, garden, 2);
    sim.open_to_all(1, garden);
    sim.wait(MINUTE);
    sim.start(0);
    sim.wait(MINUTE);
    assert_eq!(sim.news(0), [garden]);
    assert_eq!(sim.news(2), []);
}

#[test]
fn who_was_cut_off_for_a_while_hears_of_it_when_connected_again() {
    let (mut sim, _) = Sim::people(827);
    sim.wait(5 * MINUTE);
    sim.cut(0, 1);
    sim.wait(MINUTE);
    let garden = sim.make_with_rule(1, "garden", JoinRule::Public);
    sim.wait(MINUTE);
    assert_eq!(sim.news(0), []);
    sim.mend(0, 1);
    sim.wait(2 * MINUTE);
    assert_eq!(sim.news(0), [garden]);
}

#[test]
fn what_blocked_users_list_or_made_is_no_news_until_they_are_unblocked() {
    let (mut sim, _) = Sim::people(823);
    sim.introduce(0, 2);
    sim.wait(MINUTE);
    sim.block(0, 1, true);
    let garden = sim.make_with_rule(1, "garden", JoinRule::Public);
    sim.wait(MINUTE);
    // cy lists what bo made.
    let found = sim.ask(2, Command::PublicRooms).expect("up").expect("asked");
    sim.wait(5 * SECOND);
    drop(found);
    let found = sim.ask(2, Command::PublicRooms).expect("up").expect("answered");
    sim.show_link(2, &found[0].link).expect("shown");
    sim.wait(HOUR);
    assert_eq!(sim.standing(2, &garden), Some(rooms::Standing::Member));
    assert_eq!(sim.news(0), []);
    sim.block(0, 1, false);
    sim.wait(HOUR);
    assert_eq!(sim.news(0), [garden]);
}

#[test]
fn rooms_near_by_are_news_and_their_makers_are_told_nothing() {
    let mut sim = Sim::with(824, &["ada", "bo"]);
    let garden = sim.make_with_rule(1, "garden", JoinRule::Public);
    sim.wait(MINUTE);
    assert_eq!(sim.news(0), []);
    sim.is_seen_near(0, 1);
    sim.wait(30 * SECOND);
    assert_eq!(sim.news(0), [garden]);
    // To strangers nothing is said of a new one: it is found when they are asked again.
    sim.make_with_rule(1, "orchard", JoinRule::Public);
    sim.wait(MINUTE);
    assert_eq!(sim.news(0), [garden]);
}

#[test]
fn a_stranger_who_says_that_there_is_something_new_is_not_asked() {
    let (mut sim, _) = Sim::people(825);
    sim.make_with_rule(2, "cellar", JoinRule::Public);
    sim.wait(MINUTE);
    let (stranger, friend) = (sim.nodes[2].peer, sim.nodes[1].peer);
    assert_eq!(sim.nodes[0].hears_that_rooms_changed(stranger, sim.now), 0);
    let asked = sim.nodes[0].hears_that_rooms_changed(friend, sim.now);
    assert_eq!(asked, 1, "a contact is");
    // … and once, however often they say so.
    for _ in 0..100 {
        assert_eq!(sim.nodes[0].hears_that_rooms_changed(friend, sim.now), 1);
    }
    assert_eq!(sim.news(0), []);
}

#[test]
fn one_peer_has_readers_told_of_few_rooms() {
    let (mut sim, _) = Sim::people(826);
    sim.wait(MINUTE);
    // bo lists as many as fit, and then others in their place.
    let friend = sim.nodes[1].peer;
    let mut lists: Vec<Vec<ListedRoom>> = Vec::new();
    for part in 0..3 {
        let mut list = Vec::new();
        for n in 0..20 {
            let room = sim.make_with_rule(1, &format!("{part}-{n}"), JoinRule::Public);
            list.push(sim.listing(1, room));
        }
        lists.push(list);
    }
    for list in lists {
        sim.nodes[0].hears_listed(friend, list, sim.now);
    }
    sim.wait(HOUR);
    assert_eq!(sim.news(0).len(), 32);
    let heard = rooms::all_heard(sim.nodes[0].store()).expect("readable");
    assert_eq!(heard.len(), 32);
    // What is not listed for long makes room for what is.
    sim.down(1, Crash::Killed);
    sim.wait(32 * DAY);
    assert_eq!(rooms::all_heard(sim.nodes[0].store()).expect("readable").len(), 0);
}
