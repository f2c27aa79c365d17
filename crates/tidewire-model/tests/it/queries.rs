//! Filters select what their words say, and a query knows what it depends on.

use proptest::collection::vec;
use proptest::prelude::*;
use tidewire_model::{
    Cursor, Filter, Patch, Query, Record, RecordBuilder, Selection, Start, Value, field,
};

use crate::strategies::{customers, filter, id, patch, query, record};

fn holds(filter: &Filter, value: impl Into<Value>) -> bool {
    filter.matches(&RecordBuilder::new().field("v", value).build())
}

fn v() -> tidewire_model::Field {
    field("v")
}

#[test]
fn less_and_greater_compare_within_one_kind_only() {
    let samples = [
        Value::Null,
        false.into(),
        1.into(),
        1.5.into(),
        "m".into(),
        vec![1].into(),
        Value::object([("a", 1)]),
    ];
    for (bound, below, above) in [
        (
            Value::from(1),
            vec![Value::from(0), Value::from(0.5)],
            vec![Value::from(1.5), Value::from(u64::MAX)],
        ),
        (
            Value::from("m"),
            vec![Value::from(""), Value::from("M")],
            vec![Value::from("n")],
        ),
        (Value::from(true), vec![Value::from(false)], vec![]),
    ] {
        let (lt, le) = (v().lt(bound.clone()), v().le(bound.clone()));
        let (gt, ge) = (v().gt(bound.clone()), v().ge(bound.clone()));
        assert!(
            below
                .iter()
                .all(|value| holds(&lt, value.clone()) && holds(&le, value.clone()))
        );
        assert!(
            below
                .iter()
                .all(|value| !holds(&gt, value.clone()) && !holds(&ge, value.clone()))
        );
        assert!(
            above
                .iter()
                .all(|value| holds(&gt, value.clone()) && holds(&ge, value.clone()))
        );
        assert!(
            above
                .iter()
                .all(|value| !holds(&lt, value.clone()) && !holds(&le, value.clone()))
        );
        assert!(holds(&le, bound.clone()) && holds(&ge, bound.clone()));
        assert!(!holds(&lt, bound.clone()) && !holds(&gt, bound.clone()));
        let kind = |value: &Value| {
            (
                value.is_number(),
                value.as_text().is_some(),
                matches!(value, Value::Bool(_)),
            )
        };
        for other in samples.iter().filter(|other| kind(other) != kind(&bound)) {
            assert!(
                [&lt, &le, &gt, &ge]
                    .iter()
                    .all(|filter| !holds(filter, other.clone())),
                "{other} {bound}"
            );
        }
    }
    // Nothing is less or greater than what has no order within its kind.
    assert!(!holds(&v().le(Value::Null), Value::Null) && !holds(&v().ge(vec![1]), vec![1]));
}

#[test]
fn equality_crosses_number_kinds_and_takes_missing_for_null() {
    assert!(holds(&v().eq(1.0), 1) && holds(&v().one_of([2.0, 1.0]), 1) && !holds(&v().ne(1.0), 1));
    let missing = field("other").eq(Value::Null);
    assert!(
        holds(&missing, 1)
            && holds(&field("other").is_null(), 1)
            && holds(&v().is_null(), Value::Null)
    );
    assert!(holds(&field("other").ne(1), 1) && !holds(&field("other").ne(Value::Null), 1));
    assert!(!holds(&v().is_null(), 0) && !holds(&v().is_null(), ""));
    assert!(!holds(&v().one_of(Vec::<Value>::new()), Value::Null));
    assert!(holds(
        &v().eq(Value::object([("a", 1), ("b", 2)])),
        Value::object([("b", 2.0), ("a", 1.0)])
    ));
}

#[test]
fn text_tests_hold_for_text_only() {
    assert!(
        holds(&v().contains("b"), "abc")
            && !holds(&v().contains("B"), "abc")
            && holds(&v().contains(""), "")
    );
    assert!(holds(&v().starts_with("ab"), "abc") && !holds(&v().starts_with("b"), "abc"));
    for filter in [
        v().contains("1"),
        v().contains_ignoring_case("1"),
        v().starts_with("1"),
    ] {
        assert!(!holds(&filter, 1) && !holds(&filter, Value::Null) && !holds(&filter, vec!["1"]));
    }
}

#[test]
fn case_is_ignored_in_every_script() {
    for (part, text) in [
        ("B", "abc"),
        ("b", "ABC"),
        ("É", "café"),
        ("straße", "STRASSE STRAßE"),
        ("", ""),
        ("ω", "Ω"),
    ] {
        assert!(
            holds(&v().contains_ignoring_case(part), text),
            "{part} in {text}"
        );
    }
    assert!(!holds(&v().contains_ignoring_case("abcd"), "abc"));
    // Whatever stands around it, one letter is one letter: the end of a word does not make another sigma.
    for text in ["ΟΔΟΣ", "οδος", "οδοσ", "ΟΔΟΣ 5", "ΟΔΟΣΑ"] {
        for part in ["ΟΔΟΣ", "οδος", "οδοσ", "Σ", "ς", "σ"] {
            assert!(
                holds(&v().contains_ignoring_case(part), text),
                "{text} {part}"
            );
        }
    }
    assert!(holds(&v().contains_ignoring_case("k"), "\u{212a}"));
    assert!(holds(&v().contains_ignoring_case("\u{212a}"), "k"));
}

