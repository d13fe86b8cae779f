#![allow(clippy::arithmetic_side_effects, reason = "a test knows its numbers")]

use super::*;
use crate::testing::{NOW, Person, fields, join, malformed, person, rng, with_field};

fn secret() -> PrekeySecret {
    PrekeySecret::generate(&mut rng(7), 3)
}

fn bundle(of: &Person) -> PrekeyBundle {
    secret().bundle(&of.keys, &of.cert, NOW, NOW + BUNDLE_LIFETIME_MS)
}

#[test]
fn a_bundle_reads_back() {
    let someone = person(1);
    let made = bundle(&someone);
    let read = PrekeyBundle::verify(made.as_bytes(), &someone.cert).unwrap();
    assert_eq!(read, made);
    assert_eq!(PrekeyBundle::hash_of(made.as_bytes()), read.hash());
    assert_eq!(
        (read.serial(), read.issued(), read.expires()),
        (3, NOW, NOW + BUNDLE_LIFETIME_MS)
    );
    assert_eq!(read.spk(), &PublicKey::from(&secret().spk).to_bytes());
    assert_eq!(read.kem().len(), KEM_KEY_LEN);
}

fn signed(statement: &[u8]) -> Vec<u8> {
    let signature = person(1).keys.sign(Purpose::PREKEY_BUNDLE, statement).to_vec();
    join(&[(1, statement.to_vec()), (2, signature)])
}

#[test]
fn every_malformed_bundle_is_refused() {
    let someone = person(1);
    let good = bundle(&someone);
    let statement = fields(good.as_bytes())[0].1.clone();
    assert!(PrekeyBundle::verify(&signed(&statement), &someone.cert).is_ok());
    for (what, bad) in malformed(&statement, &[]) {
        assert!(
            PrekeyBundle::verify(&signed(&bad), &someone.cert).is_err(),
            "statement {what}"
        );
    }
    for (what, bad) in malformed(good.as_bytes(), &[]) {
        assert!(PrekeyBundle::verify(&bad, &someone.cert).is_err(), "{what}");
    }
    for at in 0..good.as_bytes().len() {
        let mut bad = good.as_bytes().to_vec();
        bad[at] ^= 1;
        assert!(PrekeyBundle::verify(&bad, &someone.cert).is_err(), "byte {at}");
    }
}

#[test]
fn values_out_of_range_are_refused_though_well_signed() {
    let someone = person(1);
    let statement = fields(bundle(&someone).as_bytes())[0].1.clone();
    let verify = |tag, value: &[u8]| {
        PrekeyBundle::verify(&signed(&with_field(&statement, tag, value)), &someone.cert).map(|_| ())
    };
    assert_eq!(verify(1, &[0]), Err(BundleError::Version { got: 0 }));
    assert_eq!(verify(2, &[0; 4]), Err(BundleError::Serial));
    assert_eq!(verify(2, &[0xFF; 4]), Ok(()));
    assert_eq!(verify(3, &[0; 32]), Err(BundleError::OtherCertificate));
    assert_eq!(
        verify(5, &[0xFF; KEM_KEY_LEN]),
        Err(BundleError::Kem),
        "coefficients over the modulus"
    );
    assert_eq!(verify(6, &[0]), Err(BundleError::Suites));
    assert_eq!(
        verify(6, &[1]),
        Err(BundleError::Suites),
        "a downgrade against the certificate"
    );
    let expires = |at: u64| verify(8, &at.to_be_bytes());
    assert_eq!(expires(NOW), Err(BundleError::Lifetime));
    assert_eq!(expires(NOW + 1), Ok(()));
    assert_eq!(expires(NOW + BUNDLE_LIFETIME_MS + 1), Err(BundleError::Lifetime));
}

#[test]
fn a_bundle_of_another_device_or_certificate_is_refused() {
    let (one, other) = (person(1), person(2));
    let good = bundle(&one);
    assert_eq!(
        PrekeyBundle::verify(good.as_bytes(), &other.cert),
        Err(BundleError::Signature)
    );
    let renewed = DeviceCert::issue(&one.identity, &one.keys, 2, NOW);
    assert_eq!(
        PrekeyBundle::verify(good.as_bytes(), &renewed),
        Err(BundleError::OtherCertificate)
    );
}

#[test]
fn the_validity_of_a_new_bundle_is_held_in_its_limits() {
    let someone = person(1);
    for (issued, expires) in [(NOW, 0), (NOW, u64::MAX), (u64::MAX, 0)] {
        let made = secret().bundle(&someone.keys, &someone.cert, issued, expires);
        assert!(PrekeyBundle::verify(made.as_bytes(), &someone.cert).is_ok());
    }
}

#[test]
fn secrets_come_back_from_their_bytes_and_from_no_others() {
    let made = secret();
    let again = PrekeySecret::from_bytes(&made.to_bytes()).unwrap();
    assert_eq!(again.serial(), 3);
    assert_eq!(again.to_bytes(), made.to_bytes());
    let bytes = made.to_bytes();
    for len in 0..bytes.len() {
        assert!(PrekeySecret::from_bytes(&bytes[..len]).is_err());
    }
    assert!(PrekeySecret::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
    assert!(PrekeySecret::from_bytes(&[0; 100]).is_err(), "serial 0");
}

#[test]
fn both_sides_of_the_kem_get_one_secret_and_a_forged_ciphertext_another() {
    let someone = person(1);
    let (here, mut ciphertext) = bundle(&someone).encapsulate(&mut rng(5));
    let owner = secret();
    assert_eq!(owner.decapsulate(&ciphertext).unwrap(), here);
    ciphertext[0] ^= 1;
    assert_ne!(owner.decapsulate(&ciphertext).unwrap(), here);
    assert!(owner.decapsulate(&ciphertext[1..]).is_none());
}
