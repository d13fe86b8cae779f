use super::*;
use crate::agreement::dh;
use crate::codec::TlvWriter;
use crate::device::CertProof;
use crate::flight::FirstFlight;
use crate::prekey::{OneTimeSecret, PrekeySecret};
use crate::ratchet::Binding;
use crate::testing::{LOW_ORDER, NOW, Person, fields, person, rng, with_field};

const LIST: ListReference = ListReference {
    version: 1,
    hash: [1; 8],
};
const PREFIX: EnvelopePrefix = EnvelopePrefix { day: 1, tag: [2; 8] };

struct Prekeys {
    secret: PrekeySecret,
    bundle: PrekeyBundle,
}

fn prekeys(of: &Person, serial: u32) -> Prekeys {
    let secret = PrekeySecret::generate(&mut rng(serial.into()), serial);
    let bundle = secret.bundle(&of.keys, &of.cert, NOW, NOW + 1000);
    Prekeys { secret, bundle }
}

fn start(
    a: &Person,
    b: &DeviceCert,
    bundle: &PrekeyBundle,
    one_time: Option<&OneTimeKey>,
) -> Result<Initiated, HandshakeError> {
    initiate(&mut rng(1), &a.keys, &a.cert, LIST, b, bundle, one_time, NOW)
}

fn answer(envelope: &[u8], b: &Person, prekeys: &Prekeys) -> Result<Session, HandshakeError> {
    let flight = FirstFlight::parse(&envelope[11..])?;
    flight
        .open(
            &PREFIX,
            &b.keys,
            &b.cert,
            &prekeys.secret,
            prekeys.bundle.hash(),
            None,
            |_| None,
            NOW,
        )
        .map(|accepted| accepted.session)
}

fn sealed(initiated: Initiated) -> Vec<u8> {
    initiated.seal(&mut rng(2), &PREFIX, b"hello").unwrap().1
}

/// The certificate of `person` with one field changed, signed anew.
fn cert_with(person: &Person, tag: u8, value: &[u8]) -> DeviceCert {
    let statement = with_field(&fields(person.cert.as_bytes())[0].1, tag, value);
    let mut signed = TlvWriter::new();
    signed
        .field(1, &statement)
        .field(2, &person.identity.sign(Purpose::DEVICE_CERTIFICATE, &statement))
        .field(3, &person.keys.sign(Purpose::DEVICE_CERTIFICATE_POSSESSION, &statement));
    DeviceCert::verify(&signed.finish()).unwrap()
}

/// A bundle with one field changed, signed anew.
fn bundle_with(person: &Person, cert: &DeviceCert, bundle: &PrekeyBundle, tag: u8, value: &[u8]) -> PrekeyBundle {
    let statement = with_field(&fields(bundle.as_bytes())[0].1, tag, value);
    let mut signed = TlvWriter::new();
    signed
        .field(1, &statement)
        .field(2, &person.keys.sign(Purpose::PREKEY_BUNDLE, &statement));
    PrekeyBundle::verify(&signed.finish(), cert).unwrap()
}

fn classic(seed: u8) -> Person {
    let mut person = person(seed);
    person.cert = cert_with(&person, 2, &[1]);
    person
}

#[test]
fn low_order_keys_of_the_answering_side_are_refused() {
    let (a, b) = (person(1), person(2));
    let prekeys = prekeys(&b, 1);
    for low in LOW_ORDER {
        let bundle = bundle_with(&b, &b.cert, &prekeys.bundle, 4, &low);
        assert_eq!(
            start(&a, &b.cert, &bundle, None).unwrap_err(),
            HandshakeError::LowOrder(LowOrder),
            "spk"
        );

        let cert = cert_with(&b, 5, &low);
        let bundle = bundle_with(&b, &cert, &prekeys.bundle, 3, &cert.hash());
        assert_eq!(
            start(&a, &cert, &bundle, None).unwrap_err(),
            HandshakeError::LowOrder(LowOrder),
            "device key"
        );

        let key = OneTimeKey { id: 1, key: low };
        let error = start(&a, &b.cert, &prekeys.bundle, Some(&key)).unwrap_err();
        assert_eq!(error, HandshakeError::LowOrder(LowOrder), "one-time key");
    }
}

