//! Checking, compacting and indexing anew.

use parlour_store::feed::{self, FeedRow};
use parlour_store::{Filter, Finder, Order, Query, SearchOptions};
use parlour_store::{Problem, Store, check, conversations, logs, prekeys, timeline};
use parlour_store::{annotations, events};

use crate::files::scratch;
use crate::world::{START_MS, World, options};

fn filled(messages: u64) -> (tempfile::TempDir, World, Store) {
    let dir = scratch();
    let world = World::new(3);
    let (store, _) = world.open(dir.path()).unwrap();
    world.begin(&store);
    world.talk(&store, 1, messages).unwrap();
    (dir, world, store)
}

#[test]
fn a_whole_store_has_no_problems_and_the_check_says_what_it_read() {
    let (_dir, _, store) = filled(120);
    let mut stages = Vec::new();
    let report = check(&store, |stage, _| stages.push(stage)).unwrap();
    assert_eq!(report.problems, []);
    assert_eq!((report.events, report.shown, report.indexed), (120, 120, 120));
    assert!(report.rows > 120 * 5);
    stages.dedup();
    assert_eq!(stages, ["rows", "events", "messages in the index"]);
}

#[test]
fn what_does_not_fit_is_named() {
    let (_dir, world, store) = filled(40);
    let no = conversations::number(&store, &world.conversation(1)).unwrap().unwrap();
    let (log, held) = logs::of_conversation(&store, no).unwrap().remove(0);
    let entry = timeline::before(&store, no, None, 1).unwrap().remove(0);

    // A log that lists more than there is.
    let mut txn = store.begin();
    let mut more = held.clone();
    more.have.insert_range(1_000, 1_002);
    logs::put(&mut txn, &log, &more);
    // A row that leads nowhere, and an event that is shown at another place than its own.
    let event = events::get(&store, &entry.event).unwrap().unwrap();
    let mut elsewhere = entry.event;
    elsewhere.seq = 500;
    events::put(&mut txn, &elsewhere, &event);
    store.commit(txn.into_batch()).unwrap();

    let report = check(&store, |_, _| ()).unwrap();
    let has = |wanted: &dyn Fn(&Problem) -> bool| report.problems.iter().any(wanted);
    assert!(
        has(&|p| matches!(p, Problem::Missing { seqs, .. } if seqs.count() == 3)),
        "{:?}",
        report.problems
    );
    assert!(
        has(&|p| matches!(p, Problem::Signature { .. })),
        "{:?}",
        report.problems
    );
    assert!(has(&|p| matches!(p, Problem::Place { .. })), "{:?}", report.problems);
    assert_eq!(report.problem_count, report.problems.len() as u64);
    assert!(
        report
            .problems
            .iter()
            .all(|p| !p.help().is_empty() && !p.to_string().is_empty())
    );
}

#[test]
fn an_index_that_is_damaged_while_it_is_open_is_made_anew_and_messages_are_found_meanwhile() {
    use std::os::unix::fs::FileExt;
    let (_dir, _, store) = filled(120);
    let folder = scratch();
    // Nothing is kept in memory, so that damage is met at once.
    let uncached = SearchOptions {
        cache_bytes: 0,
        ..SearchOptions::default()
    };
    let finder = Finder::open(folder.path(), &[7; 32], uncached).unwrap();
    let finds = || {
        let query = Query::parse("word7").unwrap();
        let found = finder.find(&store, &query, &Filter::default(), Order::Newest, 10);
        found.unwrap().len() == 1
    };
    while finder.catch_up(&store).unwrap() {}
    let files = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut harmed = 0;
    for file in files.filter(|file| file.extension().is_some_and(|kind| kind == "idx")) {
        let open = std::fs::OpenOptions::new().write(true).open(file).unwrap();
        open.write_all_at(&[0xff; 8], 40).unwrap();
        harmed += 1;
    }
    assert!(harmed > 0 && !finder.is_behind(&store));
    assert!(finds());
    assert!(finder.is_behind(&store), "the damage was met");
    while finder.catch_up(&store).unwrap() {}
    assert!(!finder.is_behind(&store) && finds());
}

/// Bytes of the rows that are written and deleted again: far more than the engine's file grows by at a time (half a MiB).
const WASTE: usize = 3 * 1024 * 1024;
const WASTE_ROW: usize = 4 * 1024;

#[test]
fn a_compacted_store_is_smaller_and_whole() {
    let dir = scratch();
    let world = World::new(3);
    let (store, _) = world.open(dir.path()).unwrap();
    world.begin(&store);
    let rows = || 0..u32::try_from(WASTE / WASTE_ROW).unwrap();
    let mut txn = store.begin();
    for id in rows() {
        let row = prekeys::OneTimeRow {
            secret: vec![7; WASTE_ROW].into(),
            expires: START_MS,
        };
        prekeys::put_one_time(&mut txn, id, &row);
    }
    store.commit(txn.into_batch()).unwrap();
    store.db().checkpoint().unwrap();
    // The file is cut at its end only: this is what lies there.
    world.talk(&store, 1, 660).unwrap();
    store.db().checkpoint().unwrap();
    let mut txn = store.begin();
    rows().for_each(|id| prekeys::delete_one_time(&mut txn, id));
    store.commit(txn.into_batch()).unwrap();
    store.db().checkpoint().unwrap();
    drop(store);
    let mut steps = 0;
    let done = Store::compact(dir.path(), world.key(), options(), |_| steps += 1).unwrap();
    println!("{done:?}");
    assert!(done.after < done.before, "{done:?}");
    assert!(steps > 0 && done.rows > 660 * 5);
    let (store, report) = world.open(dir.path()).unwrap();
    assert_eq!(report.damage, []);
    assert_eq!(world.shown(&store).len(), 660);
    assert_eq!(check(&store, |_, _| ()).unwrap().problems, []);
    world.talk(&store, 661, 670).unwrap();
}

#[test]
fn an_index_made_anew_finds_everything_once() {
    let (_dir, world, store) = filled(80);
    while store.finder().catch_up(&store).unwrap() {}
    assert_eq!(store.finder().rebuild(&store, |_| ()).unwrap(), 80);
    for n in [1, 40, 80] {
        assert!(world.finds(&store, n));
    }
    assert_eq!(check(&store, |_, _| ()).unwrap().problems, []);
}

#[test]
fn what_the_index_has_out_of_date_takes_no_place_among_what_is_found() {
    let (_dir, _, store) = filled(20);
    while store.finder().catch_up(&store).unwrap() {}
    let query = Query::parse("message").unwrap();
    let find = |limit: usize| {
        let found = store
            .finder()
            .find(&store, &query, &Filter::default(), Order::Newest, limit);
        found.unwrap().into_iter().map(|hit| hit.event).collect::<Vec<_>>()
    };
    let all = find(100);
    assert_eq!(all.len(), 20);
    let mut txn = store.begin();
    for event in &all[..5] {
        let id = events::get(&store, event).unwrap().unwrap().id();
        annotations::hide(&mut txn, &id, START_MS).unwrap();
        feed::append(&mut txn, &FeedRow::Changed { event: *event }).unwrap();
    }
    store.commit(txn.into_batch()).unwrap();
    assert_eq!(find(3), all[5..8]);
}
