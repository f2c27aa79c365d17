//! The one order of values of mixed types, for client and server.
//!
//! null (or missing) < false < true < numbers < text (by bytes) < list (element by element) < object (by sorted
//! names). Numbers are compared exactly, whatever their kind. Nothing here looks at language or locale.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crate::value::{ObjectRef, Value, ValueRef};

/// Compares two values in the order above. `1` and `1.0` are equal here, as are `0.0` and `-0.0`.
pub fn compare(left: ValueRef<'_>, right: ValueRef<'_>) -> Ordering {
    compare_with(left, right, compare_numbers)
}

/// Whether two values are equal in the order above. Looks at no more than the smaller one has.
pub fn equal(left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
    match (left, right) {
        (ValueRef::List(left), ValueRef::List(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right.iter())
                    .all(|(left, right)| equal(left, right))
        }
        (ValueRef::Object(left), ValueRef::Object(right)) => {
            // Sorting is for those of one size only.
            left.len() == right.len()
                && sorted(left)
                    .into_iter()
                    .zip(sorted(right))
                    .all(|(left, right)| left.0 == right.0 && equal(left.1, right.1))
        }
        (left, right) => compare(left, right) == Ordering::Equal,
    }
}

/// The same order with integers before floats of the same number, so that it tells apart what equality does.
pub(crate) fn compare_strict(left: ValueRef<'_>, right: ValueRef<'_>) -> Ordering {
    compare_with(left, right, |left, right| {
        compare_numbers(left, right)
            .then_with(|| matches!(left, Number::Float(_)).cmp(&matches!(right, Number::Float(_))))
    })
}

/// A hash that agrees with [`compare_strict`].
pub(crate) fn hash_strict<H: Hasher>(value: ValueRef<'_>, state: &mut H) {
    rank(value).hash(state);
    match value {
        ValueRef::Null | ValueRef::Bool(_) => {}
        ValueRef::Int(number) => i128::from(number).hash(state),
        ValueRef::UInt(number) => i128::from(number).hash(state),
        // Adding zero turns -0.0 into 0.0, which are equal.
        ValueRef::Float(number) => (number + 0.0).to_bits().hash(state),
        ValueRef::Text(text) => text.hash(state),
        ValueRef::List(list) => {
            list.len().hash(state);
            for value in list.iter() {
                hash_strict(value, state);
            }
        }
        ValueRef::Object(object) => {
            object.len().hash(state);
            for (name, value) in sorted(object) {
                name.hash(state);
                hash_strict(value, state);
            }
        }
    }
}

/// The fields of an object by name.
pub(crate) fn sorted(object: ObjectRef<'_>) -> Vec<(&str, ValueRef<'_>)> {
    let mut fields: Vec<_> = object.iter().collect();
    fields.sort_by(|left, right| left.0.cmp(right.0));
    fields
}

/// The narrowest value of an integer; beyond 64 bit a float.
pub(crate) fn integer_value(number: i128) -> Value {
    if let Ok(number) = i64::try_from(number) {
        Value::Int(number)
    } else if let Ok(number) = u64::try_from(number) {
        Value::UInt(number)
    } else {
        Value::Float(number as f64)
    }
}

#[derive(Clone, Copy)]
enum Number {
    Integer(i128),
    Float(f64),
}

fn compare_with(
    left: ValueRef<'_>,
    right: ValueRef<'_>,
    numbers: fn(Number, Number) -> Ordering,
) -> Ordering {
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return numbers(left, right);
    }
    match (left, right) {
        (ValueRef::Text(left), ValueRef::Text(right)) => left.cmp(right),
        (ValueRef::List(left), ValueRef::List(right)) => {
            for (left, right) in left.iter().zip(right.iter()) {
                let ordering = compare_with(left, right, numbers);
                if ordering.is_ne() {
                    return ordering;
                }
            }
            left.len().cmp(&right.len())
        }
        (ValueRef::Object(left), ValueRef::Object(right)) => {
            for (left, right) in sorted(left).into_iter().zip(sorted(right)) {
                let ordering = left
                    .0
                    .cmp(right.0)
                    .then_with(|| compare_with(left.1, right.1, numbers));
                if ordering.is_ne() {
                    return ordering;
                }
            }
            left.len().cmp(&right.len())
        }
        (left, right) => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: ValueRef<'_>) -> u8 {
    match value {
        ValueRef::Null => 0,
        ValueRef::Bool(false) => 1,
        ValueRef::Bool(true) => 2,
        ValueRef::Int(_) | ValueRef::UInt(_) | ValueRef::Float(_) => 3,
        ValueRef::Text(_) => 4,
        ValueRef::List(_) => 5,
        ValueRef::Object(_) => 6,
    }
}

fn number(value: ValueRef<'_>) -> Option<Number> {
    match value {
        ValueRef::Int(number) => Some(Number::Integer(number.into())),
        ValueRef::UInt(number) => Some(Number::Integer(number.into())),
        ValueRef::Float(number) => Some(Number::Float(number)),
        _ => None,
    }
}

fn compare_numbers(left: Number, right: Number) -> Ordering {
    match (left, right) {
        (Number::Integer(left), Number::Integer(right)) => left.cmp(&right),
        (Number::Float(left), Number::Float(right)) => compare_floats(left, right),
        (Number::Integer(left), Number::Float(right)) => compare_integer_float(left, right),
        (Number::Float(left), Number::Integer(right)) => {
            compare_integer_float(right, left).reverse()
        }
    }
}

/// Total also for what is not a number, which a value should never hold: it stands before all numbers.
fn compare_floats(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right)
        .unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
}

fn compare_integer_float(integer: i128, float: f64) -> Ordering {
    if float.is_nan() {
        return Ordering::Greater;
    }
    let whole = float.trunc();
    integer
        .cmp(&(whole as i128))
        .then_with(|| compare_floats(whole, float))
}
