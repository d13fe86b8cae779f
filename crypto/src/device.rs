//! Device certificates: the identity says which keys are a device of its user, and the device shows that it holds them
//! (PROTOCOL.md section 2).
//!
//! A [`DeviceCert`] exists only verified. Whether the device is still one of its user's is said by the device list.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::codec::{TlvError, TlvReader, TlvWriter};
use crate::identity::Identity;
use crate::ids::{DeviceId, UserId};
use crate::kdf::{self, BadSignature, Purpose};
use crate::keys::DeviceKeys;
use crate::suite::Suites;
use thiserror::Error;

const DAY_MS: u64 = 86_400_000;
/// Longest time a certificate may be valid: 366 days.
pub const CERT_MAX_LIFETIME_MS: u64 = 366 * DAY_MS;
/// How long a certificate made here is valid: 365 days.
const CERT_LIFETIME_MS: u64 = 365 * DAY_MS;
const VERSION: u8 = 1;

/// A verified device certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCert {
    bytes: Vec<u8>,
    hash: [u8; 32],
    device: DeviceId,
    statement: Statement,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) suites: Suites,
    pub(crate) user: UserId,
    pub(crate) signing_key: [u8; 32],
    pub(crate) dh_key: [u8; 32],
    created: u64,
    expires: u64,
    serial: u64,
}

/// That the signatures of one certificate were checked: kept by whoever will meet the same bytes again. 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertProof([u8; 32]);

impl CertProof {
    /// A proof that is none, for tests that need a certificate nobody signed.
    #[cfg(test)]
    pub(crate) fn false_proof_of(bytes: &[u8]) -> Self {
        Self(hash_of(bytes))
    }
}

/// A well-formed certificate whose signatures are not checked: what it says may be computed with, and not believed.
pub(crate) struct CertClaim<'a> {
    bytes: &'a [u8],
    signed: &'a [u8],
    by_identity: [u8; 64],
    by_device: [u8; 64],
    statement: Statement,
}

impl DeviceCert {
    /// Certifies `keys` as a device of `identity`'s user that takes part in all suites, valid for 365 days from `now` (ms).
    #[must_use]
    pub fn issue(identity: &Identity, keys: &DeviceKeys, serial: u64, now: u64) -> Self {
        Self::issue_for(identity, keys, Suites::ALL, serial, now)
    }

    /// As [`issue`](Self::issue), for a device that takes part in `suites`. Contacts do not take a certificate that takes one away.
    #[must_use]
    pub fn issue_for(identity: &Identity, keys: &DeviceKeys, suites: Suites, serial: u64, now: u64) -> Self {
        let created = now.min(u64::MAX.saturating_sub(CERT_LIFETIME_MS));
        let statement = Statement {
            suites,
            user: identity.user_id(),
            signing_key: keys.signing_public(),
            dh_key: keys.dh_public(),
            created,
            expires: created.saturating_add(CERT_LIFETIME_MS),
            serial,
        };
        let bytes = statement.encode();
        let mut signed = TlvWriter::new();
        signed
            .field(1, &bytes)
            .field(2, &identity.sign(Purpose::DEVICE_CERTIFICATE, &bytes))
            .field(3, &keys.sign(Purpose::DEVICE_CERTIFICATE_POSSESSION, &bytes));
        Self::new(signed.finish(), statement)
    }

    /// Reads a certificate in signed form and checks both of its signatures.
    ///
    /// # Errors
    /// See [`CertError`]. Expiry is not an error here: what an expired certificate signed stays valid.
    pub fn verify(bytes: &[u8]) -> Result<Self, CertError> {
        CertClaim::read(bytes)?.verify(|_| None)
    }

    /// As [`verify`](Self::verify), without checking the signatures again if `known`, asked for the device the certificate
    /// names, gives the proof of these very bytes.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_unless_known(
        bytes: &[u8],
        known: impl FnOnce(&DeviceId) -> Option<CertProof>,
    ) -> Result<Self, CertError> {
        CertClaim::read(bytes)?.verify(known)
    }

    fn new(bytes: Vec<u8>, statement: Statement) -> Self {
        Self {
            hash: hash_of(&bytes),
            device: statement.device(),
            bytes,
            statement,
        }
    }

    /// That the signatures of this certificate were checked.
    #[must_use]
    pub fn proof(&self) -> CertProof {
        CertProof(self.hash)
    }

    pub(crate) fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The signed form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// HASH("device certificate", signed form).
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Whose device this is.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.statement.user
    }

    /// Which device this is.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The device's Ed25519 key.
    #[must_use]
    pub fn signing_key(&self) -> &[u8; 32] {
        &self.statement.signing_key
    }

    /// The device's X25519 key.
    #[must_use]
    pub fn dh_key(&self) -> &[u8; 32] {
        &self.statement.dh_key
    }

    /// The suites the device takes part in.
    #[must_use]
    pub fn suites(&self) -> Suites {
        self.statement.suites
    }

    /// The number its user gave it.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.statement.serial
    }

    /// When it was made, ms.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.statement.created
    }

    /// When it ends, ms.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.statement.expires
    }

    /// Whether it has ended at `now` (ms): it then starts no new session.
    #[must_use]
    pub fn is_expired(&self, now: u64) -> bool {
        self.statement.is_expired(now)
    }
}

