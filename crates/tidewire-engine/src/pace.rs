//! How fast the server lets this client speak, so that it never has to refuse for that.
//!
//! A server counts commands with a level that falls with each and rises with time. This keeps a
//! little below it, since what is sent evenly may arrive in a bunch.

use std::time::Duration;

use tidewire_model::Tick;

/// The share of what is allowed that is used, in percent.
const SHARE: u64 = 90;

/// How fast commands may follow each other.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// From one command to the next, in the long run; zero where the server sets no bound.
    interval: Duration,
    /// How far the planned times may run ahead of the clock.
    ahead: Duration,
    /// When the next command would be sent if none ran ahead.
    planned: Tick,
}

impl Pace {
    /// The server told its bounds. A zero means none.
    pub(crate) fn new(now: Tick, per_second: u64, burst: u64) -> Self {
        if per_second == 0 {
            return Self::default();
        }
        let micros = (100_000_000 / SHARE).div_ceil(per_second);
        let interval = Duration::from_micros(micros.max(1));
        let burst = (burst * SHARE / 100).clamp(1, u64::from(u32::MAX));
        Self {
            interval,
            ahead: interval * u32::try_from(burst - 1).unwrap_or(u32::MAX),
            planned: now,
        }
    }

    /// A command is sent.
    pub(crate) fn on_sent(&mut self, now: Tick) {
        self.planned = self.planned.max(now) + self.interval;
    }

    /// When the next command may be sent, if not now.
    pub(crate) fn next(&self, now: Tick) -> Option<Tick> {
        (self.planned > now + self.ahead).then(|| now + (self.planned - (now + self.ahead)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Tick {
        Tick::from_micros(millis * 1_000)
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_servers_pace() {
        let mut pace = Pace::new(at(0), 90, 10);
        for _ in 0..9 {
            assert_eq!(pace.next(at(0)), None);
            pace.on_sent(at(0));
        }
        let next = pace.next(at(0)).expect("the burst is used up");
        assert!(next > at(12) && next <= at(13), "{next:?}");
        assert_eq!(pace.next(next), None);
        pace.on_sent(next);
        assert!(pace.next(next).is_some());
        assert_eq!(pace.next(at(1_000)), None);
    }

    #[test]
    fn whoever_rests_has_the_burst_again_and_no_more() {
        let mut pace = Pace::new(at(0), 90, 10);
        (0..9).for_each(|_| pace.on_sent(at(0)));
        let later = at(60_000);
        (0..9).for_each(|_| pace.on_sent(later));
        assert!(pace.next(later).is_some());
    }

    #[test]
    fn a_server_without_a_bound_is_not_waited_for() {
        let mut pace = Pace::new(at(0), 0, 0);
        (0..10_000).for_each(|_| pace.on_sent(at(0)));
        assert_eq!(pace.next(at(0)), None);
    }
}
