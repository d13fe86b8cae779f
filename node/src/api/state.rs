//! What the handlers of an account can reach.

use std::sync::{Arc, PoisonError, RwLock, Weak};

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
}

/// The accounts behind one door, by number. Weak: each of them holds the door.
pub(crate) type Neighbours = RwLock<Vec<Weak<Shared>>>;

impl Shared {
    /// The state of one more account behind a door.
    pub(crate) fn of(door: &Door, account: AccountHandle) -> Arc<Self> {
        let shared = Arc::new(Self::new(door.clone(), account));
        let mut neighbours = door.neighbours.write().unwrap_or_else(PoisonError::into_inner);
        neighbours.push(Arc::downgrade(&shared));
        shared.account.webhooks.begin(&shared);
        shared
    }

    /// The account with this number, behind the same door.
    pub(crate) fn neighbour(&self, account: usize) -> Option<Arc<Self>> {
        self.door.account(account)
    }

    /// All accounts behind the same door.
    pub(crate) fn all(&self) -> Vec<Arc<Self>> {
        self.door.accounts()
    }

    fn new(door: Door, account: AccountHandle) -> Self {
        Self {
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
