//! The two long-term keys of a device: Ed25519 for signing, X25519 for key agreement (PROTOCOL.md section 2).
//!
//! They are separate keys; nothing is converted between the curves. Ids and certificates are made elsewhere.

use crate::ids::DeviceId;
use crate::kdf::{Purpose, SigningPair};
use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// A device's secret keys.
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub struct DeviceKeys {
    signing: SigningPair,
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
        Self::new(SigningPair::from_seed(&seed), random_secret(rng))
    }

    /// Restores keys from what [`secrets`](Self::secrets) gave.
    #[must_use]
    pub fn from_secrets(signing: &[u8; 32], dh: &[u8; 32]) -> Self {
        Self::new(SigningPair::from_seed(signing), StaticSecret::from(*dh))
    }

    fn new(signing: SigningPair, dh: StaticSecret) -> Self {
        let dh_public = PublicKey::from(&dh);
        Self {
            id: DeviceId::of(signing.public(), dh_public.as_bytes()),
            signing,
            dh,
            dh_public,
        }
    }

    /// The signing seed and the DH secret, for the keystore.
    #[must_use]
    pub fn secrets(&self) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
        (Zeroizing::new(*self.signing.seed()), Zeroizing::new(self.dh.to_bytes()))
    }

    /// The id that belongs to these keys.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// The Ed25519 public key.
    #[must_use]
    pub fn signing_public(&self) -> [u8; 32] {
        *self.signing.public()
    }

    /// The X25519 public key.
    #[must_use]
    pub fn dh_public(&self) -> [u8; 32] {
        self.dh_public.to_bytes()
    }

    /// The secret half of the X25519 key.
    pub(crate) fn dh_secret(&self) -> &StaticSecret {
        &self.dh
    }

    /// SIGN(device, purpose, bytes).
    pub(crate) fn sign(&self, purpose: Purpose, bytes: &[u8]) -> [u8; 64] {
        self.signing.sign(purpose, bytes)
    }
}

/// A fresh X25519 secret.
pub(crate) fn random_secret(rng: &mut (impl CryptoRng + ?Sized)) -> StaticSecret {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(bytes.as_mut_slice());
    StaticSecret::from(*bytes)
}

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
}
