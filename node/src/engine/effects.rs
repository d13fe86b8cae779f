//! What the engine decided but has not done: bytes for the network and answers for callers. Both leave only after the
//! batch of the same turn is durable: only the commit's own word for that releases it.

use parlour_net::NetCommand;
use parlour_store::{Committed, Txn};
use tokio::sync::oneshot;

/// Why a turn's batch did not become durable. Nothing of the turn happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StorageFailed {
    /// No space is left; reading goes on.
    #[error("the disk is full: nothing was sent, reading still works; free some space and try again")]
    DiskFull,
    /// Reading or writing the account's files failed.
    #[error("the account's storage failed: nothing was sent; the node's log says why")]
    Failed,
}

/// An answer that waits for the commit.
type Reply = Box<dyn FnOnce(Result<(), StorageFailed>) + Send>;

/// Everything a turn wants done after its commit, in order.
#[derive(Default)]
pub(crate) struct Effects {
    /// For the network.
    net: Vec<NetCommand>,
    replies: Vec<Reply>,
    erase: Option<u64>,
    void: u64,
}

impl std::fmt::Debug for Effects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Effects")
            .field("net", &self.net.len())
            .field("replies", &self.replies.len())
            .finish()
    }
}

impl Effects {
    /// Answers a caller once the turn is durable, or with the storage error if it is not.
    pub(crate) fn reply<T, E>(&mut self, to: oneshot::Sender<Result<T, E>>, answer: Result<T, E>)
    where
        T: Send + 'static,
        E: From<StorageFailed> + Send + 'static,
    {
        self.replies.push(Box::new(move |committed| {
            // A caller that went away needs no answer.
            let _ = to.send(committed.map_err(E::from).and(answer));
        }));
    }

    /// Something is to be erased at this time, ms.
    pub(crate) fn erase_at(&mut self, due: u64) {
        self.erase = Some(self.erase.map_or(due, |known| known.min(due)));
    }

    /// When something is to be erased, as far as it was said since the last time.
    pub(crate) fn take_erase(&mut self) -> Option<u64> {
        self.erase.take()
    }

    /// Something of others does not count.
    pub(crate) fn add_void(&mut self, count: u64) {
        self.void = self.void.saturating_add(count);
    }

    /// How much does not count, as far as it was said since the last time.
    pub(crate) fn take_void(&mut self) -> u64 {
        std::mem::take(&mut self.void)
    }

    /// The turn's batch is durable: what it decided may happen.
    pub(crate) fn release(self, _: Committed) -> Released {
        Released {
            net: self.net,
            replies: self.replies,
        }
    }

    /// Nothing of the turn has happened: callers hear so.
    pub(crate) fn refuse(self, why: StorageFailed) {
        for reply in self.replies {
            reply(Err(why));
        }
    }

    /// What would leave, for nodes that keep to no rules.
    #[cfg(test)]
    pub(crate) fn forged(self) -> Vec<NetCommand> {
        self.net
    }
}

/// What a durable turn wants done, in order: first the answers.
#[derive(Default)]
pub(crate) struct Released {
    /// For the network.
    pub(crate) net: Vec<NetCommand>,
    replies: Vec<Reply>,
}

impl Released {
    /// Sends the answers.
    pub(crate) fn answer(&mut self) {
        for reply in self.replies.drain(..) {
            reply(Ok(()));
        }
    }
}

/// What one input may touch: the batch being built, the time, and the effects.
pub(crate) struct Turn<'a, 'db> {
    pub(crate) txn: &'a mut Txn<'db>,
    pub(crate) now: u64,
    pub(crate) effects: &'a mut Effects,
}

impl Turn<'_, '_> {
    pub(crate) fn net(&mut self, command: NetCommand) {
        self.effects.net.push(command);
    }
}
