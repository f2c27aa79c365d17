//! A client for the length of one command: its store, its start, when waiting has no point, its end.

use std::path::Path;
use std::time::Duration;

use tidewire::{Client, ClientBuilder, Connection, SqliteStore, StartError, Status};
use tokio::sync::watch;

use crate::failure::Failure;
use crate::reasons;

/// An address nobody can have, for a client that stays offline.
pub(crate) const NOWHERE: &str = "ws://offline.invalid/";

/// How long what was given to the store may take to get there at the end of a command.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// Attempts to reach a server before it is said that it cannot be. One is not enough: a client that a
/// server does not know begins anew, and for that connects again.
const ATTEMPTS: usize = 2;
/// What is said of a client that is no more.
const ENDED: &str = "the client ended";

/// A client that tells the server which program it is.
pub(crate) fn builder(url: &str) -> ClientBuilder {
    Client::builder(url).app("tidewire", env!("CARGO_PKG_VERSION"))
}

/// Opens a store, or makes an empty one where there is none.
pub(crate) fn open_store(path: &Path) -> Result<SqliteStore, Failure> {
    tokio::task::block_in_place(|| SqliteStore::open(path)).map_err(Failure::failed)
}

/// Starts a client. Reads the store, which may take a while.
pub(crate) fn start(builder: ClientBuilder) -> Result<Client, Failure> {
    tokio::task::block_in_place(|| builder.start()).map_err(|error| match error {
        StartError::BadUrl(_) => Failure::misuse(error),
        other => Failure::failed(other),
    })
}

/// Resolves once waiting for the server has no point, with the reason and what to do: it could not be
/// reached at the first attempts, or no further attempt will be made. A connection that was made and
/// got lost is waited for.
pub(crate) async fn hopeless(client: &Client) -> String {
    let mut updates = client.status_updates();
    // The attempts that were planned since, each after one that failed.
    let mut planned = Vec::new();
    loop {
        let status = updates.borrow_and_update().clone();
        match status.connection {
            Connection::Connected => break,
            Connection::Stopped => return reasons::of_writing(&status.reason),
            Connection::Disconnected => planned.extend(status.next_attempt),
            _ => {}
        }
        planned.dedup();
        if planned.len() == ATTEMPTS {
            let reason = status.reason;
            return format!("{reason}; start the server, or check the URL");
        }
        if updates.changed().await.is_err() {
            return ENDED.to_owned();
        }
    }
    stopped(updates).await
}

/// Resolves once no further attempt will be made, with the reason.
async fn stopped(mut updates: watch::Receiver<Status>) -> String {
    let stopped = updates.wait_for(|status| status.connection == Connection::Stopped);
    match stopped.await {
        Ok(status) => reasons::of_writing(&status.reason),
        Err(_) => ENDED.to_owned(),
    }
}

/// Waits until everything given to the store is stored, and gives the store back.
pub(crate) async fn close(client: Client) -> Result<(), Failure> {
    client.close(CLOSE_MAX).await.map_err(Failure::failed)
}
