//! What an event costs, from the intake of its commit until watchers are named and what it replaced is let
//! go of: by its kind, the size of the batch, the number of lists, and that of entities.
//!
//! Measures only.

#![allow(
    missing_docs,
    reason = "the macros of criterion make a public function"
)]

#[allow(dead_code, reason = "other programs need the rest of it")]
#[path = "../tests/it/customers.rs"]
mod customers;

use std::cell::RefCell;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use customers::{Customers, MAX_SCORE, by_score, of_company, score};
use tidewire_cache::{Commit, Intake};
use tidewire_model::Patch;

const ENTITIES: u64 = 100_000;
/// Lists that are watched where their number is not what is measured.
const LISTS: u64 = 100;

/// A cache with the first page of all, and those of companies.
fn cache(entities: u64, lists: u64) -> RefCell<Customers> {
    let mut customers = Customers::load(entities);
    customers.watch(by_score().limit(50));
    for number in 1..lists {
        customers.watch(of_company(number * 10 % entities).limit(50));
    }
    drop(customers.show());
    RefCell::new(customers)
}

/// Loading takes longer than measuring: few samples, and short ones.
fn group<'c>(c: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(name);
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    group
}

/// A customer and a score that have nothing to do with those before.
fn chance(turn: u64, entities: u64) -> (u64, u64) {
    (turn * 7_919 % entities, turn * 104_729 % MAX_SCORE)
}

fn moves(customers: &mut Customers, turn: u64, entities: u64) -> Commit {
    let (number, new) = chance(turn, entities);
    customers.update(number, score(new))
}

/// Applies events one by one, each made before its time is taken.
fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    cache: &RefCell<Customers>,
    mut event: impl FnMut(&mut Customers, u64) -> Commit,
) {
    let mut turn = 0;
    group.bench_function(id, |b| {
        b.iter_batched(
            || {
                turn += 1;
                event(&mut cache.borrow_mut(), turn)
            },
            |commit| cache.borrow_mut().apply(commit),
            BatchSize::PerIteration,
        );
    });
}

fn kinds(c: &mut Criterion) {
    let cache = cache(ENTITIES, LISTS);
    let mut group = group(c, "event");
    let mut bench = |name: &str, event: &mut dyn FnMut(&mut Customers, u64) -> Commit| {
        bench(&mut group, BenchmarkId::from_parameter(name), &cache, event);
    };
    bench("update in place", &mut |customers, turn| {
        let (number, new) = chance(turn, ENTITIES);
        customers.update(number, Patch::new().set("notes", new))
    });
    bench("update that moves", &mut |customers, turn| {
        moves(customers, turn, ENTITIES)
    });
    // What is made is deleted again before the next, and the other way round.
    bench("create", &mut |customers, turn| {
        if turn > 1 {
            let delete = customers.delete(ENTITIES);
            customers.apply(delete);
        }
        customers.create(ENTITIES)
    });
    bench("delete", &mut |customers, turn| {
        if turn > 1 {
            let create = customers.create(ENTITIES);
            customers.apply(create);
        }
        customers.delete(ENTITIES)
    });
    group.finish();
}

fn batches(c: &mut Criterion) {
    let cache = cache(ENTITIES, LISTS);
    let mut group = group(c, "batch of updates that move");
    let mut turn = 0;
    for size in [1, 100, 10_000_u64] {
        group.throughput(Throughput::Elements(size));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter_batched(
                || {
                    let mut customers = cache.borrow_mut();
                    let turns = turn..turn + size;
                    turn += size;
                    let commits = turns.map(|turn| moves(&mut customers, turn, ENTITIES));
                    commits.collect::<Vec<Commit>>()
                },
                |commits| {
                    let mut customers = cache.borrow_mut();
                    for commit in commits {
                        customers.take(Intake::Commit(commit));
                    }
                    customers.show()
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn lists(c: &mut Criterion) {
    let mut group = group(c, "update that moves, by lists");
    for lists in [10, 100, 1_000, 10_000] {
        let cache = cache(ENTITIES, lists);
        let id = BenchmarkId::from_parameter(lists);
        // Each of these is in one list of a company, however many others there are.
        bench(&mut group, id, &cache, |customers, turn| {
            let (number, new) = chance(turn, 90);
            customers.update(10 + number, score(new))
        });
    }
    group.finish();
}

fn entities(c: &mut Criterion) {
    let mut group = group(c, "update that moves, by entities");
    for entities in [1_000, 10_000, 100_000, 1_000_000] {
        let cache = cache(entities, 10);
        let id = BenchmarkId::from_parameter(entities);
        bench(&mut group, id, &cache, |customers, turn| {
            moves(customers, turn, entities)
        });
    }
    group.finish();
}

criterion_group!(benches, kinds, batches, lists, entities);
criterion_main!(benches);
