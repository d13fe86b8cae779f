//! Polls: votes and closings, in any order of arrival.

use std::collections::BTreeMap;

use parlour_crypto::{Body, ClosePoll, Content, Delete, EventId, MAX_COUNTED, Message, Poll, Vote};
use parlour_store::Txn;
use parlour_store::annotations::{self, fold};
use parlour_store::events;
use parlour_store::timeline::{self, Position, TimelineEntry};
use parlour_store::view::{Absent, PollView, Shown, searchable, state};
use proptest::prelude::*;

use crate::world::{CONVERSATION, ELSEWHERE, NOW, START, Said, World, shuffled, take};

const CLOSES_AT: u64 = START + 50;

fn poll(multiple: bool) -> Poll {
    Poll {
        question: "which heron?".to_owned(),
        options: ["grey", "purple", "night"].map(str::to_owned).to_vec(),
        multiple,
        anonymous: false,
        closes_at: Some(CLOSES_AT),
    }
}

fn ask(world: &World, author: usize, n: usize, poll: Poll) -> Said {
    let body = Body::Message(Message::new(Content::Poll(poll)));
    world.event(CONVERSATION, author, n, START, &body)
}

fn vote(world: &World, (author, n): (usize, usize), clock: u64, poll: EventId, options: &[u8]) -> Said {
    let body = Body::Vote(Vote {
        poll,
        options: options.to_vec(),
        ext: Vec::new(),
    });
    world.event(CONVERSATION, author, n, clock, &body)
}

fn close(world: &World, (author, n): (usize, usize), clock: u64, poll: EventId, votes: &[&Said]) -> Said {
    let mut counted: Vec<EventId> = votes.iter().map(|vote| vote.event.id()).collect();
    counted.sort_unstable();
    counted.dedup();
    let body = Body::ClosePoll(ClosePoll {
        poll,
        counted,
        ext: Vec::new(),
    });
    world.event(CONVERSATION, author, n, clock, &body)
}

fn shown(world: &World, txn: &Txn<'_>, asked: &Said) -> Shown {
    let event = events::get(txn, &asked.at).unwrap().unwrap();
    state(txn, &asked.at, &event, &world.users[asked.author]).unwrap().shown
}

fn view(world: &World, txn: &Txn<'_>, asked: &Said) -> PollView {
    let poll = match shown(world, txn, asked) {
        Shown::Poll(poll) => Some(*poll),
        _ => None,
    };
    poll.unwrap()
}

/// How many chose each option.
fn counts(view: &PollView) -> Vec<usize> {
    view.voters.iter().map(Vec::len).collect()
}

/// Folds one event, and says how many votes were found not to count.
fn fold_one(txn: &mut Txn<'_>, said: &Said) -> (usize, u64) {
    events::put(txn, &said.at, &said.event);
    let folded = fold(txn, &said.at, &said.event, false, NOW).unwrap();
    (folded.changed.len(), folded.void)
}

