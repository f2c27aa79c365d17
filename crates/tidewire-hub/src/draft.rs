//! What writes come to: the images, changes and answer of one commit, worked out without storing anything.
//!
//! Every backend may use this, so that all of them agree on what a write means. It holds no state; what is there is
//! asked for.

mod entry;
mod replace;

use std::collections::BTreeMap;

use tidewire_model::{EntityId, EntityKey, EntityType, Offset, Record, Version};
use tidewire_protocol::{Class, Op};

use crate::{Answer, Refused, StreamCommit, Write};

use entry::Entry;

/// The field of an entity that holds its id.
pub const ID_FIELD: &str = "id";
/// The largest entity, in bytes of memory: with it, an entity fits a frame.
pub const MAX_ENTITY_BYTES: usize = 256 * 1024;
/// The deepest nesting of an entity, itself counted as one: with it, an entity inside a message
/// stays within the nesting of a frame.
pub const MAX_ENTITY_DEPTH: usize = tidewire_protocol::limits::DEPTH - 4;

/// The most bytes of entities that one action may change, in memory, as they are before it. Whoever comes next waits for
/// all of it.
pub const MAX_ACTION_BYTES: usize = 8 * 1024 * 1024;

/// What is there while writes are worked out.
pub trait Present {
    /// Why it could not be said.
    type Error;

    /// An entity and its version.
    ///
    /// # Errors
    /// It could not be read.
    fn entity(&mut self, key: &EntityKey) -> Result<Option<(Record, Offset)>, Self::Error>;

    /// The head of a stream, zero for one that does not exist yet.
    ///
    /// # Errors
    /// It could not be read.
    fn head(&mut self, entity_type: &EntityType) -> Result<Offset, Self::Error>;

    /// An id that no entity of this type has or had.
    fn new_id(&mut self, entity_type: &EntityType) -> EntityId;
}

/// What writes come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// The changes by stream, one per entity; empty where nothing changes, and then there is no
    /// commit.
    pub streams: Vec<StreamCommit>,
    /// The entities that change, as they are to be stored, each with its new version; `None` for
    /// one that is removed.
    pub changed: Vec<(EntityKey, Option<Record>, Offset)>,
    /// Per stream that the writes name, the point that contains their effect.
    pub as_of: BTreeMap<EntityType, Offset>,
    /// The entities written, as they are afterwards.
    pub rows: Vec<(EntityType, Record, Offset)>,
    /// The ids made for temporary ones.
    pub replaced: BTreeMap<EntityId, EntityId>,
}

impl Draft {
    /// The answer to the action that asked for it.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer::Applied {
            as_of: self.as_of.clone(),
            rows: self.rows.clone(),
            replaced: self.replaced.clone(),
        }
    }
}

/// Why writes come to nothing. Nothing of them is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftRefused {
    /// Why.
    pub refused: Refused,
    /// The entities as they are, for a conflict.
    pub rows: Vec<(EntityType, Record, Offset)>,
}

impl DraftRefused {
    fn permanent(code: &str, message: String) -> Self {
        let refused = Refused {
            class: Class::Permanent,
            code: code.to_owned(),
            message,
        };
        Self {
            refused,
            rows: Vec::new(),
        }
    }

    fn conflict(code: &str, message: String, row: Option<(EntityType, Record, Offset)>) -> Self {
        let refused = Refused {
            class: Class::Conflict,
            code: code.to_owned(),
            message,
        };
        Self {
            refused,
            rows: row.into_iter().collect(),
        }
    }

    /// The answer to the action that asked for it.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer::Refused {
            class: self.refused.class,
            code: self.refused.code.clone(),
            message: self.refused.message.clone(),
            rows: self.rows.clone(),
        }
    }
}

/// Works out what writes come to, all of them or none.
///
/// - Ids are made for creations without one or with a temporary one; a temporary id that stands
///   anywhere in the same writes as an id or as a whole text value is replaced.
/// - Several writes to one entity become one change, since all changes of a commit have one point.
/// - What stays as it is makes no change; removing what is not there is done already.
/// - With `base`, every entity that is updated, put or deleted must have that version.
/// - Creating what exists and a wrong `base` are conflicts; updating what does not exist, changing
///   an id, and an entity beyond [`MAX_ENTITY_BYTES`] or [`MAX_ENTITY_DEPTH`] are refused for good.
///
/// # Errors
/// What is there could not be read.
pub fn work_out<P: Present>(
    present: &mut P,
    writes: Vec<Write>,
    base: Option<Version>,
) -> Result<Result<Draft, DraftRefused>, P::Error> {
    work_out_within(present, writes, base, usize::MAX)
}

