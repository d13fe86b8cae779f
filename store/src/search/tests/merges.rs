//! A merge that still runs when its writer is gone, or while the files are checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::{fs, io, thread};

use super::{IndexError, Message, SearchIndex, address, found, open};

/// Commits after which the writer merges.
const COMMITS: u64 = 6;

/// A merge that stopped between two of its files: the one with the words is begun, the one with their positions is not.
struct Paused {
    go: Sender<()>,
    ended: Receiver<()>,
    fail_others: Arc<AtomicBool>,
}

impl Paused {
    /// Stops the merge that begins during `work`.
    fn begin(index: &SearchIndex, work: impl FnOnce(&SearchIndex)) -> Self {
        let (reached_tx, reached) = channel();
        let (go, go_rx) = channel::<()>();
        let (ended_tx, ended) = channel::<()>();
        let fail_others = Arc::new(AtomicBool::new(false));
        let fails = Arc::clone(&fail_others);
        // Gone with the last thread that can reach the folder through this writer.
        let (go_rx, ended_tx) = (Mutex::new(go_rx), Mutex::new(ended_tx));
        index.core().directory.on_create(Some(Arc::new(move |name: &Path| {
            let _lives_as_long = &ended_tx;
            let merges = thread::current()
                .name()
                .is_some_and(|name| name.starts_with("merge_thread"));
            if merges && name.extension().is_some_and(|kind| kind == "pos") {
                let _ = reached_tx.send(());
                let _ = go_rx.lock().unwrap().recv();
            }
            if !merges && fails.load(Ordering::Relaxed) {
                return Err(io::Error::other("no space in this test"));
            }
            Ok(())
        })));
        work(index);
        index.core().directory.on_create(None);
        reached.recv().unwrap();
        Self { go, ended, fail_others }
    }

    /// Lets the merge go on, and waits for the end of its threads.
    fn go_on(self) {
        drop(self.go);
        assert!(self.ended.recv().is_err());
    }
}

fn six_commits(index: &SearchIndex) {
    for number in 0..COMMITS {
        say(index, number, "before");
    }
}

/// Adds one message and commits it.
fn say(index: &SearchIndex, number: u64, text: &str) {
    index.add(&Message::new(number, text).at(address(number))).unwrap();
    index.commit(number + 1).unwrap();
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// All messages are found, now and after another start, and what is said goes on.
fn goes_on(index: SearchIndex, dir: &Path, before: usize, after: usize) {
    let count = |index: &SearchIndex| (found(index, "before").len(), found(index, "after").len());
    assert_eq!(count(&index), (before, after));
    let position = index.position();
    index.verify().unwrap();
    drop(index);
    let index = open(dir);
    assert!(!index.rebuilt());
    assert_eq!(index.position(), position);
    assert_eq!(count(&index), (before, after));
    say(&index, 90, "after");
    assert_eq!(count(&index), (before, after + 1));
}

/// The next writer's files stay as they are when the `merge` of an earlier one goes on.
fn goes_on_alone(index: SearchIndex, dir: &Path, merge: Paused, before: usize) {
    say(&index, 50, "after");
    index.release_writer().unwrap();
    let left = files(dir);
    merge.go_on();
    assert!(files(dir) == left, "the merge changed files");
    goes_on(index, dir, before, 1);
}

#[test]
fn a_merge_of_a_closed_index_leaves_the_next_one_alone() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let merge = Paused::begin(&index, six_commits);
    drop(index);

    let index = open(dir.path());
    assert!(!index.rebuilt());
    goes_on_alone(index, dir.path(), merge, 6);
}

#[test]
fn a_merge_of_an_emptied_index_leaves_the_new_one_alone() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let merge = Paused::begin(&index, six_commits);
    index.reset().unwrap();

    goes_on_alone(index, dir.path(), merge, 0);
}

#[test]
fn a_merge_of_a_writer_that_failed_leaves_the_next_one_alone() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let merge = Paused::begin(&index, six_commits);
    merge.fail_others.store(true, Ordering::Relaxed);
    index.add(&Message::new(50, "after").at(address(50))).unwrap();
    assert!(matches!(index.commit(51), Err(IndexError::Failed(_))));
    assert_eq!(index.position(), COMMITS, "where to feed again from");

    goes_on_alone(index, dir.path(), merge, 6);
}

#[test]
fn files_are_checked_while_a_merge_writes_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let merge = Paused::begin(&index, six_commits);
    index.verify().unwrap();
    drop(merge.go);
    index.release_writer().unwrap();
    assert!(merge.ended.recv().is_err());
    goes_on(index, dir.path(), 6, 0);
}

#[test]
fn damage_seen_in_an_emptied_index_is_not_the_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    say(&index, 1, "before");
    let old = index.core();
    index.reset().unwrap();
    say(&index, 2, "after");
    index.distrust(&old);
    goes_on(index, dir.path(), 0, 1);
}

#[test]
fn a_message_replaced_first_thing_by_a_new_writer_is_found_once_after_a_merge() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path());
    let say_all = |index: &SearchIndex, numbers: &[u64]| {
        for number in numbers {
            index
                .add(&Message::new(*number, "before").at(address(*number)))
                .unwrap();
        }
        index.commit(numbers.len() as u64).unwrap();
    };
    // The second of these makes a third of the first outdated, so that both are merged; the merge does not come to its end.
    let merge = Paused::begin(&index, |index| {
        say_all(index, &[6, 16, 20]);
        say_all(index, &[16, 1, 2, 3, 4]);
    });
    drop(index);

    // The next writer begins it again when its first segment comes, before the commit.
    let index = open(dir.path());
    assert_eq!(found(&index, "before").len(), 7);
    say(&index, 20, "after");
    index.release_writer().unwrap();
    assert_eq!(found(&index, "after"), [address(20)]);
    assert_eq!(found(&index, "before").len(), 6);
    assert_eq!(index.document_count(), 7);
    merge.go_on();
    goes_on(index, dir.path(), 6, 1);
}
