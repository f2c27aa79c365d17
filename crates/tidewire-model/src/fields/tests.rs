//! How the work of fields grows with what a peer sends, by counts.

use crate::work;
use crate::{Patch, Record, RecordBuilder, Value};

fn names(count: usize) -> Vec<Box<str>> {
    // Falling, so that each name goes to the front of the index.
    (0..count)
        .rev()
        .map(|n| format!("f{n:06}").into())
        .collect()
}

fn record(count: usize) -> Record {
    let mut builder = RecordBuilder::new();
    for name in names(count) {
        builder.push(&name, 1);
    }
    builder.build()
}

/// What a deed costs with so many fields.
fn work(count: usize, deed: impl Fn(usize)) -> usize {
    deed(count);
    work::take()
}

/// Four times the fields are about four times the work.
fn assert_grows_evenly(deed: impl Fn(usize)) {
    let (small, large) = (work(1_000, &deed), work(4_000, &deed));
    assert!(small >= 1_000, "{small}: nothing is counted");
    assert!(large <= 6 * small, "{small} and then {large}");
}

#[test]
fn unsetting_many_fields_is_one_pass() {
    assert_grows_evenly(|count| {
        let record = record(count);
        work::take();
        let mut patch = Patch::new();
        patch.drop_fields(names(count - 20));
        let left = record.merge(&patch);
        assert_eq!(left.len(), 20);
        assert!(left.get("f000000").is_none());
    });
}

#[test]
fn setting_many_new_fields_is_one_pass() {
    assert_grows_evenly(|count| {
        let patch = Patch::from_record(record(count));
        work::take();
        assert_eq!(Record::new().merge(&patch).len(), count);
        assert_eq!(Patch::new().unset("a").then(&patch).len(), count + 1);
    });
}

#[test]
fn reading_many_fields_is_one_pass() {
    assert_grows_evenly(|count| {
        let text = format!(
            "{{{}}}",
            names(count)
                .iter()
                .map(|name| format!("\"{name}\":1"))
                .collect::<Vec<_>>()
                .join(",")
        );
        work::take();
        let record: Record = serde_json::from_str(&text).unwrap();
        assert_eq!(record.len(), count);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(Record::from_value(value), Ok(record));
    });
}

#[test]
fn a_patch_of_many_fields_is_one_pass() {
    assert_grows_evenly(|count| {
        let fields = names(count).into_iter().zip(0_u32..);
        let patch = Patch::from_fields(fields.map(|(name, n)| (name, (n % 2 == 0).then_some(n))));
        assert_eq!(patch.len(), count);
        assert_eq!(patch.unset_fields().count(), count / 2);
    });
}
