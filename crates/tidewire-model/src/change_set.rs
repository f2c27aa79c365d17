//! What one publication changed: a revision, the touched entities, and notices for whoever listens.

use crate::id::{EntityKey, EntityType};
use crate::patch::Patch;
use crate::record::Record;

/// A state of the view. Rises by one per change set published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(u64);

impl Revision {
    /// The view before anything was published.
    pub const ZERO: Self = Self(0);

    /// The revision with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The next revision.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What became visible in one step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeSet {
    /// The revision at which it is visible.
    pub revision: Revision,
    /// The entities it touched, each once, those of one type together.
    pub entities: Vec<EntityKey>,
    /// What happened, for listeners.
    pub notices: Vec<Notice>,
}

/// Tells a listener what happened in the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An entity changed.
    Update {
        /// Which entity.
        key: EntityKey,
        /// The fields that changed.
        changes: Patch,
    },
    /// An entity came into view.
    Create {
        /// Which entity.
        key: EntityKey,
        /// Its fields.
        record: Record,
    },
    /// An entity went.
    Delete {
        /// Which entity.
        key: EntityKey,
    },
    /// Many entities of one type changed at once; they are not told one by one.
    Bulk {
        /// The entity type.
        entity_type: EntityType,
        /// How many entities.
        count: usize,
    },
}
