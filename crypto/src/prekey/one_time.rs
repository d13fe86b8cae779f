//! One-time keys: given to one asker by the live device, used in one handshake (PROTOCOL.md section 3).
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::SecretDecodeError;
use crate::codec::ByteReader;
use crate::keys;
use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// A one-time key as given to a peer: `id u32 ≥ 1 ‖ X25519 key 32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneTimeKey {
    /// Its number, not 0.
    pub id: u32,
    /// The X25519 key.
    pub key: [u8; 32],
}

/// The private half of a one-time key.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct OneTimeSecret {
    public: OneTimeKey,
    secret: StaticSecret,
}

impl OneTimeSecret {
    fn new(id: u32, secret: StaticSecret) -> Self {
        let key = PublicKey::from(&secret).to_bytes();
        Self {
            public: OneTimeKey { id, key },
            secret,
        }
    }

    /// Makes a one-time key with the number `id`, which starts at 1 (0 counts as 1).
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng, id: u32) -> Self {
        Self::new(id.max(1), keys::random_secret(rng))
    }

    /// What the peer gets.
    #[must_use]
    pub fn public(&self) -> OneTimeKey {
        self.public
    }

    /// For the disk: id u32 || secret 32.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(36));
        out.extend_from_slice(&self.public.id.to_be_bytes());
        out.extend_from_slice(self.secret.as_bytes());
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// When the bytes have another length or the id is 0.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretDecodeError> {
        let mut reader = ByteReader::new(bytes);
        let id = reader.u32().filter(|id| *id > 0).ok_or(SecretDecodeError)?;
        let secret = Zeroizing::new(reader.array::<32>().ok_or(SecretDecodeError)?);
        if !reader.is_empty() {
            return Err(SecretDecodeError);
        }
        Ok(Self::new(id, StaticSecret::from(*secret)))
    }

    /// The secret half.
    pub(crate) fn secret(&self) -> &StaticSecret {
        &self.secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rng;

    #[test]
    fn a_secret_comes_back_from_its_bytes_and_from_no_others() {
        let one = OneTimeSecret::generate(&mut rng(1), 9);
        let bytes = one.to_bytes();
        assert_eq!(OneTimeSecret::from_bytes(&bytes).unwrap().public(), one.public());
        for len in 0..bytes.len() {
            assert!(OneTimeSecret::from_bytes(&bytes[..len]).is_err());
        }
        assert!(OneTimeSecret::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
        assert!(OneTimeSecret::from_bytes(&[0; 36]).is_err(), "id 0");
    }
}
