//! What the order, the number and the gaps of operations do to what they come to: nothing.

use super::*;

#[test]
fn what_has_no_way_back_to_the_beginning_waits_or_counts_for_nothing() {
    let (mut world, head) = room();
    let lone = world.act((9, 0), &[], Act::Leave);
    assert_eq!(world.dropped(lone), Some(Dropped::NoRoot));
    // Parents that nobody has, and a circle, which no hash could make.
    let missing = EventId::from_bytes([0xEE; 32]);
    let orphan = world.act((CAT, 0), &[head], named("Orphan"));
    world.operations.last_mut().unwrap().parents.push(missing);
    let [one, other] = [[0xA1; 32], [0xA2; 32]].map(EventId::from_bytes);
    for (id, parent) in [(one, other), (other, one)] {
        let mut circle = world.get(&orphan).clone();
        (circle.id, circle.parents) = (id, vec![parent]);
        world.operations.push(circle);
    }
    let membership = world.fold();
    assert_eq!(membership.state().info.name.as_deref(), Some("Room"));
    assert_eq!(membership.missing(), [missing]);
    assert!(membership.contains(&one) && membership.contains(&orphan));
    assert_eq!(membership.len(), world.operations.len() - 3);
}

#[test]
fn the_last_operation_is_judged_alone_as_with_all_others() {
    let (world, _) = room();
    let mut membership = Membership::fold(ROOM, []).unwrap();
    for (number, operation) in world.operations.iter().enumerate() {
        let applied = membership.apply(operation.clone()).unwrap();
        assert_eq!(applied, Applied::Last);
        let folded = Membership::fold(ROOM, world.operations[..=number].to_vec()).unwrap();
        assert_eq!(membership.state(), folded.state());
        assert_eq!(membership.view(), folded.view());
        assert_eq!(membership.apply(operation.clone()), Ok(Applied::Known));
    }
    let first = world.operations[0].id;
    let then = membership.state_at(&[first]).unwrap();
    assert_eq!(then.members.len(), 1);
    assert_eq!(membership.state_at(&[EventId::from_bytes([1; 32])]), None);
}

/// Devices that act at random on what they happen to know.
fn storm(seed: u64) -> World {
    let mut random = rng(seed);
    let mut pick = |below: usize| random.next_u32() as usize % below;
    let (mut world, head) = room();
    let mut known: Vec<HashSet<EventId>> = vec![world.past(&[head]); 14];
    for _ in 0..30 {
        let who = pick(14);
        let hand = (1 + (who / 2) as u8, (who % 2) as u8);
        if pick(2) == 0 {
            let other = known[pick(14)].clone();
            known[who].extend(other);
        }
        let mut heads: Vec<EventId> = known[who].iter().copied().collect();
        heads.retain(|id| !known[who].iter().any(|other| world.get(other).parents.contains(id)));
        let target = 1 + pick(8) as u8;
        let invites = known[who].iter().filter(
            |id| matches!(&world.get(id).act, Some(Act::Invite { user: invited, .. }) if *invited == user(hand.0)),
        );
        let act = match pick(16) {
            0..=3 => role(target, 1 + pick(4) as u8),
            4 => remove(target),
            5 => remove_device(target, pick(2) as u8),
            6 => ban(target),
            7 => Act::Unban { user: user(target) },
            8 | 9 => invite(target),
            10 | 11 => Act::Join {
                invite: invites.min().copied(),
                device_list: Vec::new(),
            },
            12 => Act::Leave,
            13 => transfer(target),
            14 => Act::Policy(Policy {
                join: pick(4) as u8,
                roles: 3 + pick(3) as u8,
                ..Policy::default()
            }),
            _ => named(&format!("{}", pick(9))),
        };
        let id = match pick(12) {
            0 => world.list(
                hand,
                &heads,
                list(hand.0, 2 + pick(2) as u32, &[0, pick(3) as u8], &[pick(3) as u8]),
            ),
            1 => {
                let mut recovered = list(hand.0, 5, &[pick(2) as u8], &[]);
                recovered.recovered = true;
                world.list(hand, &heads, recovered)
            }
            _ => world.act(hand, &heads, act),
        };
        // One in four forgets what it did, and does something else under the same number.
        if pick(4) > 0 {
            known[who].insert(id);
        }
    }
    world
}

fn shuffle<T>(random: &mut impl Rng, items: &mut [T]) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.next_u32() as usize % (at + 1));
    }
}

