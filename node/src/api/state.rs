//! What the handlers of an account can reach.

use std::sync::Arc;

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

impl Shared {
    pub(crate) fn new(door: Door, account: AccountHandle) -> Self {
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