#[test]
fn low_order_keys_of_the_starting_side_are_refused() {
    let (a, b) = (person(1), person(2));
    let prekeys = prekeys(&b, 1);
    let envelope = sealed(start(&a, &b.cert, &prekeys.bundle, None).unwrap());
    for low in LOW_ORDER {
        let mut bad = envelope.clone();
        bad[11 + 9..11 + 41].copy_from_slice(&low);
        assert_eq!(
            answer(&bad, &b, &prekeys).err(),
            Some(HandshakeError::LowOrder(LowOrder)),
            "ephemeral key"
        );

        // Sealed correctly, by someone who certified a low-order device key.
        let mut forger = person(1);
        forger.cert = cert_with(&forger, 5, &low);
        let bad = sealed(start(&forger, &b.cert, &prekeys.bundle, None).unwrap());
        assert_eq!(
            answer(&bad, &b, &prekeys).err(),
            Some(HandshakeError::LowOrder(LowOrder)),
            "device key"
        );
    }
}

#[test]
fn the_keys_are_cut_from_the_key_schedule_in_the_order_of_the_protocol_page() {
    let (a, b) = (person(1), person(2));
    let bundle = prekeys(&b, 1).bundle;
    let agree = |seed| dh(&keys::random_secret(&mut rng(seed)), &PublicKey::from(*bundle.spk())).unwrap();
    let (dh1, dh2, dh3, dh4) = (agree(1), agree(2), agree(3), agree(4));
    let offer = Offer {
        suite: Suite::Hybrid,
        bundle_hash: bundle.hash(),
        eph: [5; 32],
        one_time: Some([6; 32]),
        kem_ct: &[7; 1088],
    };
    let th = offer.th(a.cert.statement(), b.cert.statement());
    let mut ikm = vec![0xFF; 32];
    for dh in [&dh1, &dh2, &dh3, &dh4] {
        ikm.extend_from_slice(dh.as_bytes());
    }
    ikm.extend_from_slice(&[8; 32]);
    let mut okm = [[0; 32]; 8];
    hkdf::Hkdf::<sha2::Sha256>::new(Some(&th), &ikm)
        .expand(b"parlour/1\0handshake keys\0", okm.as_flattened_mut())
        .unwrap();
    let [
        root,
        header_ab,
        header_ba,
        tag_ab,
        tag_ba,
        exporter,
        chain_ab,
        next_header_ab,
    ] = okm;

    let secrets = Secrets {
        dh2,
        dh3,
        dh4: Some(dh4),
        kem: Some(Zeroizing::new([8; 32])),
    };
    for (role, tags) in [(Role::Initiator, [tag_ab, tag_ba]), (Role::Responder, [tag_ba, tag_ab])] {
        let (keys, start) = secrets.schedule(&offer, a.cert.statement(), b.cert.statement(), &dh1, role);
        assert_eq!([keys.tag_out.0, keys.tag_in.0], tags);
        assert_eq!((keys.th, keys.exporter.0), (th, exporter));

        let mut state = Vec::new();
        Ratchet::initiate(RatchetKey::generate(&mut rng(9)), start, keys.role(), 0).write(&mut state);
        let (left, right) = state.split_at(3 * 32 + 1 + 2 * 32);
        assert_eq!(left[..96], [root, next_header_ab, header_ba].concat());
        assert_eq!(right[..64], [header_ab, chain_ab].concat());
    }
}