/// Works out what an action writes, as [`work_out`] does. One that would change entities of more than
/// [`MAX_ACTION_BYTES`] in all is refused for good: its frame is small, what it costs is not.
///
/// # Errors
/// What is there could not be read.
pub fn work_out_action<P: Present>(
    present: &mut P,
    writes: Vec<Write>,
    base: Option<Version>,
) -> Result<Result<Draft, DraftRefused>, P::Error> {
    work_out_within(present, writes, base, MAX_ACTION_BYTES)
}

fn work_out_within<P: Present>(
    present: &mut P,
    writes: Vec<Write>,
    base: Option<Version>,
    most_bytes: usize,
) -> Result<Result<Draft, DraftRefused>, P::Error> {
    let mut staged = Staged::default();
    let (writes, replaced) = match replace::with_ids(present, writes) {
        Ok(named) => named,
        Err(refused) => return Ok(Err(refused)),
    };
    for write in writes {
        let key = write.key_of();
        staged.load(present, &key)?;
        if staged.bytes > most_bytes {
            let message =
                format!("the action would change entities of more than {most_bytes} bytes in all");
            return Ok(Err(DraftRefused::permanent("too_large", message)));
        }
        if let Err(refused) = staged.entry(&key).apply(&key, write, base) {
            return Ok(Err(refused));
        }
    }
    staged.finish(present, replaced).map(Ok)
}

impl Write {
    /// The entity it writes, once it has an id.
    fn key_of(&self) -> EntityKey {
        let (entity_type, id) = match self {
            Self::Create {
                entity_type, id, ..
            } => (
                entity_type,
                id.clone()
                    .expect("ids are made before writes are worked out"),
            ),
            Self::Update {
                entity_type, id, ..
            }
            | Self::Delete { entity_type, id }
            | Self::Put {
                entity_type, id, ..
            } => (entity_type, id.clone()),
        };
        EntityKey::new(entity_type.clone(), id)
    }
}

/// All entities the writes name, in the order in which they were first named.
#[derive(Default)]
struct Staged {
    entries: BTreeMap<EntityKey, Entry>,
    order: Vec<EntityKey>,
    /// The bytes of the entities as they are.
    bytes: usize,
}

impl Staged {
    /// Looks an entity up, unless that was done before.
    fn load<P: Present>(&mut self, present: &mut P, key: &EntityKey) -> Result<(), P::Error> {
        if !self.entries.contains_key(key) {
            let before = present.entity(key)?;
            if let Some((entity, _)) = &before {
                self.bytes += entity.approximate_bytes();
            }
            let after = before.as_ref().map(|(entity, _)| entity.clone());
            self.entries.insert(key.clone(), Entry { before, after });
            self.order.push(key.clone());
        }
        Ok(())
    }

    /// An entity that was looked up.
    fn entry(&mut self, key: &EntityKey) -> &mut Entry {
        self.entries
            .get_mut(key)
            .expect("it is loaded before it is written")
    }

    fn finish<P: Present>(
        self,
        present: &mut P,
        replaced: BTreeMap<EntityId, EntityId>,
    ) -> Result<Draft, P::Error> {
        let mut draft = Draft {
            replaced,
            ..Draft::default()
        };
        let mut streams: BTreeMap<EntityType, (Offset, Vec<Op>)> = BTreeMap::new();
        for key in &self.order {
            let entry = &self.entries[key];
            if !streams.contains_key(&key.entity_type) {
                streams.insert(
                    key.entity_type.clone(),
                    (present.head(&key.entity_type)?, Vec::new()),
                );
            }
            let (head, ops) = streams
                .get_mut(&key.entity_type)
                .expect("it was put there just now");
            let to = head.next();
            let version = match entry.change(key, to) {
                Some(op) => {
                    ops.push(op);
                    draft.changed.push((key.clone(), entry.after.clone(), to));
                    to
                }
                None => entry
                    .before
                    .as_ref()
                    .map_or(Offset::ZERO, |(_, version)| *version),
            };
            if let Some(entity) = &entry.after {
                draft
                    .rows
                    .push((key.entity_type.clone(), entity.clone(), version));
            }
        }
        for (entity_type, (head, ops)) in streams {
            let to = if ops.is_empty() { head } else { head.next() };
            draft.as_of.insert(entity_type.clone(), to);
            if !ops.is_empty() {
                draft.streams.push(StreamCommit {
                    entity_type,
                    to,
                    ops,
                });
            }
        }
        Ok(draft)
    }
}

#[cfg(test)]
mod tests;
