//! What others wrote, on its way to third devices. Its author gives it to all of them, and each says soon that it holds it: whoever
//! passed it on at once would send it to everybody who is about to say so, and in a room of many that is each message once for every
//! pair of its members. So it rests a moment, and goes to those who still lack it.
//!
//! In a large room nobody is told at once what others hold of content: they say it with all they hold, to one link after the other, and
//! whoever hears it gives what was missing then.

use std::collections::{BTreeMap, BTreeSet};

use parlour_crypto::Intervals;
use parlour_store::{ConversationNo, DeviceNo, EventKey, LogKey, StoreError};

use super::Engine;
use super::effects::Turn;
use super::people::Members;
use super::rooms::holds_operations;
use super::timers::Timer;

/// More devices of others make a room a large one.
pub(crate) const LARGE: usize = 32;
/// What has come rests so long, and up to so much longer, so that not all who hold it give it at the same moment.
const REST_MS: u64 = 1_000;
const SPREAD_MS: u64 = 1_000;
/// … in a large room, where more hold it.
const LARGE_SPREAD_MS: u64 = 3_000;
/// By now every link of a large room has told everything, and what it lacks is to be given.
const TOLD_MS: u64 = 90_000;
/// Events that may rest; what is over is given at once.
const MAX_RESTING: usize = 4_096;

impl Members {
    /// Whether it is a room of so many devices that not all of them can tell each other everything.
    pub(crate) fn is_large(&self) -> bool {
        self.recipients.len() > LARGE
    }
}

/// How long an event rests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Until this time.
    Time,
    /// Until a link has told after this time what it holds.
    Told,
}

/// What came from others and is not given to everybody yet.
#[derive(Default)]
pub(crate) struct Offering {
    resting: BTreeMap<LogKey, BTreeMap<u64, (u64, Until)>>,
    /// When something is due.
    due: BTreeSet<(u64, LogKey, u64)>,
}

impl Offering {
    fn rest(&mut self, (log, seq): (LogKey, u64), at: u64, until: Until) {
        if self.due.len() >= MAX_RESTING {
            return;
        }
        let end = match until {
            Until::Time => at,
            Until::Told => at.saturating_add(TOLD_MS),
        };
        if let Some((old, _)) = self.resting.entry(log).or_default().insert(seq, (at, until)) {
            self.due.remove(&(old, log, seq));
            self.due.remove(&(old.saturating_add(TOLD_MS), log, seq));
        }
        self.due.insert((end, log, seq));
    }

    /// What of a log is not given to a link that told everything it holds at `told`, ms.
    pub(crate) fn held_back(&self, log: &LogKey, now: u64, told: u64) -> Intervals {
        let resting = self.resting.get(log).into_iter().flatten();
        let rests = resting.filter(|(_, (at, until))| match until {
            Until::Time => *at > now,
            Until::Told => *at > told,
        });
        rests.map(|(seq, _)| *seq).collect()
    }

    /// The logs of a conversation in which something rests.
    pub(crate) fn resting_in(&self, conversation: ConversationNo) -> impl Iterator<Item = &LogKey> {
        let log = |device, log| LogKey {
            conversation,
            device: DeviceNo(device),
            log,
        };
        let logs = self.resting.range(log(0, 0)..=log(u32::MAX, u32::MAX));
        logs.map(|(log, _)| log)
    }

    /// Where something has rested long enough.
    fn take_due(&mut self, now: u64) -> BTreeMap<ConversationNo, BTreeSet<LogKey>> {
        let mut due: BTreeMap<_, BTreeSet<LogKey>> = BTreeMap::new();
        while let Some(&(at, log, seq)) = self.due.first().filter(|(at, ..)| *at <= now) {
            self.due.remove(&(at, log, seq));
            if let Some(of_log) = self.resting.get_mut(&log) {
                of_log.remove(&seq);
                if of_log.is_empty() {
                    self.resting.remove(&log);
                }
            }
            due.entry(log.conversation).or_default().insert(log);
        }
        due
    }

    fn next(&self) -> Option<u64> {
        self.due.first().map(|(at, ..)| *at)
    }

