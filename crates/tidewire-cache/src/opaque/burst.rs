//! A burst of changes of one type: when it is over, so that its lists are asked for once.
//!
//! Knows two times and the two waits; which lists a change concerns is not decided here.

use tidewire_model::Tick;

use crate::settings::CollectionSettings;

/// Changes that follow each other closely.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burst {
    first: Tick,
    last: Tick,
}

impl Burst {
    pub(super) fn begin(now: Tick) -> Self {
        Self {
            first: now,
            last: now,
        }
    }

    pub(super) fn go_on(&mut self, now: Tick) {
        self.last = now;
    }

    /// When it is over: after a quiet time, and a while after its first change at the latest, so that
    /// changes without a pause hold nothing up.
    pub(super) fn ends_at(&self, settings: &CollectionSettings) -> Tick {
        let quiet = self.last + settings.opaque_quiet;
        quiet.min(self.first + settings.opaque_wait_max)
    }
}
