//! Prekeys: what a device leaves with others so that a session can start while it is away (PROTOCOL.md section 3).
//!
//! A [`PrekeyBundle`] exists only verified. When secrets are made, replaced and erased is decided elsewhere.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::codec::{ByteReader, TlvError, TlvReader, TlvWriter};
use crate::device::DeviceCert;
use crate::kdf::{self, BadSignature, Purpose};
use crate::kem::{KEM_CIPHERTEXT_LEN, KEM_KEY_LEN, KEM_SEED_LEN, KemKey, KemSecret};
use crate::keys::{self, DeviceKeys};
use crate::suite::Suites;
use rand_core::CryptoRng;
use std::sync::OnceLock;
use thiserror::Error;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

mod one_time;

pub use one_time::{OneTimeKey, OneTimeSecret};

/// Longest time a bundle may be valid: 14 days, ms.
pub const BUNDLE_LIFETIME_MS: u64 = 14 * 86_400_000;
const VERSION: u8 = 1;

/// The private half of a bundle: signed prekey and ML-KEM key.
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub struct PrekeySecret {
    serial: u32,
    spk: StaticSecret,
    kem_seed: Zeroizing<[u8; KEM_SEED_LEN]>,
    /// Expanded from the seed when it is first needed; it erases itself.
    kem: OnceLock<KemSecret>,
}

impl PrekeySecret {
    /// Makes new prekeys with the number `serial`, which starts at 1 (0 counts as 1).
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng, serial: u32) -> Self {
        let spk = keys::random_secret(rng);
        let mut kem_seed = Zeroizing::new([0; KEM_SEED_LEN]);
        rng.fill_bytes(kem_seed.as_mut_slice());
        Self {
            serial: serial.max(1),
            spk,
            kem_seed,
            kem: OnceLock::new(),
        }
    }

    /// For the disk: serial u32 || signed prekey 32 || ML-KEM seed 64.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(100));
        out.extend_from_slice(&self.serial.to_be_bytes());
        out.extend_from_slice(self.spk.as_bytes());
        out.extend_from_slice(self.kem_seed.as_slice());
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// When the bytes have another length or the serial is 0.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretDecodeError> {
        let mut reader = ByteReader::new(bytes);
        let serial = reader.u32().filter(|serial| *serial > 0).ok_or(SecretDecodeError)?;
        let spk = Zeroizing::new(reader.array::<32>().ok_or(SecretDecodeError)?);
        let kem_seed = Zeroizing::new(reader.array::<KEM_SEED_LEN>().ok_or(SecretDecodeError)?);
        if !reader.is_empty() {
            return Err(SecretDecodeError);
        }
        Ok(Self {
            serial,
            spk: StaticSecret::from(*spk),
            kem_seed,
            kem: OnceLock::new(),
        })
    }

    /// The number of these prekeys.
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// The bundle for these prekeys, signed by the device that `cert` certifies. Times are ms; `expires` is held between
    /// 1 ms and 14 days after `issued`.
    #[must_use]
    pub fn bundle(&self, keys: &DeviceKeys, cert: &DeviceCert, issued: u64, expires: u64) -> PrekeyBundle {
        let issued = issued.min(u64::MAX.saturating_sub(BUNDLE_LIFETIME_MS));
        let statement = Statement {
            serial: self.serial,
            cert_hash: cert.hash(),
            spk: PublicKey::from(&self.spk).to_bytes(),
            kem: self.kem_secret().public().clone(),
            suites: cert.suites(),
            issued,
            expires: expires.clamp(issued.saturating_add(1), issued.saturating_add(BUNDLE_LIFETIME_MS)),
        };
        let bytes = statement.encode();
        let mut signed = TlvWriter::new();
        signed
            .field(1, &bytes)
            .field(2, &keys.sign(Purpose::PREKEY_BUNDLE, &bytes));
        PrekeyBundle::new(signed.finish(), statement)
    }

    /// The secret half of the signed prekey.
    pub(crate) fn spk_secret(&self) -> &StaticSecret {
        &self.spk
    }

    /// The shared secret in an ML-KEM ciphertext; nothing when it has the wrong length. A forged one gives a secret that
    /// nobody else has.
    pub(crate) fn decapsulate(&self, ciphertext: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        Some(self.kem_secret().decapsulate(ciphertext.try_into().ok()?))
    }

    fn kem_secret(&self) -> &KemSecret {
        self.kem.get_or_init(|| KemSecret::from_seed(&self.kem_seed))
    }
}

/// A verified prekey bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrekeyBundle {
    bytes: Vec<u8>,
    hash: [u8; 32],
    statement: Statement,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    serial: u32,
    cert_hash: [u8; 32],
    spk: [u8; 32],
    kem: KemKey,
    suites: Suites,
    issued: u64,
    expires: u64,
}

