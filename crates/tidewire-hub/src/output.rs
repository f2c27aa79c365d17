//! Everything the hub asks of the shell.
//!
//! Values only. Nothing here has happened yet: the shell does it, and says so with an input.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidewire_model::{ActionId, EntityId, EntityType, Lane, Offset, Tick};
use tidewire_protocol::{ClientInfo, Encoded};

use crate::{
    BackendError, CallerId, Commit, ConnectionId, ReadRequest, Refused, Ticket, WriteRequest,
};

/// A frame ready to be sent. Clones share one copy of the bytes, whatever the number of sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Arc<Encoded>);

impl Frame {
    /// A frame of these bytes.
    #[must_use]
    pub fn new(encoded: Encoded) -> Self {
        Self(Arc::new(encoded))
    }

    /// A frame without content, where a dialect has no words for a message. Never sent.
    pub(crate) fn empty() -> Self {
        Self::new(Encoded::Binary(Vec::new()))
    }

    /// What kind of frame it is, and its content.
    #[must_use]
    pub fn encoded(&self) -> &Encoded {
        &self.0
    }

    /// The bytes of its content.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &*self.0 {
            Encoded::Text(text) => text.as_bytes(),
            Encoded::Binary(bytes) => bytes,
        }
    }

    /// Its length in bytes: the credit it costs, and gives back once it is written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has no content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text, if it is a text frame.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &*self.0 {
            Encoded::Text(text) => Some(text),
            Encoded::Binary(_) => None,
        }
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// One thing the shell is to do.
///
/// Outputs of one connection are done in their order. Questions to the backend (`Greet`, `Write`,
/// `Read`, the snapshots, `ReadJournal`) may run side by side; each is answered by exactly one
/// input.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a frame. Its length counts as being with the shell until it is given back with
    /// [`Input::Writable`](crate::Input::Writable); the hub hands out no more than a window of it
    /// per connection.
    Transmit {
        /// To whom.
        connection: ConnectionId,
        /// The frame.
        frame: Frame,
    },
    /// Close a socket, after what was handed out for it if it still takes it, and without waiting
    /// for a socket that does not. The hub has forgotten the connection already.
    Close {
        /// Which one.
        connection: ConnectionId,
        /// The close code.
        code: u16,
        /// Why, for people; at most 123 bytes, as a close frame allows.
        reason: String,
    },
    /// Find out who a client is. Answered by [`Input::Authenticated`](crate::Input::Authenticated).
    Authenticate {
        /// For which connection.
        connection: ConnectionId,
        /// The client's proof, if it gave one.
        token: Option<String>,
        /// What the client says of itself.
        client: ClientInfo,
    },
    /// Call [`Backend::greet`](crate::Backend::greet). Answered by
    /// [`Input::Greeted`](crate::Input::Greeted).
    Greet {
        /// For which connection.
        connection: ConnectionId,
        /// Who the client is.
        principal: String,
        /// What the client says of itself.
        client: ClientInfo,
        /// Per lane, the highest number whose answer the client has.
        confirmed: BTreeMap<Lane, u64>,
    },
    /// Call [`Backend::write`](crate::Backend::write). At most one is under way; what comes
    /// meanwhile forms the next group. Answered by [`Input::Written`](crate::Input::Written).
    Write {
        /// What to write, in order.
        group: Vec<WriteRequest>,
    },
    /// Call [`Backend::read`](crate::Backend::read). Answered by
    /// [`Input::ReadDone`](crate::Input::ReadDone).
    Read {
        /// Which question.
        ticket: Ticket,
        /// What to read.
        request: ReadRequest,
    },
    /// Call [`Backend::snapshot`](crate::Backend::snapshot) and keep what it gives under the
    /// ticket. Answered by [`Input::SnapshotOpened`](crate::Input::SnapshotOpened) or
    /// [`Input::SnapshotFailed`](crate::Input::SnapshotFailed).
    OpenSnapshot {
        /// Which snapshot.
        ticket: Ticket,
        /// The stream.
        entity_type: EntityType,
    },
    /// Read on in a snapshot. Answered by [`Input::SnapshotRows`](crate::Input::SnapshotRows) or
    /// [`Input::SnapshotFailed`](crate::Input::SnapshotFailed).
    NextSnapshot {
        /// Which snapshot.
        ticket: Ticket,
        /// The most rows to hand over.
        limit: usize,
    },
    /// Drop a snapshot, be it open, being opened or being read. Not answered; nothing more is
    /// wanted of it.
    DropSnapshot {
        /// Which snapshot.
        ticket: Ticket,
    },
    /// Call [`Backend::journal`](crate::Backend::journal). Answered by
    /// [`Input::JournalRead`](crate::Input::JournalRead).
    ReadJournal {
        /// Which question.
        ticket: Ticket,
        /// The stream.
        entity_type: EntityType,
        /// Commits behind this one are wanted.
        after: Offset,
        /// The most commits to hand over.
        limit: usize,
    },
    /// What became of a publication.
    Published {
        /// Whose.
        caller: CallerId,
        /// Its commit; `None` where nothing changed.
        result: Result<Option<Arc<Commit>>, PublishError>,
    },
    /// Something the application may want to know. Nothing depends on it being read.
    Notify(Fact),
    /// Say [`Input::Time`](crate::Input::Time) at this time. Replaces an earlier one.
    WakeAt {
        /// The time.
        at: Tick,
        /// What for; for logs.
        reason: WakeReason,
    },
    /// All connections are closed after a [`Input::Drain`](crate::Input::Drain), and nothing is
    /// being written. The shell may stop.
    Drained,
}

