//! A data directory of each format, kept as it was written: every later version must read it.

use std::fs;
use std::path::{Path, PathBuf};

use parlour_store::{check, contacts, conversations};

use crate::files::{copy, scratch};
use crate::world::{NAMES, World, unlock};

const SEED: u64 = 1;
const MESSAGES: u64 = 60;

/// The format that is written today.
const NEWEST: u32 = 2;

fn kept(format: u32) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fixtures.join(format.to_string())
}

/// Writes the fixture anew, for a new format: in a folder of that format's number.
#[test]
#[ignore = "writes into the repository; run once for a new format"]
fn make() {
    let to = kept(NEWEST);
    fs::create_dir_all(&to).unwrap();
    let world = World::new(SEED);
    fs::write(to.join("keystore"), world.keystore()).unwrap();
    let (store, _) = world.open(&to).unwrap();
    world.begin(&store);
    world.talk(&store, 1, MESSAGES - 20).unwrap();
    store.db().checkpoint().unwrap();
    while store.finder().catch_up(&store).unwrap() {}
    world.talk(&store, MESSAGES - 19, MESSAGES).unwrap();
    drop(store);
    // What is all zeros need not be kept; a journal may be cut after its records.
    for entry in fs::read_dir(to.join("db/journal")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        fs::write(&path, &bytes[..end]).unwrap();
    }
}

#[test]
fn data_directories_of_every_format_are_read_whole() {
    (1..=NEWEST).for_each(is_read_whole);
}

fn is_read_whole(format: u32) {
    let dir = scratch();
    copy(&kept(format), dir.path());
    let key = unlock(&fs::read(dir.path().join("keystore")).unwrap());
    let (store, report) = parlour_store::Store::open(dir.path(), &key, crate::world::options()).unwrap();
    assert_eq!(report.damage, []);
    assert_eq!(report.replayed_records, 20, "the journal's part is there too");

    let world = World::new(SEED);
    assert_eq!(world.shown(&store), (1..=MESSAGES).collect::<Vec<_>>());
    let names: Vec<String> = contacts::all(&store).unwrap().into_iter().map(|row| row.name).collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| NAMES[1..].contains(&name.as_str())));
    let rooms = conversations::all(&store).unwrap();
    assert_eq!(rooms.iter().map(|(_, row)| row.last_seq).sum::<u64>(), MESSAGES);
    for n in 1..=MESSAGES {
        assert!(world.finds(&store, n), "message {n}");
    }
    let audit = check(&store, |_, _| ()).unwrap();
    assert_eq!(audit.problems, []);
    world.talk(&store, MESSAGES + 1, MESSAGES + 5).unwrap();
    assert_eq!(world.shown(&store).len() as u64, MESSAGES + 5);
    let version = fs::read_to_string(dir.path().join("db/VERSION")).unwrap();
    assert!(version.starts_with(&format!("{NEWEST} ")));
}
