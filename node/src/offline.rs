//! An account that nobody runs: its store opened for upkeep, with every node kept out meanwhile.

use parlour_crypto::DataKey;
use parlour_store::{CompactError, Compacted, DataLock, DbOptions, OpenReport, Store, StoreOpenError};

use crate::account::{choose_account, unlock_account};
use crate::data::DataDir;
use crate::node::NodeError;
use crate::runner::now_ms;

/// An unlocked account in a data directory that is ours.
pub struct OfflineAccount {
    data: DataDir,
    name: String,
    key: DataKey,
    _lock: DataLock,
}

impl OfflineAccount {
    /// Unlocks an account, the only one if none is named.
    ///
    /// # Errors
    /// A node runs here, there is no such account, or it does not open with this.
    pub fn unlock(data: &DataDir, account: Option<&str>, password: Option<&str>) -> Result<Self, NodeError> {
        let name = choose_account(data, account)?;
        let lock = DataLock::acquire(data.root())?;
        let (_, key) = unlock_account(data, &name, password, now_ms())?;
        Ok(Self {
            data: data.clone(),
            name,
            key,
            _lock: lock,
        })
    }

    /// Opens its store. One at a time.
    ///
    /// # Errors
    /// The database or the index cannot be used.
    pub fn open_store(&self) -> Result<(Store, OpenReport), StoreOpenError> {
        Store::open(&self.data.account(&self.name), &self.key, DbOptions::default())
    }

    /// Rewrites its database so that it takes as little space as it can; its store must not be open.
    ///
    /// # Errors
    /// The database is as it was.
    pub fn compact(&self, progress: impl FnMut(u64)) -> Result<Compacted, CompactError> {
        Store::compact(
            &self.data.account(&self.name),
            &self.key,
            DbOptions::default(),
            progress,
        )
    }
}

impl std::fmt::Debug for OfflineAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfflineAccount")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
