//! The calls that are under way: backend and authentication. Each answers with exactly one event.
//!
//! Holds the snapshots that are being read. A call that panics is one that failed.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tidewire_hub::{
    Backend, BackendError, ConnectionId, Input, Output, Refused, SnapshotRows, Ticket,
};
use tidewire_model::{Offset, Record};
use tidewire_protocol::Class;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::builder::Authenticate;
use crate::event::Event;

/// From how many reads on it is looked for those that nobody waits for. The hub bounds how many of each connection wait.
const MANY_READS: usize = 128;

/// The calls under way.
pub(crate) struct Calls {
    backend: Arc<dyn Backend>,
    authenticate: Arc<dyn Authenticate>,
    events: mpsc::WeakSender<Event>,
    tasks: JoinSet<()>,
    /// Reads that run, or wait for their turn at the backend, by who asked.
    reading: BTreeMap<(ConnectionId, Ticket), AbortHandle>,
    /// How many of them are looked through for those that nobody waits for.
    reading_most: usize,
    snapshots: BTreeMap<Ticket, SnapshotState>,
    authenticating: BTreeMap<ConnectionId, AbortHandle>,
}

enum SnapshotState {
    /// It is being opened or read; the task has it.
    Busy(AbortHandle),
    Idle(Box<dyn SnapshotRows>),
}

