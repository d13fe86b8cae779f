//! Chain certificates: a device says which sender chain is its own, in which room, and for whom it was made (PROTOCOL.md
//! section 11).
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::audience::Audience;
use super::shared::ChainKeys;
use crate::codec::{TlvError, TlvReader, TlvWriter};
use crate::ids::{ConversationId, DeviceId};
use crate::kdf::{Purpose, SignerKey};
use crate::keys::DeviceKeys;
use thiserror::Error;

/// Names a sender chain: 16 random bytes.
pub type ChainId = [u8; 16];

const VERSION: u8 = 1;

/// A chain certificate whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainCert {
    bytes: Vec<u8>,
    statement: Statement,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    room: ConversationId,
    chain: ChainId,
    device: DeviceId,
    view: [u8; 32],
    audience: [u8; 32],
    keys: [u8; 32],
}

impl ChainCert {
    pub(super) fn issue(
        owner: &DeviceKeys,
        room: ConversationId,
        chain: ChainId,
        view: [u8; 32],
        audience: &Audience,
        keys: &ChainKeys,
    ) -> Self {
        let statement = Statement {
            room,
            chain,
            device: owner.id(),
            view,
            audience: audience.root(),
            keys: keys.commitment(),
        };
        let bytes = statement.encode();
        let mut signed = TlvWriter::new();
        signed
            .field(1, &bytes)
            .field(2, &owner.sign(Purpose::CHAIN_CERTIFICATE, &bytes));
        Self {
            bytes: signed.finish(),
            statement,
        }
    }

    /// Reads a certificate in signed form, which must be by `device`, whose key `signer` is.
    ///
    /// # Errors
    /// See [`ChainCertError`].
    pub fn verify(bytes: &[u8], device: &DeviceId, signer: &SignerKey) -> Result<Self, ChainCertError> {
        let (cert, signed, signature) = Self::read(bytes)?;
        if cert.statement.device != *device {
            return Err(ChainCertError::OtherDevice);
        }
        signer
            .verify(Purpose::CHAIN_CERTIFICATE, signed, &signature)
            .map_err(|_| ChainCertError::Signature)?;
        Ok(cert)
    }

    /// Which room, owner and chain a certificate names, before anything is believed.
    #[must_use]
    pub fn claimed(bytes: &[u8]) -> Option<(ConversationId, DeviceId, ChainId)> {
        let (cert, ..) = Self::read(bytes).ok()?;
        let Statement {
            room, device, chain, ..
        } = cert.statement;
        Some((room, device, chain))
    }

    /// What was verified before it was stored.
    pub(super) fn restore(bytes: &[u8]) -> Result<Self, ChainCertError> {
        Self::read(bytes).map(|(cert, ..)| cert)
    }

    fn read(bytes: &[u8]) -> Result<(Self, &[u8], [u8; 64]), ChainCertError> {
        let mut reader = TlvReader::new(bytes);
        let signed = reader.required(1)?;
        let signature = reader.array(2)?;
        reader.finish()?;
        let cert = Self {
            bytes: bytes.to_vec(),
            statement: Statement::decode(signed)?,
        };
        Ok((cert, signed, signature))
    }

    /// The signed form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The room.
    #[must_use]
    pub fn room(&self) -> ConversationId {
        self.statement.room
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        self.statement.chain
    }

    /// The device that owns it.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.statement.device
    }

    /// The membership view the audience was taken from.
    #[must_use]
    pub fn view(&self) -> &[u8; 32] {
        &self.statement.view
    }

    /// The root of the audience.
    #[must_use]
    pub fn audience(&self) -> &[u8; 32] {
        &self.statement.audience
    }

    /// HASH("chain keys", header key, tag key).
    pub(super) fn keys(&self) -> &[u8; 32] {
        &self.statement.keys
    }
}

impl Statement {
    fn encode(&self) -> Vec<u8> {
        let mut writer = TlvWriter::new();
        writer
            .field(1, &[VERSION])
            .field(2, self.room.as_bytes())
            .field(3, &self.chain)
            .field(4, self.device.as_bytes())
            .field(5, &self.view)
            .field(6, &self.audience)
            .field(7, &self.keys);
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, ChainCertError> {
        let mut reader = TlvReader::new(bytes);
        let version = reader.u8(1)?;
        if version != VERSION {
            return Err(ChainCertError::Version { got: version });
        }
        let statement = Self {
            room: ConversationId::from_bytes(reader.array(2)?),
            chain: reader.array(3)?,
            device: DeviceId::from_bytes(reader.array(4)?),
            view: reader.array(5)?,
            audience: reader.array(6)?,
            keys: reader.array(7)?,
        };
        reader.finish()?;
        Ok(statement)
    }
}

/// Why a chain certificate was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ChainCertError {
    /// Not of the fixed form.
    #[error("the chain certificate is not of its form")]
    Layout(#[from] TlvError),
    /// Made by a newer version.
    #[error("the chain certificate has the unknown version {got}")]
    Version {
        /// Version found.
        got: u8,
    },
    /// It names another owner.
    #[error("the chain certificate names another device")]
    OtherDevice,
    /// The owner did not sign it.
    #[error("the signature of the chain certificate does not verify")]
    Signature,
}
