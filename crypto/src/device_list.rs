//! Device lists: which devices a user has now, signed by the identity, each naming the list before it
//! (PROTOCOL.md section 2).
//!
//! A [`DeviceList`] exists only verified. Which list of a user is the newest is decided with
//! [`check_successor`](DeviceList::check_successor).
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::codec::{TlvReader, TlvWriter};
use crate::device::{CertProof, DeviceCert};
use crate::identity::Identity;
use crate::ids::{DeviceId, UserId};
use crate::kdf::{self, Purpose};
use thiserror::Error;

mod statement;

use statement::Statement;
pub use statement::{ListError, MAX_DEVICES, MAX_REVOKED};

/// Names one version of a list: version u32 || first 8 bytes of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListReference {
    /// The list's version.
    pub version: u32,
    /// The first 8 bytes of its hash.
    pub hash: [u8; 8],
}

impl ListReference {
    /// Length of the encoded form.
    pub const LEN: usize = 12;

    /// The 12 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let [v0, v1, v2, v3] = self.version.to_be_bytes();
        let [h0, h1, h2, h3, h4, h5, h6, h7] = self.hash;
        [v0, v1, v2, v3, h0, h1, h2, h3, h4, h5, h6, h7]
    }

    /// Reads the 12 bytes; any value is one.
    #[must_use]
    pub fn decode(bytes: &[u8; Self::LEN]) -> Self {
        let [v0, v1, v2, v3, hash @ ..] = *bytes;
        Self {
            version: u32::from_be_bytes([v0, v1, v2, v3]),
            hash,
        }
    }
}

/// A verified device list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceList {
    bytes: Vec<u8>,
    hash: [u8; 32],
    statement: Statement,
}

impl DeviceList {
    /// The first list of a user, version 1.
    ///
    /// # Errors
    /// When `certs` are too many, of another user, or two of one device.
    pub fn first(identity: &Identity, certs: &[DeviceCert], now: u64) -> Result<Self, ListError> {
        Self::sign(identity, 1, [0; 32], certs.to_vec(), Vec::new(), false, now)
    }

    /// The list after this one: `certs` replaces the devices, `revoked` is added to the revocations.
    ///
    /// # Errors
    /// As [`first`](Self::first); also when a revoked device is certified, or revocations or versions run out.
    pub fn next(
        &self,
        identity: &Identity,
        certs: &[DeviceCert],
        revoked: &[DeviceId],
        now: u64,
    ) -> Result<Self, ListError> {
        let version = self.statement.version.checked_add(1).ok_or(ListError::Version)?;
        let revoked = self.statement.revoked.iter().chain(revoked).copied().collect();
        Self::sign(identity, version, self.hash, certs.to_vec(), revoked, false, now)
    }

