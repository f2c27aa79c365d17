//! One server transaction as every subscriber will see it.
//!
//! Holds values only; how they are stored is the backend's affair, how they travel the dialect's.

use std::collections::BTreeMap;

use tidewire_model::{ActionId, EntityId, EntityType, Offset, Record};
use tidewire_protocol::{ActionEcho, Op};

/// One server transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// The commit's name, the same on every stream it touches.
    pub id: String,
    /// Its part of each stream, at most one per stream, in order of the entity type.
    pub streams: Vec<StreamCommit>,
    /// The actions it contains.
    pub actions: Vec<ActionEcho>,
}

/// A commit's part of one stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamCommit {
    /// The stream.
    pub entity_type: EntityType,
    /// The stream's offset after this commit; the one before is `to - 1`.
    pub to: Offset,
    /// The changes, each with its images: an update carries the entity after it and the old
    /// values, a deletion the entity before it.
    pub ops: Vec<Op>,
}

/// A change to one entity, before it has a place in a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A new entity. Without an id the backend makes one.
    Create {
        /// The entity type.
        entity_type: EntityType,
        /// The id; `None` or a temporary one asks the backend for one.
        id: Option<EntityId>,
        /// The fields; the id among them is set by the backend.
        entity: Record,
    },
    /// Changed fields of an entity that exists.
    Update {
        /// The entity type.
        entity_type: EntityType,
        /// The entity.
        id: EntityId,
        /// The fields to set, null included.
        changes: Record,
        /// The fields to take away.
        unset: Vec<String>,
    },
    /// An entity to be removed.
    Delete {
        /// The entity type.
        entity_type: EntityType,
        /// The entity.
        id: EntityId,
    },
    /// An entity as it is to be from now on, whether it exists or not.
    Put {
        /// The entity type.
        entity_type: EntityType,
        /// The entity.
        id: EntityId,
        /// All its fields.
        entity: Record,
    },
}

/// What became of an action. Stored with its effect, but for the rows, and given again for the same
/// number.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It was done.
    Applied {
        /// Per stream, the point that contains its effect.
        as_of: BTreeMap<EntityType, Offset>,
        /// The entities it wrote, as they were right after it.
        rows: Vec<(EntityType, Record, Offset)>,
        /// The ids made for temporary ones.
        replaced: BTreeMap<EntityId, EntityId>,
    },
    /// It was refused, and will be whenever it is sent again under this number.
    Refused {
        /// What the client is to do.
        class: tidewire_protocol::Class,
        /// Why, for programs.
        code: String,
        /// Why, for people.
        message: String,
        /// The entities as they are, for a conflict.
        rows: Vec<(EntityType, Record, Offset)>,
    },
}

impl Answer {
    /// The answer as it is stored and given again. Its rows are left out: they say how things were
    /// when it was given first, and whoever gets it again would take them for news.
    #[must_use]
    pub fn without_rows(mut self) -> Self {
        match &mut self {
            Self::Applied { rows, .. } | Self::Refused { rows, .. } => rows.clear(),
        }
        self
    }
}

/// What a backend made of one action.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionOutcome {
    /// Its number was used up now.
    New(Answer),
    /// Its number was used up before; this is the stored answer, without rows.
    Stored(Answer),
    /// Its number was used up by something else: the fingerprint differs.
    OtherContent,
    /// Its number was used up so long ago that the answer is gone.
    Forgotten,
    /// It does not follow the last number used up.
    OutOfOrder {
        /// The last number used up.
        last_seq: u64,
    },
    /// A newer run of this client exists.
    Fenced,
    /// The client is not known.
    UnknownClient,
}

/// What names an action on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionOrigin {
    /// Who the server takes the client for.
    pub principal: String,
    /// The client's name.
    pub client: String,
    /// The client's incarnation.
    pub incarnation: u64,
    /// The client's run.
    pub run: u64,
    /// The action's own id.
    pub action: ActionId,
}
