//! The data directory: which files and folders there are, and how accounts are made and unlocked.
//!
//! ```text
//! DATA/lock                        one process at a time
//! DATA/node/key                    32 bytes that unlock accounts without a password
//! DATA/node/peer                   32 bytes, the transport key
//! DATA/node/port                   the listening port, chosen once
//! DATA/api/cookie, api/address     how the command line reaches a running node
//! DATA/accounts/NAME/keystore      identity and device keys
//! DATA/accounts/NAME/db, search    history, and its index
//! ```

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use parlour_crypto::{
    Argon2Params, DataKey, DeviceCert, DeviceKeys, DeviceList, Identity, Keystore, Secrets, Unlock, UnlockError,
    UserId, phrase_from_entropy,
};
use parlour_store::{private_dir, private_file};
use zeroize::Zeroizing;

use crate::engine::Account;
use crate::random::SystemRng;

/// Bytes of a profile name.
pub(crate) const MAX_PROFILE_NAME: usize = 64;

/// Paths inside a data directory.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// Names a data directory; nothing is read or made.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of one account.
    #[must_use]
    pub fn account(&self, name: &str) -> PathBuf {
        self.root.join("accounts").join(name)
    }

    pub(crate) fn node(&self, file: &str) -> PathBuf {
        self.root.join("node").join(file)
    }

    /// The file with the token for the command line.
    #[must_use]
    pub fn cookie(&self) -> PathBuf {
        self.root.join("api").join("cookie")
    }

    /// The file that says where the running node's API is.
    #[must_use]
    pub fn address(&self) -> PathBuf {
        self.root.join("api").join("address")
    }

    /// Makes the folders, all private.
    pub(crate) fn create(&self) -> io::Result<()> {
        if let Some(parent) = self.root.parent() {
            fs::create_dir_all(parent)?;
        }
        for folder in ["", "node", "api", "accounts"] {
            private_dir(&self.root.join(folder))?;
        }
        Ok(())
    }

    /// The accounts in this directory, by name.
    ///
    /// # Errors
    /// The directory cannot be read; one that does not exist has no accounts.
    pub fn accounts(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join("accounts")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && entry.path().join("keystore").is_file()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// 32 secret bytes kept in a file of the node, made at first use.
    pub(crate) fn node_secret(&self, file: &str) -> io::Result<Zeroizing<[u8; 32]>> {
        let path = self.node(file);
        match fs::read(&path) {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                let secret = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
                    let text = format!("{} is damaged: it should hold 32 bytes", path.display());
                    io::Error::new(io::ErrorKind::InvalidData, text)
                })?;
                Ok(Zeroizing::new(secret))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut secret = Zeroizing::new([0; 32]);
                rand_core::Rng::fill_bytes(&mut SystemRng, secret.as_mut_slice());
                write_private(&path, secret.as_slice())?;
                Ok(secret)
            }
            Err(error) => Err(error),
        }
    }
}

/// Writes a private file as a whole: under another name, to the disk, then into place.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = private_file(&temporary)?;
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// An account to make.
#[derive(Debug)]
pub struct NewAccount {
    /// Profile name.
    pub name: String,
    /// Unlocks the account beside the node's own key.
    pub password: Option<Zeroizing<String>>,
    /// The node's own key does not unlock the account: every start needs the password.
    pub require_password: bool,
}

/// A new account.
pub struct Created {
    /// Name of its folder, for `--account`.
    pub account: String,
    /// The user id.
    pub user: UserId,
    /// The 24 words, shown once.
    pub phrase: Zeroizing<String>,
}

