//! Few errors, sorted by who can act on them.

use tidewire_engine::CommandError;
use tidewire_model::{CacheKeyError, EntityType, NameError, RecordError};
use tidewire_queue::Refusal;
use tidewire_store::StoreError;

/// A client could not be started. Whoever configures it must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be used: which, without its secrets, and why.
    #[error("no address of a server: {0}; use ws://host:port/path or wss://host/path")]
    BadUrl(String),
    /// There is no tokio runtime to run on.
    #[error("a client needs a tokio runtime: call start() from inside one")]
    NoRuntime,
    /// No transport was given, and none is built in.
    #[error("no transport: give one with transport(), or enable the feature websocket")]
    NoTransport,
    /// The operating system gave no random numbers.
    #[error("the operating system gave no random numbers: {0}")]
    NoRandomness(String),
    /// The store holds the data of somebody else than the identity given. Give that user a store of
    /// their own.
    #[error(
        "the store belongs to {store:?}, not to {identity:?}; give each user a store of their own"
    )]
    OtherIdentity {
        /// Whose data the store holds.
        store: String,
        /// Who was named with `identity()`.
        identity: String,
    },
    /// What was stored could not be loaded.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A call was refused, and nothing changed. The calling code must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// A name or an id cannot be used.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A cache key cannot be read.
    #[error(transparent)]
    Key(#[from] CacheKeyError),
    /// A list was to be set or updated; set its entities.
    #[error("a list is worked out from its entities and cannot be set; set those instead")]
    ListKey,
    /// Fields of a plain value were to be changed; set the whole of it.
    #[error("a plain value is set as a whole; use set")]
    ValueKey,
    /// A key of an entity or a list was given where only a plain value can stand.
    #[error("the key names an entity or a list; this works with plain values only")]
    NotAValueKey,
    /// A value could not be turned into a record, or a record into a value.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The entity is not known here, so it cannot be edited; `fetch` it first, or `update` it.
    #[error("the entity {0} is not known here; fetch it first, or use update")]
    NotKnown(String),
    /// A query of one type was given to the collection of another.
    #[error("the query is about {0}, the collection about {1}")]
    OtherType(EntityType, EntityType),
    /// A transaction of one client was given the collection of another.
    #[error("the collection {0} belongs to another client than the transaction")]
    OtherClient(EntityType),
    /// The entity was changed by others during each of many attempts to edit it, or by the edit
    /// itself; use `update`, which needs no present value.
    #[error("the entity {0} was changed by others during each attempt to edit it; use update")]
    Contended(String),
    /// The engine refused.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The client was closed, or is being closed; what is known can still be read.
    #[error("the client is closed; start a new one")]
    Closed,
    /// The client has stopped because something in it broke: what.
    #[error("the client has stopped ({0}); start a new one")]
    Stopped(String),
}

/// Something could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The connection, or the client, is stopped and will not come back by itself.
    #[error("nothing can be loaded: {0}")]
    Stopped(String),
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// The server refused it for good, such as `forbidden` or `too_large`; it may come on another
    /// connection, with other rights.
    #[error("the server refused this: {code}")]
    Refused {
        /// Why, for programs.
        code: String,
    },
    /// What the application loads a plain value with failed: what it said.
    #[error("the value could not be loaded: {0}")]
    Source(String),
    /// The call itself was refused.
    #[error(transparent)]
    Call(CallError),
}

impl From<CallError> for LoadError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Closed => Self::Closed,
            CallError::Stopped(reason) => Self::Stopped(reason),
            error => Self::Call(error),
        }
    }
}

/// What an action came to, when it did not come to what was awaited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// The server refused it; it is parked for a decision.
    #[error("refused ({}): {}", .0.code, .0.message)]
    Refused(Refusal),
    /// It was sent, and whether it was done cannot be known; it waits for a decision.
    #[error("whether the action was done cannot be known; decide with retry or discard")]
    Uncertain,
    /// It was cancelled or given up.
    #[error("the action was cancelled or discarded")]
    Gone,
    /// It does not survive a crash: the client has no durable store, or the store failed.
    #[error("the action is not durable: {0}")]
    NotDurable(String),
    /// The client was closed. A durable action is sent when a client is started on its store again.
    #[error(
        "the client is closed; a durable action is sent when a client is started on its store again"
    )]
    Closed,
    /// The client has stopped because something in it broke: what.
    #[error("the client has stopped ({0}); start a new one")]
    Stopped(String),
}
