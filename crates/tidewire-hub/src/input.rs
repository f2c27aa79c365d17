//! Everything the shell tells the hub, and the names both use for things.
//!
//! Values only. The shell owns sockets, clock and backend; what they say arrives here.

use tidewire_model::{Offset, Record};
use tidewire_protocol::Encoded;

use crate::{BackendError, Commit, Greeting, ReadAnswer, Refused, Write, WriteOutcome};

/// One connection. Chosen by the shell, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// One question to the backend. Chosen by the hub, repeated by the shell with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One publication by the application. Chosen by the shell, repeated by the hub with the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerId(pub u64);

/// Who the server takes a client for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name, as clients and rights know it.
    pub name: String,
    /// How long its token is good for, in milliseconds from now; the connection is closed then.
    pub token_expires_ms: Option<u64>,
}

impl Principal {
    /// A principal whose token never runs out.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            token_expires_ms: None,
        }
    }
}

/// One thing that happened outside the hub.
///
/// Inputs about a connection that is not open, and answers to a question that nobody waits for any
/// more, are ignored: a shell never has to know whether it is late.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A socket stands. The first word is the client's.
    Opened {
        /// Its name.
        connection: ConnectionId,
        /// The subprotocol that was agreed on when it was opened.
        subprotocol: Option<String>,
    },
    /// A client sent a frame. Frames of one connection come in the order in which they were sent.
    Frame {
        /// From where.
        connection: ConnectionId,
        /// The frame.
        payload: Encoded,
    },
    /// The socket took frames: so many bytes of what was handed out are no longer with the shell.
    Writable {
        /// Which one.
        connection: ConnectionId,
        /// The bytes taken since the last time.
        bytes: usize,
    },
    /// A socket is gone, whoever closed it.
    Closed {
        /// Which one.
        connection: ConnectionId,
    },
    /// The time asked for with [`Output::WakeAt`](crate::Output::WakeAt) has come. May be said at
    /// any time.
    Time,
    /// The answer to [`Output::Authenticate`](crate::Output::Authenticate).
    Authenticated {
        /// For which connection.
        connection: ConnectionId,
        /// Who it is, or why nobody.
        result: Result<Principal, Refused>,
    },
    /// The answer to [`Output::Greet`](crate::Output::Greet).
    Greeted {
        /// For which connection.
        connection: ConnectionId,
        /// What the backend knows of the client.
        result: Result<Greeting, BackendError>,
    },
    /// The answer to [`Output::Write`](crate::Output::Write): one outcome for each item of the
    /// group that was done, in its order, and at least one. The others were not touched, and come
    /// again. On an error nothing of the group was kept.
    Written {
        /// What became of the group.
        result: Result<Vec<WriteOutcome>, BackendError>,
    },
    /// The answer to [`Output::Read`](crate::Output::Read).
    ReadDone {
        /// Which question.
        ticket: Ticket,
        /// The rows.
        result: Result<ReadAnswer, BackendError>,
    },
    /// The answer to [`Output::OpenSnapshot`](crate::Output::OpenSnapshot).
    SnapshotOpened {
        /// Which question.
        ticket: Ticket,
        /// The point all its rows speak for.
        as_of: Offset,
    },
    /// The answer to [`Output::NextSnapshot`](crate::Output::NextSnapshot).
    SnapshotRows {
        /// Which snapshot.
        ticket: Ticket,
        /// Further rows with the version of each; empty at the end.
        rows: Vec<(Record, Offset)>,
    },
    /// A snapshot could not be opened, or not be read on.
    SnapshotFailed {
        /// Which snapshot.
        ticket: Ticket,
        /// Why.
        error: BackendError,
    },
    /// The answer to [`Output::ReadJournal`](crate::Output::ReadJournal).
    JournalRead {
        /// Which question.
        ticket: Ticket,
        /// The commits, or `None` where they are no longer complete.
        result: Result<Option<Vec<Commit>>, BackendError>,
    },
    /// The application writes. Goes through the same line as the clients' actions, as one commit;
    /// the outcome comes as [`Output::Published`](crate::Output::Published).
    Publish {
        /// Who is to be told.
        caller: CallerId,
        /// What to write.
        writes: Vec<Write>,
    },
    /// What principals may see has changed. Subscriptions whose view is no longer the same are
    /// ended with the advice to subscribe again (protocol rule 8).
    RightsChanged {
        /// Whose rights; `None` for everybody's.
        principal: Option<String>,
    },
    /// The server is about to stop. Clients are told, nobody new is let in, and the connections
    /// are closed after this time, spread over a few milliseconds for each of them, and no more than
    /// the reconnect jitter. What a closed connection has waiting to be written is not written any
    /// more: its client comes again with it.
    Drain {
        /// The time, in milliseconds.
        in_ms: u64,
    },
}
