//! How many bytes a customer takes that is held, as asked for from the allocator and as the cache counts
//! them: with nothing watched, and with one list of all.
//!
//! Measures only. Allocations are counted, so nothing here takes a time.

#[allow(dead_code, reason = "other programs need the rest of it")]
#[path = "../tests/it/customers.rs"]
mod customers;

use std::hint::black_box;

use allocation_counter::measure;
use customers::{Customers, by_score};

fn main() {
    println!("entities  lists  bytes each  counted bytes each");
    for entities in [1_000, 10_000, 100_000, 1_000_000] {
        for lists in [0, 1] {
            let mut held = None;
            let info = measure(|| {
                let mut customers = Customers::load(entities);
                for _ in 0..lists {
                    customers.watch(by_score());
                }
                drop(customers.show());
                held = Some(customers);
            });
            let counted = held
                .as_ref()
                .map_or(0, |held| held.cache.stats().held.total());
            drop(black_box(held));
            let each = |bytes: i64| bytes as f64 / entities as f64;
            let (bytes, counted) = (each(info.bytes_current), each(counted as i64));
            println!("{entities:>8}  {lists:>5}  {bytes:>10.0}  {counted:>18.0}");
        }
    }
}
