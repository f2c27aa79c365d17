//! What a cache is told once: its bounds, and how each collection is kept. Holds no state.

use std::time::Duration;

use tidewire_model::EntityType;

/// Bounds of a whole cache. Each one has a stated behaviour at the bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How many temporary ids are remembered after the server named their entities. Beyond it the
    /// oldest that nobody watches is forgotten: readings of that temporary id are unknown again.
    pub max_aliases: usize,
    /// How many absent marks are kept per entity type. Beyond it the oldest is dropped, and
    /// whatever is not newer than it is no longer believed without asking.
    pub max_absent: usize,
    /// How many bytes are held in all, as [`Stats::counted_bytes`](crate::Stats::counted_bytes) counts
    /// them. Beyond it, entities go that nothing pins (no watcher, no list, no pending action, no page
    /// on its way), those first that nobody read for long, then absent marks, then the largest complete
    /// collection becomes windowed as a whole. What is pinned stays, and
    /// [`Stats::pressure`](crate::Stats::pressure) says so. By default 256 MiB: twice what the largest
    /// snapshot may take.
    pub max_bytes: usize,
    /// How many rows one request for a page asks for at most.
    pub max_page_rows: u64,
    /// How many rows more than needed a request for a page asks for, so that a removal on screen
    /// is filled without waiting.
    pub refill_rows: u64,
    /// How many ids one request for entities asks for at most.
    pub max_fetch_ids: usize,
    /// How many changes are remembered for each page on its way. Beyond it the page is asked for
    /// once more when it has come.
    pub max_logged_changes: usize,
    /// How many bytes, roughly, the rows of a snapshot may take whose end is still to come. Beyond it
    /// the collection becomes windowed as a whole, as it does beyond its number of rows.
    pub max_snapshot_bytes: usize,
    /// How many plain values are kept. Beyond it those set first go, what is watched last.
    pub max_values: usize,
    /// How many bytes, roughly, plain values take together. Beyond it the same; a value that takes more by
    /// itself is refused.
    pub max_value_bytes: usize,
    /// Above this many entities of one type in one publication, listeners of the type get one
    /// bulk notice instead of one notice each.
    pub max_notices: usize,
    /// Makes the places of ids in memory unpredictable for whoever chooses ids. Nothing that comes out
    /// depends on it.
    pub hash_seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_aliases: 4_096,
            max_absent: 16_384,
            max_bytes: 256 * 1024 * 1024,
            max_page_rows: 1_000,
            refill_rows: 16,
            max_fetch_ids: 256,
            max_logged_changes: 4_096,
            max_snapshot_bytes: 128 * 1024 * 1024,
            max_values: 1_024,
            max_value_bytes: 4 * 1024 * 1024,
            max_notices: 1_024,
            hash_seed: 0,
        }
    }
}

/// How one collection is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionSettings {
    /// Which part of the type is held.
    pub interest: Interest,
    /// Who makes its points.
    pub points: Points,
    /// What a jump in versions means.
    pub versions: Versions,
    /// How old a reading may be that no attached stream vouches for, before it counts as stale.
    /// `None`: with server points, such a reading is stale at once; with client points, it does
    /// not age while the stream is attached.
    pub stale_after: Option<Duration>,
    /// How old a reading may be that nothing vouches for, before it is not shown at all: it is then
    /// unknown, with [`StaleReason::Expired`](crate::StaleReason) as the reason. A live stream vouches
    /// for what it covers, and, with client points and no `stale_after`, an attached one does. What own
    /// pending actions shaped is shown however old the rest is. `None`: whatever is held is shown.
    pub expire_after: Option<Duration>,
    /// How long nothing of the type must have changed before the lists that only the server can
    /// evaluate are asked for again. They read as stale from the first change on.
    pub opaque_quiet: Duration,
    /// How long after the first change they are asked for at the latest, however many follow.
    pub opaque_wait_max: Duration,
}

impl Default for CollectionSettings {
    fn default() -> Self {
        Self {
            interest: Interest::Windowed,
            points: Points::Server,
            versions: Versions::Consecutive,
            stale_after: None,
            expire_after: None,
            opaque_quiet: Duration::from_secs(1),
            opaque_wait_max: Duration::from_secs(5),
        }
    }
}

impl CollectionSettings {
    /// Whether time alone makes readings worse.
    pub(crate) fn ages(&self) -> bool {
        self.stale_after.is_some() || self.expire_after.is_some()
    }
}

/// Which part of an entity type is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// The windows that are watched, each asked for; the stream keeps them in step.
    Windowed,
    /// Every entity, from a snapshot; lists are answered without a request.
    Complete {
        /// Beyond this many rows the collection becomes windowed as a whole.
        max_rows: u64,
    },
    /// What the pushes have shown so far. Nothing can be asked for; totals are never exact.
    PushesOnly,
}

/// Who makes the points of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Points {
    /// The server numbers its commits.
    Server,
    /// The client counts what comes in. A reading is at most fresh, never live.
    Client,
}

/// What a jump in the versions of an entity means, where a partial change comes without a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// A version was missed: the change is merged, and the entity marked stale.
    Consecutive,
    /// Versions merely rise: nothing was missed.
    Rising,
}

/// A collection was defined twice, in two ways. Whoever defines it must settle on one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the collection \"{entity_type}\" is already defined in another way")]
pub struct DefinedOtherwise {
    /// The entity type.
    pub entity_type: EntityType,
}
