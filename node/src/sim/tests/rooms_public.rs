//! Public rooms: found at contacts, proved as far as they can be, and joined without anybody's leave.

use parlour_crypto::{History, JoinRule, ListedRoom, RoomLink};
use parlour_net::NetEvent;
use parlour_store::rooms::{self, Standing};

use super::*;
use crate::engine::{NewRoom, PolicyChange, PublicRoom, RoomAct, RoomError};

impl Sim {
    fn make_public(&mut self, by: usize, name: &str) -> ConversationId {
        let new = NewRoom {
            name: name.to_owned(),
            topic: None,
            policy: PolicyChange {
                join: Some(JoinRule::Public),
                history: Some(History::All),
                ..PolicyChange::default()
            },
        };
        self.ask(by, |reply| Command::MakeRoom(new, reply))
            .expect("up")
            .expect("a room")
    }

    /// The public rooms that a node hears of.
    fn discover(&mut self, who: usize) -> Vec<PublicRoom> {
        self.ask(who, Command::PublicRooms).expect("up").expect("asked");
        self.wait(5 * SECOND);
        self.ask(who, Command::PublicRooms).expect("up").expect("answered")
    }

    fn join_public(&mut self, who: usize, room: &PublicRoom) -> Result<ConversationId, RoomError> {
        let link = room.link.clone();
        let joined = self.ask(who, |reply| Command::JoinByLink(link, reply)).expect("up");
        self.wait(30 * SECOND);
        joined
    }
}

#[test]
fn public_rooms_of_contacts_are_found_and_joined_and_others_are_not_listed() {
    let (mut sim, _) = Sim::people(731);
    let garden = sim.make_public(1, "garden");
    sim.tell(1, garden, "the beans are up");
    let closed = sim.make_room(1, "cellar", History::All);
    let found = sim.discover(0);
    let listed: Vec<_> = found
        .iter()
        .map(|room| (room.room, room.creator, room.name.as_str()))
        .collect();
    assert_eq!(listed, [(garden, sim.user(1), "garden")]);
    assert!(found.iter().all(|room| room.room != closed));
    assert_eq!(sim.join_public(0, &found[0]), Ok(garden));
    assert_eq!(
        sim.standing(0, &garden),
        Some(Standing::Member),
        "nobody had to do anything"
    );
    sim.tell(0, garden, "hello");
    sim.wait(30 * SECOND);
    for who in [0, 1] {
        assert_eq!(sim.members_at(who, &garden), [0, 1]);
        assert_eq!(sim.plain_texts(who, &garden), ["the beans are up", "hello"]);
    }
    // cy knows bo alone, and any member lists the room: also one whose first operation is not the only one any more.
    let found = sim.discover(2);
    assert_eq!(found.len(), 1);
    assert_eq!(sim.join_public(2, &found[0]), Ok(garden));
    assert_eq!(sim.members_at(1, &garden), [0, 1, 2]);
    let rule = PolicyChange {
        join: Some(JoinRule::Invite),
        ..PolicyChange::default()
    };
    sim.in_room(1, garden, RoomAct::Policy(rule)).expect("ruled");
    sim.wait(15 * MINUTE);
    assert_eq!(sim.discover(0).len(), 0, "what is public no more is not listed");
}

#[test]
fn public_rooms_of_strangers_are_found_where_they_are_near() {
    let mut sim = Sim::with(736, &["ada", "bo"]);
    let garden = sim.make_public(1, "garden");
    assert_eq!(sim.discover(0).len(), 0);
    // Nobody is asked again at once.
    sim.wait(2 * MINUTE);
    for (who, other) in [(0, 1), (1, 0)] {
        let found = NetEvent::DiscoveredLan {
            peer: sim.nodes[other].peer,
            addresses: vec![crate::sim::network::address_of(other)],
        };
        sim.turn(who, Input::Net(found));
    }
    let found = sim.discover(0);
    assert_eq!(found.iter().map(|room| room.room).collect::<Vec<_>>(), [garden]);
    assert_eq!(sim.join_public(0, &found[0]), Ok(garden));
    sim.tell(1, garden, "you live next door");
    sim.wait(MINUTE);
    assert_eq!(sim.plain_texts(0, &garden), ["you live next door"]);
}

