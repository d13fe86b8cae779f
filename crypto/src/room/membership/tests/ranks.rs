//! Who may do what, and what of it is void.

use super::*;

#[test]
fn a_room_grows_by_invites_and_its_ranks_are_given_from_above() {
    let (world, _) = room();
    let membership = world.fold();
    let state = membership.state();
    assert!(state.dropped.is_empty(), "{:?}", state.dropped);
    assert_eq!(state.owner(), Some(&user(OWEN)));
    let ranks = [OWEN, ANN, BOB, CAT, DAN].map(|who| state.rank(&user(who)));
    assert_eq!(
        ranks,
        [Rank::Owner, Rank::Admin, Rank::Moderator, Rank::Member, Rank::Member]
    );
    assert_eq!(state.devices().len(), 10);
    assert_eq!(state.info.name.as_deref(), Some("Room"));
    assert_eq!(membership.heads().len(), 1);
}

#[test]
fn nobody_acts_on_an_equal_or_above_themselves() {
    let (mut world, head) = room();
    let refused = [
        (ANN, remove(OWEN), Dropped::NotAbove),
        (BOB, remove(ANN), Dropped::NotAbove),
        (CAT, remove(DAN), Dropped::NoRight),
        (BOB, role(CAT, 2), Dropped::NoRight),
        (ANN, role(CAT, 4), Dropped::NoRight),
        (ANN, role(ANN, 3), Dropped::AboutOneself),
        (BOB, remove(BOB), Dropped::AboutOneself),
        (ANN, transfer(ANN), Dropped::NoRight),
        (OWEN, Act::Leave, Dropped::OwnerStays),
        (OWEN, transfer(9), Dropped::NoConsent),
        (OWEN, role(9, 3), Dropped::NoConsent),
        (BOB, Act::Policy(Policy::default()), Dropped::NoRight),
        (CAT, named("Mine"), Dropped::NoRight),
        (CAT, join(head), Dropped::IsMember),
        (9, join(head), Dropped::NotInvited),
        (9, remove(CAT), Dropped::NoRight),
    ];
    for (who, act, why) in refused {
        let said = format!("{who} {act:?}");
        let id = world.act((who, 0), &[head], act);
        assert_eq!(world.dropped(id), Some(why), "{said}");
    }
    assert_eq!(world.rank(CAT), Rank::Member);
    assert_eq!(world.rank(9), Rank::Nobody);
}

#[test]
fn what_the_removed_does_beside_or_before_the_removal_unseen_is_void() {
    let (mut world, head) = room();
    let removal = world.act((OWEN, 0), &[head], remove(ANN));
    // Back-dated: Ann says that she knew nothing of it.
    let revenge = world.act((ANN, 0), &[head], remove(BOB));
    let planted = world.act((ANN, 1), &[head], invite(9));
    let came = world.act((9, 0), &[planted], join(planted));
    assert_eq!(world.dropped(revenge), Some(Dropped::NoRight));
    assert_eq!(world.dropped(planted), Some(Dropped::NoRight));
    assert_eq!(world.dropped(came), Some(Dropped::NotInvited));
    assert_eq!(world.rank(BOB), Rank::Moderator);
    let late = world.act((ANN, 0), &[removal, revenge], remove(CAT));
    assert_eq!(world.dropped(late), Some(Dropped::NoRight));
    assert_eq!((world.rank(ANN), world.rank(CAT)), (Rank::Nobody, Rank::Member));
}

#[test]
fn what_the_removed_did_with_the_removers_knowledge_stands() {
    let (mut world, head) = room();
    let done = world.act((ANN, 0), &[head], remove(DAN));
    world.act((OWEN, 0), &[done], remove(ANN));
    assert_eq!((world.rank(ANN), world.rank(DAN)), (Rank::Nobody, Rank::Nobody));
}

#[test]
fn a_demotion_voids_what_the_lower_rank_cannot_do_and_leaves_the_rest() {
    let (mut world, head) = room();
    world.act((OWEN, 0), &[head], role(ANN, 2));
    let high = world.act((ANN, 0), &[head], remove(BOB));
    let low = world.act((ANN, 1), &[head], invite(9));
    assert_eq!(world.dropped(high), Some(Dropped::NoRight));
    assert_eq!(world.dropped(low), None);
}

