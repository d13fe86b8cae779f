#![allow(clippy::arithmetic_side_effects, reason = "a test knows its numbers")]

use super::*;
use crate::testing::{NOW, malformed, person, with_field};

fn draft(seq: u64) -> Draft {
    let someone = person(1);
    Draft {
        kind: 1,
        conversation: ConversationId::notes(&someone.identity.user_id()),
        device: someone.keys.id(),
        log: 0,
        seq,
        prev: (seq > 1).then_some(EventId::from_bytes([9; 32])),
        parents: vec![EventId::from_bytes([1; 32]), EventId::from_bytes([2; 32])],
        clock: NOW,
        view: None,
    }
}

fn event(draft: Draft) -> VerifiedEvent {
    VerifiedEvent::sign(&person(1).keys, draft, [3; 16], b"body").unwrap()
}

/// A stub around whatever header it is given, well signed.
fn signed(header: &[u8]) -> Vec<u8> {
    let signature = person(1).keys.sign(Purpose::EVENT, header);
    [
        &u16::try_from(header.len()).unwrap().to_be_bytes(),
        header,
        &signature,
        &[FORM_STUB],
    ]
    .concat()
}

fn accept(wire: &[u8]) -> Result<VerifiedEvent, EventDecodeError> {
    SignedEvent::decode(wire).map(|event| event.verify(&person(1).keys.signing_public()).unwrap())
}

#[test]
fn events_read_back_whole_and_as_stubs() {
    for seq in [1, 2, u64::MAX] {
        for view in [None, Some([8; 32])] {
            let made = event(Draft { view, ..draft(seq) });
            assert_eq!(accept(&made.to_wire()).unwrap(), made);
            assert_eq!(made.body(), Some((&[3; 16], b"body".as_slice())));
            let stub = made.clone().into_stub();
            assert_eq!((stub.id(), stub.body()), (made.id(), None));
            assert_eq!(accept(&stub.to_wire()).unwrap(), stub);
            let body = made.body().map(|(salt, body)| (*salt, body.to_vec()));
            assert_eq!(
                VerifiedEvent::restore(made.header().clone(), *made.signature(), body),
                made
            );
        }
    }
}

#[test]
fn every_malformed_header_is_refused_though_well_signed() {
    let full = event(Draft {
        view: Some([8; 32]),
        ..draft(2)
    })
    .header()
    .encode();
    assert!(accept(&signed(&full)).is_ok());
    for (what, bad) in malformed(&full, &[10]) {
        assert!(SignedEvent::decode(&signed(&bad)).is_err(), "{what}");
    }
}

#[test]
fn every_truncation_and_every_changed_byte_is_refused() {
    let wire = event(draft(2)).to_wire();
    let key = person(1).keys.signing_public();
    let refused = |wire: &[u8]| SignedEvent::decode(wire).is_ok_and(|event| event.verify(&key).is_ok());
    for len in 0..wire.len() {
        assert!(!refused(&wire[..len]), "cut to {len}");
    }
    for at in 0..wire.len() {
        let mut bad = wire.clone();
        bad[at] ^= 1;
        assert!(!refused(&bad), "byte {at}");
    }
    assert!(!refused(&[wire.as_slice(), &[0]].concat()), "a longer body");
    let stub = event(draft(2)).into_stub().to_wire();
    assert!(!refused(&[stub.as_slice(), &[0]].concat()), "a stub with a rest");
}

