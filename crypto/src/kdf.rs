//! Hashes, MACs, key derivation and signatures, each bound to one purpose (PROTOCOL.md section 1).
//!
//! The only place where a purpose string is written. A [`Purpose`] cannot be made outside of this file, so two uses
//! cannot meet by accident.
//!
//! ctx(purpose) = "parlour/1" || 0 || purpose || 0; lp(x) = len(x) as u32 || x.

use std::sync::LazyLock;

use curve25519_dalek::constants::EIGHT_TORSION;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroize;

mod signing;

pub(crate) use signing::SigningPair;

/// What a hash, MAC, key or signature is for, by name and as ctx(purpose).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Purpose(&'static str, &'static [u8]);

macro_rules! purposes {
    ($($name:ident = $text:literal;)*) => {
        impl Purpose {
            $(pub(crate) const $name: Self =
                Self($text, concat!("parlour/1", "\0", $text, "\0").as_bytes());)*
        }

        /// Every purpose, in the order of PROTOCOL.md.
        #[cfg(test)]
        const ALL: &[Purpose] = &[$(Purpose::$name),*];
    };
}

purposes! {
    IDENTITY = "identity";
    DEVICE_CERTIFICATE = "device certificate";
    DEVICE_CERTIFICATE_POSSESSION = "device certificate possession";
    DEVICE_ID = "device id";
    DIRECT_CONVERSATION = "direct conversation";
    NOTES_CONVERSATION = "notes conversation";
    DEVICE_LIST = "device list";
    PREKEY_BUNDLE = "prekey bundle";
    HANDSHAKE = "handshake";
    HANDSHAKE_KEYS = "handshake keys";
    SESSION_ID = "session id";
    FIRST_FLIGHT = "first flight";
    FIRST_FLIGHT_KEY = "first flight key";
    RATCHET_ROOT = "ratchet root";
    RATCHET_STEP = "ratchet step";
    RATCHET_MESSAGE = "ratchet message";
    REFRESH_SECRET = "refresh secret";
    RATCHET_REFRESH = "ratchet refresh";
    ENVELOPE_TAG = "envelope tag";
    FIRST_CONTACT_TAG = "first contact tag";
    EVENT = "event";
    EVENT_ID = "event id";
    EVENT_BODY = "event body";
    DIRECT_SHARD = "direct shard";
    PAIR_KEY = "pair key";
    STREAM_OPEN = "stream open";
    STREAM_ACCEPT = "stream accept";
    STREAM_SALT = "stream salt";
    STREAM_KEYS = "stream keys";
    STREAM_NEXT_KEY = "stream next key";
    CONTACT_REQUEST = "contact request";
    CONTACT_REQUEST_WORK = "contact request work";
    INVITE_CHECKSUM = "invite checksum";
    ROOM = "room";
    MEMBERSHIP_VIEW = "membership view";
    ROOM_SHARD = "room shard";
    ROOM_LINK_TOKEN = "room link token";
    ROOM_LINK_QUESTION = "room link question";
    ROOM_LINK_ANSWER = "room link answer";
    CHAIN_CERTIFICATE = "chain certificate";
    CHAIN_KEYS = "chain keys";
    ROOM_MESSAGE = "room message";
    AUDIENCE_LEAF = "audience leaf";
    AUDIENCE_NODE = "audience node";
    AUDIENCE_ROOT = "audience root";
    SAFETY_NUMBER = "safety number";
    KEYSTORE_PASSWORD = "keystore password";
    KEYSTORE_NODE_KEY = "keystore node key";
    KEYSTORE_SECRETS = "keystore secrets";
    KEYSTORE_SUBKEY = "keystore subkey";
    KEYSTORE_CHECKSUM = "keystore checksum";
}

impl Purpose {
    /// What is signed: nothing is for any other purpose, so that whoever adds one meets the test of all of them.
    #[cfg(test)]
    pub(crate) const SIGNED: [Self; 6] = [
        Self::DEVICE_CERTIFICATE,
        Self::DEVICE_CERTIFICATE_POSSESSION,
        Self::DEVICE_LIST,
        Self::PREKEY_BUNDLE,
        Self::EVENT,
        Self::CHAIN_CERTIFICATE,
    ];

    /// ctx(purpose).
    pub(crate) const fn context(self) -> &'static [u8] {
        self.1
    }

    /// ctx(purpose) || bytes: what is signed.
    fn message(self, bytes: &[u8]) -> Vec<u8> {
        [self.context(), bytes].concat()
    }

    /// The purpose with this name.
    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|purpose| purpose.0 == name).copied()
    }
}

