//! Snapshots: every row of a stream at one point, read in parts while writes go on.
//!
//! Each has a thread and a connection with one open read transaction. Such a transaction keeps the database's log from
//! being shortened, so their number is bounded, and one that is not read on is given up.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use rusqlite::Rows;
use tidewire_hub::{BackendError, SnapshotRows};
use tidewire_model::{EntityType, Offset, Record};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::entities;
use super::error::{Trouble, of_file};
use super::file::HeldFile;
use super::prepared::Prepared;
use super::streams;

/// The most snapshots open at once; others wait for their turn.
const OPEN_SNAPSHOTS: usize = 64;

/// Where a part ends whose rows are large, in bytes: it waits in memory until its reader has taken it.
const PART_BYTES: usize = 256 * 1024;

/// How long a snapshot may wait to be read on, and how long it may take in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) idle: Duration,
    /// The same while others wait for a place.
    pub(super) wanted: Duration,
    pub(super) whole: Duration,
}

impl Patience {
    const DEFAULT: Self = Self {
        idle: Duration::from_secs(30),
        wanted: Duration::from_secs(2),
        whole: Duration::from_secs(600),
    };
}

type Part = Vec<(Record, Offset)>;

/// What is said to a snapshot's thread.
enum Say {
    /// Read so many further rows.
    Next {
        limit: usize,
        answer: oneshot::Sender<Result<Part, Trouble>>,
    },
    /// Nobody reads on.
    End,
}

/// What waits for one thread: at most one question, the reader's end and the backend's.
const WAITING: usize = 3;

/// All snapshots of a backend. Dropping it ends them, and waits for that.
#[derive(Debug)]
pub(super) struct Snapshots {
    pub(super) room: Arc<Semaphore>,
    /// How many wait for a place.
    waiting: Arc<AtomicUsize>,
    pub(super) patience: Patience,
    threads: Mutex<Vec<SnapshotThread>>,
}

#[derive(Debug)]
struct SnapshotThread {
    say: SyncSender<Say>,
    thread: JoinHandle<()>,
}

impl Snapshots {
    pub(super) fn new() -> Self {
        let room = Arc::new(Semaphore::new(OPEN_SNAPSHOTS));
        Self {
            room,
            waiting: Arc::default(),
            patience: Patience::DEFAULT,
            threads: Mutex::new(Vec::new()),
        }
    }

    /// Opens a snapshot, once there is room for one more.
    pub(super) async fn open(
        &self,
        file: HeldFile,
        entity_type: EntityType,
    ) -> Result<Box<dyn SnapshotRows>, BackendError> {
        let permit = {
            let _waits = Waits::begin(&self.waiting);
            let room = Arc::clone(&self.room).acquire_owned();
            room.await.map_err(|_| BackendError::Closed)?
        };
        let (opened, is_open) = oneshot::channel();
        let (say, said) = sync_channel(WAITING);
        // Made before the thread, so that giving up here ends it too.
        let mut snapshot = Snapshot {
            as_of: Offset::ZERO,
            path: file.path().to_owned(),
            say: say.clone(),
            state: State::Whole,
        };
        let reading = Reading {
            file,
            permit,
            patience: self.patience,
            waiting: Arc::clone(&self.waiting),
            entity_type,
            said,
        };
        let thread = std::thread::Builder::new()
            .name("tidewire-snapshot".into())
            .spawn(move || reading.run(opened))
            .map_err(|error| BackendError::Storage(error.to_string()))?;
        {
            let mut threads = self.threads.lock();
            threads.retain(|known| !known.thread.is_finished());
            threads.push(SnapshotThread { say, thread });
        }
        let opened = is_open.await.map_err(|_| BackendError::Closed)?;
        snapshot.as_of = opened
            .map_err(BackendError::from)
            .map_err(of_file(&snapshot.path))?;
        Ok(Box::new(snapshot))
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        for SnapshotThread { say, thread } in self.threads.get_mut().drain(..) {
            // A thread that has ended hears nothing; one that panicked has nothing more to say than that.
            let _ = say.try_send(Say::End);
            let _ = thread.join();
        }
    }
}

