//! A client for the length of one command: its store, its start, when waiting has no point, its end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tidewire::{Client, ClientBuilder, Connection, SqliteStore, StartError, Status, StoreError};
use tokio::sync::watch;

use crate::failure::{Failure, tell};
use crate::reasons;
use crate::text::word;
use crate::trouble::Heard;

/// An address nobody can have, for a client that stays offline.
pub(crate) const NOWHERE: &str = "ws://offline.invalid/";

/// How long a write may take for its next step, be it an answer or to be stored.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How often the queue is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);
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

/// Opens a store to write into it, or makes an empty one where there is none. One that is damaged is
/// moved aside, and only the next start begins with an empty one.
pub(crate) fn open_store(path: &Path) -> Result<SqliteStore, Failure> {
    let opened = tokio::task::block_in_place(|| SqliteStore::open(path));
    tell_of_lost(path, &opened);
    opened.map_err(|error| match &error {
        StoreError::Damaged {
            set_aside: Some(_), ..
        } => Failure::failed(format!(
            "{error}; the writes that waited in it are not sent"
        )),
        _ => unusable(path, &error),
    })
}

/// Opens a store that is there. Makes none, for a mistyped path, and moves nothing: whoever looks at
/// what waits must not change it.
pub(crate) fn open_existing_store(path: &Path) -> Result<SqliteStore, Failure> {
    let opened = tokio::task::block_in_place(|| SqliteStore::open_existing(path));
    tell_of_lost(path, &opened);
    opened.map_err(|error| unusable(path, &error))
}

/// What a file is that cannot be used as a store, and what to do.
fn unusable(path: &Path, error: &StoreError) -> Failure {
    let shown = path.display();
    match error {
        StoreError::Newer { .. } => Failure::failed(format!(
            "{shown} was written by a newer version of this program and is left as it is: {error}"
        )),
        // Of a store there is always something left.
        StoreError::Io(_)
            if std::fs::metadata(path).is_ok_and(|file| file.len() == 0 && file.is_file()) =>
        {
            Failure::failed(format!(
                "{shown} is an empty file and no store yet; check the path, or keep a first write in it with `tidewire act --store {}`",
                word(path)
            ))
        }
        _ => Failure::failed(error),
    }
}

/// Says which damaged stores were set aside from this place, as long as they are there: what waited in
/// them is missing here.
fn tell_of_lost(path: &Path, opened: &Result<SqliteStore, StoreError>) {
    // What is set aside just now, the failure names.
    if opened.is_err() {
        return;
    }
    for damaged in set_aside(path) {
        tell(&format!(
            "a damaged store was set aside as {}, and the writes that waited in it are not in this one; recover them, then remove it",
            damaged.display()
        ));
    }
}

/// The damaged stores that were moved aside from a path, in order.
pub(crate) fn set_aside(path: &Path) -> Vec<PathBuf> {
    // A store stands where a link to it leads.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let mut start = path.file_name().unwrap_or_default().to_owned();
    start.push(".damaged-");
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // A folder that cannot be read has nothing to tell.
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let number = name
                .as_encoded_bytes()
                .strip_prefix(start.as_encoded_bytes());
            number.is_some_and(|number| number.iter().all(u8::is_ascii_digit))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
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
            return reasons::of_failing(&status.reason);
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

/// Why nothing came, with what was heard last: why there is no connection, or else what went wrong.
pub(crate) fn unanswered(why: &str, client: &Client, heard: &mut Heard) -> String {
    let status = client.status();
    let last = Some(status.reason).filter(|reason| !reason.is_empty());
    match last.or_else(|| heard.last()) {
        Some(last) => format!("{why}; last heard: {}", reasons::of_waiting(&last)),
        None => why.to_owned(),
    }
}

/// Waits until everything given to the store is stored, and gives the store back.
pub(crate) async fn close(client: Client) -> Result<(), Failure> {
    client.close(CLOSE_MAX).await.map_err(Failure::failed)
}