#[test]
fn two_admins_cannot_remove_each_other_not_even_at_once() {
    let (mut world, head) = room();
    let head = world.act((OWEN, 0), &[head], role(BOB, 4));
    let one = world.act((ANN, 0), &[head], remove(BOB));
    let other = world.act((BOB, 0), &[head], remove(ANN));
    assert_eq!(world.dropped(one), Some(Dropped::NotAbove));
    assert_eq!(world.dropped(other), Some(Dropped::NotAbove));
    assert_eq!((world.rank(ANN), world.rank(BOB)), (Rank::Admin, Rank::Admin));
}

#[test]
fn whom_a_higher_hand_raises_at_the_same_time_is_out_of_reach() {
    let (mut world, head) = room();
    world.act((OWEN, 0), &[head], role(CAT, 3));
    world.act((BOB, 0), &[head], remove(CAT));
    assert_eq!(world.rank(CAT), Rank::Moderator);
    // An admin's removal reaches a moderator whom the owner makes one at the same time.
    world.act((ANN, 0), &[head], remove(CAT));
    assert_eq!(world.rank(CAT), Rank::Nobody);
}

#[test]
fn concurrent_ranks_by_equals_meet_at_the_lower_one() {
    let (mut world, head) = room();
    world.act((OWEN, 0), &[head], role(CAT, 4));
    world.act((OWEN, 1), &[head], role(CAT, 3));
    assert_eq!(world.rank(CAT), Rank::Moderator);
}

#[test]
fn the_room_is_handed_over_once() {
    let (mut world, head) = room();
    let given = world.act((OWEN, 0), &[head], transfer(ANN));
    assert_eq!((world.rank(ANN), world.rank(OWEN)), (Rank::Owner, Rank::Admin));
    world.act((ANN, 0), &[given], remove(OWEN));
    assert_eq!(world.rank(OWEN), Rank::Nobody);
    // What the giver did as owner without having seen their own gift, on another device or in a second history.
    let planted = world.act((OWEN, 1), &[head], role(CAT, 4));
    let second = world.act((OWEN, 0), &[head], role(DAN, 4));
    for id in [planted, second] {
        assert_eq!(world.dropped(id), Some(Dropped::NoRight));
    }
    assert_eq!(world.rank(ANN), Rank::Owner);
}

#[test]
fn a_room_given_to_two_at_once_has_no_owner_and_the_giver_nothing_back() {
    let (mut world, head) = room();
    let given = world.act((OWEN, 0), &[head], transfer(ANN));
    world.act((ANN, 0), &[given], remove(OWEN));
    world.act((OWEN, 1), &[head], transfer(CAT));
    assert_eq!(world.fold().state().owner(), None);
    assert_eq!(world.rank(OWEN), Rank::Nobody);
    assert_eq!((world.rank(ANN), world.rank(CAT)), (Rank::Admin, Rank::Member));
    // To the same user twice is no dispute.
    let (mut world, head) = room();
    world.act((OWEN, 0), &[head], transfer(ANN));
    world.act((OWEN, 1), &[head], transfer(ANN));
    assert_eq!(world.rank(ANN), Rank::Owner);
}

#[test]
fn an_admin_of_two_histories_gains_nothing_after_the_removal() {
    let (mut world, head) = room();
    let seen = world.act((ANN, 0), &[head], named("Seen"));
    world.act((OWEN, 0), &[seen], remove(ANN));
    let same_number = world.act((ANN, 0), &[head], remove(BOB));
    assert_eq!(world.get(&same_number).op_seq, world.get(&seen).op_seq);
    assert_eq!(world.dropped(same_number), Some(Dropped::NoRight));
    assert_eq!(world.dropped(seen), None);
    assert!(world.fold().state().forked.contains(&device((ANN, 0))));
    assert_eq!(world.fold().state().forked.len(), 1);
}

#[test]
fn numbers_that_do_not_follow_are_void() {
    let (mut world, head) = room();
    let last = world
        .operations
        .iter()
        .filter(|operation| operation.device == device((OWEN, 0)))
        .map(|operation| operation.op_seq)
        .max()
        .unwrap();
    for number in [0, 1, last, last + 2, u32::MAX - 1, u32::MAX] {
        let id = world.act_as_number((OWEN, 0), &[head], number, remove(CAT));
        assert_eq!(world.dropped(id), Some(Dropped::OutOfSequence), "{number}");
    }
    // The one behind the greatest number does not wrap around.
    let top = world.act_as_number((DAN, 0), &[head], u32::MAX, Act::Leave);
    let after = world.act_as_number((DAN, 0), &[top], 0, Act::Leave);
    assert_eq!(world.dropped(after), Some(Dropped::OutOfSequence));
    assert_eq!(world.rank(CAT), Rank::Member);
}
