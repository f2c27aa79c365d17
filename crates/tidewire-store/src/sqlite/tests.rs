//! What can only be brought about from inside: a disk without room, a worker that is gone.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::{SqliteStore, line::Job, line::Line, open, reply};
use crate::{Op, Store, StoreError, Table, Txn};

const TABLE: Table = Table::new("t");

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn blocking<T>(ask: impl FnOnce(reply::Reply<T>) -> Job, line: &Line) -> Result<T, StoreError> {
    let (reply, answer) = reply::channel();
    line.push(ask(reply)).and_then(|()| answer.wait())
}

fn commit(store: &SqliteStore, key: &str, bytes: usize) -> Result<(), StoreError> {
    let group = vec![Txn::synced(vec![Op::put(TABLE, key, vec![1; bytes])])];
    blocking(|reply| Job::Commit(group, reply), &store.line)
}

#[test]
fn a_full_disk_stops_the_store_with_nothing_torn_until_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let opened = open::open(&path, open::Remedy::Replace).unwrap();
    opened
        .connection
        .query_row("PRAGMA max_page_count = 30", [], |_| Ok(()))
        .unwrap();
    let store = SqliteStore::start(opened).unwrap();
    assert_eq!(commit(&store, "fits", 1000), Ok(()));
    assert_eq!(commit(&store, "too large", 500_000), Err(StoreError::Full));
    assert_eq!(
        commit(&store, "would fit", 10),
        Err(StoreError::Full),
        "written on after a failed write"
    );
    assert_eq!(store.load(), Err(StoreError::Full));
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    let keys: Vec<_> = store
        .load()
        .unwrap()
        .into_iter()
        .map(|row| row.key)
        .collect();
    assert_eq!(keys, [b"fits"]);
    assert_eq!(commit(&store, "again", 500_000), Ok(()));
}

#[test]
fn a_worker_that_is_gone_leaves_nobody_waiting() {
    let line = Line::default();
    let (reply, answer) = reply::channel();
    assert_eq!(
        poll(line.enter(Job::Commit(vec![], reply))),
        Poll::Ready(Ok(()))
    );
    line.abandon();
    assert_eq!(answer.wait(), Err(StoreError::Closed));
    assert_eq!(blocking(Job::Load, &line), Err(StoreError::Closed));
    let (reply, _answer) = reply::channel();
    assert_eq!(
        poll(line.enter(Job::Commit(vec![], reply))),
        Poll::Ready(Err(StoreError::Closed))
    );
}

#[test]
fn who_waits_to_enter_stores_nothing_when_dropped_and_lets_the_next_one_in() {
    let line = Line::default();
    let job = |bytes: usize| {
        let (reply, _) = reply::channel();
        Job::Commit(
            vec![Txn::synced(vec![Op::put(TABLE, "", vec![0; bytes])])],
            reply,
        )
    };
    assert_eq!(
        poll(line.enter(job(20 << 20))),
        Poll::Ready(Ok(())),
        "a large one enters alone"
    );
    let mut cx = Context::from_waker(Waker::noop());
    let mut first = Box::pin(line.enter(job(1)));
    let mut second = Box::pin(line.enter(job(2)));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    assert_eq!(line.take().map(|jobs| jobs.len()), Some(1));
    assert!(
        second.as_mut().poll(&mut cx).is_pending(),
        "one overtook another"
    );
    drop(first);
    assert_eq!(second.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(line.take().map(|jobs| jobs.len()), Some(1));
}

#[test]
fn the_line_has_a_bound() {
    let line = Line::default();
    let entered = (0..1000).filter(|_| {
        let (reply, _) = reply::channel();
        poll(line.enter(Job::Commit(vec![], reply))).is_ready()
    });
    assert_eq!(entered.count(), 64);
}

#[test]
fn a_file_that_may_not_be_written_is_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    drop(open::open(&path, open::Remedy::Replace).unwrap());
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(&path, flags).unwrap();
    let refused = open::hold(&connection).unwrap_err();
    let told = open::store_error(&path, &refused).to_string();
    assert!(told.contains("allow writing to the file"), "{told}");
}
