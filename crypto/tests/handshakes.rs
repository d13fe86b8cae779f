//! Who can start a session with whom, and that nobody else can.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use parlour_crypto::{
    ENVELOPE_SIZES, EnvelopePrefix, FirstFlight, HandshakeError, OneTimeSecret, OpenError, PrekeySecret, SealError,
    Suite, parse,
};
use support::{DAY, Device, LIST, NOW, PREFIX, device, rng, sessions};

const YEAR_MS: u64 = 366 * 86_400_000;

/// A first-contact envelope from `a` to `b`.
fn flight(a: &Device, b: &Device, one_time: bool) -> Vec<u8> {
    let key = one_time.then(|| b.one_time.public());
    let initiated = a.start(b, key.as_ref(), 42).unwrap();
    initiated.seal(&mut rng(43), &PREFIX, b"hello").unwrap().1
}

#[test]
fn both_sides_come_to_the_same_session() {
    for one_time in [false, true] {
        let (a, b) = (device(1), device(2));
        let key = one_time.then(|| b.one_time.public());
        let initiated = a.start(&b, key.as_ref(), 42).unwrap();
        let id = initiated.session().id();
        let (session, envelope) = initiated.seal(&mut rng(43), &PREFIX, b"hello").unwrap();
        assert!(ENVELOPE_SIZES.contains(&envelope.len()));

        let flight = FirstFlight::parse(parse(&envelope).unwrap().1).unwrap();
        assert_eq!(
            (flight.prekey_serial(), flight.one_time_id()),
            (5, one_time.then_some(77))
        );
        let accepted = b.answer(&envelope, one_time.then_some(&b.one_time)).unwrap();
        assert_eq!(accepted.payload.as_slice(), b"hello");
        assert_eq!(accepted.peer_cert, a.cert);
        assert_eq!(accepted.list, LIST);
        assert_eq!((session.id(), accepted.session.id()), (id, id));
        assert_eq!(
            (session.suite(), accepted.session.suite()),
            (Suite::Hybrid, Suite::Hybrid)
        );
        assert_eq!(session.tag_out(DAY), accepted.session.tag_in(DAY));
        assert_eq!(session.tag_in(DAY), accepted.session.tag_out(DAY));
        assert_ne!(session.tag_out(DAY), session.tag_in(DAY));
        assert_ne!(session.tag_out(DAY), session.tag_out(DAY + 1));
        assert_eq!(*session.pair_key(), *accepted.session.pair_key());
    }
}

#[test]
fn two_sessions_of_one_pair_share_nothing() {
    let (a, b) = (device(1), device(2));
    let one = a.start(&b, None, 1).unwrap();
    let other = a.start(&b, None, 2).unwrap();
    assert_ne!(one.session().id(), other.session().id());
    assert_ne!(*one.session().pair_key(), *other.session().pair_key());
    assert_ne!(one.session().tag_out(DAY), other.session().tag_out(DAY));
}

#[test]
fn a_first_flight_with_a_byte_changed_or_cut_is_refused() {
    let (a, b) = (device(1), device(2));
    let envelope = flight(&a, &b, true);
    let secret = Some(&b.one_time);
    // Every byte in front of the ciphertext; of what is sealed, every seventh.
    for at in (0..envelope.len()).filter(|at| *at < 60 || at % 7 == 0) {
        let mut bad = envelope.clone();
        bad[at] ^= 1;
        assert!(b.answer(&bad, secret).is_err(), "byte {at}");
    }
    let (prefix, body) = parse(&envelope).unwrap();
    for len in (0..body.len()).filter(|len| *len < 1500 || len % 50 == 0) {
        let refused = FirstFlight::parse(&body[..len]).and_then(|flight| {
            flight.open(
                &prefix,
                &b.keys,
                &b.cert,
                &b.prekey,
                b.bundle.hash(),
                secret,
                |_| None,
                NOW,
            )
        });
        assert!(refused.is_err(), "cut to {len} bytes");
    }
    assert!(b.answer(&envelope, secret).is_ok());
}

