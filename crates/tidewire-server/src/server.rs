//! The server as an application holds it: a handle to the pump.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidewire_hub::{
    Backend, BackendError, Commit, ConnectionId, Hub, Input, PublishError, Stats, Write,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::builder::ServerBuilder;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::event::Event;
use crate::facts::Facts;
use crate::origin::Origins;
use crate::pump::Pump;

/// How many events may wait for the pump; more make those who send them wait.
const WAITING_EVENTS: usize = 256;

/// A running server. Clones are the same server.
///
/// It ends with [`Server::close`], or when the last handle, the last route and the last connection are gone.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

/// What all clones and routes share.
pub(crate) struct Shared {
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) subprotocols: Vec<&'static str>,
    pub(crate) origins: Origins,
    pub(crate) max_frame_bytes: usize,
    /// The most bytes of one connection that may be with the WebSocket library.
    pub(crate) write_bytes: usize,
    last_connection: AtomicU64,
    progress: watch::Receiver<Progress>,
}

impl Shared {
    /// A name for a new connection.
    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.last_connection.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// How far a server is on its way to the end.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    Running,
    Drained,
    Stopped(Arc<ServerStats>),
}

/// What a server holds now, and what it has done since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// What the hub counts.
    pub hub: Stats,
    /// Sockets that are open.
    pub sockets: u64,
    /// Bytes of frames that were handed to sockets and not yet taken by their peers.
    pub in_hand_bytes: u64,
}

impl Server {
    /// Begins to put a server together.
    pub fn builder(backend: impl Backend) -> ServerBuilder {
        ServerBuilder::new(Arc::new(backend))
    }

    pub(crate) fn run(builder: ServerBuilder, hub: Hub) -> Self {
        let ServerBuilder {
            backend,
            authenticate,
            origins,
            settings,
        } = builder;
        let (events, waiting) = mpsc::channel(WAITING_EVENTS);
        let (progress, watched) = watch::channel(Progress::Running);
        let calls = Calls::new(backend, authenticate, events.downgrade());
        tokio::spawn(Pump::new(hub, Clock::start(), waiting, calls, progress).run());
        let limits = settings.limits;
        let shared = Shared {
            events,
            subprotocols: settings
                .dialects
                .iter()
                .filter_map(|dialect| dialect.subprotocol())
                .collect(),
            origins,
            max_frame_bytes: limits.frame_from_client_bytes,
            write_bytes: settings.window_bytes
                + limits.outbound_bytes
                + limits.frame_from_server_bytes,
            last_connection: AtomicU64::new(0),
            progress: watched,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Writes as the application, all or nothing, and tells all who hold the streams. Gives the commit once it is
    /// durable; `None` where nothing changed.
    ///
    /// A write that was handed in is done even if the future is dropped.
    ///
    /// # Errors
    /// [`PublishError`] says whether the writes make no sense, or the server cannot take them now.
    pub async fn publish(&self, writes: Vec<Write>) -> Result<Option<Arc<Commit>>, PublishError> {
        let (answer, answered) = oneshot::channel();
        let event = Event::Publish { writes, answer };
        self.shared
            .events
            .send(event)
            .await
            .map_err(|_| PublishError::Draining)?;
        answered
            .await
            .map_err(|_| PublishError::Backend(BackendError::Closed))?
    }

    /// What happens from now on. A server that has ended gives a feed that has ended.
    pub async fn facts(&self) -> Facts {
        let (answer, answered) = oneshot::channel();
        if self
            .shared
            .events
            .send(Event::Facts { answer })
            .await
            .is_err()
        {
            return Facts::ended();
        }
        answered.await.unwrap_or_else(|_| Facts::ended())
    }

    /// How things are now; of a server that has ended, how they were then.
    pub async fn stats(&self) -> ServerStats {
        let (answer, answered) = oneshot::channel();
        if self
            .shared
            .events
            .send(Event::Stats { answer })
            .await
            .is_ok()
            && let Ok(stats) = answered.await
        {
            return stats;
        }
        match &*self.shared.progress.borrow() {
            Progress::Stopped(stats) => ServerStats::clone(stats),
            Progress::Running | Progress::Drained => ServerStats::default(),
        }
    }

    /// What principals may see has changed; with a name, that of one of them. Subscriptions that show something else
    /// than is allowed now are ended, with the advice to subscribe again.
    pub async fn rights_changed(&self, principal: Option<&str>) {
        self.input(Input::RightsChanged {
            principal: principal.map(str::to_owned),
        })
        .await;
    }

    /// Tells all clients that the server is about to go, lets nobody new in, and closes the connections after this
    /// time, spread over a few milliseconds for each and no more than the reconnect jitter. Returns once all are closed
    /// and nothing is being written; what clients have sent and is not begun by then is left to be sent again.
    pub async fn drain(&self, time: Duration) {
        let in_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.input(Input::Drain { in_ms }).await;
        self.reached(|progress| !matches!(progress, Progress::Running))
            .await;
    }

    /// Closes all connections and lets go of the backend. What is being written is waited for, a few seconds at most;
    /// what clients have sent and is not begun is left to be sent again, and reads are given up.
    /// Clients come back by themselves; to spread them, [`Server::drain`] first.
    pub async fn close(&self) {
        // It may have ended already.
        let _ = self.shared.events.send(Event::Stop).await;
        self.reached(|progress| matches!(progress, Progress::Stopped(_)))
            .await;
    }

    async fn input(&self, input: Input) {
        // A server that has ended has nothing to do.
        let _ = self.shared.events.send(Event::Input(input)).await;
    }

    /// Waits until the pump is so far, or is no more.
    async fn reached(&self, is_reached: impl FnMut(&Progress) -> bool) {
        let _ = self.shared.progress.clone().wait_for(is_reached).await;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("progress", &*self.shared.progress.borrow())
            .finish_non_exhaustive()
    }
}
