//! How many commands a client may send: so many at once, so many per second in the long run.

use tidewire_model::Tick;

/// Parts of a command, so that a refill of one microsecond is a whole number.
const PARTS: i64 = 1_000_000;

/// A level that rises with time and falls with commands. Refused commands cost as well, down to a
/// second burst below zero; who goes on beyond that is no longer answered.
#[derive(Debug)]
pub(crate) struct Bucket {
    level: i64,
    full: i64,
    per_second: i64,
    at: Tick,
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// It is done.
    Yes,
    /// It is refused, and may come again after so many milliseconds.
    Later { retry_after_ms: u64 },
    /// The connection is closed.
    No,
}

impl Bucket {
    pub(crate) fn full(now: Tick, burst: u32, per_second: u32) -> Self {
        let full = i64::from(burst) * PARTS;
        Self {
            level: full,
            full,
            per_second: i64::from(per_second),
            at: now,
        }
    }

    /// Takes one command.
    pub(crate) fn take(&mut self, now: Tick) -> Allowed {
        let elapsed = i64::try_from((now - self.at).as_micros()).unwrap_or(i64::MAX);
        self.at = self.at.max(now);
        self.level = self
            .level
            .saturating_add(elapsed.saturating_mul(self.per_second))
            .min(self.full);
        if self.level <= -self.full {
            return Allowed::No;
        }
        self.level -= PARTS;
        if self.level >= 0 {
            return Allowed::Yes;
        }
        let wait = self
            .level
            .unsigned_abs()
            .div_ceil(self.per_second.max(1).unsigned_abs() * 1000);
        Allowed::Later {
            retry_after_ms: wait.max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: u64) -> Tick {
        Tick::from_micros(micros)
    }

    #[test]
    fn a_burst_passes_and_the_next_command_waits() {
        let mut bucket = Bucket::full(at(0), 200, 100);
        for _ in 0..200 {
            assert_eq!(bucket.take(at(0)), Allowed::Yes);
        }
        assert_eq!(bucket.take(at(0)), Allowed::Later { retry_after_ms: 10 });
    }

    #[test]
    fn in_the_long_run_the_rate_passes_and_no_more() {
        let mut bucket = Bucket::full(at(0), 200, 100);
        let passed = (0..3000)
            .filter(|n| bucket.take(at(n * 5000)) == Allowed::Yes)
            .count();
        // 15 seconds at 200 per second: the burst, and about 100 per second.
        assert!((200..=1700).contains(&passed), "{passed}");
        let mut steady = Bucket::full(at(0), 200, 100);
        assert!((0..3000).all(|n| steady.take(at(n * 10_000)) == Allowed::Yes));
    }

    #[test]
    fn who_never_listens_is_cut_off_after_a_second_burst() {
        let mut bucket = Bucket::full(at(0), 200, 100);
        let answered = (0..1000)
            .take_while(|_| bucket.take(at(0)) != Allowed::No)
            .count();
        assert_eq!(answered, 400);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut bucket = Bucket::full(at(1_000_000), 1, 1);
        assert_eq!(bucket.take(at(1_000_000)), Allowed::Yes);
        assert_ne!(bucket.take(at(0)), Allowed::Yes);
        assert_ne!(bucket.take(at(1_000_000)), Allowed::Yes);
    }
}
