//! When what has come in is shown.
//!
//! At once if nothing was shown for a window, else at the window's end or when there is much of it.
//! Answers and losses do not wait. What is in a batch is the cache's affair.

use std::time::Duration;

use tidewire_model::Tick;

use crate::assembly::Weight;

/// The time of the batch under way.
#[derive(Debug)]
pub(crate) struct Batch {
    window: Duration,
    max: Weight,
    shown: Option<Tick>,
    urgent: bool,
    working: bool,
    /// Bytes of frames that came since the batch under way began, or the last one.
    came: usize,
    /// Bytes of frames that came before the batch under way.
    worked: usize,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Rest,
    /// Work.
    Work,
    /// Wait until then.
    Wait(Tick),
}

/// Whether a batch begins with a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    Yes,
    No,
}

impl Batch {
    /// A batch is shown before its window ends once it holds this much.
    pub(crate) fn new(window: Duration, max: Weight) -> Self {
        Self {
            window,
            max,
            shown: None,
            urgent: false,
            working: false,
            came: 0,
            worked: 0,
        }
    }

    /// A frame of so many bytes came. Whatever it said counts as waiting until a batch is shown that
    /// began behind it.
    pub(crate) fn on_frame(&mut self, bytes: usize) {
        self.came = self.came.saturating_add(bytes);
    }

    /// Whether more bytes wait than are to.
    pub(crate) fn is_full(&self) -> bool {
        self.came.saturating_add(self.worked) >= self.max.bytes
    }

    /// Something came that must not wait for the window.
    pub(crate) fn hurry(&mut self) {
        self.urgent = true;
    }

    /// A slice is about to be worked. With the first one of a batch, what waited and was urgent is
    /// in the batch; what becomes urgent later is behind it.
    pub(crate) fn on_work(&mut self) -> Begun {
        if self.working {
            return Begun::No;
        }
        self.working = true;
        self.urgent = false;
        self.worked = std::mem::take(&mut self.came);
        Begun::Yes
    }

    /// A batch was shown.
    pub(crate) fn on_shown(&mut self, now: Tick) {
        self.shown = Some(now);
        self.working = false;
        self.worked = 0;
    }

    /// Whether to work, given how many rows wait.
    pub(crate) fn verdict(&self, now: Tick, staged: Option<usize>) -> Verdict {
        if self.working {
            return Verdict::Work;
        }
        let Some(rows) = staged else {
            return Verdict::Rest;
        };
        match self.shown.map(|shown| shown + self.window) {
            Some(end) if end > now && !self.urgent && rows < self.max.rows && !self.is_full() => {
                Verdict::Wait(end)
            }
            Some(_) | None => Verdict::Work,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(100);

    const MAX: Weight = Weight {
        rows: 10,
        bytes: 1_000,
    };

    fn at(ms: u64) -> Tick {
        Tick::from_micros(ms * 1_000)
    }

    #[test]
    fn the_first_change_after_a_quiet_window_is_shown_at_once() {
        let mut batch = Batch::new(WINDOW, MAX);
        assert_eq!(batch.verdict(at(0), None), Verdict::Rest);
        assert_eq!(batch.verdict(at(0), Some(1)), Verdict::Work);
        batch.on_shown(at(0));
        assert_eq!(batch.verdict(at(100), Some(1)), Verdict::Work);
    }

    #[test]
    fn what_follows_within_the_window_waits_for_its_end_but_not_longer() {
        let mut batch = Batch::new(WINDOW, MAX);
        batch.on_shown(at(0));
        assert_eq!(batch.verdict(at(1), Some(1)), Verdict::Wait(at(100)));
        assert_eq!(batch.verdict(at(99), Some(9)), Verdict::Wait(at(100)));
        assert_eq!(batch.verdict(at(100), Some(9)), Verdict::Work);
    }

    #[test]
    fn much_of_it_and_answers_do_not_wait() {
        let mut batch = Batch::new(WINDOW, MAX);
        batch.on_shown(at(0));
        assert_eq!(batch.verdict(at(1), Some(10)), Verdict::Work);
        batch.hurry();
        assert_eq!(batch.verdict(at(1), Some(1)), Verdict::Work);
        batch.on_work();
        batch.on_shown(at(1));
        assert_eq!(batch.verdict(at(2), Some(1)), Verdict::Wait(at(101)));
    }

    #[test]
    fn a_half_worked_batch_goes_on() {
        let mut batch = Batch::new(WINDOW, MAX);
        batch.on_shown(at(0));
        batch.on_work();
        assert_eq!(batch.verdict(at(1), None), Verdict::Work);
    }

    #[test]
    fn what_becomes_urgent_behind_a_half_worked_batch_does_not_wait_either() {
        let mut batch = Batch::new(WINDOW, MAX);
        batch.on_work();
        batch.hurry();
        batch.on_work();
        batch.on_shown(at(0));
        assert_eq!(batch.verdict(at(1), Some(1)), Verdict::Work);
    }

    #[test]
    fn law_17_many_bytes_do_not_wait_for_the_window_and_count_until_they_are_shown() {
        let mut batch = Batch::new(WINDOW, MAX);
        batch.on_shown(at(0));
        batch.on_frame(999);
        assert_eq!(batch.verdict(at(1), Some(1)), Verdict::Wait(at(100)));
        assert!(!batch.is_full());
        batch.on_frame(1);
        assert_eq!(batch.verdict(at(1), Some(1)), Verdict::Work);
        batch.on_work();
        assert!(batch.is_full(), "it is being worked");
        batch.on_shown(at(1));
        assert!(!batch.is_full());
    }
}
