//! What is deleted, has had its time, or was viewed.

use parlour_crypto::{Body, EventId, Message};
use parlour_store::annotations::{self, bodiless};
use parlour_store::view::{Absent, Shown, state};
use parlour_store::{Batch, Damage, Txn, events};

use crate::plan::{look, say};
use crate::world::{CONVERSATION, MESSAGES, NOW, START, Said, World, take};

#[test]
fn what_is_due_is_erased_in_time_and_not_before() {
    let world = World::new();
    let all = say(&world, &[(1, 0, 0, 5, 0)]);
    let mut txn = world.store.begin();
    take(&mut txn, &all.iter().collect::<Vec<_>>());
    let due = START + 5 + 60_000;
    assert_eq!(annotations::next_due(&txn).unwrap(), Some(due));
    let early = annotations::erase_due(&mut txn, due - 1).unwrap();
    assert!(early.changed.is_empty());
    assert!(look(&world, &txn, &all).bodies[5]);
    let late = annotations::erase_due(&mut txn, due).unwrap();
    assert!(late.changed.contains(&all[5].at) && late.due.is_none());
    let seen = look(&world, &txn, &all);
    assert_eq!(seen.messages[5].0.shown, Shown::Absent(Absent::Expired));
    assert_eq!(
        (seen.bodies[5], seen.bodies[MESSAGES + 1]),
        (false, false),
        "message and version"
    );
}

#[test]
fn views_are_counted_and_the_last_one_erases() {
    let world = World::new();
    let body = Body::Message(Message {
        visibility: 2,
        ..Message::text("look")
    });
    let said = world.event(CONVERSATION, 1, 0, START, &body);
    let mut txn = world.store.begin();
    take(&mut txn, &[&said]);
    let id = said.event.id();
    for left in [1, 0] {
        let (now_left, folded) = annotations::use_view(&mut txn, &said.at, &id, 2, NOW).unwrap();
        assert_eq!(now_left, left);
        assert!(folded.changed.contains(&said.at));
        let event = events::get(&txn, &said.at).unwrap().unwrap();
        let shown = state(&txn, &said.at, &event, &world.users[1]).unwrap().shown;
        let expected = if left == 0 {
            Shown::Absent(Absent::Viewed)
        } else {
            Shown::OnDemand { views_left: 1 }
        };
        assert_eq!((shown, event.body().is_some()), (expected, left > 0));
    }
}

#[test]
fn many_versions_are_erased_some_at_a_time_and_none_is_shown_meanwhile() {
    let world = World::new();
    let mut all = say(&world, &[]);
    let target = all[0].event.id();
    for n in 0..1_100u64 {
        all.push(world.edit(0, all.len(), START + n, target, "again"));
    }
    let mut txn = world.store.begin();
    take(&mut txn, &all.iter().collect::<Vec<_>>());
    let mut txn = world.next(txn);
    all.push(world.delete(0, all.len(), vec![target]));
    take(&mut txn, &all.last().into_iter().collect::<Vec<_>>());
    let left = |txn: &Txn<'_>| {
        let seen = look(&world, txn, &all);
        assert_eq!(seen.messages[0].0.shown, Shown::Absent(Absent::Deleted));
        assert_eq!(seen.messages[0].1, []);
        seen.bodies[MESSAGES + 1..].iter().filter(|b| **b).count()
    };
    assert_eq!(left(&txn), 1_100 - 999 + 1, "the deletion itself stays");
    let mut txn = world.next(txn);
    let folded = annotations::erase_due(&mut txn, NOW).unwrap();
    assert!(folded.due.is_none_or(|due| due > NOW));
    assert!(folded.changed.is_empty(), "it was told when it was deleted");
    assert_eq!(left(&txn), 1);
}

#[test]
fn what_one_transaction_erases_is_bounded_whatever_is_asked_for_in_it() {
    const TARGETS: u8 = 40;
    let world = World::new();
    let mut all = Vec::new();
    for target in 0..TARGETS {
        for n in 0..30 {
            all.push(world.edit(
                1,
                all.len(),
                START + n,
                EventId::from_bytes([target; 32]),
                "in its place",
            ));
        }
    }
    // A message of the same user with a body of its own comes last, when nothing is left to be spent.
    let own = world.event(CONVERSATION, 1, all.len(), START, &Body::Message(Message::text("mine")));
    let mut txn = world.store.begin();
    take(&mut txn, &all.iter().chain([&own]).collect::<Vec<_>>());
    world.store.commit(txn.into_batch()).unwrap();
    let halves: Vec<EventId> = (0..TARGETS).map(|n| EventId::from_bytes([n; 32])).collect();
    let (first, second) = halves.split_at(20);
    let deletes = [
        world.delete(1, all.len() + 1, first.to_vec()),
        world.delete(1, all.len() + 2, second.to_vec()),
        world.delete(1, all.len() + 3, vec![own.event.id()]),
    ];
    let mut txn = world.store.begin();
    take(&mut txn, &deletes.iter().collect::<Vec<_>>());
    let bodies = |txn: &Txn<'_>| {
        let has_body = |said: &&Said| events::get(txn, &said.at).unwrap().unwrap().body().is_some();
        all.iter().chain([&own]).filter(has_body).count()
    };
    assert_eq!(bodies(&txn), 1_201 - 1_000);
    assert!(txn.batch().len() < 3_300, "{}", txn.batch().len());
    let event = events::get(&txn, &own.at).unwrap().unwrap();
    let shown = state(&txn, &own.at, &event, &world.users[1]).unwrap().shown;
    assert_eq!((shown, event.body().is_some()), (Shown::Absent(Absent::Deleted), true));
    assert!(annotations::next_due(&txn).unwrap().is_some_and(|due| due <= NOW));
    let mut txn = world.next(txn);
    assert_eq!(annotations::erase_due(&mut txn, NOW).unwrap().due, None);
    assert_eq!(bodies(&txn), 0);
}

