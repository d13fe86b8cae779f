//! Everything that is signed, offered to whatever verifies anything: no signature, and no structure, counts as another.

use crate::event::{Draft, SignedEvent, VerifiedEvent};
use crate::ids::{ConversationId, EventId};
use crate::kdf::{self, Purpose, SignerKey};
use crate::testing::{NOW, Person, fields, join, person, rng};
use crate::{Audience, ChainCert, DeviceCert, DeviceList, KIND_MESSAGE, PrekeyBundle, PrekeySecret, SendingChain};

/// Whether bytes are a structure.
type Verifier<'a> = Box<dyn Fn(&[u8]) -> bool + 'a>;
/// A structure with other signatures in the place of its own.
type Resigned = Box<dyn Fn(&[[u8; 64]]) -> Vec<u8>>;

/// A kind of structure: what it is signed for, a good one, and what verifies it.
struct Structure<'a> {
    name: &'static str,
    purposes: &'static [Purpose],
    good: Vec<u8>,
    verifies: Verifier<'a>,
}

/// Who holds the key that signs for a purpose.
fn is_by_identity(purpose: Purpose) -> bool {
    [Purpose::DEVICE_CERTIFICATE, Purpose::DEVICE_LIST].contains(&purpose)
}

fn sign(someone: &Person, purpose: Purpose, bytes: &[u8]) -> [u8; 64] {
    match is_by_identity(purpose) {
        true => someone.identity.sign(purpose, bytes),
        false => someone.keys.sign(purpose, bytes),
    }
}

fn event(someone: &Person) -> VerifiedEvent {
    let draft = Draft {
        kind: KIND_MESSAGE,
        conversation: ConversationId::notes(&someone.identity.user_id()),
        device: someone.keys.id(),
        log: 0,
        seq: 2,
        prev: Some(EventId::from_bytes([9; 32])),
        parents: vec![EventId::from_bytes([1; 32])],
        clock: NOW,
        view: None,
    };
    VerifiedEvent::sign(&someone.keys, draft, [3; 16], b"body").unwrap()
}

fn structures(someone: &Person) -> [Structure<'_>; 5] {
    let cert = &someone.cert;
    let list = DeviceList::first(&someone.identity, std::slice::from_ref(cert), NOW).unwrap();
    let bundle = PrekeySecret::generate(&mut rng(1), 1).bundle(&someone.keys, cert, NOW, NOW + 1);
    let audience = Audience::new([someone.keys.id()]).unwrap();
    let room = ConversationId::from_bytes([5; 32]);
    let chain = SendingChain::create(&mut rng(2), &someone.keys, room, [3; 32], &audience, NOW);
    let signer = SignerKey::read(&someone.keys.signing_public()).unwrap();
    [
        Structure {
            name: "certificate",
            purposes: &[Purpose::DEVICE_CERTIFICATE, Purpose::DEVICE_CERTIFICATE_POSSESSION],
            good: cert.as_bytes().to_vec(),
            verifies: Box::new(|bytes| DeviceCert::verify(bytes).is_ok()),
        },
        Structure {
            name: "list",
            purposes: &[Purpose::DEVICE_LIST],
            good: list.as_bytes().to_vec(),
            verifies: Box::new(|bytes| DeviceList::verify(bytes).is_ok()),
        },
        Structure {
            name: "bundle",
            purposes: &[Purpose::PREKEY_BUNDLE],
            good: bundle.as_bytes().to_vec(),
            verifies: Box::new(|bytes| PrekeyBundle::verify(bytes, cert).is_ok()),
        },
        Structure {
            name: "event",
            purposes: &[Purpose::EVENT],
            good: event(someone).to_wire(),
            verifies: Box::new(|bytes| {
                let key = someone.keys.signing_public();
                SignedEvent::decode(bytes).is_ok_and(|event| event.verify(&key).is_ok())
            }),
        },
        Structure {
            name: "chain certificate",
            purposes: &[Purpose::CHAIN_CERTIFICATE],
            good: chain.cert().as_bytes().to_vec(),
            verifies: Box::new(move |bytes| ChainCert::verify(bytes, &someone.keys.id(), &signer).is_ok()),
        },
    ]
}

/// What is signed of a structure, and how it looks with other signatures in the place of its own.
fn signed_part(structure: &Structure<'_>) -> (Vec<u8>, Resigned) {
    let good = structure.good.clone();
    let of_event = structure.purposes == [Purpose::EVENT];
    let signed = match of_event {
        true => good[2..][..usize::from(u16::from_be_bytes([good[0], good[1]]))].to_vec(),
        false => fields(&good)[0].1.clone(),
    };
    let at = 2 + signed.len();
    let with = move |signatures: &[[u8; 64]]| {
        if of_event {
            return [&good[..at], &signatures[0], &good[at + 64..]].concat();
        }
        let mut all = fields(&good);
        for (field, signature) in all[1..].iter_mut().zip(signatures) {
            field.1 = signature.to_vec();
        }
        join(&all)
    };
    (signed, Box::new(with))
}

#[test]
fn no_signature_counts_for_another_purpose() {
    let someone = person(1);
    let user = someone.identity.user_id();
    let (by_identity, by_device) = (user.as_bytes(), &someone.keys.signing_public());
    for made_for in Purpose::SIGNED {
        let signature = sign(&someone, made_for, b"statement");
        for checked_as in Purpose::SIGNED {
            for key in [by_identity, by_device] {
                let right = made_for == checked_as && (key == by_identity) == is_by_identity(made_for);
                let verified = kdf::verify_strict(key, checked_as, b"statement", &signature).is_ok();
                assert_eq!(verified, right, "{made_for:?} as {checked_as:?}");
            }
        }
    }
}

#[test]
fn everything_that_is_signed_is_among_the_structures() {
    let someone = person(1);
    let all = structures(&someone);
    let named: Vec<_> = all.iter().flat_map(|structure| structure.purposes).collect();
    assert_eq!(named, Purpose::SIGNED.iter().collect::<Vec<_>>());
}

#[test]
fn no_signed_structure_passes_as_another() {
    let someone = person(1);
    let all = structures(&someone);
    for offered in &all {
        for asked in &all {
            assert_eq!(
                (asked.verifies)(&offered.good),
                offered.name == asked.name,
                "{} as {}",
                offered.name,
                asked.name
            );
        }
    }
}

/// The form of what is signed keeps structures apart; this is what keeps them apart where a form would not.
#[test]
fn no_structure_is_good_with_signatures_made_for_other_purposes() {
    let someone = person(1);
    for structure in structures(&someone) {
        let (signed, with) = signed_part(&structure);
        let made = |purposes: &[Purpose]| {
            let signatures: Vec<_> = purposes
                .iter()
                .map(|purpose| sign(&someone, *purpose, &signed))
                .collect();
            (structure.verifies)(&with(&signatures))
        };
        assert!(made(structure.purposes), "{} signed again", structure.name);
        for place in 0..structure.purposes.len() {
            for other in Purpose::SIGNED {
                let mut purposes = structure.purposes.to_vec();
                if purposes[place] != other {
                    purposes[place] = other;
                    assert!(!made(&purposes), "{} signed as {other:?}", structure.name);
                }
            }
        }
    }
}

#[test]
fn the_two_signatures_of_a_certificate_do_not_stand_for_each_other() {
    let same = fields(person(1).cert.as_bytes());
    let swapped = join(&[same[0].clone(), (2, same[2].1.clone()), (3, same[1].1.clone())]);
    assert!(DeviceCert::verify(&swapped).is_err());
}
