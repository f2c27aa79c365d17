//! A store in memory, for programs that keep nothing and for tests.
//! Holds a sorted map behind a lock. Never touches a disk, and says so.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{Durability, Op, Row, Store, StoreError, Table, Txn};

/// A store in memory. Clones share one content, so a test can drop a client and hand its store to the next one.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl Store for MemoryStore {
    fn durability(&self) -> Durability {
        Durability::None
    }

    fn load(&self) -> Result<Vec<Row>, StoreError> {
        Ok(hold(&self.tables).rows())
    }

    async fn commit(&self, group: Vec<Txn>) -> Result<(), StoreError> {
        let mut tables = hold(&self.tables);
        for txn in group {
            tables.apply(txn);
        }
        Ok(())
    }
}

/// The content of a store as plain maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tables(BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>);

impl Tables {
    pub(crate) fn apply(&mut self, txn: Txn) {
        for op in txn.ops {
            match op {
                Op::Put { table, key, value } => {
                    self.0.entry(table).or_default().insert(key, value);
                }
                Op::Remove { table, key } => {
                    if let Some(keys) = self.0.get_mut(&table) {
                        keys.remove(&key);
                    }
                }
                Op::RemovePrefix { table, prefix } => {
                    if let Some(keys) = self.0.get_mut(&table) {
                        keys.retain(|key, _| !key.starts_with(&prefix));
                    }
                }
            }
        }
        self.0.retain(|_, keys| !keys.is_empty());
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (table, keys) in &self.0 {
            for (key, value) in keys {
                rows.push(Row {
                    table: table.clone(),
                    key: key.clone(),
                    value: value.clone(),
                });
            }
        }
        rows
    }
}

/// Takes a lock that guards plain values: they are whole even if another holder panicked.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
