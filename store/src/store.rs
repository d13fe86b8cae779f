//! One account's database and search index, opened together.

use std::path::Path;

use parlour_crypto::DataKey;

use crate::db::{
    Batch, CommitError, CompactError, Compacted, Damage, Db, DbOptions, OpenError, OpenReport, Read, ReadError, Txn,
};
use crate::finder::Finder;
use crate::keyspace::Kind;
use crate::logs;
use crate::repair::RepairError;
use crate::search::{SearchOpenError, SearchOptions};

/// What nobody could give back, or what says who may give back the rest: counters, devices, contacts, conversations, prekeys,
/// invites, registers.
const KEPT: &[u8] = &[
    Kind::Meta as u8,
    Kind::DeviceId as u8,
    Kind::Device as u8,
    Kind::Contact as u8,
    Kind::UserDevice as u8,
    Kind::DeviceName as u8,
    Kind::ConversationId as u8,
    Kind::Conversation as u8,
    Kind::ConversationName as u8,
    Kind::Prekey as u8,
    Kind::Invite as u8,
    Kind::ContactRequest as u8,
    Kind::Asking as u8,
    Kind::Register as u8,
    Kind::ReadMark as u8,
    Kind::ReadLog as u8,
    Kind::Room as u8,
    Kind::Member as u8,
    Kind::RoomOf as u8,
    Kind::MemberName as u8,
    Kind::RoomToken as u8,
    Kind::Joining as u8,
    Kind::Parted as u8,
    Kind::LetInBy as u8,
    Kind::RoomRequest as u8,
    Kind::ForAll as u8,
    Kind::Ruling as u8,
    Kind::Purging as u8,
];

/// Rows under hashes.
const SCATTERED: &[u8] = &[Kind::EventId as u8];

/// An account's store. Cheap to clone; any clone may read, one caller writes.
#[derive(Clone)]
pub struct Store {
    db: Db,
    finder: Finder,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Opening an account's store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// After a loss, the rows that are left could not be made to fit each other.
    #[error("repairing the database failed")]
    Repair(#[from] RepairError),
    /// The search index.
    #[error("opening the search index failed")]
    Search(#[from] SearchOpenError),
}

/// That a batch is durable. Only a commit makes one, so that what may happen only after it can ask for it.
#[derive(Debug)]
pub struct Committed(());

impl Store {
    /// Opens or makes the store in an account's directory.
    ///
    /// # Errors
    /// The database or the index cannot be used.
    pub fn open(account_dir: &Path, key: &DataKey, options: DbOptions) -> Result<(Self, OpenReport), StoreOpenError> {
        let (db, mut report) = Db::open(&account_dir.join("db"), &key.subkey("database"), of_accounts(options))?;
        let pending = crate::repair::is_pending(&db)?;
        let lost = report.damage.iter().any(Damage::is_loss);
        if pending && !lost {
            report.damage.push(Damage::HalfRepaired);
        }
        if lost || pending {
            crate::repair::run(&db)?;
        }
        crate::annotations::renew_pins(&db)?;
        report.damage.extend(short_logs(&db)?);
        let finder = Finder::open(
            &account_dir.join("search"),
            &key.subkey("search"),
            SearchOptions::default(),
        )?;
        if lost || pending {
            finder.forget()?;
            crate::repair::end(&db)?;
        }
        Ok((Self { db, finder }, report))
    }

    /// Rewrites the database in an account's directory, which nobody has open, so that it takes as little space as it can.
    /// `progress` is told how many rows were copied.
    ///
    /// # Errors
    /// See [`CompactError`]; the database is as it was.
    pub fn compact(
        account_dir: &Path,
        key: &DataKey,
        options: DbOptions,
        progress: impl FnMut(u64),
    ) -> Result<Compacted, CompactError> {
        let options = of_accounts(options);
        crate::db::compact(&account_dir.join("db"), &key.subkey("database"), options, progress)
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The searcher.
    #[must_use]
    pub fn finder(&self) -> &Finder {
        &self.finder
    }

    /// Starts a batch that reads its own writes.
    #[must_use]
    pub fn begin(&self) -> Txn<'_> {
        self.db.begin()
    }

    /// Makes a batch durable, then visible.
    ///
    /// # Errors
    /// Nothing was acknowledged; see [`CommitError`].
    pub fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.db.commit(batch).map(Committed)
    }
}

fn of_accounts(options: DbOptions) -> DbOptions {
    DbOptions {
        kept: KEPT,
        scattered: SCATTERED,
        on_loss: Some(crate::repair::begun()),
        ..options
    }
}

/// The logs that list less than was acknowledged once.
fn short_logs(db: &Db) -> Result<Vec<Damage>, RepairError> {
    let mut short = Vec::new();
    for (log, bound) in logs::bounds(&db.marks()) {
        let held = logs::get(db, &log)?.have.count();
        if held < bound {
            short.push(Damage::Messages {
                conversation: log.conversation.0,
                device: log.device.0,
                log: log.log,
                held,
                bound,
            });
        }
    }
    Ok(short)
}

impl Read for Store {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Db::get(&self.db, key)
    }
    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> Box<dyn DoubleEndedIterator<Item = Result<(Vec<u8>, Vec<u8>), ReadError>> + '_> {
        Read::scan(&self.db, from, to)
    }
    fn scan_keys(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> Box<dyn DoubleEndedIterator<Item = Result<Vec<u8>, ReadError>> + '_> {
        Read::scan_keys(&self.db, from, to)
    }
    fn any(&self, from: &[u8], to: &[u8]) -> Result<bool, ReadError> {
        Db::any(&self.db, from, to)
    }
}
