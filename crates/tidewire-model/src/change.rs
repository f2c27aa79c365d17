//! What the wire tells the cache: changes of entities, and rows of snapshots and answers.
//!
//! Says what happened and how new it is; never what to do about it.

use crate::id::{EntityId, EntityKey};
use crate::patch::Patch;
use crate::point::{Offset, Version};
use crate::record::{Record, RecordBuilder};

/// One change of one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which entity.
    pub key: EntityKey,
    /// The offset in its stream up to which this is known.
    pub point: Offset,
    /// The version of the entity after the change; `None` when the peer gave none.
    pub version: Option<Version>,
    /// On which version a partial change may be merged.
    pub base: Base,
    /// What happened.
    pub body: ChangeBody,
}

/// On which version a partial change may be merged. Matters for [`ChangeBody::Merge`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Base {
    /// No statement about versions.
    None,
    /// Merges only on exactly this version.
    Exactly(Version),
    /// Merges on any held version lower than that of the change (basic dialect).
    AnyLower,
}

/// What happened to an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeBody {
    /// The entity is now this whole record.
    Put {
        /// The entity after the change.
        record: Record,
        /// The entity before the change, where known.
        was: Option<Record>,
    },
    /// Some fields changed.
    Merge {
        /// The fields set and unset.
        patch: Patch,
        /// The whole entity after the change, where sent.
        after: Option<Record>,
        /// The old values of the changed fields, where sent. A field that did not exist before is absent in it.
        was: Option<Record>,
    },
    /// The entity is gone.
    Remove {
        /// The whole entity before the change, where sent.
        was: Option<Record>,
    },
    /// Something changed that was not sent: what is held is out of date from this point on.
    Stale,
}

impl Change {
    /// The whole entity before the change, where it can be told from the change alone.
    pub fn before_image(&self) -> Option<Record> {
        match &self.body {
            ChangeBody::Put { was, .. } | ChangeBody::Remove { was } => was.clone(),
            ChangeBody::Merge { patch, after, was } => {
                let (after, was) = (after.as_ref()?, was.as_ref()?);
                let mut before = RecordBuilder::new();
                for (name, value) in after
                    .fields()
                    .filter(|(name, _)| !patch.touches(name))
                    .chain(was.fields())
                {
                    before.push(name, value);
                }
                Some(before.build())
            }
            ChangeBody::Stale => None,
        }
    }

    /// The whole entity after the change, where the change brings it.
    pub fn after_image(&self) -> Option<&Record> {
        match &self.body {
            ChangeBody::Put { record, .. } => Some(record),
            ChangeBody::Merge { after, .. } => after.as_ref(),
            ChangeBody::Remove { .. } | ChangeBody::Stale => None,
        }
    }
}

/// One entity of a snapshot or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which entity.
    pub id: EntityId,
    /// Its fields.
    pub record: Record,
    /// Its version; `None` when the peer gave none.
    pub version: Option<Version>,
}