    /// A list made from the words alone: `version` is above the highest one found, `revoked` names the earlier devices.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn recovered(
        identity: &Identity,
        version: u32,
        certs: &[DeviceCert],
        revoked: &[DeviceId],
        now: u64,
    ) -> Result<Self, ListError> {
        Self::sign(identity, version, [0; 32], certs.to_vec(), revoked.to_vec(), true, now)
    }

    fn sign(
        identity: &Identity,
        version: u32,
        previous: [u8; 32],
        mut certs: Vec<DeviceCert>,
        mut revoked: Vec<DeviceId>,
        recovered: bool,
        created: u64,
    ) -> Result<Self, ListError> {
        certs.sort_by_key(DeviceCert::device);
        revoked.sort_unstable();
        revoked.dedup();
        let user = identity.user_id();
        let statement = Statement {
            version,
            user,
            previous,
            certs,
            revoked,
            recovered,
            created,
        };
        statement.check()?;
        let bytes = statement.encode();
        let signature = identity.sign(Purpose::DEVICE_LIST, &bytes);
        let mut signed = TlvWriter::new();
        signed.field(1, &bytes).field(2, &signature);
        Ok(Self {
            bytes: signed.finish(),
            hash: kdf::hash(Purpose::DEVICE_LIST, &[&bytes]),
            statement,
        })
    }

    /// Reads a list in signed form; checks its signature and that of every certificate in it.
    ///
    /// # Errors
    /// See [`ListError`].
    pub fn verify(bytes: &[u8]) -> Result<Self, ListError> {
        Self::verify_unless_known(bytes, |_| None)
    }

    /// As [`verify`](Self::verify), without checking a certificate again of which `known`, asked for the device it names,
    /// gives the proof.
    ///
    /// # Errors
    /// See [`ListError`].
    pub fn verify_unless_known(
        bytes: &[u8],
        known: impl Fn(&DeviceId) -> Option<CertProof>,
    ) -> Result<Self, ListError> {
        let mut reader = TlvReader::new(bytes);
        let statement_bytes = reader.required(1)?;
        let signature = reader.array(2)?;
        reader.finish()?;
        // The list's own signature first: only a user's own list costs the verification of its certificates.
        let user = Statement::user(statement_bytes)?;
        kdf::verify_strict(user.as_bytes(), Purpose::DEVICE_LIST, statement_bytes, &signature)?;
        let statement = Statement::decode(statement_bytes, known)?;
        statement.check()?;
        let hash = kdf::hash(Purpose::DEVICE_LIST, &[statement_bytes]);
        Ok(Self {
            bytes: bytes.to_vec(),
            hash,
            statement,
        })
    }

    /// Whether `next` may take this list's place.
    ///
    /// # Errors
    /// Says why not. `Gap` is found last: everything that can be checked without the lists between is in order.
    pub fn check_successor(&self, next: &DeviceList) -> Result<(), SuccessionError> {
        let (old, new) = (&self.statement, &next.statement);
        if old.user != new.user {
            return Err(SuccessionError::WrongUser);
        }
        if new.version == old.version {
            return Err(if self.hash == next.hash {
                SuccessionError::Same
            } else {
                SuccessionError::Forked
            });
        }
        if new.version < old.version {
            return Err(SuccessionError::Older {
                have: old.version,
                got: new.version,
            });
        }
        if new.recovered {
            // The words may be all that is left, so a recovered list need not know the revocations; it cannot undo them.
            return match old.revoked.iter().any(|device| next.cert(device).is_some()) {
                true => Err(SuccessionError::DroppedRevocation),
                false => self.check_suites(next),
            };
        }
        let follows = old.version.checked_add(1) == Some(new.version);
        if follows && new.previous != self.hash {
            return Err(SuccessionError::Forked);
        }
        if !old.revoked.iter().all(|device| next.is_revoked(device)) {
            return Err(SuccessionError::DroppedRevocation);
        }
        self.check_suites(next)?;
        if follows {
            Ok(())
        } else {
            Err(SuccessionError::Gap {
                have: old.version,
                got: new.version,
            })
        }
    }

    /// Whoever has broken the weaker suite, and got hold of the identity, is to gain nothing by a certificate that names it alone.
    fn check_suites(&self, next: &DeviceList) -> Result<(), SuccessionError> {
        let known = |cert: &DeviceCert| self.cert(&cert.device()).map(DeviceCert::suites);
        let weaker = |cert: &DeviceCert| known(cert).is_some_and(|known| !cert.suites().include(known));
        match next.certs().iter().any(weaker) {
            true => Err(SuccessionError::Downgrade),
            false => Ok(()),
        }
    }

    /// The signed form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whose devices these are.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.statement.user
    }

    /// The list's version, from 1.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.statement.version
    }

    /// HASH("device list", statement).
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Version and start of the hash.
    #[must_use]
    pub fn reference(&self) -> ListReference {
        let [h0, h1, h2, h3, h4, h5, h6, h7, ..] = self.hash;
        ListReference {
            version: self.statement.version,
            hash: [h0, h1, h2, h3, h4, h5, h6, h7],
        }
    }

    /// The devices, by ascending id.
    #[must_use]
    pub fn certs(&self) -> &[DeviceCert] {
        &self.statement.certs
    }

    /// The certificate of `device`, if it is in the list.
    #[must_use]
    pub fn cert(&self, device: &DeviceId) -> Option<&DeviceCert> {
        self.statement.certs.iter().find(|cert| cert.device() == *device)
    }

    /// The revoked devices, ascending.
    #[must_use]
    pub fn revoked(&self) -> &[DeviceId] {
        &self.statement.revoked
    }

    /// Whether `device` was revoked.
    #[must_use]
    pub fn is_revoked(&self, device: &DeviceId) -> bool {
        self.statement.revoked.binary_search(device).is_ok()
    }

    /// Whether the list was made from the words alone.
    #[must_use]
    pub fn is_recovered(&self) -> bool {
        self.statement.recovered
    }

    /// When it was made, ms.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.statement.created
    }
}

/// Why a device list cannot follow another.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SuccessionError {
    /// It is the same list.
    #[error("it is the same device list")]
    Same,
    /// It is of another user.
    #[error("it is the device list of another user")]
    WrongUser,
    /// It is older.
    #[error("device list {got} is older than {have}")]
    Older {
        /// Version at hand.
        have: u32,
        /// Version offered.
        got: u32,
    },
    /// Two different lists of one version exist: an alarm.
    #[error("two different device lists claim the same place")]
    Forked,
    /// It forgets a revocation.
    #[error("the device list undoes a revocation")]
    DroppedRevocation,
    /// A device takes part in fewer suites than it did.
    #[error("the device list takes a suite from a device")]
    Downgrade,
    /// Lists between the two are missing.
    #[error("device lists between {have} and {got} are missing")]
    Gap {
        /// Version at hand.
        have: u32,
        /// Version offered.
        got: u32,
    },
}

#[cfg(test)]
mod tests;
