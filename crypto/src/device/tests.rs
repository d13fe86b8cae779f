use super::*;
use crate::testing::{NOW, fields, join, malformed, person, with_field};

#[test]
fn a_certificate_reads_back() {
    let someone = person(1);
    let cert = DeviceCert::verify(someone.cert.as_bytes()).unwrap();
    assert_eq!(cert, someone.cert);
    assert_eq!(cert.user(), someone.identity.user_id());
    assert_eq!(cert.device(), someone.keys.id());
    assert_eq!(cert.signing_key(), &someone.keys.signing_public());
    assert_eq!(cert.dh_key(), &someone.keys.dh_public());
    assert_eq!((cert.serial(), cert.suites(), cert.created()), (1, Suites::ALL, NOW));
    assert_eq!(cert.expires(), NOW + 365 * DAY_MS);
    assert!(!cert.is_expired(cert.expires() - 1));
    assert!(cert.is_expired(cert.expires()));
}

/// Signs whatever statement it is given with the right keys, so that only the form is wrong.
fn signed(statement: &[u8]) -> Vec<u8> {
    let someone = person(1);
    join(&[
        (1, statement.to_vec()),
        (
            2,
            someone.identity.sign(Purpose::DEVICE_CERTIFICATE, statement).to_vec(),
        ),
        (
            3,
            someone
                .keys
                .sign(Purpose::DEVICE_CERTIFICATE_POSSESSION, statement)
                .to_vec(),
        ),
    ])
}

#[test]
fn every_malformed_statement_is_refused_though_well_signed() {
    let statement = fields(person(1).cert.as_bytes())[0].1.clone();
    assert!(DeviceCert::verify(&signed(&statement)).is_ok());
    for (what, bad) in malformed(&statement, &[]) {
        assert!(DeviceCert::verify(&signed(&bad)).is_err(), "{what}");
    }
}

#[test]
fn every_malformed_signed_form_is_refused() {
    for (what, bad) in malformed(person(1).cert.as_bytes(), &[]) {
        assert!(DeviceCert::verify(&bad).is_err(), "{what}");
    }
}

#[test]
fn every_changed_bit_is_refused() {
    let bytes = person(1).cert.as_bytes().to_vec();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        assert!(DeviceCert::verify(&bad).is_err(), "byte {at}");
    }
}

#[test]
fn values_out_of_range_are_refused_though_well_signed() {
    let statement = fields(person(1).cert.as_bytes())[0].1.clone();
    let verify = |tag, value: &[u8]| DeviceCert::verify(&signed(&with_field(&statement, tag, value)));
    assert_eq!(verify(1, &[2]), Err(CertError::Version { got: 2 }));
    for bits in [0, 4, 7, 0x80] {
        assert_eq!(verify(2, &[bits]), Err(CertError::Suites));
    }
    let expires = |at: u64| verify(7, &at.to_be_bytes()).map(|_| ());
    assert_eq!(expires(NOW), Err(CertError::Lifetime));
    assert_eq!(expires(NOW - 1), Err(CertError::Lifetime));
    assert_eq!(expires(NOW + 1), Ok(()));
    assert_eq!(expires(NOW + CERT_MAX_LIFETIME_MS), Ok(()));
    assert_eq!(expires(NOW + CERT_MAX_LIFETIME_MS + 1), Err(CertError::Lifetime));
    assert_eq!(expires(u64::MAX), Err(CertError::Lifetime));
    assert!(verify(8, &u64::MAX.to_be_bytes()).is_ok(), "any serial is a serial");
}

#[test]
fn each_signature_is_needed() {
    let (one, other) = (person(1), person(2));
    let statement = fields(one.cert.as_bytes())[0].1.clone();
    let by_other_identity = other.identity.sign(Purpose::DEVICE_CERTIFICATE, &statement);
    let by_other_device = other.keys.sign(Purpose::DEVICE_CERTIFICATE_POSSESSION, &statement);
    for bad in [
        with_field(one.cert.as_bytes(), 2, &by_other_identity),
        with_field(one.cert.as_bytes(), 3, &by_other_device),
    ] {
        assert_eq!(DeviceCert::verify(&bad), Err(CertError::Signature));
    }
}

#[test]
fn the_last_moment_of_time_still_gives_a_valid_certificate() {
    let someone = person(1);
    let cert = DeviceCert::issue(&someone.identity, &someone.keys, 1, u64::MAX);
    assert!(DeviceCert::verify(cert.as_bytes()).is_ok());
}

#[test]
fn only_the_proof_of_the_same_bytes_takes_the_place_of_the_signatures() {
    let (cert, other) = (person(1).cert, person(2).cert);
    let known = |proof| move |_: &DeviceId| Some(proof);
    let mut asked = None;
    let read = DeviceCert::verify_unless_known(cert.as_bytes(), |device| {
        asked = Some(*device);
        Some(cert.proof())
    });
    assert_eq!(read.unwrap(), cert);
    assert_eq!(asked, Some(cert.device()));
    assert_eq!(
        DeviceCert::verify_unless_known(cert.as_bytes(), known(other.proof())).unwrap(),
        cert,
        "checked as if nothing were known"
    );

    let bytes = cert.as_bytes();
    for at in 0..bytes.len() {
        let mut bad = bytes.to_vec();
        bad[at] ^= 0x10;
        for proof in [cert.proof(), other.proof()] {
            assert!(
                DeviceCert::verify_unless_known(&bad, known(proof)).is_err(),
                "byte {at}"
            );
        }
    }
    let mut unsigned = bytes.to_vec();
    *unsigned.last_mut().unwrap() ^= 1;
    let proof = CertProof::false_proof_of(&unsigned);
    assert!(
        DeviceCert::verify_unless_known(&unsigned, known(proof)).is_ok(),
        "not checked again"
    );
}
