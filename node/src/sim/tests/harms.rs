//! Every file of an account's database, harmed in every way, beside a peer who has the same conversation: what is missing is named, and
//! comes back exactly once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use parlour_store::{events, timeline};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::super::disk::Files;
use super::super::seeds;
use super::*;

#[derive(Debug, Clone, Copy)]
enum Harm {
    Truncated,
    BitFlipped,
    Overwritten,
    Missing,
    Older,
}

const HARMS: [Harm; 5] = [
    Harm::Truncated,
    Harm::BitFlipped,
    Harm::Overwritten,
    Harm::Missing,
    Harm::Older,
];
/// Enough that every file meets every harm, and those with many places more than once.
const CASES: u64 = 100;

/// The files of the database of a node that is down. The index has tests of its own.
fn files(sim: &Sim) -> Vec<PathBuf> {
    let all = super::super::disk::read(&sim.nodes[0].disk().join("db"));
    all.into_keys().filter(|path| !path.ends_with("db.lock")).collect()
}

/// Whether there was something to harm.
fn harm(sim: &Sim, older: &Files, file: &Path, how: Harm, rng: &mut ChaCha8Rng) -> bool {
    let inside = PathBuf::from("db").join(file);
    let path = sim.nodes[0].disk().join(&inside);
    let mut bytes = fs::read(&path).expect("a file");
    // Zeros that were never written need not be there.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if used == 0 {
        return false;
    }
    let at = usize::try_from(rng.next_u64() % used as u64).expect("in memory");
    match how {
        Harm::Truncated => bytes.truncate(at),
        Harm::BitFlipped => bytes[at] ^= 1 << (rng.next_u64() % 8),
        Harm::Overwritten => {
            let end = bytes.len().min(at + 4096);
            rng.fill_bytes(&mut bytes[at..end]);
        }
        Harm::Missing => {
            fs::remove_file(path).expect("a file");
            return true;
        }
        Harm::Older => match older.get(&inside) {
            Some(old) if *old != bytes => bytes.clone_from(old),
            _ => return false,
        },
    }
    fs::write(path, bytes).expect("a file");
    true
}

/// Messages that can be read, whatever else is missing.
fn readable(sim: &Sim, conversation: &ConversationId) -> usize {
    let store = sim.nodes[0].store();
    let Ok(Some(no)) = conversations::number(store, conversation) else {
        return 0;
    };
    let entries = timeline::after(store, no, None, usize::MAX).unwrap_or_default();
    let there = |entry: &&timeline::TimelineEntry| matches!(events::get(store, &entry.event), Ok(Some(_)));
    entries.iter().filter(there).count()
}

fn talk(sim: &mut Sim, conversation: ConversationId, part: &str) -> Vec<String> {
    let mut said = Vec::new();
    for n in 0..6 {
        for from in [0, 1] {
            let text = format!("{part} {n} from {from}");
            sim.tell(from, conversation, &text);
            said.push(text);
            sim.wait(300);
        }
    }
    said
}

fn run(seed: u64) -> BTreeMap<&'static str, u64> {
    let (mut sim, conversation) = Sim::friends(seed);
    let mut expected = talk(&mut sim, conversation, "before the copy");
    sim.nodes[0].checkpoint();
    let older = sim.nodes[0].copy_disk();
    expected.extend(talk(&mut sim, conversation, "before the checkpoint"));
    sim.nodes[0].checkpoint();
    expected.extend(talk(&mut sim, conversation, "in the journal"));
    sim.wait(10 * SECOND);

    sim.down(0, Crash::Killed);
    let files = files(&sim);
    let count = files.len() as u64;
    let (file, how) = (&files[(seed % count) as usize], HARMS[(seed / count % 5) as usize]);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    if !harm(&sim, &older, file, how, &mut rng) {
        return sim.happened;
    }
    let case = format!("{} {how:?}", file.display());
    sim.nodes[0].damaged = true;
    sim.start(0);
    let lost = expected.len() - readable(&sim, &conversation);
    let told = sim.nodes[0].told.clone();
    assert!(
        lost == 0 || !told.is_empty(),
        "{case}: {lost} are missing, and nothing is named"
    );
    sim.note("cases");
    if lost > 0 {
        sim.note("losses");
    }
    if !told.is_empty() {
        sim.note("named");
    }

    sim.wait(10 * MINUTE);
    expected.extend(talk(&mut sim, conversation, "after the damage"));
    sim.wait(10 * MINUTE);
    // What came back stays: the next start finds nothing wrong.
    sim.down(0, Crash::Killed);
    sim.nodes[0].damaged = false;
    sim.start(0);
    sim.wait(MINUTE);
    expected.sort();
    for index in [0, 1] {
        assert_eq!(
            sim.sorted_texts(index, &conversation),
            expected,
            "{case}, node {index}; {told:?}"
        );
    }
    let audit = parlour_store::check(sim.nodes[0].store(), |_, _| ()).expect("readable");
    assert_eq!(audit.problems, [], "{case}");
    sim.happened
}

#[test]
fn whatever_is_harmed_is_named_and_comes_back_from_a_peer() {
    let seeds = seeds::seeds(0..CASES);
    let many = seeds.end - seeds.start >= CASES;
    let happened = seeds::each("sim::tests::harms", seeds, run);
    for (what, least) in [("cases", 60), ("losses", 8), ("named", 20)] {
        let times = happened.get(what).copied().unwrap_or(0);
        assert!(!many || times >= least, "{what}: {happened:?}");
    }
}
