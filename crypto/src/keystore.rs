//! The keystore file: an account's long-term secrets under a random data key, which is wrapped by a password, by the node
//! key file, or by both (PROTOCOL.md section 10).
//!
//! Only bytes: reading and writing the file is done elsewhere. The other keys on the disk derive from the [`DataKey`].
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::codec::TlvError;
use crate::device::{CertError, DeviceCert};
use crate::device_list::{DeviceList, ListError};
use crate::kdf::{self, Purpose};
use crate::keys::DeviceKeys;
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

mod layout;
mod slots;

use layout::File;
pub use slots::Argon2Params;

/// What a keystore keeps.
#[expect(missing_debug_implementations, reason = "holds secrets")]
pub struct Secrets {
    /// The identity's entropy, on the primary device only.
    pub entropy: Option<Zeroizing<[u8; 32]>>,
    /// The device's own keys.
    pub device: DeviceKeys,
    /// The device's certificate.
    pub cert: DeviceCert,
    /// The user's device list.
    pub list: DeviceList,
    /// The profile's name, at most 64 bytes.
    pub name: String,
}

/// The key everything else on the disk hangs on.
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// KDF("", data key, "keystore subkey", 32, name).
    #[must_use]
    pub fn subkey(&self, name: &str) -> Zeroizing<[u8; 32]> {
        self.derive(Purpose::KEYSTORE_SUBKEY, &[name.as_bytes()])
    }

    fn derive(&self, purpose: Purpose, fields: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        kdf::kdf(b"", self.0.as_slice(), purpose, fields, out.as_mut_slice());
        out
    }
}

