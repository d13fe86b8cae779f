//! Links into rooms: whom they let in, and whom not.

use parlour_crypto::{History, JoinRule, Rank};
use parlour_store::rooms::{self, Standing};

use super::*;
use crate::engine::{LinkKind, PolicyChange, RoomAct, RoomError};

impl Sim {
    pub(super) fn link_into(&mut self, by: usize, room: ConversationId, uses: Option<u32>) -> String {
        let made = self.ask(by, |reply| Command::MakeRoomLink {
            room,
            kind: LinkKind::Joins(uses),
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

fn doors(join: JoinRule) -> RoomAct {
    RoomAct::Policy(PolicyChange {
        join: Some(join),
        ..PolicyChange::default()
    })
}

#[test]
fn who_knocks_waits_until_somebody_has_decided() {
    let mut sim = Sim::with(115, &["ada", "bo", "cy", "di"]);
    let room = sim.make_room(0, "garden", History::None);
    let knock = |sim: &mut Sim| {
        sim.ask(0, |reply| Command::MakeRoomLink {
            room,
            kind: LinkKind::Knocks,
            valid_ms: 30 * DAY,
            reply,
        })
    };
    let error = knock(&mut sim).expect("up").err();
    assert_eq!(error, Some(RoomError::NoKnocking));
    sim.in_room(0, room, doors(JoinRule::Knock)).expect("ruled");
    let link = knock(&mut sim).expect("up").expect("a link").link;
    for who in [1, 2, 3] {
        sim.show_link(who, &link).expect("shown");
        sim.wait(MINUTE);
        let standing = sim.standing(who, &room);
        assert!(
            matches!(standing, Some(Standing::Asked { refused: None, .. })),
            "{standing:?}"
        );
    }
    let waiting = |sim: &Sim| {
        let no = sim.number_of(0, &room).expect("known");
        let mut all = rooms::requests(sim.nodes[0].store(), Some(no)).expect("readable");
        all.retain(|(_, _, row)| row.is_open());
        all
    };
    assert_eq!(sim.members_at(0, &room), [0]);
    assert_eq!(waiting(&sim).len(), 3);
    // A day later they still do, their sessions with them.
    for who in [1, 2, 3] {
        sim.down(who, Crash::Killed);
    }
    sim.wait(30 * HOUR);
    for who in [1, 2, 3] {
        sim.start(who);
    }
    sim.wait(MINUTE);
    let (bo, cy) = (sim.user(1), sim.user(2));
    sim.in_room(0, room, RoomAct::Invite(bo, Rank::Member)).expect("let in");
    sim.in_room(0, room, RoomAct::TurnAway(cy)).expect("turned away");
    assert_eq!(sim.in_room(0, room, RoomAct::TurnAway(cy)), Err(RoomError::NotAsking));
    sim.wait(20 * MINUTE);
    assert_eq!(sim.standing(1, &room), Some(Standing::Member));
    assert!(matches!(
        sim.standing(2, &room),
        Some(Standing::Asked { refused: Some(0), .. })
    ));
    assert_eq!(sim.members_at(0, &room), [0, 1]);
    assert_eq!(waiting(&sim).len(), 1, "di");
    for who in [0, 1, 2, 3] {
        sim.down(who, Crash::Killed);
    }
    sim.wait(7 * DAY);
    for who in [0, 3] {
        sim.start(who);
    }
    sim.wait(20 * MINUTE);
    assert_eq!(waiting(&sim).len(), 0);
    assert!(matches!(
        sim.standing(3, &room),
        Some(Standing::Asked { refused: Some(0), .. })
    ));
    // Whoever has no link that knocks, and was not asked, is not let in by name.
    let di = sim.user(3);
    assert_eq!(
        sim.in_room(0, room, RoomAct::Invite(di, Rank::Member)),
        Err(RoomError::NotContact)
    );
}

#[test]
fn a_link_that_was_taken_back_lets_in_nobody() {
    let mut sim = Sim::with(116, &["ada", "bo"]);
    let room = sim.make_room(0, "garden", History::None);
    let link = sim.link_into(0, room, None);
    let revoke = || RoomAct::RevokeLink(link.clone());
    sim.in_room(0, room, revoke()).expect("revoked");
    assert_eq!(sim.in_room(0, room, revoke()), Err(RoomError::NoSuchLink));
    sim.show_link(1, &link).expect("shown");
    sim.wait(MINUTE);
    let standing = sim.standing(1, &room);
    assert!(
        matches!(standing, Some(Standing::Asked { refused: Some(2), .. })),
        "{standing:?}"
    );
}