impl PrekeyBundle {
    /// Reads a bundle in signed form and checks that the device of `cert` signed it.
    ///
    /// # Errors
    /// See [`BundleError`]. Expiry is not an error: an expired bundle may still start a first contact.
    pub fn verify(bytes: &[u8], cert: &DeviceCert) -> Result<Self, BundleError> {
        let mut reader = TlvReader::new(bytes);
        let statement_bytes = reader.required(1)?;
        let signature = reader.array(2)?;
        reader.finish()?;
        kdf::verify_strict(cert.signing_key(), Purpose::PREKEY_BUNDLE, statement_bytes, &signature)?;
        let statement = Statement::decode(statement_bytes)?;
        if statement.cert_hash != cert.hash() {
            return Err(BundleError::OtherCertificate);
        }
        if statement.suites != cert.suites() {
            return Err(BundleError::Suites);
        }
        Ok(Self::new(bytes.to_vec(), statement))
    }

    fn new(bytes: Vec<u8>, statement: Statement) -> Self {
        Self {
            hash: kdf::hash(Purpose::PREKEY_BUNDLE, &[&bytes]),
            bytes,
            statement,
        }
    }

    /// The signed form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// HASH("prekey bundle", signed form).
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// HASH("prekey bundle", `bytes`), for finding the bundle a hash names before it is verified.
    #[must_use]
    pub fn hash_of(bytes: &[u8]) -> [u8; 32] {
        kdf::hash(Purpose::PREKEY_BUNDLE, &[bytes])
    }

    /// Id of the signed prekey.
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.statement.serial
    }

    /// When it was made, ms.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.statement.issued
    }

    /// When it ends, ms.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.statement.expires
    }

    /// The suites the device takes part in.
    #[must_use]
    pub fn suites(&self) -> Suites {
        self.statement.suites
    }

    /// The signed prekey, X25519.
    #[must_use]
    pub fn spk(&self) -> &[u8; 32] {
        &self.statement.spk
    }

    /// The ML-KEM-768 encapsulation key.
    #[must_use]
    pub fn kem(&self) -> [u8; KEM_KEY_LEN] {
        *self.statement.kem.as_bytes()
    }

    /// Hash of the certificate it belongs to.
    pub(crate) fn cert_hash(&self) -> [u8; 32] {
        self.statement.cert_hash
    }

    /// (SS, kem_ct) = Encaps(kem).
    pub(crate) fn encapsulate(
        &self,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Zeroizing<[u8; 32]>, [u8; KEM_CIPHERTEXT_LEN]) {
        self.statement.kem.encapsulate(rng)
    }
}

impl Statement {
    fn encode(&self) -> Vec<u8> {
        let mut writer = TlvWriter::new();
        writer
            .field(1, &[VERSION])
            .field(2, &self.serial.to_be_bytes())
            .field(3, &self.cert_hash)
            .field(4, &self.spk)
            .field(5, self.kem.as_bytes())
            .field(6, &[self.suites.bits()])
            .field(7, &self.issued.to_be_bytes())
            .field(8, &self.expires.to_be_bytes());
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let mut reader = TlvReader::new(bytes);
        let version = reader.u8(1)?;
        if version != VERSION {
            return Err(BundleError::Version { got: version });
        }
        let statement = Self {
            serial: reader.u32(2)?,
            cert_hash: reader.array(3)?,
            spk: reader.array(4)?,
            kem: KemKey::new(&reader.array(5)?).ok_or(BundleError::Kem)?,
            suites: Suites::from_bits(reader.u8(6)?).ok_or(BundleError::Suites)?,
            issued: reader.u64(7)?,
            expires: reader.u64(8)?,
        };
        reader.finish()?;
        if statement.serial == 0 {
            return Err(BundleError::Serial);
        }
        match statement.expires.checked_sub(statement.issued) {
            Some(1..=BUNDLE_LIFETIME_MS) => Ok(statement),
            _ => Err(BundleError::Lifetime),
        }
    }
}

/// Why a prekey bundle was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BundleError {
    /// Not of the fixed form.
    #[error("the prekey bundle is not of its form")]
    Form(#[from] TlvError),
    /// Made by a newer version.
    #[error("the prekey bundle has the unknown version {got}")]
    Version {
        /// Version found.
        got: u8,
    },
    /// The serial is 0.
    #[error("the prekey bundle has no serial")]
    Serial,
    /// Not an ML-KEM-768 key.
    #[error("the prekey bundle holds no valid key for the post-quantum part")]
    Kem,
    /// Not the suites of the certificate.
    #[error("the prekey bundle names other suites than its certificate")]
    Suites,
    /// It ends before it begins or lasts over 14 days.
    #[error("the prekey bundle is not valid for 1 ms to 14 days")]
    Lifetime,
    /// It belongs to another certificate of this device.
    #[error("the prekey bundle belongs to another certificate")]
    OtherCertificate,
    /// The device's signature does not verify.
    #[error("the signature of the prekey bundle does not verify")]
    Signature,
}

impl From<BadSignature> for BundleError {
    fn from(_: BadSignature) -> Self {
        Self::Signature
    }
}

/// Stored prekey secrets are not of their form.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the stored prekey is not of its form")]
pub struct SecretDecodeError;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;