#[test]
fn tests_reach_into_nested_objects() {
    let record = RecordBuilder::new()
        .field("address", Value::object([("city", "Oslo")]))
        .build();
    assert!(field("address.city").eq("Oslo").matches(&record));
    assert!(field("address.street").is_null().matches(&record));
}

#[test]
fn an_opaque_query_cannot_tell() {
    let query = Query::new(customers())
        .opaque("segment", "vip")
        .sort_asc("name");
    assert!(query.is_opaque());
    assert_eq!(query.matches(&Record::new()), None);
    assert_eq!(query.position(&Record::new(), &id("x")), None);
    assert!(
        query.is_affected_by(&Patch::new())
            && query.paths().is_empty()
            && query.as_filter().is_none()
    );
    let sorted = query.clone().opaque("area", "1").opaque("segment", "new");
    let expected = vec![
        ("area".into(), "1".into()),
        ("segment".into(), "new".into()),
    ];
    assert_eq!(*sorted.selection(), Selection::Opaque(expected));
    assert!(!query.filter(Filter::All).is_opaque());
}

#[test]
fn pages_of_one_filter_and_sort_share_a_run() {
    let base = Query::new(customers())
        .filter(field("a").eq(1))
        .sort_desc("b");
    let page = base.clone().offset(50).limit(50);
    assert_eq!(
        (page.start(), page.row_limit()),
        (&Start::Offset(50), Some(50))
    );
    assert_eq!(page.run_key(), base);
    let anchored = base
        .clone()
        .after(Cursor {
            values: vec![1.into()],
            id: id("x"),
        })
        .limit(5);
    assert_eq!(anchored.run_key(), base);
    assert_eq!(anchored.unlimited().row_limit(), None);
    assert_ne!(base.clone().sort_asc("c").run_key(), base);
}

#[test]
fn a_query_depends_on_the_outer_field_of_each_path_and_on_its_literal_name() {
    let query = Query::new(customers())
        .filter(field("address.city").eq("Oslo"))
        .sort_asc("name");
    assert_eq!(query.paths(), ["address.city", "name"]);
    for name in ["address", "address.city", "name"] {
        assert!(query.is_affected_by(&Patch::new().unset(name)), "{name}");
    }
    assert!(!query.is_affected_by(&Patch::new().set("city", 1).set("address.", 2)));
}

#[test]
fn two_filters_are_both_asked_for() {
    let query = Query::new(customers())
        .filter(field("a").eq(1))
        .filter(field("b").eq(2));
    assert_eq!(
        query.as_filter(),
        Some(&field("a").eq(1).and(field("b").eq(2)))
    );
}

#[test]
fn the_normal_form_joins_what_is_nested_and_unwraps_what_is_single() {
    let (a, b, c) = (
        field("a").is_null(),
        field("b").is_null(),
        field("c").is_null(),
    );
    let and = |parts: &[&Filter]| Filter::And(parts.iter().map(|part| (*part).clone()).collect());
    let or = |parts: &[&Filter]| Filter::Or(parts.iter().map(|part| (*part).clone()).collect());
    assert_eq!(
        and(&[&and(&[&a, &Filter::All]), &and(&[&b, &and(&[&c])])]).normalised(),
        and(&[&a, &b, &c])
    );
    assert_eq!(
        or(&[&or(&[&a]), &or(&[&b, &c])]).normalised(),
        or(&[&a, &b, &c])
    );
    assert_eq!(and(&[]).normalised(), Filter::All);
    assert_eq!(or(&[]).normalised(), Filter::All.not());
    assert_eq!(and(&[&a]).not().not(), and(&[&a]));
    assert_eq!(
        Filter::Not(Box::new(Filter::Not(Box::new(and(&[&a]))))).normalised(),
        a
    );
}

proptest! {
    #[test]
    fn a_prepared_filter_answers_as_it_does_unprepared(filter in filter(), records in vec(record(), 1..5)) {
        let matcher = filter.prepare();
        // Each more than once, one shape after the other.
        for record in records.iter().chain(&records).chain(records.iter().rev()) {
            let is_meant = matcher.matches(record, |_| Ok::<(), ()>(()));
            prop_assert_eq!(is_meant, Ok(filter.matches(record)));
        }
    }

    #[test]
    fn the_normal_form_selects_the_same_and_is_final(filter in filter(), record in record()) {
        let normal = filter.clone().normalised();
        prop_assert_eq!(normal.matches(&record), filter.matches(&record));
        prop_assert_eq!(normal.clone().normalised(), normal);
    }

    #[test]
    fn and_or_not_mean_what_they_say(a in filter(), b in filter(), record in record()) {
        let (holds_a, holds_b) = (a.matches(&record), b.matches(&record));
        prop_assert_eq!(a.clone().and(b.clone()).matches(&record), holds_a && holds_b);
        prop_assert_eq!(a.clone().or(b).matches(&record), holds_a || holds_b);
        prop_assert_eq!(a.not().matches(&record), !holds_a);
    }

    #[test]
    fn a_patch_that_does_not_affect_a_query_changes_neither_membership_nor_place(
        query in query(), record in record(), patch in patch(),
    ) {
        if !query.is_affected_by(&patch) {
            let after = record.merge(&patch);
            prop_assert_eq!(query.matches(&after), query.matches(&record));
            prop_assert_eq!(query.position(&after, &id("x")), query.position(&record, &id("x")));
        }
    }
}
