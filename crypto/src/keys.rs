//! The two long-term keys of a device: Ed25519 for signing, X25519 for key agreement (PROTOCOL.md section 2).
//!
//! They are separate keys; nothing is converted between the curves. Ids and certificates are made elsewhere.

use crate::ids::DeviceId;
use crate::kdf::{self, Purpose};
use ed25519_dalek::SigningKey;
use rand_core::CryptoRng;
use thiserror::Error;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

/// A device's secret keys.
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub struct DeviceKeys {
    signing: SigningKey,
    dh: StaticSecret,
    /// Public, and each a multiplication: computed once.
    dh_public: PublicKey,
    id: DeviceId,
}

impl DeviceKeys {
    /// Makes a new device's keys.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        Self::new(SigningKey::from_bytes(&seed), random_secret(rng))
    }

    /// Restores keys from what [`secrets`](Self::secrets) gave.
    #[must_use]
    pub fn from_secrets(signing: &[u8; 32], dh: &[u8; 32]) -> Self {
        Self::new(SigningKey::from_bytes(signing), StaticSecret::from(*dh))
    }

    fn new(signing: SigningKey, dh: StaticSecret) -> Self {
        let dh_public = PublicKey::from(&dh);
        Self {
            id: DeviceId::of(signing.verifying_key().as_bytes(), dh_public.as_bytes()),
            signing,
            dh,
            dh_public,
        }
    }

    /// The signing seed and the DH secret, for the keystore.
    #[must_use]
    pub fn secrets(&self) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
        (
            Zeroizing::new(self.signing.to_bytes()),
            Zeroizing::new(self.dh.to_bytes()),
        )
    }

    /// The id that belongs to these keys.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// The Ed25519 public key.
    #[must_use]
    pub fn signing_public(&self) -> [u8; 32] {
        self.signing.verifying_key().to_bytes()
    }

    /// The X25519 public key.
    #[must_use]
    pub fn dh_public(&self) -> [u8; 32] {
        self.dh_public.to_bytes()
    }

    /// DH(device, theirs).
    pub(crate) fn dh(&self, theirs: &PublicKey) -> Result<SharedSecret, LowOrder> {
        dh(&self.dh, theirs)
    }

    /// SIGN(device, purpose, bytes).
    pub(crate) fn sign(&self, purpose: Purpose, bytes: &[u8]) -> [u8; 64] {
        kdf::sign(&self.signing, purpose, bytes)
    }
}

/// DH(own, theirs), refused when the result is all zero.
pub(crate) fn dh(own: &StaticSecret, theirs: &PublicKey) -> Result<SharedSecret, LowOrder> {
    let shared = own.diffie_hellman(theirs);
    if shared.was_contributory() {
        Ok(shared)
    } else {
        Err(LowOrder)
    }
}

/// The u-coordinates of low order on the curve and its twist, as any 255 bits: 0, 1, the two of order 8, then p - 1 and the
/// other encodings of 0 and 1, p and p + 1.
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    low_order(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    low_order(0xec, 0xff, 0x7f),
    low_order(0xed, 0xff, 0x7f),
    low_order(0xee, 0xff, 0x7f),
];

/// 32 bytes: `first`, 30 times `middle`, `last`.
const fn low_order(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// Refuses the public keys with which [`dh`] fails whatever the secret, without one; for a key that is used later.
pub(crate) fn refuse_low_order(key: &PublicKey) -> Result<(), LowOrder> {
    let mut bytes = key.to_bytes();
    // X25519 ignores the top bit.
    bytes[31] &= 0x7f;
    if LOW_ORDER.contains(&bytes) {
        Err(LowOrder)
    } else {
        Ok(())
    }
}

/// A fresh X25519 secret.
pub(crate) fn random_secret(rng: &mut (impl CryptoRng + ?Sized)) -> StaticSecret {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(bytes.as_mut_slice());
    StaticSecret::from(*bytes)
}

/// A public key is of low order: agreeing with it would give a known secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the public key is of low order")]
pub struct LowOrder;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rng;

    #[test]
    fn keys_come_back_from_their_secrets() {
        let keys = DeviceKeys::generate(&mut rng(1));
        let (signing, dh) = keys.secrets();
        let again = DeviceKeys::from_secrets(&signing, &dh);
        assert_eq!(again.id(), keys.id());
        assert_eq!(again.signing_public(), keys.signing_public());
        assert_eq!(again.dh_public(), keys.dh_public());
        assert_ne!(keys.id(), DeviceKeys::generate(&mut rng(2)).id());
    }

    #[test]
    fn a_key_is_refused_unused_exactly_when_agreeing_with_it_fails() {
        let own = random_secret(&mut rng(3));
        let edges = (0..=255_u8).flat_map(|first| {
            [(0, 0), (0xff, 0x7f), (0, 0x80), (0xff, 0xff)].map(|(middle, last)| low_order(first, middle, last))
        });
        let random = (0..200).map(|seed| PublicKey::from(&random_secret(&mut rng(seed))).to_bytes());
        let refused = edges
            .chain(random)
            .chain(crate::testing::LOW_ORDER)
            .map(PublicKey::from)
            .inspect(|key| assert_eq!(refuse_low_order(key), dh(&own, key).map(drop), "{:?}", key.as_bytes()))
            .filter(|key| refuse_low_order(key).is_err())
            .map(|key| key.to_bytes())
            .collect::<std::collections::BTreeSet<_>>();
        assert_eq!(refused, crate::testing::LOW_ORDER.into());
    }

    #[test]
    fn two_devices_agree_and_a_low_order_key_is_refused() {
        let (one, other) = (DeviceKeys::generate(&mut rng(1)), DeviceKeys::generate(&mut rng(2)));
        let here = one.dh(&PublicKey::from(other.dh_public())).unwrap();
        let there = other.dh(&PublicKey::from(one.dh_public())).unwrap();
        assert_eq!(here.as_bytes(), there.as_bytes());
        for low in [[0; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }] {
            assert_eq!(one.dh(&PublicKey::from(low)).err(), Some(LowOrder));
        }
    }
}