#[test]
fn who_is_banned_from_a_public_room_stays_out_of_it() {
    let (mut sim, _) = Sim::people(732);
    let garden = sim.make_public(1, "garden");
    let found = sim.discover(0);
    sim.join_public(0, &found[0]).expect("joined");
    let ban = RoomAct::Remove {
        user: sim.user(0),
        ban: true,
        purge: false,
        reason: String::new(),
    };
    sim.in_room(1, garden, ban).expect("banned");
    sim.wait(MINUTE);
    let found = sim.discover(0);
    sim.join_public(0, &found[0]).expect("asked");
    assert!(matches!(
        sim.standing(0, &garden),
        Some(Standing::Asked { refused: Some(5), .. })
    ));
    assert_eq!(sim.members_at(1, &garden), [1]);
    assert!(sim.in_room(0, garden, RoomAct::Join).is_err(), "nor by themselves");
}

#[test]
fn two_rooms_of_one_name_are_two_rooms() {
    let (mut sim, _) = Sim::people(733);
    sim.make_public(0, "garden");
    sim.make_public(2, "garden");
    let found = sim.discover(1);
    let mut makers: Vec<_> = found.iter().map(|room| room.creator).collect();
    let mut expected = vec![sim.user(0), sim.user(2)];
    makers.sort_unstable();
    expected.sort_unstable();
    assert_eq!(makers, expected);
    for room in &found {
        assert_eq!(sim.join_public(1, room), Ok(room.room), "each link leads into its own");
    }
    let slugs = rooms::all(sim.nodes[1].store()).expect("readable").into_iter();
    let slugs: Vec<String> = slugs.map(|(_, row)| row.slug).collect();
    assert_eq!(slugs, ["garden", "garden-2"]);
}

#[test]
fn nobody_lists_a_room_as_what_it_is_not() {
    let (mut sim, _) = Sim::people(734);
    let garden = sim.make_public(1, "garden");
    let other = sim.make_public(1, "orchard");
    let mut real = Vec::new();
    for room in [garden, other] {
        let no = sim.number_of(1, &room).expect("there");
        let id = rooms::get(sim.nodes[1].store(), no)
            .expect("readable")
            .expect("a room")
            .heads[0];
        real.push(sim.event(1, &id).to_wire());
    }
    let found = sim.discover(0);
    let link = found
        .iter()
        .find(|room| room.room == garden)
        .expect("listed")
        .link
        .clone();
    let peer = parlour_net::PeerId::from_bytes(&RoomLink::parse(&link).expect("a link").invite.peer).expect("a peer");
    let listed = |create: &[u8], link: &str| ListedRoom {
        create: create.to_vec(),
        link: link.to_owned(),
        name: "garden".to_owned(),
        topic: String::new(),
        members: 1,
        ext: Vec::new(),
    };
    let lies = vec![
        listed(&real[1], &link),
        listed(&real[0][..real[0].len() - 1], &link),
        listed(b"nothing", &link),
        listed(&real[0], "parlour:AQABAQ"),
        listed(&real[0], ""),
    ];
    assert_eq!(sim.nodes[2].hears_listed(peer, lies, sim.now), 0);
    let true_one = vec![listed(&real[0], &link)];
    let somebody = parlour_net::PeerId::random();
    assert_eq!(
        sim.nodes[2].hears_listed(somebody, true_one.clone(), sim.now),
        0,
        "each lists what leads to themselves"
    );
    assert_eq!(sim.nodes[2].hears_listed(peer, true_one, sim.now), 1);
}

#[test]
fn what_is_listed_is_remembered_for_a_while_and_no_more() {
    let (mut sim, _) = Sim::people(735);
    sim.make_public(1, "garden");
    assert_eq!(sim.discover(0).len(), 1);
    sim.down(1, Crash::Killed);
    sim.wait(5 * MINUTE);
    assert_eq!(sim.discover(0).len(), 1);
    sim.wait(10 * MINUTE);
    assert_eq!(sim.discover(0).len(), 0);
}
