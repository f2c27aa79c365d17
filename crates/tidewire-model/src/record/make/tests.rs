//! A record means the same, whether its names are shared or its own.

use super::*;
use crate::{Patch, Value};

/// A tree that takes nothing.
fn full() -> &'static Tree {
    Box::leak(Box::new(Tree::new(0, 0, 0)))
}

fn of(tree: &'static Tree, fields: &[(&str, Value)]) -> Record {
    let mut maker = Maker::of(tree);
    for (name, value) in fields {
        maker.field(name, value.as_value_ref());
    }
    maker.finish()
}

fn fields() -> Vec<(&'static str, Value)> {
    vec![
        ("id", 7.into()),
        ("name", "Ada".into()),
        ("", Value::object([("x", Value::from(vec![1.5, 2.0]))])),
        ("big", u64::MAX.into()),
        ("none", Value::Null),
    ]
}

fn both() -> (Record, Record) {
    let (shared, own) = (of(&TREE, &fields()), of(full(), &fields()));
    assert!(shared.shape.is_some());
    assert!(own.shape.is_none());
    (shared, own)
}

#[test]
fn records_are_equal_by_content_whoever_has_the_names() {
    let (shared, own) = both();
    assert_eq!(shared, own);
    assert_eq!(own, shared);
    assert_eq!(own, of(full(), &fields()));
    assert_ne!(own, shared.with("id", 8));
    assert_ne!(of(full(), &fields()[1..]), shared);
    assert!(shared.diff(&own).is_empty() && own.diff(&shared).is_empty());
    let texts = [&shared, &own].map(|record| serde_json::to_string(record).unwrap());
    assert_eq!(texts[0], texts[1]);
    assert_eq!(format!("{shared:?}"), format!("{own:?}"));
    for (name, value) in fields() {
        assert_eq!(own.get(name), Some(value.as_value_ref()), "{name}");
        assert_eq!(own.path(name), shared.path(name));
    }
    assert_eq!(own.get("x"), None);
}

#[test]
fn what_a_record_takes_by_its_content_is_the_same_whoever_has_the_names() {
    let (shared, own) = both();
    assert_eq!(shared.approximate_bytes(), own.approximate_bytes());
    assert!(own.held_bytes() > shared.held_bytes());
    for record in [shared, own, Record::new()] {
        assert!(record.held_bytes() <= record.approximate_bytes());
    }
}

#[test]
fn a_change_makes_the_same_record_whoever_has_the_names() {
    let (shared, own) = both();
    let patches = [
        Patch::new().set("id", 8).set("none", "some"),
        Patch::new().unset("name").set("more", 1),
        Patch::new().set("", "short").unset("x"),
    ];
    for patch in patches {
        assert_eq!(shared.merge(&patch), own.merge(&patch), "{patch:?}");
    }
    assert_eq!(shared.with("name", 1), own.with("name", 1));
    assert_eq!(shared.without("name"), own.without("name"));
}

#[test]
fn of_a_repeated_name_nothing_but_the_last_value_is_kept() {
    let large = Value::from("x".repeat(100_000));
    for tree in [&TREE, full()] {
        let given = [("a", large.clone()), ("b", 2.into()), ("a", 1.into())];
        let record = of(tree, &given);
        assert_eq!(record, Record::new().with("a", 1).with("b", 2));
        let names: Vec<&str> = record.fields().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(record.held_bytes() < 100);
    }
}

#[test]
fn an_object_that_breaks_off_leaves_no_shape() {
    let text = r#"{"seen only here":1,"and":[1,"#;
    assert!(serde_json::from_str::<Record>(text).is_err());
    assert!(TREE.root().step("seen only here").is_none());
    // Nor anything in what the next record is made in.
    let record: Record = serde_json::from_str(r#"{"a":"b"}"#).unwrap();
    assert_eq!(serde_json::to_string(&record).unwrap(), r#"{"a":"b"}"#);
}

#[test]
fn patches_take_no_room_from_the_shapes_of_records() {
    let text = r#"{"only in a patch":1,"and another":[2]}"#;
    let is_known = |tree: &'static Tree| tree.root().step("only in a patch").is_some();
    let read: Patch = serde_json::from_str(text).unwrap();
    let record: Record = serde_json::from_str(r#"{"id":7}"#).unwrap();
    let made = Patch::new().set("only in a patch", 1).unset("and another");
    let fields = [("only in a patch", Some(1)), ("and another", None)];
    assert_eq!(Patch::from_fields(fields).then(&Patch::new()), made);
    assert_ne!(read.then(&made).without("id"), read);
    assert!(is_known(&PARTS) && !is_known(&TREE));
    assert_eq!(record.merge(&read).len(), 3);
    let whole: Record = serde_json::from_str(text).unwrap();
    assert!(is_known(&TREE));
    assert_eq!(&whole, read.set_record());
}