#[test]
fn only_the_keys_the_flight_names_open_it() {
    let (a, b) = (device(1), device(2));
    let envelope = flight(&a, &b, true);
    let other_prekey = PrekeySecret::generate(&mut rng(5), 6);
    let same_serial = PrekeySecret::generate(&mut rng(5), 5);
    let other_id = OneTimeSecret::generate(&mut rng(5), 78);
    let same_id = OneTimeSecret::generate(&mut rng(5), 77);
    let (prefix, body) = parse(&envelope).unwrap();
    let flight = FirstFlight::parse(body).unwrap();
    let open = |prekey: &PrekeySecret, hash: [u8; 32], one_time: Option<&OneTimeSecret>| {
        flight
            .open(&prefix, &b.keys, &b.cert, prekey, hash, one_time, |_| None, NOW)
            .map(drop)
            .unwrap_err()
    };
    let hash = b.bundle.hash();
    assert_eq!(
        open(&other_prekey, hash, Some(&b.one_time)),
        HandshakeError::OtherPrekey { needed: 5, given: 6 }
    );
    assert_eq!(
        open(&same_serial, hash, Some(&b.one_time)),
        HandshakeError::NotAuthentic
    );
    assert_eq!(
        open(&b.prekey, [1; 32], Some(&b.one_time)),
        HandshakeError::NotAuthentic
    );
    assert_eq!(open(&b.prekey, hash, None), HandshakeError::OtherOneTimeKey);
    assert_eq!(open(&b.prekey, hash, Some(&other_id)), HandshakeError::OtherOneTimeKey);
    assert_eq!(open(&b.prekey, hash, Some(&same_id)), HandshakeError::NotAuthentic);

    let without = self::flight(&a, &b, false);
    assert_eq!(
        b.answer(&without, Some(&b.one_time)).unwrap_err(),
        HandshakeError::OtherOneTimeKey
    );
}

#[test]
fn another_recipient_cannot_open_a_flight() {
    let (a, b, c) = (device(1), device(2), device(3));
    let envelope = flight(&a, &b, false);
    assert_eq!(c.answer(&envelope, None).unwrap_err(), HandshakeError::NotAuthentic);
    // Nor with the prekeys of the recipient alone, or with its device key alone.
    let (prefix, body) = parse(&envelope).unwrap();
    let flight = FirstFlight::parse(body).unwrap();
    for (device, prekeys) in [(&c, &b), (&b, &c)] {
        let error = flight
            .open(
                &prefix,
                &device.keys,
                &device.cert,
                &prekeys.prekey,
                b.bundle.hash(),
                None,
                |_| None,
                NOW,
            )
            .unwrap_err();
        assert_eq!(error, HandshakeError::NotAuthentic);
    }
    // Nor with its keys under another certificate.
    let error = flight
        .open(
            &prefix,
            &b.keys,
            &c.cert,
            &b.prekey,
            b.bundle.hash(),
            None,
            |_| None,
            NOW,
        )
        .unwrap_err();
    assert_eq!(error, HandshakeError::Message(OpenError::NoKey));
}

#[test]
fn a_flight_replayed_behind_another_prefix_is_refused() {
    let (a, b) = (device(1), device(2));
    let envelope = flight(&a, &b, false);
    let (_, body) = parse(&envelope).unwrap();
    for prefix in [
        EnvelopePrefix { day: DAY + 1, ..PREFIX },
        EnvelopePrefix { tag: [8; 8], ..PREFIX },
    ] {
        let replay = [&prefix.encode()[..], body].concat();
        assert_eq!(
            b.answer(&replay, None).unwrap_err(),
            HandshakeError::Message(OpenError::NoKey)
        );
    }
    assert_eq!(
        FirstFlight::parse(body).unwrap().ephemeral(),
        FirstFlight::parse(parse(&envelope).unwrap().1).unwrap().ephemeral(),
        "what a replay is seen by"
    );
}

#[test]
fn expired_certificates_start_nothing() {
    let (a, b) = (device(1), device(2));
    let late = NOW + YEAR_MS;
    let start =
        |now| parlour_crypto::initiate(&mut rng(1), &a.keys, &a.cert, LIST, &b.cert, &b.bundle, None, now).map(drop);
    assert_eq!(start(late), Err(HandshakeError::OwnCertificateExpired));
    assert_eq!(
        start(NOW + 2_000_000),
        Ok(()),
        "an expired bundle still starts a first contact"
    );
    let envelope = flight(&a, &b, false);
    let (prefix, body) = parse(&envelope).unwrap();
    let error = FirstFlight::parse(body)
        .unwrap()
        .open(
            &prefix,
            &b.keys,
            &b.cert,
            &b.prekey,
            b.bundle.hash(),
            None,
            |_| None,
            late,
        )
        .unwrap_err();
    assert_eq!(error, HandshakeError::OwnCertificateExpired);
}

