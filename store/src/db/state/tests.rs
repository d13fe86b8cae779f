//! The state against a map; pages that are changed, moved or missing; what a cut leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::Batch;
use super::super::memtable::Memtable;
use super::super::read::ReadError;
use super::super::seal::Keys;
use super::super::tests::{KEY, copy_dir, scratch};
use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// First byte of keys whose pages are small.
const SCATTERED: u8 = 1;

fn opened(dir: &Path) -> State {
    let options = StateOptions {
        cache_bytes: 64 * 1024,
        scattered: &[SCATTERED],
    };
    State::open(dir, &Arc::new(Keys::new(&KEY)), options).unwrap()
}

fn table(writes: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Memtable {
    let mut batch = Batch::new();
    for (key, value) in writes {
        match value {
            Some(value) => batch.put(key.clone(), value.clone()),
            None => batch.delete(key.clone()),
        }
    }
    let table = Memtable::default();
    table.apply(batch);
    table
}

fn settle(state: &State, number: u64) {
    let nonce = state.keys.nonces.one().unwrap();
    state.flush(&nonce, number).unwrap();
    state.sync(&mut BTreeSet::new()).unwrap();
}

/// Rows `0..count` of one kind, of so many bytes each.
fn filled(dir: &Path, count: u32, bytes: usize) -> (State, Model) {
    let state = opened(dir);
    let model: Model = (0..count)
        .map(|n| ([&[9][..], &n.to_be_bytes()].concat(), vec![n as u8; bytes]))
        .collect();
    let writes = model.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
    state.take_in(&table(&writes.collect()), 1, |_| ()).unwrap();
    settle(&state, 1);
    (state, model)
}

fn all(state: &State) -> Model {
    let rows = state.range(&[], &[255; 6], <[u8]>::to_vec).map(Result::unwrap);
    rows.map(|(key, value)| (key, value.unwrap())).collect()
}

fn pages(state: &State) -> usize {
    state.directory().places().count()
}

/// Every row lies in the page that would hold it, and no page is empty or much too large.
fn check_pages(state: &State) {
    let mut next = Some(Vec::new());
    while let Some(found) = next.take().and_then(|from| state.directory().from(&from)) {
        let page = state.open_page(&found).ok().unwrap();
        let (mut rows, mut count) = (page.rows(), 0);
        while let Some((key, _)) = rows.next() {
            assert_eq!(state.directory().holding(key).as_ref(), Some(&found));
            count += 1;
        }
        assert!(
            count > 0 && (count == 1 || page.len() <= 16 * 1024),
            "{count} rows, {} bytes",
            page.len()
        );
        next = found.end;
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<u8>, u16),
    Delete(Vec<u8>),
    DeleteFrom(Vec<u8>),
    TakeIn,
    Settle,
    Reopen,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    (
        0..4u8,
        prop::collection::vec(prop_oneof![Just(0), Just(7), Just(255)], 0..5),
    )
        .prop_map(|(kind, mut rest)| {
            if kind < 3 {
                rest.insert(0, if kind == 2 { 255 } else { kind });
            }
            rest
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => (key(), 0..3_000u16).prop_map(|(key, len)| Step::Put(key, len)),
        4 => key().prop_map(Step::Delete),
        1 => key().prop_map(Step::DeleteFrom),
        3 => Just(Step::TakeIn),
        1 => Just(Step::Settle),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_state_reads_as_a_map_does(
        steps in prop::collection::vec(step(), 0..150),
        ranges in prop::collection::vec((key(), key(), prop::collection::vec(any::<bool>(), 0..40)), 1..8),
    ) {
        let dir = scratch();
        let mut state = opened(dir.path());
        let (mut model, mut writes, mut number) = (Model::new(), BTreeMap::new(), 0);
        for step in steps.into_iter().chain([Step::TakeIn, Step::Reopen]) {
            match step {
                Step::Put(key, len) => {
                    // Half of it repeats itself, half does not.
                    let noise = (0..len / 2).map(|n| (n.wrapping_mul(len) >> 3) as u8);
                    let value: Vec<u8> = noise.chain((0..len / 2).map(|_| 5)).collect();
                    writes.insert(key, Some(value));
                }
                Step::Delete(key) => drop(writes.insert(key, None)),
                Step::DeleteFrom(from) => {
                    let gone: Vec<_> = model.range(from..).take(30).map(|(key, _)| key.clone()).collect();
                    gone.into_iter().for_each(|key| drop(writes.insert(key, None)));
                }
                Step::TakeIn => {
                    number += 1;
                    let table = table(&writes);
                    state.take_in(&table, number, |_| ()).unwrap();
                    let before = pages(&state);
                    // Once more changes nothing.
                    state.take_in(&table, number, |_| ()).unwrap();
                    assert_eq!(pages(&state), before);
                    for (key, value) in std::mem::take(&mut writes) {
                        match value {
                            Some(value) => drop(model.insert(key, value)),
                            None => drop(model.remove(&key)),
                        }
                    }
                    check_pages(&state);
                }
                Step::Settle => settle(&state, number),
                Step::Reopen => {
                    drop(state);
                    state = opened(dir.path());
                    assert_eq!(state.gaps(u64::MAX).unwrap(), []);
                    assert_eq!(state.engine.note(&state.keys).unwrap().applied, number);
                    assert!(!state.is_torn());
                }
            }
        }
        prop_assert_eq!(&all(&state), &model);
        for (key, value) in &model {
            assert_eq!(state.get(key).unwrap().as_ref(), Some(value));
        }
        for (a, b, turns) in ranges {
            prop_assert_eq!(state.get(&a).unwrap(), model.get(&a).cloned());
            let (from, to) = (a.clone().min(b.clone()), a.max(b));
            let mut expected = model.range(from.clone()..to.clone());
            let mut rows = state.range(&from, &to, <[u8]>::to_vec).map(Result::unwrap);
            for front in turns {
                let (row, model) = if front {
                    (rows.next(), expected.next())
                } else {
                    (rows.next_back(), expected.next_back())
                };
                assert_eq!(row.map(|(key, value)| (key, value.unwrap())), model.map(|(k, v)| (k.clone(), v.clone())));
            }
            let rest: Vec<_> = rows.map(|(key, value)| (key, value.unwrap())).collect();
            let expected: Vec<_> = expected.map(|(k, v)| (k.clone(), v.clone())).collect();
            assert_eq!(rest, expected);
        }
    }
}

#[test]
fn a_page_that_is_changed_is_lost_alone_and_named_and_forgotten_by_the_next_start() {
    let dir = scratch();
    let (state, model) = filled(dir.path(), 400, 200);
    let count = pages(&state);
    assert!(count > 8);
    let file = dir.path().join(PAGES);
    let bytes = fs::read(&file).unwrap();
    let places: Vec<Place> = state.directory().places().collect();
    drop(state);
    for (number, place) in places.iter().enumerate().step_by(3) {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        let mut changed = bytes.clone();
        changed[place.at as usize + number % place.len as usize] ^= 1 << (number % 8);
        fs::write(copy.path().join(PAGES), changed).unwrap();
        let state = opened(copy.path());
        let gaps = state.gaps(u64::MAX).unwrap();
        let [gap] = &gaps[..] else { panic!("{gaps:?}") };
        let lost = |key: &[u8]| key >= gap.from.as_slice() && gap.to.as_ref().is_none_or(|to| key < to.as_slice());
        let left: Model = model
            .iter()
            .filter(|(key, _)| !lost(key))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        assert!(left.len() < model.len() && left.len() > model.len() / 2);

        // Readers are told once, from either end, and get all the rest.
        for backwards in [false, true] {
            let range = state.range(&[], &[255], <[u8]>::to_vec);
            let rows: Vec<_> = if backwards {
                range.rev().collect()
            } else {
                range.collect()
            };
            let errors = rows.iter().filter(|row| row.is_err()).count();
            assert_eq!((errors, rows.len()), (1, left.len() + 1));
        }
        for (key, value) in &model {
            match state.get(key) {
                Ok(found) => assert_eq!(found.as_ref(), Some(value)),
                Err(ReadError::Damaged { from, to }) => assert_eq!((&from, &to), (&gap.from, &gap.to)),
                Err(error) => panic!("{error}"),
            }
        }
        // Nothing is written over it in silence.
        let inside = model.keys().find(|key| lost(key)).unwrap().clone();
        let write = table(&BTreeMap::from([(inside.clone(), Some(vec![1]))]));
        assert!(matches!(state.take_in(&write, 2, |_| ()), Err(TakeInError::Damaged(found)) if found == *gap));
        drop(state);
        let state = opened(copy.path());
        // It is remembered where to look, and once looked at, forgotten.
        assert_eq!(state.gaps(0).unwrap(), std::slice::from_ref(gap));
        state.forget_damaged().unwrap();
        assert_eq!((state.gaps(0).unwrap(), all(&state)), (vec![], left.clone()));
        state.take_in(&write, 2, |_| ()).unwrap();
        settle(&state, 2);
        state.clear_suspicion().unwrap();
        drop(state);
        let state = opened(copy.path());
        assert_eq!(state.gaps(u64::MAX).unwrap(), []);
        assert_eq!(
            (state.get(&inside).unwrap(), all(&state).len()),
            (Some(vec![1]), left.len() + 1)
        );
    }
}

#[test]
fn a_file_of_pages_that_is_short_old_or_gone_is_noticed_at_once() {
    let dir = scratch();
    let (state, model) = filled(dir.path(), 300, 200);
    let older = fs::read(dir.path().join(PAGES)).unwrap();
    let writes = model.keys().map(|key| (key.clone(), Some(vec![1; 220]))).collect();
    state.take_in(&table(&writes), 2, |_| ()).unwrap();
    settle(&state, 2);
    drop(state);
    let now = fs::read(dir.path().join(PAGES)).unwrap();
    let copies = [
        Some(older),
        Some(now[..now.len() / 2].to_vec()),
        Some(now[..now.len() - 40].to_vec()),
        None,
    ];
    for (number, bytes) in copies.into_iter().enumerate() {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        match bytes {
            Some(bytes) => fs::write(copy.path().join(PAGES), bytes).unwrap(),
            None => fs::remove_file(copy.path().join(PAGES)).unwrap(),
        }
        let state = opened(copy.path());
        assert!(!state.gaps(1).unwrap().is_empty(), "copy {number}");
        state.forget_damaged().unwrap();
        let left = all(&state);
        assert!(
            left.len() < model.len() && left.values().all(|value| *value == vec![1; 220]),
            "copy {number}"
        );
    }
}

#[test]
fn a_page_under_another_key_does_not_open() {
    let dir = scratch();
    let (state, model) = filled(dir.path(), 100, 200);
    let (a, b) = {
        let directory = state.directory();
        let first = directory.from(&[9]).unwrap();
        (first.clone(), directory.from(&first.end.unwrap()).unwrap())
    };
    let swapped = Changes::from([(a.key.clone(), Some(b.place)), (b.key.clone(), Some(a.place))]);
    state.change(swapped, Vec::new(), 1).unwrap();
    let first = model.keys().next().unwrap();
    assert!(matches!(state.get(first), Err(ReadError::Damaged { .. })));
    assert_eq!(state.gaps(u64::MAX).unwrap(), [Gap { from: a.key, to: b.end }]);
}

#[test]
fn a_directory_that_lost_an_entry_is_torn_until_that_was_said() {
    let dir = scratch();
    let (state, model) = filled(dir.path(), 100, 200);
    let note = state.engine.note(&state.keys).unwrap();
    let second = state.directory().holding(model.keys().nth(60).unwrap()).unwrap();
    let lost = Changes::from([(second.key, None)]);
    state.engine.change(&state.keys, &lost, note).unwrap();
    settle(&state, 2);
    drop(state);
    let state = opened(dir.path());
    assert!(state.is_torn() && all(&state).len() < model.len());
    assert_eq!(state.gaps(0).unwrap(), []);
    state.forget_damaged().unwrap();
    state.take_in(&Memtable::default(), 3, |_| ()).unwrap();
    settle(&state, 3);
    drop(state);
    assert!(!opened(dir.path()).is_torn());
}

#[test]
fn rows_added_behind_fill_their_pages_however_many_they_are() {
    let dir = scratch();
    let (state, mut model) = filled(dir.path(), 10, 200);
    let row = |kind: u8, n: u32| ([&[kind][..], &n.to_be_bytes()].concat(), vec![n as u8; 200]);
    let mut writes: BTreeMap<_, _> = (10..6_010)
        .map(|n| row(9, n))
        .chain((0..3_000).map(|n| row(SCATTERED, n)))
        .collect();
    writes.insert(row(9, 3).0, vec![1; 50_000]);
    model.extend(writes.clone());
    let mut writes: BTreeMap<_, _> = writes.into_iter().map(|(key, value)| (key, Some(value))).collect();
    // Gone before they came, first and last among them.
    writes.extend([row(9, 4), row(9, 7_000), row(9, 6_010)].map(|(key, _)| (key, None)));
    model.remove(&row(9, 4).0);
    state.take_in(&table(&writes), 2, |_| ()).unwrap();
    settle(&state, 2);
    assert_eq!(all(&state), model);
    check_pages(&state);
    let full = 6_010 * 200 / (8 * 1024) + 3_000 * 200 / (2 * 1024);
    assert!(
        pages(&state) < full * 11 / 10,
        "{} pages, {full} full ones",
        pages(&state)
    );
    drop(state);
    assert_eq!(all(&opened(dir.path())), model);
}

#[test]
fn pages_are_joined_when_they_shrink_and_their_space_is_used_again() {
    let dir = scratch();
    let (state, model) = filled(dir.path(), 2_000, 200);
    let (full, before) = (pages(&state), state.file.len().unwrap());
    let few = |(number, (key, _)): (usize, (&Vec<u8>, &Vec<u8>))| (number % 50 != 0).then(|| (key.clone(), None));
    let writes = model.iter().enumerate().filter_map(few).collect();
    state.take_in(&table(&writes), 2, |_| ()).unwrap();
    settle(&state, 2);
    assert!(pages(&state) < full / 10, "{} of {full} pages", pages(&state));
    assert_eq!(all(&state).len(), 40);
    check_pages(&state);
    // The same rows written many times take no more than twice the space.
    for number in 3..40 {
        let writes = model
            .iter()
            .map(|(key, value)| (key.clone(), Some([value.as_slice(), &[number]].concat())));
        state
            .take_in(&table(&writes.collect()), u64::from(number), |_| ())
            .unwrap();
        settle(&state, u64::from(number));
    }
    assert_eq!(all(&state).len(), 2_000);
    let after = state.file.len().unwrap();
    assert!(after < before * 5 / 2, "{before} bytes, then {after}");
    let gone = model.keys().map(|key| (key.clone(), None)).collect();
    state.take_in(&table(&gone), 40, |_| ()).unwrap();
    settle(&state, 40);
    assert_eq!((pages(&state), state.file.len().unwrap()), (0, 0));
}

#[test]
fn an_erased_value_is_in_no_page_that_the_directory_leads_to() {
    let dir = scratch();
    let (state, model) = filled(dir.path(), 50, 100);
    let key = model.keys().nth(20).unwrap();
    let place = state.directory().holding(key).unwrap().place;
    state
        .take_in(&table(&BTreeMap::from([(key.clone(), None)])), 2, |_| ())
        .unwrap();
    settle(&state, 2);
    assert!(state.directory().places().all(|other| other != place));
    // Its old place is the first to be written over.
    assert_eq!(state.space.lock().unwrap().take(place.len), place.at);
}

/// Whatever the engine holds after a cut, the pages it leads to are there: none is written over before the directory that
/// forgets it is durable.
#[test]
fn a_directory_from_before_the_last_sync_still_finds_its_pages() {
    let dir = scratch();
    let (state, model) = filled(dir.path(), 500, 200);
    let older = scratch();
    copy_dir(dir.path(), older.path());
    for number in 2..6 {
        let writes = model.keys().map(|key| (key.clone(), Some(vec![number; 150]))).collect();
        state.take_in(&table(&writes), u64::from(number), |_| ()).unwrap();
    }
    fs::copy(dir.path().join(PAGES), older.path().join(PAGES)).unwrap();
    let before = opened(older.path());
    assert_eq!(before.gaps(u64::MAX).unwrap(), []);
    assert_eq!(all(&before), model);
}

#[test]
fn the_place_of_a_page_that_was_cut_off_is_not_given_away_twice() {
    for kept in [0, 2, 3] {
        let dir = scratch();
        let (state, model) = filled(dir.path(), 400, 200);
        drop(state);
        let file = dir.path().join(PAGES);
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 4 * kept]).unwrap();
        let state = opened(dir.path());
        assert!(!state.gaps(u64::MAX).unwrap().is_empty());
        state.forget_damaged().unwrap();
        let mut model: BTreeMap<_, _> = model.into_iter().map(|(key, value)| (key, Some(value))).collect();
        for round in 2..8 {
            state.take_in(&table(&model), round, |_| ()).unwrap();
            settle(&state, round);
            let found: Vec<_> = all(&state).into_iter().map(|(key, value)| (key, Some(value))).collect();
            assert_eq!(
                found,
                model.clone().into_iter().collect::<Vec<_>>(),
                "{kept} quarters, round {round}"
            );
            let changed = model.values_mut().skip(round as usize).step_by(9);
            changed.for_each(|value| *value = Some(vec![round as u8; 150]));
        }
        drop(state);
        assert_eq!(all(&opened(dir.path())).len(), model.len());
    }
}
