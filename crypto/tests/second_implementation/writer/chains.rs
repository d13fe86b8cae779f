//! Audiences, sender chains and room links.

use parlour_crypto::{ConversationId, DeviceId, EventHeader, KIND_MESSAGE, VerifiedEvent, body_hash};
use serde_json::{Value, json};

use super::person::Person;
use super::{Case, Draw};
use crate::given::{hex, hexes};
use crate::people;

pub(super) fn rooms(draw: &mut Draw) -> Vec<Case> {
    let audiences = (0..20).map(|number| ("audience", number, audience(draw, 1 + number * 7 % 70)));
    let mut cases: Vec<_> = audiences.collect();
    cases.extend((0..6).map(|number| ("sender_chain", number, sender_chain(draw))));
    cases.extend((0..10).map(|number| {
        let inputs = json!({"room": draw.hex(32), "day": draw.below(65_536)});
        ("room_shard", number, inputs)
    }));
    cases.extend((0..10).map(|number| ("room_link", number, link(draw))));
    let named = cases.into_iter();
    named
        .map(|(kind, number, inputs)| (kind, format!("{kind} {number}"), inputs))
        .collect()
}

fn ascending(draw: &mut Draw, count: u64, more: &[DeviceId]) -> Vec<DeviceId> {
    let drawn = (0..count).map(|_| DeviceId::from_bytes(draw.array()));
    let mut devices: Vec<_> = drawn.chain(more.iter().copied()).collect();
    devices.sort_unstable();
    devices
}

fn audience(draw: &mut Draw, count: u64) -> Value {
    let proved: Vec<u64> = (0..count).step_by(3).collect();
    json!({"devices": hexes(ascending(draw, count, &[])), "proved": proved})
}

fn link(draw: &mut Draw) -> Value {
    let name = draw.or_null(60, |_| "Küche".into());
    json!({
        "user": draw.hex(32), "peer": draw.hex(38), "addresses": draw.hexes(1, 9), "bundle_hash": draw.hex(32),
        "token": draw.hex(16), "expires": draw.number(64), "name_text": name, "room": draw.hex(32),
    })
}

const MESSAGES: u64 = 12;

/// Messages opened in any order; each again, which is refused.
fn sender_chain(draw: &mut Draw) -> Value {
    let (owner, room, reader) = (
        Person::new(draw, 3),
        ConversationId::from_bytes(draw.array()),
        draw.array(),
    );
    let others = 1 + draw.below(9);
    let audience = ascending(draw, others, &[owner.keys.id(), DeviceId::from_bytes(reader)]);
    let from = draw.below(MESSAGES);
    let messages: Vec<Value> = (0..MESSAGES)
        .map(|seq| json!({"header_nonce": draw.hex(24), "wire": event(draw, &owner, room, 1 + seq)}))
        .collect();
    let mut steps = Vec::new();
    for _ in 0..3 * MESSAGES {
        steps.push((draw.below(2), draw.below(MESSAGES)));
    }
    let mut opened = Vec::new();
    let steps: Vec<Value> = steps
        .into_iter()
        .map(|step @ (reader, number)| {
            let refused = opened.contains(&step) || (reader == 1 && number < from);
            opened.push(step);
            json!([reader, if refused { "refuse" } else { "open" }, number])
        })
        .collect();
    let mut inputs = owner.secrets();
    let more = json!({
        "room": hex(room), "chain": draw.hex(16), "view": draw.hex(32), "audience": hexes(audience), "reader": hex(reader),
        "chain_key": draw.hex(32), "header_key": draw.hex(32), "tag_key": draw.hex(32), "day": draw.below(65_536),
        "from": from, "messages": messages, "given": [], "steps": steps,
    });
    for (name, value) in more.as_object().expect("inputs") {
        inputs[name] = value.clone();
    }
    inputs
}

fn event(draw: &mut Draw, owner: &Person, room: ConversationId, log: u64) -> Value {
    let length = draw.below(2000);
    let (salt, body) = (draw.array(), draw.bytes(length));
    let header = EventHeader {
        kind: KIND_MESSAGE,
        conversation: room,
        device: owner.keys.id(),
        log: u32::try_from(log).unwrap(),
        seq: 1,
        prev: None,
        parents: Vec::new(),
        clock: draw.number(64),
        view: Some(draw.array()),
        body_hash: body_hash(&salt, &body),
    };
    let signature = people::sign(&owner.keys.secrets().0, "event", &header.encode());
    hex(VerifiedEvent::restore(header, signature, Some((salt, body))).to_wire())
}
