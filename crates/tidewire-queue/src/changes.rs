//! What one input changed: the rows to write and what became of actions.
//!
//! Collects only; each row is written once, in its last form, when the input is done.

use std::collections::BTreeSet;

use tidewire_model::{ActionId, Lane};

use crate::outcome::Fate;

#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Actions to write, by submission number. Those that are gone by then are left out.
    pub(crate) written: BTreeSet<u64>,
    /// Actions to remove, by submission number.
    pub(crate) removed: BTreeSet<u64>,
    /// Lanes to write, or to remove where they are gone.
    pub(crate) lanes: BTreeSet<Lane>,
    /// Whether to write the client record.
    pub(crate) client: bool,
    /// What became of actions, with the submission number that orders them.
    pub(crate) fates: Vec<(u64, ActionId, Fate)>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.written.is_empty() && self.removed.is_empty() && self.lanes.is_empty() && !self.client
    }

    /// What was left to write before, together with what is to be written now.
    pub(crate) fn absorb(&mut self, earlier: Self) {
        self.written.extend(earlier.written);
        self.removed.extend(earlier.removed);
        self.lanes.extend(earlier.lanes);
        self.client |= earlier.client;
    }
}
