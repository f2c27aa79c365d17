//! From what stands on the wire to what the model speaks of: changes and rows.
//!
//! The wire does not say which field of an entity is its id; the application does. Nothing here decides what a change
//! does to what is held.

use tidewire_model::{
    Base, Change, ChangeBody, EntityId, EntityKey, EntityType, Offset, Patch, Record, RecordError,
    Row, Version,
};

use crate::error::Fault;
use crate::{DecodeError, Op, WireRow};

/// How an application calls the fields of an entity that matter to everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// The field that holds the id.
    pub id_field: String,
    /// The field that holds the version, where a version stands inside the entity.
    pub version_field: String,
}

impl Default for Naming {
    /// `id` and `version`.
    fn default() -> Self {
        Self {
            id_field: "id".to_owned(),
            version_field: "version".to_owned(),
        }
    }
}

/// Who made the points of some ops, which also says how their versions are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Points {
    /// The server (v1): the `to` of the events. Versions stand beside entities, and a partial change names the
    /// version it was made on.
    Server(Offset),
    /// The client (basic): a counter of its own. The version of a whole entity stands inside it, and a partial change
    /// applies on any lower version.
    Client(Offset),
}

impl Points {
    /// The point.
    #[must_use]
    pub const fn offset(self) -> Offset {
        match self {
            Self::Server(offset) | Self::Client(offset) => offset,
        }
    }
}

/// What some ops of one entity type come to. See [`changes`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ops {
    /// What happened to single entities, in the order of the ops.
    pub changes: Vec<Change>,
    /// Set when everything of the type is out of date.
    pub stale_all: Option<StaleAll>,
    /// Ops that mean nothing, each with its place among the ops and what is wrong with it. In v1 a frame with one of
    /// them is malformed as a whole; in basic the others hold.
    pub bad: Vec<(usize, DecodeError)>,
}

/// Everything of an entity type is out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleAll {
    /// How many entities it was about, where the server said it.
    pub count: Option<u64>,
}

/// What ops of one entity type come to.
///
/// Every change has the point of `points`. A [`Op::Created`] is a put, an [`Op::Updated`] a merge, an [`Op::Deleted`]
/// a removal, an [`Op::Stale`] a stale mark for each id. With [`Points::Client`] a merge also sets the version field,
/// since that is where the application reads the version.
#[must_use]
pub fn changes(ops: Vec<Op>, entity_type: &EntityType, naming: &Naming, points: Points) -> Ops {
    let mut out = Ops {
        changes: Vec::with_capacity(ops.len()),
        ..Ops::default()
    };
    for (place, op) in ops.into_iter().enumerate() {
        let name = op_name(&op);
        let made = match op {
            Op::Created { entity, version } => naming.created(entity, version, points),
            Op::Updated {
                id,
                version,
                base,
                changes,
                entity,
                was,
            } => {
                let images = Images { after: entity, was };
                naming.updated(id, version, base, changes, images, points)
            }
            Op::Deleted { id, version, was } => {
                Ok((id, version, Base::None, ChangeBody::Remove { was }))
            }
            Op::Stale(ids) => {
                out.changes
                    .extend(ids.into_iter().map(|id| stale(entity_type, id, points)));
                continue;
            }
            Op::StaleAll(count) => {
                out.stale_all = Some(StaleAll { count });
                continue;
            }
        };
        match made {
            Ok((id, version, base, body)) => {
                let key = EntityKey::new(entity_type.clone(), id);
                out.changes.push(Change {
                    key,
                    point: points.offset(),
                    version,
                    base,
                    body,
                });
            }
            Err(fault) => out.bad.push((place, fault.of(name))),
        }
    }
    out
}

impl WireRow {
    /// The row, with its id from inside the entity and its version from beside it or, where none stands there, from
    /// inside it too.
    ///
    /// # Errors
    /// The id is missing, of a wrong kind, or breaks the rules for ids; the version inside is no whole number below
    /// 2^53. The error names the field.
    pub fn into_row(self, naming: &Naming) -> Result<Row, DecodeError> {
        let id = naming.id_of(&self.entity).map_err(|fault| fault.of(ROW))?;
        let version = match self.version {
            Some(version) => Some(version),
            None => naming
                .version_of(&self.entity)
                .map_err(|fault| fault.of(ROW))?,
        };
        Ok(Row {
            id,
            record: self.entity,
            version,
        })
    }
}

