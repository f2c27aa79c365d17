//! Everything a server says to a client, and nothing else.
//!
//! These are values. How they look as bytes is known only to the dialects.

use std::collections::BTreeMap;

use tidewire_model::{
    ActionId, EntityId, EntityType, Epoch, Lane, Offset, Patch, Point, Record, Value, Version,
};

use crate::up::RequestId;

/// A message from a server to a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerMessage {
    /// The answer to `HELLO`.
    Welcome(Welcome),
    /// The stream's feed is attached.
    Subscribed(Subscribed),
    /// The stream was not given.
    SubscribeError(RequestError),
    /// Some rows of a snapshot.
    Snapshot(Snapshot),
    /// The snapshot is whole.
    SnapshotEnd(SnapshotEnd),
    /// One commit of a stream, or a chunk of one.
    Events(Events),
    /// The stream is over.
    Unsubscribed(Unsubscribed),
    /// The answer to a fetch, or a part of it.
    Data(Data),
    /// The fetch was refused.
    FetchError(RequestError),
    /// The action was done.
    Ack(Ack),
    /// The action was refused.
    Reject(Reject),
    /// The action does not follow what the server knows of its lane.
    ActionSync(ActionSync),
    /// A sign of life that asks for one, with the heads of the streams held.
    Ping(Ping),
    /// The answer to a client's ping.
    Pong(u64),
    /// The server is about to close; come back elsewhere or later.
    Drain(Drain),
    /// The last message before a close.
    Bye(Bye),
    /// A push of the basic dialect: changes without a place in a stream.
    Push(Push),
    /// A message of a type this side does not know and may ignore.
    Unknown {
        /// The type as the peer named it.
        name: String,
    },
}

/// The server's half of the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The version both will speak.
    pub protocol: u32,
    /// The features both understand.
    pub features: Vec<String>,
    /// Who the server takes the client for.
    pub principal: String,
    /// The connection's name in logs.
    pub session: String,
    /// The node that answers.
    pub node: String,
    /// The server pings this often, in milliseconds.
    pub heartbeat_ms: u64,
    /// Silence longer than a heartbeat and this is death, in milliseconds.
    pub grace_ms: u64,
    /// What the server will not exceed or accept beyond.
    pub limits: AnnouncedLimits,
    /// Per lane, the last action number the server has used up; absent when it does not know
    /// the client.
    pub last_seq: Option<BTreeMap<Lane, u64>>,
    /// When the token runs out, in milliseconds from now.
    pub token_expires_ms: Option<u64>,
    /// Reconnecting clients spread themselves over this time, in milliseconds.
    pub reconnect_jitter_ms: u64,
}

/// The server's limits, as announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnouncedLimits {
    /// Largest frame from a client, in bytes.
    pub max_frame_bytes: u64,
    /// Deepest nesting of a frame.
    pub max_depth: u64,
    /// Longest id, in bytes.
    pub max_id_bytes: u64,
    /// Most streams one connection may hold.
    pub max_subscriptions: u64,
    /// Most lanes one client may use.
    pub max_lanes: u64,
    /// Most actions sent and unanswered.
    pub max_pending_actions: u64,
    /// Commands per second in the long run.
    pub commands_per_second: u64,
    /// Commands at once.
    pub command_burst: u64,
}

/// The answer to a subscription; sent only once the feed is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The request's number.
    pub id: RequestId,
    /// The stream.
    pub entity_type: EntityType,
    /// Where the feed begins.
    pub result: SubscribeResult,
    /// The epoch the offsets count in.
    pub epoch: Epoch,
    /// What the principal may see of the stream.
    pub view: String,
    /// The `from` of the first events that follow.
    pub offset: Offset,
    /// The stream's head when the feed was attached.
    pub head: Offset,
}

/// Where a subscription's feed begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeResult {
    /// Behind the place the client named; nothing is missing.
    Resumed,
    /// Behind the snapshot that follows.
    Snapshot,
    /// At the head; what was before is not sent.
    Now,
}

/// A request that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// The request's number.
    pub id: RequestId,
    /// Why, for programs and logs.
    pub code: String,
    /// What the client is to do.
    pub class: Class,
    /// Not before this, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// What a refusal asks of the client; decides even where the code is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Never again as it is.
    Permanent,
    /// Made on something that has changed; the server's state comes along.
    Conflict,
    /// The same again, later.
    Retry,
    /// After a new token.
    Auth,
    /// This client or its store is not what the server knows.
    Session,
}

/// An entity as a server sends it outside of a change; the id stands inside the entity.
#[derive(Clone, Debug, PartialEq)]
pub struct WireRow {
    /// The entity.
    pub entity: Record,
    /// The point of its last change; beside the entity in v1, inside it in basic.
    pub version: Option<Version>,
}

/// A row of an answer to an action. An action may write entities of several types.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerRow {
    /// Its entity type; absent where it is the one that the action names.
    pub entity_type: Option<EntityType>,
    /// The entity and its version.
    pub row: WireRow,
}

/// Some rows of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The stream.
    pub entity_type: EntityType,
    /// Number of this part, from 0.
    pub part: u64,
    /// The point all parts speak for.
    pub as_of: Offset,
    /// The rows.
    pub rows: Vec<WireRow>,
}

/// The end of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotEnd {
    /// The stream.
    pub entity_type: EntityType,
    /// The point all parts spoke for.
    pub as_of: Offset,
    /// How many rows there were.
    pub count: u64,
    /// Per lane of this client, the last action the snapshot contains.
    pub actions: BTreeMap<Lane, u64>,
    /// The stream's last offset when this was sent, not below `as_of`: other streams may have
    /// been sent commits up to it that are also of this one. The stream is live from there on.
    /// Absent from an older server; then the head of `SUBSCRIBED` counts.
    pub head: Option<Offset>,
}

