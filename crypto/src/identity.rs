//! A user's long-term identity: an Ed25519 key derived from 32 bytes of entropy (PROTOCOL.md section 2).
//!
//! signing seed = KDF("", entropy, "identity", 32). The words that stand for the entropy are in `recovery`.

use crate::ids::UserId;
use crate::kdf::{self, Purpose, SigningPair};
use zeroize::Zeroizing;

/// The secret identity key: it certifies devices and signs device lists, nothing else.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct Identity {
    key: SigningPair,
}

impl Identity {
    /// Derives the identity from its entropy; the same entropy gives the same identity.
    #[must_use]
    pub fn from_entropy(entropy: &[u8; 32]) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        kdf::kdf(b"", entropy, Purpose::IDENTITY, &[], seed.as_mut_slice());
        Self {
            key: SigningPair::from_seed(&seed),
        }
    }

    /// The public half: the user's id.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        UserId::from_bytes(*self.key.public())
    }

    /// SIGN(identity, purpose, bytes).
    pub(crate) fn sign(&self, purpose: Purpose, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(purpose, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_follows_from_its_entropy_alone() {
        let one = Identity::from_entropy(&[7; 32]);
        assert_eq!(one.user_id(), Identity::from_entropy(&[7; 32]).user_id());
        assert_ne!(one.user_id(), Identity::from_entropy(&[8; 32]).user_id());
        assert_ne!(one.user_id().as_bytes(), SigningPair::from_seed(&[7; 32]).public());
    }
}
