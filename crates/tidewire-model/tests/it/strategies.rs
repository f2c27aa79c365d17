//! What the properties are tried on: values of all kinds with few distinct contents, so that equal ones meet.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tidewire_model::{
    Cursor, Direction, EntityId, EntityType, Filter, Patch, Query, Record, RecordBuilder, Sort,
    Test, Value, field,
};

pub(crate) fn customers() -> EntityType {
    EntityType::new("customers").unwrap()
}

pub(crate) fn id(text: &str) -> EntityId {
    EntityId::text(text).unwrap()
}

/// Text with what a careless writer would forget to escape.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[ab]{0,2}",
        1 => Just("say \"hi\" \\ `now`\n\t\u{7f}\u{1}".to_owned()),
        1 => "\\PC{0,6}",
        1 => any::<String>(),
    ]
}

/// Names with dots, keywords, blanks and backquotes among them.
pub(crate) fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]",
        1 => "[a-c]\\.[a-c]",
        1 => prop_oneof![Just("limit"), Just("NOT"), Just("null"), Just(""), Just("."), Just("a b"), Just("`")]
            .prop_map(str::to_owned),
        1 => text(),
    ]
}

pub(crate) fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-3_i64..4).prop_map(Value::from),
        4 => (-6_i32..7).prop_map(|halves| Value::from(f64::from(halves) / 2.0)),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_filter_map("finite", Value::float),
        2 => (-2_i64..3).prop_map(|near| Value::from(9_007_199_254_740_992_i64 + near)),
        1 => (0_u64..3).prop_map(|near| Value::from(u64::MAX - near)),
        2 => prop_oneof![
            Just(9_007_199_254_740_992.0),
            Just(9_223_372_036_854_775_808.0),
            Just(-9_223_372_036_854_775_808.0),
            Just(18_446_744_073_709_551_616.0),
            Just(-0.0),
        ]
        .prop_map(Value::from),
    ]
}

pub(crate) fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        4 => number(),
        2 => text().prop_map(Value::from),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((name(), inner), 0..3).prop_map(Value::object),
        ]
    })
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    vec((name(), value()), 0..5).prop_map(|fields| {
        let mut builder = RecordBuilder::new();
        for (name, value) in fields {
            builder.push(&name, value);
        }
        builder.build()
    })
}

pub(crate) fn patch() -> impl Strategy<Value = Patch> {
    vec((name(), option::of(value())), 0..5).prop_map(|fields| {
        fields
            .into_iter()
            .fold(Patch::new(), |patch, (name, value)| match value {
                Some(value) => patch.set(&name, value),
                None => patch.unset(&name),
            })
    })
}

fn single_test() -> impl Strategy<Value = Filter> {
    let test = prop_oneof![
        value().prop_map(Test::Eq),
        value().prop_map(Test::Ne),
        scalar().prop_map(Test::Lt),
        scalar().prop_map(Test::Le),
        scalar().prop_map(Test::Gt),
        scalar().prop_map(Test::Ge),
        vec(value(), 0..3).prop_map(Test::OneOf),
        text().prop_map(|text| Test::Contains(text.into())),
        text().prop_map(|text| Test::ContainsFold(text.into())),
        text().prop_map(|text| Test::StartsWith(text.into())),
        Just(Test::IsNull),
    ];
    (name(), test).prop_map(|(path, test)| Filter::Test {
        path: path.into(),
        test,
    })
}

/// Filters as an application may put them together, normal or not.
pub(crate) fn filter() -> impl Strategy<Value = Filter> {
    prop_oneof![4 => single_test(), 1 => Just(Filter::All)].prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Filter::And),
            vec(inner.clone(), 0..3).prop_map(Filter::Or),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    })
}

pub(crate) fn sort() -> impl Strategy<Value = Sort> {
    vec((name(), any::<bool>()), 0..3).prop_map(|keys| {
        keys.into_iter()
            .fold(Sort::by_id(), |sort, (path, descending)| {
                sort.then(
                    &path,
                    if descending {
                        Direction::Descending
                    } else {
                        Direction::Ascending
                    },
                )
            })
    })
}

pub(crate) fn query() -> impl Strategy<Value = Query> {
    let selection = prop_oneof![
        3 => filter().prop_map(|filter| Query::new(customers()).filter(filter)),
        1 => vec((name(), text()), 1..3).prop_map(|parameters| {
            parameters.iter().fold(Query::new(customers()), |query, (name, value)| query.opaque(name, value))
        }),
    ];
    let window = (
        option::of(any::<u64>()),
        option::of(0_u64..5),
        vec(value(), 3),
        any::<bool>(),
    );
    (selection, sort(), window).prop_map(|(query, sort, (limit, offset, mut values, integer))| {
        values.truncate(sort.keys().len());
        let query = limit.into_iter().fold(query.sorted(sort), Query::limit);
        match offset {
            Some(rows) => query.offset(rows),
            None => query.after(Cursor {
                values,
                id: if integer {
                    EntityId::integer(-5)
                } else {
                    id("c \"5\"")
                },
            }),
        }
    })
}

/// A filter that every test in this binary may use as an example.
pub(crate) fn example_filter() -> Filter {
    field("status")
        .eq("active")
        .and(field("score").gt(5).or(field("name").contains("x").not()))
}
