//! A transport in memory: connections between two parts of one process, for tests and for embedding a server.
//! Holds the two ends that make and take connections. Never opens a socket, starts a task or sets a timer.

mod faults;
mod half;
mod wire;

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

pub use self::faults::Faults;
use self::wire::{Side, Wire};
use crate::{ConnectError, ConnectRequest, Connection, Limits, Transport, request::without_query};

/// How many connections may wait for the listener. Further ones wait in `connect`.
const BACKLOG: usize = 16;

/// How a pipe behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipeOptions {
    /// The bytes that may be on their way in one direction; a sender waits beyond that. Default 64 KiB.
    pub capacity_bytes: usize,
    /// What the listening side bears.
    pub listener_limits: Limits,
    /// What goes wrong. Default: nothing.
    pub faults: Faults,
}

impl Default for PipeOptions {
    fn default() -> Self {
        Self {
            capacity_bytes: 64 << 10,
            listener_limits: Limits::default(),
            faults: Faults::default(),
        }
    }
}

/// A pipe without faults: the end that connects and the end that listens.
#[must_use]
pub fn pipe() -> (PipeTransport, PipeListener) {
    pipe_with(PipeOptions::default())
}

/// A pipe that behaves as `options` say.
#[must_use]
pub fn pipe_with(options: PipeOptions) -> (PipeTransport, PipeListener) {
    let (offers, incoming) = mpsc::channel(BACKLOG);
    let hub = Arc::new(Hub {
        options,
        state: Mutex::default(),
    });
    (
        PipeTransport { hub, offers },
        PipeListener {
            incoming,
            subprotocols: Vec::new(),
        },
    )
}

/// The end of a pipe that makes connections. Clones lead to the same listener.
#[derive(Clone, Debug)]
pub struct PipeTransport {
    hub: Arc<Hub>,
    offers: mpsc::Sender<Incoming>,
}

impl PipeTransport {
    /// The handle by which a test breaks connections and keeps new ones from being made.
    #[must_use]
    pub fn control(&self) -> PipeControl {
        PipeControl {
            hub: self.hub.clone(),
        }
    }
}

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl Transport for PipeTransport {
    async fn connect(&self, request: ConnectRequest) -> Result<Connection, ConnectError> {
        let address = without_query(&request.url).to_owned();
        let unreachable = |detail: &str| ConnectError::Unreachable {
            address: address.clone(),
            detail: detail.into(),
        };
        let faults = self
            .hub
            .admit()
            .ok_or_else(|| unreachable("the pipe refuses connections"))?;
        let (answer, answered) = oneshot::channel();
        let offer = Incoming {
            request,
            answer,
            faults,
            hub: self.hub.clone(),
        };
        self.offers
            .send(offer)
            .await
            .map_err(|_| unreachable("nobody listens on the pipe"))?;
        answered
            .await
            .unwrap_or_else(|_| Err(unreachable("the listener dropped the connection")))
    }
}

/// The end of a pipe that takes connections.
#[derive(Debug)]
pub struct PipeListener {
    incoming: mpsc::Receiver<Incoming>,
    subprotocols: Vec<String>,
}

impl PipeListener {
    /// Names the subprotocols that [`accept`](Self::accept) may choose.
    #[must_use]
    pub fn supporting<N: Into<String>>(
        mut self,
        subprotocols: impl IntoIterator<Item = N>,
    ) -> Self {
        self.subprotocols = subprotocols.into_iter().map(Into::into).collect();
        self
    }

    /// Takes the next connection, with the first offered subprotocol that is supported, or none. `None` once no
    /// [`PipeTransport`] is left. Cancel safe.
    pub async fn accept(&mut self) -> Option<Connection> {
        let incoming = self.incoming().await?;
        let chosen = incoming
            .request()
            .subprotocols
            .iter()
            .find(|name| self.subprotocols.contains(name))
            .cloned();
        Some(incoming.accept(chosen.as_deref()))
    }

    /// The next connection that is asked for, to be looked at and then accepted or rejected. `None` once no
    /// [`PipeTransport`] is left. Cancel safe.
    pub async fn incoming(&mut self) -> Option<Incoming> {
        self.incoming.recv().await
    }
}

/// A connection that is asked for. Dropping it is an answer too: the other end finds nobody there.
#[derive(Debug)]
pub struct Incoming {
    request: ConnectRequest,
    answer: oneshot::Sender<Result<Connection, ConnectError>>,
    faults: faults::Plan,
    hub: Arc<Hub>,
}

impl Incoming {
    /// What the other end asked for.
    #[must_use]
    pub fn request(&self) -> &ConnectRequest {
        &self.request
    }

    /// Takes the connection. A subprotocol that was not offered fails the other end's `connect`.
    #[must_use]
    pub fn accept(self, subprotocol: Option<&str>) -> Connection {
        let Self {
            request,
            answer,
            faults,
            hub,
        } = self;
        let limits = [request.limits, hub.options.listener_limits];
        let wire = Arc::new(Wire::new(hub.options.capacity_bytes, limits, faults));
        hub.remember(&wire);
        let subprotocol = subprotocol.map(str::to_owned);
        let ours = half::connection(&wire, Side::Listener, subprotocol.clone());
        let theirs = half::connection(&wire, Side::Connector, subprotocol.clone());
        // Whoever gave up waiting has dropped the other end of the channel, and with it the connection.
        let _ = answer.send(match subprotocol {
            Some(chosen) if !request.subprotocols.contains(&chosen) => {
                Err(ConnectError::Subprotocol { chosen })
            }
            _ => Ok(theirs),
        });
        ours
    }

    /// Says no, as a server does with an HTTP status.
    pub fn reject(self, status: u16, detail: impl Into<String>) {
        let _ = self.answer.send(Err(ConnectError::Rejected {
            status,
            retry_after_ms: None,
            detail: detail.into(),
        }));
    }
}

/// A handle that breaks connections and keeps new ones from being made, as a bad network would.
#[derive(Clone, Debug)]
pub struct PipeControl {
    hub: Arc<Hub>,
}

impl PipeControl {
    /// Breaks every open connection. What is on its way is lost, both ends find the connection lost.
    pub fn cut(&self) {
        let wires = std::mem::take(&mut self.hub.state.lock().wires);
        for wire in wires.iter().filter_map(Weak::upgrade) {
            wire.cut();
        }
    }

    /// From now on no new connection is made.
    pub fn refuse(&self) {
        self.hub.state.lock().reach = Reach::Refused;
    }

    /// From now on new connections are made again.
    pub fn admit(&self) {
        self.hub.state.lock().reach = Reach::Open;
    }
}

/// What both ends of a pipe share.
#[derive(Debug)]
struct Hub {
    options: PipeOptions,
    state: Mutex<HubState>,
}

#[derive(Debug, Default)]
struct HubState {
    reach: Reach,
    connects: u64,
    wires: Vec<Weak<Wire>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reach {
    #[default]
    Open,
    Refused,
}

impl Hub {
    /// What will go wrong with the next connection, or `None` if it is not made at all.
    fn admit(&self) -> Option<faults::Plan> {
        let mut state = self.state.lock();
        if state.reach == Reach::Refused {
            return None;
        }
        let number = state.connects;
        state.connects += 1;
        self.options.faults.plan(number)
    }

    fn remember(&self, wire: &Arc<Wire>) {
        let wires = &mut self.state.lock().wires;
        wires.retain(|known| known.strong_count() > 0);
        wires.push(Arc::downgrade(wire));
    }
}
