//! Values read and write what any self-describing format holds, within the bound on nesting.

use proptest::prelude::*;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use tidewire_model::{MAX_DEPTH, Record, Value, ValueRef};

use crate::strategies::value;

fn read(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn integers_beyond_64_bit_become_floats() {
    assert!(matches!(read("9223372036854775807"), Value::Int(i64::MAX)));
    assert!(matches!(
        read("9223372036854775808"),
        Value::UInt(9_223_372_036_854_775_808)
    ));
    assert_eq!(
        read("18446744073709551616"),
        Value::from(18_446_744_073_709_551_616.0)
    );
    assert_eq!(
        read("-9223372036854775809"),
        Value::from(-9_223_372_036_854_775_809.0)
    );
}

#[test]
fn of_a_repeated_name_the_last_value_wins_at_the_place_of_the_first() {
    let json = r#"{"a":1,"b":2,"a":3,"c":{"x":1,"y":2,"x":{}},"b":null}"#;
    let expected = r#"{"a":3,"b":null,"c":{"x":{},"y":2}}"#;
    assert_eq!(serde_json::to_string(&read(json)).unwrap(), expected);
    let record: Record = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&record).unwrap(), expected);
}

#[test]
fn nesting_is_read_up_to_the_bound_and_refused_beyond_it() {
    let list = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(serde_json::from_str::<Value>(&list(MAX_DEPTH)).is_ok());
    let error = serde_json::from_str::<Value>(&list(MAX_DEPTH + 1)).unwrap_err();
    assert!(error.to_string().contains("nested deeper than"), "{error}");
    let record = |depth: usize| format!("{{\"a\":{}}}", list(depth));
    assert!(serde_json::from_str::<Record>(&record(MAX_DEPTH - 1)).is_ok());
    assert!(serde_json::from_str::<Record>(&record(MAX_DEPTH)).is_err());
}

/// A list in a list in a list, without end, from a format that has no bound of its own.
struct Endless;

impl<'de> Deserializer<'de> for Endless {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_seq(Endless)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Endless {
    type Error = serde::de::value::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Self::Error> {
        seed.deserialize(Endless).map(Some)
    }
}

#[test]
fn nesting_without_end_is_refused_even_where_the_format_has_no_bound() {
    let error = Value::deserialize(Endless).unwrap_err();
    assert!(error.to_string().contains("nested deeper than"), "{error}");
}

#[test]
fn a_record_is_an_object_and_nothing_else() {
    for json in ["1", "null", "[]", "\"a\"", "true", "[{}]"] {
        let error = serde_json::from_str::<Record>(json)
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected an object"), "{error}");
    }
}

#[test]
fn the_depth_of_a_record_counts_itself() {
    let record = |text: &str| serde_json::from_str::<Record>(text).unwrap().depth();
    assert_eq!(record("{}"), 1);
    assert_eq!(record(r#"{"a":1,"b":"[[["}"#), 1);
    assert_eq!(record(r#"{"a":[],"b":{"c":[1,{}]}}"#), 4);
    assert_eq!(Value::from(1).as_value_ref().depth(), 0);
}

#[test]
fn what_is_not_finite_is_kept_so_that_it_can_be_refused() {
    assert_eq!(Value::from(f64::NAN), Value::Float(f64::NAN));
    assert_eq!(Value::from(f64::INFINITY), Value::Float(f64::INFINITY));
    assert_eq!(Value::float(f64::NEG_INFINITY), None);
    assert_eq!(Value::float(1.5), Some(Value::Float(1.5)));
}

#[test]
fn borrowed_values_read_as_what_they_are() {
    let value = Value::object([
        ("list", Value::from(vec![1_u64, u64::MAX])),
        ("text", "x".into()),
        ("no", false.into()),
    ]);
    let object = value.as_value_ref().as_object().unwrap();
    assert_eq!((object.len(), object.is_empty()), (3, false));
    let list = object.get("list").and_then(ValueRef::as_list).unwrap();
    assert_eq!((list.len(), list.is_empty()), (2, false));
    assert_eq!(list.get(0).and_then(ValueRef::as_i64), Some(1));
    assert_eq!(list.get(1).and_then(ValueRef::as_i64), None);
    assert_eq!(list.get(1).and_then(ValueRef::as_u64), Some(u64::MAX));
    assert_eq!(list.get(2), None);
    assert_eq!(object.get("text").and_then(ValueRef::as_text), Some("x"));
    assert_eq!(object.get("no").and_then(ValueRef::as_bool), Some(false));
    assert_eq!(
        object.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["list", "text", "no"]
    );
    assert_eq!(Value::from(-1).as_value_ref().as_u64(), None);
    assert_eq!(Value::from(Option::<i32>::None), Value::Null);
}

proptest! {
    #[test]
    fn a_value_written_as_json_reads_back(value in value()) {
        let json = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(&read(&json), &value);
        prop_assert_eq!(&value.as_value_ref().to_value(), &value);
    }

    #[test]
    fn reading_agrees_with_another_reader(value in value()) {
        let json = serde_json::to_string(&value).unwrap();
        let other: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(serde_json::to_value(&value).unwrap(), other);
    }
}
