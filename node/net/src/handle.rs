//! The handle through which the rest of the node talks to the swarm task.

use libp2p::PeerId;
use tokio::sync::mpsc;

use crate::{
    NetCommand,
    refusals::{Counter, Refusals},
};

/// Sends commands to the swarm task; cheap to clone. The task stops when the last handle is gone.
#[derive(Debug, Clone)]
pub struct NetHandle {
    commands: mpsc::Sender<NetCommand>,
    local_peer: PeerId,
    refusals: Counter,
}

impl NetHandle {
    pub(crate) fn new(commands: mpsc::Sender<NetCommand>, local_peer: PeerId, refusals: Counter) -> Self {
        Self {
            commands,
            local_peer,
            refusals,
        }
    }

    /// Queues `command`; waits while the queue is full. The swarm task never waits for the receiver of events, so
    /// this cannot deadlock.
    /// # Errors
    /// `Closed`: the swarm task has ended.
    pub async fn send(&self, command: NetCommand) -> Result<(), Closed> {
        self.commands.send(command).await.map_err(|_| Closed)
    }

    /// Queues `command` if there is room.
    /// # Errors
    /// `Full` gives the command back; `Closed`: the swarm task has ended.
    pub fn try_send(&self, command: NetCommand) -> Result<(), TrySendError> {
        self.commands.try_send(command).map_err(|cause| match cause {
            mpsc::error::TrySendError::Full(command) => TrySendError::Full(Box::new(command)),
            mpsc::error::TrySendError::Closed(_) => TrySendError::Closed,
        })
    }

    /// Waits until the swarm task has ended.
    pub async fn closed(&self) {
        self.commands.closed().await;
    }

    /// This node's transport name.
    pub fn local_peer(&self) -> PeerId {
        self.local_peer
    }

    /// Where the network counts what it refuses.
    pub fn refused(&self) -> Refused {
        Refused(self.refusals.clone())
    }
}

/// A view of what the network has refused, which outlives the network and keeps nothing running.
#[derive(Debug, Clone)]
pub struct Refused(Counter);

impl Refused {
    /// The numbers now.
    pub fn so_far(&self) -> Refusals {
        self.0.so_far()
    }
}

/// The swarm task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the network is closed")]
pub struct Closed;

/// Why a command was not queued.
#[derive(Debug, thiserror::Error)]
pub enum TrySendError {
    /// The queue is full.
    #[error("the network is busy")]
    Full(Box<NetCommand>),
    /// The swarm task has ended.
    #[error("the network is closed")]
    Closed,
}
