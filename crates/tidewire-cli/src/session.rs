//! A client for the length of one command: its store, its start, when waiting has no point, its end.

use std::path::Path;
use std::time::Duration;

use tidewire::{Client, ClientBuilder, Connection, SqliteStore, StartError};

use crate::failure::Failure;

/// An address nobody can have, for a client that stays offline.
pub(crate) const NOWHERE: &str = "ws://offline.invalid/";

/// How long what was given to the store may take to get there at the end of a command.
const CLOSE_MAX: Duration = Duration::from_secs(10);

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

/// Resolves once waiting for the server has no point, with the reason: the first attempt to reach
/// it failed, or no further attempt will be made. A connection that was made and got lost is
/// waited for.
pub(crate) async fn hopeless(client: &Client) -> String {
    let mut updates = client.status_updates();
    let mut was_connected = false;
    loop {
        let status = updates.borrow_and_update().clone();
        match status.connection {
            Connection::Connected => was_connected = true,
            Connection::Stopped => return status.reason,
            Connection::Disconnected if status.next_attempt.is_some() && !was_connected => {
                return status.reason;
            }
            _ => {}
        }
        if updates.changed().await.is_err() {
            return "the client ended".to_owned();
        }
    }
}

/// Waits until everything given to the store is stored, and gives the store back.
pub(crate) async fn close(client: Client) -> Result<(), Failure> {
    client.close(CLOSE_MAX).await.map_err(Failure::failed)
}
