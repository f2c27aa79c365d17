//! Everything a client says to a server, and nothing else.
//!
//! These are values. How they look as bytes is known only to the dialects.

use std::collections::BTreeMap;

use tidewire_model::{ActionId, EntityId, EntityType, Epoch, Lane, Offset, Query, Record, Version};

/// A request's number, made by the client, repeated in the answer. Unique on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A message from a client to a server.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientMessage {
    /// The first message of a connection.
    Hello(Hello),
    /// Asks for a stream.
    Subscribe(Subscribe),
    /// Gives a stream back.
    Unsubscribe(Unsubscribe),
    /// Asks for entities, or for one page of a query.
    Fetch(Fetch),
    /// A write on its way.
    Action(ActionMessage),
    /// A sign of life that asks for one.
    Ping(u64),
    /// The answer to a server's ping.
    Pong(u64),
    /// A message of a type this side does not know and may ignore.
    Unknown {
        /// The type as the peer named it.
        name: String,
    },
}

/// Who the client is and what it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Lowest and highest protocol version the client speaks.
    pub protocol: VersionRange,
    /// Optional features the client understands.
    pub features: Vec<String>,
    /// The client's own name and counters.
    pub client: ClientInfo,
    /// Proof of who is speaking. Never part of the URL.
    pub token: Option<String>,
    /// Per lane, the highest number whose answer the client has stored; the server may forget
    /// answers up to it.
    pub confirmed: BTreeMap<Lane, u64>,
    /// The largest frame the client takes, in bytes.
    pub max_frame_bytes: u64,
}

/// Lowest and highest version, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// Lowest version spoken.
    pub min: u32,
    /// Highest version spoken.
    pub max: u32,
}

/// A client's own name, and the counters that tell a copied or renewed store from the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// Made once for a store, unique among clients.
    pub id: String,
    /// Rises when the store begins anew under the same id.
    pub incarnation: u64,
    /// Rises with every connection; a number seen before fences the connection.
    pub run: u64,
    /// Whether it may have sent actions under this incarnation. A server that does not know such a client forgot it, and
    /// says so.
    pub may_have_sent: bool,
    /// The application's name.
    pub app: String,
    /// The application's version.
    pub version: String,
}

/// Asks for the commits of one entity type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Repeated in the answer.
    pub id: RequestId,
    /// The stream.
    pub entity_type: EntityType,
    /// Whether every row is wanted first, or only what changes.
    pub want: Want,
    /// Where an earlier subscription stopped.
    pub resume: Option<Resume>,
}

/// What a subscription holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Want {
    /// Every row of the stream, then its commits.
    Snapshot,
    /// Only commits; each change carries the entity after it and the old values.
    Changes,
}

/// The place in a stream that a client has applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The epoch the offset counts in.
    pub epoch: Epoch,
    /// The last offset applied.
    pub offset: Offset,
    /// What the client was allowed to see then.
    pub view: String,
}

/// Gives a stream back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Repeated in the answer.
    pub id: RequestId,
    /// The stream.
    pub entity_type: EntityType,
}

/// Asks for entities by id, or for one page of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    /// Repeated in the answer.
    pub id: RequestId,
    /// The entity type.
    pub entity_type: EntityType,
    /// What is asked for.
    pub what: FetchWhat,
}

/// What a fetch asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum FetchWhat {
    /// These entities.
    Ids(Vec<EntityId>),
    /// One page; travels as the query's canonical text.
    Query(Query),
}

/// A write, with its number in its lane.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionMessage {
    /// The action's own id, the same at every attempt.
    pub id: ActionId,
    /// The ordered line it belongs to.
    pub lane: Lane,
    /// Its number in the lane.
    pub seq: u64,
    /// The number sent before it in the lane, 0 for none.
    pub previous: u64,
    /// `create`, `update`, `delete`, or an application's own name.
    pub name: String,
    /// The entity type it writes, where it writes one entity.
    pub entity_type: Option<EntityType>,
    /// The entity it writes; a temporary id where the server is to make one.
    pub entity_id: Option<EntityId>,
    /// The arguments: `{"entity": …}` for create, `{"changes": …, "unset": […]}` for update.
    pub payload: Record,
    /// The version the write was made on, when it must be refused on any other.
    pub base: Option<Version>,
    /// Fingerprint of name, target and payload; the same number with another one is refused.
    pub hash: String,
}
