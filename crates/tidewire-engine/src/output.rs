//! Everything an engine asks of the world outside, and tells it.

use tidewire_cache::{OwnedByServer, Publication, Shows, ValueTooLarge, Wanted, WatchId};
use tidewire_model::{ActionId, EntityId, EntityKey, EntityType, Tick};
use tidewire_protocol::{Encoded, FetchWhat};
use tidewire_queue::{Action, Refusal};
use tidewire_store::Txn;

use crate::persistence::StoreTicket;
use crate::refetch::FetchNumber;
use crate::session::Generation;
use crate::status::Status;
use crate::timers::TimerReason;

/// Something to be done outside.
#[derive(Debug)]
pub enum Output {
    /// Connect, offering these subprotocols; answer with `Connected` or `ConnectFailed`.
    Connect {
        /// The attempt.
        generation: Generation,
        /// The subprotocols to offer, best first.
        subprotocols: Vec<&'static str>,
    },
    /// Close the connection; no answer is needed.
    Disconnect {
        /// The connection.
        generation: Generation,
        /// The close code.
        code: u16,
        /// Why, in words for people.
        reason: String,
    },
    /// Send this frame; answer with `Written` once it is out.
    Transmit {
        /// The connection.
        generation: Generation,
        /// The frame.
        frame: Encoded,
    },
    /// Ask the peer for a sign of life, by whatever the transport has for it; answer with `Pong` once
    /// it comes, or with `PingUnsupported`.
    Ping {
        /// The connection.
        generation: Generation,
    },
    /// Store all of this as one transaction; answer with `Stored`.
    Store {
        /// Names the transaction.
        ticket: StoreTicket,
        /// What to store, in order.
        group: Vec<Txn>,
    },
    /// Read from the application's own backend; answer with `Fetched`.
    Fetch {
        /// Names the request.
        number: FetchNumber,
        /// The entity type.
        entity_type: EntityType,
        /// What is wanted.
        what: FetchWhat,
    },
    /// Write to the application's own backend, with the action's id as idempotency key; answer
    /// with `Executed`.
    Execute(Box<Action>),
    /// Something became visible: wake its watchers, and drop what it replaced, outside any lock.
    Published(Publication),
    /// Tell whoever is interested.
    Event(Event),
    /// Call with `Time` at this time, or never; replaces what was asked before.
    WakeAt(Option<(Tick, TimerReason)>),
}

/// A fact an application may care about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The connection changed.
    Status(Status),
    /// An action moved on.
    Action {
        /// The action.
        id: ActionId,
        /// How far it is.
        stage: Stage,
    },
    /// What is watched does not come: the server refused it, or did not answer in time (`no_answer`). Told
    /// each time.
    Refused {
        /// The entity type.
        entity_type: EntityType,
        /// What was asked for; `None` for the stream itself.
        wanted: Option<Box<Wanted>>,
        /// Why, for programs.
        code: String,
        /// For how long.
        term: Term,
    },
    /// What was asked for has come: a refusal for now of the same does not hold any more. Told at every
    /// answer.
    Answered {
        /// The entity type.
        entity_type: EntityType,
        /// What was asked for; `None` for the stream itself.
        wanted: Option<Box<Wanted>>,
    },
    /// Something was wrong with what a peer or the store did; counted, and nothing is lost.
    Problem(Problem),
}

/// For how long a refusal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// It is asked for again.
    ForNow,
    /// It will not come on this connection.
    ForGood,
}

/// How far an action is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Stage {
    /// It survives a crash.
    Durable,
    /// It could not be stored: why.
    NotDurable(String),
    /// The server did it; the ids it made for temporary ones.
    Accepted(Vec<(EntityId, EntityId)>),
    /// Its result is in the base.
    Visible,
    /// It was refused and waits for a decision.
    Parked(Refusal),
    /// It waited for a decision, and is to be sent again.
    Revived,
    /// It was sent, and whether it was done cannot be known.
    Uncertain,
    /// It was taken back or given up.
    Gone,
}

