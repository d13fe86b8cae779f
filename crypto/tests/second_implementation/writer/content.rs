//! What is said: events, controls, frames, knocks, invites; and all kinds of things with a byte of theirs changed.

use parlour_crypto::{ConversationId, Draft, EventId, VerifiedEvent};
use serde_json::{Value, json};

use super::person::Person;
use super::{Case, Draw, talk};
use crate::given::{Given, hex, unhex};
use crate::kinds;

fn ext(draw: &mut Draw) -> Value {
    let count = draw.below(3);
    let entry = |_| {
        let length = draw.below(20);
        json!([draw.number(16), draw.hex(length)])
    };
    (0..count).map(entry).collect()
}

fn message(draw: &mut Draw) -> Value {
    let text: String = (0..1 + draw.below(80))
        .map(|_| char::from_u32(draw.number(20) as u32).unwrap_or('�'))
        .collect();
    let mentions = draw.below(4);
    let content = if draw.chance(60) {
        json!(["Text", text])
    } else {
        content(draw)
    };
    json!({
        "content": content, "reply_to": draw.or_null(50, |draw| draw.hex(32)),
        "thread": draw.or_null(50, |draw| draw.hex(32)), "mentions": draw.hexes(mentions, 32), "visibility": 0,
        "expires_after_ms": draw.or_null(50, |draw| draw.number(64).into()), "ext": ext(draw),
    })
}

/// What a message says beside text.
fn content(draw: &mut Draw) -> Value {
    let file = |draw: &mut Draw| {
        let (thumbnail, name) = (draw.below(64), draw.below(80) as usize);
        json!({
            "id": draw.hex(32), "key": draw.hex(32), "size": draw.number(64), "name": "ß".repeat(1 + name),
            "media_type": "application/x-z+json", "thumbnail": draw.hex(thumbnail), "caption": "a\nb",
        })
    };
    let duration = draw.number(64);
    match draw.below(9) {
        0 => {
            let options: Vec<String> = (0..2 + draw.below(19)).map(|n| format!("option {n}")).collect();
            json!(["Poll", {
                "question": "why?", "options": options, "multiple": draw.chance(50), "anonymous": draw.chance(50),
                "closes_at": draw.or_null(50, |draw| draw.number(64).into()),
            }])
        }
        1 => json!(["Location", {
            "latitude": draw.below(1_800_000_001), "longitude": draw.below(3_600_000_001),
            "accuracy_m": draw.or_null(50, |draw| draw.number(32).into()), "name": "",
        }]),
        2 => json!(["File", file(draw)]),
        3 => json!(["Image", {"file": file(draw), "width": draw.number(32), "height": draw.number(32)}]),
        4 => json!(["Video", {
            "file": file(draw), "width": draw.number(32), "height": draw.number(32), "duration_ms": duration,
        }]),
        5 => json!(["Audio", {"file": file(draw), "duration_ms": duration}]),
        6 => json!(["Voice", {"file": file(draw), "duration_ms": duration, "wave": draw.hex(128)}]),
        7 => json!(["Sticker", {"emoji": "🌱", "name": "up", "file": draw.or_null(50, file)}]),
        _ => {
            let outcome = draw.below(4);
            let duration = if outcome == 0 { duration } else { 0 };
            json!(["Call", {"video": draw.chance(50), "outcome": outcome, "duration_ms": duration}])
        }
    }
}