/// One commit of a stream, or a chunk of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Events {
    /// The stream.
    pub entity_type: EntityType,
    /// Everything up to here is known before.
    pub from: Offset,
    /// Everything up to here is known after; the point of every change in it.
    pub to: Offset,
    /// The changes.
    pub ops: Vec<Op>,
    /// The other streams of the same commit, where there are any.
    pub commit: Option<CommitInfo>,
    /// This chunk's number and how many there are, where the commit is too large for a frame.
    pub chunk: Option<(u64, u64)>,
    /// The actions this commit contains.
    pub actions: Vec<ActionEcho>,
}

/// A commit over several streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// The commit's name.
    pub id: String,
    /// Every stream of it, with the `to` it brings there.
    pub offsets: BTreeMap<EntityType, Offset>,
}

/// An action that a commit contains.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActionEcho {
    /// The action.
    pub id: ActionId,
    /// The ids the server made for temporary ones.
    pub replaced: BTreeMap<EntityId, EntityId>,
}

/// One change as it stands on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// `ENTITY_CREATED`
    Created {
        /// The whole entity, its id inside.
        entity: Record,
        /// The point of the change.
        version: Option<Version>,
    },
    /// `ENTITY_UPDATED`
    Updated {
        /// The entity.
        id: EntityId,
        /// The point of the change.
        version: Option<Version>,
        /// The version the changes were made on.
        base: Option<Version>,
        /// The changed fields.
        changes: Patch,
        /// The entity after the change, with `want: changes`.
        entity: Option<Record>,
        /// The old values of the changed fields, with `want: changes`.
        was: Option<Record>,
    },
    /// `ENTITY_DELETED`
    Deleted {
        /// The entity.
        id: EntityId,
        /// The point of the change.
        version: Option<Version>,
        /// The entity before, with `want: changes`.
        was: Option<Record>,
    },
    /// `BULK_UPDATE` that names entities without their content.
    Stale(Vec<EntityId>),
    /// `BULK_UPDATE` over the whole stream; the number of entities where the server said it.
    StaleAll(Option<u64>),
}

/// A push of the basic dialect.
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    /// The entity type.
    pub entity_type: EntityType,
    /// The changes, visible in one step.
    pub ops: Vec<Op>,
}

/// The end of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribed {
    /// The request's number; absent when the server ended it.
    pub id: Option<RequestId>,
    /// The stream.
    pub entity_type: EntityType,
    /// Why.
    pub code: String,
    /// Whether the client is to subscribe again.
    pub resubscribe: bool,
}

/// The answer to a fetch, or a part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// The request's number.
    pub id: RequestId,
    /// The point the answer speaks for.
    pub as_of: Point,
    /// Number of this part, from 0.
    pub part: u64,
    /// Whether another part follows.
    pub more: bool,
    /// The rows, in the query's order.
    pub rows: Vec<WireRow>,
    /// Of the ids asked for, those that are not there.
    pub missing: Vec<EntityId>,
    /// How many entities the query holds in all, where it was counted.
    pub total_count: Option<u64>,
    /// Where the page begins in the query's order, for a page that does not begin at its start:
    /// the sort values of the entity before it, then its id.
    pub start_key: Option<(Vec<Value>, EntityId)>,
    /// Whether nothing follows the last row.
    pub end: bool,
}

/// An action that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack {
    /// The action.
    pub id: ActionId,
    /// Its number in its lane.
    pub seq: u64,
    /// Whether it was done now or before.
    pub result: AckResult,
    /// Per stream, the point that contains its effect. Points, not offsets: the client may hold the
    /// stream of an earlier epoch, or nothing of it yet.
    pub as_of: BTreeMap<EntityType, Point>,
    /// The entities it wrote, as they are at `as_of`. A repeated answer has none.
    pub rows: Vec<AnswerRow>,
    /// The ids the server made for temporary ones.
    pub replaced: BTreeMap<EntityId, EntityId>,
}

/// Whether an action was done now or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckResult {
    /// Done now.
    Applied,
    /// Done by an earlier attempt; this is the stored answer.
    Duplicate,
}

/// An action that was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Reject {
    /// The action.
    pub id: ActionId,
    /// Its number in its lane.
    pub seq: u64,
    /// What the client is to do.
    pub class: Class,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub message: String,
    /// Not before this, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The entities as the server has them, for a conflict. Each speaks for its own version and
    /// for no later point. A repeated answer has none.
    pub rows: Vec<AnswerRow>,
}

/// What the server knows of a lane, when an action does not follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionSync {
    /// The lane.
    pub lane: Lane,
    /// The last number used up.
    pub last_seq: u64,
    /// What is wrong.
    pub reason: SyncReason,
}

/// Why an action does not follow what the server knows of its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncReason {
    /// A number between is missing.
    Order,
    /// The server does not know this client.
    Unknown,
    /// A newer run of this client exists.
    Fenced,
}

/// A sign of life with the heads of the streams held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Repeated in the answer.
    pub n: u64,
    /// Per stream held, the last offset sent.
    pub heads: BTreeMap<EntityType, Offset>,
}

/// The server is about to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// In this many milliseconds.
    pub in_ms: u64,
    /// Come back spread over this many milliseconds.
    pub jitter_ms: u64,
}

/// The last message before a close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bye {
    /// The close code.
    pub code: u16,
    /// Why, for people.
    pub reason: String,
    /// What the client is to do.
    pub class: Class,
    /// Not before this, in milliseconds.
    pub retry_after_ms: Option<u64>,
}
