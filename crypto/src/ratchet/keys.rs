//! Secrets of the ratchet, one type for each, and how one comes from another (PROTOCOL.md section 5).
//!
//! ```text
//! KDF_RK(root, dh)              = KDF(salt = root, ikm = dh, "ratchet root", 96) = root' || chain key || next header key
//! KDF_RK(root, dh, s)           = KDF(salt = root, ikm = dh || s, "ratchet refresh", 96), the same parts
//! message key || next chain key = XOF(chain key, "ratchet step", 64)
//! key 32 || nonce 12            = XOF(message key, "ratchet message", 44, header nonce)
//! ```

use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::aead;
use crate::agreement::SharedSecret;
use crate::kdf::{self, Purpose};
use crate::keys::random_secret;

/// Width of every secret here, in bytes.
pub(super) const KEY: usize = 32;
/// Width of a header's nonce.
pub(crate) const XNONCE: usize = 24;
/// Width of a body's nonce.
const NONCE: usize = 12;

macro_rules! secret {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Zeroize, ZeroizeOnDrop)]
        pub(crate) struct $name([u8; KEY]);

        impl $name {
            pub(crate) fn new(bytes: [u8; KEY]) -> Self {
                Self(bytes)
            }

            pub(crate) fn as_bytes(&self) -> &[u8; KEY] {
                &self.0
            }
        }
    )*};
}

secret! {
    /// `root`: mixed with every Diffie-Hellman result.
    RootKey;
    /// Seals or opens the headers of one chain.
    HeaderKey;
    /// `CK_n`: gives one message key and the next chain key, then is gone.
    ChainKey;
    /// `MK_n`: seals or opens one message.
    MessageKey;
    /// `s`: mixed with one Diffie-Hellman result.
    RefreshSecret;
}

impl RootKey {
    /// `KDF_RK(root, dh)`, or `KDF_RK(root, dh, s)`: the next root, a chain and the header key of the chain after that.
    pub(super) fn step(&self, dh: &SharedSecret, refresh: Option<&RefreshSecret>) -> (Self, ChainKey, HeaderKey) {
        let mut okm = Zeroizing::new([[0; KEY]; 3]);
        match refresh {
            None => kdf::kdf(
                &self.0,
                dh.as_bytes(),
                Purpose::RATCHET_ROOT,
                &[],
                okm.as_flattened_mut(),
            ),
            Some(secret) => {
                let ikm = Zeroizing::new([*dh.as_bytes(), secret.0]);
                kdf::kdf(
                    &self.0,
                    ikm.as_flattened(),
                    Purpose::RATCHET_REFRESH,
                    &[],
                    okm.as_flattened_mut(),
                );
            }
        }
        (Self(okm[0]), ChainKey(okm[1]), HeaderKey(okm[2]))
    }
}

impl ChainKey {
    /// Consumes `CK_n`; returns `CK_n+1` and `MK_n`.
    pub(crate) fn step(self) -> (Self, MessageKey) {
        let mut okm = Zeroizing::new([[0; KEY]; 2]);
        kdf::xof(&self.0, Purpose::RATCHET_STEP, &[], okm.as_flattened_mut());
        (Self(okm[1]), MessageKey(okm[0]))
    }

    /// A copy to open a message with, which replaces the original only if the message is authentic.
    pub(crate) fn attempt(&self) -> Self {
        Self(self.0)
    }

    /// Takes the key out and leaves zeros behind.
    pub(crate) fn take(&mut self) -> Self {
        Self(std::mem::take(&mut self.0))
    }
}

impl MessageKey {
    /// Encrypts `text` in place and returns its tag; the key is used up. `header_nonce` is the random one of the header.
    pub(super) fn seal(self, header_nonce: &[u8; XNONCE], ad: &[u8], text: &mut [u8]) -> [u8; aead::TAG_LEN] {
        let (key, nonce) = &*self.expand(header_nonce);
        aead::seal_detached(key, nonce, ad, text)
    }

    /// Decrypts `text` in place if `tag` is right.
    pub(super) fn open(
        &self,
        header_nonce: &[u8; XNONCE],
        ad: &[u8],
        text: &mut [u8],
        tag: &[u8; aead::TAG_LEN],
    ) -> Result<(), aead::AeadError> {
        let (key, nonce) = &*self.expand(header_nonce);
        aead::open_detached(key, nonce, ad, text, tag)
    }

    /// The random header nonce takes part, so that a state put back to an earlier one never repeats key and nonce.
    fn expand(&self, header_nonce: &[u8; XNONCE]) -> Zeroizing<([u8; KEY], [u8; NONCE])> {
        let mut okm = Zeroizing::new([0; KEY + NONCE]);
        kdf::xof(&self.0, Purpose::RATCHET_MESSAGE, &[header_nonce], okm.as_mut_slice());
        let mut parts = Zeroizing::new(([0; KEY], [0; NONCE]));
        let (key, nonce) = okm.split_at(KEY);
        parts.0.copy_from_slice(key);
        parts.1.copy_from_slice(nonce);
        parts
    }
}

/// Own key pair of a sending chain; the public half is kept so that it is computed once.
pub(crate) struct RatchetKey {
    secret: StaticSecret,
    public: PublicKey,
}

impl RatchetKey {
    pub(crate) fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let secret = random_secret(rng);
        let public = PublicKey::from(&secret);
        Self { secret, public }
    }

    /// A key of which both halves are known.
    pub(crate) fn new(secret: StaticSecret, public: PublicKey) -> Self {
        Self { secret, public }
    }

    pub(super) fn secret(&self) -> &StaticSecret {
        &self.secret
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed_blake3<const N: usize>(key: &[u8; 32], text: &[u8]) -> [u8; N] {
        let mut out = [0; N];
        blake3::Hasher::new_keyed(key)
            .update(text)
            .finalize_xof()
            .fill(&mut out);
        out
    }

    #[test]
    fn a_step_gives_the_message_key_and_then_the_next_chain_key() {
        let expected = keyed_blake3::<64>(&[1; 32], b"parlour/1\0ratchet step\0");
        let (chain, message) = ChainKey::new([1; 32]).step();
        assert_eq!(message.as_bytes(), &expected[..32]);
        assert_eq!(chain.as_bytes(), &expected[32..]);
    }

    #[test]
    fn a_message_key_and_a_header_nonce_give_the_cipher_key_and_then_the_nonce() {
        let mut text = b"parlour/1\0ratchet message\0\0\0\0\x18".to_vec();
        text.extend_from_slice(&[9; 24]);
        let expected = keyed_blake3::<44>(&[1; 32], &text);
        let parts = MessageKey::new([1; 32]).expand(&[9; 24]);
        let other = MessageKey::new([1; 32]).expand(&[8; 24]);
        assert_ne!(parts.0, other.0, "a chain key used twice gives two cipher keys");
        assert_eq!(parts.0, expected[..32]);
        assert_eq!(parts.1, expected[32..]);
    }
}
