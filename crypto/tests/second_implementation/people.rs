//! Identities, devices, lists and prekeys.

use ed25519_dalek::{Signer, SigningKey};
use parlour_crypto::{
    DeviceCert, DeviceKeys, DeviceList, Identity, OneTimeSecret, PrekeyBundle, PrekeySecret, SuccessionError, Suites,
    TlvWriter, entropy_from_phrase, phrase_from_entropy,
};
use serde_json::{Value, json};

use super::given::{Given, hex, hexes};
use super::kinds::Found;

pub(crate) fn identity(i: Given<'_>) -> Found {
    let entropy = i.array("entropy");
    let words = phrase_from_entropy(&entropy);
    assert_eq!(*entropy_from_phrase(&words).unwrap(), entropy);
    let user = Identity::from_entropy(&entropy).user_id();
    Found::out(json!({"words_text": words.as_str(), "user": hex(user)}))
}

/// SIGN of section 1 with a seed: what a case may ask for is more than the crate itself signs.
pub(crate) fn sign(seed: &[u8; 32], purpose: &str, statement: &[u8]) -> [u8; 64] {
    let message = [b"parlour/1\0", purpose.as_bytes(), b"\0", statement].concat();
    SigningKey::from_bytes(seed).sign(&message).to_bytes()
}

