//! Which runs the index finds for a record, and that it keeps nothing of a run that went. What the
//! finding is for is tested where runs are told.

use tidewire_model::{EntityType, Filter, Query, Record, Value, field};

use super::{Candidates, Gap, RunIndex, Traces};
use crate::base::Image;
use crate::fetch::RunKey;
use crate::run::{Run, Scope};
use crate::slots::Stamp;

fn run(filter: Filter) -> Run {
    let notes = EntityType::new("notes").expect("a type");
    let query = Query::new(notes).filter(filter).sort_asc("n");
    Run::new(RunKey::of(&query), Scope::Window, None, Stamp::default())
}

/// The filters of the lists that are found for a record, as text.
fn found(lists: impl IntoIterator<Item = Filter>, record: Record) -> Vec<String> {
    let mut index = RunIndex::default();
    for filter in lists {
        index.add(&run(filter), false);
    }
    let images = [&Image::Present(record)];
    let traces = Traces {
        images: &images,
        gap: Gap::None,
    };
    let Candidates::These(keys) = index.candidates(traces) else {
        panic!("the images tell all that matters")
    };
    let texts = keys.iter().map(|key| key.query().to_string());
    let mut texts: Vec<String> = texts.map(|text| text.replace(" order by n", "")).collect();
    texts.sort();
    texts
}

fn record(a: impl Into<Value>, b: impl Into<Value>) -> Record {
    Record::default().with("a", a).with("b", b)
}

fn text(filter: Filter) -> String {
    run(filter).query().to_string().replace(" order by n", "")
}

#[test]
fn equalities_are_taken_together_and_tell_more_lists_apart_than_each() {
    let lists = || (0..9).flat_map(|a| (0..9).map(move |b| field("a").eq(a).and(field("b").eq(b))));
    let found = found(lists(), record(3, 4));
    assert_eq!(found, [text(field("a").eq(3).and(field("b").eq(4)))]);
}

#[test]
fn a_list_is_found_by_any_of_its_alternatives_and_by_no_other_value() {
    let lists = [
        field("a").one_of([1, 2]),
        field("a").eq(1).or(field("b").eq(9)),
        field("a").one_of([1, 2]).and(field("b").one_of([7, 8, 9])),
        field("a").one_of([3, 4]),
        Filter::Or(Vec::new()),
    ];
    assert_eq!(found(lists.clone(), record(1, 0)).len(), 3);
    assert_eq!(
        found(lists.clone(), record(5, 9)),
        [text(field("a").eq(1).or(field("b").eq(9)))]
    );
    assert!(found(lists, record(5, 5)).is_empty());
}

#[test]
fn what_filters_take_for_equal_is_found() {
    let lists = [field("a").eq(1), field("b").is_null(), field("b").eq("x")];
    let record = Record::default().with("a", Value::Float(1.0));
    assert_eq!(
        found(lists, record),
        [text(field("a").eq(1)), text(field("b").is_null())]
    );
}

#[test]
fn a_list_without_a_value_to_go_by_is_always_found() {
    let many = field("a").one_of(0..300);
    let long = field("a").eq("x".repeat(2_000));
    let parts = field("a").eq(Value::List(Vec::new()));
    let other = field("a").eq(3).or(field("a").gt(4));
    let (range, not) = (field("a").gt(3), field("a").eq(3).not());
    let lists = [many, long, parts, other, range, not];
    assert_eq!(found(lists, record("y", "z")).len(), 6);
}

#[test]
fn an_index_keeps_nothing_of_the_runs_that_went() {
    let filters = [
        field("a").one_of([1, 2]).or(field("b.c").eq("tmp_1")),
        field("a").eq(1).and(field("b").eq("tmp_2")),
        field("a").gt(1),
        Filter::All,
    ];
    let runs: Vec<Run> = filters.into_iter().map(run).collect();
    let mut index = RunIndex::default();
    for (number, run) in runs.iter().enumerate() {
        index.add(run, number % 2 == 1);
    }
    for run in &runs {
        index.remove(run);
    }
    assert!(index.guarded.is_empty() && index.rest.is_empty() && index.readers.is_empty());
    assert!(index.naming.is_empty() && index.empty.is_empty());
    assert_eq!((index.windows, index.rows), (0, 0));
}