/// What a row is called in errors.
const ROW: &str = "row";

/// The images that an update may bring.
struct Images {
    after: Option<Record>,
    was: Option<Record>,
}

/// What a change is, but for its entity type and its point.
type Made = (EntityId, Option<Version>, Base, ChangeBody);

impl Naming {
    fn created(
        &self,
        entity: Record,
        version: Option<Version>,
        points: Points,
    ) -> Result<Made, Fault> {
        let id = self.id_of(&entity)?;
        let version = match (version, points) {
            (None, Points::Client(_)) => self.version_of(&entity)?,
            (version, _) => version,
        };
        Ok((
            id,
            version,
            Base::None,
            ChangeBody::Put {
                record: entity,
                was: None,
            },
        ))
    }

    fn updated(
        &self,
        id: EntityId,
        version: Option<Version>,
        base: Option<Version>,
        mut patch: Patch,
        images: Images,
        points: Points,
    ) -> Result<Made, Fault> {
        self.keeps_id(&id, &patch)?;
        if let Some(after) = &images.after
            && self.id_of(after)? != id
        {
            return Err(Fault::bad(
                &format!("entity.{}", self.id_field),
                &"it is not the entityId",
            ));
        }
        let base = match points {
            Points::Client(_) => Base::AnyLower,
            Points::Server(_) => base.map_or(Base::None, Base::Exactly),
        };
        if let (Points::Client(_), Some(version)) = (points, version) {
            patch.put(&self.version_field, version.get());
        }
        Ok((
            id,
            version,
            base,
            ChangeBody::Merge {
                patch,
                after: images.after,
                was: images.was,
            },
        ))
    }

    /// An update cannot make an entity another one.
    fn keeps_id(&self, id: &EntityId, patch: &Patch) -> Result<(), Fault> {
        if !patch.touches(&self.id_field) {
            return Ok(());
        }
        let same = patch.set_record().entity_id(&self.id_field).as_ref() == Ok(id);
        if same {
            Ok(())
        } else {
            Err(Fault::bad(
                &format!("changes.{}", self.id_field),
                &"an id cannot change",
            ))
        }
    }

    /// The id inside an entity.
    fn id_of(&self, entity: &Record) -> Result<EntityId, Fault> {
        let path = format!("entity.{}", self.id_field);
        entity
            .entity_id(&self.id_field)
            .map_err(|error| match error {
                RecordError::MissingId { .. } => Fault::missing(&path),
                RecordError::IdText { source, .. } => Fault::bad(&path, &source),
                other => Fault::bad(&path, &other),
            })
    }

    /// The version inside an entity, if there is one.
    fn version_of(&self, entity: &Record) -> Result<Option<Version>, Fault> {
        match entity.get(&self.version_field) {
            None => Ok(None),
            Some(value) if value.is_null() => Ok(None),
            Some(_) => entity
                .version(&self.version_field)
                .map(Some)
                .ok_or_else(|| {
                    Fault::bad(
                        &format!("entity.{}", self.version_field),
                        &"a version is a whole number below 2^53",
                    )
                }),
        }
    }
}

fn stale(entity_type: &EntityType, id: EntityId, points: Points) -> Change {
    Change {
        key: EntityKey::new(entity_type.clone(), id),
        point: points.offset(),
        version: None,
        base: Base::None,
        body: ChangeBody::Stale,
    }
}

/// What an op is called in errors.
const fn op_name(op: &Op) -> &'static str {
    match op {
        Op::Created { .. } => "ENTITY_CREATED",
        Op::Updated { .. } => "ENTITY_UPDATED",
        Op::Deleted { .. } => "ENTITY_DELETED",
        Op::Stale(_) | Op::StaleAll(_) => "BULK_UPDATE",
    }
}

#[cfg(test)]
mod tests;
