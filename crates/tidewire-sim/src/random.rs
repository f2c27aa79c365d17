//! Chance, repeatable: the same seed draws the same lots. Never asks anybody else for chance.

use std::time::Duration;

/// Draws lots from a seed (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x7469_6465_7769_7265)
    }

    /// A source of its own, so that what is drawn from it does not shift what is drawn here.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.number())
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// A number from `first` to `last`, both included.
    pub(crate) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// Yes, so many times in a hundred.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A time between two numbers of milliseconds, to the microsecond.
    pub(crate) fn millis(&mut self, first_ms: u64, last_ms: u64) -> Duration {
        Duration::from_micros(self.between(first_ms * 1000, last_ms * 1000))
    }

    /// A time that is `mean_ms` on average: short ones are frequent, long ones happen.
    pub(crate) fn spread(&mut self, mean_ms: u64) -> Duration {
        let longest = match self.below(10) {
            0..5 => mean_ms,
            5..9 => mean_ms * 2,
            _ => mean_ms * 6,
        };
        self.millis(0, longest)
    }

    /// One of several; nothing of none.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let place = usize::try_from(self.below(items.len() as u64)).ok()?;
        items.get(place)
    }

    /// One of several that is known to be there.
    pub(crate) fn one<T: Copy, const N: usize>(&mut self, items: [T; N]) -> T {
        const { assert!(N > 0) };
        let place = usize::try_from(self.below(N as u64)).unwrap_or(0);
        items[place]
    }
}