#[test]
fn a_bundle_of_another_device_and_the_own_device_are_refused() {
    let (a, b, c) = (device(1), device(2), device(3));
    let error = parlour_crypto::initiate(&mut rng(1), &a.keys, &a.cert, LIST, &b.cert, &c.bundle, None, NOW);
    assert_eq!(error.unwrap_err(), HandshakeError::OtherBundle);
    assert_eq!(a.start(&a, None, 1).unwrap_err(), HandshakeError::SameDevice);
}

#[test]
fn unknown_suites_are_refused() {
    let envelope = flight(&device(1), &device(2), false);
    let mut body = parse(&envelope).unwrap().1.to_vec();
    for suite in (0..=255).filter(|suite| !(1..=2).contains(suite)) {
        body[0] = suite;
        let error = FirstFlight::parse(&body).unwrap_err();
        assert_eq!(error, HandshakeError::UnknownSuite { got: suite });
    }
}

#[test]
fn a_first_payload_that_fits_no_envelope_is_refused() {
    let (a, b) = (device(1), device(2));
    let error = a
        .start(&b, None, 1)
        .unwrap()
        .seal(&mut rng(1), &PREFIX, &[0; 49_152])
        .unwrap_err();
    let SealError::TooLarge { max, .. } = error else {
        panic!("{error}")
    };
    let (_, envelope) = a
        .start(&b, None, 1)
        .unwrap()
        .seal(&mut rng(1), &PREFIX, &vec![1; max])
        .unwrap();
    assert_eq!(envelope.len(), 49_152);
    assert_eq!(b.answer(&envelope, None).unwrap().payload.len(), max);
}

#[test]
fn both_starting_at_once_makes_two_sessions_that_work_and_one_order_of_them() {
    let (a, b) = (device(1), device(2));
    let (a_out, to_b) = a
        .start(&b, None, 10)
        .unwrap()
        .seal(&mut rng(11), &PREFIX, b"from a")
        .unwrap();
    let (b_out, to_a) = b
        .start(&a, None, 20)
        .unwrap()
        .seal(&mut rng(21), &PREFIX, b"from b")
        .unwrap();
    let b_in = b.answer(&to_b, None).unwrap().session;
    let a_in = a.answer(&to_a, None).unwrap().session;
    let (mut at_a, mut at_b) = ([a_out, a_in], [b_out, b_in]);
    at_a.sort_by_key(|session| session.id());
    at_b.sort_by_key(|session| session.id());
    for (a, b) in at_a.iter_mut().zip(&mut at_b) {
        assert_eq!(a.id(), b.id(), "both know both, in the same order");
        for round in 0..3_u8 {
            let there = a.seal(&mut rng(round.into()), DAY, &[round]).unwrap();
            assert_eq!(*b.open(&there, NOW).unwrap(), [round]);
            let back = b.seal(&mut rng(round.into()), DAY, &[round]).unwrap();
            assert_eq!(*a.open(&back, NOW).unwrap(), [round]);
        }
    }
}

#[test]
fn the_tag_finds_the_right_one_of_several_sessions_and_only_that_opens() {
    let mut pairs: Vec<_> = (0..5).map(|seed| sessions(seed * 10)).collect();
    for at in 0..pairs.len() {
        let envelope = pairs[at].0.seal(&mut rng(at as u64), DAY, b"found").unwrap();
        let tag = parse(&envelope).unwrap().0.tag;
        let found: Vec<_> = (0..pairs.len())
            .filter(|&other| pairs[other].1.tag_in(DAY) == tag)
            .collect();
        assert_eq!(found, [at]);
        for (other, (_, b)) in pairs.iter_mut().enumerate() {
            let opened = b.open(&envelope, NOW);
            if other == at {
                assert_eq!(opened.unwrap().as_slice(), b"found");
            } else {
                assert_eq!(opened.unwrap_err(), OpenError::NoKey);
            }
        }
    }
}
