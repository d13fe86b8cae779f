//! Many damaged copies of one store: nothing panics, what is lost is named, what is whole stays readable, and the files as
//! they were found are kept.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parlour_store::{Damage, Problem, check};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::files::{copy, list, scratch};
use crate::world::World;

const MESSAGES: u64 = 240;
/// Messages in the older copy that files are taken from.
const OLDER: u64 = 100;

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

/// The store as it was and as it is now, with a part in the journal.
fn stores(world: &World) -> (tempfile::TempDir, tempfile::TempDir) {
    let (older, now) = (scratch(), scratch());
    let (store, _) = world.open(now.path()).unwrap();
    world.begin(&store);
    for n in 1..=MESSAGES {
        world.talk(&store, n, n).unwrap();
        if n % 50 == 0 {
            store.db().checkpoint().unwrap();
            while store.finder().catch_up(&store).unwrap() {}
        }
        if n == OLDER {
            fs::create_dir_all(older.path()).unwrap();
            copy(now.path(), older.path());
        }
    }
    drop(store);
    (older, now)
}

fn harm(dir: &Path, older: &Path, file: &Path, how: Harm, rng: &mut ChaCha8Rng) -> bool {
    let path = dir.join(file);
    let mut bytes = fs::read(&path).unwrap();
    // Zeros that were never written need not be there.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if used == 0 {
        return false;
    }
    let at = usize::try_from(rng.next_u64() % used as u64).unwrap();
    match how {
        Harm::Truncated => bytes.truncate(at),
        Harm::BitFlipped => bytes[at] ^= 1 << (rng.next_u64() % 8),
        Harm::Overwritten => {
            let end = bytes.len().min(at + 4096);
            rng.fill_bytes(&mut bytes[at..end]);
        }
        Harm::Missing => {
            fs::remove_file(path).unwrap();
            return true;
        }
        Harm::Older => match fs::read(older.join(file)) {
            Ok(old) if old != bytes => bytes = old,
            _ => return false,
        },
    }
    fs::write(path, bytes).unwrap();
    true
}

/// What one damaged copy turned out to be.
struct Outcome {
    told: Vec<String>,
    shown: usize,
}

fn open_and_look(world: &World, dir: &Path) -> Outcome {
    let (store, report) = world.open(dir).expect("a damaged store opens");
    let mut told: Vec<String> = report.damage.iter().map(ToString::to_string).collect();
    if !told.is_empty() {
        let kept = report.set_aside.clone().expect("a copy is kept");
        assert!(kept.join("damage.txt").exists());
    }
    if report.torn_tail_bytes > 0 {
        told.push(format!(
            "a record of {} bytes at the end was not whole",
            report.torn_tail_bytes
        ));
    }
    let shown = world.readable(&store);
    // Whatever is shown is what was written, once.
    let mut once = shown.clone();
    once.dedup();
    assert_eq!(once, shown);
    let loss = report.damage.iter().any(Damage::is_loss);
    if shown.len() as u64 != MESSAGES {
        assert!(
            loss || report.torn_tail_bytes > 0,
            "{} shown and no loss was named: {told:?}",
            shown.len()
        );
    }
    let audit = check(&store, |_, _| ()).unwrap();
    // What is left fits together; the only problem is what is missing, and that was named.
    let fits = |one: &Problem| loss && matches!(one, Problem::Short { .. });
    assert!(audit.problems.iter().all(fits), "{:?}", audit.problems);
    // Who gives it back is known in any case.
    assert_eq!(parlour_store::contacts::all(&store).unwrap().len(), 2);
    world.talk(&store, MESSAGES + 1, MESSAGES + 2).unwrap();
    assert_eq!(world.shown(&store).len(), shown.len() + 2);
    Outcome {
        told,
        shown: shown.len(),
    }
}

/// Rounds for the file that holds most; `PARLOUR_DAMAGE_ROUNDS` asks for more.
fn state_rounds() -> u64 {
    let asked = std::env::var("PARLOUR_DAMAGE_ROUNDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(10)
}

#[test]
fn damage_to_any_file_is_named_and_never_silent() {
    let world = World::new(5);
    let (older, now) = stores(&world);
    let files: Vec<PathBuf> = list(now.path())
        .into_iter()
        .filter(|file| !file.ends_with("db.lock"))
        .collect();
    let (mut cases, mut named, mut whole) = (0, 0, 0);
    let mut failures = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let big = ["db", "log"].iter().any(|part| file.to_string_lossy().ends_with(part));
        // The index has tests of its own; here it is enough that none of its files can harm the rest.
        let index = file.starts_with("search");
        if index && number % 3 != 0 {
            continue;
        }
        for how in HARMS {
            let rounds = match how {
                Harm::Missing | Harm::Older => 1,
                _ if file.ends_with("state/db") => state_rounds(),
                _ if big => 5,
                _ if index => 1,
                _ => 2,
            };
            for round in 0..rounds {
                let mut rng = ChaCha8Rng::seed_from_u64((number as u64) << 16 | (how as u64) << 8 | round);
                let dir = scratch();
                copy(now.path(), dir.path());
                if !harm(dir.path(), older.path(), file, how, &mut rng) {
                    continue;
                }
                cases += 1;
                let case = format!("{} {how:?} {round}", file.display());
                match catch_unwind(AssertUnwindSafe(|| open_and_look(&world, dir.path()))) {
                    Ok(outcome) => {
                        named += u32::from(!outcome.told.is_empty());
                        whole += u32::from(outcome.shown as u64 == MESSAGES);
                    }
                    Err(cause) => {
                        let text = cause.downcast_ref::<String>().cloned().unwrap_or_default();
                        failures.push(format!("{case}: {text}"));
                    }
                }
            }
        }
    }
    println!("{cases} cases: {named} named, {whole} whole");
    assert!(
        failures.is_empty(),
        "{} of {cases}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(cases >= 60, "{cases} cases");
    assert!(named >= 20 && whole >= 20, "{named} named, {whole} whole");
}
