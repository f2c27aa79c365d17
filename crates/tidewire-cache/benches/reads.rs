//! What a read costs: one customer, several at one revision, as a typed value, and a page of a list.
//!
//! Measures only.

#![allow(
    missing_docs,
    reason = "the macros of criterion make a public function"
)]

#[allow(dead_code, reason = "other programs need the rest of it")]
#[path = "../tests/it/customers.rs"]
mod customers;

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use customers::{Customers, by_score, key};
use serde::Deserialize;
use tidewire_model::{EntityId, EntityKey, Tick};

const ENTITIES: u64 = 100_000;

/// A customer as an application declares it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is made, and nobody asks what is in it")]
struct Customer {
    id: String,
    name: String,
    email: String,
    status: String,
    company_id: String,
    score: i64,
    updated_at: String,
    notes: String,
}

/// Keys from all over the cache, so that they are not all near the processor.
fn keys() -> impl Iterator<Item = EntityKey> {
    let keys: Vec<EntityKey> = (0..ENTITIES)
        .map(|place| key(place * 7_919 % ENTITIES))
        .collect();
    keys.into_iter().cycle()
}

fn one(c: &mut Criterion) {
    let reader = Customers::load(ENTITIES).reader;
    let mut group = c.benchmark_group("read");
    let mut places = keys();
    let mut next = || places.next().expect("they never end");
    group.bench_function("key alone", |b| b.iter(&mut next));
    group.bench_function("get", |b| b.iter(|| reader.get(Tick::ZERO, &next())));
    group.bench_function("ten at one revision", |b| {
        b.iter(|| {
            reader.read(|view| {
                for _ in 0..10 {
                    black_box(view.get(Tick::ZERO, &next()));
                }
            });
        });
    });
    group.bench_function("typed, made anew", |b| {
        b.iter(|| {
            let reading = reader.get(Tick::ZERO, &next());
            let record = reading.presence.record().expect("it is held");
            record.to::<Customer>().map(Arc::new)
        });
    });
    // As the facade does it: while a record is the same, so is the value made of it.
    let values = keys().take(ENTITIES as usize).map(|key| {
        let reading = reader.get(Tick::ZERO, &key);
        let record = reading.presence.record().expect("it is held").clone();
        let value = record.to::<Customer>().expect("it fits");
        (key.id, (record, Arc::new(value)))
    });
    let values: HashMap<EntityId, _> = values.collect();
    group.bench_function("typed, remembered", |b| {
        b.iter(|| {
            let key = next();
            let reading = reader.get(Tick::ZERO, &key);
            let record = reading.presence.record().expect("it is held");
            let (known, value) = &values[&key.id];
            known.shares_memory(record).then(|| Arc::clone(value))
        });
    });
    group.finish();
}

fn pages(c: &mut Criterion) {
    let mut customers = Customers::load(ENTITIES);
    customers.watch(by_score().limit(50));
    drop(customers.show());
    let reader = customers.reader;
    let mut group = c.benchmark_group("page");
    for (rows, begin) in [(10, 0), (50, 0), (50, ENTITIES - 50)] {
        let query = by_score().offset(begin).limit(rows);
        group.bench_function(format!("{rows} rows from {begin}"), |b| {
            b.iter(|| reader.list(Tick::ZERO, &query));
        });
    }
    group.finish();
}

criterion_group!(benches, one, pages);
criterion_main!(benches);
