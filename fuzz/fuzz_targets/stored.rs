//! Any bytes as the rows of a store: a queue begins with what it can read, and loses nothing it cannot.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidewire_queue::{Queue, Settings};
use tidewire_store::{Row, Table};

fuzz_target!(|rows: Vec<(u8, Vec<u8>, Vec<u8>)>| {
    let tables = ["actions", "lanes", "client"];
    let rows = rows.into_iter().map(|(table, key, value)| Row {
        table: Table::new(tables[usize::from(table) % tables.len()]),
        key,
        value,
    });
    let rows: Vec<Row> = rows.collect();
    let (queue, problems) = Queue::restore(Settings::default(), [7; 16], rows);
    assert_eq!(queue.unreadable().count(), queue.counts().unreadable);
    assert!(problems.len() >= queue.counts().unreadable);
});
