//! The seam behind which a server keeps the truth.
//!
//! A backend stores entities, the journal of their commits, and the answers to actions. It knows
//! nothing of subscriptions or frames, and of connections only which of them asks to read.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tidewire_model::{EntityId, EntityType, Epoch, Lane, Offset, Query, Record, Value};
use tidewire_protocol::{ActionMessage, ClientInfo};

use crate::{ActionOrigin, ActionOutcome, Commit, ConnectionId, Write};

/// Where the truth is kept.
///
/// Writes are called one group at a time, in order; reads may be called at any time and side by
/// side. Every answer names the point it speaks for, and the backend is free to answer a read
/// before or after a write under way, as long as the named point is true.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// What is there. Called once, first.
    async fn open(&self) -> Result<Opened, BackendError>;

    /// Notes a client's connection: its `run` is durable when this returns. Clients are told
    /// apart by principal and id. Answers up to `confirmed` may be forgotten from now on.
    async fn greet(
        &self,
        principal: &str,
        client: &ClientInfo,
        confirmed: &BTreeMap<Lane, u64>,
    ) -> Result<Greeting, BackendError>;

    /// Does all of `group` in order, in one transaction: entities, journal, answers and last
    /// numbers become durable together. A refused item leaves no effect and does not disturb the
    /// others. Each item has its own commit; [`work_out`](crate::work_out) says what writes come
    /// to.
    ///
    /// Where the items come to much, only the first ones of them are done, at least one, and only
    /// these have an outcome: others' writes and greetings are not to wait long behind them. The
    /// rest comes again, with a later group.
    ///
    /// An action is looked at in this order: is the client known and this run its newest; is the
    /// number used up (the stored answer again, if the fingerprint is the same); does `previous`
    /// equal the last number used up, and is the number above it; is it refused, or do its writes
    /// make no sense (the number is used up, the refusal is the stored answer); else it is done.
    /// The stored answer of a number, [without its rows](crate::Answer::without_rows), stays until the client has confirmed it when greeted. The
    /// `previous` of a later action confirms nothing, since a client may send ahead.
    async fn write(&self, group: Vec<WriteRequest>) -> Result<Vec<WriteOutcome>, BackendError>;

    /// Entities by id, or one page of a query, at one point.
    ///
    /// `asker` is the connection that wants it. Nobody else bounds how many reads are under way:
    /// a backend lets those who ask take turns, so that one who asks much delays itself. When the
    /// future is dropped, nobody waits for the answer any more, and reading ends soon.
    async fn read(
        &self,
        asker: ConnectionId,
        request: ReadRequest,
    ) -> Result<ReadAnswer, BackendError>;

    /// Every row of a stream at one point, in parts, while writes go on.
    async fn snapshot(
        &self,
        entity_type: &EntityType,
    ) -> Result<Box<dyn SnapshotRows>, BackendError>;

    /// Commits of a stream behind `after`, at most `limit`, oldest first; `None` where they are
    /// no longer complete. Takes turns as [`Backend::read`] does.
    async fn journal(
        &self,
        asker: ConnectionId,
        entity_type: &EntityType,
        after: Offset,
        limit: usize,
    ) -> Result<Option<Vec<Commit>>, BackendError>;
}

/// A snapshot being read.
#[async_trait]
pub trait SnapshotRows: Send {
    /// The point all rows speak for.
    fn as_of(&self) -> Offset;

    /// At most `limit` further rows with the version of each, in order of the id; empty at the end
    /// only. Fewer where they are large.
    async fn next(&mut self, limit: usize) -> Result<Vec<(Record, Offset)>, BackendError>;
}

/// What a backend holds when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The epoch of every stream. A new one is made when data was lost or replaced.
    pub epoch: Epoch,
    /// Per stream that exists, its head.
    pub heads: BTreeMap<EntityType, Offset>,
}

/// What a backend knows of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// It is known, or it or its incarnation is new and claims no past: nothing sent, nothing
    /// confirmed. Per lane the last number used up; a new incarnation begins with none.
    Known(BTreeMap<Lane, u64>),
    /// It is new, or its incarnation is, and yet it has sent actions or has answers; or it has
    /// answers to numbers that are not used up here, since what is here was restored. Nothing of it
    /// was noted: it stays unknown until it begins anew.
    Unknown,
    /// Its incarnation is below the one noted before, or its run not above it: a copy of its store
    /// is at work. Nothing was noted.
    Fenced,
}

/// One thing to be written.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all items are actions, and a group is one vector of them"
)]
pub enum WriteRequest {
    /// A client's action.
    Action {
        /// Whose it is.
        origin: ActionOrigin,
        /// The action.
        action: ActionMessage,
        /// What it writes, decided and allowed by the server; a refusal uses its number up.
        writes: Result<Vec<Write>, Refused>,
    },
    /// The application's own writes, one commit.
    Publish(Vec<Write>),
}

/// Why an action is not allowed, or makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the client is to do.
    pub class: tidewire_protocol::Class,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub message: String,
}

/// What became of one thing to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteOutcome {
    /// An action, with the commit it made, if it made one.
    Action {
        /// What became of it.
        outcome: ActionOutcome,
        /// Its commit.
        commit: Option<Commit>,
    },
    /// The application's writes; `None` where nothing changed.
    Published(Result<Option<Commit>, Refused>),
}

/// What is to be read.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadRequest {
    /// These entities.
    Ids {
        /// The entity type.
        entity_type: EntityType,
        /// Their ids.
        ids: Vec<EntityId>,
    },
    /// One page.
    Page {
        /// The query, with its window. A backend that does not know what the parameters of an opaque
        /// one mean answers [`BackendError::Unsupported`].
        query: Query,
    },
}

/// What was read, at one point.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadAnswer {
    /// The point it speaks for.
    pub as_of: Offset,
    /// The rows with the version of each, in the query's order.
    pub rows: Vec<(Record, Offset)>,
    /// Of the ids asked for, those that are not there.
    pub missing: Vec<EntityId>,
    /// How many entities the query holds in all.
    pub total_count: Option<u64>,
    /// For a page that does not begin at the query's start: the sort values and id of the entity
    /// before it.
    pub start_key: Option<(Vec<Value>, EntityId)>,
    /// Whether nothing follows the last row.
    pub end: bool,
}

/// Why a backend could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The answer would be larger than the backend reads at once; the same again will fail again.
    #[error("the backend does not read so much at once: {0}; ask for less")]
    TooLarge(String),
    /// The request makes no sense to this backend; the same again will fail again.
    #[error("the backend cannot do this: {0}")]
    Unsupported(String),
    /// Storage failed. Nothing of the request was kept; writes stop until the backend is opened
    /// again.
    #[error(
        "the backend's storage failed: {0}; free space or repair it, then start the server again"
    )]
    Storage(String),
    /// The backend was closed.
    #[error("the backend is closed")]
    Closed,
}
