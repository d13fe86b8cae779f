//! What a device list says, and why one is refused.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::codec::{ByteReader, TlvError, TlvReader, TlvWriter};
use crate::device::{CertError, CertProof, DeviceCert};
use crate::ids::{DeviceId, UserId};
use crate::kdf::BadSignature;
use thiserror::Error;

/// Most devices a user can have.
pub const MAX_DEVICES: usize = 8;
/// Most revocations a list can hold.
pub const MAX_REVOKED: usize = 1024;

/// What a device list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) version: u32,
    pub(super) user: UserId,
    pub(super) previous: [u8; 32],
    pub(super) certs: Vec<DeviceCert>,
    pub(super) revoked: Vec<DeviceId>,
    pub(super) recovered: bool,
    pub(super) created: u64,
}

impl Statement {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut certs = Vec::new();
        for cert in &self.certs {
            // A certificate is 283 bytes.
            certs.extend_from_slice(&(cert.as_bytes().len() as u16).to_be_bytes());
            certs.extend_from_slice(cert.as_bytes());
        }
        let revoked: Vec<u8> = self
            .revoked
            .iter()
            .flat_map(|device| device.as_bytes())
            .copied()
            .collect();
        let mut writer = TlvWriter::new();
        writer
            .field(1, &self.version.to_be_bytes())
            .field(2, self.user.as_bytes())
            .field(3, &self.previous)
            .field(4, &certs)
            .field(5, &revoked)
            .field(6, &[u8::from(self.recovered)])
            .field(7, &self.created.to_be_bytes());
        writer.finish()
    }

    pub(super) fn user(bytes: &[u8]) -> Result<UserId, TlvError> {
        let mut reader = TlvReader::new(bytes);
        reader.required(1)?;
        reader.array(2).map(UserId::from_bytes)
    }

    pub(super) fn decode(bytes: &[u8], known: impl Fn(&DeviceId) -> Option<CertProof>) -> Result<Self, ListError> {
        let mut reader = TlvReader::new(bytes);
        let statement = Self {
            version: reader.u32(1)?,
            user: UserId::from_bytes(reader.array(2)?),
            previous: reader.array(3)?,
            certs: decode_certs(reader.required(4)?, known)?,
            revoked: decode_ids(reader.required(5)?)?,
            recovered: match reader.u8(6)? {
                0 => false,
                1 => true,
                _ => return Err(ListError::Recovered),
            },
            created: reader.u64(7)?,
        };
        reader.finish()?;
        Ok(statement)
    }

    /// Everything a list promises about its content.
    pub(super) fn check(&self) -> Result<(), ListError> {
        if self.version == 0 {
            return Err(ListError::Version);
        }
        if (self.previous == [0; 32]) != (self.version == 1 || self.recovered) {
            return Err(ListError::Previous);
        }
        if self.certs.len() > MAX_DEVICES {
            return Err(ListError::TooManyDevices { got: self.certs.len() });
        }
        if self.revoked.len() > MAX_REVOKED {
            return Err(ListError::TooManyRevoked {
                got: self.revoked.len(),
            });
        }
        if !self.certs.is_sorted_by(|one, next| one.device() < next.device())
            || !self.revoked.is_sorted_by(|one, next| one < next)
        {
            return Err(ListError::Order);
        }
        if self.certs.iter().any(|cert| cert.user() != self.user) {
            return Err(ListError::OtherUser);
        }
        if self
            .certs
            .iter()
            .any(|cert| self.revoked.binary_search(&cert.device()).is_ok())
        {
            return Err(ListError::RevokedCertified);
        }
        Ok(())
    }
}

fn decode_certs(bytes: &[u8], known: impl Fn(&DeviceId) -> Option<CertProof>) -> Result<Vec<DeviceCert>, ListError> {
    let mut reader = ByteReader::new(bytes);
    let mut certs: Vec<DeviceCert> = Vec::new();
    while !reader.is_empty() {
        if certs.len() == MAX_DEVICES {
            return Err(ListError::TooManyDevices {
                got: MAX_DEVICES.saturating_add(1),
            });
        }
        let len = reader.u16().ok_or(TlvError::Truncated)?;
        let cert = reader.take(usize::from(len)).ok_or(TlvError::Truncated)?;
        certs.push(DeviceCert::verify_unless_known(cert, &known)?);
    }
    Ok(certs)
}

fn decode_ids(bytes: &[u8]) -> Result<Vec<DeviceId>, ListError> {
    let (ids, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(TlvError::Width {
            tag: 5,
            got: bytes.len(),
        }
        .into());
    }
    Ok(ids.iter().copied().map(DeviceId::from_bytes).collect())
}

/// Why a device list was refused or could not be made.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ListError {
    /// Not of the fixed form.
    #[error("the device list is not of its form")]
    Form(#[from] TlvError),
    /// Version 0, or no version is left.
    #[error("the device list has an impossible version")]
    Version,
    /// The hash of the previous list is missing, or there where there is none.
    #[error("the device list does not name its predecessor as it must")]
    Previous,
    /// More than 8 devices.
    #[error("the device list names {got} devices, over the limit of 8")]
    TooManyDevices {
        /// Devices found; counting stops at 9.
        got: usize,
    },
    /// More than 1024 revocations.
    #[error("the device list holds {got} revocations, over the limit of 1024")]
    TooManyRevoked {
        /// Revocations found.
        got: usize,
    },
    /// Devices or revocations are not strictly ascending.
    #[error("the device list is not in order")]
    Order,
    /// A certificate is of another user.
    #[error("the device list holds a device of another user")]
    OtherUser,
    /// A device is both certified and revoked.
    #[error("the device list certifies a device that is revoked")]
    RevokedCertified,
    /// The recovered mark is neither 0 nor 1.
    #[error("the device list has an unknown mark")]
    Recovered,
    /// A certificate does not verify.
    #[error("a certificate of the device list does not verify")]
    Certificate(#[from] CertError),
    /// The identity's signature does not verify.
    #[error("the signature of the device list does not verify")]
    Signature,
}

impl From<BadSignature> for ListError {
    fn from(_: BadSignature) -> Self {
        Self::Signature
    }
}