/// What the handshake is bound to: each field of the transcript alone, changed or changed for its counterpart, gives other
/// keys, and message 0 does not open with them.
#[test]
fn whoever_sees_any_field_of_the_transcript_otherwise_has_no_session() {
    let (a, b) = (person(1), person(2));
    let bundle = prekeys(&b, 1).bundle;
    let agree = |seed| dh(&keys::random_secret(&mut rng(seed)), &PublicKey::from(*bundle.spk())).unwrap();
    let secrets = Secrets {
        dh2: agree(2),
        dh3: agree(3),
        dh4: Some(agree(4)),
        kem: Some(Zeroizing::new([8; 32])),
    };
    let (dh1, ct, other_ct) = (agree(1), [7; 1088], [6; 1088]);
    let offer = || Offer {
        suite: Suite::Hybrid,
        bundle_hash: bundle.hash(),
        eph: [5; 32],
        one_time: Some([6; 32]),
        kem_ct: &ct,
    };
    let said = || (offer(), a.cert.statement().clone(), b.cert.statement().clone());
    let (th, message) = {
        let (offer, a, b) = said();
        let (keys, start) = secrets.schedule(&offer, &a, &b, &dh1, Role::Initiator);
        let th = keys.th;
        let ratchet = Ratchet::initiate(RatchetKey::generate(&mut rng(1)), start, keys.role(), 0);
        let mut session = Session::new(keys, ratchet);
        let envelope = session.seal_behind(&mut rng(2), &PREFIX, &[], b"hello").unwrap();
        (th, envelope[11..].to_vec())
    };
    let open = |(offer, a, b): (Offer<'_>, Statement, Statement)| {
        let (keys, start) = secrets.schedule(&offer, &a, &b, &dh1, Role::Responder);
        let binding = Binding::new(&keys.th, &PREFIX.encode());
        let opened = Ratchet::answer(start, keys.role(), 0, &binding, &message).map(|(_, payload)| payload);
        (keys.th, opened)
    };
    let (same, payload) = open(said());
    assert_eq!((same, payload.unwrap().as_slice()), (th, &b"hello"[..]));

    type Change<'a> = (
        &'a str,
        Box<dyn Fn(&mut Offer<'a>, &mut Statement, &mut Statement) + 'a>,
    );
    let flip = |bytes: &mut [u8; 32]| bytes[31] ^= 1;
    let other = person(3).identity.user_id();
    let changes: Vec<Change<'_>> = vec![
        ("suite", Box::new(|offer, _, _| offer.suite = Suite::Classic)),
        ("user a", Box::new(move |_, a, _| a.user = other)),
        ("sign a", Box::new(move |_, a, _| flip(&mut a.signing_key))),
        ("dh a", Box::new(move |_, a, _| flip(&mut a.dh_key))),
        ("user b", Box::new(move |_, _, b| b.user = other)),
        ("sign b", Box::new(move |_, _, b| flip(&mut b.signing_key))),
        ("dh b", Box::new(move |_, _, b| flip(&mut b.dh_key))),
        ("bundle hash", Box::new(move |offer, _, _| flip(&mut offer.bundle_hash))),
        ("eph", Box::new(move |offer, _, _| flip(&mut offer.eph))),
        (
            "another one-time key",
            Box::new(|offer, _, _| offer.one_time = Some([9; 32])),
        ),
        ("no one-time key", Box::new(|offer, _, _| offer.one_time = None)),
        ("ciphertext", Box::new(|offer, _, _| offer.kem_ct = &other_ct)),
        ("no ciphertext", Box::new(|offer, _, _| offer.kem_ct = &[])),
        (
            "users for each other",
            Box::new(|_, a, b| std::mem::swap(&mut a.user, &mut b.user)),
        ),
        ("sides for each other", Box::new(|_, a, b| std::mem::swap(a, b))),
        (
            "a's keys for each other",
            Box::new(|_, a, _| std::mem::swap(&mut a.signing_key, &mut a.dh_key)),
        ),
    ];
    let mut seen = vec![th];
    for (what, change) in changes {
        let (mut offer, mut a, mut b) = said();
        change(&mut offer, &mut a, &mut b);
        let (th, opened) = open((offer, a, b));
        assert_eq!(opened, Err(OpenError::NoKey), "{what}");
        assert!(!seen.contains(&th), "{what}");
        seen.push(th);
    }
}

#[test]
fn suite_one_is_used_when_either_side_has_no_other() {
    for (a, b) in [
        (person(1), classic(2)),
        (classic(1), person(2)),
        (classic(1), classic(2)),
    ] {
        let prekeys = prekeys(&b, 1);
        let initiated = start(&a, &b.cert, &prekeys.bundle, None).unwrap();
        assert_eq!(initiated.session().suite(), Suite::Classic);
        let id = initiated.session().id();
        let envelope = sealed(initiated);
        assert_eq!(envelope.len(), 512, "no ciphertext of the KEM");
        let session = answer(&envelope, &b, &prekeys).unwrap();
        assert_eq!((session.id(), session.suite()), (id, Suite::Classic));
    }
    let (mut hybrid_only, classic) = (person(1), classic(2));
    hybrid_only.cert = cert_with(&hybrid_only, 2, &[2]);
    let error = start(&hybrid_only, &classic.cert, &prekeys(&classic, 1).bundle, None).unwrap_err();
    assert_eq!(error, HandshakeError::NoCommonSuite);
}

#[test]
fn a_weaker_suite_than_both_have_is_refused() {
    let b = person(2);
    let prekeys = prekeys(&b, 1);
    // A says it has both suites and uses the weaker one all the same.
    let a = classic(1);
    let envelope = sealed(start(&a, &b.cert, &prekeys.bundle, None).unwrap());
    assert!(answer(&envelope, &b, &prekeys).is_ok(), "nothing better in common");
    let mut initiated = start(&a, &b.cert, &prekeys.bundle, None).unwrap();
    initiated.front = downgraded_front(&person(1), &prekeys);
    assert_eq!(
        answer(&sealed(initiated), &b, &prekeys).err(),
        Some(HandshakeError::Downgraded)
    );
}

