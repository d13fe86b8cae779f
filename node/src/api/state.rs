//! What the handlers of an account can reach.

use std::sync::{Arc, OnceLock, Weak};

use tokio::sync::Semaphore;

use super::door::Door;
use super::v1::Changes;
use crate::handle::AccountHandle;

/// Shared by all requests to one account.
pub(crate) struct Shared {
    pub(crate) account: AccountHandle,
    pub(crate) door: Door,
    /// The feed as JSON.
    pub(crate) changes: Changes,
    pub(crate) sockets: Arc<Semaphore>,
    pub(crate) searches: Arc<Semaphore>,
    neighbours: Arc<Neighbours>,
}

/// The accounts behind one door, by number. Weak: each of them holds this.
type Neighbours = OnceLock<Vec<Weak<Shared>>>;

impl Shared {
    /// The states of all accounts behind a door.
    pub(crate) fn of_all(door: &Door, accounts: Vec<AccountHandle>) -> Vec<Arc<Self>> {
        let neighbours = Arc::new(Neighbours::new());
        let of_one = |account| Arc::new(Self::new(door.clone(), account, neighbours.clone()));
        let all: Vec<_> = accounts.into_iter().map(of_one).collect();
        // Nobody else has it yet.
        let _ = neighbours.set(all.iter().map(Arc::downgrade).collect());
        all
    }

    /// The account with this number, behind the same door.
    pub(crate) fn neighbour(&self, account: usize) -> Option<Arc<Self>> {
        self.neighbours.get()?.get(account)?.upgrade()
    }

    /// All accounts behind the same door.
    pub(crate) fn all(&self) -> Vec<Arc<Self>> {
        let all = self.neighbours.get().into_iter().flatten();
        all.filter_map(Weak::upgrade).collect()
    }

    fn new(door: Door, account: AccountHandle, neighbours: Arc<Neighbours>) -> Self {
        Self {
            neighbours,
            changes: Changes::new(account.clone()),
            account,
            sockets: Arc::new(Semaphore::new(door.limits.sockets)),
            searches: Arc::new(Semaphore::new(door.limits.searches)),
            door,
        }
    }
}

/// The state of the router.
pub(crate) type ApiState = Arc<Shared>;
