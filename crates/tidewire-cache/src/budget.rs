//! The budget of bytes as whoever drives a cache sees it: setting it, and telling what was read.
//!
//! Readers leave a bit where they read, at any time and from any thread. So that the same inputs give
//! the same outputs, nothing is decided by those bits: they are taken out, and come back in as an input.

use tidewire_model::EntityKey;

use crate::cache::Cache;
use crate::stats::Pressure;
use crate::work::{Item, Shrink};

/// How many entities ahead of the hand are asked whether they were read, in each type.
const LOOKS_AHEAD: usize = 128;

/// How many entities one input can tell of.
pub const MAX_TOUCHED: usize = 1_024;

impl Cache {
    /// How many bytes may be held from now on. What is too much goes with the batches that follow.
    pub fn set_max_bytes(&mut self, max_bytes: usize) {
        self.settings.max_bytes = max_bytes;
        self.stage_shrink(Shrink::after_pins());
    }

    /// So many bytes are held outside on behalf of what is held here, such as typed copies of records.
    /// They leave that much less room.
    pub fn set_outside_bytes(&mut self, bytes: usize) {
        self.outside_bytes = bytes;
        self.look_at_budget();
    }

    /// How many bytes may be held here.
    pub(crate) fn room(&self) -> usize {
        self.settings.max_bytes.saturating_sub(self.outside_bytes)
    }

    /// How what is held stands to the budget.
    pub fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// Of the entities that would be let go next, those that were read since this was last asked; at
    /// most [`MAX_TOUCHED`], and none while there is room. What it returns belongs into
    /// [`touch`](Self::touch); without that, what came first goes first.
    pub fn take_touched(&self) -> Vec<EntityKey> {
        let mut touched = Vec::new();
        let world = self.newest();
        if world.counted_bytes() < self.room() / 16 * 15 {
            return touched;
        }
        for stream in world.streams().filter(|stream| !stream.is_whole()) {
            let room = LOOKS_AHEAD.min(MAX_TOUCHED - touched.len());
            let read = stream.base.take_read(room).into_iter();
            touched.extend(read.map(|id| stream.key(&id)));
        }
        touched
    }

    /// These entities were read: they are spared once when others are let go. More than
    /// [`MAX_TOUCHED`] are not looked at.
    pub fn touch(&mut self, touched: &[EntityKey]) {
        for key in touched.iter().take(MAX_TOUCHED) {
            if let Some(stream) = self.newest().stream(&key.entity_type) {
                stream.base.visit(&key.id);
            }
        }
    }

    /// Something may have lost its pin, so that it is worth looking again at what may go.
    pub(crate) fn shrink_again(&mut self) {
        if self.shown().counted_bytes() > self.room() {
            self.pressure = Pressure::Over;
            self.stage_shrink(Shrink::after_pins());
        }
    }

    /// What a batch could not let go of goes with the next, as long as something can go.
    pub(crate) fn look_at_budget(&mut self) {
        let pins = self.pins();
        let before = std::mem::replace(&mut self.pins_before, pins);
        let fewer = pins.iter().zip(before).any(|(now, before)| *now < before);
        if self.shown().counted_bytes() <= self.room() {
            self.pressure = Pressure::Within;
        } else if fewer || self.pressure == Pressure::Within {
            // What has happened since room was short last is not known.
            self.shrink_again();
        } else if self.pressure != Pressure::Pinned {
            self.pressure = Pressure::Over;
            self.stage_shrink(Shrink::new());
        }
    }

    /// Stages it once, however often it is asked for in a row.
    fn stage_shrink(&mut self, shrink: Shrink) {
        match self.staged.back_mut() {
            Some(Item::Shrink(last)) => last.join(&shrink),
            _ => self.staged.push_back(Item::Shrink(shrink)),
        }
    }

    /// How many things pin entities: when there are fewer, something may go.
    fn pins(&self) -> [usize; 4] {
        let rows = self.shown().streams().map(|stream| stream.runs.rows());
        [
            rows.sum(),
            self.shown().overlay.len(),
            self.requests.len(),
            self.watches().len(),
        ]
    }
}
