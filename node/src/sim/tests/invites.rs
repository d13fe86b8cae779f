//! Invites that cannot be used.

use parlour_crypto::Invite;
use parlour_store::contacts::{ContactState, InviteRefusal};

use super::*;
use crate::engine::AddError;

#[test]
fn damaged_own_expired_and_used_invites_are_refused_with_the_reason() {
    let mut sim = Sim::with(1, &["ada", "bo", "cy"]);
    let made = sim.invite(0, 60 * MINUTE, 1);
    let damaged = made.link.replace(&made.link[60..62], "zz");
    assert!(matches!(sim.open_invite(1, &damaged), Err(AddError::Link(_))));
    assert!(matches!(sim.open_invite(1, "parlour:"), Err(AddError::Link(_))));
    assert_eq!(sim.open_invite(0, &made.link), Err(AddError::Own));
    assert_eq!(sim.state_at(1, 0), None, "a refused invite leaves nothing behind");

    let short = sim.invite(0, 1_000, 1);
    sim.wait(10_000);
    assert_eq!(sim.open_invite(1, &short.link), Err(AddError::Expired));

    assert!(sim.open_invite(1, &made.link).is_ok());
    sim.wait(5_000);
    assert_eq!(sim.state_at(1, 0), Some(ContactState::Accepted));
    assert!(sim.open_invite(1, &made.link).expect("it is known").already);
    assert!(
        sim.open_invite(2, &made.link).is_ok(),
        "only the other side knows that it is used"
    );
    sim.wait(5_000);
    let state = sim.state_at(2, 0).expect("a contact");
    assert!(
        matches!(
            state,
            ContactState::Invited {
                refused: Some(InviteRefusal::Used),
                ..
            }
        ),
        "{state:?}"
    );
    assert_eq!(sim.state_at(0, 2), None, "the maker took nobody in");
}

#[test]
fn an_invite_taken_back_or_run_out_on_the_way_says_so() {
    let mut sim = Sim::with(2, &["ada", "bo", "cy"]);
    let revoked = sim.invite(0, 60 * MINUTE, 1);
    sim.ask(0, |reply| Command::RevokeInvite(revoked.token, reply))
        .expect("up")
        .expect("revoked");
    sim.open_invite(1, &revoked.link).expect("opened");
    sim.wait(5_000);
    let state = sim.state_at(1, 0).expect("a contact");
    assert!(
        matches!(
            state,
            ContactState::Invited {
                refused: Some(InviteRefusal::Revoked),
                ..
            }
        ),
        "{state:?}"
    );

    let short = sim.invite(0, MINUTE, 1);
    sim.cut(0, 2);
    sim.open_invite(2, &short.link)
        .expect("opened in time, with nobody there");
    sim.wait(5 * MINUTE);
    sim.mend_all();
    sim.wait(10 * MINUTE);
    let state = sim.state_at(2, 0).expect("a contact");
    assert!(
        matches!(
            state,
            ContactState::Invited {
                refused: Some(InviteRefusal::Expired),
                ..
            }
        ),
        "{state:?}"
    );
}

#[test]
fn an_invite_with_a_wrong_bundle_hash_or_user_makes_no_contact() {
    let mut sim = Sim::with(3, &["ada", "bo"]);
    let made = sim.invite(0, 60 * MINUTE, 1);
    let mut invite = Invite::parse(&made.link).expect("an invite");
    invite.user = sim.user(1);
    assert_eq!(sim.open_invite(1, &invite.to_link()), Err(AddError::Own));
    let mut invite = Invite::parse(&made.link).expect("an invite");
    invite.bundle_hash[0] ^= 1;
    sim.open_invite(1, &invite.to_link()).expect("it looks like an invite");
    sim.wait(MINUTE);
    assert!(matches!(sim.state_at(1, 0), Some(ContactState::Invited { .. })));
    assert_eq!(sim.state_at(0, 1), None);
}
