//! How one comes in, and how not.

use super::*;

#[test]
fn a_removal_beats_a_join_beside_it_and_a_used_invite_is_used() {
    let (mut world, head) = room();
    let invited = world.act((CAT, 0), &[head], invite(9));
    let banned = world.act((BOB, 0), &[head], ban(9));
    world.act((9, 0), &[invited], join(invited));
    assert_eq!(world.rank(9), Rank::Nobody);
    let again = world.act((9, 1), &[invited, banned], join(invited));
    assert_eq!(world.dropped(again), Some(Dropped::Banned));
    assert!(world.fold().state().banned.contains(&user(9)));

    let unbanned = world.act((BOB, 0), &[banned, invited], Act::Unban { user: user(9) });
    let stale = world.act((9, 1), &[unbanned], join(invited));
    assert_eq!(
        world.dropped(stale),
        Some(Dropped::NotInvited),
        "the ban came after the invite"
    );
    world.join(9, &[unbanned], (CAT, 0));
    assert_eq!(world.rank(9), Rank::Member);
}

#[test]
fn who_left_comes_back_by_a_new_invite_alone() {
    let (mut world, head) = room();
    let joined = world
        .operations
        .iter()
        .find(|operation| operation.user == user(CAT))
        .unwrap();
    let invited = joined.parents[0];
    let left = world.act((CAT, 0), &[head], Act::Leave);
    assert_eq!(world.rank(CAT), Rank::Nobody);
    let back = world.act((CAT, 0), &[left], join(invited));
    assert_eq!(world.dropped(back), Some(Dropped::NotInvited));
    let raised = world.act((OWEN, 0), &[left], role(CAT, 3));
    assert_eq!(world.dropped(raised), Some(Dropped::NoConsent));
    world.join(CAT, &[back], (OWEN, 0));
    assert_eq!(world.rank(CAT), Rank::Member);
}

#[test]
fn policies_that_do_not_know_of_each_other_meet_at_the_stricter_one() {
    let (mut world, head) = room();
    let open = Policy {
        join: JoinRule::Public as u8,
        post: 4,
        ..Policy::default()
    };
    let closed = Policy {
        join: JoinRule::Invite as u8,
        expires_after_ms: Some(60_000),
        ..Policy::default()
    };
    let opened = world.act((OWEN, 0), &[head], Act::Policy(open));
    let free = Act::Join {
        invite: None,
        device_list: Vec::new(),
    };
    let came = world.act((9, 0), &[opened], free.clone());
    assert_eq!(world.dropped(came), None);
    let strict = world.act((ANN, 0), &[head], Act::Policy(closed));
    assert_eq!(world.dropped(came), None, "it was public as far as they knew");
    let late = world.act((8, 0), &[opened, strict], free);
    assert_eq!(world.dropped(late), Some(Dropped::NotInvited));
    let policy = world.fold().state().policy.clone();
    assert_eq!(
        (policy.join, policy.post, policy.expires_after_ms),
        (0, 4, Some(60_000))
    );
}

