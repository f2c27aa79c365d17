//! Any value that a message is made of, for tests that hold for all messages.

mod client;
mod server;

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use tidewire_model::{
    ActionId, EntityId, EntityType, Epoch, Lane, MAX_WIRE, Offset, Patch, Record, RecordBuilder,
    Value, Version,
};
use tidewire_protocol::{AnswerRow, RequestId, WireRow};

pub(crate) use client::client_message;
pub(crate) use server::{op, push, server_message};

/// Text with everything JSON has to escape in it.
fn text() -> BoxedStrategy<String> {
    prop_oneof![3 => "[a-z]{0,8}", 1 => any::<String>(), 1 => "[\"\\\\/\u{0}-\u{1f}{}\\[\\]é😀]{0,6}"].boxed()
}

/// Numbers of the protocol, those at the edges more often.
fn number() -> BoxedStrategy<u64> {
    prop_oneof![0..100_u64, 0..=MAX_WIRE, Just(0), Just(MAX_WIRE)].boxed()
}

fn offset() -> BoxedStrategy<Offset> {
    number()
        .prop_map(|number| Offset::new(number).unwrap())
        .boxed()
}

fn version() -> BoxedStrategy<Version> {
    number()
        .prop_map(|number| Version::new(number).unwrap())
        .boxed()
}

fn request_id() -> BoxedStrategy<RequestId> {
    number().prop_map(RequestId).boxed()
}

pub(crate) fn entity_type() -> BoxedStrategy<EntityType> {
    prop_oneof!["[a-z]{1,8}", "[a-z:\" é]{1,12}", "t{256}"]
        .prop_filter_map("a name of the model", |name| EntityType::new(&name).ok())
        .boxed()
}

fn entity_id() -> BoxedStrategy<EntityId> {
    prop_oneof![
        "[a-z0-9]{1,6}".prop_map(|text| EntityId::text(&text).unwrap()),
        "i{256}".prop_map(|text| EntityId::text(&text).unwrap()),
        any::<String>().prop_filter_map("a name of the model", |text| EntityId::text(&text).ok()),
        any::<i64>().prop_map(EntityId::integer),
        any::<u64>().prop_map(EntityId::unsigned),
    ]
    .boxed()
}

fn lane() -> BoxedStrategy<Lane> {
    prop_oneof!["[a-z]{1,6}", "l{64}"]
        .prop_map(|name| Lane::new(&name).unwrap())
        .boxed()
}

fn lanes() -> BoxedStrategy<BTreeMap<Lane, u64>> {
    btree_map(lane(), number(), 0..3).boxed()
}

fn offsets() -> BoxedStrategy<BTreeMap<EntityType, Offset>> {
    btree_map(entity_type(), offset(), 0..3).boxed()
}

fn epoch() -> BoxedStrategy<Epoch> {
    "[a-z0-9-]{1,12}"
        .prop_map(|text| Epoch::new(&text).unwrap())
        .boxed()
}

fn action_id() -> BoxedStrategy<ActionId> {
    any::<[u8; 16]>().prop_map(ActionId::from_bytes).boxed()
}

fn replaced() -> BoxedStrategy<BTreeMap<EntityId, EntityId>> {
    btree_map(entity_id(), entity_id(), 0..3).boxed()
}

fn value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            vec((text(), inner), 0..4).prop_map(Value::object)
        ]
    })
    .boxed()
}

fn record() -> BoxedStrategy<Record> {
    vec((text(), value()), 0..5)
        .prop_map(|fields| {
            let mut builder = RecordBuilder::new();
            for (name, value) in fields {
                builder.push(&name, value);
            }
            builder.build()
        })
        .boxed()
}

/// A patch that only sets.
fn setting() -> BoxedStrategy<Patch> {
    record().prop_map(Patch::from_record).boxed()
}

fn patch() -> BoxedStrategy<Patch> {
    (setting(), vec(text(), 0..3))
        .prop_map(|(mut patch, unset)| {
            for name in unset {
                patch.drop_field(&name);
            }
            patch
        })
        .boxed()
}

fn row() -> BoxedStrategy<WireRow> {
    (record(), version())
        .prop_map(|(entity, version)| WireRow {
            entity,
            version: Some(version),
        })
        .boxed()
}

fn rows() -> BoxedStrategy<Vec<WireRow>> {
    vec(row(), 0..3).boxed()
}

fn answer_rows() -> BoxedStrategy<Vec<AnswerRow>> {
    let row = (option::of(entity_type()), row())
        .prop_map(|(entity_type, row)| AnswerRow { entity_type, row });
    vec(row, 0..3).boxed()
}
