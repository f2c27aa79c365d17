//! The command `serve`: a server for any entity types, until it is asked to end.

use std::time::Duration;

use tidewire_server::{Server, SqliteBackend};

use crate::arguments::Serve;
use crate::failure::Failure;
use crate::{listen, output, signals, trouble};

/// How long clients get to leave when the server ends.
const DRAIN_MAX: Duration = Duration::from_millis(500);

pub(crate) async fn run(arguments: Serve) -> Result<(), Failure> {
    let end = signals::end()?;
    trouble::show();
    let listener = listen::bind(&arguments.listen).await?;
    let backend = tokio::task::block_in_place(|| SqliteBackend::open(&arguments.db))
        .map_err(Failure::failed)?;
    let server = Server::builder(backend)
        .start()
        .await
        .map_err(Failure::failed)?;
    output::line(&format!(
        "listening on ws://{}/live",
        listen::local_address(&listener)?
    ))?;
    let draining = server.clone();
    let served = axum::serve(listener, server.router())
        .with_graceful_shutdown(async move {
            end.await;
            draining.drain(DRAIN_MAX).await;
        })
        .await;
    server.close().await;
    served.map_err(|error| Failure::failed(format!("the server ended: {error}; start it again")))
}
