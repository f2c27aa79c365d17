//! What a stream lets go when there is too much: entities that nothing pins and nobody read, and
//! absent marks.
//!
//! One look at a time; when to look, and in which stream, is decided by whoever holds all streams.
//! What is let go is remembered as a point: nothing older is believed any more of what is not held.

use tidewire_model::EntityId;

use super::{Stream, Touches};
use crate::base::{At, Entry, Image, later};
use crate::key_index::KeyIndex;
use crate::overlay::Overlay;
use crate::run::Cause;
use crate::settings::Interest;
use crate::slots::Line;

/// What is needed outside the stream, as far as eviction must know.
pub(crate) trait Pins {
    /// Whether somebody watches this entity, or a page on its way needs it.
    fn is_pinned(&self, id: &EntityId) -> bool;
}

impl Stream {
    /// Whether all of it is pinned.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.settings.interest, Interest::Complete { .. })
    }

    /// What the budget counts for all of it.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.base.all_counted_bytes()
            + self.runs.counted_bytes()
            + self.opaque.counted_bytes()
            + self.seen.counted_bytes()
            + self.index.as_ref().map_or(0, KeyIndex::counted_bytes)
    }

    /// Whether more absent marks are held than the bounds allow, those aside that are pinned.
    pub(crate) fn has_many_marks(&self) -> bool {
        self.base.line(Line::Absent).0 > self.bounds.max_absent
    }

    /// Looks at the entity under the hand: it is spared, set apart, or let go.
    pub(crate) fn evict_at_hand(
        &mut self,
        pins: &impl Pins,
        overlay: &Overlay,
        touches: &mut Touches,
    ) {
        let Some(id) = self.base.pass() else { return };
        let Some(entry) = self.base.get(&id) else {
            return;
        };
        if self.is_pinned(&id, &entry.image, pins, touches) {
            self.base.pin(&id);
        } else {
            self.let_go(&id, &entry, overlay, touches);
        }
    }

    /// Looks at the pinned entity that was looked at least recently: whether it is pinned still.
    pub(crate) fn recheck_pinned(&mut self, pins: &impl Pins, touches: &mut Touches) {
        let Some(id) = self.base.first(Line::Pinned) else {
            return;
        };
        let image = self.base_image(&id);
        if self.is_pinned(&id, &image, pins, touches) {
            self.base.keep_pinned();
        } else {
            self.base.unpin(&id);
        }
    }

    /// Looks at the oldest absent mark: it is set apart, or let go.
    pub(crate) fn evict_mark(
        &mut self,
        pins: &impl Pins,
        overlay: &Overlay,
        touches: &mut Touches,
    ) {
        let Some(id) = self.base.first(Line::Absent) else {
            return;
        };
        let Some(entry) = self.base.get(&id) else {
            return;
        };
        if self.is_pinned(&id, &entry.image, pins, touches) {
            self.base.pin(&id);
        } else {
            self.let_go(&id, &entry, overlay, touches);
        }
    }

    fn let_go(&mut self, id: &EntityId, entry: &Entry, overlay: &Overlay, touches: &mut Touches) {
        let era = self.standing.era;
        let newest = match (entry.known_at, entry.stale_at) {
            (known, Some(stale)) => Some(later(known, stale)),
            (known, None) => known,
        };
        if let Some(offset) = newest.and_then(|at: At| at.within(era)) {
            self.standing.forgotten = self.standing.forgotten.max(Some(offset));
        }
        self.has_gaps |= entry.image != Image::Absent;
        self.put(id, None, overlay, Cause::Evicted, touches);
    }

    fn is_pinned(
        &self,
        id: &EntityId,
        image: &Image,
        pins: &impl Pins,
        touches: &mut Touches,
    ) -> bool {
        pins.is_pinned(id)
            || self.seen.contains_key(id)
            || self.opaque.holds(id)
            || self.is_in_window(id, image, touches)
    }

    /// Whether it is a row of a list that was asked for, or one of the first rows of a list about
    /// everything held, as many as are looked at. A list about everything held without a limit pins
    /// nothing, or nothing would ever go.
    fn is_in_window(&self, id: &EntityId, image: &Image, touches: &mut Touches) -> bool {
        if self.is_whole() {
            return false;
        }
        let runs = self.runs.holders(image);
        #[cfg(test)]
        self.check_holders(id, image, &runs);
        touches.count(runs.len());
        runs.iter().any(|run| run.shows(id, image, self.rows()))
    }
}
