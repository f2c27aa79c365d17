//! Every store against a naive twin, over random sequences of groups.

use proptest::prelude::*;
use tidewire_store::{MemoryStore, Op, Row, SqliteStore, Store, Table, Txn, suite::wait};

/// Slow and obvious: a list of rows.
#[derive(Default)]
struct Twin(Vec<Row>);

impl Twin {
    fn apply(&mut self, op: &Op) {
        match op.clone() {
            Op::Put { table, key, value } => {
                self.apply(&Op::Remove {
                    table: table.clone(),
                    key: key.clone(),
                });
                self.0.push(Row { table, key, value });
            }
            Op::Remove { table, key } => self.0.retain(|row| row.table != table || row.key != key),
            Op::RemovePrefix { table, prefix } => {
                self.0
                    .retain(|row| row.table != table || !row.key.starts_with(&prefix));
            }
        }
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = self.0.clone();
        rows.sort_by(|a, b| (a.table.as_str(), &a.key).cmp(&(b.table.as_str(), &b.key)));
        rows
    }
}

fn table() -> impl Strategy<Value = Table> {
    prop_oneof![
        Just(Table::new("a")),
        Just(Table::new("b")),
        Just(Table::new("B"))
    ]
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(254), Just(255)], 0..4)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (table(), key(), key()).prop_map(|(table, key, value)| Op::Put { table, key, value }),
        2 => (table(), key()).prop_map(|(table, key)| Op::Remove { table, key }),
        1 => (table(), key()).prop_map(|(table, prefix)| Op::RemovePrefix { table, prefix }),
    ]
}

fn group() -> impl Strategy<Value = Vec<Txn>> {
    let txn = (prop::collection::vec(op(), 0..5), any::<bool>()).prop_map(|(ops, is_synced)| {
        if is_synced {
            Txn::synced(ops)
        } else {
            Txn::ordered(ops)
        }
    });
    prop::collection::vec(txn, 0..4)
}

proptest! {
    #[test]
    fn every_store_equals_its_twin_after_every_group(
        groups in prop::collection::vec(group(), 1..8),
        reopen_after in 0_usize..8,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let memory = MemoryStore::new();
        let mut sqlite = SqliteStore::open(&path).unwrap();
        let mut twin = Twin::default();
        for (number, group) in groups.into_iter().enumerate() {
            group.iter().flat_map(|txn| &txn.ops).for_each(|op| twin.apply(op));
            wait(memory.commit(group.clone())).unwrap();
            wait(sqlite.commit(group)).unwrap();
            if number == reopen_after {
                drop(sqlite);
                sqlite = SqliteStore::open(&path).unwrap();
            }
            prop_assert_eq!(memory.load().unwrap(), twin.rows());
            prop_assert_eq!(sqlite.load().unwrap(), twin.rows());
        }
    }
}
