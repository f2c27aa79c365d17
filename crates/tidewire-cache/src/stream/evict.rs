//! What a stream lets go when it holds too much: absent marks and entities that nothing pins.
//!
//! A few steps at a time, the oldest first. What is let go is remembered as a point: nothing older
//! is believed any more of what is not held.

use tidewire_model::EntityId;

use super::{Stream, Touches};
use crate::base::{At, Image, later};
use crate::overlay::Overlay;
use crate::run::{Cause, Scope};
use crate::settings::Interest;
use crate::slots::Line;

/// How many entries are looked at for each one that came in.
const STEPS: usize = 4;

/// What is needed outside the stream, as far as eviction must know.
pub(crate) trait Pins {
    /// Whether somebody watches this entity, or a page on its way needs it.
    fn is_pinned(&self, id: &EntityId) -> bool;
    /// How many entities of the type are watched.
    fn watched(&self) -> usize;
}

impl Stream {
    /// Lets go of a few entries, if there are more than the bounds allow.
    pub(crate) fn evict(&mut self, pins: &impl Pins, overlay: &Overlay, touches: &mut Touches) {
        for _ in 0..STEPS {
            let marks_allowed = self.bounds.max_absent.saturating_add(pins.watched());
            if self.base.len(Line::Absent) <= marks_allowed {
                break;
            }
            self.evict_oldest(Line::Absent, pins, overlay, touches);
        }
        if matches!(self.settings.interest, Interest::Complete { .. }) {
            // A complete collection is pinned as a whole.
            return;
        }
        for _ in 0..STEPS {
            if self.kept_len() <= self.allowed(pins) {
                break;
            }
            self.evict_oldest(Line::Kept, pins, overlay, touches);
        }
    }

    /// How many entries may stay beside the absent marks.
    fn allowed(&self, pins: &impl Pins) -> usize {
        let in_runs = match self.scope() {
            Scope::Window => self.runs.rows(),
            Scope::Whole => 0,
        };
        [self.seen.len(), pins.watched(), in_runs]
            .into_iter()
            .fold(self.bounds.max_unpinned, usize::saturating_add)
    }

    fn evict_oldest(
        &mut self,
        line: Line,
        pins: &impl Pins,
        overlay: &Overlay,
        touches: &mut Touches,
    ) {
        let Some(id) = self.base.oldest(line) else {
            return;
        };
        let Some(entry) = self.base.get(&id) else {
            return;
        };
        if pins.is_pinned(&id)
            || self.seen.contains_key(&id)
            || self.is_in_window(&id, &entry.image, touches)
        {
            self.base.put_last(&id);
            return;
        }
        let era = self.standing.era;
        let newest = match (entry.known_at, entry.stale_at) {
            (known, Some(stale)) => Some(later(known, stale)),
            (known, None) => known,
        };
        if let Some(offset) = newest.and_then(|at: At| at.within(era)) {
            self.standing.forgotten = self.standing.forgotten.max(Some(offset));
        }
        self.put(&id, None, overlay, Cause::Evicted, touches);
    }

    fn is_in_window(&self, id: &EntityId, image: &Image, touches: &mut Touches) -> bool {
        if self.scope() != Scope::Window {
            return false;
        }
        let runs = self.runs.holders(image);
        #[cfg(test)]
        self.check_holders(id, image, &runs);
        touches.count(runs.len());
        runs.iter().any(|run| run.holds(id, image, self.rows()))
    }
}
