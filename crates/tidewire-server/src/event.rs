//! What reaches the pump: from sockets, from backend calls, and from those who hold the server.
//!
//! Values only.

use tidewire_hub::{BackendError, ConnectionId, Input, PublishError, SnapshotRows, Ticket, Write};
use tidewire_model::{Offset, Record};
use tokio::sync::oneshot;

use crate::facts::Facts;
use crate::server::ServerStats;
use crate::socket::SocketHandle;

/// What became of a publication.
pub(crate) type Published = Result<Option<std::sync::Arc<tidewire_hub::Commit>>, PublishError>;

/// One thing that reaches the pump.
pub(crate) enum Event {
    /// Goes to the hub as it is.
    Input(Input),
    /// A socket stands.
    Opened {
        connection: ConnectionId,
        subprotocol: Option<String>,
        socket: SocketHandle,
    },
    /// A snapshot was opened, or not.
    SnapshotOpened {
        ticket: Ticket,
        result: Result<Box<dyn SnapshotRows>, BackendError>,
    },
    /// A snapshot was read on; it comes back with the rows.
    SnapshotRead {
        ticket: Ticket,
        rows: Result<Vec<(Record, Offset)>, BackendError>,
        snapshot: Box<dyn SnapshotRows>,
    },
    /// The application writes.
    Publish {
        writes: Vec<Write>,
        answer: oneshot::Sender<Published>,
    },
    /// Somebody wants to know how things are.
    Stats {
        answer: oneshot::Sender<ServerStats>,
    },
    /// Somebody wants to hear of what happens from now on.
    Facts { answer: oneshot::Sender<Facts> },
    /// All is over at once.
    Stop,
}
