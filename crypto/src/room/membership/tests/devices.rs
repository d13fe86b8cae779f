//! What ends a device.

use super::*;

#[test]
fn a_revoked_device_ends_and_whoever_stands_above_ends_what_it_dates_back() {
    let (mut world, head) = room();
    let seen = world.act((ANN, 1), &[head], named("Seen"));
    let revoked = world.list((ANN, 0), &[seen], list(ANN, 2, &[0], &[1]));
    let after = world.act((ANN, 1), &[revoked], named("Stolen later"));
    let beside = world.act((ANN, 1), &[seen], named("Stolen"));
    // An old list, said again by the revoked device, brings nothing back.
    world.list((ANN, 1), &[revoked], list(ANN, 1, &[0, 1], &[]));
    assert_eq!(world.dropped(after), Some(Dropped::DeviceEnded));
    assert_eq!(world.dropped(beside), None);
    let equal = world.act((BOB, 0), &[revoked], remove_device(ANN, 1));
    assert_eq!(world.dropped(equal), Some(Dropped::NotAbove));
    world.act((OWEN, 0), &[revoked], remove_device(ANN, 1));
    assert_eq!(world.dropped(beside), Some(Dropped::NoRight));
    assert_eq!(world.dropped(seen), None);
    let membership = world.fold();
    assert_eq!(membership.state().info.name.as_deref(), Some("Seen"));
    assert_eq!(membership.state().rank(&user(ANN)), Rank::Admin);
    assert_eq!(membership.state().members[&user(ANN)].devices, [device((ANN, 0))]);
}

#[test]
fn a_list_ends_no_device_of_another_user() {
    let (mut world, head) = room();
    let mut hostile = list(CAT, 2, &[0], &[]);
    hostile.revoked = vec![device((OWEN, 0)), device((OWEN, 1))];
    let said = world.list((CAT, 0), &[head], hostile);
    let after = world.act((OWEN, 0), &[said], named("After"));
    assert_eq!(world.dropped(after), None);
    assert_eq!(world.fold().state().members[&user(OWEN)].devices.len(), 2);
}

#[test]
fn an_owners_list_ends_what_their_device_dates_back() {
    let (mut world, head) = room();
    world.list((OWEN, 1), &[head], list(OWEN, 2, &[1], &[0]));
    let stolen = world.act((OWEN, 0), &[head], remove(ANN));
    assert_eq!(world.dropped(stolen), Some(Dropped::DeviceEnded));
    assert_eq!(world.rank(ANN), Rank::Admin);
}

/// By a list that revokes the device that did it, or by leaving, as if nothing had been seen of it.
#[test]
fn nobody_undoes_what_they_did_themselves() {
    let (mut world, head) = room();
    let root = world.operations[0].id;
    let joined = world
        .operations
        .iter()
        .find(|operation| operation.user == user(ANN))
        .unwrap()
        .id;
    let came = world.join(9, &[head], (ANN, 0));
    let gone = world.act((ANN, 0), &[came], remove(DAN));
    let given = world.act((OWEN, 0), &[gone], transfer(ANN));
    let before = world.fold().state().members.clone();
    world.list((OWEN, 1), &[root], list(OWEN, 2, &[1], &[0]));
    world.list((ANN, 1), &[joined], list(ANN, 2, &[1], &[0]));
    let after = world.fold().state().members.clone();
    assert_eq!(world.dropped(given), None);
    let ranks = |members: &BTreeMap<UserId, Member>| {
        members
            .iter()
            .map(|(user, member)| (*user, member.rank))
            .collect::<Vec<_>>()
    };
    assert_eq!(ranks(&after), ranks(&before));
    assert_eq!(after[&user(ANN)].devices, [device((ANN, 1))]);

    let (mut world, head) = room();
    let joined = world
        .operations
        .iter()
        .find(|operation| operation.user == user(CAT))
        .unwrap()
        .id;
    world.join(9, &[head], (CAT, 0));
    world.act((CAT, 1), &[joined], Act::Leave);
    assert_eq!((world.rank(CAT), world.rank(9)), (Rank::Nobody, Rank::Member));
}

#[test]
fn a_recovered_list_ends_all_devices_but_its_own_and_later_ones() {
    let (mut world, head) = room();
    let mut recovered = list(ANN, 1 << 31, &[2], &[]);
    recovered.recovered = true;
    let recovery = world.list((ANN, 2), &[head], recovered);
    let old = world.act((ANN, 0), &[recovery], named("Old"));
    world.list((ANN, 3), &[recovery], list(ANN, (1 << 31) + 1, &[2, 3], &[]));
    let new = world.act((ANN, 2), &[recovery], named("New"));
    assert_eq!(world.dropped(old), Some(Dropped::DeviceEnded));
    assert_eq!(world.dropped(new), None);
    let mut devices = [device((ANN, 2)), device((ANN, 3))];
    devices.sort_unstable();
    assert_eq!(world.fold().state().members[&user(ANN)].devices, devices);
}

#[test]
fn what_was_seen_of_the_removed_and_of_ended_devices_is_kept() {
    let (mut world, head) = room();
    let seen = |number, log, seq| LastSeq {
        device: device((CAT, number)),
        log,
        seq,
    };
    let removal = |only: Option<u8>, logs| Act::Remove {
        user: user(CAT),
        device: only.map(|number| device((CAT, number))),
        ban: false,
        purge: false,
        logs,
        reason: String::new(),
    };
    assert!(world.fold().state().ends.is_empty() && world.fold().state().device_ends.is_empty());
    // By somebody who may not, and of another device than the one that is removed.
    world.act((DAN, 0), &[head], removal(Some(1), vec![seen(1, 1, 99)]));
    let one = world.act(
        (OWEN, 0),
        &[head],
        removal(Some(1), vec![seen(0, 1, 50), seen(1, 1, 5)]),
    );
    let other = world.act((ANN, 0), &[head], removal(Some(1), vec![seen(1, 1, 7), seen(1, 2, 1)]));
    let state = world.fold().state().clone();
    assert!(!state.ends.contains_key(&user(CAT)));
    assert_eq!(
        state.device_ends[&(user(CAT), device((CAT, 1)))].logs,
        [seen(1, 1, 7), seen(1, 2, 1)]
    );
    let revoked = world.list((CAT, 0), &[one, other], list(CAT, 2, &[], &[0]));
    assert_eq!(
        world.fold().state().device_ends[&(user(CAT), device((CAT, 0)))],
        Ending::default()
    );
    let gone = world.act((OWEN, 0), &[revoked], removal(None, vec![seen(0, 1, 3)]));
    let ending = Ending {
        logs: vec![seen(0, 1, 3)],
        purges: false,
    };
    let ends = BTreeMap::from([(gone, ending)]);
    assert_eq!(world.fold().state().ends[&user(CAT)], ends);
    world.join(CAT, &[gone], (OWEN, 0));
    assert_eq!(world.fold().state().ends[&user(CAT)], ends, "also when they are back");
}