#[test]
fn order_repetition_and_partition_do_not_matter() {
    let (mut counted, mut void) = (0, 0);
    for seed in 0..256 {
        let world = storm(seed);
        let mut random = rng(seed ^ 0xF01D);
        let whole = world.fold();
        void += whole.state().dropped.len();
        counted += whole.len() - whole.state().dropped.len();

        let mut repeated = [world.operations.clone(), world.operations.clone()].concat();
        shuffle(&mut random, &mut repeated);
        let folded = Membership::fold(ROOM, repeated.clone()).unwrap();
        assert_eq!(folded.state(), whole.state(), "seed {seed}: order");
        assert_eq!(folded.view(), whole.view());

        // Two parts that grew apart, and one operation after the other.
        let split = random.next_u32() as usize % repeated.len();
        let mut joined = Membership::fold(ROOM, repeated[..split].to_vec()).unwrap();
        for operation in &repeated[split..] {
            joined.apply(operation.clone()).unwrap();
        }
        assert_eq!(joined.state(), whole.state(), "seed {seed}: partition");
        let mut grown = Membership::fold(ROOM, []).unwrap();
        for operation in &world.operations {
            grown.apply(operation.clone()).unwrap();
        }
        assert_eq!(grown.state(), whole.state(), "seed {seed}: one by one");
        let again = whole.state_at(&whole.heads()).unwrap();
        assert_eq!(again, *whole.state());
    }
    assert!(
        counted > 3000 && void > 1000,
        "{counted} count, {void} do not: the storm says little"
    );
}

#[test]
fn whoever_is_removed_at_the_end_and_unopposed_stays_out_whatever_they_date_back() {
    for seed in 0..256 {
        let mut world = storm(seed);
        let membership = world.fold();
        let Some(owner) = membership.state().owner().copied() else {
            continue;
        };
        let number = owner.as_bytes()[0];
        let Some(victim) = membership.state().members.keys().find(|who| **who != owner).copied() else {
            continue;
        };
        let heads = membership.heads();
        let ended = membership.judge.index.ended.contains_key(&(owner, device((number, 0))));
        if ended || heads.len() > 16 {
            continue;
        }
        world.act((number, 0), &heads, remove(victim.as_bytes()[0]));
        let after = world.fold().state().clone();
        assert_eq!(after.rank(&victim), Rank::Nobody, "seed {seed}");
        // From any place in the past the removed tries everything.
        let places: Vec<EventId> = world.operations.iter().map(|operation| operation.id).collect();
        let mut random = rng(seed);
        for _ in 0..20 {
            let place = places[random.next_u32() as usize % (places.len() - 1)];
            let hand = (victim.as_bytes()[0], (random.next_u32() % 2) as u8);
            let act = match random.next_u32() % 4 {
                0 => remove(1 + (random.next_u32() % 7) as u8),
                1 => role(1 + (random.next_u32() % 7) as u8, 1 + (random.next_u32() % 4) as u8),
                2 => invite(20),
                _ => Act::Policy(Policy::default()),
            };
            world.act(hand, &[place], act);
        }
        let later = world.fold().state().clone();
        assert_eq!(later.members, after.members, "seed {seed}");
        assert_eq!(
            (later.policy, later.banned, later.invited),
            (after.policy, after.banned, after.invited)
        );
    }
}

#[test]
fn many_heads_and_long_histories_are_folded() {
    let (mut world, head) = room();
    for number in 0..10_000 {
        world.made += 1;
        let mut copy = world.get(&head).clone();
        copy.id = EventId::from_bytes(hash(Purpose::EVENT_ID, &[b"head", &u32::to_be_bytes(number)]));
        copy.parents = vec![head];
        copy.op_seq += 1;
        world.operations.push(copy);
    }
    let membership = world.fold();
    assert_eq!(membership.heads().len(), 10_000);
    assert_eq!(membership.state().rank(&user(BOB)), Rank::Moderator);
    assert!(membership.state().forked.contains(&device((OWEN, 0))));

    let many = (0..=MAX_OPERATIONS as u32).map(|number| {
        let mut copy = world.get(&head).clone();
        copy.id = EventId::from_bytes(hash(Purpose::EVENT_ID, &[&number.to_be_bytes()]));
        copy
    });
    assert!(matches!(Membership::fold(ROOM, many), Err(TooManyOperations)));
}

#[test]
fn what_is_idle_is_counted_by_its_author_and_taken_where_a_member_builds_on_it() {
    let (mut world, head) = room();
    let idle = |world: &World, who| world.fold().of_user(&user(who)).1;
    assert_eq!((idle(&world, OWEN), idle(&world, 9)), (0, 0));
    let one = world.act((9, 0), &[head], invite(10));
    let two = world.act((9, 0), &[one], invite(11));
    assert_eq!(idle(&world, 9), 2, "they do nothing");
    let mut folded = world.fold();
    let three = world.act((9, 0), &[two], invite(12));
    let four = world.act((9, 0), &[three], invite(13));
    let apply = |folded: &mut Membership, world: &World, id| folded.apply(world.get(&id).clone()).unwrap();
    assert_eq!(apply(&mut folded, &world, four), Applied::Waiting);
    assert_eq!((folded.of_user(&user(9)).1, folded.waiting_of_outsiders()), (3, 1));
    assert!(!folded.is_wanted(&three), "nobody who belongs here misses it");
    let named = world.act((CAT, 0), &[four], invite(14));
    assert_eq!(apply(&mut folded, &world, named), Applied::Waiting);
    assert_eq!(folded.waiting_of_outsiders(), 1);
    assert!(
        folded.is_wanted(&three) && folded.is_wanted(&four),
        "now a member does, behind another one's"
    );
    assert!(!folded.is_wanted(&two) && !folded.is_wanted(&named));
    apply(&mut folded, &world, three);
    assert_eq!(folded.waiting(), 0);
    assert!(folded.state().invited.contains_key(&user(14)));
}
