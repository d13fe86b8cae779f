//! The secret half of an Ed25519 key (RFC 8032; SIGN in PROTOCOL.md section 1).
//!
//! aws-lc signs, since its assembly takes half the time; it is the library that TLS has anyhow. Signatures are deterministic,
//! so nobody can tell who made them: the same bytes come from either library. Whether one is good `SignerKey` alone says.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use super::Purpose;

/// A key that signs. aws-lc wipes its copy of the secret when it frees it.
pub(crate) struct SigningPair {
    seed: Zeroizing<[u8; 32]>,
    public: [u8; 32],
    pair: Ed25519KeyPair,
}

impl SigningPair {
    /// The key that follows from a seed.
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "any 32 bytes are a seed")]
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed of 32 bytes");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Self {
            seed: Zeroizing::new(*seed),
            public,
            pair,
        }
    }

    /// What it was made from; a secret.
    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public half.
    pub(crate) fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// SIGN(key, purpose, bytes): Ed25519 over ctx || bytes.
    pub(crate) fn sign(&self, purpose: Purpose, bytes: &[u8]) -> [u8; 64] {
        #[cfg(test)]
        assert!(
            Purpose::SIGNED.contains(&purpose),
            "{purpose:?} is not among what is signed"
        );
        self.sign_plain(&purpose.message(bytes))
    }

    /// Ed25519 over the bytes as they are.
    pub(super) fn sign_plain(&self, bytes: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(bytes).as_ref());
        signature
    }
}
