//! What a record costs beside a typed struct and beside `serde_json::Value`: reading, merging, looking up.
//!
//! Measures only. Memory is counted, and asserted, in `tests/it/allocations.rs`.

#![allow(
    missing_docs,
    reason = "the macros of criterion make a public function"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tidewire_model::{EntityId, Patch, Query, Record, Sort, field};

#[path = "../tests/it/customer.rs"]
mod customer;

use customer::{Customer, text};

fn read(c: &mut Criterion) {
    let text = text();
    let mut group = c.benchmark_group("read");
    group.bench_function("serde_json::Value", |b| {
        b.iter(|| serde_json::from_str::<serde_json::Value>(black_box(&text)));
    });
    group.bench_function("typed, owned texts", |b| {
        b.iter(|| serde_json::from_str::<Customer>(black_box(&text)));
    });
    group.bench_function("record", |b| {
        b.iter(|| serde_json::from_str::<Record>(black_box(&text)));
    });
    group.finish();
}

fn use_it(c: &mut Criterion) {
    let record: Record = serde_json::from_str(&text()).expect("it was written just now");
    let same = record.with("score", 12).with("score", 4711);
    let nested: Record = serde_json::from_str(r#"{"id":1,"address":{"street":"a","city":"b"}}"#)
        .expect("it is an object");
    let patch = Patch::new()
        .set("score", 12)
        .set("updatedAt", "2026-11-23T11:00:00Z");
    let mut group = c.benchmark_group("record");
    group.bench_function("clone", |b| b.iter(|| black_box(&record).clone()));
    group.bench_function("merge two fields", |b| {
        b.iter(|| black_box(&record).merge(black_box(&patch)));
    });
    group.bench_function("get the first field", |b| {
        b.iter(|| black_box(&record).get(black_box("id")).is_some());
    });
    group.bench_function("get the last field", |b| {
        b.iter(|| black_box(&record).get(black_box("notes")).is_some());
    });
    group.bench_function("path of two names", |b| {
        b.iter(|| black_box(&nested).path(black_box("address.city")).is_some());
    });
    group.bench_function("equal", |b| {
        b.iter(|| black_box(&record) == black_box(&same));
    });
    group.bench_function("diff", |b| {
        b.iter(|| black_box(&record).diff(black_box(&same)));
    });
    group.bench_function("to::<T>", |b| {
        b.iter(|| black_box(&record).to::<Customer>());
    });
    group.bench_function("as text", |b| {
        b.iter(|| serde_json::to_string(black_box(&record)));
    });
    group.finish();
}

fn ask(c: &mut Criterion) {
    let record: Record = serde_json::from_str(&text()).expect("it was written just now");
    let id = EntityId::text("c-000042").expect("it is an id");
    let filter = field("status").eq("active").and(field("score").gt(5));
    let sort = Sort::by_id().then("updatedAt", tidewire_model::Direction::Descending);
    let customers = tidewire_model::EntityType::new("customers").expect("it is a name");
    let query = Query::new(customers).filter(filter.clone());
    let mut group = c.benchmark_group("query");
    group.bench_function("filter of two tests", |b| {
        b.iter(|| query.matches(black_box(&record)));
    });
    let matcher = filter.prepare();
    group.bench_function("prepared filter of two tests", |b| {
        b.iter(|| matcher.matches(black_box(&record), |_| Ok::<(), ()>(())));
    });
    group.bench_function("position of one key", |b| {
        b.iter(|| sort.position(black_box(&record), &id));
    });
    group.finish();
}

criterion_group!(benches, read, use_it, ask);
criterion_main!(benches);
