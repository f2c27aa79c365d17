//! The memory store against the suite.

use std::sync::Arc;

use tidewire_store::{Durability, MemoryStore, Store, suite::Subject};

pub(crate) struct Memory(pub(crate) MemoryStore);

impl Subject for Memory {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }
}

tidewire_store::store_suite!(Memory(MemoryStore::new()));

#[test]
fn memory_does_not_claim_to_survive() {
    assert_eq!(MemoryStore::new().durability(), Durability::None);
}
