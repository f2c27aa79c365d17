//! Small questions about what is visible and what waits, for those who drive a cache.
//!
//! Changes nothing.

use tidewire_model::{ActionId, EntityKey};

use crate::cache::Cache;
use crate::reader::Reader;

impl Cache {
    /// Whether effects of an action are still in the visible overlay. Once they are not, its result
    /// is in the base, or it was taken out.
    pub fn has_action(&self, id: ActionId) -> bool {
        self.shown().overlay.holds(id)
    }

    /// How many rows wait that could be worked now. Unlike [`staged_rows`](Self::staged_rows) this
    /// leaves out snapshots whose end is still to come.
    pub fn workable_rows(&self) -> usize {
        self.staged_rows().saturating_sub(
            self.inflow
                .values()
                .map(crate::inflow::Inflow::waiting_rows)
                .sum(),
        )
    }
}

impl Reader {
    /// The key an entity has by now: the one given, unless the server named it since.
    pub fn current_key(&self, key: &EntityKey) -> EntityKey {
        self.read(|snapshot| snapshot.current_key(key))
    }
}
