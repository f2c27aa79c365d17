//! Reads that nobody waits for any more are given up, on a backend that never answers.

use std::sync::Mutex;

use async_trait::async_trait;
use tidewire_hub::{Commit, Greeting, Opened, Principal, ReadAnswer, ReadRequest};
use tidewire_hub::{WriteOutcome, WriteRequest};
use tidewire_model::{EntityType, Lane};
use tidewire_protocol::ClientInfo;

use super::*;

/// Whose reads are under way. None of them ever ends by itself.
#[derive(Clone, Default)]
struct Stuck(Arc<Mutex<Vec<ConnectionId>>>);

impl Stuck {
    fn asked(&self) -> Vec<ConnectionId> {
        self.0.lock().unwrap().clone()
    }
}

/// One read under way.
struct UnderWay<'s>(&'s Stuck, ConnectionId);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut asked = self.0.0.lock().unwrap();
        let place = asked.iter().position(|asker| *asker == self.1).unwrap();
        asked.remove(place);
    }
}

#[async_trait]
impl Backend for Stuck {
    async fn open(&self) -> Result<Opened, BackendError> {
        Err(BackendError::Closed)
    }

    async fn greet(
        &self,
        _principal: &str,
        _client: &ClientInfo,
        _confirmed: &BTreeMap<Lane, u64>,
    ) -> Result<Greeting, BackendError> {
        Err(BackendError::Closed)
    }

    async fn write(&self, _group: Vec<WriteRequest>) -> Result<Vec<WriteOutcome>, BackendError> {
        Err(BackendError::Closed)
    }

    async fn read(
        &self,
        asker: ConnectionId,
        _request: ReadRequest,
    ) -> Result<ReadAnswer, BackendError> {
        self.0.lock().unwrap().push(asker);
        let _under_way = UnderWay(self, asker);
        std::future::pending().await
    }

    async fn snapshot(
        &self,
        _entity_type: &EntityType,
    ) -> Result<Box<dyn SnapshotRows>, BackendError> {
        Err(BackendError::Closed)
    }

    async fn journal(
        &self,
        _asker: ConnectionId,
        _entity_type: &EntityType,
        _after: Offset,
        _limit: usize,
    ) -> Result<Option<Vec<Commit>>, BackendError> {
        Err(BackendError::Closed)
    }
}

fn calls(backend: &Stuck) -> Calls {
    let authenticate = |_, _| async { Ok(Principal::named("somebody")) };
    let (events, _) = mpsc::channel(1);
    Calls::new(
        Arc::new(backend.clone()),
        Arc::new(authenticate),
        events.downgrade(),
    )
}

fn read(number: u64) -> Output {
    Output::Read {
        ticket: Ticket(number),
        request: ReadRequest::Ids {
            entity_type: EntityType::new("c").unwrap(),
            ids: Vec::new(),
        },
    }
}

/// Lets the tasks run until what they do fits; there is no other thread.
async fn until(what: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if what() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it does not come to that");
}

#[tokio::test]
async fn reads_that_nobody_waits_for_do_not_pile_up() {
    let backend = Stuck::default();
    let mut calls = calls(&backend);
    for number in 1..=10_000 {
        calls.start_read(ConnectionId(1), read(number));
        if calls.has_many_reads() {
            calls.give_up_reads(|ticket| ticket.0 <= 3);
            until(|| backend.asked().len() <= 3).await;
        }
        assert!(backend.asked().len() <= MANY_READS);
        assert!(calls.reading.len() <= MANY_READS);
    }
    calls.give_up_reads(|ticket| ticket.0 <= 3);
    until(|| backend.asked().len() == 3).await;
}

#[tokio::test]
async fn what_a_connection_asked_ends_with_it() {
    let backend = Stuck::default();
    let mut calls = calls(&backend);
    for number in 1..=30 {
        calls.start_read(ConnectionId(number % 3), read(number));
    }
    until(|| backend.asked().len() == 30).await;
    calls.forget_connection(ConnectionId(1));
    until(|| backend.asked().len() == 20).await;
    assert!(!backend.asked().contains(&ConnectionId(1)));
    assert_eq!(calls.reading.len(), 20);
}
