//! Webhooks: an account's feed, told to HTTP servers. Each has its cursor on the disk, and a worker of its own that reads from
//! there, so that nothing is queued for it, nothing is lost over a restart, and a slow one holds up nobody.
//!
//! A delivery is signed as <https://www.standardwebhooks.com> has it (version 1), so that receivers find libraries for it. It
//! comes at least once, under an id that stays the same; what was erased meanwhile is not told any more.

mod book;
mod delivery;
mod post;
mod retry_after;
mod target;
mod trouble;
mod work;

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parlour_crypto::ConversationId;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::api::{ApiState, Shared};
use crate::runner::now_ms;
use book::Book;
pub(crate) use book::{Hook, KeepError};
use delivery::Delivery;
use post::Line;
pub(crate) use target::TargetError;
use target::{Target, tls_of_this_machine};
use work::Worker;

/// A webhook to make.
pub(crate) struct NewHook {
    pub(crate) url: String,
    /// Also to addresses that are not of this machine.
    pub(crate) anywhere: bool,
    /// Names of changes; all if there are none.
    pub(crate) events: Vec<String>,
    pub(crate) conversation: Option<ConversationId>,
    /// What is behind it is told.
    pub(crate) cursor: u64,
}

/// Why a webhook was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeHookError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// How a test went.
pub(crate) struct Tried {
    pub(crate) error: Option<String>,
    pub(crate) took: Duration,
}

/// The webhooks of an account.
pub(crate) struct Webhooks {
    book: Arc<Book>,
    /// Behind which door they work: the first one of the account.
    home: OnceLock<Weak<Shared>>,
}

impl Webhooks {
    /// Those of an account's file; their secrets follow from `root`.
    pub(crate) fn open(file: std::path::PathBuf, root: Zeroizing<[u8; 32]>) -> Self {
        Self {
            book: Arc::new(Book::open(file, root, now_ms())),
            home: OnceLock::new(),
        }
    }

    /// Has them work behind this door, if they do not yet and the account connects to others at all.
    pub(crate) fn begin(&self, state: &ApiState) {
        if state.account.facts().network && self.home.set(Arc::downgrade(state)).is_ok() {
            let hooks = self.book.all().unwrap_or_default();
            hooks.iter().for_each(|hook| self.work(hook));
        }
    }

    /// All of them, in the order in which they were made.
    pub(crate) fn all(&self) -> Result<Vec<Hook>, KeepError> {
        self.book.all()
    }

    /// When the next try is, ms since 1970, for one that waits for it.
    pub(crate) fn next_try(&self, id: &str) -> Option<u64> {
        self.book.next_try(id)
    }

    /// Makes one; it is on the disk when it is told, with its secret. Waits for the disk.
    pub(crate) fn make(&self, new: NewHook) -> Result<(Hook, Zeroizing<String>), MakeHookError> {
        Target::parse(&new.url, new.anywhere)?;
        let hook = self.book.add(new, now_ms())?;
        self.work(&hook);
        let secret = self.book.secret_text(&hook.id);
        Ok((hook, secret))
    }

    /// Ends one; nothing is sent for it from now on. Waits for the disk.
    pub(crate) fn remove(&self, id: &str) -> Result<(), KeepError> {
        self.book.remove(id)
    }

    /// Sends a test to one. If it is taken, what waited for the next try, or was paused, goes on at once.
    pub(crate) async fn test(&self, state: &Shared, id: &str) -> Result<Tried, KeepError> {
        let hook = self.book.get(id)?;
        let target = Target::parse(&hook.url, hook.anywhere).map_err(|error| KeepError::Unusable(error.to_string()))?;
        let (begun, now) = (Instant::now(), now_ms());
        let signed = Delivery::test(&hook, now).signed(&self.book.key(id), now);
        let sent = Line::new(&state.door).post(&target, &signed).await;
        let error = sent.err().map(|error| error.to_string());
        if error.is_none() {
            self.book.recovered(id, now_ms());
        }
        Ok(Tried {
            error,
            took: begun.elapsed(),
        })
    }

    fn work(&self, hook: &Hook) {
        let Some(state) = self.home.get().and_then(Weak::upgrade) else {
            return;
        };
        let Ok(target) = Target::parse(&hook.url, hook.anywhere) else {
            tracing::error!(webhook = hook.id, "a webhook does not work: its address cannot be read");
            return;
        };
        if let Some(signals) = self.book.signals(&hook.id) {
            let tasks = state.door.tasks.clone();
            tasks.spawn(Worker::new(state, self.book.clone(), &hook.id, target, signals).run());
        }
    }
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither keys nor addresses, which may have secrets in them.
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

/// What is told to receivers of webhooks, as `User-Agent`.
const AGENT: &str = concat!("parlour/", env!("CARGO_PKG_VERSION"));