/// One who waits for a place, until dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A snapshot being read.
struct Snapshot {
    as_of: Offset,
    /// The file that is read.
    path: PathBuf,
    say: SyncSender<Say>,
    /// A part that was asked for and never taken is gone, and the rest would have a hole.
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Whole,
    Asked,
}

#[async_trait]
impl SnapshotRows for Snapshot {
    fn as_of(&self) -> Offset {
        self.as_of
    }

    async fn next(&mut self, limit: usize) -> Result<Part, BackendError> {
        if matches!(
            std::mem::replace(&mut self.state, State::Asked),
            State::Asked
        ) {
            return Err(ended());
        }
        let (answer, answered) = oneshot::channel();
        self.say
            .try_send(Say::Next { limit, answer })
            .map_err(|_| ended())?;
        let part = answered.await.map_err(|_| ended())?;
        let part = part
            .map_err(BackendError::from)
            .map_err(of_file(&self.path))?;
        self.state = State::Whole;
        Ok(part)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // A thread that has ended hears nothing.
        let _ = self.say.try_send(Say::End);
    }
}

fn ended() -> BackendError {
    BackendError::Unsupported(
        "the snapshot was not read on in time and has ended; begin it again".to_owned(),
    )
}

struct Reading {
    file: HeldFile,
    /// Given back when the thread ends.
    permit: OwnedSemaphorePermit,
    patience: Patience,
    waiting: Arc<AtomicUsize>,
    entity_type: EntityType,
    said: Receiver<Say>,
}

impl Reading {
    fn run(self, opened: oneshot::Sender<Result<Offset, Trouble>>) {
        let connection = match self.file.open_reading() {
            Ok(connection) => connection,
            Err(error) => return drop(opened.send(Err(error.into()))),
        };
        let mut opened = Some(opened);
        let result =
            Prepared::new(&connection).in_one_cut(|prepared| self.answer(prepared, &mut opened));
        match (result, opened) {
            (Err(trouble), Some(opened)) => drop(opened.send(Err(trouble))),
            (Err(error), None) => tracing::debug!(%error, "a snapshot ended early"),
            (Ok(()), _) => {}
        }
        drop(self.permit);
    }

    /// Answers until the reader is gone, or too slow.
    fn answer(
        &self,
        prepared: &mut Prepared<'_>,
        opened: &mut Option<oneshot::Sender<Result<Offset, Trouble>>>,
    ) -> Result<(), Trouble> {
        let ends_at = Instant::now() + self.patience.whole;
        let as_of = streams::load(prepared, &self.entity_type)?.head;
        let mut rows = prepared
            .get("SELECT version, body, id FROM entities WHERE type = ?1 ORDER BY id")?
            .query([self.entity_type.as_str()])?;
        if let Some(opened) = opened.take() {
            let _ = opened.send(Ok(as_of));
        }
        while let Some(Say::Next { limit, answer }) = self.next(ends_at) {
            drop(answer.send(part(&self.entity_type, &mut rows, limit)));
        }
        Ok(())
    }

    /// What is said next; nothing where the reader is gone, or too slow for how many want its place.
    fn next(&self, ends_at: Instant) -> Option<Say> {
        let asked_at = Instant::now();
        loop {
            let left = ends_at.saturating_duration_since(Instant::now());
            let idle = self.patience.idle.saturating_sub(asked_at.elapsed());
            let look_again = self.patience.wanted.min(idle).min(left);
            match self.said.recv_timeout(look_again) {
                Ok(said) => return Some(said),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    let is_wanted = self.waiting.load(Ordering::Relaxed) > 0;
                    if is_wanted || look_again < self.patience.wanted {
                        return None;
                    }
                }
            }
        }
    }
}

fn part(entity_type: &EntityType, rows: &mut Rows<'_>, limit: usize) -> Result<Part, Trouble> {
    let mut part = Vec::new();
    let mut bytes = 0;
    while part.len() < limit
        && bytes < PART_BYTES
        && let Some(row) = rows.next()?
    {
        bytes += entities::body_bytes(row);
        part.push(entities::read(entity_type, row)?);
    }
    Ok(part)
}

#[cfg(test)]
mod tests;