#[test]
fn values_out_of_range_are_refused_though_well_signed() {
    let header = event(draft(2)).header().encode();
    let decode = |tag, value: &[u8]| SignedEvent::decode(&signed(&with_field(&header, tag, value))).map(|_| ());
    assert_eq!(decode(1, &[2]), Err(EventDecodeError::Version { got: 2 }));
    assert_eq!(decode(6, &0u64.to_be_bytes()), Err(EventDecodeError::Sequence));
    assert_eq!(
        decode(6, &1u64.to_be_bytes()),
        Err(EventDecodeError::Sequence),
        "seq 1 with a predecessor"
    );
    let without_prev = event(draft(1)).header().encode();
    assert_eq!(
        SignedEvent::decode(&signed(&with_field(&without_prev, 6, &2u64.to_be_bytes()))).map(|_| ()),
        Err(EventDecodeError::Sequence)
    );
    let ids = |bytes: &[u8]| bytes.iter().flat_map(|byte| [*byte; 32]).collect::<Vec<u8>>();
    assert_eq!(decode(8, &[]), Ok(()));
    assert_eq!(decode(8, &ids(&[1, 2, 3, 4, 5, 6, 7, 8])), Ok(()));
    assert_eq!(
        decode(8, &ids(&[1, 2, 3, 4, 5, 6, 7, 8, 9])),
        Err(EventDecodeError::Parents)
    );
    assert_eq!(decode(8, &ids(&[2, 1])), Err(EventDecodeError::Parents));
    assert_eq!(decode(8, &ids(&[1, 1])), Err(EventDecodeError::Parents));
}

#[test]
fn a_body_that_is_not_the_signed_one_is_refused() {
    let made = event(draft(2));
    let mut wire = made.clone().into_stub().to_wire();
    *wire.last_mut().unwrap() = FORM_FULL;
    wire.extend_from_slice(&[3; 16]);
    wire.extend_from_slice(b"bodY");
    assert_eq!(SignedEvent::decode(&wire), Err(EventDecodeError::BodyHash));
    let mut unknown = made.into_stub().to_wire();
    *unknown.last_mut().unwrap() = 2;
    assert_eq!(SignedEvent::decode(&unknown), Err(EventDecodeError::Form { got: 2 }));
}

#[test]
fn what_would_be_refused_cannot_be_signed() {
    let keys = person(1).keys;
    let sign = |draft, body: &[u8]| VerifiedEvent::sign(&keys, draft, [0; 16], body).map(|_| ());
    assert_eq!(
        sign(
            Draft {
                device: person(2).keys.id(),
                ..draft(1)
            },
            b""
        ),
        Err(EventSignError::OtherDevice)
    );
    assert_eq!(
        sign(Draft { seq: 0, ..draft(1) }, b""),
        Err(EventDecodeError::Sequence.into())
    );
    assert_eq!(
        sign(Draft { prev: None, ..draft(2) }, b""),
        Err(EventDecodeError::Sequence.into())
    );
    assert_eq!(
        sign(
            Draft {
                parents: vec![EventId::from_bytes([1; 32]); 2],
                ..draft(1)
            },
            b""
        ),
        Err(EventDecodeError::Parents.into())
    );
    let empty = VerifiedEvent::sign(&keys, draft(1), [0; 16], b"")
        .unwrap()
        .to_wire()
        .len();
    let most = MAX_WIRE_EVENT - empty;
    let longest = VerifiedEvent::sign(&keys, draft(1), [0; 16], &vec![7; most]).unwrap();
    assert_eq!(accept(&longest.to_wire()).unwrap(), longest);
    let got = MAX_WIRE_EVENT + 1;
    assert_eq!(
        sign(draft(1), &vec![7; most + 1]),
        Err(EventDecodeError::TooLong { got }.into())
    );
    assert_eq!(
        SignedEvent::decode(&vec![0; got]),
        Err(EventDecodeError::TooLong { got })
    );
}

#[test]
fn another_key_does_not_verify() {
    let wire = event(draft(1)).to_wire();
    let other = person(2).keys.signing_public();
    assert_eq!(
        SignedEvent::decode(&wire).unwrap().verify(&other),
        Err(EventVerifyError)
    );
    assert_eq!(
        SignedEvent::decode(&wire).unwrap().verify(&[0; 32]),
        Err(EventVerifyError)
    );
}
