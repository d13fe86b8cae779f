//! Accounts: made anew or from the 24 words, chosen, unlocked.

use std::fs;
use std::io;
use std::path::PathBuf;

use parlour_crypto::{
    Argon2Params, DataKey, DeviceCert, DeviceKeys, DeviceList, Identity, Keystore, ListError, PhraseError, Secrets,
    Unlock, UnlockError, UserId, entropy_from_phrase, phrase_from_entropy,
};
use parlour_store::{DataLock, private_dir};
use zeroize::Zeroizing;

use crate::data::{DataDir, write_private};
use crate::engine::Account;
use crate::random::SystemRng;
use crate::renewal::renew_on_disk;

/// Bytes of a profile name.
const MAX_PROFILE_NAME: usize = 64;
/// Bytes of a password.
const MAX_PASSWORD: usize = 4096;
/// Lowest version of a device list made from the words alone, when nobody can be asked for the highest one there was: above all
/// that count up from 1.
const RECOVERED_VERSION: u32 = 1 << 31;
/// Recovered lists count in these, ms: a later recovery is a later list.
const RECOVERED_STEP_MS: u64 = 60_000;

/// An account to make.
#[derive(Clone)]
pub struct NewAccount {
    /// Profile name.
    pub name: String,
    /// What it is called on this node; made from the name if not given.
    pub account: Option<String>,
    /// Unlocks the account beside the node's own key.
    pub password: Option<Zeroizing<String>>,
    /// The node's own key does not unlock the account: every start needs the password.
    pub require_password: bool,
    /// The 24 words of the identity to restore; a new identity if not given.
    pub words: Option<Zeroizing<String>>,
}

impl NewAccount {
    /// A new identity of this name, without a password.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            account: None,
            password: None,
            require_password: false,
            words: None,
        }
    }
}

impl std::fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewAccount")
            .field("name", &self.name)
            .field("require_password", &self.require_password)
            .finish_non_exhaustive()
    }
}

/// A new account.
pub struct Created {
    /// Name of its folder, for `--account`.
    pub account: String,
    /// The user id.
    pub user: UserId,
    /// Profile name.
    pub name: String,
    /// The 24 words, shown once; `None` if they were given.
    pub phrase: Option<Zeroizing<String>>,
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
    /// Not usable as a password.
    #[error("a password has 1 to {MAX_PASSWORD} bytes")]
    BadPassword,
    /// Only a password could unlock it, and there is none.
    #[error("an account that requires a password needs one")]
    NoPassword,
    /// No identity can be restored from the words.
    #[error(transparent)]
    Words(#[from] PhraseError),
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
    // Before anything is made on the disk.
    let plan = Plan::of(new)?;
    data.create()?;
    let lock = DataLock::acquire(data.root())?;
    plan.carry_out(data, &lock, new, now)
}

/// As [`create_account`], in a data directory that is ours already.
///
/// # Errors
/// Nothing was made; see [`CreateError`].
pub(crate) fn create_account_in(
    data: &DataDir,
    lock: &DataLock,
    new: &NewAccount,
    now: u64,
) -> Result<Created, CreateError> {
    Plan::of(new)?.carry_out(data, lock, new, now)
}

/// As [`create_account_in`], for somebody whose name others may have: the folder gets a number then.
///
/// # Errors
/// Nothing was made; see [`CreateError`].
pub(crate) fn create_account_beside(
    data: &DataDir,
    lock: &DataLock,
    new: &NewAccount,
    now: u64,
) -> Result<Created, CreateError> {
    let mut plan = Plan::of(new)?;
    let wished = plan.folder.clone();
    let mut number = 1_u32;
    while data.account(&plan.folder).exists() {
        number = number.saturating_add(1);
        plan.folder = format!("{wished}-{number}");
    }
    plan.carry_out(data, lock, new, now)
}

/// A wish that can be fulfilled, as far as can be said without looking at the disk.
struct Plan<'a> {
    name: &'a str,
    folder: String,
    entropy: Zeroizing<[u8; 32]>,
}