impl<'a> CertClaim<'a> {
    /// Reads a certificate in signed form.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, CertError> {
        let mut reader = TlvReader::new(bytes);
        let signed = reader.required(1)?;
        let by_identity = reader.array(2)?;
        let by_device = reader.array(3)?;
        reader.finish()?;
        Ok(Self {
            bytes,
            signed,
            by_identity,
            by_device,
            statement: Statement::decode(signed)?,
        })
    }

    pub(crate) fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Checks both signatures, unless `known` has the proof that this was done.
    pub(crate) fn verify(self, known: impl FnOnce(&DeviceId) -> Option<CertProof>) -> Result<DeviceCert, CertError> {
        let statement = &self.statement;
        if known(&statement.device()) != Some(CertProof(hash_of(self.bytes))) {
            kdf::verify_strict(
                statement.user.as_bytes(),
                Purpose::DEVICE_CERTIFICATE,
                self.signed,
                &self.by_identity,
            )?;
            kdf::verify_strict(
                &statement.signing_key,
                Purpose::DEVICE_CERTIFICATE_POSSESSION,
                self.signed,
                &self.by_device,
            )?;
        }
        Ok(DeviceCert::new(self.bytes.to_vec(), self.statement))
    }
}

fn hash_of(bytes: &[u8]) -> [u8; 32] {
    kdf::hash(Purpose::DEVICE_CERTIFICATE, &[bytes])
}

impl Statement {
    /// Which device it is about.
    pub(crate) fn device(&self) -> DeviceId {
        DeviceId::of(&self.signing_key, &self.dh_key)
    }

    /// Whether it has ended at `now`, ms.
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        now >= self.expires
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = TlvWriter::new();
        writer
            .field(1, &[VERSION])
            .field(2, &[self.suites.bits()])
            .field(3, self.user.as_bytes())
            .field(4, &self.signing_key)
            .field(5, &self.dh_key)
            .field(6, &self.created.to_be_bytes())
            .field(7, &self.expires.to_be_bytes())
            .field(8, &self.serial.to_be_bytes());
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, CertError> {
        let mut reader = TlvReader::new(bytes);
        let version = reader.u8(1)?;
        if version != VERSION {
            return Err(CertError::Version { got: version });
        }
        let statement = Self {
            suites: Suites::from_bits(reader.u8(2)?).ok_or(CertError::Suites)?,
            user: UserId::from_bytes(reader.array(3)?),
            signing_key: reader.array(4)?,
            dh_key: reader.array(5)?,
            created: reader.u64(6)?,
            expires: reader.u64(7)?,
            serial: reader.u64(8)?,
        };
        reader.finish()?;
        match statement.expires.checked_sub(statement.created) {
            Some(1..=CERT_MAX_LIFETIME_MS) => Ok(statement),
            _ => Err(CertError::Lifetime),
        }
    }
}

/// Why a device certificate was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CertError {
    /// Not of the fixed form.
    #[error("the device certificate is not of its form")]
    Form(#[from] TlvError),
    /// Made by a newer version.
    #[error("the device certificate has the unknown version {got}")]
    Version {
        /// Version found.
        got: u8,
    },
    /// No suite, or an unknown one.
    #[error("the device certificate names no suite or an unknown one")]
    Suites,
    /// It ends before it begins or lasts over 366 days.
    #[error("the device certificate is not valid for 1 ms to 366 days")]
    Lifetime,
    /// The identity's or the device's signature does not verify.
    #[error("a signature of the device certificate does not verify")]
    Signature,
}

impl From<BadSignature> for CertError {
    fn from(_: BadSignature) -> Self {
        Self::Signature
    }
}

#[cfg(test)]
mod tests;
