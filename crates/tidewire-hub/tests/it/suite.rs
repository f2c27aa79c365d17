//! The truth in memory passes the suite of all backends.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use tidewire_hub::suite::Subject;
use tidewire_hub::{
    Backend, BackendError, Commit, ConnectionId, Greeting, Opened, ReadAnswer, ReadRequest,
    SnapshotRows, Truth, WriteOutcome, WriteRequest,
};
use tidewire_model::{EntityType, Epoch, Lane, Offset, Record};
use tidewire_protocol::ClientInfo;

/// A lock around the truth, as a shell would have it.
#[expect(
    clippy::disallowed_types,
    reason = "a test stands in for the shell, which holds the one lock"
)]
type Locked = std::sync::Mutex<Truth>;

struct Shared(Arc<Locked>);

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut Truth) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl Backend for Shared {
    async fn open(&self) -> Result<Opened, BackendError> {
        Ok(self.with(|truth| truth.opened()))
    }

    async fn greet(
        &self,
        principal: &str,
        client: &ClientInfo,
        confirmed: &BTreeMap<Lane, u64>,
    ) -> Result<Greeting, BackendError> {
        Ok(self.with(|truth| truth.greet(principal, client, confirmed)))
    }

    async fn write(&self, group: Vec<WriteRequest>) -> Result<Vec<WriteOutcome>, BackendError> {
        Ok(self.with(|truth| truth.write(group)))
    }

    async fn read(
        &self,
        _asker: ConnectionId,
        request: ReadRequest,
    ) -> Result<ReadAnswer, BackendError> {
        self.with(|truth| truth.read(&request))
    }

    async fn snapshot(
        &self,
        entity_type: &EntityType,
    ) -> Result<Box<dyn SnapshotRows>, BackendError> {
        let (as_of, rows) = self.with(|truth| truth.snapshot(entity_type));
        Ok(Box::new(Rows { as_of, rows }))
    }

    async fn journal(
        &self,
        _asker: ConnectionId,
        entity_type: &EntityType,
        after: Offset,
        limit: usize,
    ) -> Result<Option<Vec<Commit>>, BackendError> {
        Ok(self.with(|truth| truth.journal(entity_type, after, limit)))
    }
}

struct Rows {
    as_of: Offset,
    rows: Vec<(Record, Offset)>,
}

#[async_trait]
impl SnapshotRows for Rows {
    fn as_of(&self) -> Offset {
        self.as_of
    }

    async fn next(&mut self, limit: usize) -> Result<Vec<(Record, Offset)>, BackendError> {
        Ok(self.rows.drain(..limit.min(self.rows.len())).collect())
    }
}

struct Place(Arc<Locked>);

#[async_trait]
impl Subject for Place {
    async fn open(&self) -> Arc<dyn Backend> {
        Arc::new(Shared(Arc::clone(&self.0)))
    }
}

fn place() -> Place {
    Place(Arc::new(Locked::new(Truth::new(
        Epoch::new("one").unwrap(),
    ))))
}

/// Memory never lets anybody wait.
fn block_on(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    let polled = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(())));
}

tidewire_hub::backend_suite!(place(), block_on);

#[test]
fn a_journal_that_is_no_longer_complete_says_so() {
    let mut truth = Truth::new(Epoch::new("one").unwrap()).with_journal_commits(2);
    for number in 0..5 {
        truth.write(vec![WriteRequest::Publish(vec![crate::world::create(
            "tasks",
            &format!("e{number}"),
            1,
        )])]);
    }
    let tasks = crate::world::kind("tasks");
    let count = |after| {
        truth
            .journal(&tasks, crate::world::offset(after), 10)
            .map(|commits| commits.len())
    };
    assert_eq!((count(2), count(3), count(5)), (None, Some(2), Some(0)));
}
