//! The data directory: which files and folders there are. What accounts are is in [`crate::account`].
//!
//! ```text
//! DATA/lock                        one process at a time
//! DATA/node/key                    32 bytes that unlock accounts without a password
//! DATA/node/invitations            hashes of the invitations to make an account
//! DATA/api/address                 where the running node's API is, and whose
//! DATA/api/cookie, api/NAME.cookie how the command line is let in there: for the first account, and for each
//! DATA/tls/certificate.pem, key.pem what the node shows to other machines of the network
//! DATA/accounts/NAME/keystore      identity and device keys
//! DATA/accounts/NAME/access        hashes of the tokens that open it
//! DATA/accounts/NAME/webhooks      where changes are told, and up to which
//! DATA/accounts/NAME/peer          32 bytes, the transport key
//! DATA/accounts/NAME/port          the listening port, chosen once
//! DATA/accounts/NAME/db, search    history, and its index
//! ```

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use parlour_store::{private_dir, private_file};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::random::SystemRng;

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

    /// An account's keystore file.
    pub(crate) fn keystore(&self, account: &str) -> PathBuf {
        self.account(account).join("keystore")
    }

    /// The file with what lets programs into an account.
    pub(crate) fn access(&self, account: &str) -> PathBuf {
        self.account(account).join("access")
    }

    /// The file with an account's webhooks.
    pub(crate) fn webhooks(&self, account: &str) -> PathBuf {
        self.account(account).join("webhooks")
    }

    pub(crate) fn node(&self, file: &str) -> PathBuf {
        self.root.join("node").join(file)
    }

    /// The file with the command line's token for the first account.
    #[must_use]
    pub fn cookie(&self) -> PathBuf {
        self.root.join("api").join("cookie")
    }

    /// The file with the command line's token for this account.
    #[must_use]
    pub fn cookie_of(&self, account: &str) -> PathBuf {
        self.root.join("api").join(format!("{account}.cookie"))
    }

    /// The file with an account's port.
    pub(crate) fn port(&self, account: &str) -> PathBuf {
        self.account(account).join("port")
    }

    /// The transport key that a node had before each account had its own.
    pub(crate) fn shared_peer(&self) -> io::Result<Option<Zeroizing<[u8; 32]>>> {
        let path = self.node("peer");
        if path.exists() {
            secret(&path).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Gives the network that a node had before each account had its own to this one.
    pub(crate) fn inherit_network(&self, account: &str) -> io::Result<()> {
        for file in ["port", "peer"] {
            match fs::rename(self.node(file), self.account(account).join(file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        for folder in [self.account(account), self.root.join("node")] {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
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
        secret(&self.node(file))
    }

    /// An account's transport key, made at first use.
    pub(crate) fn peer_secret(&self, account: &str) -> io::Result<Zeroizing<[u8; 32]>> {
        secret(&self.account(account).join("peer"))
    }
}

fn secret(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    match fs::read(path) {
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
            write_private(path, secret.as_slice())?;
            Ok(secret)
        }
        Err(error) => Err(error),
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

/// Reads a private file of JSON that says its form; `None` if there is none. One of another form, or that cannot be read, is an error,
/// so that nothing is written over it.
pub(crate) fn read_versioned<T: DeserializeOwned>(
    file: &Path,
    known: u32,
    version: impl Fn(&T) -> u32,
) -> io::Result<Option<T>> {
    let bytes = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let read: T = serde_json::from_slice(&bytes)?;
    let found = version(&read);
    if found != known {
        let text = format!("it has version {found}, and this program knows {known}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(Some(read))
}
