//! Whatever happens to a file, the index is rebuilt or says so; it never panics or lies.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Filter, Order, Query, SearchError, SearchIndex, address, fill, open};

const TEXTS: &[&str] = &[
    "hello world",
    "hello moon",
    "goodbye world",
    "東京 hello",
    "a removed one",
];

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// An index with two segments, one of them with a removal.
fn prepare(dir: &Path) {
    let index = open(dir);
    fill(&index, TEXTS);
    index.remove(&address(4)).unwrap();
    index
        .add(&super::Message::new(9, "hello later").at(address(9)))
        .unwrap();
    index.commit(9).unwrap();
}

/// The answers of an undamaged index, or that the index noticed.
fn check(dir: &Path, what: &str) -> Outcome {
    let index = open(dir);
    if index.rebuilt() {
        assert_eq!((index.position(), index.document_count()), (0, 0), "{what}");
        return Outcome::Rebuilt;
    }
    for (query, expected) in [
        ("hello", vec![9, 3, 1, 0]),
        ("\"hello world\"", vec![0]),
        ("mo*", vec![1]),
        ("removed", vec![]),
    ] {
        for order in [Order::Newest, Order::Ranked] {
            let parsed = Query::parse(query).unwrap();
            match index.search(&parsed, &Filter::default(), order, 0, 10) {
                Ok(hits) => {
                    let mut found: Vec<_> = hits.iter().map(|hit| hit.doc).collect();
                    found.sort_by(|left, right| right.cmp(left));
                    let expected: Vec<_> = expected.iter().map(|number| address(*number)).collect();
                    assert_eq!(found, expected, "{what}: {query}");
                }
                Err(SearchError::Damaged) => return recover(dir, index, what),
                Err(SearchError::Failed(cause)) => panic!("{what}: {cause}"),
            }
        }
    }
    match index.verify() {
        Ok(()) => Outcome::Unharmed,
        Err(_) => recover(dir, index, what),
    }
}

/// A damaged index works again after a reset, and is not opened again without one.
fn recover(dir: &Path, index: SearchIndex, what: &str) -> Outcome {
    drop(index);
    let index = open(dir);
    assert!(index.rebuilt(), "{what}");
    index.reset().unwrap();
    fill(&index, TEXTS);
    assert_eq!(super::found(&index, "moon"), [address(1)], "{what}");
    Outcome::Noticed
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Unharmed,
    Rebuilt,
    Noticed,
}

fn damage_each_file(what: &str, mut damage: impl FnMut(&Path, &[u8])) {
    let original = tempfile::tempdir().unwrap();
    prepare(original.path());
    let names = files(original.path());
    assert!(names.len() >= 14, "{}", names.len());
    for name in names {
        let dir = tempfile::tempdir().unwrap();
        for file in files(original.path()) {
            fs::copy(&file, dir.path().join(file.file_name().unwrap())).unwrap();
        }
        let target = dir.path().join(name.file_name().unwrap());
        let bytes = fs::read(&target).unwrap();
        damage(&target, &bytes);
        let what = format!("{what} {}", target.file_name().unwrap().to_string_lossy());
        let outcome = check(dir.path(), &what);
        // Files of a segment that a merge has replaced may be gone without harm.
        assert_ne!(outcome, Outcome::Unharmed, "{what} went unnoticed");
    }
}

#[test]
fn an_undamaged_copy_opens() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path());
    assert_eq!(check(dir.path(), "nothing"), Outcome::Unharmed);
}

#[test]
fn flipped_bits_are_noticed() {
    for part in [0, 1, 2, 3] {
        damage_each_file("flip in", |path, bytes| {
            let mut bytes = bytes.to_vec();
            let at = (bytes.len() - 1) * part / 3;
            bytes[at] ^= 0x10;
            fs::write(path, bytes).unwrap();
        });
    }
}

#[test]
fn cut_and_emptied_files_are_noticed() {
    for keep in [0, 1, 2, 3] {
        damage_each_file("cut", |path, bytes| {
            fs::write(path, &bytes[..bytes.len() * keep / 4]).unwrap()
        });
    }
    damage_each_file("longer", |path, bytes| {
        fs::write(path, [bytes, &[0; 40]].concat()).unwrap()
    });
}

#[test]
fn missing_files_are_noticed() {
    damage_each_file("without", |path, _| {
        // Without its list of files the index opens; every file is still found by name.
        if path.ends_with(".managed.json") {
            fs::write(path, b"").unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    });
}

#[test]
fn swapped_files_are_noticed() {
    damage_each_file("another file as", |path, bytes| {
        let other = files(path.parent().unwrap())
            .into_iter()
            .find(|other| other != path && fs::read(other).unwrap() != bytes)
            .unwrap();
        fs::copy(other, path).unwrap();
    });
}

#[test]
fn damage_to_an_open_index_is_an_error_and_a_reset_heals_it() {
    let dir = tempfile::tempdir().unwrap();
    let index = SearchIndex::open(
        dir.path(),
        &super::KEY,
        super::SearchOptions {
            cache_bytes: 0,
            ..super::SearchOptions::default()
        },
    )
    .unwrap();
    fill(&index, TEXTS);
    for file in files(dir.path())
        .iter()
        .filter(|file| file.extension().is_some_and(|kind| kind == "idx"))
    {
        use std::os::unix::fs::FileExt;
        let open = fs::OpenOptions::new().write(true).open(file).unwrap();
        open.write_all_at(&[0xff; 8], 40).unwrap();
    }
    let query = Query::parse("hello").unwrap();
    let search = || index.search(&query, &Filter::default(), Order::Newest, 0, 10);
    assert!(matches!(search(), Err(SearchError::Damaged)));
    index.reset().unwrap();
    fill(&index, TEXTS);
    assert_eq!(search().unwrap().len(), 3);
}