/// What opens a keystore.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "holds a secret")]
pub enum Unlock<'a> {
    /// The password.
    Password(&'a str),
    /// The content of the node key file.
    NodeKey(&'a [u8; 32]),
    /// The data key itself, which an earlier unlocking gave.
    DataKey(&'a DataKey),
}

/// Makes, opens and changes keystore files.
#[derive(Clone, Copy, Debug)]
pub struct Keystore;

impl Keystore {
    /// A new file under a new data key, with a slot for each of `password` and `node_key` that is given.
    ///
    /// # Errors
    /// `NoSlot` when neither is given, `Parameters` when Argon2's are out of range, `Name` when the name is too long.
    pub fn create(
        rng: &mut impl CryptoRng,
        secrets: &Secrets,
        password: Option<(&str, Argon2Params)>,
        node_key: Option<&[u8; 32]>,
    ) -> Result<(Vec<u8>, DataKey), KeystoreError> {
        let mut key = DataKey(Zeroizing::new([0; 32]));
        rng.fill_bytes(key.0.as_mut_slice());
        let file = File {
            password: password
                .map(|(text, params)| slots::wrap_password(rng, &key, text, params))
                .transpose()?,
            node_key: node_key.map(|node_key| slots::wrap_node_key(rng, &key, node_key)),
            secrets: layout::seal_secrets(rng, &key, secrets)?,
        };
        Ok((file.encode()?, key))
    }

    /// Opens a file. Damage is found by a checksum before the password is tried.
    ///
    /// # Errors
    /// See [`UnlockError`].
    pub fn unlock(bytes: &[u8], with: Unlock<'_>) -> Result<(Secrets, DataKey), UnlockError> {
        let file = File::decode(bytes)?;
        let key = match with {
            Unlock::Password(text) => {
                slots::unwrap_password(file.password.as_ref().ok_or(UnlockError::NoSuchSlot)?, text)?
            }
            Unlock::NodeKey(node_key) => {
                slots::unwrap_node_key(file.node_key.as_ref().ok_or(UnlockError::NoSuchSlot)?, node_key)?
            }
            Unlock::DataKey(key) => DataKey(key.0.clone()),
        };
        let secrets = layout::open_secrets(&key, &file.secrets)?;
        Ok((secrets, key))
    }

    /// The file with another password slot, or none; the data key stays.
    ///
    /// # Errors
    /// `NoSlot` when it would be the last slot that goes; `Unlock` when the file is damaged or `key` is not its data key.
    pub fn set_password(
        rng: &mut impl CryptoRng,
        bytes: &[u8],
        key: &DataKey,
        password: Option<(&str, Argon2Params)>,
    ) -> Result<Vec<u8>, KeystoreError> {
        let mut file = Self::own(bytes, key)?;
        file.password = password
            .map(|(text, params)| slots::wrap_password(rng, key, text, params))
            .transpose()?;
        file.encode()
    }

    /// The file with another node key slot, or none; the data key stays.
    ///
    /// # Errors
    /// As [`set_password`](Self::set_password).
    pub fn set_node_key(
        rng: &mut impl CryptoRng,
        bytes: &[u8],
        key: &DataKey,
        node_key: Option<&[u8; 32]>,
    ) -> Result<Vec<u8>, KeystoreError> {
        let mut file = Self::own(bytes, key)?;
        file.node_key = node_key.map(|node_key| slots::wrap_node_key(rng, key, node_key));
        file.encode()
    }

    /// The file with other secrets; slots and data key stay.
    ///
    /// # Errors
    /// As [`set_password`](Self::set_password); `Name` when the name is too long.
    pub fn set_secrets(
        rng: &mut impl CryptoRng,
        bytes: &[u8],
        key: &DataKey,
        secrets: &Secrets,
    ) -> Result<Vec<u8>, KeystoreError> {
        let mut file = Self::own(bytes, key)?;
        file.secrets = layout::seal_secrets(rng, key, secrets)?;
        file.encode()
    }

    /// Whether the file can be opened with a password.
    ///
    /// # Errors
    /// When it is damaged or newer.
    pub fn has_password_slot(bytes: &[u8]) -> Result<bool, UnlockError> {
        Ok(File::decode(bytes)?.password.is_some())
    }

    /// Whether the file can be opened with a node key.
    ///
    /// # Errors
    /// When it is damaged or newer.
    pub fn has_node_key_slot(bytes: &[u8]) -> Result<bool, UnlockError> {
        Ok(File::decode(bytes)?.node_key.is_some())
    }

    /// The file, once `key` has shown to be its data key: a slot for another key would lock the secrets away.
    fn own(bytes: &[u8], key: &DataKey) -> Result<File, KeystoreError> {
        let file = File::decode(bytes)?;
        layout::open_secrets(key, &file.secrets)?;
        Ok(file)
    }
}

/// Why a keystore did not open.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum UnlockError {
    /// The password is not the one of this keystore.
    #[error("the password is wrong")]
    WrongPassword,
    /// The node key is not the one of this keystore.
    #[error("the node key file does not belong to this keystore")]
    WrongNodeKey,
    /// The keystore is not opened this way.
    #[error("the keystore has no such way to open it")]
    NoSuchSlot,
    /// The file is not what was written.
    #[error("the keystore file is damaged")]
    Damaged,
    /// Made by a newer version.
    #[error("the keystore has the unknown version {got}")]
    Version {
        /// Version found.
        got: u8,
    },
    /// Argon2's parameters are out of range; it was not run.
    #[error("the keystore asks for a password derivation out of range")]
    Parameters,
    /// There is not enough memory for Argon2.
    #[error("opening the keystore needs {kib} KiB of memory that are not there")]
    OutOfMemory {
        /// What it needs.
        kib: u32,
    },
}

impl From<TlvError> for UnlockError {
    fn from(_: TlvError) -> Self {
        Self::Damaged
    }
}

impl From<CertError> for UnlockError {
    fn from(_: CertError) -> Self {
        Self::Damaged
    }
}

impl From<ListError> for UnlockError {
    fn from(_: ListError) -> Self {
        Self::Damaged
    }
}

/// Why a keystore could not be made or changed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeystoreError {
    /// Nothing would open it.
    #[error("a keystore needs a password or a node key")]
    NoSlot,
    /// The profile's name is over 64 bytes.
    #[error("the name has {got} bytes, over the limit of 64")]
    Name {
        /// Its length.
        got: usize,
    },
    /// The file at hand cannot be changed, or Argon2 cannot run.
    #[error("the keystore cannot be changed")]
    Unlock(#[from] UnlockError),
}

#[cfg(test)]
mod tests;
