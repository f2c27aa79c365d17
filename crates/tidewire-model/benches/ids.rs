//! What an entity id costs: a short one, which is in the value itself, and a UUID, which clones share.
//!
//! Measures only.

#![allow(
    missing_docs,
    reason = "the macros of criterion make a public function"
)]

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tidewire_model::EntityId;

/// So many ids that they are not all near the processor.
const MANY: usize = 400_000;

fn one(c: &mut Criterion) {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    for text in ["c-000042", "0190b0c2-7b5e-7cc3-98c4-dc0c0c07398f"] {
        let make = |text: &str| EntityId::text(text).expect("it is an id");
        let (id, same) = (make(text), make(text));
        let mut group = c.benchmark_group(format!("id of {} bytes", text.len()));
        group.bench_function("make", |b| b.iter(|| make(black_box(text))));
        group.bench_function("clone", |b| b.iter(|| black_box(&id).clone()));
        group.bench_function("equal", |b| b.iter(|| black_box(&id) == black_box(&same)));
        group.bench_function("compare", |b| {
            b.iter(|| black_box(&id).cmp(black_box(&same)));
        });
        group.bench_function("hash", |b| b.iter(|| hasher.hash_one(black_box(&id))));
        group.bench_function("as text", |b| b.iter(|| black_box(&id).as_str().len()));
        group.finish();
    }
}

fn many(c: &mut Criterion) {
    let id = |n: usize| EntityId::text(&format!("c-{n:06}")).expect("it is an id");
    let ids: Vec<EntityId> = (0..MANY).map(id).collect();
    let wanted = id(123_456);
    let mut place = 0;
    c.bench_function("compare with one of many", |b| {
        b.iter(|| {
            place = (place + 7_919) % MANY;
            ids[place] == wanted
        });
    });
}

criterion_group!(benches, one, many);
criterion_main!(benches);
