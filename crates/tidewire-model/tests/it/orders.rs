//! The order of values is total, exact, and the one that is documented.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

use proptest::prelude::*;
use tidewire_model::{Value, compare, equal};

use crate::strategies::{number, value};

fn order(left: &Value, right: &Value) -> Ordering {
    compare(left.as_value_ref(), right.as_value_ref())
}

fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Compares two numbers by their decimal digits, written out in full.
fn naive_numbers(left: &Value, right: &Value) -> Ordering {
    fn digits(value: &Value) -> (bool, String, String) {
        let text = match value {
            Value::Int(number) => number.to_string(),
            Value::UInt(number) => number.to_string(),
            Value::Float(number) => format!("{number:.1100}"),
            other => panic!("not a number: {other:?}"),
        };
        let (negative, text) = text
            .strip_prefix('-')
            .map_or((false, text.as_str()), |text| (true, text));
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        (negative, format!("{whole:0>400}"), format!("{part:0<1100}"))
    }
    let ((left_negative, left_whole, left_part), (right_negative, right_whole, right_part)) =
        (digits(left), digits(right));
    let size = (&left_whole, &left_part).cmp(&(&right_whole, &right_part));
    let zero =
        |whole: &str, part: &str| whole.bytes().chain(part.bytes()).all(|digit| digit == b'0');
    if zero(&left_whole, &left_part) && zero(&right_whole, &right_part) {
        return Ordering::Equal;
    }
    match (left_negative, right_negative) {
        (false, false) => size,
        (true, true) => size.reverse(),
        (left, right) => right.cmp(&left),
    }
}

#[test]
fn kinds_are_ordered_as_documented() {
    let rising = [
        Value::Null,
        Value::from(false),
        Value::from(true),
        Value::from(f64::MIN),
        Value::from(i64::MIN),
        Value::from(-1),
        Value::from(-0.5),
        Value::from(0),
        Value::from(9_007_199_254_740_992.0),
        Value::from(9_007_199_254_740_993_i64),
        Value::from(i64::MAX),
        Value::from(9_223_372_036_854_775_808.0),
        Value::from(u64::MAX),
        Value::from(18_446_744_073_709_551_616.0),
        Value::from(""),
        Value::from("Z"),
        Value::from("a"),
        Value::from("é"),
        Value::List(vec![]),
        Value::from(vec![1]),
        Value::from(vec![1, 0]),
        Value::from(vec![2]),
        Value::Object(vec![]),
        Value::object([("a", 1)]),
        Value::object([("b", 0), ("a", 1)]),
        Value::object([("a", 2)]),
        Value::object([("b", 0)]),
    ];
    for (place, left) in rising.iter().enumerate() {
        for (other, right) in rising.iter().enumerate() {
            assert_eq!(order(left, right), place.cmp(&other), "{left} and {right}");
            let is_equal = equal(left.as_value_ref(), right.as_value_ref());
            assert_eq!(is_equal, place == other, "{left} and {right}");
        }
    }
}

#[test]
fn numbers_of_different_kinds_are_equal_for_queries_but_not_for_records() {
    for (left, right) in [
        (Value::from(1), Value::from(1.0)),
        (Value::from(1_u64 << 63), Value::from(2_f64.powi(63))),
    ] {
        assert!(equal(left.as_value_ref(), right.as_value_ref()));
        assert_ne!(left, right);
        assert_eq!(left.cmp(&right), Ordering::Less);
    }
    assert_eq!(Value::from(0.0), Value::from(-0.0));
    assert_eq!(hash(&Value::from(0.0)), hash(&Value::from(-0.0)));
    assert_eq!(Value::Int(5), Value::UInt(5));
    assert_eq!(hash(&Value::Int(5)), hash(&Value::UInt(5)));
}

#[test]
fn the_order_of_fields_does_not_matter_for_equality() {
    let (left, right) = (
        Value::object([("a", 1), ("b", 2)]),
        Value::object([("b", 2), ("a", 1)]),
    );
    assert_eq!(left, right);
    assert_eq!(hash(&left), hash(&right));
}

#[test]
fn the_order_is_total_even_for_what_a_value_should_never_hold() {
    let nan = Value::Float(f64::NAN);
    assert_eq!(order(&nan, &nan), Ordering::Equal);
    for other in [
        Value::from(0),
        Value::from(u64::MAX),
        Value::Float(f64::NEG_INFINITY),
    ] {
        assert_eq!(order(&nan, &other), Ordering::Less);
        assert_eq!(order(&other, &nan), Ordering::Greater);
    }
    assert_eq!(
        order(&Value::Float(f64::INFINITY), &Value::from(u64::MAX)),
        Ordering::Greater
    );
    assert_eq!(
        order(&Value::Float(f64::NEG_INFINITY), &Value::from(i64::MIN)),
        Ordering::Less
    );
}

proptest! {
    #[test]
    fn the_order_is_antisymmetric_and_transitive(a in value(), b in value(), c in value()) {
        prop_assert_eq!(order(&a, &a), Ordering::Equal);
        prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        if order(&a, &b).is_le() && order(&b, &c).is_le() {
            prop_assert!(order(&a, &c).is_le());
        }
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }

    #[test]
    fn what_is_equal_has_one_hash_and_is_equal_for_queries_too(a in value(), b in value()) {
        if a == b {
            prop_assert_eq!(hash(&a), hash(&b));
            prop_assert_eq!(order(&a, &b), Ordering::Equal);
        }
    }

    #[test]
    fn numbers_compare_as_their_digits_do(a in number(), b in number()) {
        prop_assert_eq!(order(&a, &b), naive_numbers(&a, &b));
    }
}
