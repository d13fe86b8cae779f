//! What every handler can reach.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::guard::Guard;
use super::limits::ApiLimits;
use super::v1::Changes;
use crate::handle::AccountHandle;

/// Shared by all requests of one API.
pub(crate) struct Shared {
    pub(crate) account: AccountHandle,
    pub(crate) guard: Guard,
    pub(crate) limits: ApiLimits,
    pub(crate) address: SocketAddr,
    pub(crate) started: Instant,
    /// The feed as JSON.
    pub(crate) changes: Changes,
    pub(crate) sockets: Arc<Semaphore>,
    pub(crate) searches: Arc<Semaphore>,
    /// Live connections and WebSockets.
    pub(crate) tasks: TaskTracker,
    /// Asks everything to end.
    pub(crate) stop: CancellationToken,
}

/// The state of the router.
pub(crate) type ApiState = Arc<Shared>;
