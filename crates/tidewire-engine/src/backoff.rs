//! How long to wait before the next connection attempt.
//!
//! Full jitter (protocol rule 14): a random time up to a ceiling that doubles with every failure,
//! from 200 ms to 30 s. It falls back to the start only after a connection stayed healthy for 10 s,
//! so that a server that accepts and drops at once is not hammered.

use std::time::Duration;

use tidewire_model::Tick;

use crate::random::Random;

/// Bounds of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffSettings {
    /// The first ceiling.
    pub min: Duration,
    /// The last ceiling.
    pub max: Duration,
    /// A connection that lasted this long was healthy.
    pub healthy_after: Duration,
}

impl Default for BackoffSettings {
    fn default() -> Self {
        Self {
            min: Duration::from_millis(200),
            max: Duration::from_secs(30),
            healthy_after: Duration::from_secs(10),
        }
    }
}

/// A peer may ask to be left alone for so long at most: one that lies must not keep a client away for ever.
const ASKED_MAX: Duration = Duration::from_secs(15 * 60);

/// The wait that a peer asked for, as far as it is kept to.
pub(crate) fn as_asked(wait: Option<Duration>) -> Duration {
    wait.unwrap_or(Duration::ZERO).min(ASKED_MAX)
}

/// A wait that doubles each time, up to the longest.
pub(crate) fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(longest)
}

/// The longest wait for an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10 * 60);

/// How long an answer is waited for after so many times in vain: twice as long each time, so that one that takes long
/// comes in time at last.
pub(crate) fn patience(first: Duration, times: u32) -> Duration {
    doubled(first, times, first.max(ANSWER_WAIT_MAX))
}

/// The failures in a row.
#[derive(Debug)]
pub(crate) struct Backoff {
    settings: BackoffSettings,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(settings: BackoffSettings) -> Self {
        Self {
            settings,
            failures: 0,
        }
    }

    /// A connection was ready from `since` to `now`; tells whether it was healthy.
    pub(crate) fn on_ended(&mut self, now: Tick, since: Tick) -> bool {
        let healthy = now - since >= self.settings.healthy_after;
        if healthy {
            self.failures = 0;
        }
        healthy
    }

    /// Counts a failure and says how long to wait.
    pub(crate) fn next_wait(&mut self, random: &mut Random) -> Duration {
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        let micros = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(random.up_to(micros))
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    fn ceiling(&self) -> Duration {
        doubled(self.settings.min, self.failures, self.settings.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_never_exceeds_a_doubling_ceiling() {
        let mut random = Random::new(3);
        for _ in 0..50 {
            let mut backoff = Backoff::new(BackoffSettings::default());
            let mut ceiling = Duration::from_millis(200);
            for _ in 0..40 {
                assert!(backoff.next_wait(&mut random) <= ceiling);
                ceiling = (ceiling * 2).min(Duration::from_secs(30));
            }
        }
    }

    #[test]
    fn only_a_healthy_connection_resets_the_ceiling() {
        let mut backoff = Backoff::new(BackoffSettings::default());
        let mut random = Random::new(3);
        for _ in 0..5 {
            backoff.next_wait(&mut random);
        }
        let start = Tick::from_micros(0);
        assert!(!backoff.on_ended(start + Duration::from_millis(9_999), start));
        assert_eq!(backoff.ceiling(), Duration::from_millis(6_400));
        assert!(backoff.on_ended(start + Duration::from_secs(10), start));
        assert_eq!(backoff.ceiling(), Duration::from_millis(200));
    }
}
