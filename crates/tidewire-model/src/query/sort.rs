//! The order of a list: sort keys and cursors.
//!
//! The id, by bytes and ascending, is always the last key, so that no two entities share a position.

use std::cmp::Ordering;

use super::position::SortPosition;
use crate::id::EntityId;
use crate::order::compare;
use crate::record::Record;
use crate::value::{Value, ValueRef};

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

impl Direction {
    pub(super) fn apply(self, ordering: Ordering) -> Ordering {
        match self {
            Self::Ascending => ordering,
            Self::Descending => ordering.reverse(),
        }
    }
}

/// One path to sort by. A missing value sorts as null.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SortKey {
    /// A dotted path; a literal field name that contains the dots wins over descending.
    pub path: Box<str>,
    /// Which end comes first.
    pub direction: Direction,
}

/// The order of a list: these keys, then the id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sort {
    keys: Vec<SortKey>,
}

impl Sort {
    /// By id alone.
    pub fn by_id() -> Self {
        Self::default()
    }

    /// Adds a key behind the others.
    #[must_use]
    pub fn then(mut self, path: &str, direction: Direction) -> Self {
        self.keys.push(SortKey {
            path: path.into(),
            direction,
        });
        self
    }

    /// The keys before the id.
    pub fn keys(&self) -> &[SortKey] {
        &self.keys
    }

    /// The place of an entity in this order.
    pub fn position(&self, record: &Record, id: &EntityId) -> SortPosition {
        let value = |key: &SortKey| {
            record
                .path(&key.path)
                .map_or(Value::Null, ValueRef::to_value)
        };
        let keys = self.keys.iter().map(|key| (key.direction, value(key)));
        SortPosition::new(keys.collect(), id.clone())
    }

    /// The place that a cursor names. Values that the cursor lacks count as null.
    pub fn position_of(&self, cursor: &Cursor) -> SortPosition {
        let mut values = cursor.values.iter().cloned();
        let keys = self.keys.iter();
        let keys = keys.map(|key| (key.direction, values.next().unwrap_or_default()));
        SortPosition::new(keys.collect(), cursor.id.clone())
    }

    /// Compares two entities without making positions.
    pub fn compare(&self, left: (&Record, &EntityId), right: (&Record, &EntityId)) -> Ordering {
        for key in &self.keys {
            let value = |record| Record::path(record, &key.path).unwrap_or(ValueRef::Null);
            let ordering = key.direction.apply(compare(value(left.0), value(right.0)));
            if ordering.is_ne() {
                return ordering;
            }
        }
        left.1.cmp(right.1)
    }
}

/// A place in a list as data: the values of the sort keys and the id of the row before the window.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// One value for each sort key.
    pub values: Vec<Value>,
    /// The entity.
    pub id: EntityId,
}
