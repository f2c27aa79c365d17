//! The pump between the engine and the world outside.
//!
//! It has no policy: it hands in what happened and does what the engine asks. Wakers and listeners
//! run here, never under the engine's lock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::MutexGuard;
use tidewire_engine::{Event, Generation, Input, Output, Switch};
use tidewire_model::Tick;
use tidewire_protocol::Payload;
use tidewire_store::Store;
use tidewire_transport::{Frame, Received, Transport};
use tokio::sync::{mpsc, watch};

use crate::builder::TokenSource;
use crate::seams::{Execute, Fetch};
use crate::shared::Shared;

mod outside;
mod socket;

use outside::Happened;
use socket::Socket;

/// What happened outside and waits to be handed in, at most; who is over it waits.
const HAPPENED_MAX: usize = 256;
/// Frames handed in before other tasks of the runtime get a turn.
const FRAMES_PER_TURN: usize = 64;

/// The world outside, as the application configured it.
pub(crate) struct Outside {
    pub(crate) url: String,
    pub(crate) max_frame_bytes: u64,
    pub(crate) token: Option<TokenSource>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) fetch: Option<Arc<dyn Fetch>>,
    pub(crate) execute: Option<Arc<dyn Execute>>,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// What wakes the pump: a closed set.
enum Next {
    /// A caller changed something, or the last handle went.
    Nudge,
    Happened(Happened),
    Timer,
    Received(Generation, Received),
}

