//! Effects apply to anything and never fail.

use proptest::prelude::*;
use tidewire_model::{
    Effect, EffectBody, EffectFields, EntityId, EntityKey, Patch, Record, RecordBuilder, Value,
    ValueRef,
};

use crate::strategies::{customers, name, patch, record, value};

fn increment(by: impl Into<Value>) -> EffectBody {
    EffectBody::Increment {
        field: "n".into(),
        by: by.into(),
    }
}

fn append(value: impl Into<Value>) -> EffectBody {
    EffectBody::Append {
        field: "n".into(),
        value: value.into(),
    }
}

fn holding(value: impl Into<Value>) -> Record {
    RecordBuilder::new().field("n", value).build()
}

fn after(effect: &EffectBody, before: &Record) -> Option<Value> {
    effect
        .apply(Some(before))
        .unwrap()
        .get("n")
        .map(ValueRef::to_value)
}

#[test]
fn an_increment_is_exact_between_integers_and_a_float_beyond_64_bit() {
    let sum = |held: Value, by: Value| after(&increment(by), &holding(held)).unwrap();
    assert_eq!(sum(2.into(), (-5).into()), Value::Int(-3));
    assert_eq!(sum(i64::MAX.into(), 1.into()), Value::UInt(1 << 63));
    assert_eq!(sum(u64::MAX.into(), (-1).into()), Value::UInt(u64::MAX - 1));
    assert_eq!(sum(u64::MAX.into(), i64::MIN.into()), Value::Int(i64::MAX));
    assert_eq!(
        sum(u64::MAX.into(), 1.into()),
        Value::Float(18_446_744_073_709_551_616.0)
    );
    assert_eq!(
        sum(i64::MIN.into(), (-1).into()),
        Value::Float(-9_223_372_036_854_775_808.0)
    );
    assert_eq!(sum(1.into(), 0.5.into()), Value::Float(1.5));
    assert_eq!(
        sum(f64::MAX.into(), f64::MAX.into()),
        Value::Float(f64::MAX),
        "what is not finite is not done"
    );
}

#[test]
fn an_increment_of_what_is_missing_begins_and_of_what_is_no_number_does_nothing() {
    assert_eq!(after(&increment(3), &Record::new()), Some(3.into()));
    assert_eq!(after(&increment("x"), &Record::new()), None);
    for held in [Value::Null, "7".into(), true.into(), Value::List(vec![])] {
        assert_eq!(after(&increment(3), &holding(held.clone())), Some(held));
    }
}

#[test]
fn an_append_adds_at_the_end_begins_a_missing_list_and_leaves_others_alone() {
    assert_eq!(
        after(&append(3), &holding(vec![1, 2])),
        Some(vec![1, 2, 3].into())
    );
    assert_eq!(after(&append(3), &Record::new()), Some(vec![3].into()));
    assert_eq!(after(&append(3), &holding("x")), Some("x".into()));
}

#[test]
fn only_a_put_brings_an_absent_entity_back() {
    let record = holding(1);
    assert_eq!(
        EffectBody::Put(record.clone()).apply(None),
        Some(record.clone())
    );
    for effect in [
        EffectBody::Merge(Patch::new().set("a", 1)),
        EffectBody::Remove,
        increment(1),
        append(1),
    ] {
        assert_eq!(effect.apply(None), None);
    }
    assert_eq!(EffectBody::Remove.apply(Some(&record)), None);
    let merged = EffectBody::Merge(Patch::new().unset("n").set("a", 1)).apply(Some(&record));
    assert_eq!(merged, Some(RecordBuilder::new().field("a", 1).build()));
}

fn effect_body() -> impl Strategy<Value = EffectBody> {
    prop_oneof![
        record().prop_map(EffectBody::Put),
        patch().prop_map(EffectBody::Merge),
        Just(EffectBody::Remove),
        (name(), value()).prop_map(|(field, by)| EffectBody::Increment {
            field: field.into(),
            by
        }),
        (name(), value()).prop_map(|(field, value)| EffectBody::Append {
            field: field.into(),
            value
        }),
    ]
}

proptest! {
    #[test]
    fn an_effect_touches_only_the_fields_it_names(body in effect_body(), before in record()) {
        if let EffectFields::Named(names) = body.fields() {
            let after = body.apply(Some(&before)).unwrap();
            for name in before.diff(&after).names() {
                prop_assert!(names.contains(&name));
            }
        }
    }

    #[test]
    fn an_effect_stored_reads_back(body in effect_body()) {
        let effect = Effect::new(EntityKey::new(customers(), EntityId::integer(1)), body);
        let json = serde_json::to_string(&effect).unwrap();
        prop_assert_eq!(serde_json::from_str::<Effect>(&json).unwrap(), effect);
    }
}