impl std::fmt::Debug for Created {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Created")
            .field("account", &self.account)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Why no account was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Not usable as a name.
    #[error("a name has 1 to {MAX_PROFILE_NAME} bytes and no control characters")]
    BadName,
    /// The folder is taken.
    #[error("there is already an account {0:?} in this data directory")]
    Exists(String),
    /// Only a password could unlock it, and there is none.
    #[error("an account that requires a password needs one")]
    NoPassword,
    /// Files could not be written.
    #[error("the account's files could not be written")]
    Io(#[from] io::Error),
    /// Another process works here.
    #[error(transparent)]
    Lock(#[from] parlour_store::LockError),
}

/// Makes an account: identity, first device, keystore. Nothing else exists until the node runs.
///
/// # Errors
/// Nothing was made; see [`CreateError`].
pub fn create_account(data: &DataDir, new: &NewAccount, now: u64) -> Result<Created, CreateError> {
    let name = new.name.trim();
    if name.is_empty() || name.len() > MAX_PROFILE_NAME || name.chars().any(char::is_control) {
        return Err(CreateError::BadName);
    }
    if new.require_password && new.password.is_none() {
        return Err(CreateError::NoPassword);
    }
    let account = folder_name(name);
    data.create()?;
    let _lock = parlour_store::DataLock::acquire(data.root())?;
    if data.account(&account).join("keystore").exists() {
        return Err(CreateError::Exists(account));
    }
    private_dir(&data.account(&account))?;
    let mut entropy = Zeroizing::new([0u8; 32]);
    rand_core::Rng::fill_bytes(&mut SystemRng, entropy.as_mut_slice());
    let identity = Identity::from_entropy(&entropy);
    let keys = DeviceKeys::generate(&mut SystemRng);
    let certificate = DeviceCert::issue(&identity, &keys, 1, now);
    let list = DeviceList::first(&identity, std::slice::from_ref(&certificate), now)
        .map_err(|error| io::Error::other(error.to_string()))?;
    let user = identity.user_id();
    let phrase = phrase_from_entropy(&entropy);
    let secrets = Secrets {
        entropy: Some(entropy),
        device: keys,
        cert: certificate,
        list,
        name: name.to_owned(),
    };
    let node_key = data.node_secret("key")?;
    let password = new.password.as_ref().map(|p| (p.as_str(), Argon2Params::default()));
    let node_key = (!new.require_password).then_some(&*node_key);
    let (bytes, _) = Keystore::create(&mut SystemRng, &secrets, password, node_key)
        .map_err(|error| io::Error::other(error.to_string()))?;
    write_private(&data.account(&account).join("keystore"), &bytes)?;
    Ok(Created { account, user, phrase })
}

/// A folder name made of a profile name: lower-case letters, digits and dashes.
fn folder_name(name: &str) -> String {
    let mut folder: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(32)
        .collect();
    while folder.contains("--") {
        folder = folder.replace("--", "-");
    }
    let folder = folder.trim_matches('-');
    if folder.is_empty() {
        "account".to_owned()
    } else {
        folder.to_owned()
    }
}

/// Why an account was not unlocked.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is none.
    #[error("there is no account in {0} yet: make one with `parlour init --name NAME`")]
    None(PathBuf),
    /// There is none of that name.
    #[error("there is no account {name:?} here; there is {there}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        there: String,
    },
    /// There are several and none was named.
    #[error("there are several accounts here: choose one with --account ({0})")]
    Several(String),
    /// The keystore did not open.
    #[error("the account {account:?} could not be unlocked: {cause}")]
    Unlock {
        /// Which.
        account: String,
        /// Why.
        cause: UnlockError,
    },
    /// Files could not be read.
    #[error("the account's files could not be read")]
    Io(#[from] io::Error),
}

/// Chooses an account: the named one, or the only one.
///
/// # Errors
/// None, several, or another name.
pub fn choose_account(data: &DataDir, name: Option<&str>) -> Result<String, AccountError> {
    let names = data.accounts()?;
    match (name, names.as_slice()) {
        (_, []) => Err(AccountError::None(data.root().to_owned())),
        (None, [only]) => Ok(only.clone()),
        (None, several) => Err(AccountError::Several(several.join(", "))),
        (Some(name), names) if names.iter().any(|n| n == name) => Ok(name.to_owned()),
        (Some(name), names) => Err(AccountError::Unknown {
            name: name.to_owned(),
            there: names.join(", "),
        }),
    }
}

/// Unlocks an account with a password, or with the node's key.
///
/// # Errors
/// The password is wrong, or the keystore is damaged.
pub(crate) fn unlock_account(
    data: &DataDir,
    account: &str,
    password: Option<&str>,
) -> Result<(Account, DataKey), AccountError> {
    let bytes = Zeroizing::new(fs::read(data.account(account).join("keystore"))?);
    let failed = |cause| AccountError::Unlock {
        account: account.to_owned(),
        cause,
    };
    let (secrets, key) = match password {
        Some(password) => Keystore::unlock(&bytes, Unlock::Password(password)).map_err(failed)?,
        None => Keystore::unlock(&bytes, Unlock::NodeKey(&*data.node_secret("key")?)).map_err(failed)?,
    };
    let Secrets {
        device: keys,
        cert: certificate,
        list,
        name,
        ..
    } = secrets;
    Ok((
        Account {
            keys,
            certificate,
            list,
            name,
        },
        key,
    ))
}

/// Whether the account opens with its password only, so that a start has to ask for it.
///
/// # Errors
/// The keystore cannot be read.
pub fn needs_password(data: &DataDir, account: &str) -> Result<bool, AccountError> {
    let bytes = fs::read(data.account(account).join("keystore"))?;
    Keystore::has_node_key_slot(&bytes)
        .map(|unattended| !unattended)
        .map_err(|cause| AccountError::Unlock {
            account: account.to_owned(),
            cause,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_are_plain_whatever_the_profile_name_is() {
        for (name, folder) in [
            ("Alice", "alice"),
            ("../../etc", "etc"),
            ("Ünï ✨ x", "n-x"),
            ("✨", "account"),
            ("a b", "a-b"),
        ] {
            assert_eq!(folder_name(name), folder);
        }
    }
}
