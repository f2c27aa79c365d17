//! The suite that every store must pass.
//! Holds one function per promise of [`Store`], and [`store_suite`](crate::store_suite) to make tests of them.
//! Never needs an async runtime.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use crate::{Op, Row, Store, Table, Txn};

/// What is tested: one place to keep things, opened as often as a test likes.
pub trait Subject {
    /// Opens the same place again. Every handle from before has been dropped.
    fn open(&self) -> Arc<dyn Store>;
}

/// Makes one `#[test]` of every promise. The expression makes a new, empty [`Subject`] each time.
///
/// ```
/// use std::sync::Arc;
/// use tidewire_store::{MemoryStore, Store, suite::Subject};
///
/// struct Memory(MemoryStore);
///
/// impl Subject for Memory {
///     fn open(&self) -> Arc<dyn Store> {
///         Arc::new(self.0.clone())
///     }
/// }
///
/// tidewire_store::store_suite!(Memory(MemoryStore::new()));
/// ```
#[macro_export]
macro_rules! store_suite {
    ($subject:expr) => {
        $crate::store_suite! { @each $subject;
            a_new_store_is_empty
            the_last_write_wins
            a_removed_key_is_gone
            a_prefix_removes_what_starts_with_it
            tables_are_apart
            any_bytes_are_keys_and_values
            a_large_value_comes_back
            rows_come_in_order
            everything_is_there_after_opening_again
            a_group_is_seen_whole
            committers_do_not_disturb_each_other
            an_empty_group_is_nothing
        }
    };
    (@each $subject:expr; $($promise:ident)*) => {
        $(
            #[test]
            fn $promise() {
                $crate::suite::$promise(&$subject);
            }
        )*
    };
}

const LEFT: Table = Table::new("left");
const RIGHT: Table = Table::new("right");

/// Nothing is in a store before something is put there.
pub fn a_new_store_is_empty(subject: &dyn Subject) {
    assert_eq!(subject.open().load(), Ok(vec![]));
}

/// Within a transaction, within a group, and from group to group.
pub fn the_last_write_wins(subject: &dyn Subject) {
    let store = subject.open();
    let put = |value: &str| Op::put(LEFT, "key", value);
    commit(&*store, vec![Txn::synced(vec![put("1"), put("2")])]);
    assert_eq!(contents(&*store), [row(LEFT, "key", "2")]);
    commit(
        &*store,
        vec![Txn::ordered(vec![put("3")]), Txn::synced(vec![put("4")])],
    );
    assert_eq!(contents(&*store), [row(LEFT, "key", "4")]);
    commit(&*store, vec![Txn::ordered(vec![put("5")])]);
    assert_eq!(contents(&*store), [row(LEFT, "key", "5")]);
}

/// A key that was removed is gone, one that never was is no error, and it can come back.
pub fn a_removed_key_is_gone(subject: &dyn Subject) {
    let store = subject.open();
    let removed = vec![
        Op::put(LEFT, "a", "1"),
        Op::remove(LEFT, "a"),
        Op::remove(LEFT, "never"),
    ];
    commit(&*store, vec![Txn::synced(removed)]);
    assert_eq!(contents(&*store), []);
    commit(
        &*store,
        vec![Txn::synced(vec![
            Op::remove(LEFT, "a"),
            Op::put(LEFT, "a", "2"),
        ])],
    );
    assert_eq!(contents(&*store), [row(LEFT, "a", "2")]);
}

/// A prefix takes what starts with it and nothing else, also at the end of all keys; an empty one takes the table.
pub fn a_prefix_removes_what_starts_with_it(subject: &dyn Subject) {
    let store = subject.open();
    let keys: [&[u8]; 8] = [
        b"",
        b"a",
        b"ab",
        b"ab\0",
        b"abc",
        b"ac",
        b"\xff",
        b"\xff\xff\x01",
    ];
    let fill = || {
        keys.iter()
            .flat_map(|&key| [Op::put(LEFT, key, "x"), Op::put(RIGHT, key, "x")])
            .collect()
    };
    for prefix in [
        b"ab".as_slice(),
        b"\xff",
        b"\xff\xff",
        b"a\xff",
        b"nothing",
        b"",
    ] {
        commit(&*store, vec![Txn::synced(fill())]);
        commit(
            &*store,
            vec![Txn::synced(vec![Op::remove_prefix(LEFT, prefix)])],
        );
        let left = keys
            .iter()
            .filter(|key| !key.starts_with(prefix))
            .map(|&key| row(LEFT, key, "x"));
        let right = keys.iter().map(|&key| row(RIGHT, key, "x"));
        assert_eq!(
            contents(&*store),
            left.chain(right).collect::<Vec<_>>(),
            "prefix {prefix:?}"
        );
    }
}

/// The same key in two tables is two keys, whatever the tables are called.
pub fn tables_are_apart(subject: &dyn Subject) {
    let store = subject.open();
    let named: Table = Arc::<str>::from("Größe/ö ' \" ;").into();
    let puts = vec![
        Op::put(LEFT, "k", "l"),
        Op::put(RIGHT, "k", "r"),
        Op::put(named.clone(), "k", "n"),
    ];
    commit(&*store, vec![Txn::synced(puts)]);
    commit(&*store, vec![Txn::synced(vec![Op::remove(RIGHT, "k")])]);
    assert_eq!(
        contents(&*store),
        [row(named, "k", "n"), row(LEFT, "k", "l")]
    );
}

