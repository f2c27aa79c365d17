//! The pump between the engine and the world outside.
//!
//! It has no policy: it hands in what happened and does what the engine asks. Wakers and listeners
//! run here, never under the engine's lock.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tidewire_cache::Pressure;
use tidewire_engine::{Connection, Engine, Event, Generation, Input, Output};
use tidewire_model::Tick;
use tidewire_protocol::Payload;
use tidewire_store::Store;
use tidewire_transport::{Frame, Received, Transport};
use tokio::task::{AbortHandle, JoinError, JoinSet};

use crate::builder::TokenSource;
use crate::refusals::{Refusals, Refused};
use crate::seams::{Execute, Fetch};
use crate::shared::{End, Pumped, Shared};
use crate::unharmed::unharmed_future;

mod outside;
mod socket;

use outside::Happened;
pub(crate) use socket::Unsent;
use socket::{News, Socket};

/// Frames handed in before other tasks of the runtime get a turn.
const FRAMES_PER_TURN: usize = 64;

/// So many bytes of typed copies more or less are told to the engine.
const BYTES_NEWS: usize = 64 * 1024;

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
    /// A caller changed something, or the client is to end.
    Nudge,
    /// A task is done, or was given up.
    Done(Result<Happened, JoinError>),
    Timer,
    Socket(News),
}

/// Pumps until the client is closed and everything given to the store is stored, or until something
/// breaks. Whatever happens, whoever waits is told, and after the store was given back.
pub(crate) async fn pump(pumped: Pumped, outside: Outside) {
    let mut driver = Driver {
        shared: Arc::clone(&pumped.0),
        outside,
        tasks: JoinSet::new(),
        storing: JoinSet::new(),
        socket: None,
        connecting: None,
        wake_at: None,
        told_bytes: Cell::new(0),
    };
    let end = match unharmed_future(driver.run()).await {
        Ok(()) => End::Closed,
        Err(panic) => End::Failed(panic),
    };
    pumped.0.end_with(end);
    if let Some(End::Failed(reason)) = pumped.0.end() {
        tracing::error!(reason, "the client has stopped");
    }
    // What is still being stored holds the store.
    driver.storing.shutdown().await;
}

/// The pump.
struct Driver {
    shared: Arc<Shared>,
    outside: Outside,
    /// Attempts to connect, and calls of the application's own backend; given up at the end.
    tasks: JoinSet<Happened>,
    /// The transaction under way; waited for at the end.
    storing: JoinSet<Happened>,
    socket: Option<Socket>,
    connecting: Option<(Generation, AbortHandle)>,
    wake_at: Option<Tick>,
    /// How many bytes of typed copies the engine was told of last.
    told_bytes: Cell<usize>,
}

impl Driver {
    async fn run(&mut self) {
        loop {
            self.drain();
            let ended = self.shared.end().is_some();
            if ended || (self.socket.is_none() && self.shared.end_if_stored()) {
                return;
            }
            self.wait().await;
        }
    }

    /// Waits for the next thing to happen, and hands it in.
    async fn wait(&mut self) {
        let wants_frames = self.shared.look(Engine::wants_frames);
        let timer = sleep_until(&self.shared, self.wake_at);
        let next = tokio::select! {
            () = self.shared.nudge.notified() => Next::Nudge,
            Some(done) = self.storing.join_next() => Next::Done(done),
            Some(done) = self.tasks.join_next() => Next::Done(done),
            () = timer => Next::Timer,
            news = socket_news(self.socket.as_mut(), wants_frames) => Next::Socket(news),
        };
        match next {
            Next::Nudge => {}
            Next::Done(Ok(happened)) => self.on_happened(happened),
            Next::Done(Err(_)) => {}
            Next::Timer => {
                self.wake_at = None;
                self.hand_in(Input::Time);
                // A batch is worked in slices; others get their turn between them.
                tokio::task::yield_now().await;
            }
            Next::Socket(news) => self.on_news(news).await,
        }
    }

    /// Takes news of the connection, and those that are there already.
    async fn on_news(&mut self, news: News) {
        self.on_one_news(news);
        for _ in 1..FRAMES_PER_TURN {
            if !self.shared.look(Engine::wants_frames) {
                return;
            }
            let Some(socket) = &mut self.socket else {
                return;
            };
            let Some(news) = socket.ready().await else {
                return;
            };
            self.on_one_news(news);
        }
        tokio::task::yield_now().await;
    }

