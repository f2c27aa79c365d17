//! What records cost in memory, by counts of the allocator.

use std::hint::black_box;

use allocation_counter::{AllocationInfo, measure};
use serde::Deserialize;
use tidewire_model::{ActionId, EntityId, FieldPath, Patch, Record, Value, ValueRef};

use crate::customer::{Customer, text};

/// What is still held of what making something took.
fn held<T>(make: impl Fn() -> T) -> AllocationInfo {
    // The first of its kind brings what is shared.
    drop(make());
    let mut made = None;
    let info = measure(|| made = Some(make()));
    drop(made);
    info
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> T {
    serde_json::from_str(text).unwrap()
}

#[test]
fn reading_a_record_of_a_known_shape_is_one_allocation() {
    let nested = r#"{"id":1,"tags":["a",{"b":[1.5,18446744073709551615]}],"at":{"x":null}}"#;
    for text in [&text(), nested] {
        let info = held(|| read::<Record>(text));
        assert_eq!((info.count_total, info.count_current), (1, 1), "{text}");
    }
    assert_eq!(held(Record::new).count_total, 0);
}

#[test]
fn a_merge_that_keeps_the_names_is_one_allocation() {
    let record: Record = read(&text());
    let patch = Patch::new().set("score", 12).set("updatedAt", "2026-11-23");
    assert_eq!(held(|| record.merge(&patch)).count_total, 1);
    assert_eq!(held(|| record.clone()).count_total, 0);
}

#[test]
fn reading_a_patch_is_one_allocation_and_merging_it_another() {
    let text =
        r#"{"status":"paused","score":12,"at":{"x":[1.5,"y"]},"updatedAt":"2026-11-23T11:00:00Z"}"#;
    assert_eq!(held(|| read::<Patch>(text)).count_total, 1);
    let record: Record = read::<Record>(&crate::customer::text()).with("at", Value::Null);
    let patch: Patch = read(text);
    assert_eq!(held(|| record.merge(&patch)).count_total, 1);
    assert_eq!(held(|| patch.clone()).count_total, 0);
    let unset = patch.clone().unset("notes");
    assert_eq!(held(|| unset.clone()).count_total, 0);
    assert_eq!(held(|| unset.names().count()).count_total, 0);
    assert_eq!(held(|| record.diff(&record.merge(&patch))).count_total, 2);
    assert_eq!(held(|| Patch::from_record(record.clone())).count_total, 0);
    assert_eq!(held(Patch::new).count_total, 0);
}

#[test]
fn looking_up_allocates_nothing() {
    let record: Record = read(r#"{"id":1,"at":{"x":{"y":"z"},"b.c":[1,2]}}"#);
    let prepared = FieldPath::new("at.x.y");
    let info = held(|| {
        black_box(record.get("id"));
        black_box(record.path("at.b.c").and_then(ValueRef::as_list));
        black_box(record.fields().len() + record.depth());
        black_box(record.clone() == record);
        prepared.find(&record).map(ValueRef::is_null)
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn a_record_knows_what_it_holds() {
    let many = |count: usize| Value::object((0..count).map(|n| (format!("field {n}"), n as u64)));
    let values = [
        many(0),
        many(1),
        many(17),
        many(256),
        many(257),
        many(5_000),
        Value::object([("text", "x".repeat(1_000_000))]),
        Value::object([("list", Value::from(vec![many(3), many(40)]))]),
        read(&text()),
    ];
    for value in values {
        let info = held(|| Record::from_value(value.clone()).unwrap());
        let record = Record::from_value(value).unwrap();
        assert_eq!(record.held_bytes() as i64, info.bytes_current);
        assert!(record.held_bytes() <= record.approximate_bytes());
    }
}

#[test]
fn a_record_is_smaller_than_its_text() {
    let text = text();
    let tree = held(|| read::<serde_json::Value>(&text)).bytes_current as usize
        + size_of::<serde_json::Value>();
    let typed = held(|| read::<Customer>(&text)).bytes_current as usize + size_of::<Customer>();
    let record = held(|| read::<Record>(&text)).bytes_current as usize + size_of::<Record>();
    println!(
        "bytes with handle: text {}, serde_json::Value {tree}, typed {typed}, record {record}",
        text.len()
    );
    assert!(record * 100 <= text.len() * 95);
    assert!(record < typed && typed < tree);
}

#[test]
fn a_short_id_allocates_nothing_and_a_long_one_once() {
    let counts = |make: &dyn Fn() -> EntityId| {
        let id = make();
        let (made, cloned) = (held(make), held(|| id.clone()));
        assert_eq!(made.bytes_current, id.held_bytes() as i64);
        (made.count_total, cloned.count_total)
    };
    let text = |text: &'static str| move || EntityId::text(text).unwrap();
    assert_eq!(counts(&text("c-000042")), (0, 0));
    assert_eq!(counts(&text("customer-0000000000042")), (0, 0));
    assert_eq!(counts(&|| EntityId::integer(i64::MIN)), (0, 0));
    assert_eq!(counts(&|| EntityId::unsigned(u64::MAX)), (0, 0));
    assert_eq!(counts(&|| read("\"c-000042\"")), (0, 0));
    assert_eq!(counts(&text("customer-00000000000042")), (1, 0));
    let uuid = text("0190b0c2-7b5e-7cc3-98c4-dc0c0c07398f");
    assert_eq!(counts(&uuid), (1, 0));
    let temporary = || EntityId::temporary(ActionId::new(1, [7; 10]));
    assert_eq!(counts(&temporary), (1, 0));
    let words = 3 * size_of::<usize>();
    assert_eq!(size_of::<EntityId>(), words);
    assert_eq!(size_of::<Option<EntityId>>(), words);
}
