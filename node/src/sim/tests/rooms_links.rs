//! Links into rooms: whom they let in, and whom not.

use parlour_crypto::History;
use parlour_store::rooms::Standing;

use super::*;
use crate::engine::{RoomAct, RoomError};

impl Sim {
    pub(super) fn link_into(&mut self, by: usize, room: ConversationId, uses: Option<u32>) -> String {
        let made = self.ask(by, |reply| Command::MakeRoomLink {
            room,
            uses,
            valid_ms: 60 * MINUTE,
            reply,
        });
        made.expect("up").expect("a link").link
    }

    pub(super) fn show_link(&mut self, by: usize, link: &str) -> Result<ConversationId, RoomError> {
        let link = link.to_owned();
        self.ask(by, |reply| Command::JoinByLink(link, reply)).expect("up")
    }
}

#[test]
fn a_link_lets_strangers_in_and_makes_no_contacts() {
    let mut sim = Sim::with(49, &["ada", "bo", "cy"]);
    let room = sim.make_room(0, "garden", History::All);
    sim.tell(0, room, "welcome");
    let link = sim.link_into(0, room, None);
    for who in [1, 2] {
        assert_eq!(sim.show_link(who, &link), Ok(room));
        sim.wait(MINUTE);
        assert_eq!(sim.standing(who, &room), Some(Standing::Member), "{who}");
    }
    sim.tell(1, room, "hello");
    sim.wait(MINUTE);
    for who in [0, 1, 2] {
        assert_eq!(sim.plain_texts(who, &room), ["welcome", "hello"]);
        assert_eq!(sim.members_at(who, &room), [0, 1, 2]);
    }
    assert_eq!(sim.state_at(0, 1), None);
    assert_eq!(sim.state_at(1, 0), None);
    assert_eq!(sim.statuses(1, &room)[1], Delivered);
}

#[test]
fn a_limited_link_lets_in_as_many_as_it_says() {
    let mut sim = Sim::with(50, &["ada", "bo", "cy", "di"]);
    let room = sim.make_room(0, "garden", History::All);
    let link = sim.link_into(0, room, Some(2));
    for who in [1, 2, 3] {
        assert_eq!(sim.show_link(who, &link), Ok(room));
    }
    sim.wait(5 * MINUTE);
    let standings: Vec<_> = [1, 2, 3].iter().filter_map(|who| sim.standing(*who, &room)).collect();
    let members = standings
        .iter()
        .filter(|standing| **standing == Standing::Member)
        .count();
    assert_eq!(members, 2, "{standings:?}");
    let used_up = |standing: &&Standing| matches!(standing, Standing::Asked { refused: Some(3), .. });
    assert_eq!(standings.iter().filter(used_up).count(), 1, "{standings:?}");
    assert_eq!(sim.members_at(0, &room).len(), 3);
}

#[test]
fn a_link_does_not_let_in_who_is_banned_and_ends() {
    let mut sim = Sim::with(51, &["ada", "bo"]);
    let room = sim.make_room(0, "garden", History::All);
    let link = sim.link_into(0, room, None);
    assert_eq!(sim.show_link(0, &link), Err(RoomError::OwnLink));
    sim.show_link(1, &link).expect("shown");
    sim.wait(MINUTE);
    let bo = sim.user(1);
    let ban = RoomAct::Remove {
        user: bo,
        ban: true,
        purge: false,
        reason: "spam".to_owned(),
    };
    sim.in_room(0, room, ban).expect("banned");
    sim.wait(MINUTE);
    sim.show_link(1, &link).expect("shown again");
    sim.wait(MINUTE);
    let standing = sim.standing(1, &room);
    assert!(
        matches!(standing, Some(Standing::Asked { refused: Some(5), .. })),
        "{standing:?}"
    );
    sim.wait(60 * MINUTE);
    assert_eq!(sim.show_link(1, &link), Err(RoomError::LinkEnded));
}
