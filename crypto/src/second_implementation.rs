//! The building blocks of PROTOCOL.md section 1 against a second implementation of that page, from the cases in
//! `tests/vectors`. All cases that show at the crate's surface are in `tests/second_implementation`.

use crate::kem::KemSecret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::kdf::{self, Purpose, SigningPair};
use crate::{ConversationId, DeviceId, EventId, UserId, aead, agreement};

#[path = "../tests/second_implementation/given.rs"]
#[allow(dead_code, reason = "the integration tests use all of it")]
mod given;

use given::{Given, Script, cases, edited, hex};

fn kept(topic: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    cases(&folder.join(topic).with_extension("json"))
}

fn purpose(name: &str) -> Purpose {
    Purpose::named(name).unwrap_or_else(|| panic!("unknown purpose {name}"))
}

#[test]
fn every_building_block_agrees() {
    let mut counts = BTreeMap::new();
    for case in kept("identifiers") {
        let kind = case["kind"].as_str().unwrap();
        *counts.entry(kind.to_owned()).or_insert(0) += 1;
        assert_eq!(out(kind, Given(&case["in"])), case["out"], "{}", case["name"]);
    }
    let expected = [
        ("hash", 4),
        ("hash256", 4),
        ("mac", 5),
        ("kdf", 4),
        ("xof", 4),
        ("sign", 3),
        ("aead", 4),
        ("xaead", 4),
        ("dh", 2),
        ("kem", 1),
        ("kem_reject", 1),
        ("identifiers", 3),
    ];
    assert_eq!(counts, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
}

fn out(kind: &str, i: Given<'_>) -> Value {
    let purpose = || purpose(i.text("purpose"));
    let fields = || i.list("fields");
    fn slices(fields: &[Vec<u8>]) -> Vec<&[u8]> {
        fields.iter().map(Vec::as_slice).collect()
    }
    match kind {
        "hash" => json!({"digest": hex(kdf::hash(purpose(), &slices(&fields())))}),
        "hash256" => json!({"digest": hex(kdf::hash256(purpose(), &slices(&fields())))}),
        "mac" => json!({"tag": hex(kdf::mac(&i.bytes("key"), purpose(), &slices(&fields())))}),
        "kdf" => {
            let mut okm = vec![0; i.int("length")];
            kdf::kdf(
                &i.bytes("salt"),
                &i.bytes("ikm"),
                purpose(),
                &slices(&fields()),
                &mut okm,
            );
            json!({"okm": hex(okm)})
        }
        "xof" => {
            let mut bytes = vec![0; i.int("length")];
            kdf::xof(&i.array("key"), purpose(), &slices(&fields()), &mut bytes);
            json!({"bytes": hex(bytes)})
        }
        "sign" => {
            let (key, message) = (SigningPair::from_seed(&i.array("seed")), i.bytes("message"));
            let (public, signature) = (key.public(), key.sign(purpose(), &message));
            kdf::verify_strict(public, purpose(), &message, &signature).unwrap();
            json!({"public": hex(public), "signature": hex(signature)})
        }
        "aead" | "xaead" => json!({"sealed": hex(sealed(kind, i))}),
        "dh" => {
            let (own, other) = (
                StaticSecret::from(i.array::<32>("secret")),
                PublicKey::from(i.array::<32>("other")),
            );
            let shared = agreement::dh(&own, &other).unwrap();
            json!({"public": hex(PublicKey::from(&own)), "shared": hex(shared.as_bytes())})
        }
        "kem" | "kem_reject" => kem(kind, i),
        "identifiers" => identifiers(i),
        other => panic!("unknown kind {other}"),
    }
}

fn sealed(kind: &str, i: Given<'_>) -> Vec<u8> {
    let (key, ad, text) = (i.array("key"), i.bytes("ad"), i.bytes("text"));
    let mut sealed = Vec::new();
    let opened = if kind == "aead" {
        aead::seal_into(&mut sealed, &key, &i.array("nonce"), &ad, &text);
        aead::open(&key, &i.array("nonce"), &ad, &sealed)
    } else {
        aead::xseal_into(&mut sealed, &key, &i.array("nonce"), &ad, &text);
        aead::xopen(&key, &i.array("nonce"), &ad, &sealed)
    };
    assert_eq!(*opened.unwrap(), text);
    sealed
}

fn identifiers(i: Given<'_>) -> Value {
    let (user, other) = (
        UserId::from_bytes(i.array("user")),
        UserId::from_bytes(i.array("other_user")),
    );
    let device = DeviceId::of(&i.array("signing_key"), &i.array("dh_key"));
    let (direct, notes) = (ConversationId::direct(&user, &other), ConversationId::notes(&user));
    let event = kdf::hash(Purpose::EVENT_ID, &[&i.bytes("header"), &i.bytes("signature")]);
    let event = EventId::from_bytes(event);
    assert_eq!(user.to_string().parse(), Ok(user));
    assert_eq!(device.to_string().parse(), Ok(device));
    assert_eq!(direct.to_string().parse(), Ok(direct));
    assert_eq!(event.to_string().parse(), Ok(event));
    json!({
        "device": hex(device), "direct": hex(direct), "notes": hex(notes), "event": hex(event),
        "user_text": user.to_string(), "device_text": device.to_string(), "event_text": event.to_string(),
        "direct_text": direct.to_string(), "notes_text": notes.to_string(),
    })
}

fn kem(kind: &str, i: Given<'_>) -> Value {
    let secret = KemSecret::from_seed(&i.array("seed"));
    if kind == "kem_reject" {
        let shared = secret.decapsulate(&i.array("ciphertext"));
        return json!({"shared": hex(*shared)});
    }
    let public = secret.public();
    let random = i.bytes("random");
    let mut script = Script::new([&random[..]]);
    let (shared, ciphertext) = public.encapsulate(&mut script);
    script.end();
    assert_eq!(secret.decapsulate(&ciphertext), shared);
    json!({"public": hex(public.as_bytes()), "ciphertext": hex(ciphertext), "shared": hex(*shared)})
}

#[test]
fn the_next_key_of_a_stream_agrees() {
    let cases = kept("streams");
    let cases: Vec<_> = cases.iter().filter(|case| case["kind"] == "next_key").collect();
    assert_eq!(cases.len(), 1);
    for case in cases {
        let mut next = [0; 32];
        let key: [u8; 32] = Given(&case["in"]).array("key");
        kdf::kdf(&[], &key, Purpose::STREAM_NEXT_KEY, &[], &mut next);
        assert_eq!(hex(next), case["out"]["next"]);
    }
}

#[test]
fn the_same_signatures_are_refused() {
    let cases = kept("refused");
    let cases: Vec<_> = cases.iter().filter(|case| case["in"]["reader"] == "verify").collect();
    assert_eq!(cases.len(), 1);
    for case in cases {
        let i = Given(&case["in"]);
        let verify = |wrong: Option<Given<'_>>| {
            let of = |name| wrong.filter(|wrong| wrong.has(name)).unwrap_or(i);
            let signature = match wrong {
                Some(wrong) if wrong.has("edits") => edited(&i.part("right").bytes("bytes"), wrong.value("edits")),
                Some(wrong) => wrong.bytes("bytes"),
                None => i.part("right").bytes("bytes"),
            };
            let message = of("message").bytes("message");
            let purpose = purpose(of("purpose").text("purpose"));
            kdf::verify_strict(
                &of("public").array("public"),
                purpose,
                &message,
                &signature.try_into().unwrap(),
            )
        };
        assert!(verify(None).is_ok());
        assert_eq!(i.parts("wrong").count(), 9);
        for wrong in i.parts("wrong") {
            assert!(verify(Some(wrong)).is_err(), "{}", wrong.text("why_text"));
        }
    }
}

#[test]
fn the_same_keys_are_of_low_order() {
    let cases = kept("refused");
    let cases: Vec<_> = cases.iter().filter(|case| case["in"]["reader"] == "dh").collect();
    assert_eq!(cases.len(), 1);
    for case in cases {
        let i = Given(&case["in"]);
        let own = StaticSecret::from(i.array::<32>("secret"));
        let refused = |of: Given<'_>| {
            let key = PublicKey::from(of.array::<32>("bytes"));
            let refused = agreement::dh(&own, &key).is_err();
            assert_eq!(agreement::refuse_low_order(&key).is_err(), refused);
            refused
        };
        assert!(!refused(i.part("right")));
        assert_eq!(i.parts("wrong").count(), 8);
        for wrong in i.parts("wrong") {
            assert!(refused(wrong), "{}", wrong.text("why_text"));
        }
    }
}
