//! Virtual time: what happens when, in one line. Time moves only by taking the next thing out.

use std::collections::BTreeMap;
use std::time::Duration;

use tidewire_model::{Now, Tick, WallTime};

/// When the world begins, on the wall clock.
const WALL_START_MS: u64 = 1_700_000_000_000;
/// The first tick. Not zero, so that a clock that was never set shows.
const FIRST_TICK_MICROS: u64 = 1_000_000;

/// What is planned, by time; what is planned for one time stays in the order of planning.
#[derive(Debug)]
pub(crate) struct Clock<E> {
    now: Tick,
    planned: BTreeMap<(Tick, u64), E>,
    count: u64,
}

impl<E> Clock<E> {
    pub(crate) fn new() -> Self {
        Self {
            now: Tick::from_micros(FIRST_TICK_MICROS),
            planned: BTreeMap::new(),
            count: 0,
        }
    }

    pub(crate) fn tick(&self) -> Tick {
        self.now
    }

    pub(crate) fn now(&self) -> Now {
        let wall = WALL_START_MS + self.now.as_micros() / 1000;
        Now::new(self.now, WallTime::from_unix_millis(wall))
    }

    pub(crate) fn plan(&mut self, wait: Duration, event: E) {
        self.plan_at(self.now + wait, event);
    }

    pub(crate) fn plan_at(&mut self, at: Tick, event: E) {
        self.count += 1;
        self.planned.insert((at.max(self.now), self.count), event);
    }

    /// When the next planned thing happens.
    pub(crate) fn next_at(&self) -> Option<Tick> {
        self.planned.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next planned thing; it is its time now.
    pub(crate) fn take(&mut self) -> Option<E> {
        let ((at, _), event) = self.planned.pop_first()?;
        self.now = self.now.max(at);
        Some(event)
    }

    /// Time passes until then; nothing planned lies before.
    pub(crate) fn move_to(&mut self, at: Tick) {
        self.now = self.now.max(at);
    }
}
