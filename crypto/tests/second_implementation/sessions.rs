//! First flights and conversations, both sides of them, with every random value given.

use parlour_crypto::{
    Accepted, EnvelopePrefix, FirstFlight, HandshakeError, ListReference, PrekeyBundle, RecordChange, Session, Suite,
    UserId, first_contact_tag, initiate, parse, shard,
};
use serde_json::{Value, json};
use x25519_dalek::{PublicKey, StaticSecret};

use super::given::{Chosen, Given, Script, hex, hexes};
use super::kinds::Found;
use super::people::{certificate, device_keys, one_time_secret, prekey_secret};

/// When messages come, ms: it is kept with skipped keys and decides nothing here.
const NOW: u64 = 1_790_000_000_000;

/// Answers a first contact as B of a case does; the tag must be that of `tag_key`.
pub(crate) fn answer(i: Given<'_>, envelope: &[u8]) -> Result<Accepted, HandshakeError> {
    let (prefix, body) = parse(envelope).map_err(|_| HandshakeError::Malformed)?;
    if first_contact_tag(&i.array("tag_key"), prefix.day) != prefix.tag {
        return Err(HandshakeError::Malformed);
    }
    let b = i.part("b");
    let cert = certificate(b);
    let bundle = PrekeyBundle::verify(&b.bytes("bundle"), &cert).expect("a bundle");
    let one_time = one_time(b);
    let flight = FirstFlight::parse(body)?;
    flight.open(
        &prefix,
        &device_keys_of_b(b),
        &cert,
        &prekey_secret(bundle.serial(), b),
        bundle.hash(),
        one_time.as_ref().filter(|_| flight.one_time_id().is_some()),
        |_| None,
        i.int("now"),
    )
}

fn one_time(b: Given<'_>) -> Option<parlour_crypto::OneTimeSecret> {
    let id = b.int("one_time_id");
    (id != 0).then(|| one_time_secret(id, &b.array("one_time_secret")))
}

/// B signs nothing in a handshake, so a case may leave its signing key out.
fn device_keys_of_b(b: Given<'_>) -> parlour_crypto::DeviceKeys {
    match b.has("signing_seed") {
        true => device_keys(b),
        false => parlour_crypto::DeviceKeys::from_secrets(&[0; 32], &b.array("dh_secret")),
    }
}

/// The first contact of a case: what A's session was before message 0, and both sides behind it.
struct FirstContact {
    mid: Value,
    envelope: Vec<u8>,
    a: Session,
    b: Session,
}

fn first_contact(i: Given<'_>) -> FirstContact {
    let (a, b) = (i.part("a"), i.part("b"));
    let bundle = PrekeyBundle::verify(&b.bytes("bundle"), &certificate(b)).expect("a bundle");
    let tag_key: [u8; 16] = i.array("tag_key");
    match i.text("contact_text") {
        "invite" => {}
        "again" => assert_eq!(tag_key, bundle.hash()[..16]),
        other => panic!("unknown contact {other}"),
    }
    let reference = ListReference::decode(&a.array("list_reference"));
    let mut random = vec![i.bytes("eph_secret")];
    random.extend(i.has("kem_random").then(|| i.bytes("kem_random")));
    random.push(i.bytes("ratchet_secret"));
    let mut script = Script::new(random.iter().map(Vec::as_slice));
    let initiated = initiate(
        &mut script,
        &device_keys(a),
        &certificate(a),
        reference,
        &certificate(b),
        &bundle,
        one_time(b).map(|key| key.public()).as_ref(),
        i.int("now"),
    )
    .expect("a first flight");
    script.end();
    assert_eq!(Some(initiated.session().suite()), Suite::from_number(i.int("suite")));
    let mut mid = keys_of(initiated.session());

    let day = i.int("day");
    let prefix = EnvelopePrefix {
        day,
        tag: first_contact_tag(&tag_key, day),
    };
    let nonce = i.bytes("header_nonce");
    let mut script = Script::new([&nonce[..]]);
    let (session, envelope) = initiated
        .seal(&mut script, &prefix, &i.bytes("payload"))
        .expect("message 0");
    script.end();

    let accepted = answer(i, &envelope).expect("a first flight that opens");
    assert_eq!(accepted.peer_cert, certificate(a));
    assert_eq!(accepted.list, reference);
    assert_eq!(*accepted.payload, i.bytes("payload"));
    let of_b = keys_of(&accepted.session);
    for shared in ["th", "tag_key_ab", "tag_key_ba", "exporter", "session_id"] {
        // B's outgoing tag key is A's incoming one.
        let there = shared.replace("_ab", "_xy").replace("_ba", "_ab").replace("_xy", "_ba");
        assert_eq!(mid[shared], of_b[there], "{shared}");
    }
    mid["eph"] = hex(PublicKey::from(&StaticSecret::from(i.array::<32>("eph_secret"))));
    mid["message_id"] = hex(blake3::hash(&envelope).as_bytes());
    FirstContact {
        mid,
        envelope,
        a: session,
        b: accepted.session,
    }
}