/// Something that was wrong outside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A frame from the server made no sense.
    #[error("the server sent a frame that makes no sense: {0}")]
    BadFrame(String),
    /// A frame from the server broke the protocol's rules.
    #[error("the server broke the protocol: {0}")]
    BadPeer(String),
    /// The server refused a stream or ended it, for good or for now, or did not answer in time
    /// (`no_answer`). Told once per reason, until the stream has stood well.
    #[error("the server refused the stream {entity_type}: {code}")]
    StreamRefused {
        /// The stream.
        entity_type: EntityType,
        /// Why.
        code: String,
    },
    /// A stream has one gap after another, however it is begun.
    #[error(
        "the server leaves out changes of {0}, however often it is asked; it is asked less and less often"
    )]
    StreamBroken(EntityType),
    /// A snapshot has more rows, or more bytes, than may wait for its end.
    #[error(
        "the snapshot of {0} is larger than this client takes; the collection is kept by its windows from now on"
    )]
    SnapshotTooLarge(EntityType),
    /// An answer to a request has more bytes than may wait for its end; it counts as refused.
    #[error("an answer about {entity_type} has more than {limit} bytes; ask for less at once")]
    AnswerTooLarge {
        /// The entity type.
        entity_type: EntityType,
        /// [`Settings::answer_max_bytes`](crate::Settings::answer_max_bytes).
        limit: usize,
    },
    /// A request was refused, for good or for now, or not answered in time (`no_answer`).
    #[error("a request for {entity_type} came to nothing: {code}")]
    FetchRefused {
        /// The entity type.
        entity_type: EntityType,
        /// Why.
        code: String,
    },
    /// The server put a write off: it is kept and sent again. Told once per reason, until a write is
    /// accepted.
    #[error("the server puts writes off: {message} ({code})")]
    WritePutOff {
        /// Why, for programs.
        code: String,
        /// Why, for people.
        message: String,
    },
    /// A page of a list came that is not filtered and sorted as this client does it. The list is
    /// stale until a page of it agrees, and its total is not exact. Told once.
    #[error(
        "the server filters or sorts {query} otherwise than its text says; make both agree, or ask with parameters"
    )]
    OtherOrder {
        /// The list.
        query: String,
    },
    /// The store failed; nothing more is sent or stored until the application opens it again.
    #[error("the store failed: {0}")]
    Store(String),
    /// Something stored could not be read; it was kept as it is.
    #[error("something stored could not be read: {0}")]
    Unreadable(String),
}

/// What a command gives back at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Done.
    Done,
    /// Taken; to be seen with this batch.
    Shows(Shows),
    /// Watching.
    Watching(WatchId),
    /// The write is in the view.
    Submitted(Submitted),
    /// Every write of the submission changes nothing, so none was made: the entities they name.
    Unchanged(Vec<EntityKey>),
    /// Refused; nothing changed.
    Refused(CommandError),
}

/// A write that is in the view.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    /// The action.
    pub id: ActionId,
    /// The entities it writes, in the order of the writes; a created one without an id has a
    /// temporary one.
    pub keys: Vec<EntityKey>,
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The type was not defined.
    #[error("the collection {0} is not defined; build it before using it")]
    UnknownCollection(EntityType),
    /// The type was defined before, in another way.
    #[error("the collection {0} is defined already, with other settings")]
    DefinedOtherwise(EntityType),
    /// The submission writes nothing.
    #[error("the submission holds no write")]
    Empty,
    /// The record's id field is not usable as an id.
    #[error("the entity's id field cannot be used: {0}")]
    BadId(String),
    /// An update sets the entity's id to another one, or unsets it. Everything that is known and under
    /// way of an entity hangs on its id, so it stays for as long as the entity lives.
    #[error(
        "the field {field:?} is the id of the entity {id}, which an update cannot change; leave the field out, or delete the entity and create another"
    )]
    IdChanged {
        /// The field that holds the id.
        field: String,
        /// The entity.
        id: EntityId,
    },
    /// The dialect has no words for writes, and the application gave no way of its own.
    #[error(
        "nothing can be written in the basic dialect without an own backend; give the client one with execute(...)"
    )]
    NoExecute,
    /// What is confirmed of the type is the server's to say.
    #[error(transparent)]
    OwnedByServer(#[from] OwnedByServer),
    /// The plain value is too large.
    #[error(transparent)]
    ValueTooLarge(#[from] ValueTooLarge),
    /// The query cannot be sent.
    #[error("the query cannot be sent: {0}")]
    Query(#[from] tidewire_model::QueryError),
    /// Only the server could evaluate the query, and of this collection nothing can be asked for.
    #[error(
        "a list of opaque parameters can be evaluated by a server only, and this collection holds what was pushed and asks for nothing; filter with `where` instead"
    )]
    OpaqueQuery,
    /// The queue did not take it.
    #[error(transparent)]
    Queue(#[from] tidewire_queue::SubmitError),
    /// The action is not in a state that allows this.
    #[error("the action cannot be changed: {0}")]
    Action(String),
    /// The store failed before; nothing new is taken.
    #[error("the store failed ({0}); open it again and start a new client")]
    Store(String),
}
