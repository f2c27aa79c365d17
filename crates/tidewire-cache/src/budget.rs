//! The budget of bytes as whoever drives a cache sees it: setting it, and telling what was read.
//!
//! Readers leave a bit where they read, at any time and from any thread. So that the same inputs give
//! the same outputs, nothing is decided by those bits: they are taken out, and come back in as an input.

use tidewire_model::EntityKey;

use crate::cache::Cache;
use crate::stats::Pressure;
use crate::work::{Item, Shrink};

/// How many entities ahead of the hand are asked whether they were read, in each type.
const LOOKS_AHEAD: usize = 256;

/// How many entities one input can tell of.
pub const MAX_TOUCHED: usize = 1_024;

impl Cache {
    /// How many bytes may be held from now on. What is too much goes with the batches that follow.
    pub fn set_max_bytes(&mut self, max_bytes: usize) {
        self.settings.max_bytes = max_bytes;
        self.staged.push_back(Item::Shrink(Shrink::after_pins()));
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
        if world.counted_bytes() < self.settings.max_bytes / 16 * 15 {
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
}
