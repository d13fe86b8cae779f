//! Disks that are put back or damaged.

use std::fs;
use std::path::Path;

use super::*;

#[test]
fn a_disk_put_back_to_an_earlier_copy_gets_everything_again() {
    for seed in 0..4 {
        let (mut sim, conversation) = Sim::friends(seed);
        let mut expected = Vec::new();
        let mut talk = |sim: &mut Sim, part: &str| {
            for n in 0..5 {
                for from in [0, 1] {
                    let text = format!("{part} {n} from {from}");
                    sim.tell(from, conversation, &text);
                    expected.push(text);
                    sim.wait(300);
                }
            }
        };
        talk(&mut sim, "before the copy");
        let copy = sim.copy_disk(0);
        sim.wait(10_000);
        talk(&mut sim, "after the copy");
        sim.wait(10_000);
        sim.put_back(0, &copy);
        sim.start(0);
        // It writes before it can know that it was put back.
        talk(&mut sim, "after the return");
        sim.wait(10 * MINUTE);
        talk(&mut sim, "at last");
        sim.wait(10 * MINUTE);
        expected.sort();
        for index in [0, 1] {
            assert_eq!(
                sim.sorted_texts(index, &conversation),
                expected,
                "seed {seed}, node {index}"
            );
        }
    }
}

/// Two events of one device have one number after that, many times over, and nobody says anything more.
#[test]
fn numbers_given_out_twice_lose_nothing_however_many_they_are() {
    const BEFORE: usize = 200;
    const AFTER: usize = 150;
    let (mut sim, conversation) = Sim::friends(5);
    let mut expected = vec!["before the copy".to_owned()];
    sim.tell(0, conversation, &expected[0]);
    sim.wait(5 * SECOND);
    let copy = sim.copy_disk(0);
    let mut talk = |sim: &mut Sim, part: &str, count: usize| {
        for n in 0..count {
            let text = format!("{part} {n}");
            sim.tell(0, conversation, &text);
            expected.push(text);
        }
    };
    talk(&mut sim, "after the copy", BEFORE);
    sim.wait(10 * SECOND);
    sim.put_back(0, &copy);
    sim.cut(0, 1);
    sim.start(0);
    talk(&mut sim, "with numbers given out before", AFTER);
    sim.mend_all();
    sim.wait(3 * MINUTE);
    expected.sort();
    for index in [0, 1] {
        let texts = sim.sorted_texts(index, &conversation);
        let lacking: Vec<_> = expected.iter().filter(|text| !texts.contains(text)).collect();
        assert_eq!((lacking, texts.len()), (Vec::new(), expected.len()), "node {index}");
    }
    assert_eq!(sim.statuses(0, &conversation), vec![Delivered; expected.len()]);
}

