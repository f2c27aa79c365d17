//! What a partial change costs: reading one of four fields, and what is then done with it.
//!
//! Measures only. Memory is counted, and asserted, in `tests/it/allocations.rs`.

#![allow(
    missing_docs,
    reason = "the macros of criterion make a public function"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tidewire_model::{Patch, Record};

#[path = "../tests/it/customer.rs"]
mod customer;

const CHANGES: &str =
    r#"{"status":"paused","score":12,"version":18,"updatedAt":"2026-11-23T11:00:00Z"}"#;

fn patches(c: &mut Criterion) {
    let read = |text: &str| serde_json::from_str::<Patch>(text).expect("it is an object");
    let record: Record = serde_json::from_str(&customer::text()).expect("it is an object");
    let patch = read(CHANGES);
    let (added, unset) = (read(CHANGES).set("nick", "A"), read(CHANGES).unset("notes"));
    let newer = record.merge(&patch);
    let mut group = c.benchmark_group("patch of four fields");
    group.bench_function("read", |b| b.iter(|| read(black_box(CHANGES))));
    group.bench_function("read and merge", |b| {
        b.iter(|| black_box(&record).merge(&read(black_box(CHANGES))));
    });
    group.bench_function("merge", |b| {
        b.iter(|| black_box(&record).merge(black_box(&patch)));
    });
    group.bench_function("merge, one field added", |b| {
        b.iter(|| black_box(&record).merge(black_box(&added)));
    });
    group.bench_function("merge, one field unset", |b| {
        b.iter(|| black_box(&record).merge(black_box(&unset)));
    });
    group.bench_function("diff", |b| {
        b.iter(|| black_box(&record).diff(black_box(&newer)));
    });
    group.bench_function("clone", |b| b.iter(|| black_box(&patch).clone()));
    group.bench_function("then another", |b| {
        b.iter(|| black_box(&patch).then(black_box(&unset)));
    });
    group.bench_function("get", |b| {
        b.iter(|| black_box(&patch).get(black_box("updatedAt")).is_some());
    });
    group.finish();
}

criterion_group!(benches, patches);
criterion_main!(benches);
