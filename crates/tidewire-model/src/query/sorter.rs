//! A sort made ready to be asked of many records: its paths are looked up once for all records of one shape.

use std::cmp::Ordering;

use super::digest::SortDigest;
use super::path::FieldPath;
use super::position::SortPosition;
use super::sort::{Direction, Sort};
use crate::id::EntityId;
use crate::order::compare;
use crate::record::Record;
use crate::value::ValueRef;

/// A [`Sort`] made ready to be asked of many records.
#[derive(Debug)]
pub struct Sorter {
    keys: Box<[(FieldPath, Direction)]>,
}

impl Sort {
    /// Makes the sort ready to be asked of many records.
    pub fn prepare(&self) -> Sorter {
        let keys = self.keys().iter();
        let keys = keys.map(|key| (FieldPath::new(&key.path), key.direction));
        Sorter {
            keys: keys.collect(),
        }
    }
}

impl Sorter {
    /// The digest of the place of an entity.
    pub fn digest(&self, record: &Record, id: &EntityId) -> SortDigest {
        SortDigest::new(self.values(record), id)
    }

    /// The place of an entity.
    pub fn position(&self, record: &Record, id: &EntityId) -> SortPosition {
        let values = self.values(record);
        let values = values.map(|(direction, value)| (direction, value.to_value()));
        SortPosition::new(values.collect(), id.clone())
    }

    /// Which of two entities comes first.
    pub fn compare(&self, left: (&Record, &EntityId), right: (&Record, &EntityId)) -> Ordering {
        let pairs = self.values(left.0).zip(self.values(right.0));
        for ((direction, left), (_, right)) in pairs {
            let ordering = direction.apply(compare(left, right));
            if ordering.is_ne() {
                return ordering;
            }
        }
        left.1.cmp(right.1)
    }

    /// Whether an entity comes before a place of the same sort, or behind it.
    pub fn compare_to(&self, (record, id): (&Record, &EntityId), place: &SortPosition) -> Ordering {
        for ((direction, left), right) in self.values(record).zip(place.values()) {
            let ordering = direction.apply(compare(left, right.as_value_ref()));
            if ordering.is_ne() {
                return ordering;
            }
        }
        id.cmp(place.id())
    }

    /// A missing value sorts as null.
    fn values<'r>(&'r self, record: &'r Record) -> impl Iterator<Item = (Direction, ValueRef<'r>)> {
        self.keys
            .iter()
            .map(|(path, direction)| (*direction, path.find(record).unwrap_or(ValueRef::Null)))
    }
}