/// The keys of a session as A has it before message 0, by the layout it has on disk.
fn keys_of(session: &Session) -> Value {
    let core = session.core();
    let key = |at: usize| hex(&core[at..at + 32]);
    let parts = 2 + 7 * 32;
    json!({
        "th": key(2),
        "tag_key_ab": key(2 + 32),
        "tag_key_ba": key(2 + 2 * 32),
        "exporter": key(2 + 3 * 32),
        "root": key(2 + 4 * 32),
        "next_header_key_ab": key(2 + 5 * 32),
        "header_key_ba": key(2 + 6 * 32),
        "header_key_ab": core.get(parts + 65..parts + 97).map(hex),
        "chain_key": core.get(parts + 97..parts + 129).map(hex),
        "session_id": hex(session.id()),
    })
}

pub(crate) fn first_flight(i: Given<'_>) -> Found {
    let contact = first_contact(i);
    Found {
        mid: contact.mid,
        out: json!({"envelope": hex(contact.envelope)}),
    }
}

/// Both sides of a session and what has been said.
struct Conversation<'a> {
    flight: Given<'a>,
    sides: [Session; 2],
    envelopes: Vec<Vec<u8>>,
    payloads: Vec<Vec<u8>>,
    headers: Vec<[u8; 48]>,
}

fn side(name: &str) -> usize {
    match name {
        "a" => 0,
        "b" => 1,
        other => panic!("unknown side {other}"),
    }
}

impl Conversation<'_> {
    fn seal(&mut self, step: Given<'_>) {
        let (mut random, payload) = (random(step, step.array("header_nonce")), step.bytes("payload"));
        let session = &mut self.sides[side(step.text("by"))];
        let envelope = session.seal(&mut random, step.int("day"), &payload).expect("a message");
        random.end();
        self.headers.push(header(session, payload.len()));
        self.envelopes.push(envelope);
        self.payloads.push(payload);
    }

    /// Seals `count` times with nothing that matters, and gives the last envelope.
    fn quietly(&mut self, step: Given<'_>, count: usize) -> Vec<u8> {
        let (mut random, payload) = (random(step, [0; 24]), self.flight.bytes("payload"));
        let session = &mut self.sides[side(step.text("by"))];
        let mut last = Vec::new();
        for _ in 0..count {
            last = session
                .seal(&mut random, self.flight.int("day"), &payload)
                .expect("a message");
        }
        random.end();
        last
    }

    fn hand_over(&mut self, step: Given<'_>) {
        let envelope = self.quietly(step, 1);
        let opened = self.sides[1 - side(step.text("by"))]
            .open(&envelope, NOW)
            .expect("the message opens");
        assert_eq!(*opened, self.flight.bytes("payload"));
    }

    fn open(&mut self, step: Given<'_>) {
        let message: usize = step.int("message");
        let session = &mut self.sides[side(step.text("by"))];
        let opened = session.open(&self.envelopes[message], NOW).expect("the message opens");
        assert_eq!(*opened, self.payloads[message]);
    }

    fn open_given(&mut self, step: Given<'_>) {
        let session = &mut self.sides[side(step.text("by"))];
        let opened = session.open(&step.bytes("envelope"), NOW).expect("the message opens");
        assert_eq!(*opened, step.bytes("payload"));
    }

    fn refuse(&mut self, step: Given<'_>, change: impl FnOnce(&mut Vec<u8>)) {
        let mut envelope = self.envelopes[step.int::<usize>("message")].clone();
        change(&mut envelope);
        self.refuse_bytes(step, &envelope);
    }

    fn refuse_bytes(&mut self, step: Given<'_>, envelope: &[u8]) {
        unchanged(&mut self.sides[side(step.text("by"))], |session| {
            assert!(
                session.open(envelope, NOW).is_err(),
                "opened: {}",
                step.text("why_text")
            );
        });
    }

    fn refuse_seal(&mut self, step: Given<'_>) {
        let payload = self.flight.bytes("payload");
        unchanged(&mut self.sides[side(step.text("by"))], |session| {
            let sealed = session.seal(&mut Script::new([&[0; 64][..]]), 0, &payload);
            assert!(sealed.is_err(), "sealed: {}", step.text("why_text"));
        });
    }
}