/// The body of an event of any kind, as inputs of a case.
fn body(draw: &mut Draw, kind: u64) -> Value {
    const EMOJI: [&str; 6] = ["👍", "❤️", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪", "1️⃣"];
    let target = draw.hex(32);
    let mentions = draw.below(4);
    let targets = 1 + draw.below(64);
    let value = match kind {
        1 => message(draw),
        2 => json!({
            "target": target, "content": message(draw)["content"], "mentions": draw.hexes(mentions, 32), "ext": ext(draw),
        }),
        3 => json!({"targets": draw.hexes(targets, 32), "ext": ext(draw)}),
        4 => json!({
            "target": target, "emoji": EMOJI[draw.below(6) as usize], "on": draw.chance(50), "ext": ext(draw),
        }),
        5 => json!({"target": target, "on": draw.chance(50), "ext": ext(draw)}),
        8 => {
            let options: Vec<u8> = (0..20).filter(|_| draw.chance(30)).collect();
            json!({"poll": target, "options": options, "ext": ext(draw)})
        }
        9 => {
            let mut counted = draw.hexes(targets, 32);
            counted.sort_by_key(Value::to_string);
            json!({"poll": target, "counted": counted, "ext": ext(draw)})
        }
        _ => json!({
            "expires_after_ms": draw.or_null(70, |draw| (5_000 + draw.below(31_535_995_001)).into()), "ext": ext(draw),
        }),
    };
    json!({"event_kind": kind, "value": value})
}

/// Fields of cards of any length, some of them more than once.
fn card(draw: &mut Draw) -> Value {
    let entries = (0..draw.below(9)).map(|_| {
        let number = draw.below(8);
        let length = if number == 5 && draw.chance(70) {
            8
        } else {
            draw.number(10)
        };
        let data = match draw.chance(80) && number != 5 {
            true => hex(vec![b'a'; length as usize]),
            false => draw.hex(length),
        };
        json!([number, data])
    });
    json!({"ext": entries.collect::<Vec<_>>()})
}

pub(super) fn bodies(draw: &mut Draw) -> Vec<Case> {
    const KINDS: [u64; 8] = [1, 2, 3, 4, 5, 6, 8, 9];
    let bodies: Vec<Value> = (0..64).map(|number| body(draw, KINDS[number % 8])).collect();
    let bodies = bodies
        .into_iter()
        .map(|inputs| ("event_body", format!("kind {}", inputs["event_kind"]), inputs));
    let mut cases: Vec<Case> = bodies.collect();
    for number in 0..24 {
        cases.push(("card", format!("card {number}"), card(draw)));
    }
    cases
}

fn profile(draw: &mut Draw) -> Value {
    let person = Person::new(draw, 3);
    let addresses = draw.below(9);
    json!({
        "name": "Ł".repeat(draw.below(33) as usize), "device_list": hex(person.list.as_bytes()),
        "bundle": hex(person.bundle.as_bytes()), "peer": draw.hex(38), "addresses": draw.hexes(addresses, 30),
        "ext": ext(draw),
    })
}

fn have(draw: &mut Draw) -> Value {
    let logs = (0..draw.below(4)).map(|_| {
        let mut intervals = Vec::new();
        let mut from = 1;
        for _ in 0..draw.below(5) {
            from += draw.number(20);
            let to = from + draw.number(20);
            intervals.push(json!([from, to]));
            from = to + 2;
        }
        json!({"device": draw.hex(32), "log": draw.number(32), "have": intervals})
    });
    let logs: Vec<Value> = logs.collect();
    json!({"conversation": draw.hex(32), "full": draw.chance(50), "logs": logs})
}

fn ids(draw: &mut Draw, width: u64) -> Vec<Value> {
    let count = draw.below(6);
    draw.hexes(count, width)
}

fn control(draw: &mut Draw) -> Value {
    match draw.below(7) {
        6 => json!(["ContactRequest", {"link": "parlour:A", "note": "hello", "ext": ext(draw)}]),
        5 => json!(["Read", {"conversation": draw.hex(32), "clock": draw.number(64), "event": draw.hex(32)}]),
        0 => json!(["ContactHello", {
            "token": draw.or_null(50, |draw| draw.hex(16)), "profile": profile(draw), "ext": ext(draw),
        }]),
        1 => json!(["ContactAccept", {"profile": profile(draw), "ext": ext(draw)}]),
        2 => json!(["Contact", {"profile": profile(draw), "ext": ext(draw)}]),
        3 => json!(["Have", have(draw)]),
        _ => json!(["Received", {"ids": ids(draw, 16)}]),
    }
}

/// The inputs of an event which the crate signs, and the event.
fn event(draw: &mut Draw, body: &[u8]) -> (Value, VerifiedEvent) {
    let person = Person::new(draw, 3);
    let seq = 1 + if draw.chance(30) { 0 } else { draw.number(60) };
    let count = draw.below(9);
    let mut parents: Vec<EventId> = (0..count).map(|_| EventId::from_bytes(draw.array())).collect();
    parents.sort();
    let draft = Draft {
        kind: draw.number(16) as u16,
        conversation: ConversationId::from_bytes(draw.array()),
        device: person.keys.id(),
        log: draw.number(32) as u32,
        seq,
        prev: (seq > 1).then(|| EventId::from_bytes(draw.array())),
        parents,
        clock: draw.number(64),
        view: draw.chance(30).then(|| draw.array()),
    };
    let salt: [u8; 16] = draw.array();
    let inputs = json!({
        "signing_seed": person.secrets()["signing_seed"], "kind": draft.kind, "conversation": hex(draft.conversation),
        "device": hex(draft.device), "log": draft.log, "seq": draft.seq, "prev": draft.prev.map(hex),
        "parents": draft.parents.iter().map(hex).collect::<Vec<_>>(), "clock": draft.clock,
        "view": draft.view.map(hex), "salt": hex(salt), "body": hex(body),
    });
    let event = VerifiedEvent::sign(&person.keys, draft, salt, body).expect("an event");
    let made = kinds::run("event", Given(&inputs));
    assert_eq!(made.out["wire"], hex(event.to_wire()), "the crate signs another event");
    (inputs, event)
}

pub(super) fn events(draw: &mut Draw) -> Vec<Case> {
    let mut cases = Vec::new();
    for number in 0..12 {
        let length = draw.number(15);
        let body = draw.bytes(length);
        let (inputs, event) = event(draw, &body);
        cases.push(("event", format!("event {number}"), inputs));
        cases.push((
            "payload",
            format!("event {number}"),
            json!({"wire": hex(event.to_wire())}),
        ));
        cases.push((
            "message_body",
            format!("message {number}"),
            json!({"value": message(draw)}),
        ));
        let value = control(draw);
        let encoded = kinds::run("control", Given(&json!({"value": value}))).out["bytes"].clone();
        cases.push(("control", format!("control {number}"), json!({"value": value})));
        let inputs = json!({"control_id": draw.hex(16), "control": encoded});
        cases.push(("payload", format!("control {number}"), inputs));
    }
    cases
}

fn frame(draw: &mut Draw) -> Value {
    let (kind, value) = match draw.below(8) {
        6 => (
            "Typing",
            json!({"conversation": draw.hex(32), "typing": draw.chance(50)}),
        ),
        7 => ("Presence", json!({"presence": draw.below(3)})),
        0 => ("Have", have(draw)),
        1 => {
            let body = draw.bytes(100);
            let wire = hex(event(draw, &body).1.to_wire());
            ("Events", json!({"conversation": draw.hex(32), "events": [wire]}))
        }
        2 => ("Control", json!({"id": draw.hex(16), "control": control(draw)})),
        3 => ("Received", json!({"ids": ids(draw, 16)})),
        4 => ("Rekey", Value::Null),
        _ => ("Want", json!({"conversation": draw.hex(32), "ids": ids(draw, 32)})),
    };
    json!({"type": kind, "value": value})
}

fn pair(draw: &mut Draw) -> Value {
    json!({
        "exporter": draw.hex(32), "peer_a": draw.hex(38), "peer_b": draw.hex(38), "nonce_a": draw.hex(32),
        "nonce_b": draw.hex(32), "eph_secret_a": draw.hex(32), "eph_secret_b": draw.hex(32),
    })
}

pub(super) fn streams(draw: &mut Draw) -> Vec<Case> {
    let mut cases = Vec::new();
    for number in 0..4 {
        let hello = |by: &str, draw: &mut Draw| {
            let value = json!({
                "version": 1, "wall_time_ms": draw.number(64), "list_version": draw.number(32),
                "list_hash": draw.hex(8), "bundle_serial": draw.number(32), "ext": ext(draw),
            });
            json!({"by": by, "type": "Hello", "value": value})
        };
        let mut frames = vec![hello("b", draw), hello("a", draw)];
        for _ in 0..40 {
            let mut next = frame(draw);
            next["by"] = if draw.chance(50) { "a" } else { "b" }.into();
            frames.push(next);
        }
        let mut inputs = pair(draw);
        inputs["frames"] = frames.into();
        cases.push(("stream", format!("stream {number}"), inputs));
    }
    cases
}

pub(super) fn knocks(draw: &mut Draw) -> Vec<Case> {
    let envelope = draw.hex(4096);
    let person = Person::new(draw, 3);
    let (list, bundle) = (hex(person.list.as_bytes()), hex(person.bundle.as_bytes()));
    let one_time = json!([1 + draw.number(31), draw.hex(32)]);
    let requests = [
        json!(["Bundle", {"hash": draw.hex(32)}]),
        json!(["Deliver", {"envelope": envelope}]),
        json!(["BundleOf", {"user": draw.hex(32)}]),
        json!(["Ask", {"user": draw.hex(32), "nonce": draw.number(64), "envelope": envelope}]),
        json!(["Rooms", null]),
        json!(["Link", {"nonce": draw.hex(16), "proof": draw.hex(16)}]),
    ];
    let responses = [
        json!(["Nothing", null]),
        json!(["Bundle", {"device_list": list, "bundle": bundle, "one_time": one_time}]),
        json!(["Bundle", {"device_list": list, "bundle": bundle, "one_time": null}]),
        json!(["Received", null]),
        json!(["Closed", {"reason": 1}]),
        json!(["Rooms", {"rooms": [{
            "create": draw.hex(40), "link": "parlour:x", "name": "a room", "topic": "", "members": 7, "ext": [],
        }]}]),
        json!(["Member", {"proof": draw.hex(16), "device_list": list, "bundle": bundle}]),
    ];
    let case = |kind, value: Value| {
        (
            kind,
            value[0].as_str().unwrap_or_default().to_owned(),
            json!({"value": value}),
        )
    };
    let requests = requests.into_iter().map(|value| case("knock_request", value));
    requests
        .chain(responses.into_iter().map(|value| case("knock_response", value)))
        .collect()
}

pub(super) fn invites(draw: &mut Draw) -> Vec<Case> {
    let mut cases = Vec::new();
    for number in 0..16 {
        let addresses = draw.below(5);
        let inputs = json!({
            "user": draw.hex(32), "peer": draw.hex(38), "addresses": draw.hexes(addresses, 9),
            "bundle_hash": draw.hex(32), "token": draw.hex(16), "expires": draw.number(64),
            "name_text": draw.or_null(70, |draw| "é".repeat(draw.below(17) as usize).into()),
        });
        cases.push(("invite", format!("invite {number}"), inputs));
    }
    cases
}

/// Things that are signed, sealed or tagged, each with one byte changed: both sides must refuse all of them.
pub(super) fn damaged(draw: &mut Draw) -> Vec<Case> {
    let person = Person::new(draw, 3);
    let (certificate, list) = (hex(person.cert.as_bytes()), hex(person.list.as_bytes()));
    let bundle = hex(person.bundle.as_bytes());
    let body = draw.bytes(50);
    let (inputs, said) = event(draw, &body);
    let signing_key = ed25519_dalek::SigningKey::from_bytes(&Given(&inputs).array("signing_seed"));
    let signing_key = hex(signing_key.verifying_key().to_bytes());
    let mut flight = talk::first_flight(draw, [3, 3], true, false, 40);
    let envelope = kinds::run("first_flight", Given(&flight)).out["envelope"].clone();
    for unknown in [
        "suite",
        "day",
        "contact_text",
        "a",
        "eph_secret",
        "kem_random",
        "ratchet_secret",
        "header_nonce",
    ] {
        flight.as_object_mut().expect("inputs").remove(unknown);
    }
    let mut stream = pair(draw);
    stream["frames"] = json!([]);
    let made = kinds::run("stream", Given(&stream)).out;
    let things = [
        ("device_certificate", json!({}), certificate.clone()),
        ("device_list", json!({}), list),
        ("prekey_bundle", json!({"certificate": certificate}), bundle),
        ("event", json!({"signing_key": signing_key}), hex(said.to_wire())),
        (
            "event",
            json!({"signing_key": signing_key}),
            hex(said.into_stub().to_wire()),
        ),
        ("first_flight", flight, envelope),
        ("stream_open", stream.clone(), made["open"].clone()),
        ("stream_accept", stream, made["accept"].clone()),
    ];
    let mut cases = Vec::new();
    for (reader, mut inputs, right) in things {
        let bytes = unhex(&right);
        let wrong = (0..100).map(|_| {
            let at = draw.below(bytes.len() as u64);
            let changed = bytes[usize::try_from(at).unwrap()] ^ (1 << draw.below(8));
            json!({"why_text": format!("byte {at} is {changed}"), "edits": [[at, 1, hex([changed]), 1]]})
        });
        inputs["wrong"] = wrong.collect::<Vec<_>>().into();
        inputs["reader"] = reader.into();
        inputs["right"] = json!({"bytes": right});
        cases.push(("refused", format!("{reader}, damaged"), inputs));
    }
    cases
}
