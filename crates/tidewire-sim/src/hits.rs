//! What a run came across. A run of many seeds that never met something it is there for proves
//! nothing about it, so every kind is counted.

use std::collections::BTreeMap;

macro_rules! kinds {
    ($($(#[doc = $text:literal])+ $name:ident,)+) => {
        /// A kind of fault, of work, or of thing seen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Hit {
            $($(#[doc = $text])+ $name,)+
        }

        impl Hit {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

kinds! {
    /// A connection was cut, and both sides soon knew.
    Cut,
    /// A connection was cut, and nobody was told.
    SilentCut,
    /// A connection was cut, and the server heard of it late.
    HalfOpen,
    /// What a client said no longer arrived, while it still heard the server.
    DeafServer,
    /// A frame arrived for a connection that its client had left.
    LateFrame,
    /// Nobody answered a connection attempt.
    AttemptHung,
    /// A connection attempt was refused.
    AttemptRefused,
    /// The server stopped, forgot all but the truth, and came back.
    ServerRestart,
    /// The server stopped after a write was done and before anybody heard of it.
    AnswerLost,
    /// The server stopped before a write was done.
    WriteLost,
    /// A client crashed and began again from its store.
    ClientCrash,
    /// A client crashed while a store transaction was under way, and it was lost.
    TransactionLost,
    /// A client crashed while a store transaction was under way, and it was kept.
    TransactionKept,
    /// A client was switched off for a while.
    Offline,
    /// A client read slowly for a while.
    SlowReader,

    /// The server's application created an entity.
    PublishCreate,
    /// The server's application changed an entity.
    PublishUpdate,
    /// The server's application removed an entity.
    PublishDelete,
    /// The server's application made several changes in one commit.
    PublishSeveral,
    /// The server's application changed two streams in one commit.
    PublishTwoStreams,
    /// The server's application made a commit too large for a frame.
    PublishLarge,
    /// A client created an entity under its own id.
    CreateOwnId,
    /// A client created an entity that the server was to name.
    CreateUnnamed,
    /// A client changed an entity.
    Update,
    /// A client changed an entity that the server had not named yet.
    UpdateUnnamed,
    /// A client wrote to an entity whose creation under an id of its own was under way.
    UpdateOwn,
    /// A client wrote the id of an entity that the server had not named yet into a field.
    MentionUnnamed,
    /// A client removed an entity.
    Delete,
    /// A client made several writes in one action.
    Transaction,
    /// A client retried a parked action.
    Retry,
    /// A client discarded a parked action.
    Discard,
    /// A client took back an action that was never sent.
    Cancel,
    /// A client watched an entity.
    WatchEntity,
    /// A client watched a list.
    WatchList,
    /// A client watched no more.
    Unwatch,
    /// A client marked something as stale.
    Invalidate,

    /// A stream was resumed.
    Resumed,
    /// A stream began with a snapshot.
    SnapshotTaken,
    /// A stream began with what happened from then on.
    BeganNow,
    /// A commit came in chunks.
    Chunked,
    /// A commit over several streams came.
    OverStreams,
    /// An action was done that had been done before, and only its answer was repeated.
    Duplicate,
    /// An action was refused.
    Refused,
    /// A stream was ended because its client read too slowly.
    TooSlow,
    /// A live list of a complete collection was compared with the truth.
    CompleteListCompared,
    /// A live list of windows was compared with the truth.
    WindowListCompared,
    /// A live list with own pending writes in it was compared with the truth.
    PendingListCompared,
    /// A live entity was compared with the truth.
    EntityCompared,
    /// A temporary id was followed to the entity the server had named.
    NameFollowed,
    /// An action was waiting in the store of a client that began again.
    RestoredAction,
    /// A client did not want frames for a while.
    HeldBack,
}

/// How often each kind was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits(BTreeMap<Hit, u64>);

impl Hits {
    pub(crate) fn note(&mut self, hit: Hit) {
        *self.0.entry(hit).or_default() += 1;
    }

    /// How often a kind was met.
    #[must_use]
    pub fn count(&self, hit: Hit) -> u64 {
        self.0.get(&hit).copied().unwrap_or(0)
    }

    /// Adds what another run met.
    pub fn add(&mut self, other: &Self) {
        for (hit, count) in &other.0 {
            *self.0.entry(*hit).or_default() += count;
        }
    }

    /// The kinds that were never met.
    #[must_use]
    pub fn missing(&self) -> Vec<Hit> {
        Hit::ALL
            .iter()
            .copied()
            .filter(|hit| self.count(*hit) == 0)
            .collect()
    }
}
