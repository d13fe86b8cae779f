//! Threads: what is under a root, in any order of arrival, and what of it is erased.

use parlour_crypto::{Body, Delete, EventId, Message};
use parlour_store::annotations::{self, Thread, in_thread, thread};
use parlour_store::view::{State, state};
use parlour_store::{Batch, Txn, events};

use crate::world::{CONVERSATION, ELSEWHERE, NOW, START, Said, World, shuffled, take};

fn message(world: &World, author: usize, n: usize, text: &str, thread: Option<EventId>) -> Said {
    let message = Message {
        thread,
        ..Message::text(text)
    };
    world.event(CONVERSATION, author, n, START + n as u64, &Body::Message(message))
}

fn delete(world: &World, author: usize, n: usize, target: &Said) -> Said {
    let targets = vec![target.event.id()];
    let ext = Vec::new();
    world.event(CONVERSATION, author, n, START, &Body::Delete(Delete { targets, ext }))
}

fn stands(world: &World, txn: &Txn<'_>, said: &Said) -> State {
    let event = events::get(txn, &said.at).unwrap().unwrap();
    state(txn, &said.at, &event, &world.users[said.author]).unwrap()
}

fn under(txn: &Txn<'_>, root: &Said) -> Vec<EventId> {
    let all = in_thread(txn, CONVERSATION, &root.event.id(), None, 100).unwrap();
    all.into_iter().map(|(at, _)| at.id).collect()
}

#[test]
fn a_thread_is_the_same_in_every_order_and_without_what_was_erased() {
    let world = World::new();
    let root = message(&world, 0, 0, "root", None);
    let id = root.event.id();
    let mut all = vec![root.clone()];
    for n in 1..6 {
        all.push(message(&world, n % 2, n, "under it", Some(id)));
    }
    all.push(delete(&world, 1, 6, &all[5]));
    all.push(delete(&world, 1, 7, &all[1]));
    let expected: Vec<EventId> = [4, 3, 2].map(|n| all[n].event.id()).to_vec();
    let order: Vec<&Said> = all.iter().collect();
    for seed in 0..12 {
        let mut txn = world.store.begin();
        take(
            &mut txn,
            &if seed == 0 {
                order.clone()
            } else {
                shuffled(&order, seed)
            },
        );
        assert_eq!(under(&txn, &root), expected, "{seed}");
        let last = all[4].stamp();
        assert_eq!(
            stands(&world, &txn, &root).replies,
            Some(Thread { replies: 3, last }),
            "{seed}"
        );
        assert_eq!(stands(&world, &txn, &all[4]).thread, Some(id));
        assert_eq!(
            stands(&world, &txn, &all[5]).thread,
            None,
            "of what is erased nobody knows"
        );
    }
}

#[test]
fn what_is_in_a_thread_is_no_root() {
    let world = World::new();
    let root = message(&world, 0, 0, "root", None);
    let under_it = message(&world, 1, 1, "under it", Some(root.event.id()));
    let below = message(&world, 1, 2, "below that", Some(under_it.event.id()));
    let away = world.event(ELSEWHERE, 0, 3, START, &Body::Message(Message::text("elsewhere")));
    let under_that = message(&world, 1, 4, "there", Some(away.event.id()));
    let nowhere = message(&world, 1, 5, "of nothing", Some(EventId::from_bytes([9; 32])));
    let all = [&root, &under_it, &below, &away, &under_that, &nowhere];
    for seed in 1..6 {
        let mut txn = world.store.begin();
        take(&mut txn, &shuffled(&all, seed));
        let threads = [&under_it, &below, &under_that, &nowhere].map(|said| stands(&world, &txn, said).thread);
        let unknown = Some(EventId::from_bytes([9; 32]));
        assert_eq!(threads, [Some(root.event.id()), None, None, unknown], "{seed}");
        assert_eq!(stands(&world, &txn, &under_it).replies, None);
        assert_eq!(
            stands(&world, &txn, &root).replies.map(|thread| thread.replies),
            Some(1)
        );
    }
}

#[test]
fn what_the_account_hides_is_counted_no_more_and_stays_away_after_a_repair() {
    let world = World::new();
    let root = message(&world, 0, 0, "root", None);
    let id = root.event.id();
    let [first, second] = [1, 2].map(|n| message(&world, 1, n, "under it", Some(id)));
    let mut txn = world.store.begin();
    take(&mut txn, &[&root, &first, &second]);
    annotations::hide(&mut txn, &second.event.id(), NOW).unwrap();
    assert_eq!(
        annotations::leave(&mut txn, &second.at, &second.event).unwrap(),
        Some(id)
    );
    assert_eq!(annotations::leave(&mut txn, &second.at, &second.event).unwrap(), None);
    let last = first.stamp();
    let expected = Some(Thread { replies: 1, last });
    assert_eq!(thread(&txn, CONVERSATION, &id).unwrap(), expected);
    world.store.commit(txn.into_batch()).unwrap();
    let mut batch = Batch::new();
    for key in world.store.db().scan_keys(&[0x38], &[0x39]) {
        batch.delete(key.unwrap());
    }
    batch.put(vec![0x01, 17], vec![1, 1]);
    world.store.commit(batch).unwrap();
    let (world, _) = world.opened_again();
    assert_eq!(thread(&world.store, CONVERSATION, &id).unwrap(), expected);
}

#[test]
fn a_page_of_a_thread_goes_on_before_its_oldest() {
    let world = World::new();
    let root = message(&world, 0, 0, "root", None);
    let id = root.event.id();
    let mut all = vec![root];
    all.extend((1..8).map(|n| message(&world, n % 2, n, "under it", Some(id))));
    let mut txn = world.store.begin();
    take(&mut txn, &all.iter().collect::<Vec<_>>());
    let mut before = None;
    let mut seen = Vec::new();
    loop {
        let page = in_thread(&txn, CONVERSATION, &id, before.as_ref(), 3).unwrap();
        let Some((oldest, _)) = page.last() else { break };
        before = Some(*oldest);
        seen.extend(page.iter().map(|(_, key)| *key));
    }
    let expected: Vec<_> = all[1..].iter().rev().map(|said| said.at).collect();
    assert_eq!(seen, expected);
}
