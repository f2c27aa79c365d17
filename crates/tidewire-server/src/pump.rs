//! The pump: one task that carries inputs to the hub and does what the hub puts out. It has no policy of its own.
//!
//! It never waits for a socket, nor for the backend: both answer with an event.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidewire_hub::{CallerId, ConnectionId, Fact, Hub, Input, Output, PublishError, Ticket};
use tidewire_protocol::close;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::calls::Calls;
use crate::clock::Clock;
use crate::event::{Event, Published};
use crate::facts::FactSender;
use crate::server::{Progress, ServerStats};
use crate::socket::{CloseReason, SocketHandle};

/// How many events are taken from the line in one go.
const EVENTS_AT_ONCE: usize = 64;

/// How long a server that stops waits for what is being written.
const STOPPING: Duration = Duration::from_secs(5);

/// All that the pump holds.
pub(crate) struct Pump {
    hub: Hub,
    clock: Clock,
    events: mpsc::Receiver<Event>,
    calls: Calls,
    sockets: BTreeMap<ConnectionId, SocketHandle>,
    callers: BTreeMap<CallerId, oneshot::Sender<Published>>,
    last_caller: u64,
    facts: FactSender,
    progress: watch::Sender<Progress>,
    wake_at: Option<Instant>,
}

/// Whether to go on.
enum Next {
    Continue,
    Stop,
}

impl Pump {
    pub(crate) fn new(
        hub: Hub,
        clock: Clock,
        events: mpsc::Receiver<Event>,
        calls: Calls,
        progress: watch::Sender<Progress>,
    ) -> Self {
        Self {
            hub,
            clock,
            events,
            calls,
            sockets: BTreeMap::new(),
            callers: BTreeMap::new(),
            last_caller: 0,
            facts: FactSender::new(),
            progress,
            wake_at: None,
        }
    }

    /// Runs until the server is stopped.
    pub(crate) async fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            let wake_at = self.wake_at;
            tokio::select! {
                taken = self.events.recv_many(&mut events, EVENTS_AT_ONCE) => if taken == 0 { break },
                () = wake(wake_at) => {
                    self.wake_at = None;
                    self.handle(Input::Time);
                }
            }
            let next = events
                .drain(..)
                .map(|event| self.on_event(event))
                .find(|next| matches!(next, Next::Stop));
            if next.is_some() {
                break;
            }
        }
        self.stop().await;
    }

    fn on_event(&mut self, event: Event) -> Next {
        match event {
            Event::Input(input) => {
                if let Input::Closed { connection } = &input {
                    self.sockets.remove(connection);
                    self.calls.forget_connection(*connection);
                }
                self.handle(input);
            }
            Event::Opened {
                connection,
                subprotocol,
                socket,
            } => {
                self.sockets.insert(connection, socket);
                self.handle(Input::Opened {
                    connection,
                    subprotocol,
                });
            }
            Event::SnapshotOpened { ticket, result } => {
                let input = self.calls.on_snapshot_opened(ticket, result);
                self.handle_some(input);
            }
            Event::SnapshotRead {
                ticket,
                rows,
                snapshot,
            } => {
                let input = self.calls.on_snapshot_read(ticket, rows, snapshot);
                self.handle_some(input);
            }
            Event::Publish { writes, answer } => {
                self.last_caller += 1;
                let caller = CallerId(self.last_caller);
                self.callers.insert(caller, answer);
                self.handle(Input::Publish { caller, writes });
            }
            // Whoever asked may have gone.
            Event::Stats { answer } => drop(answer.send(self.stats())),
            Event::Facts { answer } => drop(answer.send(self.facts.subscribe())),
            Event::Stop => return Next::Stop,
        }
        Next::Continue
    }

    fn handle_some(&mut self, input: Option<Input>) {
        if let Some(input) = input {
            self.handle(input);
        }
    }

    fn handle(&mut self, input: Input) {
        self.hub.handle(self.clock.now(), input);
        while let Some(output) = self.hub.poll() {
            self.do_output(output);
        }
    }

    fn do_output(&mut self, output: Output) {
        match output {
            Output::Transmit { connection, frame } => {
                let Some(socket) = self.sockets.get(&connection) else {
                    return;
                };
                if let Err(mpsc::error::TrySendError::Full(_)) = socket.send(frame) {
                    let reason = "the connection does not take its frames".to_owned();
                    self.close(
                        connection,
                        CloseReason {
                            code: close::SLOW_CONSUMER,
                            reason,
                        },
                    );
                }
            }
            Output::Close {
                connection,
                code,
                reason,
            } => {
                self.calls.forget_connection(connection);
                self.close(connection, CloseReason { code, reason });
            }
            Output::Published { caller, result } => {
                if let Some(answer) = self.callers.remove(&caller) {
                    // Whoever published may have gone.
                    let _ = answer.send(result);
                }
            }
            Output::Notify(fact) => {
                if let Fact::Incident { what } = &fact {
                    tracing::warn!(%what, "an incident");
                }
                self.facts.send(fact);
            }
            Output::WakeAt { at, .. } => self.wake_at = Some(self.clock.instant(at)),
            Output::Drained => {
                self.progress.send_replace(Progress::Drained);
            }
            Output::Read { ticket, .. } | Output::ReadJournal { ticket, .. } => {
                self.read(ticket, output);
            }
            call => self.calls.start(call),
        }
    }

    fn read(&mut self, ticket: Ticket, output: Output) {
        // Who asked may be gone by the time that it is handed out.
        if let Some(asker) = self.hub.asker(ticket) {
            self.calls.start_read(asker, output);
        }
        if self.calls.has_many_reads() {
            self.calls
                .give_up_reads(|ticket| self.hub.asker(ticket).is_some());
        }
    }

    fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        if let Some(socket) = self.sockets.remove(&connection) {
            socket.close(reason);
        }
    }

    fn stats(&self) -> ServerStats {
        ServerStats {
            hub: self.hub.stats(),
            sockets: self.sockets.len() as u64,
            in_hand_bytes: self.sockets.values().map(SocketHandle::in_hand).sum(),
        }
    }

    /// Closes everything. What is being written is waited for, so that its callers hear of it; what waits of clients is
    /// not written any more, since they come again with it.
    async fn stop(mut self) {
        let reason = CloseReason {
            code: close::SHUTDOWN,
            reason: "the server stops".to_owned(),
        };
        let sockets = std::mem::take(&mut self.sockets);
        self.handle(Input::Drain { in_ms: 0 });
        for (connection, socket) in sockets {
            socket.close(reason.clone());
            self.calls.forget_connection(connection);
            self.handle(Input::Closed { connection });
        }
        let deadline = Instant::now() + STOPPING;
        while self.hub.stats().waiting_writes > 0
            && let Ok(Some(event)) = timeout_at(deadline, self.events.recv()).await
        {
            match event {
                Event::Opened { socket, .. } => socket.close(reason.clone()),
                Event::Publish { answer, .. } => drop(answer.send(Err(PublishError::Draining))),
                event => drop(self.on_event(event)),
            }
        }
        for (_, answer) in std::mem::take(&mut self.callers) {
            // Whoever published may have gone.
            let _ = answer.send(Err(PublishError::Draining));
        }
        let stats = self.stats();
        let Self {
            calls,
            events,
            progress,
            ..
        } = self;
        // Nobody who sends from now on waits for an answer.
        drop(events);
        calls.end().await;
        progress.send_replace(Progress::Stopped(Arc::new(stats)));
    }
}

async fn wake(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