/// What is done, and how.
type Harm = (&'static str, fn(&Path));

/// Ways to damage an account's database.
pub(super) const HARMS: [Harm; 10] = [
    ("the state is gone", |db| {
        fs::remove_dir_all(db.join("state")).expect("a folder")
    }),
    ("the pages are gone", |db| {
        fs::remove_file(db.join("state/pages")).expect("a file")
    }),
    ("half of the pages is cut off", |db| {
        let path = db.join("state/pages");
        let bytes = fs::read(&path).expect("a file");
        fs::write(path, &bytes[..bytes.len() / 2]).expect("a file");
    }),
    ("a bit in each twentieth part of the pages is flipped", |db| {
        let path = db.join("state/pages");
        let mut bytes = fs::read(&path).expect("a file");
        let step = (bytes.len() / 20).max(1);
        bytes.iter_mut().step_by(step).for_each(|byte| *byte ^= 1);
        fs::write(path, bytes).expect("a file");
    }),
    ("half of the directory is cut off", |db| {
        let path = db.join("state/db");
        let bytes = fs::read(&path).expect("a file");
        let used = bytes.iter().rposition(|byte| *byte != 0).expect("it was written");
        fs::write(path, &bytes[..used / 2]).expect("a file");
    }),
    ("a bit of the directory is flipped", |db| {
        let path = db.join("state/db");
        let mut bytes = fs::read(&path).expect("a file");
        let used = bytes.iter().rposition(|byte| *byte != 0).expect("it was written");
        bytes[used / 3] ^= 1;
        fs::write(path, bytes).expect("a file");
    }),
    ("the directory is overwritten", |db| {
        fs::write(db.join("state/db"), [0x5a; 100_000]).expect("a file");
    }),
    ("the journal is gone", |db| {
        for entry in fs::read_dir(db.join("journal")).expect("a folder") {
            fs::remove_file(entry.expect("an entry").path()).expect("a file");
        }
    }),
    ("the journal is overwritten from its middle on", |db| {
        for entry in fs::read_dir(db.join("journal")).expect("a folder") {
            let path = entry.expect("an entry").path();
            let mut bytes = fs::read(&path).expect("a file");
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let end = bytes.len().min(used / 2 + 4096);
            bytes[used / 2..end].fill(0xa5);
            fs::write(path, bytes).expect("a file");
        }
    }),
    ("both heads are gone", |db| {
        for head in ["head-a", "head-b"] {
            fs::remove_file(db.join(head)).expect("a file");
        }
    }),
];

#[test]
fn a_damaged_node_gets_everything_back_exactly_once() {
    for (seed, (what, harm)) in HARMS.into_iter().enumerate() {
        let seed = seed as u64;
        let (mut sim, conversation) = Sim::friends(seed);
        let mut expected = Vec::new();
        let mut talk = |sim: &mut Sim, part: &str| {
            for n in 0..8 {
                for from in [0, 1] {
                    let text = format!("{part} {n} from {from}");
                    sim.tell(from, conversation, &text);
                    expected.push(text);
                    sim.wait(300);
                }
            }
        };
        talk(&mut sim, "before the checkpoint");
        sim.nodes[0].store().db().checkpoint().expect("a checkpoint");
        talk(&mut sim, "after the checkpoint");
        sim.nodes[0].store().db().checkpoint().expect("a checkpoint");
        talk(&mut sim, "in the journal");
        sim.wait(10 * SECOND);

        sim.down(0, Crash::Killed);
        harm(&sim.nodes[0].disk().join("db"));
        sim.nodes[0].damaged = true;
        sim.start(0);
        sim.wait(10 * MINUTE);
        talk(&mut sim, "after the damage");
        sim.wait(10 * MINUTE);
        // What came back stays: the next start finds nothing wrong.
        sim.down(0, Crash::Killed);
        sim.nodes[0].damaged = false;
        sim.start(0);
        sim.wait(MINUTE);

        expected.sort();
        for index in [0, 1] {
            assert_eq!(sim.sorted_texts(index, &conversation), expected, "{what}, node {index}");
        }
        let audit = parlour_store::check(sim.nodes[0].store(), |_, _| ()).expect("readable");
        assert_eq!(audit.problems, [], "{what}");
    }
}

/// How many logs of a device a node holds of a conversation, and the highest number among them.
fn logs_at(sim: &Sim, at: usize, conversation: &ConversationId, of: usize) -> (usize, u32) {
    let (store, device) = (sim.nodes[at].store(), sim.nodes[of].engine().device());
    let no = sim.number_of(at, conversation).expect("it is there");
    let device = parlour_store::devices::number(store, device)
        .expect("readable")
        .expect("known");
    let logs = parlour_store::logs::of_conversation(store, no).expect("readable");
    let own = logs.iter().filter(|(log, _)| log.device == device);
    own.fold((0, 0), |(count, max), (log, _)| (count + 1, max.max(log.log)))
}

#[test]
fn a_copy_of_a_disk_that_runs_beside_it_is_named_and_both_get_everything() {
    for seed in 0..3 {
        let (mut sim, conversation) = Sim::friends(seed);
        let mut expected = Vec::new();
        let mut talk = |sim: &mut Sim, part: &str, rounds: u64, by: &[usize]| {
            for n in 0..rounds {
                for from in by {
                    let text = format!("{part} {n} from {from}");
                    sim.tell(*from, conversation, &text);
                    expected.push(text);
                    sim.wait(200 + 400 * (n % 3));
                }
            }
        };
        talk(&mut sim, "before the copy", 5, &[0, 1]);
        let copy = sim.copy_disk(0);
        sim.wait(10 * SECOND);
        talk(&mut sim, "after the copy", 5, &[0, 1]);
        sim.wait(10 * SECOND);
        let copy = sim.start_copy(0, &copy);
        talk(&mut sim, "side by side", 20, &[copy, 0, 1]);
        sim.wait(5 * MINUTE);
        sim.crash(0);
        talk(&mut sim, "while one is away", 5, &[copy, 1]);
        sim.wait(5 * MINUTE);
        sim.crash(copy);
        talk(&mut sim, "while the other is away", 5, &[0, 1]);
        sim.wait(5 * MINUTE);
        talk(&mut sim, "at last", 20, &[copy, 1, 0]);
        sim.wait(30 * MINUTE);

        expected.sort();
        for index in [0, 1, copy] {
            assert_eq!(
                sim.sorted_texts(index, &conversation),
                expected,
                "seed {seed}, node {index}"
            );
        }
        let (logs, highest) = logs_at(&sim, 1, &conversation, 0);
        assert!(
            logs <= 4 && highest <= 32,
            "seed {seed}: {logs} logs, up to number {highest}"
        );
        for index in [0, copy] {
            let found = crate::engine::other_copy(sim.nodes[index].store()).expect("readable");
            assert!(found.is_some(), "seed {seed}: {index} has not noticed the other");
        }
        sim.check_nonces();
    }
}

#[test]
fn a_disk_put_back_is_named_and_is_no_second_copy() {
    let (mut sim, conversation) = Sim::friends(7);
    sim.tell(0, conversation, "before");
    sim.wait(10 * SECOND);
    let copy = sim.copy_disk(0);
    sim.tell(0, conversation, "lost");
    sim.wait(MINUTE);
    assert_eq!(crate::engine::rolled_back(sim.nodes[0].store()).expect("readable"), 0);
    sim.put_back(0, &copy);
    sim.start(0);
    sim.wait(10 * MINUTE);
    sim.tell(0, conversation, "after");
    sim.wait(MINUTE);
    let store = sim.nodes[0].store();
    assert!(crate::engine::rolled_back(store).expect("readable") > 0);
    assert_eq!(crate::engine::other_copy(store).expect("readable"), None);
    assert_eq!(sim.plain_texts(0, &conversation), ["before", "lost", "after"]);
}
