//! The pieces of knowledge a cache takes in, as values. Says what came; decides nothing.

use std::collections::BTreeMap;

use tidewire_model::{
    ActionId, Change, EntityId, EntityKey, EntityType, Epoch, Offset, Point, Row,
};

use crate::fetch::FetchTicket;

/// One piece of knowledge, in the order of arrival.
#[derive(Debug, Clone)]
pub enum Intake {
    /// The feed of a stream is attached. With client points only the type and the result count.
    Subscribed {
        /// Which stream.
        entity_type: EntityType,
        /// How it continues.
        result: Attached,
        /// The epoch of the stream.
        epoch: Epoch,
        /// What the principal may see of it.
        view: String,
        /// Where the first commit that follows begins.
        offset: Offset,
        /// Where the stream stood when the feed was attached; live from there on.
        head: Offset,
    },
    /// One commit of one stream.
    Commit(Commit),
    /// One commit over several streams: one step.
    CommitGroup(Vec<Commit>),
    /// What a peer without points pushed; the cache makes the point.
    Pushed {
        /// Which stream.
        entity_type: EntityType,
        /// The changes. Their own points are not looked at.
        changes: Vec<Change>,
        /// Whether everything of the type is out of date from here on.
        stale_all: bool,
    },
    /// Where a stream stands, as a sign of life tells it. Above what was received: a gap.
    Head {
        /// Which stream.
        entity_type: EntityType,
        /// The offset of the last commit sent.
        offset: Offset,
    },
    /// What shows on other streams goes up to here on this one, which does not have it yet: until
    /// it has, it is not live (protocol rule 5). Changes nothing on a stream that is live.
    Owed {
        /// Which stream.
        entity_type: EntityType,
        /// Up to where it must come.
        offset: Offset,
    },
    /// Part of a snapshot. Seen only when its end has come.
    SnapshotRows {
        /// Which stream.
        entity_type: EntityType,
        /// The offset the snapshot speaks for.
        as_of: Offset,
        /// The rows.
        rows: Vec<Row>,
    },
    /// The end of a snapshot: what it lacks is absent.
    SnapshotEnd {
        /// Which stream.
        entity_type: EntityType,
        /// The offset the snapshot speaks for.
        as_of: Offset,
        /// The own actions it contains.
        actions: Vec<ActionId>,
    },
    /// The answer to a request for entities.
    Entities {
        /// The request.
        ticket: FetchTicket,
        /// The point the answer speaks for. `None`: where the stream stood when the request began.
        as_of: Option<Point>,
        /// What is there.
        rows: Vec<Row>,
        /// What is not.
        missing: Vec<EntityId>,
    },
    /// The answer to a request for a page.
    Page {
        /// The request.
        ticket: FetchTicket,
        /// The point the answer speaks for. `None`: where the stream stood when the request began.
        as_of: Option<Point>,
        /// The rows, in the order of the query.
        rows: Vec<Row>,
        /// How many rows the whole list has.
        total_count: Option<u64>,
        /// Whether nothing follows.
        end: bool,
    },
    /// The server accepted an own action.
    Answer {
        /// The action.
        action: ActionId,
        /// Up to where each stream must have been applied to contain it. With client points: where
        /// the stream stood when the action was sent, and nothing where the answer may be taken as
        /// got now.
        as_of: BTreeMap<EntityType, Point>,
        /// The entities after it, where sent.
        rows: Vec<(EntityType, Row)>,
        /// The entities that are gone after it.
        missing: Vec<EntityKey>,
        /// The names the server gave to temporary ids.
        replaced: BTreeMap<EntityId, EntityId>,
    },
    /// A request was refused for good. What accepted actions wait for will not come by it, so
    /// their effects on what it asked for leave the overlay.
    Refused {
        /// The request.
        ticket: FetchTicket,
    },
    /// Rows that nobody asked for, such as those that come with a refusal.
    Rows {
        /// Which stream.
        entity_type: EntityType,
        /// The point they speak for.
        as_of: Point,
        /// What is there.
        rows: Vec<Row>,
        /// What is not.
        missing: Vec<EntityId>,
    },
    /// The feed of a stream is over.
    Detached {
        /// Which stream.
        entity_type: EntityType,
        /// Why.
        why: DetachReason,
    },
    /// Everything held of a stream is to be forgotten. What is watched is unknown then and wanted again,
    /// pending actions stay, and what is older than what was forgotten is not believed any more. Where a
    /// snapshot is on its way, that is a gap: the stream has to be subscribed again.
    Clear {
        /// Which stream.
        entity_type: EntityType,
    },
    /// Somebody here distrusts what is held. A mark, not a removal.
    Stale {
        /// Which stream.
        entity_type: EntityType,
        /// Which entities; `None` for all.
        ids: Option<Vec<EntityId>>,
    },
}

/// One stream's part of a server transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Which stream.
    pub entity_type: EntityType,
    /// The offset before it.
    pub from: Offset,
    /// Its offset, the point of each of its changes.
    pub to: Offset,
    /// The changes.
    pub changes: Vec<Change>,
    /// Whether everything of the type is out of date from here on.
    pub stale_all: bool,
    /// The own actions it contains.
    pub echoes: Vec<Echo>,
}

/// An own action, seen in a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// The action.
    pub action: ActionId,
    /// The names the server gave to temporary ids.
    pub replaced: BTreeMap<EntityId, EntityId>,
}

/// How a stream continues once its feed is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// Where it was left.
    Resumed,
    /// With a snapshot that follows.
    Snapshot,
    /// With what happens from now on; what is held may be out of date.
    Now,
}

/// Why the feed of a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetachReason {
    /// The connection was lost.
    Disconnected,
    /// Commits are missing.
    Gap,
    /// The stream is not wanted here or not offered there any more. What nobody watches of it is
    /// forgotten.
    Ended,
    /// What the principal may see has changed: its rows are hidden until it is subscribed again.
    Rights,
}

/// What became of a piece of knowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is staged and becomes visible with a batch.
    Staged,
    /// It is known already.
    Repeat,
    /// Something before it is missing. The streams named here are not live any more; each has to
    /// be subscribed again, with resume at the applied point. An answer that tells of the gap is
    /// staged all the same, and so are the parts of a commit over several streams that fit.
    Gap {
        /// Up to where each of them has come in. More than one only for a commit over several.
        received: BTreeMap<EntityType, Point>,
    },
    /// Nothing here waits for it: the stream is not attached, the request is not known or was
    /// answered, or nobody uses the type.
    NotHeld,
    /// The snapshot has more rows than the collection may hold. The collection is windowed from
    /// now on; it has to be subscribed again accordingly.
    TooLarge,
}
