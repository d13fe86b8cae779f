//! What a case of each kind means here: from its inputs, the outputs and those intermediate values that can be seen.

use serde_json::{Value, json};

use super::given::Given;
use super::{events, fold, people, private, refusals, rooms, sessions, streams};

/// What the inputs of a case lead to.
pub(crate) struct Found {
    pub(crate) mid: Value,
    pub(crate) out: Value,
}

impl Found {
    pub(crate) fn out(out: Value) -> Self {
        Self { mid: json!({}), out }
    }
}

/// Intermediate values that stay inside of the crate. Each goes into an output, which would not be the same without it.
fn unseen(kind: &str) -> &'static [&'static str] {
    match kind {
        "identity" => &["signing_seed"],
        "first_flight" => &["dh1", "dh2", "dh3", "dh4", "ss", "ff", "fk"],
        "conversation" => &["message_keys"],
        "stream" => &["salt", "key_ab", "key_ba"],
        "invite" | "contact_address" => &["tlv"],
        "keystore" => &["secrets_key", "password_key", "node_key"],
        "audience" => &["top"],
        "refused" | "fold" => &["reasons_text"],
        _ => &[],
    }
}

/// Kinds that only the crate itself sees the results of; its own tests run these cases.
const INSIDE: [&str; 1] = ["next_key"];

/// Runs the inputs of a case.
pub(crate) fn run(kind: &str, i: Given<'_>) -> Found {
    match kind {
        "identity" => people::identity(i),
        "device_certificate" => people::device_certificate(i),
        "device_list" => people::device_list(i),
        "succession" => people::succession(i),
        "prekey_bundle" => people::prekey_bundle(i),
        "one_time_key" => people::one_time_key(i),
        "first_flight" => sessions::first_flight(i),
        "conversation" => sessions::conversation(i),
        "shard" => sessions::shard_of(i),
        "padding" => sessions::padding(i),
        "event" => events::event(i),
        "message_body" => events::message_body(i),
        "event_body" => events::event_body(i),
        "card" => events::card(i),
        "control" => events::control(i),
        "payload" => events::payload(i),
        "clock" => events::clock(i),
        "order" => events::order(i),
        "knock_request" => events::knock_request(i),
        "knock_response" => events::knock_response(i),
        "stream" => streams::stream(i),
        "invite" => private::invite(i),
        "contact_address" => private::contact_address(i),
        "asking_work" => private::asking_work(i),
        "asking_around" => private::asking_around(i),
        "safety_number" => private::safety(i),
        "keystore" => private::keystore(i),
        "fold" => fold::fold(i),
        "operation" => rooms::operation(i),
        "audience" => rooms::audience(i),
        "sender_chain" => rooms::sender_chain(i),
        "room_shard" => rooms::shard(i),
        "room_link" => rooms::link(i),
        "refused" => refusals::refused(i),
        other => panic!("unknown kind {other}"),
    }
}

/// Runs a case and compares: every output must be the same, and every intermediate value that both sides know.
pub(crate) fn check(case: &Value) {
    let (kind, name) = (
        case["kind"].as_str().expect("kind"),
        case["name"].as_str().expect("name"),
    );
    if INSIDE.contains(&kind) {
        return;
    }
    let found = run(kind, Given(&case["in"]));
    assert_eq!(found.out, case["out"], "{kind}: {name}");
    for (part, stated) in case["mid"].as_object().expect("mid") {
        match found.mid.get(part) {
            Some(found) => assert_eq!(found, stated, "{kind}: {name}: {part}"),
            None => assert!(
                unseen(kind).contains(&part.as_str()),
                "{kind}: {name}: {part} is unknown"
            ),
        }
    }
}

/// What of the outputs of a case is not the same here, if anything is.
pub(crate) fn difference(case: &Value) -> Option<String> {
    let found = run(case["kind"].as_str().expect("kind"), Given(&case["in"])).out;
    let stated = case["out"].as_object().expect("out");
    let differ = stated.iter().filter(|(name, stated)| found.get(name) != Some(*stated));
    let differ: Vec<_> = differ
        .map(|(name, stated)| format!("{name}: {} but stated {stated}", found[name]))
        .collect();
    (!differ.is_empty()).then(|| format!("{}: {}", case["name"], differ.join("; ")))
}
