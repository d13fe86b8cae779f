//! Events, bodies, controls, payloads and knocks.

use ed25519_dalek::{Signer, SigningKey};
use parlour_crypto::{
    Body, CardDetails, Control, ConversationId, DeviceId, EventHeader, EventId, ImageKind, KnockRequest, KnockResponse,
    Message, Payload, SignedEvent, VerifiedEvent, body_hash,
};
use serde_json::{Value, json};

use super::given::{Given, hex};
use super::kinds::Found;
use super::values;

pub(crate) fn event(i: Given<'_>) -> Found {
    let (salt, body) = (i.array("salt"), i.bytes("body"));
    let header = EventHeader {
        kind: i.int("kind"),
        conversation: ConversationId::from_bytes(i.array("conversation")),
        device: DeviceId::from_bytes(i.array("device")),
        log: i.int("log"),
        seq: i.int("seq"),
        prev: i.optional("prev").map(EventId::from_bytes),
        parents: i.ids("parents").into_iter().map(EventId::from_bytes).collect(),
        clock: i.int("clock"),
        view: i.optional("view"),
        body_hash: body_hash(&salt, &body),
    };
    let key = SigningKey::from_bytes(&i.array("signing_seed"));
    let encoded = header.encode();
    let signature = key
        .sign(&[b"parlour/1\0event\0", encoded.as_slice()].concat())
        .to_bytes();
    let made = VerifiedEvent::restore(header.clone(), signature, Some((salt, body)));
    let stub = made.clone().into_stub();
    let public = key.verifying_key().to_bytes();
    for event in [&made, &stub] {
        let read = SignedEvent::decode(&event.to_wire()).unwrap().verify(&public).unwrap();
        assert_eq!((&read, read.header()), (event, &header));
    }
    assert_eq!(made.id(), stub.id());
    Found {
        mid: json!({
            "header": hex(encoded), "body_hash": hex(header.body_hash), "signature": hex(made.signature()),
        }),
        out: json!({"wire": hex(made.to_wire()), "stub": hex(stub.to_wire()), "event": hex(made.id())}),
    }
}

/// Whoever makes events decides their clocks; what the page says of them is checked where they are made. Here the rule alone.
pub(crate) fn clock(i: Given<'_>) -> Found {
    let parents = i.value("parents").as_array().expect("parents").iter();
    let after = parents.map(|clock| 1 + clock.as_u64().expect("a clock")).max();
    Found::out(json!({"clock": after.unwrap_or(0).max(i.int("now"))}))
}

pub(crate) fn order(i: Given<'_>) -> Found {
    let mut events: Vec<Value> = i.parts("events").map(|event| event.0.clone()).collect();
    events.sort_by_key(|event| {
        let event = Given(event);
        (event.int::<u64>("clock"), EventId::from_bytes(event.array("event")))
    });
    Found::out(json!({"order": events}))
}

fn bytes(bytes: &[u8]) -> Found {
    Found::out(json!({"bytes": hex(bytes)}))
}

pub(crate) fn message_body(i: Given<'_>) -> Found {
    let value = values::message(i.value("value"));
    let written = value.encode().unwrap();
    assert_eq!(Message::decode(&written).unwrap(), value);
    bytes(&written)
}

pub(crate) fn event_body(i: Given<'_>) -> Found {
    let kind = i.int("event_kind");
    let value = values::body(kind, i.value("value"));
    let written = value.encode().unwrap();
    assert_eq!(value.kind(), kind);
    assert_eq!(Body::read(kind, &written).unwrap(), value);
    bytes(&written)
}

/// What a card with these fields says.
pub(crate) fn card(i: Given<'_>) -> Found {
    let said = CardDetails::from_ext(&values::ext(&i));
    said.validate().unwrap();
    Found::out(json!({
        "about_text": said.about, "pronouns_text": said.pronouns, "status_text": said.status, "emoji_text": said.emoji,
        "status_expires": said.status_expires, "avatar_text": said.avatar_kind().map(ImageKind::media_type),
    }))
}

pub(crate) fn control(i: Given<'_>) -> Found {
    let value = values::control(i.value("value"));
    let written = value.encode().unwrap();
    assert_eq!(Control::decode(&written).unwrap(), value);
    bytes(&written)
}

pub(crate) fn knock_request(i: Given<'_>) -> Found {
    let value = values::knock_request(i.value("value"));
    let written = value.encode().unwrap();
    assert_eq!(KnockRequest::decode(&written).unwrap(), value);
    bytes(&written)
}

pub(crate) fn knock_response(i: Given<'_>) -> Found {
    let value = values::knock_response(i.value("value"));
    let written = value.encode().unwrap();
    assert_eq!(KnockResponse::decode(&written).unwrap(), value);
    bytes(&written)
}

pub(crate) fn payload(i: Given<'_>) -> Found {
    let value = if i.has("wire") {
        Payload::Event(i.bytes("wire"))
    } else {
        Payload::Control {
            id: i.array("control_id"),
            control: Control::decode(&i.bytes("control")).unwrap(),
        }
    };
    let written = value.encode().unwrap();
    assert_eq!(Payload::decode(&written).unwrap(), value);
    Found::out(json!({"payload": hex(written)}))
}
