//! The place of an entity in the order of a list, as a key for ordered maps: cheap to copy, and mostly
//! told apart from others by one number.

use std::cmp::Ordering;
use std::sync::Arc;

use super::sort::{Cursor, Direction};
use crate::id::EntityId;
use crate::order::compare;
use crate::value::{Value, ValueRef};

/// The place of an entity in the order of a list; a key for ordered maps.
///
/// Knows the directions, so its own order is that of the list. Compare positions of one sort only. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct SortPosition {
    /// Of two positions with different prefixes, the one with the lower comes first.
    prefix: u64,
    exact: Arc<Exact>,
}

#[derive(Debug)]
struct Exact {
    keys: Box<[(Direction, Value)]>,
    id: EntityId,
}

impl SortPosition {
    pub(super) fn new(keys: Box<[(Direction, Value)]>, id: EntityId) -> Self {
        let prefix = match keys.first() {
            Some((Direction::Ascending, value)) => prefix(value.as_value_ref()),
            Some((Direction::Descending, value)) => !prefix(value.as_value_ref()),
            None => leading(id.as_str()),
        };
        Self {
            prefix,
            exact: Arc::new(Exact { keys, id }),
        }
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
        let ordering = self.prefix.cmp(&other.prefix);
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

/// How many bits tell the kind of a value.
const KIND_BITS: u32 = 3;

/// A number that never falls where values rise. Equal values have one number; different ones may.
fn prefix(value: ValueRef<'_>) -> u64 {
    let (kind, rest) = match value {
        ValueRef::Null => (0, 0),
        ValueRef::Bool(false) => (1, 0),
        ValueRef::Bool(true) => (2, 0),
        // Rounding never turns two numbers round.
        ValueRef::Int(number) => (3, ordered(number as f64)),
        ValueRef::UInt(number) => (3, ordered(number as f64)),
        ValueRef::Float(number) => (3, ordered(number)),
        ValueRef::Text(text) => (4, leading(text)),
        ValueRef::List(_) => (5, 0),
        ValueRef::Object(_) => (6, 0),
    };
    kind << (u64::BITS - KIND_BITS) | rest >> KIND_BITS
}

/// The bits of a float, so that they rise with it. What is not a number comes before all numbers.
fn ordered(number: f64) -> u64 {
    if number.is_nan() {
        return 0;
    }
    // Adding zero turns -0.0 into 0.0, which are equal.
    let bits = (number + 0.0).to_bits();
    let negative = bits >> (u64::BITS - 1) == 1;
    if negative {
        !bits
    } else {
        bits | 1 << (u64::BITS - 1)
    }
}

/// The first bytes of a text, so that they rise with it.
fn leading(text: &str) -> u64 {
    let mut bytes = [0; size_of::<u64>()];
    for (byte, given) in bytes.iter_mut().zip(text.bytes()) {
        *byte = given;
    }
    u64::from_be_bytes(bytes)
}
