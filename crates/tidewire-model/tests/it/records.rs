//! Records and patches behave like a plain ordered map, however large.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tidewire_model::{
    EntityId, Patch, Record, RecordBuilder, RecordError, Value, ValueRef, Version, patch_whole,
};

use crate::strategies::{name, patch, record, value};

fn names(record: &Record) -> Vec<&str> {
    record.fields().map(|(name, _)| name).collect()
}

#[test]
fn a_literal_name_with_a_dot_wins_over_descending() {
    let record = RecordBuilder::new()
        .field(
            "a",
            Value::object([("b", Value::object([("c", 1)])), ("b.c", 2.into())]),
        )
        .field("x.y", 3)
        .field("x", Value::object([("y", 4)]))
        .build();
    let path = |path| record.path(path).and_then(ValueRef::as_i64);
    assert_eq!(path("x.y"), Some(3));
    assert_eq!(path("a.b.c"), Some(2));
    assert_eq!(
        record.without("x.y").path("x.y").and_then(ValueRef::as_i64),
        Some(4)
    );
    for missing in ["", ".", "a.", ".a", "a.b.c.d", "x.z", "z"] {
        assert_eq!(path(missing), None, "{missing}");
    }
}

#[test]
fn a_patch_keeps_places_sets_null_as_a_value_and_the_later_call_wins() {
    let record = RecordBuilder::new()
        .field("a", 1)
        .field("b", 2)
        .field("c", 3)
        .build();
    let patch = Patch::new()
        .set("c", Value::Null)
        .unset("b")
        .set("d", 4)
        .set("a", 9)
        .unset("a")
        .set("a", 10);
    let merged = record.merge(&patch);
    assert_eq!(names(&merged), ["a", "c", "d"]);
    assert_eq!(merged.get("c"), Some(ValueRef::Null));
    assert_eq!(merged.get("a"), Some(ValueRef::Int(10)));
    assert_eq!(patch.names().collect::<Vec<_>>(), ["c", "d", "a", "b"]);
    assert_eq!(patch.unset_fields().collect::<Vec<_>>(), ["b"]);
    assert_eq!(patch.get("d"), Some(ValueRef::Int(4)));
    assert_eq!(
        (patch.get("b"), patch.touches("b"), patch.touches("z")),
        (None, true, false)
    );
    assert_eq!(names(patch.set_record()), ["c", "d", "a"]);
    assert!(Patch::new().unset("x").set("x", 1) == Patch::new().set("x", 1));
}

