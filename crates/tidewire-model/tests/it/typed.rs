//! Application types go into records and come out again, as they would through JSON.

use std::collections::BTreeMap;

use proptest::option;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tidewire_model::{EntityId, MAX_DEPTH, Patch, Record, RecordBuilder, RecordError, Value};

use crate::strategies::{record, value};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Wrapped(i64),
    Pair(i8, String),
    Named { left: bool, right: Option<u8> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Newtype(String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    id: EntityId,
    small: i8,
    large: u64,
    wide: u128,
    float: f64,
    single: f32,
    letter: char,
    newtype: Newtype,
    unit: Unit,
    nothing: (),
    pair: (u8, String),
    maybe: Option<String>,
    kinds: Vec<Kind>,
    by_number: BTreeMap<i32, String>,
    by_truth: BTreeMap<bool, u8>,
    by_kind: BTreeMap<Key, u8>,
    nested: Option<Box<Everything>>,
    any: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skipped: Option<u8>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Key {
    First,
    Second,
}

fn everything(nested: Option<Everything>) -> Everything {
    Everything {
        id: EntityId::integer(5),
        small: -128,
        large: u64::MAX,
        wide: 1 << 40,
        float: -0.1,
        single: 0.5,
        letter: 'é',
        newtype: Newtype("n".into()),
        unit: Unit,
        nothing: (),
        pair: (1, "p".into()),
        maybe: None,
        kinds: vec![
            Kind::Plain,
            Kind::Wrapped(-9),
            Kind::Pair(3, "x".into()),
            Kind::Named {
                left: true,
                right: None,
            },
        ],
        by_number: BTreeMap::from([(-1, "a".into()), (2, "b".into())]),
        by_truth: BTreeMap::from([(true, 1)]),
        by_kind: BTreeMap::from([(Key::First, 1), (Key::Second, 2)]),
        nested: nested.map(Box::new),
        any: Value::object([("deep", Value::from(vec![1.5, 2.0]))]),
        skipped: None,
        rest: BTreeMap::from([("other".into(), Value::from(true))]),
    }
}

#[test]
fn every_serde_shape_survives_and_looks_as_it_does_in_json() {
    let source = everything(Some(everything(None)));
    let record = Record::from_serialize(&source).unwrap();
    assert_eq!(
        serde_json::to_value(&record).unwrap(),
        serde_json::to_value(&source).unwrap()
    );
    assert_eq!(record.to::<Everything>(), Ok(source));
}

#[test]
fn what_json_brings_reads_as_the_type_does_from_json() {
    let json = serde_json::to_string(&everything(None)).unwrap();
    let record: Record = serde_json::from_str(&json).unwrap();
    assert_eq!(
        record.to::<Everything>(),
        Ok(serde_json::from_str(&json).unwrap())
    );
}

#[test]
fn what_does_not_fit_the_type_is_an_error_that_names_what_was_expected() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Customer {
        name: String,
        score: u8,
        kind: Kind,
    }

    let good = RecordBuilder::new()
        .field("name", "Ada")
        .field("score", 7)
        .field("kind", "Plain")
        .build();
    assert_eq!(
        good.to(),
        Ok(Customer {
            name: "Ada".into(),
            score: 7,
            kind: Kind::Plain
        })
    );
    let refusal = |record: &Record| record.to::<Customer>().unwrap_err().to_string();
    assert!(refusal(&good.without("score")).contains("missing field `score`"));
    assert!(refusal(&good.with("score", 256)).contains("expected u8"));
    assert!(refusal(&good.with("score", 1.0)).contains("expected u8"));
    assert!(refusal(&good.with("name", 1)).contains("expected a string"));
    assert!(refusal(&good.with("kind", "Odd")).contains("unknown variant"));
    assert!(refusal(&good.with("kind", "Wrapped")).contains("a variant with content"));
    assert!(
        refusal(&good.with("kind", Value::object([("Plain", 1)])))
            .contains("a variant without content")
    );
    assert!(
        refusal(&good.with("kind", Value::object([("Plain", 1), ("Wrapped", 2)])))
            .contains("one field")
    );
    assert!(refusal(&good.with("kind", 3)).contains("text or an object with one field"));
    assert!(
        refusal(&good.with("kind", Value::object([("Pair", vec![1])]))).contains("tuple variant")
    );
}

#[test]
fn only_named_fields_make_a_record() {
    assert_eq!(Record::from_serialize(&5), Err(RecordError::NotAnObject));
    assert_eq!(
        Record::from_serialize(&vec![1]),
        Err(RecordError::NotAnObject)
    );
    assert_eq!(
        Record::from_serialize(&Option::<Kind>::None),
        Err(RecordError::NotAnObject)
    );
    assert!(Record::from_serialize(&BTreeMap::from([("a", 1)])).is_ok());
}

#[test]
fn numbers_that_are_not_finite_and_keys_that_are_not_text_are_refused() {
    assert!(Record::from_serialize(&BTreeMap::from([("a", f64::NAN)])).is_err());
    assert!(Record::from_serialize(&BTreeMap::from([("a", f32::INFINITY)])).is_err());
    assert!(Record::from_serialize(&BTreeMap::from([(vec![1], 1)])).is_err());
    let wide = Record::from_serialize(&BTreeMap::from([("a", u128::MAX), ("b", 1)])).unwrap();
    assert_eq!(
        wide,
        RecordBuilder::new()
            .field("a", 2_f64.powi(128))
            .field("b", 1)
            .build()
    );
}

#[test]
fn nesting_beyond_the_bound_is_refused_and_never_overflows_the_stack() {
    #[derive(Serialize)]
    struct Chain {
        next: Option<Box<Chain>>,
    }

    let chain = |length: usize| {
        (1..length).fold(Chain { next: None }, |inner, _| Chain {
            next: Some(Box::new(inner)),
        })
    };
    assert!(Record::from_serialize(&chain(MAX_DEPTH)).is_ok());
    assert!(Record::from_serialize(&chain(MAX_DEPTH + 1)).is_err());
    assert!(Record::from_serialize(&chain(1_000)).is_err());
}

proptest! {
    #[test]
    fn a_record_read_as_a_map_and_written_again_is_the_same(record in record()) {
        let map: BTreeMap<String, Value> = record.to().unwrap();
        prop_assert_eq!(map.len(), record.len());
        prop_assert_eq!(&Record::from_serialize(&map).unwrap(), &record);
        prop_assert_eq!(&record.to::<Record>().unwrap(), &record);
        prop_assert_eq!(Record::from_serialize(&record).unwrap(), record);
    }
}

/// What an application knows of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    a: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<Value>,
    #[serde(rename = "c.d")]
    c: Option<Box<Known>>,
}

