//! How fast the server lets this client speak, so that it never has to refuse for that.
//!
//! A server counts commands with a level that falls with each and rises with time. This keeps a
//! little below it, since what is sent evenly may arrive in a bunch.

use std::time::Duration;

use tidewire_model::Tick;
use tidewire_protocol::limits;

/// The share of what is allowed that is used, in percent.
const SHARE: u64 = 90;
/// What is kept to where a server tells no bound: the protocol's own.
const UNTOLD: (u64, u64) = (
    limits::COMMANDS_PER_SECOND as u64,
    limits::COMMAND_BURST as u64,
);
/// However much a server allows, it is not asked more than a hundred times what the protocol has.
const MOST: (u64, u64) = (UNTOLD.0 * 100, UNTOLD.1 * 100);

/// How fast commands may follow each other.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// From one command to the next, in the long run; zero before a server has told.
    interval: Duration,
    /// How far the planned times may run ahead of the clock.
    ahead: Duration,
    /// When the next command would be sent if none ran ahead.
    planned: Tick,
}

impl Pace {
    /// The server told its bounds. A zero counts as not told, and what is too much as the most there is: a
    /// server that lies, or does not know better, must not make a client flood it.
    pub(crate) fn new(now: Tick, per_second: u64, burst: u64) -> Self {
        let kept = |told: u64, untold: u64, most: u64| match told {
            0 => untold,
            told => told.min(most),
        };
        let per_second = kept(per_second, UNTOLD.0, MOST.0);
        let burst = kept(burst, UNTOLD.1, MOST.1);
        let micros = (100_000_000 / SHARE).div_ceil(per_second);
        let interval = Duration::from_micros(micros.max(1));
        let burst = (burst * SHARE / 100).max(1);
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
    fn law_19_whatever_a_server_announces_the_pace_is_one_that_can_be_kept() {
        // Announced; how many go at once, and within a minute.
        let cases = [
            ((0, 0), 180, 5_400),
            ((0, 1), 1, 5_400),
            ((0, u64::MAX), 18_000, 5_400),
            ((100, 0), 180, 5_400),
            ((1, 1), 1, 54),
            ((1, u64::MAX), 18_000, 54),
            ((u64::MAX, 1), 1, 536_000),
            ((u64::MAX, u64::MAX), 18_000, 536_000),
        ];
        for ((per_second, burst), at_once, in_a_minute) in cases {
            let mut pace = Pace::new(at(0), per_second, burst);
            let mut sent = 0;
            let mut now = at(0);
            while now < at(60_000) {
                while pace.next(now).is_none() {
                    pace.on_sent(now);
                    sent += 1;
                    assert!(sent <= at_once + in_a_minute, "{per_second}, {burst}");
                }
                if now == at(0) {
                    assert_eq!(sent, at_once, "{per_second}, {burst}");
                }
                now = pace.next(now).expect("it was asked just now");
            }
            assert!(
                sent >= in_a_minute * 9 / 10,
                "{per_second}, {burst}: {sent}"
            );
        }
    }
}
