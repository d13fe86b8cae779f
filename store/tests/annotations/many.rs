//! What one user can put to a message, or have told again.

use parlour_crypto::{Body, EventId, Message, Pin, Reaction};
use parlour_store::annotations::{self, fold};
use parlour_store::events;
use parlour_store::view::{MAX_OWN_EMOJI, state};

use crate::plan::{look, say};
use crate::world::{CONVERSATION, NOW, START, Said, World, shuffled, take};

#[test]
fn pins_of_one_user_are_bounded_and_hide_nobody_elses_in_any_order() {
    const TEXTS: usize = 130;
    let world = World::new();
    let mut all: Vec<Said> = (0..TEXTS)
        .map(|n| world.event(CONVERSATION, 0, n, START, &Body::Message(Message::text("hello"))))
        .collect();
    let pin = |author, n: usize, clock, target, on| {
        let ext = Vec::new();
        world.event(CONVERSATION, author, n, clock, &Body::Pin(Pin { target, on, ext }))
    };
    let ids: Vec<EventId> = all.iter().map(|said| said.event.id()).collect();
    for (n, id) in ids.iter().enumerate() {
        all.push(pin(1, n, START + 10 + n as u64, *id, true));
    }
    // One more of somebody else, older than all of them; and one that counts in the place of another user's.
    all.push(pin(0, TEXTS, START + 1, ids[5], true));
    all.push(pin(0, TEXTS + 1, START + 1_000, ids[60], true));
    // The newest is taken away: that makes room for an older one.
    all.push(pin(1, TEXTS, START + 1_001, ids[TEXTS - 1], false));
    let mut ends = Vec::new();
    for seed in 0..4 {
        let mut txn = world.store.begin();
        let order: Vec<&Said> = all.iter().collect();
        let order = if seed == 0 { order } else { shuffled(&order, seed) };
        take(&mut txn, &order);
        let shown = annotations::pins(&txn, CONVERSATION, 1_000).unwrap();
        for said in &all[..TEXTS] {
            let state = state(&txn, &said.at, &said.event, &world.users[0]).unwrap();
            assert_eq!(
                state.pinned,
                shown.contains(&said.event.id()),
                "the list and the message say the same"
            );
        }
        let count = |who: usize| annotations::pins_of(&txn, CONVERSATION, &world.users[who]).unwrap();
        assert_eq!((count(0), count(1)), (1, annotations::MAX_PINS), "{seed}");
        ends.push(shown);
    }
    assert!(ends.iter().all(|end| *end == ends[0]));
    assert_eq!(ends[0].len(), annotations::MAX_PINS + 1);
    assert_eq!(ends[0][0], ids[60]);
    assert!(
        !ends[0].contains(&ids[5]),
        "the later pin of it counts, and is one too many"
    );
}

#[test]
fn one_user_cannot_fill_a_message_with_emoji() {
    let world = World::new();
    let mut all = say(&world, &[]);
    let target = all[0].event.id();
    for n in 0..150u32 {
        let emoji = char::from_u32(0x1F400 + n % 0x3E).unwrap();
        let tone = char::from_u32(0x1F3FB + n / 0x3E).unwrap();
        let body = Body::Reaction(Reaction {
            target,
            emoji: format!("{emoji}{tone}"),
            on: true,
            ext: Vec::new(),
        });
        all.push(world.event(CONVERSATION, 1, all.len(), START + u64::from(n), &body));
    }
    let mut ends = Vec::new();
    for reverse in [false, true] {
        let mut order: Vec<&Said> = all.iter().collect();
        if reverse {
            order.reverse();
        }
        let mut txn = world.store.begin();
        take(&mut txn, &order);
        let rows = annotations::said(&txn, CONVERSATION, &target).unwrap().reactions.len();
        assert_eq!(rows, 64);
        let seen = look(&world, &txn, &all).messages.swap_remove(0).0.reactions;
        assert_eq!(seen.len(), MAX_OWN_EMOJI);
        ends.push(seen);
    }
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn replies_hear_of_an_edit_only_if_what_they_quote_is_another_and_not_all_of_them() {
    let world = World::new();
    let long = "heron ".repeat(40);
    let message = world.event(CONVERSATION, 0, 0, START, &Body::Message(Message::text(long.as_str())));
    let target = message.event.id();
    let mut all = vec![message];
    for n in 1..20 {
        let reply = Message {
            reply_to: Some(target),
            ..Message::text("why?")
        };
        all.push(world.event(CONVERSATION, 1, n, START + n as u64, &Body::Message(reply)));
    }
    let mut txn = world.store.begin();
    take(&mut txn, &all.iter().collect::<Vec<_>>());
    let mut told = |n: usize, text: String| {
        let edit = world.edit(0, n, START + n as u64, target, &text);
        events::put(&mut txn, &edit.at, &edit.event);
        fold(&mut txn, &edit.at, &edit.event, false, NOW).unwrap().changed.len()
    };
    assert_eq!(told(30, format!("{long} and more")), 1);
    assert_eq!(told(31, format!("a {long}")), 1 + 8);
    assert_eq!(told(32, format!("a {long}, again")), 1);
}