fn known() -> impl Strategy<Value = Known> {
    let flat = (value(), option::of(value())).prop_map(|(a, b)| Known { a, b, c: None });
    // A null is what `None` is written as, so it would not come back as it was.
    let flat = flat.prop_map(|known| Known {
        b: known.b.filter(|value| !value.is_null()),
        ..known
    });
    flat.prop_recursive(2, 4, 1, |inner| {
        (value(), option::of(inner)).prop_map(|(a, inner)| Known {
            a,
            b: None,
            c: inner.map(Box::new),
        })
    })
}

proptest! {
    #[test]
    fn an_edit_brings_the_new_value_and_leaves_what_the_type_does_not_know(
        before in known(),
        after in known(),
        unknown in record(),
    ) {
        let names = ["a", "b", "c.d"];
        let unknown = names.iter().fold(unknown, |record, name| record.without(name));
        let held = unknown.merge(&Patch::from_record(Record::from_serialize(&before).unwrap()));
        let edit = Patch::between(&before, &after).unwrap();
        prop_assert_eq!(edit.is_empty(), before == after);
        prop_assert!(edit.names().all(|name| names.contains(&name)));
        let edited = held.merge(&edit);
        prop_assert_eq!(&edited.to::<Known>().unwrap(), &after);
        prop_assert_eq!(edited.get("b").is_some(), after.b.is_some());
        let left = names.iter().fold(edited, |record, name| record.without(name));
        prop_assert_eq!(left, unknown);
    }
}

#[test]
fn an_edit_replaces_what_is_nested_whole() {
    let read = |text: &str| serde_json::from_str::<Known>(text).unwrap();
    let before = read(r#"{"a":1,"b":2,"c.d":{"a":1,"b":[1,2],"c.d":null}}"#);
    let mut after = before.clone();
    after.c.as_mut().unwrap().b = None;
    let edit = Patch::between(&before, &after).unwrap();
    assert_eq!(edit.names().collect::<Vec<_>>(), ["c.d"]);
    assert_eq!(
        serde_json::to_string(&edit).unwrap(),
        r#"{"c.d":{"a":1,"c.d":null}}"#
    );
}

#[test]
fn what_does_not_fit_is_told_with_the_path_of_its_field() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Address {
        city: f64,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Customer {
        name: String,
        addresses: Vec<Address>,
    }
    let refused = |text: &str| {
        let record: Record = serde_json::from_str(text).unwrap();
        record.to::<Customer>().unwrap_err().to_string()
    };
    let line = refused(r#"{"name":7,"addresses":[]}"#);
    assert!(
        line.starts_with("the field \"name\": invalid type: integer `7`"),
        "{line}"
    );
    let line = refused(r#"{"name":"Ada","addresses":[{"city":1.0},{"city":"x"}]}"#);
    assert!(
        line.starts_with("the field \"addresses.city\": invalid type"),
        "{line}"
    );
    let line = refused(r#"{"name":"Ada"}"#);
    assert!(line.contains("missing field `addresses`"), "{line}");

    let written = |city| Customer {
        name: "Ada".to_owned(),
        addresses: vec![Address { city }],
    };
    let line = Record::from_serialize(&written(f64::NAN))
        .unwrap_err()
        .to_string();
    assert_eq!(line, "the field \"addresses.city\": a number is not finite");
    let by_name = BTreeMap::from([("score", f64::INFINITY)]);
    let line = Record::from_serialize(&by_name).unwrap_err().to_string();
    assert_eq!(line, "the field \"score\": a number is not finite");
}