pub(crate) fn public(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

pub(crate) fn device_keys(i: Given<'_>) -> DeviceKeys {
    DeviceKeys::from_secrets(&i.array("signing_seed"), &i.array("dh_secret"))
}

/// A certificate with fields of choice: the crate itself issues those of both suites and 365 days alone.
pub(crate) fn issue(identity: &[u8; 32], keys: &DeviceKeys, suites: u8, times: [u64; 2], serial: u64) -> DeviceCert {
    let signing = &keys.secrets().0;
    let mut writer = TlvWriter::new();
    writer
        .field(1, &[1])
        .field(2, &[suites])
        .field(3, &public(identity))
        .field(4, &keys.signing_public())
        .field(5, &keys.dh_public())
        .field(6, &times[0].to_be_bytes())
        .field(7, &times[1].to_be_bytes())
        .field(8, &serial.to_be_bytes());
    let statement = writer.finish();
    let mut writer = TlvWriter::new();
    writer
        .field(1, &statement)
        .field(2, &sign(identity, "device certificate", &statement))
        .field(3, &sign(signing, "device certificate possession", &statement));
    DeviceCert::verify(&writer.finish()).expect("a certificate of its form")
}

pub(crate) fn device_certificate(i: Given<'_>) -> Found {
    let (suites, serial, keys) = (i.int("suites"), i.int("serial"), device_keys(i));
    let (created, expires) = (i.int("created"), i.int("expires"));
    let cert = issue(&i.array("identity_seed"), &keys, suites, [created, expires], serial);
    assert_eq!(Some(cert.suites()), Suites::from_bits(suites));
    assert_eq!(
        (cert.created(), cert.expires(), cert.serial()),
        (created, expires, serial)
    );
    assert_eq!(cert.device(), keys.id());
    assert!(!cert.is_expired(expires - 1) && cert.is_expired(expires));
    Found {
        mid: json!({"user": hex(cert.user()), "signing_key": hex(cert.signing_key()), "dh_key": hex(cert.dh_key())}),
        out: json!({"signed": hex(cert.as_bytes()), "hash": hex(cert.hash()), "device": hex(cert.device())}),
    }
}

/// A list with fields of choice; certificates and revoked devices stand as they are given.
pub(crate) fn issue_list(
    identity: &[u8; 32],
    (version, previous): (u32, &[u8]),
    certificates: &[Vec<u8>],
    revoked: &[[u8; 32]],
    (recovered, created): (u8, u64),
) -> DeviceList {
    let mut field = Vec::new();
    for certificate in certificates {
        field.extend_from_slice(&u16::try_from(certificate.len()).unwrap().to_be_bytes());
        field.extend_from_slice(certificate);
    }
    let mut writer = TlvWriter::new();
    writer
        .field(1, &version.to_be_bytes())
        .field(2, &public(identity))
        .field(3, previous)
        .field(4, &field)
        .field(5, revoked.as_flattened())
        .field(6, &[recovered])
        .field(7, &created.to_be_bytes());
    let statement = writer.finish();
    let mut writer = TlvWriter::new();
    writer
        .field(1, &statement)
        .field(2, &sign(identity, "device list", &statement));
    DeviceList::verify(&writer.finish()).expect("a list of its form")
}

pub(crate) fn device_list(i: Given<'_>) -> Found {
    let (version, recovered, created) = (i.int("version"), i.int("recovered"), i.int("created"));
    let (certificates, revoked) = (i.list("certificates"), i.ids("revoked"));
    let list = issue_list(
        &i.array("identity_seed"),
        (version, &i.bytes("previous")),
        &certificates,
        &revoked,
        (recovered, created),
    );
    assert_eq!((list.version(), list.created()), (version, created));
    assert_eq!(list.is_recovered(), recovered == 1);
    assert!(list.certs().iter().map(DeviceCert::as_bytes).eq(&certificates));
    assert!(list.revoked().iter().map(|device| device.as_bytes()).eq(&revoked));
    Found {
        mid: json!({"devices": hexes(list.certs().iter().map(DeviceCert::device))}),
        out: json!({
            "signed": hex(list.as_bytes()), "hash": hex(list.hash()), "reference": hex(list.reference().encode()),
        }),
    }
}

/// Whether the list `new` may take the place of `old`, or is it; lists between the two may be missing.
pub(crate) fn follows(old: &[u8], new: &[u8]) -> Result<(), SuccessionError> {
    let (old, new) = (DeviceList::verify(old).unwrap(), DeviceList::verify(new).unwrap());
    match old.check_successor(&new) {
        Err(SuccessionError::Same | SuccessionError::Gap { .. }) => Ok(()),
        verdict => verdict,
    }
}

pub(crate) fn succession(i: Given<'_>) -> Found {
    Found::out(json!({"allowed": follows(&i.bytes("old"), &i.bytes("new")).is_ok()}))
}

pub(crate) fn certificate(i: Given<'_>) -> DeviceCert {
    DeviceCert::verify(&i.bytes("certificate")).expect("a certificate")
}

pub(crate) fn prekey_secret(serial: u32, i: Given<'_>) -> PrekeySecret {
    let bytes = [
        &serial.to_be_bytes()[..],
        &i.bytes("prekey_secret"),
        &i.bytes("kem_seed"),
    ]
    .concat();
    PrekeySecret::from_bytes(&bytes).expect("prekeys")
}

pub(crate) fn prekey_bundle(i: Given<'_>) -> Found {
    let (cert, serial) = (certificate(i), i.int("serial"));
    let made = prekey_secret(serial, i).bundle(&device_keys(i), &cert, i.int("issued"), i.int("expires"));
    let read = PrekeyBundle::verify(made.as_bytes(), &cert).expect("a bundle");
    assert_eq!(read, made);
    assert_eq!(read.serial(), serial);
    assert_eq!((read.issued(), read.expires()), (i.int("issued"), i.int("expires")));
    assert_eq!(Some(read.suites()), Suites::from_bits(i.int("suites")));
    Found {
        mid: json!({"certificate_hash": hex(cert.hash()), "prekey": hex(read.spk()), "kem_key": hex(read.kem())}),
        out: json!({"signed": hex(read.as_bytes()), "hash": hex(read.hash())}),
    }
}

pub(crate) fn one_time_secret(id: u32, secret: &[u8; 32]) -> OneTimeSecret {
    OneTimeSecret::from_bytes(&[&id.to_be_bytes()[..], secret].concat()).expect("a one-time key")
}

pub(crate) fn one_time_key(i: Given<'_>) -> Found {
    let key = one_time_secret(i.int("id"), &i.array("secret")).public();
    let bytes: Value = hex([&key.id.to_be_bytes()[..], &key.key].concat());
    Found::out(json!({"bytes": bytes}))
}