/// Zero bytes, empty keys, empty values, bytes that are no text.
pub fn any_bytes_are_keys_and_values(subject: &dyn Subject) {
    let keys: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"a\0b", b"\xc3\x28", b"\xff"];
    let puts = keys.iter().map(|&key| Op::put(LEFT, key, key)).collect();
    commit(&*subject.open(), vec![Txn::synced(puts)]);
    let expected: Vec<Row> = keys.iter().map(|&key| row(LEFT, key, key)).collect();
    assert_eq!(contents(&*subject.open()), expected);
}

/// A megabyte is a value like any other.
pub fn a_large_value_comes_back(subject: &dyn Subject) {
    let value: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
    commit(
        &*subject.open(),
        vec![Txn::synced(vec![Op::put(LEFT, "large", value.clone())])],
    );
    assert!(contents(&*subject.open()) == [row(LEFT, "large", value)]);
}

/// Rows come by table, then by key, byte by byte, however they were put.
pub fn rows_come_in_order(subject: &dyn Subject) {
    let store = subject.open();
    for number in [3_u8, 200, 1, 0, 255, 100] {
        commit(
            &*store,
            vec![Txn::synced(vec![
                Op::put(RIGHT, [number], "r"),
                Op::put(LEFT, [number, 0], "l"),
            ])],
        );
    }
    let rows = contents(&*store);
    let mut sorted = rows.clone();
    sorted.sort_by(|a, b| (&a.table, &a.key).cmp(&(&b.table, &b.key)));
    assert_eq!(rows.len(), 12);
    assert_eq!(rows, sorted);
}

/// What a store was told to keep is there when it is opened again, and again.
pub fn everything_is_there_after_opening_again(subject: &dyn Subject) {
    for number in 0_u8..4 {
        let store = subject.open();
        assert_eq!(contents(&*store).len(), usize::from(number) * 2);
        commit(
            &*store,
            vec![Txn::synced(vec![Op::put(LEFT, [number], [number])])],
        );
        commit(
            &*store,
            vec![Txn::ordered(vec![Op::put(RIGHT, [number], [number])])],
        );
    }
}

/// Whoever loads while groups are committed sees each of them whole or not at all.
pub fn a_group_is_seen_whole(subject: &dyn Subject) {
    let store = subject.open();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let rows = contents(&*store);
                let values: Vec<&[u8]> = rows.iter().map(|row| row.value.as_slice()).collect();
                assert!(
                    values.is_empty() || (values.len() == 2 && values[0] == values[1]),
                    "a torn group: {values:?}"
                );
            }
        });
        for number in 0_u8..30 {
            let put = |table| Txn::synced(vec![Op::put(table, "key", [number])]);
            commit(&*store, vec![put(LEFT), put(RIGHT)]);
        }
        done.store(true, Ordering::Release);
        if let Err(panic) = reader.join() {
            std::panic::resume_unwind(panic);
        }
    });
    assert_eq!(contents(&*store).len(), 2);
}

/// Many callers at once: nobody's write is lost, and each caller's writes keep their order.
pub fn committers_do_not_disturb_each_other(subject: &dyn Subject) {
    const CALLERS: u8 = 8;
    const COMMITS: u8 = 20;
    let store = subject.open();
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let store = &*store;
            scope.spawn(move || {
                for number in 0..COMMITS {
                    let ops = vec![
                        Op::put(LEFT, [caller, number], "x"),
                        Op::put(RIGHT, [caller], [number]),
                    ];
                    let txn = if number % 2 == 0 {
                        Txn::synced(ops)
                    } else {
                        Txn::ordered(ops)
                    };
                    commit(store, vec![txn]);
                }
            });
        }
    });
    drop(store);
    let rows: BTreeMap<(Table, Vec<u8>), Vec<u8>> = contents(&*subject.open())
        .into_iter()
        .map(|row| ((row.table, row.key), row.value))
        .collect();
    assert_eq!(rows.len(), usize::from(CALLERS) * usize::from(COMMITS + 1));
    for caller in 0..CALLERS {
        assert_eq!(
            rows.get(&(RIGHT, vec![caller])),
            Some(&vec![COMMITS - 1]),
            "the last write of caller {caller}"
        );
    }
}

/// A group without transactions and a transaction without operations are stored at once.
pub fn an_empty_group_is_nothing(subject: &dyn Subject) {
    let store = subject.open();
    commit(&*store, vec![]);
    commit(&*store, vec![Txn::synced(vec![]), Txn::ordered(vec![])]);
    assert_eq!(contents(&*store), []);
}

/// Waits for a future in this thread, without an executor.
pub fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn commit(store: &dyn Store, group: Vec<Txn>) {
    assert_eq!(wait(store.commit(group)), Ok(()));
}

fn contents(store: &dyn Store) -> Vec<Row> {
    store.load().expect("a sound store can be read")
}

fn row(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Row {
    Row {
        table,
        key: key.into(),
        value: value.into(),
    }
}