impl<'a> Plan<'a> {
    fn of(new: &'a NewAccount) -> Result<Self, CreateError> {
        let name = checked_name(&new.name)?;
        let called = new.account.as_deref().map_or(Ok(name), checked_name)?;
        match &new.password {
            Some(password) if password.is_empty() || password.len() > MAX_PASSWORD => {
                return Err(CreateError::BadPassword);
            }
            None if new.require_password => return Err(CreateError::NoPassword),
            Some(_) | None => {}
        }
        let entropy = match &new.words {
            Some(words) => entropy_from_phrase(words)?,
            None => {
                let mut entropy = Zeroizing::new([0u8; 32]);
                rand_core::Rng::fill_bytes(&mut SystemRng, entropy.as_mut_slice());
                entropy
            }
        };
        Ok(Self {
            name,
            folder: folder_name(called),
            entropy,
        })
    }

    fn carry_out(self, data: &DataDir, _: &DataLock, new: &NewAccount, now: u64) -> Result<Created, CreateError> {
        let Self { name, folder, entropy } = self;
        if data.keystore(&folder).exists() {
            return Err(CreateError::Exists(folder));
        }
        let identity = Identity::from_entropy(&entropy);
        let keys = DeviceKeys::generate(&mut SystemRng);
        let cert = DeviceCert::issue(&identity, &keys, 1, now);
        let list = first_list(&identity, &cert, new.words.is_some(), now)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let phrase = new.words.is_none().then(|| phrase_from_entropy(&entropy));
        let secrets = Secrets {
            entropy: Some(entropy),
            device: keys,
            cert,
            list,
            name: name.to_owned(),
        };
        let node_key = data.node_secret("key")?;
        let password = new.password.as_ref().map(|p| (p.as_str(), Argon2Params::default()));
        let node_key = (!new.require_password).then_some(&*node_key);
        let (bytes, _) = Keystore::create(&mut SystemRng, &secrets, password, node_key)
            .map_err(|error| io::Error::other(error.to_string()))?;
        private_dir(&data.account(&folder))?;
        write_private(&data.keystore(&folder), &bytes)?;
        Ok(Created {
            account: folder,
            user: identity.user_id(),
            name: name.to_owned(),
            phrase,
        })
    }
}

/// The list of a new user, or the one that takes the place of whatever an identity had before its devices were lost.
fn first_list(identity: &Identity, cert: &DeviceCert, recovered: bool, now: u64) -> Result<DeviceList, ListError> {
    let certs = std::slice::from_ref(cert);
    if recovered {
        let step = u32::try_from(now / RECOVERED_STEP_MS).unwrap_or(u32::MAX);
        DeviceList::recovered(identity, RECOVERED_VERSION.saturating_add(step), certs, &[], now)
    } else {
        DeviceList::first(identity, certs, now)
    }
}

/// A folder name made of a profile name: lower-case letters, digits and dashes.
fn checked_name(name: &str) -> Result<&str, CreateError> {
    let name = name.trim();
    if name.is_empty() || name.len() > MAX_PROFILE_NAME || name.chars().any(char::is_control) {
        return Err(CreateError::BadName);
    }
    Ok(name)
}

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

/// Unlocks an account with a password, or with the node's key; renews its certificate if it is time.
///
/// # Errors
/// The password is wrong, or the keystore is damaged.
pub(crate) fn unlock_account(
    data: &DataDir,
    account: &str,
    password: Option<&str>,
    now: u64,
) -> Result<(Account, DataKey), AccountError> {
    let file = data.keystore(account);
    let bytes = Zeroizing::new(fs::read(&file)?);
    let failed = |cause| AccountError::Unlock {
        account: account.to_owned(),
        cause,
    };
    let (mut secrets, key) = match password {
        Some(password) => Keystore::unlock(&bytes, Unlock::Password(password)).map_err(failed)?,
        None => Keystore::unlock(&bytes, Unlock::NodeKey(&*data.node_secret("key")?)).map_err(failed)?,
    };
    renew_on_disk(&file, &bytes, &key, &mut secrets, now);
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
    let bytes = fs::read(data.keystore(account))?;
    Keystore::has_node_key_slot(&bytes)
        .map(|unattended| !unattended)
        .map_err(|cause| AccountError::Unlock {
            account: account.to_owned(),
            cause,
        })
}

#[cfg(test)]
mod tests;
