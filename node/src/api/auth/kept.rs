//! What outlives the process of one account's ways in: hashes of tokens, in one small file beside its keystore. It never
//! leaves the node, and no secret is in it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use parlour_crypto::ConversationId;
use serde::{Deserialize, Serialize};

use super::grant::Scope;
use super::password::PasswordHash;
use crate::data::{read_versioned, write_private};

/// The format this program writes; a newer one is left alone.
const VERSION: u32 = 1;

/// A file with one account's ways in.
pub(crate) struct Keeper {
    /// What its account is called on this node.
    name: Option<String>,
    /// Nowhere in tests of the API alone.
    file: Option<PathBuf>,
    /// `None`: the file cannot be used, so that nothing in it lets anybody in and nothing can be added.
    kept: Mutex<Option<Kept>>,
}

/// What is in the file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    version: u32,
    #[serde(default)]
    pub(super) tokens: Vec<KeptToken>,
    #[serde(default)]
    pub(super) password: Option<KeptPassword>,
    #[serde(default)]
    pub(super) logins: Vec<KeptLogin>,
}

/// How the user logs in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptPassword {
    pub(super) email: Option<String>,
    pub(super) hash: PasswordHash,
    pub(super) created: u64,
}

/// A login that goes on.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptLogin {
    /// Of the part of its refresh tokens that stays.
    pub(super) family: Hash,
    /// Of the refresh token that is good now.
    pub(super) refresh: Hash,
    /// Of the token that lasts as long as the login does, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<Hash>,
    pub(super) device: String,
    pub(super) created: u64,
    pub(super) used: u64,
    pub(super) until: u64,
}

/// A token made for a program.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptToken {
    pub(super) hash: Hash,
    pub(super) label: String,
    pub(super) scope: Scope,
    pub(super) conversation: Option<ConversationId>,
    pub(super) created: u64,
    pub(super) until: Option<u64>,
    /// When it was last shown, as far as it was written down.
    pub(super) used: u64,
}

/// BLAKE3 of a token, as hexadecimal text on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hash(pub(super) [u8; 32]);

impl Hash {
    pub(crate) fn of(token: &str) -> Self {
        Self(*blake3::hash(token.as_bytes()).as_bytes())
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("not a hash"))
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            version: VERSION,
            tokens: Vec::new(),
            password: None,
            logins: Vec::new(),
        }
    }
}

impl Keeper {
    /// In memory only.
    pub(crate) fn nowhere() -> Self {
        Self {
            name: None,
            file: None,
            kept: Mutex::new(Some(Kept::default())),
        }
    }

    /// What a file holds; one that cannot be used lets nobody in.
    pub(crate) fn open(account: &str, file: PathBuf) -> Self {
        let kept = match read(&file) {
            Ok(kept) => Some(kept),
            Err(error) => {
                tracing::error!(%error, file = %file.display(), "tokens do not work: their file cannot be used");
                None
            }
        };
        Self {
            name: Some(account.to_owned()),
            file: Some(file),
            kept: Mutex::new(kept),
        }
    }

    /// What its account is called on this node.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What is kept now.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Kept) -> T) -> io::Result<T> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().map(look).ok_or_else(unusable)
    }

    /// Changes what is kept, on the disk first. It waits for the disk.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> io::Result<T> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = kept.clone().ok_or_else(unusable)?;
        let out = change(&mut next);
        if let Some(file) = &self.file {
            let text = serde_json::to_vec_pretty(&next).map_err(io::Error::other)?;
            write_private(file, &text)?;
        }
        *kept = Some(next);
        Ok(out)
    }
}

fn unusable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file with the tokens cannot be used")
}

fn read(file: &Path) -> io::Result<Kept> {
    let kept = read_versioned(file, VERSION, |kept: &Kept| kept.version)?;
    Ok(kept.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_there_again_and_a_file_of_another_kind_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access");
        let token = KeptToken {
            hash: Hash::of("secret"),
            label: "bot".into(),
            scope: Scope::Send,
            conversation: Some(ConversationId::from_bytes([3; 32])),
            created: 5,
            until: Some(9),
            used: 0,
        };
        let keeper = Keeper::open("ada", file.clone());
        keeper.change(|kept| kept.tokens.push(token)).unwrap();
        let again = Keeper::open("ada", file.clone());
        let found = again.look(|kept| kept.tokens[0].clone()).unwrap();
        assert!(found.hash == Hash::of("secret") && found.scope == Scope::Send && found.until == Some(9));
        assert!(!std::fs::read_to_string(&file).unwrap().contains("secret"));

        for other in [
            "{}",
            "nonsense",
            "{\"version\":2,\"tokens\":[]}",
            "{\"version\":1,\"more\":1}",
        ] {
            std::fs::write(&file, other).unwrap();
            let keeper = Keeper::open("ada", file.clone());
            assert!(keeper.look(|_| ()).is_err(), "{other}");
            assert!(keeper.change(|_| ()).is_err(), "{other}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), other);
        }
    }
}