/// HASH(purpose, fields): BLAKE3, 32 bytes.
pub(crate) fn hash(purpose: Purpose, fields: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    feed(purpose, fields, |part| {
        hasher.update(part);
    });
    *hasher.finalize().as_bytes()
}

/// HASH256(purpose, fields): SHA-256, 32 bytes.
pub(crate) fn hash256(purpose: Purpose, fields: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    feed(purpose, fields, |part| Digest::update(&mut hasher, part));
    hasher.finalize().into()
}

/// MAC(key, purpose, fields): HMAC-SHA-256, 32 bytes.
pub(crate) fn mac(key: &[u8], purpose: Purpose, fields: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("any key length");
    feed(purpose, fields, |part| Mac::update(&mut mac, part));
    mac.finalize().into_bytes().into()
}

/// KDF(salt, ikm, purpose, n, fields): HKDF-SHA-256 into `out`; an empty salt counts as 32 zero bytes.
///
/// `out` is at most 8160 bytes, which every caller's constant width is.
pub(crate) fn kdf(salt: &[u8], ikm: &[u8], purpose: Purpose, fields: &[&[u8]], out: &mut [u8]) {
    let expanded = if fields.is_empty() {
        hkdf(salt, ikm, purpose.context(), out)
    } else {
        let mut info = Vec::new();
        feed(purpose, fields, |part| info.extend_from_slice(part));
        hkdf(salt, ikm, &info, out)
    };
    #[expect(clippy::expect_used, reason = "every width in the protocol is below 255 hash blocks")]
    expanded.expect("width within HKDF");
}

fn hkdf(salt: &[u8], ikm: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), hkdf::InvalidLength> {
    Hkdf::<Sha256>::new(Some(salt).filter(|salt| !salt.is_empty()), ikm).expand(info, out)
}

/// XOF(key, purpose, n, fields): keyed BLAKE3 into `out`, in one compression while input and output are at most 64 bytes.
pub(crate) fn xof(key: &[u8; 32], purpose: Purpose, fields: &[&[u8]], out: &mut [u8]) {
    let mut hasher = blake3::Hasher::new_keyed(key);
    feed(purpose, fields, |part| {
        hasher.update(part);
    });
    let mut reader = hasher.finalize_xof();
    reader.fill(out);
    // Both hold the key.
    reader.zeroize();
    hasher.zeroize();
}

/// Checks SIGN(key, purpose, bytes) strictly: canonical S, no small-order key or R.
pub(crate) fn verify_strict(
    key: &[u8; 32],
    purpose: Purpose,
    bytes: &[u8],
    signature: &[u8; 64],
) -> Result<(), BadSignature> {
    SignerKey::read(key)
        .ok_or(BadSignature)?
        .verify(purpose, bytes, signature)
}

/// What `VerifyingKey::verify_strict` says, key and signature apart.
#[cfg(test)]
fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
    SignerKey::read(key).ok_or(BadSignature)?.check(message, signature)
}

/// The public half of a signing key, read once for many signatures: reading it takes a square root.
#[derive(Clone, Debug)]
pub struct SignerKey(VerifyingKey);

impl SignerKey {
    /// `None`: nothing verifies under these bytes, which are no point, or one of small order.
    #[must_use]
    pub fn read(bytes: &[u8; 32]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(bytes).ok()?;
        (!key.is_weak()).then_some(Self(key))
    }

    /// Checks SIGN(key, purpose, bytes) strictly.
    pub(crate) fn verify(&self, purpose: Purpose, bytes: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        self.check(&purpose.message(bytes), signature)
    }

    /// Without taking R's square root: R is compared as bytes, so only the one way each small-order point is written can pass.
    fn check(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        static SMALL_ORDER: LazyLock<[[u8; 32]; 8]> =
            LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().to_bytes()));
        let signature = Signature::from_bytes(signature);
        if SMALL_ORDER.contains(signature.r_bytes()) {
            return Err(BadSignature);
        }
        self.0.verify(message, &signature).map_err(|_| BadSignature)
    }
}

/// A signature does not verify.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the signature does not verify")]
pub(crate) struct BadSignature;

fn feed(purpose: Purpose, fields: &[&[u8]], mut update: impl FnMut(&[u8])) {
    update(purpose.context());
    for field in fields {
        // A field comes from a structure whose own limits keep it far below 4 GiB.
        update(&(field.len() as u32).to_be_bytes());
        update(field);
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;
