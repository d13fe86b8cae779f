//! Adding, removing, restarting, and what stays on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::super::collect::RANKED;
use super::{Filter, KEY, Message, Order, Query, SearchIndex, SearchOptions, address, fill, found, open, search};

#[test]
fn a_committed_message_survives_a_restart_with_its_position() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    fill(&index, &["hello world", "goodbye"]);
    index.add(&Message::new(7, "never committed").at(address(7))).unwrap();
    drop(index);

    let index = open(dir.path());
    assert!(!index.rebuilt());
    assert_eq!(index.position(), 2);
    assert_eq!(index.document_count(), 2);
    assert_eq!(found(&index, "hello"), [address(0)]);
    assert!(found(&index, "never").is_empty());
}

#[test]
fn feeding_again_gives_no_message_twice() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let index = open(dir.path());
        for _ in 0..2 {
            fill(&index, &["hello one", "hello two", "hello three"]);
        }
        assert_eq!(index.document_count(), 3, "round {round}");
        assert_eq!(found(&index, "hello"), [address(2), address(1), address(0)]);
    }
}

#[test]
fn an_edit_replaces_the_text_and_a_removal_drops_it() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    fill(&index, &["first draft", "other"]);

    index.remove(&address(0)).unwrap();
    index.add(&Message::new(0, "final version").at(address(0))).unwrap();
    index.commit(3).unwrap();
    assert!(found(&index, "draft").is_empty());
    assert_eq!(found(&index, "final"), [address(0)]);

    index.remove(&address(0)).unwrap();
    assert_eq!(found(&index, "final"), [address(0)], "until the commit");
    index.commit(4).unwrap();
    assert!(found(&index, "final").is_empty());
    assert_eq!(index.document_count(), 1);
}

#[test]
fn a_removal_before_the_commit_and_batches_over_the_limit_are_right() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for number in 0..2_000 {
        index
            .add(&Message::new(number, "common word").at(address(number)))
            .unwrap();
    }
    for number in (0..2_000).step_by(2) {
        index.remove(&address(number)).unwrap();
    }
    index.add(&Message::new(1, "common again").at(address(1))).unwrap();
    index.commit(1).unwrap();
    assert_eq!(index.document_count(), 1_000);
    let query = Query::parse("common").unwrap();
    let hits = index
        .search(&query, &Filter::default(), Order::Newest, 0, 5_000)
        .unwrap();
    assert_eq!(hits.len(), 1_000);
    assert!(hits.is_sorted_by(|newer, older| newer.clock_ms > older.clock_ms));
    assert_eq!(found(&index, "again"), [address(1)]);
}

#[test]
fn many_small_commits_merge_into_few_segments() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    for number in 0..60 {
        index
            .add(&Message::new(number, "tick tock").at(address(number)))
            .unwrap();
        index.commit(number + 1).unwrap();
    }
    index.release_writer().unwrap();
    assert_eq!(found(&index, "tock").len(), 60);
    let segments = fs::read_dir(dir.path())
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|kind| kind == "idx")
        })
        .count();
    assert!(segments <= 12, "{segments} segments");
}

#[test]
fn typos_are_a_last_resort_in_time_order_and_come_last_by_rank() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    fill(&index, &["a message", "a massage", "nothing"]);
    assert_eq!(found(&index, "message"), [address(0)]);
    assert_eq!(found(&index, "mesage"), [address(0)]);
    assert_eq!(found(&index, "nesssage").len(), 1);
    let ranked: Vec<_> = search(&index, "message", Order::Ranked)
        .iter()
        .map(|hit| (hit.doc, hit.exact))
        .collect();
    assert_eq!(ranked, [(address(0), true), (address(1), false)]);
}

#[test]
fn ranked_prefers_the_text_that_says_it_more() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    fill(
        &index,
        &["tea", "tea and a long text about many other things", "coffee"],
    );
    let ranked: Vec<_> = search(&index, "tea", Order::Ranked).iter().map(|hit| hit.doc).collect();
    assert_eq!(ranked, [address(0), address(1)]);
}

#[test]
fn the_newest_are_ranked_together_and_older_ones_come_after() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let mut texts = vec!["tea and a long text about many other things"; RANKED + 1];
    texts[0] = "tea";
    texts[RANKED / 2] = "tea";
    fill(&index, &texts);
    let query = Query::parse("tea").unwrap();
    let page = |offset, limit| {
        index
            .search(&query, &Filter::default(), Order::Ranked, offset, limit)
            .unwrap()
    };
    let all: Vec<_> = page(0, RANKED + 1).iter().map(|hit| hit.doc).collect();
    let newest = (1..=RANKED as u64).rev().filter(|number| *number != RANKED as u64 / 2);
    let expected: Vec<_> = [RANKED as u64 / 2]
        .into_iter()
        .chain(newest)
        .chain([0])
        .map(address)
        .collect();
    assert_eq!(all, expected);
    assert_eq!(page(0, 2), page(0, RANKED)[..2]);
    assert_eq!(page(RANKED, 5)[0].doc, address(0));
}

#[test]
fn idle_commits_and_resets_leave_a_usable_index() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    fill(&index, &["hello"]);
    for _ in 0..10 {
        index.commit(1).unwrap();
    }
    index.commit(5).unwrap();
    assert_eq!(index.position(), 5);
    index.reset().unwrap();
    assert_eq!((index.position(), index.document_count()), (0, 0));
    fill(&index, &["again"]);
    assert_eq!(found(&index, "again"), [address(0)]);
}

#[test]
fn no_plaintext_reaches_the_disk_and_nobody_else_may_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("index");
    let index = open(&dir);
    let marker = "xylophonemarker";
    for number in 0..3_000 {
        let text = format!("{marker} {number} of the message");
        index.add(&Message::new(number, &text).at(address(number))).unwrap();
        if number % 700 == 0 {
            index.commit(number).unwrap();
            assert_sealed(&dir, marker);
        }
    }
    assert_sealed(&dir, marker);
    index.commit(3_000).unwrap();
    index.release_writer().unwrap();
    assert_eq!(found(&index, marker).len(), 100);
    assert_sealed(&dir, marker);
    assert!(index.size_on_disk().unwrap() > 10_000);
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
}

/// No file holds the word, its beginning, or tantivy's own readable words.
fn assert_sealed(dir: &std::path::Path, marker: &str) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = fs::read(&path) else { continue };
        for word in [marker, "lophonem", "message", "segments", "conversation"] {
            let plain = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!plain, "{word} in {}", path.display());
        }
        if let Ok(meta) = fs::metadata(&path) {
            assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
    }
}

#[test]
fn another_key_starts_empty() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()), &["hello"]);
    let index = SearchIndex::open(dir.path(), &[1; 32], SearchOptions::default()).unwrap();
    assert!(index.rebuilt());
    assert_eq!((index.position(), index.document_count()), (0, 0));
    drop(index);
    let index = SearchIndex::open(dir.path(), &KEY, SearchOptions::default()).unwrap();
    assert!(index.rebuilt());
}