/// The pump.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    outside: Arc<Outside>,
    happened: mpsc::Receiver<Happened>,
    happen: mpsc::Sender<Happened>,
    socket: Option<Socket>,
    connecting: Option<(Generation, tokio::task::JoinHandle<()>)>,
    wake_at: Option<Tick>,
    stopped: watch::Receiver<bool>,
    stopping: bool,
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        outside: Outside,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let (happen, happened) = mpsc::channel(HAPPENED_MAX);
        Self {
            shared,
            outside: Arc::new(outside),
            happened,
            happen,
            socket: None,
            connecting: None,
            wake_at: None,
            stopped,
            stopping: false,
        }
    }

    /// Pumps until the last handle is gone and everything given to the store is stored.
    pub(crate) async fn run(mut self) {
        loop {
            self.drain();
            if !self.stopping && *self.stopped.borrow() {
                self.stopping = true;
                let command = tidewire_engine::Command::Switch(Switch::Off);
                self.hand_in(Input::Command(command));
                continue;
            }
            if self.stopping && self.is_done() {
                break;
            }
            self.wait().await;
        }
        self.finish();
    }

    fn is_done(&self) -> bool {
        let stored = self.shared.lock().is_stored();
        stored && self.socket.as_ref().is_none_or(Socket::is_closed)
    }

    fn finish(self) {
        for cell in self.shared.held_actions() {
            cell.close();
        }
        self.shared.ended.send_replace(true);
    }

    /// Waits for the next thing to happen, and hands it in.
    async fn wait(&mut self) {
        let wants_frames = self.shared.lock().wants_frames();
        let timer = sleep_until(&self.shared, self.wake_at);
        let (socket, stopping) = (self.socket.as_mut(), self.stopping);
        let next = tokio::select! {
            () = self.shared.nudge.notified() => Next::Nudge,
            Some(happened) = self.happened.recv() => Next::Happened(happened),
            () = timer => Next::Timer,
            next = socket_news(socket, wants_frames, stopping) => next,
            _ = self.stopped.wait_for(|stopped| *stopped), if !self.stopping => Next::Nudge,
        };
        match next {
            Next::Nudge => {}
            Next::Happened(happened) => self.on_happened(happened),
            Next::Timer => {
                self.wake_at = None;
                self.hand_in(Input::Time);
                // A batch is worked in slices; others get their turn between them.
                tokio::task::yield_now().await;
            }
            Next::Received(generation, received) => self.on_received(generation, received).await,
        }
    }

    /// Hands a frame in, and those that are there already.
    async fn on_received(&mut self, generation: Generation, received: Received) {
        self.hand_in_received(generation, received);
        for _ in 1..FRAMES_PER_TURN {
            if !self.shared.lock().wants_frames() {
                return;
            }
            let Some(socket) = self.socket.as_mut().filter(|socket| !socket.is_ended()) else {
                return;
            };
            // Dropping the receiving future loses nothing, so looking once is allowed.
            let ready = tokio::select! {
                biased;
                received = socket.receiver.receive() => Some(received),
                () = std::future::ready(()) => None,
            };
            let Some(received) = ready else { return };
            self.hand_in_received(generation, received);
        }
        tokio::task::yield_now().await;
    }

    fn hand_in_received(&mut self, generation: Generation, received: Received) {
        match received {
            Received::Frame(frame) => {
                // Reading it takes longest, and does not need the lock.
                let Some(socket) = self.socket_of(generation) else {
                    return;
                };
                let incoming = match &frame {
                    Frame::Text(text) => socket.reader.read(Payload::Text(text.as_str())),
                    Frame::Binary(bytes) => socket.reader.read(Payload::Binary(bytes)),
                };
                self.hand_in(Input::Frame(incoming));
            }
            Received::Pong => self.hand_in(Input::Pong { generation }),
            Received::Closed(close) => {
                if let Some(socket) = &mut self.socket {
                    socket.end();
                }
                let reason = if close.reason.is_empty() {
                    "the connection was lost".into()
                } else {
                    close.reason
                };
                self.hand_in(Input::Disconnected {
                    generation,
                    code: close.code,
                    reason,
                });
            }
        }
        self.drain();
    }

    fn hand_in(&self, input: Input) {
        let now = self.shared.clock.now();
        let mut engine = self.shared.lock();
        engine.handle(now, input);
        // Callers that wait for the lock get it before this task takes it again.
        MutexGuard::unlock_fair(engine);
    }

    /// Does everything the engine asks for.
    fn drain(&mut self) {
        loop {
            let outputs: Vec<Output> = {
                let mut engine = self.shared.lock();
                let outputs = std::iter::from_fn(|| engine.poll()).collect();
                MutexGuard::unlock_fair(engine);
                outputs
            };
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                self.on_output(output);
            }
        }
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Connect {
                generation,
                subprotocols,
            } => self.connect(generation, &subprotocols),
            Output::Disconnect {
                generation,
                code,
                reason,
            } => self.disconnect(generation, code, reason),
            Output::Transmit { generation, frame } => {
                if let Some(socket) = self.socket_of(generation) {
                    socket.send(frame);
                }
            }
            Output::Ping { generation } => {
                if let Some(socket) = self.socket_of(generation) {
                    socket.ping();
                }
            }
            Output::Store { ticket, group } => self.spawn_store(ticket, group),
            Output::Fetch {
                number,
                entity_type,
                what,
            } => self.spawn_fetch(number, entity_type, what),
            Output::Execute(action) => self.spawn_execute(*action),
            Output::Published(publication) => {
                let cells = self.shared.cells.get(&publication.woken);
                for cell in &cells {
                    cell.push_notices(publication.change_set.notices.iter().cloned());
                }
                for cell in cells {
                    cell.tell();
                }
                // The large values that readers no longer need go here, outside the lock.
                drop(publication);
            }
            Output::Event(event) => self.on_event(event),
            Output::WakeAt(at) => self.wake_at = at.map(|(tick, _)| tick),
        }
    }

    fn on_event(&self, event: Event) {
        match event {
            Event::Status(status) => {
                tracing::debug!(connection = %status.connection, reason = status.reason, "connection");
                self.shared.status.send_replace(status);
            }
            Event::Action { id, stage } => {
                if let Some(cell) = self.shared.action(id) {
                    cell.tell(stage);
                } else {
                    self.shared.forget_action(id);
                }
            }
            Event::Problem(problem) => tracing::warn!(%problem, "trouble"),
            // An event added later is of no interest here.
            _ => {}
        }
    }

    fn socket_of(&mut self, generation: Generation) -> Option<&mut Socket> {
        self.socket
            .as_mut()
            .filter(|socket| socket.generation == generation)
    }

    fn disconnect(&mut self, generation: Generation, code: u16, reason: String) {
        if let Some((_, connecting)) = self.connecting.take() {
            connecting.abort();
        }
        if let Some(socket) = self.socket_of(generation) {
            socket.close(code, reason);
        }
    }
}

/// What comes next on the socket, or that it is closed at last; never, where neither is waited for.
async fn socket_news(socket: Option<&mut Socket>, wants_frames: bool, stopping: bool) -> Next {
    match socket {
        Some(socket) if !socket.is_ended() && wants_frames => {
            Next::Received(socket.generation, socket.receiver.receive().await)
        }
        Some(socket) if stopping && socket.is_ended() && !socket.is_closed() => {
            socket.closed().await;
            Next::Nudge
        }
        Some(_) | None => std::future::pending().await,
    }
}

/// Waits until a time of the engine; for ever, where it named none.
fn sleep_until(shared: &Shared, at: Option<Tick>) -> impl Future<Output = ()> + use<> {
    // A timer is good to a millisecond only, which is too coarse for the slices of a batch.
    let due = at.is_some_and(|tick| tick <= shared.clock.tick());
    let at = at.map(|tick| shared.clock.instant(tick));
    async move {
        match at {
            Some(_) if due => {}
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

/// How long an attempt to connect may take, token included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
