//! Positions keep the order of their list.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use tidewire_model::{
    Direction, EntityId, Record, RecordBuilder, Sort, SortPosition, Value, ValueRef, compare,
};

use crate::strategies::{id, record, sort};

/// The order of a list, said once more and slowly.
fn naive(sort: &Sort, left: &(EntityId, Record), right: &(EntityId, Record)) -> Ordering {
    for key in sort.keys() {
        let value = |row: &(EntityId, Record)| {
            row.1
                .path(&key.path)
                .map_or(Value::Null, ValueRef::to_value)
        };
        let (left, right) = (value(left), value(right));
        let ordering = match key.direction {
            Direction::Ascending => compare(left.as_value_ref(), right.as_value_ref()),
            Direction::Descending => compare(right.as_value_ref(), left.as_value_ref()),
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    left.0.as_str().as_bytes().cmp(right.0.as_str().as_bytes())
}

#[test]
fn a_descending_sort_still_breaks_ties_by_rising_id() {
    let sort = Sort::by_id().then("score", Direction::Descending);
    let score = |score: f64| RecordBuilder::new().field("score", score).build();
    let mut rows = [
        sort.position(&score(1.0), &id("a")),
        sort.position(&score(2.0), &id("c")),
        sort.position(&score(2.0), &id("b")),
    ];
    rows.sort();
    assert_eq!(
        rows.map(|row| row.id().as_str().to_owned()),
        ["b", "c", "a"]
    );
}

#[test]
fn a_missing_value_sorts_as_null_and_numbers_of_any_kind_together() {
    let sort = Sort::by_id().then("n", Direction::Ascending);
    let at = |value: Value, name: &str| {
        sort.position(&RecordBuilder::new().field("n", value).build(), &id(name))
    };
    assert_eq!(
        sort.position(&Record::new(), &id("x")),
        at(Value::Null, "x")
    );
    assert_eq!(at(1.into(), "x"), at(1.0.into(), "x"));
    assert!(at(1.into(), "y") > at(1.0.into(), "x"));
}

/// Numbers around those that floats cannot tell apart, and texts that begin alike.
fn close() -> impl Strategy<Value = Value> {
    let around = prop::sample::select(vec![0, 1 << 53, -(1 << 53), i64::MAX - 3, i64::MIN + 3]);
    prop_oneof![
        (around.clone(), -3..=3_i64).prop_map(|(number, off)| Value::from(number + off)),
        (around, -3..=3_i64).prop_map(|(number, off)| Value::from((number + off) as f64)),
        (0..4_u64).prop_map(|off| Value::from(u64::MAX - off)),
        prop::sample::select(vec![
            0.0,
            -0.0,
            0.5,
            -0.5,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            1e300
        ])
        .prop_map(Value::from),
        "(aaaaaa|aaaaaaa|aaaaaaaa|ä){0,2}[ab\u{0}]{0,2}".prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        Just(Value::List(Vec::new())),
        Just(Value::Object(Vec::new())),
    ]
}

/// Entities whose places often differ late, if at all.
fn close_row() -> impl Strategy<Value = (EntityId, Record)> {
    let id = "(aaaaaaaa){0,3}[ab]{1,2}".prop_map(|text| id(&text));
    (id, vec(close(), 0..4)).prop_map(|(id, values)| {
        let fields = ["a", "b", "c"].into_iter().zip(values);
        let record = fields.fold(RecordBuilder::new(), |record, (name, value)| {
            record.field(name, value)
        });
        (id, record.build())
    })
}

fn direction() -> impl Strategy<Value = Direction> {
    prop::sample::select(vec![Direction::Ascending, Direction::Descending])
}

proptest! {
    #[test]
    fn positions_as_keys_keep_the_order_of_the_list(sort in sort(), records in vec(record(), 0..8)) {
        let mut rows: Vec<(EntityId, Record)> =
            records.into_iter().enumerate().map(|(place, record)| (id(&place.to_string()), record)).collect();
        let map: BTreeMap<SortPosition, EntityId> =
            rows.iter().map(|(id, record)| (sort.position(record, id), id.clone())).collect();
        rows.sort_by(|left, right| naive(&sort, left, right));
        prop_assert_eq!(map.into_values().collect::<Vec<_>>(), rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>());
        for (left, right) in rows.iter().zip(rows.iter().skip(1)) {
            prop_assert_eq!(sort.compare((&left.1, &left.0), (&right.1, &right.0)), Ordering::Less);
        }
    }

    #[test]
    fn values_that_hardly_differ_keep_their_order_too(
        (left, right) in (close_row(), close_row()),
        directions in vec(direction(), 0..4),
    ) {
        let keys = directions.into_iter().zip(["a", "b", "c"]);
        let sort = keys.fold(Sort::by_id(), |sort, (direction, path)| sort.then(path, direction));
        let sorter = sort.prepare();
        let expected = naive(&sort, &left, &right);
        let at = |row: &(EntityId, Record)| sort.position(&row.1, &row.0);
        prop_assert_eq!(at(&left).cmp(&at(&right)), expected);
        prop_assert_eq!(sorter.position(&left.1, &left.0), at(&left));
        let (one, other) = ((&left.1, &left.0), (&right.1, &right.0));
        prop_assert_eq!(sorter.compare(one, other), expected);
        prop_assert_eq!(sorter.compare_to(one, &at(&right)), expected);
        let digest = |row: &(EntityId, Record)| sorter.digest(&row.1, &row.0);
        prop_assert_eq!(digest(&left), at(&left).digest());
        prop_assert!(matches!(digest(&left).cmp(&digest(&right)), Ordering::Equal) || digest(&left).cmp(&digest(&right)) == expected);
    }

    #[test]
    fn a_cursor_names_its_position(sort in sort(), record in record()) {
        let position = sort.position(&record, &id("x"));
        prop_assert_eq!(sort.position_of(&position.cursor()), position);
    }
}
