//! The bounds of snapshots: how many at once, and how long each.

use futures_util::FutureExt;
use tidewire_hub::{Backend, Write, WriteRequest};
use tidewire_model::{EntityId, Record};

use super::*;
use crate::SqliteBackend;

async fn backend(directory: &tempfile::TempDir) -> SqliteBackend {
    let backend = SqliteBackend::open(directory.path().join("app.db")).unwrap();
    if backend.open().await.unwrap().heads.len() == 1 {
        return backend;
    }
    let entity_type = EntityType::new("c").unwrap();
    let create = |number| Write::Create {
        entity_type: entity_type.clone(),
        id: Some(EntityId::integer(number)),
        entity: Record::new(),
    };
    backend
        .write(vec![WriteRequest::Publish((0..10).map(create).collect())])
        .await
        .unwrap();
    backend
}

async fn open_one(backend: &SqliteBackend) -> Box<dyn SnapshotRows> {
    backend
        .snapshot(&EntityType::new("c").unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_snapshot_that_is_not_read_on_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    for (idle, whole) in [
        (Duration::ZERO, Duration::MAX),
        (Duration::MAX, Duration::ZERO),
    ] {
        let mut backend = backend(&directory).await;
        backend.snapshots.patience = Patience {
            idle,
            wanted: Duration::MAX,
            whole: whole.min(Duration::from_secs(3600)),
        };
        let mut snapshot = open_one(&backend).await;
        // It may still find the first question waiting; then the next one is too late, or the one after that.
        let error = loop {
            match snapshot.next(1).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, BackendError::Unsupported(_)), "{error}");
    }
}

#[tokio::test]
async fn only_so_many_snapshots_are_open_and_others_wait_their_turn() {
    let directory = tempfile::tempdir().unwrap();
    let mut backend = backend(&directory).await;
    backend.snapshots.room = Arc::new(Semaphore::new(1));
    let mut first = open_one(&backend).await;
    let mut second = Box::pin(open_one(&backend));
    assert!((&mut second).now_or_never().is_none());
    assert_eq!(first.next(100).await.unwrap().len(), 10);
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    assert_eq!(second.await.next(100).await.unwrap().len(), 10);
}

#[tokio::test]
async fn a_snapshot_that_is_not_read_on_makes_room_for_one_who_waits() {
    let directory = tempfile::tempdir().unwrap();
    let mut backend = backend(&directory).await;
    backend.snapshots.room = Arc::new(Semaphore::new(1));
    backend.snapshots.patience = Patience {
        idle: Duration::from_secs(3600),
        wanted: Duration::from_millis(1),
        whole: Duration::from_secs(3600),
    };
    let mut slow = open_one(&backend).await;
    assert_eq!(slow.next(1).await.unwrap().len(), 1);
    let mut second = open_one(&backend).await;
    assert_eq!(second.next(100).await.unwrap().len(), 10);
    assert!(matches!(
        slow.next(1).await,
        Err(BackendError::Unsupported(_))
    ));
}

#[tokio::test]
async fn a_part_that_was_asked_for_and_not_taken_is_never_skipped_in_silence() {
    let directory = tempfile::tempdir().unwrap();
    let backend = backend(&directory).await;
    let mut snapshot = open_one(&backend).await;
    // Polled once and given up: the part is on its way, or was dropped.
    let taken = snapshot.next(3).now_or_never();
    if taken.is_none() {
        assert!(matches!(
            snapshot.next(3).await,
            Err(BackendError::Unsupported(_))
        ));
    }
}

#[tokio::test]
async fn dropping_the_backend_ends_its_snapshots_and_frees_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let backend = backend(&directory).await;
    let mut snapshots = Vec::new();
    for _ in 0..3 {
        snapshots.push(open_one(&backend).await);
    }
    drop(snapshots.pop());
    drop(backend);
    let again = SqliteBackend::open(directory.path().join("app.db"));
    assert!(again.is_ok(), "{again:?}");
    for snapshot in &mut snapshots {
        assert!(matches!(
            snapshot.next(1).await,
            Err(BackendError::Unsupported(_))
        ));
    }
}

#[tokio::test]
async fn a_part_of_large_rows_is_short_and_no_row_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let backend = backend(&directory).await;
    let large = |number| Write::Create {
        entity_type: EntityType::new("c").unwrap(),
        id: Some(EntityId::integer(number)),
        entity: Record::new().with("text", "x".repeat(100 * 1024)),
    };
    let writes = (1000..1020).map(large).collect();
    backend
        .write(vec![WriteRequest::Publish(writes)])
        .await
        .unwrap();
    let mut snapshot = open_one(&backend).await;
    let mut rows = 0;
    loop {
        let part = snapshot.next(1000).await.unwrap();
        if part.is_empty() {
            break;
        }
        let bytes: usize = part.iter().map(|(row, _)| row.approximate_bytes()).sum();
        assert!(bytes < PART_BYTES + 110 * 1024, "{bytes}");
        rows += part.len();
    }
    assert_eq!(rows, 30);
}
