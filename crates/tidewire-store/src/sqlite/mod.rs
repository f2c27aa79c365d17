//! A store in one SQLite file.
//! Holds the handle; a thread of its own holds the file. Never waits on the disk in the caller's thread, except in
//! `open`, `load` and drop.

mod line;
mod open;
mod reply;
#[cfg(test)]
mod tests;
mod worker;

use std::{
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use async_trait::async_trait;

use self::{
    line::{Job, Line},
    worker::Worker,
};
use crate::{Durability, Row, Store, StoreError, Txn};

/// A store in one SQLite file, with its `-wal` file beside it, and a `.lock` file that stays there, unless the
/// file is refused.
///
/// Commits go to a thread that owns the file. It takes all that waits as one SQLite transaction, so that many
/// callers share one write to the disk without anybody waiting for a timer. A transaction with a
/// [`Synced`](crate::Commit::Synced) part is synced with `synchronous=FULL`; one that is only
/// [`Ordered`](crate::Commit::Ordered) is appended to the same log without a sync (`synchronous=NORMAL`), where the
/// next sync or checkpoint takes it along.
///
/// The file is held exclusively. Dropping the store finishes what was accepted, then gives the file back; it waits
/// for that.
#[derive(Debug)]
pub struct SqliteStore {
    line: Arc<Line>,
    worker: Option<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens the store at `path`, or makes an empty one if nothing is there, or an empty file that never was a store. The
    /// folder must exist. Blocks while the file is read and checked, which takes longer the larger it is.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if anybody else has it open; [`StoreError::Damaged`] if the file is not whole, after moving it
    /// aside to `<name>.damaged-<n>` with its companions, so that only a second, deliberate open starts empty;
    /// [`StoreError::Foreign`] if it is not a store, and then nothing was touched or made; [`StoreError::Newer`] if it was written by a
    /// newer tidewire; [`StoreError::Full`]; [`StoreError::Io`] for whatever the system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::start(open::open(path.as_ref(), open::Remedy::Replace)?)
    }

    /// Opens a store that is there, for whoever only wants to look into it: makes none, and leaves a damaged one where
    /// it stands. Otherwise as [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`StoreError::Io`] if there is none.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::start(open::open(path.as_ref(), open::Remedy::Refuse)?)
    }

    fn start(opened: open::Opened) -> Result<Self, StoreError> {
        let line = Arc::new(Line::default());
        let worker = Worker::new(opened, line.clone());
        let worker = thread::Builder::new()
            .name("tidewire-store".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| {
                StoreError::Io(format!("cannot start the thread that writes: {error}"))
            })?;
        Ok(Self {
            line,
            worker: Some(worker),
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn durability(&self) -> Durability {
        Durability::Crash
    }

    fn load(&self) -> Result<Vec<Row>, StoreError> {
        let (reply, answer) = reply::channel();
        self.line.push(Job::Load(reply))?;
        answer.wait()
    }

    async fn commit(&self, group: Vec<Txn>) -> Result<(), StoreError> {
        let (reply, answer) = reply::channel();
        self.line.enter(Job::Commit(group, reply)).await?;
        answer.await
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.line.close();
        if let Some(worker) = self.worker.take() {
            // A waker that drops the last handle runs on the worker itself, which cannot wait for its own end.
            if worker.thread().id() != thread::current().id() {
                // A worker that panicked has answered everybody with `Closed`; drop has nobody to tell.
                let _ = worker.join();
            }
        }
    }
}
