//! However a record lies in memory, it is what its text says: compared with another reader and with plain lists of pairs.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use tidewire_model::{FieldPath, Patch, Record, RecordBuilder, Value, ValueRef};

use crate::strategies::{name, record, text};

fn number() -> impl Strategy<Value = Json> {
    prop_oneof![
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_filter_map("finite", |number| number.is_finite().then(|| json!(number))),
        (-3_i64..4, 0_u32..64).prop_map(|(near, bits)| json!((1_i64 << (bits % 63)) + near)),
        (-3_i64..4, 0_u32..64)
            .prop_map(|(near, bits)| json!(near.wrapping_sub(1_i64 << (bits % 63)))),
        (0_u64..3).prop_map(|near| json!(u64::MAX - near)),
        Just(json!(i64::MIN)),
        Just(json!(-0.0)),
    ]
}

/// The text of any value, names repeated now and then.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        2 => Just("null".to_owned()),
        1 => any::<bool>().prop_map(|value| value.to_string()),
        4 => number().prop_map(|number| number.to_string()),
        3 => text().prop_map(|text| json!(text).to_string()),
        1 => (60_usize..70).prop_map(|length| json!("é".repeat(length / 2)).to_string()),
        1 => (4_090_usize..4_100).prop_map(|length| json!("x".repeat(length)).to_string()),
    ];
    leaf.prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|values| format!("[{}]", values.join(","))),
            object_text(inner, 0..24),
        ]
    })
}

fn object_text(
    value: impl Strategy<Value = String>,
    size: std::ops::Range<usize>,
) -> impl Strategy<Value = String> {
    let name = prop_oneof![3 => name(), 2 => "[a-z]{1,3}"];
    vec((name, value), size).prop_map(|pairs| {
        let pairs: Vec<String> = pairs
            .into_iter()
            .map(|(name, value)| format!("{}:{value}", json!(name)))
            .collect();
        format!("{{{}}}", pairs.join(","))
    })
}

/// What a plain list of pairs would hold.
type Pairs = Vec<(String, Json)>;

fn set(pairs: &mut Pairs, name: &str, value: Json) {
    match pairs.iter_mut().find(|(known, _)| known == name) {
        Some(pair) => pair.1 = value,
        None => pairs.push((name.to_owned(), value)),
    }
}

fn pairs_of(record: &Record) -> Pairs {
    record
        .fields()
        .map(|(name, value)| (name.to_owned(), serde_json::to_value(value).unwrap()))
        .collect()
}

fn to_value(json: &Json) -> Value {
    serde_json::from_value(json.clone()).unwrap()
}

proptest! {
    #[test]
    fn a_record_is_what_its_text_says(text in object_text(json_text(), 0..30)) {
        let record: Record = serde_json::from_str(&text).unwrap();
        let json: Map<String, Json> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(record.len(), json.len());
        for (name, value) in &json {
            let found = record.get(name).map(|value| serde_json::to_value(value).unwrap());
            prop_assert_eq!(found.as_ref(), Some(value));
            // As text, where `-0.0` and `0.0` differ too.
            prop_assert_eq!(found.map(|found| found.to_string()), Some(value.to_string()));
        }
        prop_assert_eq!(&record.to::<Map<String, Json>>().unwrap(), &json);
        let patch: Patch = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(patch.set_record(), &record);
        let written = serde_json::to_string(&record).unwrap();
        let again: Record = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), written);
        prop_assert_eq!(&again, &record);
        prop_assert_eq!(again.held_bytes(), record.held_bytes(), "nothing is kept beside the fields");
        // Through owned values it comes to the same, in the same order.
        let value: Value = serde_json::from_str(&text).unwrap();
        let other = Record::from_value(value).unwrap();
        prop_assert_eq!(pairs_of(&other), pairs_of(&record));
        prop_assert_eq!(&other, &record);
        prop_assert_eq!(other.approximate_bytes(), record.approximate_bytes());
        prop_assert_eq!(Record::from_serialize(&json).unwrap(), other);
    }

    #[test]
    fn records_are_equal_where_their_texts_are(
        one in object_text(json_text(), 0..4),
        two in object_text(json_text(), 0..4),
    ) {
        // Compared as values, strictly and in any order of the names.
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let record = |text: &str| serde_json::from_str::<Record>(text).unwrap();
        prop_assert_eq!(record(&one) == record(&two), value(&one) == value(&two));
        let mut reversed: Pairs = pairs_of(&record(&one));
        reversed.reverse();
        let builder = reversed.iter().fold(RecordBuilder::new(), |builder, (name, json)| {
            builder.field(name, to_value(json))
        });
        prop_assert_eq!(builder.build(), record(&one));
    }

    #[test]
    fn merging_does_what_it_does_to_a_list_of_pairs(
        text in object_text(json_text(), 0..30),
        steps in vec(vec((prop_oneof![3 => name(), 2 => "[a-z]{1,2}"], option::weighted(0.8, json_text())), 0..12), 1..4),
        only_known in any::<bool>(),
    ) {
        let mut record: Record = serde_json::from_str(&text).unwrap();
        let mut pairs = pairs_of(&record);
        for step in steps {
            let mut patch = Patch::new();
            let before = record.clone();
            for (place, (name, value)) in step.iter().enumerate() {
                // Where the names stay, it goes another way.
                let known = pairs.get((place * 7) % pairs.len().max(1)).filter(|_| only_known);
                let name = known.map_or(name.clone(), |(name, _)| name.clone());
                match value {
                    Some(value) => patch.put(&name, serde_json::from_str::<Value>(value).unwrap()),
                    None if only_known => {}
                    None => patch.drop_field(&name),
                }
            }
            for name in patch.unset_fields() {
                pairs.retain(|(known, _)| known != name);
            }
            for (name, value) in patch.set_fields() {
                set(&mut pairs, name, serde_json::to_value(value).unwrap());
            }
            record = record.merge(&patch);
            prop_assert_eq!(pairs_of(&record), pairs.clone());
            let fresh: Record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
            prop_assert_eq!(fresh.held_bytes(), record.held_bytes());
            prop_assert_eq!(before.merge(&before.diff(&record)), record.clone());
            for (name, value) in &pairs {
                let one = before.with(name, to_value(value));
                prop_assert_eq!(one.get(name).map(ValueRef::to_value), Some(to_value(value)));
                prop_assert_eq!(record.without(name).len(), record.len() - 1);
            }
        }
    }

    #[test]
    fn a_prepared_path_finds_what_the_path_finds(
        records in vec(record(), 1..5),
        paths in vec(vec(name(), 1..4), 1..4),
    ) {
        for path in paths {
            let path = path.join(".");
            let prepared = FieldPath::new(&path);
            prop_assert_eq!(prepared.as_str(), &path);
            for record in records.iter().chain(&records) {
                prop_assert_eq!(prepared.find(record), record.path(&path));
            }
        }
    }
}