/// The front of a flight of suite 1 by someone who has suite 2 as well.
fn downgraded_front(a: &Person, prekeys: &Prekeys) -> Vec<u8> {
    let b = person(2);
    let eph = keys::random_secret(&mut rng(9));
    let offer = Offer {
        suite: Suite::Classic,
        bundle_hash: prekeys.bundle.hash(),
        eph: PublicKey::from(&eph).to_bytes(),
        one_time: None,
        kem_ct: &[],
    };
    let secrets = Secrets {
        dh2: dh(&eph, &PublicKey::from(*b.cert.dh_key())).unwrap(),
        dh3: dh(&eph, &PublicKey::from(*prekeys.bundle.spk())).unwrap(),
        dh4: None,
        kem: None,
    };
    let mut front = vec![1, 0, 0, 0, 1, 0, 0, 0, 0];
    front.extend_from_slice(&offer.eph);
    seal_sender(&mut front, &offer, &secrets, &a.cert, LIST);
    front
}

#[test]
fn a_sender_that_is_known_is_taken_and_a_forged_one_is_refused_whoever_is_known() {
    let (a, b) = (person(1), person(2));
    let prekeys = prekeys(&b, 1);
    let open = |envelope: &[u8], known: Option<CertProof>| {
        FirstFlight::parse(&envelope[11..])
            .unwrap()
            .open(
                &PREFIX,
                &b.keys,
                &b.cert,
                &prekeys.secret,
                prekeys.bundle.hash(),
                None,
                |_| known,
                NOW,
            )
            .map(|accepted| accepted.peer_cert)
    };
    let envelope = sealed(start(&a, &b.cert, &prekeys.bundle, None).unwrap());
    for known in [None, Some(a.cert.proof()), Some(b.cert.proof())] {
        assert_eq!(open(&envelope, known).unwrap(), a.cert);
    }

    // Every key of the session is right; only the identity did not sign the certificate, or the device did not.
    for tag in [2, 3] {
        let bytes = with_field(a.cert.as_bytes(), tag, &[7; 64]);
        let mut forger = person(1);
        let proof = CertProof::false_proof_of(&bytes);
        forger.cert = DeviceCert::verify_unless_known(&bytes, |_| Some(proof)).unwrap();
        let envelope = sealed(start(&forger, &b.cert, &prekeys.bundle, None).unwrap());
        for known in [None, Some(a.cert.proof()), Some(b.cert.proof())] {
            let error = open(&envelope, known).unwrap_err();
            assert_eq!(error, HandshakeError::Certificate(CertError::Signature));
        }
    }
}

#[test]
fn an_expired_certificate_of_either_side_is_refused() {
    let (a, b) = (person(1), person(2));
    let prekeys = prekeys(&b, 1);
    let envelope = sealed(start(&a, &b.cert, &prekeys.bundle, None).unwrap());

    let mut old = person(3);
    old.cert = cert_with(&old, 7, &(NOW + 1).to_be_bytes());
    let bundle = prekeys.secret.bundle(&old.keys, &old.cert, NOW, NOW + 1000);
    let start_with_old = |now| initiate(&mut rng(1), &a.keys, &a.cert, LIST, &old.cert, &bundle, None, now).map(drop);
    assert_eq!(start_with_old(NOW), Ok(()));
    assert_eq!(start_with_old(NOW + 1), Err(HandshakeError::PeerCertificateExpired));

    let from_old = sealed(start(&old, &b.cert, &prekeys.bundle, None).unwrap());
    let open_at = |envelope: &[u8], now| {
        FirstFlight::parse(&envelope[11..])
            .unwrap()
            .open(
                &PREFIX,
                &b.keys,
                &b.cert,
                &prekeys.secret,
                prekeys.bundle.hash(),
                None,
                |_| None,
                now,
            )
            .map(drop)
    };
    assert_eq!(open_at(&from_old, NOW), Ok(()));
    assert_eq!(open_at(&from_old, NOW + 1), Err(HandshakeError::PeerCertificateExpired));
    assert_eq!(open_at(&envelope, NOW + 1), Ok(()));
}

#[test]
fn a_one_time_key_is_mixed_in() {
    let (a, b) = (person(1), person(2));
    let prekeys = prekeys(&b, 1);
    let one_time = OneTimeSecret::generate(&mut rng(8), 4).public();
    let without = start(&a, &b.cert, &prekeys.bundle, None).unwrap();
    let with = start(&a, &b.cert, &prekeys.bundle, Some(&one_time)).unwrap();
    assert_ne!(without.session().id(), with.session().id());
}
