//! The power-cut double: against the suite, and that it loses what a cut may lose and nothing else.

use std::sync::Arc;

use tidewire_store::{
    FailedCommit, Op, PowerCutStore, Store, StoreError, Table, Txn,
    suite::{Subject, wait},
};

const TABLE: Table = Table::new("t");

struct Double(PowerCutStore);

impl Subject for Double {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }
}

tidewire_store::store_suite!(Double(PowerCutStore::new()));

fn put(number: u8) -> Vec<Op> {
    vec![Op::put(TABLE, [number], "x")]
}

fn keys(store: &PowerCutStore) -> Vec<u8> {
    store.load().unwrap().iter().map(|row| row.key[0]).collect()
}

#[test]
fn a_cut_keeps_all_that_was_synced_and_a_prefix_of_the_rest() {
    for kept in 0..=3 {
        let store = PowerCutStore::new();
        wait(store.commit(vec![Txn::ordered(put(1))])).unwrap();
        wait(store.commit(vec![Txn::synced(put(2))])).unwrap();
        wait(store.commit(vec![Txn::ordered(put(3))])).unwrap();
        wait(store.commit(vec![Txn::ordered(put(4)), Txn::ordered(put(5))])).unwrap();
        assert_eq!(keys(&store), [1, 2, 3, 4, 5]);
        assert_eq!(store.in_line(), 2);
        store.cut(kept);
        let expected: &[u8] = match kept {
            0 => &[1, 2],
            1 => &[1, 2, 3],
            _ => &[1, 2, 3, 4, 5],
        };
        assert_eq!(keys(&store), expected, "kept {kept}");
    }
}

#[test]
fn a_failed_commit_is_lost_or_kept_whole_and_stops_the_store_until_it_is_opened_again() {
    for (outcome, expected) in [
        (FailedCommit::Lost, vec![1]),
        (FailedCommit::Kept, vec![1, 2]),
    ] {
        let store = PowerCutStore::new();
        wait(store.commit(vec![Txn::synced(put(1))])).unwrap();
        store.fail_next(StoreError::Full, outcome);
        assert_eq!(
            wait(store.commit(vec![Txn::synced(put(2))])),
            Err(StoreError::Full)
        );
        assert_eq!(
            wait(store.commit(vec![Txn::synced(put(3))])),
            Err(StoreError::Full)
        );
        assert_eq!(store.load(), Err(StoreError::Full));
        store.cut(usize::MAX);
        assert_eq!(keys(&store), expected);
        wait(store.commit(vec![Txn::synced(put(4))])).unwrap();
    }
}