    fn on_one_news(&mut self, news: News) {
        match news {
            News::Received(received) => self.hand_in_received(received),
            News::Written(bytes) => {
                self.hand_in_of_socket(|generation| Input::Written { generation, bytes });
            }
            News::CannotPing => {
                self.hand_in_of_socket(|generation| Input::PingUnsupported { generation });
            }
            News::Failed(reason) => self.lose(None, reason),
            News::Over => self.socket = None,
        }
        self.drain();
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
            Received::Pong => self.hand_in_of_socket(|generation| Input::Pong { generation }),
            Received::Closed(close) => {
                let reason = if close.reason.is_empty() {
                    "the connection was lost".into()
                } else {
                    close.reason
                };
                self.lose(close.code, reason);
            }
        }
    }

    fn hand_in_of_socket(&self, input: impl FnOnce(Generation) -> Input) {
        if let Some(socket) = &self.socket {
            self.hand_in(input(socket.generation));
        }
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
        // After the end nothing is handed in; the next turn of the pump sees that.
        let outside_bytes = self.shared.copies.bytes();
        let told = self.told_bytes.get();
        let handed = self.shared.drive(|engine, now| {
            let entities = engine.take_touched();
            let is_news = !entities.is_empty() || told.abs_diff(outside_bytes) > BYTES_NEWS;
            if is_news {
                let touched = Input::Touched {
                    entities,
                    outside_bytes,
                };
                engine.handle(now, touched);
            }
            engine.handle(now, input);
            is_news
        });
        if handed == Some(true) {
            self.told_bytes.set(outside_bytes);
        }
    }

    /// Does everything the engine asks for.
    fn drain(&mut self) {
        for cell in self.shared.cells.take_due() {
            cell.tell();
        }
        loop {
            let poll = |engine: &mut Engine, _| std::iter::from_fn(|| engine.poll()).collect();
            let outputs: Vec<Output> = self.shared.drive(poll).unwrap_or_default();
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
                    cell.push_notices(&publication.change_set.notices);
                }
                for cell in cells {
                    cell.tell();
                }
                // The large values that readers no longer need go here, outside the lock.
                drop(publication);
                if self.shared.look(Engine::pressure) != Pressure::Within {
                    // Copies go before what they are copies of.
                    self.shared.copies.shrink();
                }
            }
            Output::Event(event) => self.on_event(event),
            Output::WakeAt(at) => self.wake_at = at.map(|(tick, _)| tick),
        }
    }

    fn on_event(&self, event: Event) {
        match event {
            Event::Status(status) => {
                tracing::debug!(connection = %status.connection, reason = status.reason, "connection");
                if status.connection != Connection::Connected {
                    // Another connection may have other rights.
                    self.change_refusals(Refusals::clear);
                }
                self.shared.status.send_replace(status);
            }
            Event::Refused {
                entity_type,
                wanted,
                code,
                term,
            } => {
                let refused = Refused { code, term };
                self.change_refusals(|all| all.add(entity_type, wanted.map(|it| *it), refused));
            }
            Event::Answered {
                entity_type,
                wanted,
            } => self.change_refusals(|all| all.forget(&entity_type, wanted.as_deref())),
            Event::Action { id, stage } => {
                if let Some(cell) = self.shared.action(id) {
                    cell.tell(stage);
                }
            }
            Event::Problem(problem) => tracing::warn!(%problem, "trouble"),
            // An event added later is of no interest here.
            _ => {}
        }
    }

    /// `change` says whether it is news.
    fn change_refusals(&self, change: impl FnOnce(&mut Refusals) -> bool) {
        if self.shared.refusals.send_if_modified(change) {
            // Pages name the reason. The driver tells at its next turn, which must come.
            self.shared.cells.tell_all_soon();
            self.shared.nudge.notify_one();
        }
    }

    fn socket_of(&mut self, generation: Generation) -> Option<&mut Socket> {
        self.socket
            .as_mut()
            .filter(|socket| socket.generation == generation)
    }

    fn disconnect(&mut self, generation: Generation, code: u16, reason: String) {
        self.give_up_connecting();
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