impl Calls {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        authenticate: Arc<dyn Authenticate>,
        events: mpsc::WeakSender<Event>,
    ) -> Self {
        Self {
            backend,
            authenticate,
            events,
            tasks: JoinSet::new(),
            reading: BTreeMap::new(),
            reading_most: MANY_READS,
            snapshots: BTreeMap::new(),
            authenticating: BTreeMap::new(),
        }
    }

    /// Starts what a question of the hub asks for. Other outputs are none of its business.
    pub(crate) fn start(&mut self, output: Output) {
        // What is over is let go of, so that the set holds no more than what is under way.
        while self.tasks.try_join_next().is_some() {}
        match output {
            Output::Authenticate {
                connection,
                token,
                client,
            } => {
                let authenticate = self.authenticate.clone();
                let task = self.spawn(async move {
                    let result = contained(authenticate.authenticate(token, client))
                        .await
                        .unwrap_or_else(|panic| {
                            Err(Refused {
                                class: Class::Retry,
                                code: "internal".to_owned(),
                                message: panic,
                            })
                        });
                    Event::Input(Input::Authenticated { connection, result })
                });
                self.authenticating.retain(|_, task| !task.is_finished());
                self.authenticating.insert(connection, task);
            }
            Output::Greet {
                connection,
                principal,
                client,
                confirmed,
            } => {
                let backend = self.backend.clone();
                self.spawn(async move {
                    let result = guarded(backend.greet(&principal, &client, &confirmed)).await;
                    Event::Input(Input::Greeted { connection, result })
                });
            }
            Output::Write { group } => {
                let backend = self.backend.clone();
                self.spawn(async move {
                    let result = guarded(backend.write(group)).await;
                    Event::Input(Input::Written { result })
                });
            }
            other => self.start_snapshot(other),
        }
    }

    /// Starts what a connection wants to have read. Other outputs are none of its business.
    pub(crate) fn start_read(&mut self, asker: ConnectionId, output: Output) {
        let backend = self.backend.clone();
        let (ticket, task) = match output {
            Output::Read { ticket, request } => {
                let task = self.spawn(async move {
                    let result = guarded(backend.read(asker, request)).await;
                    Event::Input(Input::ReadDone { ticket, result })
                });
                (ticket, task)
            }
            Output::ReadJournal {
                ticket,
                entity_type,
                after,
                limit,
            } => {
                let task = self.spawn(async move {
                    let result = guarded(backend.journal(asker, &entity_type, after, limit)).await;
                    Event::Input(Input::JournalRead { ticket, result })
                });
                (ticket, task)
            }
            other => return self.start(other),
        };
        self.reading.insert((asker, ticket), task);
    }

    fn start_snapshot(&mut self, output: Output) {
        let backend = self.backend.clone();
        match output {
            Output::OpenSnapshot {
                ticket,
                entity_type,
            } => {
                let task = self.spawn(async move {
                    let result = guarded(backend.snapshot(&entity_type)).await;
                    Event::SnapshotOpened { ticket, result }
                });
                self.snapshots.insert(ticket, SnapshotState::Busy(task));
            }
            Output::NextSnapshot { ticket, limit } => self.read_on(ticket, limit),
            Output::DropSnapshot { ticket } => {
                if let Some(SnapshotState::Busy(task)) = self.snapshots.remove(&ticket) {
                    task.abort();
                }
            }
            other => tracing::error!(
                ?other,
                "the hub asked for something the server does not know"
            ),
        }
    }

    /// Whether so many reads were started that it is time to give up those that nobody waits for.
    pub(crate) fn has_many_reads(&self) -> bool {
        self.reading.len() >= self.reading_most
    }

    /// Gives up the reads that nobody waits for: a subscription may have ended before the journal was read for it.
    pub(crate) fn give_up_reads(&mut self, awaits: impl Fn(Ticket) -> bool) {
        self.reading.retain(|(_, ticket), task| {
            let is_of_use = !task.is_finished() && awaits(*ticket);
            if !is_of_use {
                task.abort();
            }
            is_of_use
        });
        // As many again may be started before the next time, so that looking costs little for each.
        self.reading_most = (2 * self.reading.len()).max(MANY_READS);
    }

    fn read_on(&mut self, ticket: Ticket, limit: usize) {
        let Some(SnapshotState::Idle(mut snapshot)) = self.snapshots.remove(&ticket) else {
            return tracing::error!(?ticket, "the hub reads on in a snapshot that is not there");
        };
        let task = self.spawn(async move {
            let rows = guarded(snapshot.next(limit)).await;
            Event::SnapshotRead {
                ticket,
                rows,
                snapshot,
            }
        });
        self.snapshots.insert(ticket, SnapshotState::Busy(task));
    }

    /// What the hub is told of an opened snapshot; nothing when it was dropped meanwhile.
    pub(crate) fn on_snapshot_opened(
        &mut self,
        ticket: Ticket,
        result: Result<Box<dyn SnapshotRows>, BackendError>,
    ) -> Option<Input> {
        self.snapshots.remove(&ticket)?;
        Some(match result {
            Ok(snapshot) => {
                let as_of = snapshot.as_of();
                self.snapshots.insert(ticket, SnapshotState::Idle(snapshot));
                Input::SnapshotOpened { ticket, as_of }
            }
            Err(error) => Input::SnapshotFailed { ticket, error },
        })
    }

    /// What the hub is told of rows that were read; nothing when their snapshot was dropped meanwhile.
    pub(crate) fn on_snapshot_read(
        &mut self,
        ticket: Ticket,
        rows: Result<Vec<(Record, Offset)>, BackendError>,
        snapshot: Box<dyn SnapshotRows>,
    ) -> Option<Input> {
        self.snapshots.remove(&ticket)?;
        Some(match rows {
            Ok(rows) => {
                self.snapshots.insert(ticket, SnapshotState::Idle(snapshot));
                Input::SnapshotRows { ticket, rows }
            }
            Err(error) => Input::SnapshotFailed { ticket, error },
        })
    }

    /// Gives up what is done for a connection that is gone.
    pub(crate) fn forget_connection(&mut self, connection: ConnectionId) {
        if let Some(task) = self.authenticating.remove(&connection) {
            task.abort();
        }
        let own = (connection, Ticket(0))..=(connection, Ticket(u64::MAX));
        for (_, task) in self.reading.extract_if(own, |_, _| true) {
            task.abort();
        }
    }

    /// Gives up everything, and lets go of the backend where that may take a while.
    pub(crate) async fn end(self) {
        let Self {
            backend,
            mut tasks,
            snapshots,
            ..
        } = self;
        tasks.shutdown().await;
        let let_go = tokio::task::spawn_blocking(move || drop((snapshots, backend)));
        if let Err(error) = let_go.await {
            tracing::error!(%error, "the backend failed while it was closed");
        }
    }

    /// Runs a call and sends its event. Where the pump has ended, nobody waits for it.
    fn spawn(&mut self, call: impl Future<Output = Event> + Send + 'static) -> AbortHandle {
        let events = self.events.clone();
        self.tasks.spawn(async move {
            let event = call.await;
            if let Some(events) = events.upgrade() {
                let _ = events.send(event).await;
            }
        })
    }
}

/// The result of a backend's call; a panic is a failure of storage.
async fn guarded<T>(
    call: impl Future<Output = Result<T, BackendError>>,
) -> Result<T, BackendError> {
    contained(call)
        .await
        .unwrap_or_else(|panic| Err(BackendError::Storage(panic)))
}

/// The value of a future, or the words of its panic.
async fn contained<T>(call: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(call)
        .catch_unwind()
        .await
        .map_err(|panic| {
            let words = words_of(&*panic);
            tracing::error!(%words, "a call panicked");
            format!("a call panicked: {words}")
        })
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no words")
}

#[cfg(test)]
mod tests;
