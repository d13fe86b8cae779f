//! Two implementations of PROTOCOL.md against each other: this crate, and the one in `tests/vectors`, which was written from
//! the page alone.
//!
//! Every case kept there is run here: what can be made again is made again and compared byte for byte, what is sealed is
//! opened, and what must be refused is refused. In the other direction `cases_are_written_for_the_other_side` writes cases of
//! the same schema; `.ci/second-implementation` has the other side check them. Building blocks that the crate keeps to itself
//! are checked by its own tests (`src/second_implementation.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod contents;
mod events;
mod fold;
mod given;
mod kinds;
mod people;
mod private;
mod refusals;
mod rooms;
mod sessions;
mod streams;
mod values;
mod world;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Runs every case of a topic, and asserts how many there are of each kind.
fn topic(name: &str, expected: &[(&str, usize)]) {
    let cases = given::cases(&kept().join(name).with_extension("json"));
    let mut counts = BTreeMap::new();
    for case in &cases {
        *counts.entry(case["kind"].as_str().expect("kind")).or_insert(0) += 1;
        kinds::check(case);
    }
    assert_eq!(counts, expected.iter().copied().collect(), "cases by kind");
}

#[test]
fn identities_agree() {
    topic("identity", &[("identity", 4)]);
}

#[test]
fn certificates_and_lists_agree() {
    topic(
        "device",
        &[("device_certificate", 3), ("device_list", 6), ("succession", 4)],
    );
}

#[test]
fn prekeys_agree() {
    topic("prekey", &[("prekey_bundle", 2), ("one_time_key", 2)]);
}

#[test]
fn first_flights_agree() {
    topic("handshake", &[("first_flight", 5)]);
}

#[test]
fn conversations_agree() {
    topic("ratchet", &[("conversation", 4), ("padding", 1), ("shard", 5)]);
}

#[test]
fn refreshes_agree() {
    topic("refreshes", &[("conversation", 5)]);
}

#[test]
fn events_and_controls_agree() {
    topic(
        "events",
        &[
            ("event", 5),
            ("message_body", 2),
            ("control", 11),
            ("payload", 3),
            ("clock", 3),
            ("order", 1),
        ],
    );
}

#[test]
fn bodies_and_cards_agree() {
    topic("bodies", &[("event_body", 54), ("event", 6), ("card", 29)]);
}

#[test]
fn knocks_agree() {
    topic(
        "knock",
        &[
            ("knock_request", 7),
            ("knock_response", 7),
            ("asking_work", 2),
            ("asking_around", 1),
        ],
    );
}

#[test]
fn streams_agree() {
    topic("streams", &[("stream", 3), ("next_key", 1)]);
}

#[test]
fn invites_agree() {
    topic("invite", &[("invite", 4), ("contact_address", 2)]);
}

#[test]
fn safety_numbers_agree() {
    topic("safety_number", &[("safety_number", 3)]);
}

#[test]
fn keystores_agree() {
    topic("keystore", &[("keystore", 3)]);
}

#[test]
fn memberships_agree() {
    topic("fold", &[("fold", 49)]);
}

#[test]
fn chains_operations_and_links_agree() {
    topic(
        "rooms",
        &[
            ("operation", 20),
            ("audience", 7),
            ("sender_chain", 5),
            ("room_shard", 4),
            ("room_link", 2),
            ("control", 11),
        ],
    );
}

/// Cases beside those that are kept: every file in the folder that `PARLOUR_MORE_CASES` names.
#[test]
#[ignore = "reads files that the other side wrote elsewhere"]
fn more_cases_agree() {
    let folder = std::env::var_os("PARLOUR_MORE_CASES").expect("PARLOUR_MORE_CASES names a folder");
    let mut differ = Vec::new();
    for file in std::fs::read_dir(folder).expect("the folder") {
        let cases = given::cases(&file.unwrap().path());
        assert!(!cases.is_empty());
        differ.extend(cases.iter().filter_map(kinds::difference));
    }
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}

#[test]
fn the_same_is_refused() {
    topic("refused", &[("refused", 52)]);
}

/// The other direction; the folder is named by `PARLOUR_CASES_DIR`.
#[test]
#[ignore = "writes files, which .ci/second-implementation has the other side check"]
fn cases_are_written_for_the_other_side() {
    let folder = std::env::var_os("PARLOUR_CASES_DIR").expect("PARLOUR_CASES_DIR names a folder");
    writer::write(Path::new(&folder));
}

/// A file that no test reads would go unnoticed.
#[test]
fn every_file_of_cases_has_its_test() {
    let names = std::fs::read_dir(kept()).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        is_json.then(|| path.file_stem().unwrap().to_str().unwrap().to_owned())
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    let inside = "identifiers";
    let read = [
        "bodies",
        "device",
        "events",
        "fold",
        "handshake",
        inside,
        "identity",
        "invite",
        "keystore",
        "knock",
        "prekey",
        "ratchet",
        "refreshes",
        "refused",
        "rooms",
        "safety_number",
        "streams",
    ];
    assert_eq!(names, read);
}
