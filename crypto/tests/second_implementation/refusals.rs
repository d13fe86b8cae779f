//! What must be refused: something right, and small changes that make it wrong.

use parlour_crypto::{
    Body, Control, ConversationId, DeviceCert, DeviceId, DeviceList, EventId, Frame, Invite, Keystore, KnockRequest,
    KnockResponse, MAX_FRAME, Message, Operation, Payload, PrekeyBundle, RoomLink, SignedEvent, Unlock, UserId,
    accept_stream, entropy_from_phrase, parse, unpad,
};
use serde_json::{Value, json};

use super::given::{Given, Script, edited, hex};
use super::kinds::Found;
use super::{people, rooms, sessions, streams};

/// What says nothing but that it was refused.
type Verdict = Result<(), String>;

fn verdict<T, E: std::fmt::Display>(result: Result<T, E>) -> Verdict {
    result.map(drop).map_err(|error| error.to_string())
}

/// Readers of what only the crate itself sees; its own tests run these cases.
const INSIDE: [&str; 2] = ["verify", "dh"];

/// What readers that know the context refuse, and those of this crate cannot: the rules of the first frame of a stream, and
/// of the conversation an event is for.
const IN_CONTEXT: [(&str, &str); 4] = [
    ("stream_frame", "another frame before Hello"),
    ("stream_frame", "a second Hello"),
    ("stream_frame", "Hello of version 2"),
    ("direct_event", "a membership view"),
];

pub(crate) fn refused(i: Given<'_>) -> Found {
    let reader = i.text("reader");
    let found = Found::out(json!({}));
    if INSIDE.contains(&reader) {
        return found;
    }
    let right = with(i.0, i.value("right"));
    read(reader, Given(&right)).unwrap_or_else(|error| panic!("{reader}: what is right was refused: {error}"));
    for wrong in i.parts("wrong") {
        let why = wrong.text("why_text");
        let mut inputs = with(&right, wrong.0);
        if wrong.has("edits") {
            inputs["bytes"] = hex(edited(&i.part("right").bytes("bytes"), wrong.value("edits")));
        }
        let in_context = IN_CONTEXT.contains(&(reader, why));
        let verdict = read(reader, Given(&inputs));
        assert_eq!(verdict.is_ok(), in_context, "{reader}: {why}: {verdict:?}");
    }
    found
}

/// `inputs` with those of `more` in place of them.
fn with(inputs: &Value, more: &Value) -> Value {
    let mut inputs = inputs.clone();
    for (name, value) in more.as_object().expect("inputs") {
        inputs[name] = value.clone();
    }
    inputs
}

fn read(reader: &str, i: Given<'_>) -> Verdict {
    let bytes = || i.bytes("bytes");
    match reader {
        "identifier" => identifier(i.text("what_text"), i.text("given_text")),
        "words" => verdict(entropy_from_phrase(i.text("given_text"))),
        "device_certificate" => verdict(DeviceCert::verify(&bytes())),
        "device_list" => verdict(DeviceList::verify(&bytes())),
        "succession" => verdict(people::follows(&i.bytes("old"), &bytes())),
        "prekey_bundle" => verdict(PrekeyBundle::verify(&bytes(), &people::certificate(i))),
        "first_flight" => verdict(sessions::answer(i, &bytes())),
        "envelope" => verdict(parse(&bytes())),
        "padded_payload" => verdict(unpad(&bytes())),
        "event" | "direct_event" => event(i, &bytes()),
        "payload" => payload(&bytes()),
        "event_body" => verdict(Body::read(i.int("event_kind"), &bytes())),
        "message_body" => verdict(Message::decode(&bytes())),
        "control" => verdict(Control::decode(&bytes())),
        "knock_request" => verdict(KnockRequest::decode(&bytes())),
        "knock_response" => verdict(KnockResponse::decode(&bytes())),
        "stream_open" => stream_open(i, &bytes()),
        "stream_accept" => stream_accept(i, &bytes()),
        "stream_frame" => stream_frame(i, &bytes()),
        "invite" => verdict(Invite::parse(i.text("given_text"))),
        "operation" => verdict(Operation::decode(&bytes())),
        "shared_chain" => verdict(rooms::take(i, &bytes())),
        "room_link" => verdict(RoomLink::parse(i.text("given_text"))),
        "keystore" => verdict(Keystore::unlock(&bytes(), Unlock::Password(i.text("password_text")))),
        other => panic!("unknown reader {other}"),
    }
}

fn identifier(what: &str, text: &str) -> Verdict {
    match what {
        "user" => verdict(text.parse::<UserId>()),
        "device" => verdict(text.parse::<DeviceId>()),
        "conversation" => verdict(text.parse::<ConversationId>()),
        "event" => verdict(text.parse::<EventId>()),
        other => panic!("unknown identifier {other}"),
    }
}

fn event(i: Given<'_>, bytes: &[u8]) -> Verdict {
    let event = SignedEvent::decode(bytes).map_err(|error| error.to_string())?;
    verdict(event.verify(&i.array("signing_key")))
}

/// A payload and the form of the event in it.
fn payload(bytes: &[u8]) -> Verdict {
    match Payload::decode(bytes) {
        Ok(Payload::Event(wire)) => verdict(SignedEvent::decode(&wire)),
        other => verdict(other),
    }
}

fn stream_open(i: Given<'_>, bytes: &[u8]) -> Verdict {
    let session = streams::session(&i.array("exporter"));
    let mut script = Script::new([&[7; 64][..]]);
    let (peer_a, peer_b) = (i.bytes("peer_a"), i.bytes("peer_b"));
    verdict(accept_stream(&mut script, bytes, [&session], &peer_a, &peer_b))
}

fn stream_accept(i: Given<'_>, bytes: &[u8]) -> Verdict {
    let (waiting, _) = streams::opening(i, &i.array("exporter"));
    verdict(waiting.finish(bytes))
}

/// A record from A, after those `before` it. Its length is taken off and compared as the transport does it.
fn stream_frame(i: Given<'_>, bytes: &[u8]) -> Verdict {
    let (_, mut opener) = streams::begin(i).b;
    for record in i.list("before") {
        let opened = opener.open(&record[4..]).map_err(|error| error.to_string())?;
        Frame::decode(&opened).map_err(|error| error.to_string())?;
    }
    let (length, sealed) = bytes.split_first_chunk().ok_or("no length")?;
    let length = u32::from_be_bytes(*length) as usize;
    if length != sealed.len() || length > MAX_FRAME + 16 {
        return Err(format!("a length of {length}"));
    }
    let opened = opener.open(sealed).map_err(|error| error.to_string())?;
    verdict(Frame::decode(&opened))
}