    /// The clock was set back.
    pub(crate) fn set_back(&mut self, by: u64) {
        for (at, _) in self.resting.values_mut().flat_map(BTreeMap::values_mut) {
            *at = at.saturating_sub(by);
        }
        let due = std::mem::take(&mut self.due).into_iter();
        self.due = due.map(|(at, log, seq)| (at.saturating_sub(by), log, seq)).collect();
    }
}

impl Engine {
    /// Something new of others has come: leaves its author, and everybody who gets it from them, the time to do their part.
    pub(crate) fn let_rest(&mut self, turn: &Turn<'_, '_>, key: &EventKey) -> Result<(), StoreError> {
        let EventKey { log, seq, .. } = *key;
        let Some(members) = self.members(turn, log.conversation)? else {
            return Ok(());
        };
        let (large, operation) = (members.is_large(), holds_operations(&log));
        // Nobody else is there, or it is needed to understand what others say, and rare.
        if log.device == self.own.device || members.recipients.len() < 2 || (operation && !large) {
            return Ok(());
        }
        let spread = if large { LARGE_SPREAD_MS } else { SPREAD_MS };
        let (until, longer) = match large && !operation {
            true => (Until::Told, 0),
            false => (Until::Time, self.random() % spread),
        };
        let at = turn.now.saturating_add(REST_MS).saturating_add(longer);
        self.offering.rest((log, seq), at, until);
        self.offer_in_time();
        Ok(())
    }

    fn offer_in_time(&mut self) {
        if let Some(due) = self.offering.next() {
            self.timers.set_earliest(Timer::Offer, due);
        }
    }

    /// Something has rested long enough: whoever still lacks it is given it.
    pub(crate) fn on_offer_timer(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for (no, logs) in self.offering.take_due(turn.now) {
            for stream in self.links_sharing(turn, no)? {
                if let Some(link) = self.link(stream) {
                    logs.iter().for_each(|log| link.want_log(*log));
                }
            }
        }
        self.offer_in_time();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(device: u32) -> LogKey {
        LogKey {
            conversation: ConversationNo(1),
            device: DeviceNo(device),
            log: 1,
        }
    }

    fn held_back(offering: &Offering, now: u64, told: u64) -> Vec<u64> {
        offering.held_back(&log(1), now, told).values().collect()
    }

    #[test]
    fn what_rests_for_a_time_is_held_back_from_everybody_until_then() {
        let mut offering = Offering::default();
        offering.rest((log(1), 7), 1_000, Until::Time);
        assert_eq!(held_back(&offering, 999, 999), [7]);
        assert_eq!(held_back(&offering, 1_000, 0), [0; 0]);
        assert_eq!(offering.held_back(&log(2), 0, 0), Intervals::default());
        assert!(offering.take_due(999).is_empty());
        assert_eq!(
            offering.take_due(1_000),
            BTreeMap::from([(ConversationNo(1), BTreeSet::from([log(1)]))])
        );
        assert_eq!(offering.next(), None);
    }

    #[test]
    fn what_rests_until_it_is_told_goes_to_those_who_tell_after_that_and_at_last_to_all() {
        let mut offering = Offering::default();
        offering.rest((log(1), 7), 1_000, Until::Told);
        assert_eq!(held_back(&offering, 60_000, 999), [7], "it may be there by now");
        assert_eq!(held_back(&offering, 60_000, 1_000), [0; 0]);
        assert_eq!(offering.next(), Some(1_000 + TOLD_MS));
        assert_eq!(offering.take_due(1_000 + TOLD_MS).len(), 1);
        assert_eq!(held_back(&offering, 100_000, 0), [0; 0]);
    }

    #[test]
    fn no_more_rests_than_fits_and_a_clock_set_back_keeps_nothing_longer() {
        let mut offering = Offering::default();
        for seq in 0..=MAX_RESTING as u64 {
            offering.rest((log(1), seq), 100_000, Until::Time);
        }
        assert_eq!(held_back(&offering, 0, 0).len(), MAX_RESTING);
        offering.set_back(90_000);
        assert_eq!(offering.next(), Some(10_000));
        assert_eq!(held_back(&offering, 10_000, 0), [0; 0]);
        assert_eq!(offering.take_due(10_000).len(), 1);
        assert!(offering.resting.is_empty());
    }
}
