//! The promises of every backend, kept by the one on a file.

use std::sync::Arc;

use async_trait::async_trait;
use tidewire_hub::{Backend, suite::Subject};
use tidewire_server::SqliteBackend;

/// A directory with one file.
struct Place(tempfile::TempDir);

#[async_trait]
impl Subject for Place {
    async fn open(&self) -> Arc<dyn Backend> {
        Arc::new(SqliteBackend::open(self.0.path().join("app.db")).unwrap())
    }
}

fn place() -> Place {
    Place(tempfile::tempdir().unwrap())
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future);
}

tidewire_hub::backend_suite!(place(), block_on);
