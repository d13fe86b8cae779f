//! A clock that was set back. What is due at a time of the old clock would wait for hours, and nobody would hear of us meanwhile: all
//! times that are only in memory move back with the clock, so that what was to happen in a second happens in a second. Times on disk
//! stay: they are compared with care where they are read.

use super::Engine;
use super::link::Phase;

/// A smaller step is waited out.
const STEP_MS: u64 = 2_000;

impl Engine {
    /// Looks at the clock, first of all in every turn.
    pub(crate) fn look_at_clock(&mut self, now: u64) {
        let back = std::mem::replace(&mut self.last_now, now).saturating_sub(now);
        if back < STEP_MS {
            return;
        }
        tracing::info!(back_ms = back, "the clock was set back");
        self.began = self.began.saturating_sub(back);
        self.timers.set_back(back);
        self.gossip.set_back(back);
        self.envelopes.set_back(back);
        self.offering.set_back(back);
        self.ephemera.set_back(back);
        self.rooms.set_back(back);
        for stream in self.streams.values_mut() {
            if let Phase::Ready(link) = &mut stream.phase {
                link.since = link.since.saturating_sub(back);
                link.acknowledged_at = link.acknowledged_at.saturating_sub(back);
                for at in link.told.values_mut() {
                    *at = at.saturating_sub(back);
                }
            }
        }
        let single = [
            &mut self.one_time_keys,
            &mut self.new_sessions,
            &mut self.searches,
            &mut self.asks,
            &mut self.hurry,
        ];
        for allowance in single.into_iter().chain(self.cards.values_mut()) {
            allowance.set_back(back);
        }
        self.begun_again
            .values_mut()
            .for_each(|at| *at = at.saturating_sub(back));
    }
}