#[test]
fn what_was_viewed_is_not_here_again_when_it_comes_again() {
    let world = World::new();
    let body = Body::Message(Message {
        visibility: 1,
        ..Message::text("look")
    });
    let said = world.event(CONVERSATION, 1, 0, START, &body);
    let mut txn = world.store.begin();
    take(&mut txn, &[&said]);
    annotations::use_view(&mut txn, &said.at, &said.event.id(), 1, NOW).unwrap();
    for reason_is_left in [true, false] {
        if !reason_is_left {
            let gone = [&[0x3a], said.event.id().as_bytes().as_slice()].concat();
            assert!(txn.get(&gone).unwrap().is_some());
            txn.delete(gone);
        }
        take(&mut txn, &[&said]);
        let event = events::get(&txn, &said.at).unwrap().unwrap();
        assert!(event.body().is_none());
        let shown = state(&txn, &said.at, &event, &world.users[1]).unwrap().shown;
        assert_eq!(shown, Shown::Absent(Absent::Viewed));
    }
}

#[test]
fn a_body_that_others_had_erased_is_refused_only_for_a_reason_of_ones_own() {
    let world = World::new();
    let said = world.event(CONVERSATION, 1, 0, START, &Body::Message(Message::text("here")));
    let edit = world.edit(1, 1, START + 1, said.event.id(), "there");
    let of_other = world.delete(0, 2, vec![said.event.id()]);
    let of_author = world.delete(1, 3, vec![said.event.id()]);
    let mut txn = world.store.begin();
    take(&mut txn, &[&said.without_body(), &edit.without_body(), &of_other]);
    let refused = |txn: &Txn<'_>, said: &Said| annotations::is_erased_here(txn, &said.at, &said.event).unwrap();
    assert!(!refused(&txn, &said));
    assert!(!refused(&txn, &edit), "what it is a version of may come");
    bodiless::is_without(&mut txn, &said.at, &said.event.id(), said.at.log.device, START).unwrap();
    assert!(refused(&txn, &edit), "a version of what is not here");
    take(&mut txn, &[&said]);
    assert!(!refused(&txn, &edit));
    take(&mut txn, &[&of_author]);
    assert!(refused(&txn, &said) && refused(&txn, &edit));
}

#[test]
fn a_repair_that_was_cut_short_is_done_again() {
    let world = World::new();
    let all = say(
        &world,
        &[
            (0, 0, 0, 0, 0),
            (0, 1, 1, 2, 0),
            (1, 2, 2, 0, 1),
            (0, 3, 3, 0, 1),
            (1, 4, 4, 0, 1),
        ],
    );
    let mut txn = world.store.begin();
    take(&mut txn, &all.iter().collect::<Vec<_>>());
    let expected = look(&world, &txn, &all);
    let due = annotations::next_due(&txn).unwrap();
    assert!(due.is_some() && expected.pins.len() == 1 && expected.timer.is_some());
    world.store.commit(txn.into_batch()).unwrap();
    // As it is left by a process that is stopped between forgetting what events say and gathering it again.
    let mut batch = Batch::new();
    for kind in [0x38, 0x39, 0x3c, 0x3f] {
        for key in world.store.db().scan_keys(&[kind], &[kind + 1]) {
            batch.delete(key.unwrap());
        }
    }
    batch.put(vec![0x01, 17], vec![1, 1]);
    world.store.commit(batch).unwrap();
    let (world, damage) = world.opened_again();
    assert_eq!(damage, [Damage::HalfRepaired]);
    assert_eq!(look(&world, &world.store.begin(), &all), expected);
    assert_eq!(annotations::next_due(&world.store).unwrap(), due);
    // Who looks through them drops those of others.
    assert_eq!(annotations::sent_once(&world.store, None, 10).unwrap(), [all[3].at]);
    let (_, damage) = world.opened_again();
    assert_eq!(damage, []);
}
