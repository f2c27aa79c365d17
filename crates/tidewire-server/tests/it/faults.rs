//! A backend that fails: the server says so, and goes on where it can.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::json;
use tidewire_hub::{
    Backend, BackendError, Commit, ConnectionId, Greeting, Opened, ReadAnswer, ReadRequest,
    SnapshotRows, WriteOutcome, WriteRequest,
};
use tidewire_model::{EntityType, Lane, Offset};
use tidewire_protocol::ClientInfo;
use tidewire_server::{PublishError, Server, SqliteBackend, StartError};

use crate::raw::{Listening, Raw};
use crate::support::*;

/// A backend with bugs that can be switched on.
struct Faulty {
    inner: SqliteBackend,
    panics: Arc<AtomicBool>,
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