/// Runs `action`, which must leave `session` as it was.
fn unchanged(session: &mut Session, action: impl FnOnce(&mut Session)) {
    let _: Vec<RecordChange> = session.take_changes();
    let before = session.core();
    action(session);
    assert_eq!(*session.core(), *before, "the core has changed");
    assert!(session.take_changes().is_empty(), "a record has changed");
}

/// The random values of a step that seals.
fn random(step: Given<'_>, nonce: [u8; 24]) -> Chosen {
    Chosen {
        ratchet_secret: step.optional("ratchet_secret"),
        kem_seed: step.optional("kem_seed"),
        kem_random: step.optional("kem_random"),
        nonce,
    }
}

/// The header of the message a session has just sealed around `length` bytes, by what it would write to disk.
fn header(session: &Session, length: usize) -> [u8; 48] {
    let core = session.core();
    let chain = &core[2 + 7 * 32..];
    assert_eq!(chain[0], 1, "a side that has sealed has a chain");
    let number = |at: usize| u32::from_be_bytes(chain[at..at + 4].try_into().unwrap());
    let (n, previous) = (number(129) - 1, number(133));
    let mut header = [0; 48];
    header[..32].copy_from_slice(&chain[33..65]);
    header[32..36].copy_from_slice(&previous.to_be_bytes());
    header[36..40].copy_from_slice(&n.to_be_bytes());

    let receiving = &chain[137..];
    let refresh = &receiving[if receiving[0] == 0 { 1 } else { 77 }..];
    let (known, epoch, state) = (refresh[0], &refresh[1..5], refresh[11]);
    // Offered: the key rides; answered: the ciphertext.
    let (riding, part) = match state {
        1 => (3, 1184),
        4 => (5, 1088),
        _ => (known, 0),
    };
    let rides = (n < 16 || n % 16 == 0) && 11 + 108 + length + part <= 49_152;
    header[40..44].copy_from_slice(epoch);
    header[45] = if rides { riding } else { known };
    header
}

pub(crate) fn conversation(i: Given<'_>) -> Found {
    let flight = i.part("first_flight");
    let contact = first_contact(flight);
    let mut talk = Conversation {
        flight,
        sides: [contact.a, contact.b],
        envelopes: vec![contact.envelope],
        payloads: vec![flight.bytes("payload")],
        headers: Vec::new(),
    };
    for step in i.parts("steps") {
        match step.text("do") {
            "seal" => talk.seal(step),
            "drop" => drop(talk.quietly(step, step.int("count"))),
            "pass" => talk.hand_over(step),
            "open" => talk.open(step),
            "refuse" => talk.refuse(step, |_| {}),
            "refuse_changed" => talk.refuse(step, |envelope| envelope[step.int::<usize>("at")] ^= 1),
            "refuse_seal" => talk.refuse_seal(step),
            "refuse_given" => talk.refuse_bytes(step, &step.bytes("envelope")),
            "open_given" => talk.open_given(step),
            "know" => drop(talk.sides[side(step.text("by"))].know_refresh()),
            "ask" => talk.sides[side(step.text("by"))].ask_for_refresh(),
            other => panic!("unknown step {other}"),
        }
    }
    Found {
        mid: json!({"headers": hexes(&talk.headers)}),
        out: json!({
            "envelopes": hexes(&talk.envelopes),
            "refreshes": talk.sides.iter().map(Session::refreshes).max(),
        }),
    }
}

pub(crate) fn shard_of(i: Given<'_>) -> Found {
    let recipient = UserId::from_bytes(i.array("recipient"));
    Found::out(json!({"shard": shard(&recipient, i.int("day"))}))
}

/// The sizes of a session's envelopes around payloads of given lengths.
pub(crate) fn padding(i: Given<'_>) -> Found {
    let lengths = i.value("lengths").as_array().expect("lengths").iter();
    let sizes = lengths.map(|length| {
        let payload = vec![
            0;
            length
                .as_u64()
                .and_then(|length| length.try_into().ok())
                .expect("a length")
        ];
        let mut session = super::streams::session(&[0; 32]);
        let envelope = session
            .seal(&mut Script::new([&[0; 24][..]]), 0, &payload)
            .expect("a message");
        envelope.len()
    });
    Found::out(json!({"sizes": sizes.collect::<Vec<_>>()}))
}
