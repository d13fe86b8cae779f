//! When a webhook whose receiver fails is tried again, and when it is paused.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
}

impl Trouble {
    /// What it is after one more failure.
    pub(super) fn after(before: Option<&Self>, error: String, now: u64) -> Self {
        let since = before.map_or(now, |trouble| trouble.since);
        let tries = before.map_or(0, |trouble| trouble.tries).saturating_add(1);
        Self {
            since,
            tries,
            error,
            paused: now.saturating_sub(since) >= GIVE_UP_MS && tries >= GIVE_UP_TRIES,
        }
    }

    /// How long to wait for the next try. `random` spreads those that failed together: over the upper half of the time.
    pub(super) fn pause(&self, random: u32) -> Duration {
        let doublings = self.tries.saturating_sub(1).min(16);
        let whole = FIRST_PAUSE
            .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
            .min(LONGEST_PAUSE);
        whole.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0)
    }
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
            };
            trouble.pause(random).as_millis()
        };
        assert_eq!((pause(1, u32::MAX), pause(1, 0)), (1_000, 500));
        assert_eq!((pause(5, u32::MAX), pause(5, 0)), (16_000, 8_000));
        assert_eq!((pause(11, u32::MAX), pause(u32::MAX, u32::MAX)), (600_000, 600_000));
    }

    #[test]
    fn only_a_day_of_failures_pauses() {
        let mut trouble = Trouble::after(None, "x".into(), 5);
        for hour in 1..24 {
            trouble = Trouble::after(Some(&trouble), "x".into(), hour * HOUR);
            assert!(!trouble.paused, "{hour}");
        }
        assert_eq!((trouble.since, trouble.tries), (5, 24));
        assert!(!Trouble::after(Some(&trouble), "x".into(), 24 * HOUR + 4).paused);
        assert!(Trouble::after(Some(&trouble), "x".into(), 24 * HOUR + 5).paused);
        let few = Trouble { tries: 3, ..trouble };
        assert!(
            !Trouble::after(Some(&few), "x".into(), 48 * HOUR).paused,
            "the node was off"
        );
    }
}
