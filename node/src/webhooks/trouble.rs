//! When a webhook whose receiver fails is tried again, and when it is paused.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::retry_after::LONGEST;

/// Before the second try; each pause after it is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// A receiver that has failed for so long, and so often, is left alone until somebody says otherwise. A node that was off in
/// between has tried less often than the time says.
const GIVE_UP_MS: u64 = 24 * 3_600_000;
const GIVE_UP_TRIES: u32 = 24;

/// A row of failures without a success in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trouble {
    pub(crate) since: u64,
    pub(crate) tries: u32,
    /// How the last one failed.
    pub(crate) error: String,
    pub(crate) paused: bool,
    /// Until when the receiver asked to be left alone, ms since 1970; 0 = it did not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) not_before: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(time: &u64) -> bool {
    *time == 0
}

impl Trouble {
    /// What it is after one more failure, after which the receiver asks for a pause or not.
    pub(super) fn after(before: Option<&Self>, error: String, wait: Option<Duration>, now: u64) -> Self {
        let since = before.map_or(now, |trouble| trouble.since);
        let tries = before.map_or(0, |trouble| trouble.tries).saturating_add(1);
        Self {
            since,
            tries,
            error,
            paused: now.saturating_sub(since) >= GIVE_UP_MS && tries >= GIVE_UP_TRIES,
            not_before: wait.map_or(0, |wait| now.saturating_add(ms(wait))),
        }
    }

    /// How long to wait for the next try at `now`: never less than failures in a row cost, and as long as the receiver asks for.
    /// `random` spreads those that failed together: over the upper half of the time.
    pub(super) fn pause(&self, random: u32, now: u64) -> Duration {
        self.own_pause(random).max(self.asked_pause(now))
    }

    /// What is left at `now` of what the receiver asked for. A clock that was set back makes it no longer.
    pub(super) fn asked_pause(&self, now: u64) -> Duration {
        Duration::from_millis(self.not_before.saturating_sub(now)).min(LONGEST)
    }

    fn own_pause(&self, random: u32) -> Duration {
        let doublings = self.tries.saturating_sub(1).min(16);
        let whole = FIRST_PAUSE
            .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
            .min(LONGEST_PAUSE);
        whole.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0)
    }
}

/// Whole milliseconds.
pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let pause = |tries, random| {
            let trouble = Trouble {
                since: 0,
                tries,
                error: String::new(),
                paused: false,
                not_before: 0,
            };
            trouble.pause(random, 0).as_millis()
        };
        assert_eq!((pause(1, u32::MAX), pause(1, 0)), (1_000, 500));
        assert_eq!((pause(5, u32::MAX), pause(5, 0)), (16_000, 8_000));
        assert_eq!((pause(11, u32::MAX), pause(u32::MAX, u32::MAX)), (600_000, 600_000));
    }

    #[test]
    fn what_a_receiver_asks_for_makes_a_pause_longer_and_never_shorter() {
        let asked = |tries, seconds| {
            let wait = Some(Duration::from_secs(seconds));
            let before = Trouble::after(None, String::new(), None, 0);
            let before = Trouble { tries, ..before };
            Trouble::after(Some(&before), String::new(), wait, 1_000)
        };
        let pause = |trouble: &Trouble, now| trouble.pause(u32::MAX, now).as_secs();
        assert_eq!(pause(&asked(0, 60), 1_000), 60);
        assert_eq!(pause(&asked(0, 60), 41_000), 20, "some of it is over");
        assert_eq!(pause(&asked(10, 60), 1_000), 600);
        assert_eq!(pause(&asked(0, 0), 1_000), 1);
        assert_eq!(pause(&asked(0, 24 * 3_600), 0), 24 * 3_600, "the clock was set back");
        let next = Trouble::after(Some(&asked(0, 60)), String::new(), None, 2_000);
        assert_eq!(pause(&next, 2_000), 2, "the last answer counts");
    }

    #[test]
    fn only_a_day_of_failures_pauses() {
        let mut trouble = Trouble::after(None, "x".into(), None, 5);
        for hour in 1..24 {
            trouble = Trouble::after(Some(&trouble), "x".into(), None, hour * HOUR);
            assert!(!trouble.paused, "{hour}");
        }
        assert_eq!((trouble.since, trouble.tries), (5, 24));
        assert!(!Trouble::after(Some(&trouble), "x".into(), None, 24 * HOUR + 4).paused);
        assert!(Trouble::after(Some(&trouble), "x".into(), None, 24 * HOUR + 5).paused);
        let few = Trouble { tries: 3, ..trouble };
        assert!(
            !Trouble::after(Some(&few), "x".into(), None, 48 * HOUR).paused,
            "the node was off"
        );
    }
}