#[test]
fn links_end_by_time_number_and_revocation() {
    let (mut world, head) = room();
    let link = |uses, expires| Act::Link {
        token: [1; 32],
        role: 2,
        uses,
        expires,
    };
    let with = |link, number, who| Act::Invite {
        user: user(who),
        role: 2,
        link: Some(LinkUse { link, number }),
    };
    let free = world.act((CAT, 0), &[head], link(None, Some(5000)));
    let used = world.act((DAN, 0), &[free], with(free, 0, 9));
    assert_eq!(world.dropped(used), None);
    world.operations.last_mut().unwrap().clock = 5000;
    assert_eq!(world.dropped(used), Some(Dropped::NoLink), "it has ended");

    let limited = world.act((CAT, 0), &[free], link(Some(2), None));
    let other = world.act((DAN, 0), &[limited, used], with(limited, 1, 10));
    assert_eq!(
        world.dropped(other),
        Some(Dropped::NoLink),
        "another device counts for nobody"
    );
    let first = world.act((CAT, 0), &[limited], with(limited, 1, 10));
    let again = world.act((CAT, 0), &[first], with(limited, 1, 11));
    assert_eq!(world.dropped(again), Some(Dropped::NoLink), "a number is used once");
    let beyond = world.act((CAT, 0), &[again], with(limited, 3, 11));
    assert_eq!(world.dropped(beyond), Some(Dropped::NoLink));
    let revoked = world.act((CAT, 0), &[beyond], Act::RevokeLink { link: limited });
    let late = world.act((CAT, 0), &[revoked], with(limited, 2, 11));
    assert_eq!(world.dropped(late), Some(Dropped::NoLink), "it was revoked");
    let state = world.fold();
    assert!(!state.state().links.contains_key(&limited));
    assert_eq!(state.state().invited[&user(10)].invite, first);
    let stranger = world.act((9, 0), &[revoked], Act::RevokeLink { link: free });
    assert_eq!(world.dropped(stranger), Some(Dropped::NoRight));
}

#[test]
fn when_somebody_came_and_under_which_rule_follows_from_the_join_alone() {
    let (mut world, head) = room();
    let of = |world: &World, who| world.fold().state().members[&user(who)].clone();
    let first = world
        .operations
        .iter()
        .find(|operation| operation.user == user(CAT))
        .unwrap()
        .id;
    assert_eq!((of(&world, CAT).came, of(&world, CAT).history), (Some(first), 1));
    assert_eq!(of(&world, OWEN).came, Some(world.operations[0].id));
    let all = Policy {
        history: 3,
        ..Policy::default()
    };
    let opened = world.act((OWEN, 0), &[head], Act::Policy(all));
    assert_eq!(
        of(&world, CAT).history,
        1,
        "who came before the rule came by the old one"
    );
    let removed = world.act((OWEN, 0), &[opened], remove(CAT));
    let back = world.join(CAT, &[removed], (OWEN, 0));
    assert_eq!((of(&world, CAT).came, of(&world, CAT).history), (Some(back), 3));
    let then = world.fold().state_at(&[head]).unwrap();
    assert_eq!(
        then.members[&user(CAT)].came,
        Some(first),
        "in an earlier view it is the earlier one"
    );
    // Given the room by a join that does not count: they came by that.
    let alone = world.act((9, 0), &[back], join(back));
    world.act((OWEN, 0), &[alone], transfer(9));
    assert_eq!(of(&world, 9).came, Some(alone));
}

#[test]
fn what_happened_is_what_counts_and_nobody_leaves_who_was_not_there() {
    let (mut world, head) = room();
    let stranger = world.act((9, 0), &[head], Act::Leave);
    let invited = world.act((OWEN, 0), &[head], invite(8));
    let left = world.act((CAT, 0), &[head], Act::Leave);
    let void = world.act((DAN, 0), &[left], remove(BOB));
    let removed = world.act((BOB, 0), &[head], remove(DAN));
    let folded = world.fold();
    let told: Vec<EventId> = folded.happened().collect();
    // Made, four who came, two who were raised, and then these two.
    assert_eq!(told.len(), 9);
    for (id, is_told) in [
        (stranger, false),
        (invited, false),
        (left, true),
        (void, false),
        (removed, true),
    ] {
        assert_eq!(
            (told.contains(&id), folded.has_happened(&id)),
            (is_told, is_told),
            "{id}"
        );
    }
    assert!(!folded.has_happened(&EventId::from_bytes([0; 32])));
    let mut turned = world.operations.clone();
    turned.reverse();
    let turned = Membership::fold(ROOM, turned).unwrap();
    let sorted = |folded: &Membership| folded.happened().collect::<BTreeSet<_>>();
    assert_eq!(sorted(&turned), sorted(&folded), "whatever the order");
}
