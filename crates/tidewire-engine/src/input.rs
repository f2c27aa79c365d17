//! Everything that can happen to an engine.

use std::time::Duration;

use tidewire_cache::{CollectionSettings, Target, WatchId};
use tidewire_model::{
    ActionId, CacheKey, EntityId, EntityKey, EntityType, Lane, Patch, Record, Value, ValueKey,
};
use tidewire_protocol::{Naming, WireRow};

use crate::frame::Incoming;
use crate::persistence::StoreTicket;
use crate::refetch::FetchNumber;
use crate::session::Generation;

/// Something that happened outside.
#[derive(Debug)]
pub enum Input {
    /// The application wants something.
    Command(Command),
    /// The transport has a connection.
    Connected {
        /// The attempt.
        generation: Generation,
        /// The subprotocol the server chose.
        subprotocol: Option<String>,
        /// Proof of who is speaking, for `HELLO`.
        token: Option<String>,
    },
    /// The transport could not make a connection.
    ConnectFailed {
        /// The attempt.
        generation: Generation,
        /// Why, in words for people.
        reason: String,
        /// Whether another attempt can help.
        trouble: Trouble,
    },
    /// A frame came.
    Frame(Incoming),
    /// The connection is over.
    Disconnected {
        /// The connection.
        generation: Generation,
        /// The close code, where the peer sent one.
        code: Option<u16>,
        /// Why, in words for people.
        reason: String,
    },
    /// The peer has answered a ping.
    Pong {
        /// The connection.
        generation: Generation,
    },
    /// The transport cannot ping.
    PingUnsupported {
        /// The connection.
        generation: Generation,
    },
    /// The transport has written this much of what it was given.
    Written {
        /// The connection.
        generation: Generation,
        /// Bytes of frames.
        bytes: usize,
    },
    /// The store has done a transaction, or failed.
    Stored {
        /// The transaction.
        ticket: StoreTicket,
        /// Why it failed, in words for people.
        result: Result<(), String>,
    },
    /// The application's own backend has read.
    Fetched {
        /// The request.
        number: FetchNumber,
        /// What it read.
        result: Result<Fetched, Failure>,
    },
    /// The application's own backend has written.
    Executed {
        /// The action.
        action: ActionId,
        /// What became of it.
        result: Result<Executed, Failure>,
    },
    /// What readers did, for what is let go: what they read is spared, and what they keep counts.
    Touched {
        /// What [`Engine::take_touched`](crate::Engine::take_touched) told.
        entities: Vec<EntityKey>,
        /// Bytes that are held outside on behalf of the cache, such as typed copies of records.
        outside_bytes: usize,
    },
    /// Time has passed.
    Time,
}

/// Whether trouble may pass by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Another attempt may succeed.
    Passing,
    /// Another attempt may succeed, and whoever answered asks to wait this long before it.
    Busy(Duration),
    /// No attempt will succeed until somebody changes something. Of an address at which there was a connection before it
    /// is not believed: what answers there may change back.
    Lasting,
}

/// What the application wants.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Names a collection, before anything of its type is used.
    Define {
        /// The entity type.
        entity_type: EntityType,
        /// How its knowledge is kept.
        settings: CollectionSettings,
        /// Where its entities carry id and version.
        naming: Naming,
    },
    /// Watches something; it is kept in step from now on.
    Watch(Target),
    /// Watches no more.
    Unwatch(WatchId),
    /// Writes something.
    Submit(Submission),
    /// Takes back an action that was never sent.
    Cancel(ActionId),
    /// Sends a parked action again, under a new number.
    Retry(ActionId),
    /// Gives a parked action up.
    Discard(ActionId),
    /// Marks entities, or a whole type, as stale; what is watched is fetched again.
    Invalidate {
        /// The entity type.
        entity_type: EntityType,
        /// Which, or all.
        ids: Option<Vec<EntityId>>,
    },
    /// Says something of what is held, apart from writes.
    Cache(CacheCommand),
    /// Switches the connection on or off.
    Switch(Switch),
}

