//! Coming into a room while whoever made the link is away: other members are found among the nodes around.

use parlour_crypto::{Control, History, Rank};
use parlour_net::NetEvent;
use parlour_store::rooms::Standing;

use super::*;
use crate::engine::{PolicyChange, RoomAct};

/// ada made a room, with bo in it, and a link, and is gone. bo and cy are contacts, cy and di, too.
fn without_ada(seed: u64, policy: PolicyChange, uses: Option<u32>) -> (Sim, ConversationId, String) {
    let mut sim = Sim::with(seed, &["ada", "bo", "cy", "di"]);
    for (a, b) in [(0, 1), (1, 2), (2, 3)] {
        sim.introduce(a, b);
    }
    sim.wait(5 * SECOND);
    let room = sim.make_room(0, "garden", History::All);
    sim.let_in(0, room, 1);
    sim.in_room(0, room, RoomAct::Policy(policy)).expect("ruled");
    sim.tell(0, room, "welcome");
    let link = sim.link_into(0, room, uses);
    sim.wait(5 * SECOND);
    sim.down(0, Crash::Killed);
    (sim, room, link)
}

fn asks(sim: &Sim, who: usize, whom: usize) -> bool {
    let waiting = sim.waits_for(who, whom);
    waiting.iter().any(|control| matches!(control, Control::RoomAsk(_)))
}

#[test]
fn another_member_lets_in_who_shows_the_link_of_somebody_who_is_away_and_nobody_else_learns_of_it() {
    let (mut sim, room, link) = without_ada(521, PolicyChange::default(), None);
    sim.show_link(2, &link).expect("shown");
    sim.wait(4 * SECOND);
    assert!(
        matches!(sim.standing(2, &room), Some(Standing::Asked { refused: None, .. })),
        "ada has her time first"
    );
    sim.wait(MINUTE);
    assert_eq!(sim.standing(2, &room), Some(Standing::Member), "by bo");
    assert_eq!(sim.plain_texts(2, &room), ["welcome"]);
    assert_eq!(sim.members_at(1, &room), [0, 1, 2]);
    assert_eq!(sim.number_of(3, &room), None, "di was asked, and learned nothing");
    assert!(!asks(&sim, 2, 3));
    sim.tell(2, room, "hello");
    sim.wait(MINUTE);
    assert_eq!(sim.plain_texts(1, &room), ["welcome", "hello"]);
    sim.start(0);
    sim.wait(5 * MINUTE);
    assert_eq!(sim.members_at(0, &room), [0, 1, 2]);
    assert_eq!(sim.plain_texts(0, &room), ["welcome", "hello"]);
}

#[test]
fn a_link_with_limited_uses_waits_for_whoever_made_it() {
    let (mut sim, room, link) = without_ada(522, PolicyChange::default(), Some(1));
    sim.show_link(2, &link).expect("shown");
    sim.wait(5 * MINUTE);
    let standing = sim.standing(2, &room);
    assert!(
        matches!(standing, Some(Standing::Asked { refused: None, .. })),
        "{standing:?}"
    );
    assert!(!asks(&sim, 2, 1), "bo was not shown the token");
    sim.start(0);
    sim.wait(10 * MINUTE);
    assert_eq!(sim.standing(2, &room), Some(Standing::Member));
}

#[test]
fn a_member_without_the_right_to_invite_lets_nobody_in() {
    let invite = Some(Rank::Moderator);
    let policy = PolicyChange {
        invite,
        ..PolicyChange::default()
    };
    let (mut sim, room, link) = without_ada(523, policy, None);
    sim.show_link(2, &link).expect("shown");
    sim.wait(5 * MINUTE);
    assert!(matches!(
        sim.standing(2, &room),
        Some(Standing::Asked { refused: None, .. })
    ));
    assert!(!asks(&sim, 2, 1));
    // Nor does anybody when its time is over.
    sim.wait(60 * MINUTE);
    let standing = sim.standing(2, &room);
    assert!(
        matches!(standing, Some(Standing::Asked { refused: Some(1), .. })),
        "{standing:?}"
    );
}

#[test]
fn a_member_who_is_a_stranger_is_found_on_the_lan() {
    let mut sim = Sim::with(524, &["ada", "bo", "cy"]);
    sim.introduce(0, 1);
    sim.wait(5 * SECOND);
    let room = sim.make_room(0, "garden", History::All);
    sim.let_in(0, room, 1);
    let link = sim.link_into(0, room, None);
    sim.wait(5 * SECOND);
    sim.down(0, Crash::Killed);
    sim.show_link(2, &link).expect("shown");
    sim.wait(5 * MINUTE);
    assert!(matches!(sim.standing(2, &room), Some(Standing::Asked { .. })));
    let found = NetEvent::DiscoveredLan {
        peer: sim.nodes[1].peer,
        addresses: vec![crate::sim::network::address_of(1)],
    };
    sim.turn(2, Input::Net(found));
    sim.wait(MINUTE);
    assert_eq!(sim.standing(2, &room), Some(Standing::Member));
    sim.tell(1, room, "you found us");
    sim.wait(MINUTE);
    assert_eq!(sim.plain_texts(2, &room), ["you found us"]);
    assert_eq!(sim.state_at(2, 1), None, "they are no contacts");
}

#[test]
fn who_starts_anew_while_they_wait_is_let_in_all_the_same() {
    let (mut sim, room, link) = without_ada(525, PolicyChange::default(), None);
    sim.show_link(2, &link).expect("shown");
    sim.wait(SECOND);
    sim.down(2, Crash::Killed);
    sim.start(2);
    sim.wait(3 * MINUTE);
    assert_eq!(sim.standing(2, &room), Some(Standing::Member));
}
