//! What is due when. One entry per timer: scheduling again moves it. Nothing sleeps; the runner asks for the next time.

use std::collections::{BTreeMap, BTreeSet};

use parlour_net::PeerId;
use parlour_store::{ConversationNo, DeviceNo};

/// Something to look at later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Connect to a peer.
    Dial(PeerId),
    /// Open the sync stream to a device.
    OpenStream(DeviceNo),
    /// Tell a link what we hold by now.
    Acknowledge(u64),
    /// Tell a link everything we hold.
    FullHave(u64),
    /// Ask a link for events that are named and missing.
    Want(u64),
    /// The other side of a stream has not finished the opening.
    StreamOpening(u64),
    /// Renew a link's keys.
    Rekey(u64),
    /// Look at what a device has not acknowledged of a conversation.
    Gossip(ConversationNo, DeviceNo),
    /// Acknowledge by envelope what came from a device without a stream.
    GossipAcknowledge(DeviceNo),
    /// Look again at everything that waits for a device.
    Distribute(DeviceNo),
    /// Go on with invites that name a peer.
    Invited(PeerId),
    /// Send a device its waiting controls by envelope.
    Controls(DeviceNo),
    /// Send a device the read marks that wait for company.
    ReadMarks(DeviceNo),
    /// Ask the maker of an invite again.
    Knock(DeviceNo),
    /// Go on with the work for requests to become contacts.
    Asking,
    /// Say again whether the user is there.
    Presence,
    /// Forget typing and presence that were not said again.
    Ephemera,
    /// Give what others wrote to those who still lack it.
    Offer,
    /// Write down what was handed to the network.
    FlushSent,
    /// Tell contacts our changed card.
    Card,
    /// Erase messages whose time is over.
    Erase,
    /// Ask peers for their public rooms.
    AskForRooms,
    /// Tell contacts that there is a public room to ask for.
    TellOfRooms,
    /// Ask around for members of rooms that we wait to be let into.
    Joining,
    /// Keys to renew or purge, tags of a new day, held events, forgotten envelopes.
    Housekeeping,
}

/// The timers of one engine.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<Timer, u64>,
    order: BTreeSet<(u64, Timer)>,
}

impl Timers {
    /// Sets or moves a timer.
    pub(crate) fn set(&mut self, timer: Timer, due: u64) {
        if let Some(old) = self.due.insert(timer, due) {
            self.order.remove(&(old, timer));
        }
        self.order.insert((due, timer));
    }

    /// Sets a timer unless it is already due at that time or earlier.
    pub(crate) fn set_earliest(&mut self, timer: Timer, due: u64) {
        if self.due.get(&timer).is_none_or(|&old| old > due) {
            self.set(timer, due);
        }
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.due.contains_key(&timer)
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        if let Some(due) = self.due.remove(&timer) {
            self.order.remove(&(due, timer));
        }
    }

    /// The clock was set back: everything is due so much earlier by it.
    pub(crate) fn set_back(&mut self, by: u64) {
        for due in self.due.values_mut() {
            *due = due.saturating_sub(by);
        }
        self.order = self.due.iter().map(|(timer, due)| (*due, *timer)).collect();
    }

    /// When the next one is due, ms.
    pub(crate) fn next(&self) -> Option<u64> {
        self.order.first().map(|(due, _)| *due)
    }

    /// Takes one that is due.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<Timer> {
        let (due, timer) = *self.order.first()?;
        if due > now {
            return None;
        }
        self.order.remove(&(due, timer));
        self.due.remove(&timer);
        Some(timer)
    }
}

/// A growing pause between tries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    tries: u32,
    first_ms: u64,
    max_ms: u64,
}

impl Backoff {
    pub(crate) const fn new(first_ms: u64, max_ms: u64) -> Self {
        Self {
            tries: 0,
            first_ms,
            max_ms,
        }
    }

    /// The pause before the next try: doubled each time up to the maximum, ± 20 % by `random`.
    pub(crate) fn next(&mut self, random: u64) -> u64 {
        let pause = self.first_ms.saturating_mul(1 << self.tries.min(20)).min(self.max_ms);
        self.tries = self.tries.saturating_add(1);
        jitter(pause, random)
    }
}

/// So much at once, then one per time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    spent_until: u64,
    every_ms: u64,
    at_once: u64,
}

impl Allowance {
    pub(crate) const fn new(every_ms: u64, at_once: u64) -> Self {
        Self {
            spent_until: 0,
            every_ms,
            at_once,
        }
    }

    /// The clock was set back.
    pub(crate) fn set_back(&mut self, by: u64) {
        self.spent_until = self.spent_until.saturating_sub(by);
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: u64) -> bool {
        let spent = self
            .spent_until
            .max(now.saturating_sub(self.every_ms.saturating_mul(self.at_once)));
        let after = spent.saturating_add(self.every_ms);
        if after > now {
            return false;
        }
        self.spent_until = after;
        true
    }
}

/// `ms` ± 20 %, chosen by `random`.
pub(crate) fn jitter(ms: u64, random: u64) -> u64 {
    let span = ms.saturating_mul(2) / 5;
    ms.saturating_sub(span / 2)
        .saturating_add(random % span.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_set_again_moves_and_comes_once() {
        let mut timers = Timers::default();
        timers.set(Timer::Card, 50);
        timers.set(Timer::Housekeeping, 20);
        timers.set(Timer::Card, 10);
        timers.set_earliest(Timer::Card, 30);
        assert_eq!(timers.next(), Some(10));
        assert_eq!(timers.take_due(15), Some(Timer::Card));
        assert_eq!(timers.take_due(15), None);
        assert_eq!(timers.take_due(20), Some(Timer::Housekeeping));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn an_allowance_gives_a_burst_and_then_one_per_time() {
        let mut allowance = Allowance::new(100, 3);
        let taken = |allowance: &mut Allowance, now| (0..10).filter(|_| allowance.take(now)).count();
        assert_eq!(taken(&mut allowance, 10_000), 3);
        assert_eq!(taken(&mut allowance, 10_099), 0);
        assert_eq!(taken(&mut allowance, 10_100), 1);
        assert_eq!(taken(&mut allowance, 20_000), 3);
    }

    #[test]
    fn pauses_double_within_a_fifth_and_stop_at_the_maximum() {
        let mut backoff = Backoff::new(1_000, 300_000);
        for expected in [1_000u64, 2_000, 4_000, 8_000] {
            let pause = backoff.next(expected * 7);
            assert!(
                pause >= expected * 4 / 5 && pause <= expected * 6 / 5,
                "{pause} for {expected}"
            );
        }
        for _ in 0..40 {
            assert!(backoff.next(u64::MAX) <= 360_000);
        }
    }
}