/// What each user's vote comes to, found out in the simplest way.
fn model(asked: &Said, poll: &Poll, all: &[Said]) -> (Vec<usize>, bool) {
    let closings = all.iter().filter_map(|said| match &said.body {
        Body::ClosePoll(closing) if said.author == asked.author => Some((said.stamp(), closing.counted.clone())),
        _ => None,
    });
    let closing = closings.min_by_key(|(stamp, _)| *stamp).map(|(_, counted)| counted);
    let mut last = BTreeMap::new();
    for said in all {
        let Body::Vote(vote) = &said.body else { continue };
        let counted = closing.as_ref().is_none_or(|ids| ids.contains(&said.event.id()));
        if counted && poll.allows(&vote.options) && said.stamp().clock <= CLOSES_AT {
            let entry = last.entry(said.author).or_insert((said.stamp(), &vote.options));
            *entry = (*entry).max((said.stamp(), &vote.options));
        }
    }
    let mut counts = vec![0; poll.options.len()];
    for option in last.values().flat_map(|(_, options)| options.iter()) {
        counts[usize::from(*option)] += 1;
    }
    (counts, closing.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_order_of_votes_and_closings_makes_no_difference(
        multiple in any::<bool>(),
        votes in proptest::collection::vec((0..2usize, 0..60u64, 0..32u32), 0..12),
        closings in proptest::collection::vec((0..2usize, 0..60u64, any::<u16>()), 0..3),
        seeds in proptest::collection::vec(any::<u64>(), 4),
    ) {
        let world = World::new();
        let asked = ask(&world, 0, 0, poll(multiple));
        let id = asked.event.id();
        let mut all = vec![asked.clone()];
        for (author, clock, choice) in &votes {
            let options: Vec<u8> = (0..5).filter(|option| choice >> option & 1 == 1).collect();
            all.push(vote(&world, (*author, all.len()), START + clock, id, &options));
        }
        for (author, clock, which) in &closings {
            let votes: Vec<&Said> = all[1..=votes.len()].iter().enumerate().filter(|(n, _)| which >> n & 1 == 1).map(|(_, v)| v).collect();
            let closing = close(&world, (*author, all.len()), START + clock, id, &votes);
            all.push(closing);
        }
        let order: Vec<&Said> = all.iter().collect();
        let mut txn = world.store.begin();
        take(&mut txn, &order);
        let expected = view(&world, &txn, &asked);
        prop_assert_eq!((counts(&expected), expected.closed), model(&asked, &poll(multiple), &all));
        for seed in seeds {
            let mut txn = world.store.begin();
            take(&mut txn, &shuffled(&order, seed));
            prop_assert_eq!(&view(&world, &txn, &asked), &expected);
        }
    }
}

#[test]
fn votes_that_cannot_count_are_counted_as_such_and_change_nothing() {
    let world = World::new();
    let asked = ask(&world, 0, 0, poll(false));
    let id = asked.event.id();
    let text = world.event(CONVERSATION, 0, 1, START, &Body::Message(Message::text("no poll")));
    let away = world.event(ELSEWHERE, 0, 2, START, &Body::Message(Message::text("elsewhere")));
    let mut txn = world.store.begin();
    take(&mut txn, &[&asked, &text, &away]);
    let said = vote(&world, (1, 3), START + 1, id, &[1]);
    assert_eq!(fold_one(&mut txn, &said), (1, 0));
    let cases = [
        ("an option that is not there", vote(&world, (1, 4), START + 2, id, &[3])),
        (
            "two where one can be chosen",
            vote(&world, (1, 5), START + 3, id, &[0, 1]),
        ),
        ("after its time", vote(&world, (1, 6), CLOSES_AT + 1, id, &[0])),
        ("no poll", vote(&world, (1, 7), START + 4, text.event.id(), &[0])),
        ("elsewhere", vote(&world, (1, 8), START + 4, away.event.id(), &[0])),
        ("closed by another", close(&world, (1, 9), START + 5, id, &[])),
    ];
    for (why, vote) in &cases {
        assert_eq!(fold_one(&mut txn, vote), (0, 1), "{why}");
        assert_eq!(counts(&view(&world, &txn, &asked)), [0, 1, 0], "{why}");
    }
    let closing = close(&world, (0, 10), START + 5, id, &[&said]);
    assert_eq!(fold_one(&mut txn, &closing), (1, 0));
    let late = vote(&world, (1, 11), START + 6, id, &[0]);
    assert_eq!(fold_one(&mut txn, &late), (0, 1));
    let view = view(&world, &txn, &asked);
    assert_eq!((counts(&view), view.total, view.closed), (vec![0, 1, 0], 1, true));
}

#[test]
fn who_votes_without_end_costs_a_few_rows_and_takes_nothing_from_a_closing() {
    let world = World::new();
    let asked = ask(&world, 0, 0, poll(false));
    let id = asked.event.id();
    let mut txn = world.store.begin();
    let first = vote(&world, (1, 1), START + 1, id, &[2]);
    take(&mut txn, &[&asked, &first]);
    let many: Vec<Said> = (2..60)
        .map(|n| vote(&world, (1, n), START + n as u64 / 2, id, &[0]))
        .collect();
    take(&mut txn, &many.iter().collect::<Vec<_>>());
    assert_eq!(annotations::votes(&txn, CONVERSATION, &id).unwrap().len(), 16);
    assert_eq!(counts(&view(&world, &txn, &asked)), [1, 0, 0]);
    let closing = close(&world, (0, 60), START + 2, id, &[&first]);
    take(&mut txn, &[&closing]);
    assert_eq!(counts(&view(&world, &txn, &asked)), [0, 0, 1]);
}

#[test]
fn a_poll_that_is_deleted_shows_nothing_of_its_votes_and_is_found_no_more() {
    let world = World::new();
    let asked = ask(&world, 0, 0, poll(false));
    let cast = vote(&world, (1, 1), START + 1, asked.event.id(), &[0]);
    let mut txn = world.store.begin();
    take(&mut txn, &[&asked, &cast]);
    let words = searchable(&txn, &asked.at, &asked.event).unwrap();
    assert_eq!(words, None, "it is not shown yet");
    let entry = TimelineEntry {
        at: Position {
            clock: START,
            id: asked.event.id(),
        },
        event: asked.at,
        room_seq: 1,
    };
    timeline::put(&mut txn, CONVERSATION, &entry);
    let words = searchable(&txn, &asked.at, &asked.event).unwrap();
    assert_eq!(words.as_deref(), Some("which heron?\ngrey\npurple\nnight"));
    let delete = Body::Delete(Delete {
        targets: vec![asked.event.id()],
        ext: Vec::new(),
    });
    take(&mut txn, &[&world.event(CONVERSATION, 0, 2, START + 2, &delete)]);
    assert_eq!(shown(&world, &txn, &asked), Shown::Absent(Absent::Deleted));
    let event = events::get(&txn, &asked.at).unwrap().unwrap();
    assert_eq!(searchable(&txn, &asked.at, &event).unwrap(), None);
}

#[test]
fn a_closing_that_names_what_is_no_vote_counts_the_votes() {
    let world = World::new();
    let asked = ask(&world, 0, 0, poll(true));
    let other = ask(&world, 0, 1, poll(true));
    let id = asked.event.id();
    let cast = vote(&world, (1, 2), START + 1, id, &[0, 2]);
    let of_other = vote(&world, (1, 3), START + 2, other.event.id(), &[1]);
    let unknown = world.event(CONVERSATION, 1, 4, START, &Body::Message(Message::text("never comes")));
    let closing = close(&world, (0, 5), START + 3, id, &[&cast, &of_other, &asked, &unknown]);
    let mut txn = world.store.begin();
    take(&mut txn, &[&asked, &other, &cast, &of_other, &closing]);
    assert_eq!(counts(&view(&world, &txn, &asked)), [1, 0, 1]);
    const { assert!(MAX_COUNTED >= 1_000) };
}
