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
pub(crate) use socket::Unsent;
use socket::{News, Socket};

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
    Socket(News),
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
        stored && self.socket.is_none()
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
        let next = tokio::select! {
            () = self.shared.nudge.notified() => Next::Nudge,
            Some(happened) = self.happened.recv() => Next::Happened(happened),
            () = timer => Next::Timer,
            news = socket_news(self.socket.as_mut(), wants_frames) => Next::Socket(news),
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
            Next::Socket(news) => self.on_news(news).await,
        }
    }

    async fn on_news(&mut self, news: News) {
        match news {
            News::Received(received) => self.on_received(received).await,
            News::Written(bytes) => {
                if let Some(socket) = &self.socket {
                    let generation = socket.generation;
                    self.hand_in(Input::Written { generation, bytes });
                }
            }
            News::Failed(reason) => self.lose(None, reason),
            News::Over => self.socket = None,
        }
    }

    /// Hands a frame in, and those that are there already.
    async fn on_received(&mut self, received: Received) {
        self.hand_in_received(received);
        for _ in 1..FRAMES_PER_TURN {
            if !self.shared.lock().wants_frames() {
                return;
            }
            let Some(socket) = &mut self.socket else {
                return;
            };
            let Some(received) = socket.received().await else {
                return;
            };
            self.hand_in_received(received);
        }
        tokio::task::yield_now().await;
    }

    fn hand_in_received(&mut self, received: Received) {
        match received {
            Received::Frame(frame) => {
                // Reading it takes longest, and does not need the lock.
                let Some(socket) = &self.socket else {
                    return;
                };
                let incoming = match &frame {
                    Frame::Text(text) => socket.reader.read(Payload::Text(text.as_str())),
                    Frame::Binary(bytes) => socket.reader.read(Payload::Binary(bytes)),
                };
                self.hand_in(Input::Frame(incoming));
            }
            Received::Pong => {}
            Received::Closed(close) => {
                let reason = if close.reason.is_empty() {
                    "the connection was lost".into()
                } else {
                    close.reason
                };
                self.lose(close.code, reason);
            }
        }
        self.drain();
    }

    /// The connection is over, and not because this side closed it.
    fn lose(&mut self, code: Option<u16>, reason: String) {
        if let Some(socket) = self.socket.take() {
            self.hand_in(Input::Disconnected {
                generation: socket.generation,
                code,
                reason,
            });
        }
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
                let sent = self.socket_of(generation).map(|socket| socket.send(frame));
                if let Some(Err(reason)) = sent {
                    self.lose(None, reason);
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

/// What comes next on the socket; never, where there is none.
async fn socket_news(socket: Option<&mut Socket>, wants_frames: bool) -> News {
    match socket {
        Some(socket) => socket.next(wants_frames).await,
        None => std::future::pending().await,
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
