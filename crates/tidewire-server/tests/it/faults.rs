//! A backend that fails: the server says so, and goes on where it can.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::FutureExt;
use serde_json::json;
use tidewire_hub::{
    Backend, BackendError, Commit, ConnectionId, Greeting, Opened, ReadAnswer, ReadRequest,
    SnapshotRows, WriteOutcome, WriteRequest,
};
use tidewire_model::{EntityType, Lane, Offset};
use tidewire_protocol::ClientInfo;
use tidewire_server::{PublishError, Server, SqliteBackend, StartError};
use tokio::sync::Semaphore;

use crate::raw::{Listening, Raw, action};
use crate::support::*;

/// A backend with bugs that can be switched on.
struct Faulty {
    inner: SqliteBackend,
    panics: Arc<AtomicBool>,
    /// Each write takes one permit, and waits for it.
    writes: Arc<Semaphore>,
    writes_begun: Arc<AtomicUsize>,
}

impl Faulty {
    fn trip(&self) {
        assert!(!self.panics.load(Ordering::Relaxed), "a bug of the backend");
    }
}

#[async_trait]
impl Backend for Faulty {
    async fn open(&self) -> Result<Opened, BackendError> {
        if self.panics.load(Ordering::Relaxed) {
            return Err(BackendError::Storage("no disk".to_owned()));
        }
        self.inner.open().await
    }

    async fn greet(
        &self,
        principal: &str,
        client: &ClientInfo,
        confirmed: &BTreeMap<Lane, u64>,
    ) -> Result<Greeting, BackendError> {
        self.inner.greet(principal, client, confirmed).await
    }

    async fn write(&self, group: Vec<WriteRequest>) -> Result<Vec<WriteOutcome>, BackendError> {
        self.trip();
        self.writes_begun.fetch_add(1, Ordering::Relaxed);
        self.writes.acquire().await.unwrap().forget();
        self.inner.write(group).await
    }

    async fn read(
        &self,
        asker: ConnectionId,
        request: ReadRequest,
    ) -> Result<ReadAnswer, BackendError> {
        self.trip();
        self.inner.read(asker, request).await
    }

    async fn snapshot(
        &self,
        entity_type: &EntityType,
    ) -> Result<Box<dyn SnapshotRows>, BackendError> {
        self.trip();
        self.inner.snapshot(entity_type).await
    }

    async fn journal(
        &self,
        asker: ConnectionId,
        entity_type: &EntityType,
        after: Offset,
        limit: usize,
    ) -> Result<Option<Vec<Commit>>, BackendError> {
        self.trip();
        self.inner.journal(asker, entity_type, after, limit).await
    }
}

fn faulty(directory: &tempfile::TempDir) -> (Faulty, Arc<AtomicBool>) {
    let panics = Arc::new(AtomicBool::new(false));
    let inner = SqliteBackend::open(directory.path().join("app.db")).unwrap();
    (
        Faulty {
            inner,
            panics: panics.clone(),
            writes: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            writes_begun: Arc::default(),
        },
        panics,
    )
}

#[tokio::test]
async fn a_panic_in_the_backend_is_a_failed_call_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let (backend, panics) = faulty(&directory);
    let listening = Listening::of(Server::builder(backend).start().await.unwrap()).await;
    let (mut client, _) = Raw::join(&listening, "one", 1).await;
    let fetch =
        |id: u64| json!({"type": "FETCH", "id": id, "entityType": "c", "query": "limit 10"});
    panics.store(true, Ordering::Relaxed);
    client.send(&fetch(1)).await;
    let error = client.expect("FETCH_ERROR").await;
    assert_eq!(
        (&error["id"], &error["class"]),
        (&json!(1), &json!("retry"))
    );
    client
        .send(&json!({"type": "SUBSCRIBE", "id": 2, "entityType": "c", "want": "snapshot"}))
        .await;
    let error = client.expect("SUBSCRIBE_ERROR").await;
    assert_eq!(
        (&error["id"], &error["class"]),
        (&json!(2), &json!("retry"))
    );
    panics.store(false, Ordering::Relaxed);
    client.send(&fetch(3)).await;
    assert_eq!(client.expect("DATA").await["id"], 3);
    listening.stop().await;
}

#[tokio::test]
async fn a_failed_write_is_told_to_whoever_published() {
    let directory = tempfile::tempdir().unwrap();
    let (backend, panics) = faulty(&directory);
    let listening = Listening::of(Server::builder(backend).start().await.unwrap()).await;
    panics.store(true, Ordering::Relaxed);
    let failed = listening.server.publish(vec![create("c", "1", "{}")]).await;
    assert!(
        matches!(
            &failed,
            Err(PublishError::Backend(BackendError::Storage(_)))
        ),
        "{failed:?}"
    );
    listening.stop().await;
}

#[tokio::test]
async fn a_backend_that_cannot_say_what_it_holds_starts_no_server() {
    let directory = tempfile::tempdir().unwrap();
    let (backend, panics) = faulty(&directory);
    panics.store(true, Ordering::Relaxed);
    let error = Server::builder(backend).start().await.unwrap_err();
    assert_eq!(
        error,
        StartError::Backend(BackendError::Storage("no disk".to_owned()))
    );
}

#[tokio::test]
async fn a_server_that_closes_waits_for_the_write_under_way_and_for_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (mut backend, _) = faulty(&directory);
    backend.writes = Arc::new(Semaphore::new(0));
    let (permits, begun) = (backend.writes.clone(), backend.writes_begun.clone());
    let builder = Server::builder(backend).settings(|settings| settings.group_items = 1);
    let listening = Listening::of(builder.start().await.unwrap()).await;
    let (mut client, _) = Raw::join(&listening, "one", 1).await;
    for seq in 1..=50 {
        let create = action(
            seq,
            "create",
            "c",
            Some(&seq.to_string()),
            &json!({"entity": {}}),
        );
        client.send(&create).await;
    }
    while listening.server.stats().await.hub.waiting_writes < 50 {
        tokio::task::yield_now().await;
    }
    let server = listening.server.clone();
    let mut closed = Box::pin(server.close());
    // The server is told before the write under way is done, and the client does not answer the close.
    assert!(closed.as_mut().now_or_never().is_none());
    permits.add_permits(1);
    closed.await;
    assert_eq!(begun.load(Ordering::Relaxed), 1);
    assert_eq!(listening.server.stats().await.hub.commits, 1);
    assert_eq!(client.until_closed().await, 4200);
}