/// Why a publication had no effect. The application decides whether to try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The writes make no sense; the same again will fail again.
    #[error("the writes were refused ({}): {}", .0.code, .0.message)]
    Refused(Refused),
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// Too much is waiting to be written. Publish less, or later.
    #[error("too much is waiting to be written; publish less, or again later")]
    Full,
    /// The server is stopping.
    #[error("the server is stopping")]
    Draining,
}

/// Why the hub wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WakeReason {
    /// A client has not said who it is.
    Handshake,
    /// A heartbeat is due, or its answer overdue.
    Heartbeat,
    /// A token runs out.
    Token,
    /// A draining connection is to be closed.
    Drain,
}

/// Why a subscription could not go on where the client had stopped (protocol rule 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anew {
    /// The place is in another epoch.
    Epoch,
    /// The client was allowed to see something else then.
    View,
    /// The place is beyond the head: this server lost data that the client has, or the client says
    /// what is not so. Nothing but its own subscription begins anew on its word.
    Ahead,
    /// What came since would be more than a snapshot is worth.
    TooFar,
    /// The journal no longer has what came since, or could not be read.
    Journal,
}

/// Something that happened, for an application's activity feed or log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fact {
    /// A client was let in.
    ClientCame {
        /// Its connection.
        connection: ConnectionId,
        /// Who it is.
        principal: String,
        /// The connection's name in logs.
        session: String,
        /// What it says of itself.
        client: ClientInfo,
    },
    /// A client that was let in is gone.
    ClientGone {
        /// Its connection.
        connection: ConnectionId,
        /// Who it was.
        principal: String,
        /// The connection's name in logs.
        session: String,
        /// The code it was closed with, where the hub closed it.
        code: Option<u16>,
    },
    /// A client's action was done.
    ActionAccepted {
        /// Whose.
        principal: String,
        /// The action.
        action: ActionId,
        /// Its name.
        name: String,
        /// What it wrote to, where it named one entity.
        target: Option<(EntityType, Option<EntityId>)>,
    },
    /// A client's action was refused for good.
    ActionRefused {
        /// Whose.
        principal: String,
        /// The action.
        action: ActionId,
        /// Its name.
        name: String,
        /// What it would have written to, where it named one entity.
        target: Option<(EntityType, Option<EntityId>)>,
        /// Why, for programs.
        code: String,
        /// Why, for people.
        message: String,
    },
    /// A subscription could not go on where the client had stopped, and began anew.
    ResumeRefused {
        /// Its connection.
        connection: ConnectionId,
        /// The stream.
        entity_type: EntityType,
        /// Why.
        why: Anew,
    },
    /// Something that must not happen did, and was contained. Somebody should look.
    Incident {
        /// What.
        what: String,
    },
}
