//! The place of an entity in the order of a list, as a key for ordered maps: cheap to copy, and mostly
//! told apart from others by a few plain numbers.

use std::cmp::Ordering;
use std::sync::Arc;

use super::digest::SortDigest;
use super::sort::{Cursor, Direction};
use crate::id::EntityId;
use crate::order::compare;
use crate::value::Value;

/// The place of an entity in the order of a list; a key for ordered maps.
///
/// Knows the directions, so its own order is that of the list. Compare positions of one sort only. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct SortPosition {
    digest: SortDigest,
    exact: Arc<Exact>,
}

#[derive(Debug)]
struct Exact {
    keys: Box<[(Direction, Value)]>,
    id: EntityId,
}

impl SortPosition {
    pub(super) fn new(keys: Box<[(Direction, Value)]>, id: EntityId) -> Self {
        let values = keys.iter();
        let values = values.map(|(direction, value)| (*direction, value.as_value_ref()));
        Self {
            digest: SortDigest::new(values, &id),
            exact: Arc::new(Exact { keys, id }),
        }
    }

    /// What tells it apart from most others.
    pub fn digest(&self) -> SortDigest {
        self.digest
    }

    /// The entity.
    pub fn id(&self) -> &EntityId {
        &self.exact.id
    }

    /// The values of the sort keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.exact.keys.iter().map(|(_, value)| value)
    }

    /// The same place as a cursor.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            values: self.values().cloned().collect(),
            id: self.id().clone(),
        }
    }
}

impl PartialEq for SortPosition {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SortPosition {}

impl PartialOrd for SortPosition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SortPosition {
    fn cmp(&self, other: &Self) -> Ordering {
        let ordering = self.digest.cmp(&other.digest);
        if ordering.is_ne() {
            return ordering;
        }
        if Arc::ptr_eq(&self.exact, &other.exact) {
            return Ordering::Equal;
        }
        for ((direction, left), (_, right)) in self.exact.keys.iter().zip(&other.exact.keys) {
            let ordering = direction.apply(compare(left.as_value_ref(), right.as_value_ref()));
            if ordering.is_ne() {
                return ordering;
            }
        }
        self.id().cmp(other.id())
    }
}
