//! How long the swarm has work without a pause: what arrives meanwhile waits, that of contacts as well.

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

use futures::StreamExt as _;
use libp2p::{Swarm, swarm::SwarmEvent};
use tokio::time::Instant;

use crate::behaviour::{Behaviour, BehaviourEvent};

/// The longest stretch of work since it was last asked for.
#[derive(Debug, Default)]
pub(super) struct Busy {
    since: Option<Instant>,
    longest: Duration,
}

impl Busy {
    /// The next event of the swarm; notes when there is none to be had.
    pub(super) fn next<'a>(
        &'a mut self,
        swarm: &'a mut Swarm<Behaviour>,
    ) -> impl Future<Output = SwarmEvent<BehaviourEvent>> + 'a {
        poll_fn(move |cx| {
            let since = *self.since.get_or_insert_with(Instant::now);
            // A swarm does not end.
            if let Poll::Ready(Some(event)) = swarm.poll_next_unpin(cx) {
                return Poll::Ready(event);
            }
            self.since = None;
            self.longest = self.longest.max(since.elapsed());
            Poll::Pending
        })
    }

    pub(super) fn longest(&mut self, now: Instant) -> Duration {
        let current = self.since.map_or(Duration::ZERO, |since| now.duration_since(since));
        std::mem::take(&mut self.longest).max(current)
    }
}