#[test]
fn a_record_of_many_fields_is_looked_up_as_any_other() {
    for count in [16, 17, 255, 256, 257, 3_000] {
        let names: Vec<String> = (0..count)
            .map(|n| format!("f{}", (n * 7) % count))
            .collect();
        let text = serde_json::to_string(&json_object(names.iter().zip(0..))).unwrap();
        let record: Record = serde_json::from_str(&text).unwrap();
        assert_eq!(record.len(), count);
        let nested: Record = serde_json::from_str(&format!("{{\"in\":{text}}}")).unwrap();
        for (name, value) in json_object(names.iter().zip(0..)) {
            let value = Some(to_value(&value));
            assert_eq!(record.get(&name).map(ValueRef::to_value), value);
            let path = format!("in.{name}");
            assert_eq!(nested.path(&path).map(ValueRef::to_value), value);
        }
        assert_eq!(record.get("g"), None);
        assert_eq!(nested.path("in.g"), None);
        assert_eq!(
            serde_json::from_str::<Record>(&record_text(&record)).unwrap(),
            record
        );
    }
}

#[test]
fn texts_of_many_mebibytes_are_held_like_others() {
    let large = "y".repeat(17 << 20);
    let fields = |large: &str| {
        RecordBuilder::new()
            .field("a", 1)
            .field("large", large)
            .field(
                "b",
                Value::from(vec![Value::from("x"), Value::object([("c", 1.5)])]),
            )
            .field(
                "in",
                Value::object([("large", Value::from(large)), ("d", "e".into())]),
            )
            .build()
    };
    let record = fields(&large);
    assert_eq!(record.get("large"), Some(ValueRef::Text(&large)));
    assert_eq!(record.path("in.d"), Some(ValueRef::Text("e")));
    assert_eq!(record.path("in.large"), Some(ValueRef::Text(&large)));
    assert_eq!(record.get("b").map(ValueRef::depth), Some(2));
    let read: Record = serde_json::from_str(&record_text(&record)).unwrap();
    assert!(read == record);
    let small = Patch::new()
        .set("large", "z")
        .set("in", fields("z").get("in").unwrap());
    assert_eq!(record.merge(&small), fields("z"));
    assert!(
        fields("z")
            .merge(&Patch::new().set("large", &*large))
            .get("large")
            == record.get("large")
    );
    let many = Value::from(vec![0; 100_000]);
    let own = (0..300).fold(RecordBuilder::new(), |builder, n| {
        builder.field(&format!("f{n}"), n)
    });
    let own = own
        .field("large", &*large)
        .field("many", many.clone())
        .build();
    assert_eq!(own.get("f299"), Some(ValueRef::Int(299)));
    assert!(own.get("large") == Some(ValueRef::Text(&large)));
    assert!(own.without("large").get("many") == Some(many.as_value_ref()));
}

fn record_text(record: &Record) -> String {
    serde_json::to_string(record).unwrap()
}

fn json_object<'a>(fields: impl Iterator<Item = (&'a String, u64)>) -> Map<String, Json> {
    fields
        .map(|(name, value)| (name.clone(), value.into()))
        .collect()
}