#[test]
fn a_patch_travels_as_the_object_of_what_it_sets_or_whole() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Whole(#[serde(with = "patch_whole")] Patch);

    let patch = Patch::new().set("a", 1).unset("b");
    assert_eq!(serde_json::to_string(&patch).unwrap(), r#"{"a":1}"#);
    assert_eq!(
        serde_json::from_str::<Patch>(r#"{"a":1}"#).unwrap(),
        Patch::new().set("a", 1)
    );
    assert!(serde_json::from_str::<Patch>("[]").is_err());
    let json = serde_json::to_string(&Whole(patch.clone())).unwrap();
    assert_eq!(json, r#"{"set":{"a":1},"unset":["b"]}"#);
    assert_eq!(serde_json::from_str::<Whole>(&json).unwrap().0, patch);
    assert_eq!(serde_json::from_str::<Whole>("{}").unwrap().0, Patch::new());
}

#[test]
fn id_and_version_are_read_from_their_fields() {
    let record = RecordBuilder::new()
        .field("id", 7)
        .field("uid", "x")
        .field("version", 3)
        .field("f", 1.5)
        .build();
    let read = |field: &str| {
        record
            .entity_id(field)
            .map(|id| (id.as_str().to_owned(), id.is_integer()))
    };
    assert_eq!(read("id"), Ok(("7".to_owned(), true)));
    assert_eq!(read("uid"), Ok(("x".to_owned(), false)));
    assert_eq!(
        record.with("id", u64::MAX).entity_id("id"),
        Ok(EntityId::unsigned(u64::MAX))
    );
    assert_eq!(read("f"), Err(RecordError::IdKind { field: "f".into() }));
    assert_eq!(
        read("none"),
        Err(RecordError::MissingId {
            field: "none".into()
        })
    );
    assert!(matches!(
        record.with("id", "").entity_id("id"),
        Err(RecordError::IdText { .. })
    ));
    assert_eq!(record.version("version"), Version::new(3));
    for field in ["f", "uid", "none"] {
        assert_eq!(record.version(field), None, "{field}");
    }
    assert_eq!(record.with("version", -1).version("version"), None);
    assert_eq!(record.with("version", u64::MAX).version("version"), None);
}

#[test]
fn a_clone_shares_its_memory_and_a_change_leaves_it_alone() {
    let record = RecordBuilder::new().field("a", 1).build();
    let clone = record.clone();
    assert!(clone.shares_memory(&record));
    assert!(record.merge(&Patch::new()).shares_memory(&record));
    assert!(record.without("z").shares_memory(&record));
    assert_eq!(record.with("a", 2).get("a"), Some(ValueRef::Int(2)));
    assert_eq!(clone.get("a"), Some(ValueRef::Int(1)));
}

#[test]
fn the_size_grows_with_what_is_held() {
    let small = RecordBuilder::new().field("a", "x").build();
    let large = small
        .with("b", "y".repeat(10_000))
        .with("c", vec!["z".repeat(5_000); 2]);
    assert!(small.approximate_bytes() < 500);
    assert!((20_000..22_000).contains(&large.approximate_bytes()));
}

proptest! {
    #[test]
    fn a_record_of_any_size_equals_a_plain_list_of_pairs(
        steps in vec((0_usize..60, option::weighted(0.7, -3_i64..3)), 0..150),
        size in prop_oneof![Just(4_usize), Just(18), Just(60)],
    ) {
        let mut record = Record::new();
        let mut naive: Vec<(String, i64)> = Vec::new();
        for (name, value) in steps {
            let name = format!("f{}", name % size);
            match value {
                Some(value) => {
                    record = record.with(&name, value);
                    match naive.iter_mut().find(|(known, _)| *known == name) {
                        Some(pair) => pair.1 = value,
                        None => naive.push((name, value)),
                    }
                }
                None => {
                    record = record.without(&name);
                    naive.retain(|(known, _)| *known != name);
                }
            }
            let held: Vec<(String, i64)> =
                record.fields().map(|(name, value)| (name.to_owned(), value.as_i64().unwrap())).collect();
            prop_assert_eq!(&held, &naive);
            for place in 0..size {
                let name = format!("f{place}");
                let expected = naive.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
                prop_assert_eq!(record.get(&name).and_then(ValueRef::as_i64), expected);
            }
        }
        let reversed = naive.iter().rev().fold(RecordBuilder::new(), |builder, (name, value)| builder.field(name, *value));
        prop_assert_eq!(record, reversed.build());
    }

    #[test]
    fn a_diff_merged_into_the_old_gives_the_new_and_nothing_more(old in record(), new in record()) {
        let diff = old.diff(&new);
        prop_assert_eq!(&old.merge(&diff), &new);
        prop_assert_eq!(diff.is_empty(), old == new);
        for name in diff.names() {
            prop_assert_ne!(old.get(name), new.get(name));
        }
    }

    #[test]
    fn two_patches_as_one_do_what_they_do_in_turn(record in record(), first in patch(), second in patch()) {
        prop_assert_eq!(record.merge(&first.then(&second)), record.merge(&first).merge(&second));
    }

    #[test]
    fn a_patch_is_a_plain_list_of_what_was_set_and_unset_last(
        steps in vec((0_u8..6, "[a-d]{0,1}", option::of(value())), 0..12),
    ) {
        let mut patch = Patch::new();
        let (mut set, mut unset): (Vec<(String, Value)>, Vec<String>) = Default::default();
        for (step, name, value) in steps {
            let kept = value.clone();
            patch = match (step, value) {
                (0, _) => patch.without(&name),
                (1, Some(value)) => patch.then(&Patch::new().set(&name, value)),
                (1, None) => patch.then(&Patch::new().unset(&name)),
                (_, Some(value)) => patch.set(&name, value),
                (_, None) => patch.unset(&name),
            };
            let place = set.iter().position(|(known, _)| *known == name);
            match (step, kept, place) {
                (1.., Some(value), Some(place)) => set[place].1 = value,
                (1.., Some(value), None) => set.push((name.clone(), value)),
                (_, _, Some(place)) => drop(set.remove(place)),
                (_, _, None) => {}
            }
            let is_unset = set.iter().all(|(known, _)| *known != name) && step > 0;
            match unset.iter().position(|known| *known == name) {
                Some(place) if !is_unset => drop(unset.remove(place)),
                None if is_unset => unset.push(name.clone()),
                _ => {}
            }
        }
        let held: Vec<_> = patch.set_fields().map(|(name, value)| (name.to_owned(), value.to_value())).collect();
        prop_assert_eq!(&held, &set);
        prop_assert_eq!(patch.unset_fields().collect::<Vec<_>>(), unset.clone());
        prop_assert_eq!(patch.len(), set.len() + unset.len());
        for name in ["", "a", "b", "c", "d"] {
            let found = set.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_value_ref());
            prop_assert_eq!(patch.get(name), found);
            prop_assert_eq!(patch.touches(name), found.is_some() || unset.iter().any(|known| known == name));
        }
    }

    #[test]
    fn fields_in_turn_are_the_patch_that_sets_and_unsets_them_in_turn(
        fields in vec((name(), option::of(value())), 0..24),
    ) {
        let in_turn = fields.iter().fold(Patch::new(), |patch, (name, value)| match value {
            Some(value) => patch.set(name, value.clone()),
            None => patch.unset(name),
        });
        let at_once = Patch::from_fields(fields.iter().map(|(name, value)| (&**name, value.clone())));
        prop_assert_eq!(at_once, in_turn);
    }

    #[test]
    fn a_record_as_a_patch_brings_all_its_fields(old in record(), new in record()) {
        let merged = old.merge(&Patch::from_record(new.clone()));
        for (name, value) in new.fields() {
            prop_assert_eq!(merged.get(name), Some(value));
        }
        let patch = Patch::from_record(new.clone());
        prop_assert_eq!(patch.set_record(), &new);
    }

    #[test]
    fn a_record_written_as_json_reads_back_in_its_order(record in record()) {
        let json = serde_json::to_string(&record).unwrap();
        let back: Record = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(names(&back), names(&record));
        prop_assert_eq!(&back, &record);
        prop_assert_eq!(Record::from_value(record.to_value()), Ok(record));
    }
}
