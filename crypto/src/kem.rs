//! ML-KEM-768 (FIPS 203): the post-quantum half of a handshake, and of refreshes (PROTOCOL.md sections 4 and 5).

use libcrux_ml_kem::mlkem768::{
    self, MlKem768Ciphertext, MlKem768PrivateKey, MlKem768PublicKey, decapsulate, encapsulate, generate_key_pair,
};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

/// Length of an ML-KEM-768 encapsulation key.
pub const KEM_KEY_LEN: usize = 1184;
/// Length of an ML-KEM-768 ciphertext.
pub const KEM_CIPHERTEXT_LEN: usize = 1088;
/// Length of the seed a decapsulation key comes from: d || z.
pub(crate) const KEM_SEED_LEN: usize = 64;
const EXPANDED_LEN: usize = 2400;

/// An encapsulation key that has passed the check of FIPS 203, section 7.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KemKey(Box<[u8; KEM_KEY_LEN]>);

impl KemKey {
    /// Nothing when a coefficient is out of range.
    pub(crate) fn new(bytes: &[u8; KEM_KEY_LEN]) -> Option<Self> {
        mlkem768::validate_public_key(&MlKem768PublicKey::from(bytes)).then(|| Self(Box::new(*bytes)))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; KEM_KEY_LEN] {
        &self.0
    }

    /// (SS, ciphertext) = Encaps(key).
    pub(crate) fn encapsulate(
        &self,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Zeroizing<[u8; 32]>, [u8; KEM_CIPHERTEXT_LEN]) {
        let mut randomness = Zeroizing::new([0; 32]);
        rng.fill_bytes(randomness.as_mut_slice());
        let (ciphertext, shared) = encapsulate(&MlKem768PublicKey::from(&*self.0), *randomness);
        (Zeroizing::new(shared), ciphertext.into())
    }
}

/// A decapsulation key, expanded from its seed.
pub(crate) struct KemSecret {
    expanded: Box<Zeroizing<[u8; EXPANDED_LEN]>>,
    public: KemKey,
}

impl KemSecret {
    pub(crate) fn from_seed(seed: &[u8; KEM_SEED_LEN]) -> Self {
        let (secret, public) = generate_key_pair(*seed).into_parts();
        let mut bytes: [u8; EXPANDED_LEN] = secret.into();
        let expanded = Box::new(Zeroizing::new(bytes));
        bytes.zeroize();
        Self {
            expanded,
            public: KemKey(Box::new(public.into())),
        }
    }

    pub(crate) fn public(&self) -> &KemKey {
        &self.public
    }

    /// The shared secret in a ciphertext. A forged one gives a secret that nobody else has.
    pub(crate) fn decapsulate(&self, ciphertext: &[u8; KEM_CIPHERTEXT_LEN]) -> Zeroizing<[u8; 32]> {
        let secret = MlKem768PrivateKey::from(&**self.expanded);
        let shared = Zeroizing::new(decapsulate(&secret, &MlKem768Ciphertext::from(ciphertext)));
        // The library's type does not erase itself.
        let mut bytes: [u8; EXPANDED_LEN] = secret.into();
        bytes.zeroize();
        shared
    }
}