/// What the application says of what is held, apart from writes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CacheCommand {
    /// Marks what keys name as stale: entities, lists and plain values.
    InvalidateKeys(Vec<CacheKey>),
    /// An entity as the application got it just now, where the client makes the points.
    Set {
        /// The entity type.
        entity_type: EntityType,
        /// The entity's id, where the caller says it; the record may then go without.
        id: Option<EntityId>,
        /// Its fields, with id and version where the collection's naming says.
        record: Record,
    },
    /// Some fields of an entity as the application got them just now, where the client makes the points.
    SetFields {
        /// The entity.
        key: EntityKey,
        /// The fields. The id field may stand among them only with the id the entity has.
        patch: Patch,
    },
    /// Forgets what is held of a type, plain values in its namespace included; or everything.
    Clear(Option<EntityType>),
    /// Keeps the ids of a type in order from now on.
    IndexKeys(EntityType),
    /// Sets a plain value.
    SetValue {
        /// Its name.
        key: ValueKey,
        /// The value.
        value: Value,
        /// For how long it is shown.
        time_to_live: Option<Duration>,
    },
    /// Watches a plain value.
    WatchValue(ValueKey),
}

/// The application's switch for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Connect, and stay connected.
    On,
    /// Close, and stay closed.
    Off,
}

/// A write to be submitted.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The lane it belongs to.
    pub lane: Lane,
    /// What is written; more than one makes one action of several writes.
    pub writes: Vec<Write>,
    /// Actions that must be accepted before it is sent.
    pub after: Vec<ActionId>,
}

/// One write of a submission.
#[derive(Clone, Debug)]
pub enum Write {
    /// A new entity; without its id field, the server names it.
    Create {
        /// The entity type.
        entity_type: EntityType,
        /// Its fields.
        record: Record,
    },
    /// Changed fields; without any, nothing is written and nothing asked. The id field may stand among them only with the id the entity has.
    Update {
        /// The entity.
        key: EntityKey,
        /// What is set and unset.
        patch: Patch,
    },
    /// An entity to be removed.
    Delete {
        /// The entity.
        key: EntityKey,
    },
}

/// What the application's own backend read.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// The rows, in the query's order.
    pub rows: Vec<WireRow>,
    /// Of the ids asked for, those that are not there.
    pub missing: Vec<EntityId>,
    /// How many entities the query holds in all, where it was counted.
    pub total_count: Option<u64>,
    /// Whether nothing follows the last row.
    pub end: bool,
}

/// What the application's own backend wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Executed {
    /// The entities as they are now, where the backend said so.
    pub rows: Vec<(EntityType, WireRow)>,
    /// The id the backend made for a temporary one.
    pub replaced: Option<(EntityId, EntityId)>,
}

/// Why the application's own backend did not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What is to be done about it.
    pub class: tidewire_protocol::Class,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub message: String,
    /// Whether it is known what became of it.
    pub outcome: FailureOutcome,
}

/// Whether it is known what became of something that failed. Of no meaning for a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureOutcome {
    /// Nothing was done.
    NotDone,
    /// It may have been done: the answer was lost, or could not be understood. An action is then
    /// given again under the same key where the backend honours it, whatever the class; elsewhere
    /// it becomes uncertain.
    Unknown,
}

impl Failure {
    /// A failure that did nothing.
    #[must_use]
    pub fn new(
        class: tidewire_protocol::Class,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            class,
            code: code.into(),
            message: message.into(),
            outcome: FailureOutcome::NotDone,
        }
    }

    /// A write of which nobody can say whether it was done: its answer was lost.
    #[must_use]
    pub fn outcome_unknown(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            outcome: FailureOutcome::Unknown,
            ..Self::new(tidewire_protocol::Class::Retry, code, message)
        }
    }
}
