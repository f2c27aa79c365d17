//! From pushes and requests to frames.

use serde::{Serialize, Serializer};
use tidewire_model::{EntityId, EntityType, Patch, Record, Version};

use super::names;
use crate::fields::object;
use crate::{Encoded, Op, Push};

/// The field of an entity that this dialect itself calls its version.
const VERSION: &str = "version";

/// The frame of a request.
pub(super) fn request(name: &'static str, entity_type: &EntityType) -> Option<Encoded> {
    encoded(&Request { name, entity_type })
}

/// The frame of a push, if one frame can say it.
///
/// A field that goes has no word in this dialect. It is said by the whole entity where that is at hand, else by a
/// mark that makes the client ask.
pub(super) fn push(push: &Push) -> Option<Encoded> {
    let body = match &*push.ops {
        [Op::Created { entity, version }] => Body::Created(with_version(entity, *version)),
        [
            Op::Updated {
                version,
                changes,
                entity: Some(entity),
                ..
            },
        ] if unsets(changes) => Body::Created(with_version(entity, *version)),
        [Op::Updated { id, changes, .. }] if unsets(changes) => Body::Bulk(vec![Update::mark(id)]),
        [
            Op::Updated {
                id,
                version,
                changes,
                ..
            },
        ] => Body::Updated(Update {
            id,
            changes: Some(changes),
            version: *version,
        }),
        [Op::Deleted { id, version, .. }] => Body::Deleted(id, *version),
        [Op::StaleAll(_)] => Body::Bulk(Vec::new()),
        [Op::Stale(ids)] if !ids.is_empty() => Body::Bulk(ids.iter().map(Update::mark).collect()),
        [_, _, ..] => Body::Bulk(push.ops.iter().map(Update::of).collect::<Option<_>>()?),
        [Op::Stale(_)] | [] => return None,
    };
    encoded(&Message {
        entity_type: &push.entity_type,
        body,
    })
}

fn encoded(frame: &impl Serialize) -> Option<Encoded> {
    serde_json::to_string(frame).ok().map(Encoded::Text)
}

fn unsets(changes: &Patch) -> bool {
    changes.unset_fields().next().is_some()
}

/// The entity with its version inside, which is where this dialect has it.
fn with_version(entity: &Record, version: Option<Version>) -> Record {
    match version {
        Some(version) if entity.get(VERSION).is_none() => entity.with(VERSION, version.get()),
        _ => entity.clone(),
    }
}

struct Request<'a> {
    name: &'static str,
    entity_type: &'a EntityType,
}

impl Serialize for Request<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "type" => self.name,
            "entityType" => self.entity_type,
        })
    }
}

struct Message<'a> {
    entity_type: &'a EntityType,
    body: Body<'a>,
}

enum Body<'a> {
    Created(Record),
    Updated(Update<'a>),
    Deleted(&'a EntityId, Option<Version>),
    Bulk(Vec<Update<'a>>),
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self.body {
            Body::Created(_) => names::CREATED,
            Body::Updated(_) => names::UPDATED,
            Body::Deleted(..) => names::DELETED,
            Body::Bulk(_) => names::BULK,
        };
        object!(serializer, {
            "type" => name,
            "data" => Data(self),
        })
    }
}

struct Data<'a>(&'a Message<'a>);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entity_type = self.0.entity_type;
        match &self.0.body {
            Body::Created(entity) => object!(serializer, {
                "entityType" => entity_type,
                "entity" => entity,
            }),
            Body::Updated(update) => object!(serializer, {
                "entityType" => entity_type,
                "entityId" => update.id,
                "changes" => Changes(update.changes),
                "version" =>? update.version,
            }),
            Body::Deleted(id, version) => object!(serializer, {
                "entityType" => entity_type,
                "entityId" => id,
                "version" =>? version,
            }),
            Body::Bulk(updates) => object!(serializer, {
                "entityType" => entity_type,
                "updates" => updates,
            }),
        }
    }
}

/// One update of a bulk.
struct Update<'a> {
    id: &'a EntityId,
    changes: Option<&'a Patch>,
    version: Option<Version>,
}

impl<'a> Update<'a> {
    /// An update that says only that there was one.
    fn mark(id: &'a EntityId) -> Self {
        Self {
            id,
            changes: None,
            version: None,
        }
    }

    fn of(op: &'a Op) -> Option<Self> {
        match op {
            Op::Updated { id, changes, .. } if unsets(changes) => Some(Self::mark(id)),
            Op::Updated {
                id,
                version,
                changes,
                ..
            } => Some(Self {
                id,
                changes: Some(changes),
                version: *version,
            }),
            Op::Created { .. } | Op::Deleted { .. } | Op::Stale(_) | Op::StaleAll(_) => None,
        }
    }
}

impl Serialize for Update<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object!(serializer, {
            "entityId" => self.id,
            "changes" => Changes(self.changes),
            "version" =>? self.version,
        })
    }
}

struct Changes<'a>(Option<&'a Patch>);

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(changes) => changes.serialize(serializer),
            None => serializer.collect_map([("", ""); 0]),
        }
    }
}
