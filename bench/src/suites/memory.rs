//! Suite memory: bytes per entity, as they are asked for from the allocator; and what a read allocates.
//!
//! Only meaningful in the program `counted`, whose allocator counts. What the allocator itself adds is not in it.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use ahash::RandomState;
use serde_json::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region};

use crate::customer::Customer;
use crate::events::json;
use crate::figures::{Table, short};
use crate::ours::{NOW, Ours};
use crate::suites::SEED;
use crate::work::Work;

const ENTITIES: u64 = 100_000;

/// Reads that are looked at for what they allocate.
const READS: usize = 10_000;

/// Bytes per entity of ours and of the ways in which others hold the same. One round: bytes do not swing.
pub fn run() {
    let work = Work::new(ENTITIES, SEED);
    let texts: usize = work.customers().map(|one| json(&one).len()).sum();
    let text = per_entity(texts);
    let mut table = Table::new(&["bytes per entity, key and map in", "bytes", "× text alone"]);
    let mut line = |name: &str, bytes: f64| {
        table.line([name.to_owned(), short(bytes), short(bytes / text)]);
    };
    line("the JSON text alone, mean", text);
    line(
        "map of texts",
        held(|| map_of(&work, |one| Arc::<str>::from(json(one)))),
    );
    line(
        "map of typed structs",
        held(|| map_of(&work, |one| Arc::new(one.clone()))),
    );
    line(
        "map of serde_json::Value",
        held(|| map_of(&work, |one| Arc::new(value(one)))),
    );
    line("moka of serde_json::Value", held(|| moka_of_values(&work)));
    line("ours, nothing watched", held(|| Ours::load(&work)));
    println!("## N = {ENTITIES}\n");
    table.print();
}

/// What a read of ours allocates, beside one of a map.
///
/// # Errors
/// A read of ours that hits allocates.
pub fn reads() -> Result<(), String> {
    let work = Work::new(1_000, SEED);
    let ours = Ours::load(&work);
    let (reader, ids) = (ours.reader(), work.ids_by_heat().collect::<Vec<_>>());
    let keys: Vec<_> = ids.iter().map(|id| ours.key(id)).collect();
    let map = map_of(&work, |one| Arc::new(one.clone()));
    let mut table = Table::new(&["a read that hits", "allocations", "bytes"]);
    let mut line = |name: &str, read: &dyn Fn(usize)| {
        read(0);
        let region = Region::new(&INSTRUMENTED_SYSTEM);
        (0..READS).for_each(read);
        let change = region.change();
        let each = |all: usize| short(all as f64 / READS as f64);
        let cells = [each(change.allocations), each(change.bytes_allocated)];
        table.line([name.to_owned()].into_iter().chain(cells));
        change.allocations
    };
    line("map of typed structs", &|place| {
        black_box(map.get(&*ids[place % ids.len()]).map(Arc::clone));
    });
    let of_get = line("ours, get", &|place| {
        black_box(reader.get(NOW, &keys[place % keys.len()]));
    });
    let of_several = line("ours, read with 10", &|place| {
        reader.read(|snapshot| {
            for key in keys.iter().cycle().skip(place % keys.len()).take(10) {
                black_box(snapshot.get(NOW, key));
            }
        });
    });
    println!("## Allocations of a read\n");
    table.print();
    if of_get == 0 && of_several == 0 {
        Ok(())
    } else {
        Err("A read of ours that hits allocates; it must not.".to_owned())
    }
}

fn per_entity(bytes: usize) -> f64 {
    bytes as f64 / ENTITIES as f64
}

/// Bytes per entity that are still held of what was allocated while it was made.
fn held<T>(make: impl FnOnce() -> T) -> f64 {
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    let made = make();
    let change = region.change();
    drop(made);
    per_entity(
        change
            .bytes_allocated
            .saturating_sub(change.bytes_deallocated),
    )
}

fn map_of<V>(work: &Work, make: impl Fn(&Customer) -> V) -> HashMap<Arc<str>, V, RandomState> {
    let pairs = work
        .customers()
        .map(|one| (Arc::from(&*one.id), make(&one)));
    pairs.collect()
}

fn value(customer: &Customer) -> Value {
    serde_json::from_str(&json(customer)).expect("it was written just now")
}

fn moka_of_values(work: &Work) -> moka::sync::Cache<String, Arc<Value>> {
    let cache = moka::sync::Cache::new(ENTITIES * 2);
    for customer in work.customers() {
        cache.insert(customer.id.clone(), Arc::new(value(&customer)));
    }
    cache.run_pending_tasks();
    cache
}
