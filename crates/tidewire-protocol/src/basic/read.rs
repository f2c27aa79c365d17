//! From frames to pushes and requests.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tidewire_model::{EntityId, EntityType, Patch, Record, Version};

use super::names;
use crate::error::Fault;
use crate::fields::fields;
use crate::frame::Frame;
use crate::wire::need;
use crate::{DecodeError, Op, Push};

fields! {
    RequestFields {
        entity_type: "entityType" => EntityType,
    }
}

/// The entity type that a request is about.
pub(super) fn request(frame: &Frame<'_>, message: &'static str) -> Result<EntityType, DecodeError> {
    let fields: RequestFields = frame.read(message)?;
    need(fields.entity_type, "entityType").map_err(|fault| fault.of(message))
}

fields! {
    UpdatedFields {
        entity_type: "entityType" => EntityType,
        entity_id: "entityId" => EntityId,
        changes: "changes" => Patch,
        version: "version" => Version,
    }
}

/// The push of an `ENTITY_UPDATED`.
pub(super) fn updated(frame: &Frame<'_>) -> Result<Push, DecodeError> {
    body(frame, names::UPDATED, |fields: UpdatedFields| {
        let op = updated_op(fields.entity_id, fields.changes, fields.version)?;
        Ok(Push {
            entity_type: need(fields.entity_type, "entityType")?,
            ops: vec![op],
        })
    })
}

fn updated_op(
    id: Option<EntityId>,
    changes: Option<Patch>,
    version: Option<Version>,
) -> Result<Op, Fault> {
    Ok(Op::Updated {
        id: need(id, "entityId")?,
        version,
        base: None,
        changes: need(changes, "changes")?,
        entity: None,
        was: None,
    })
}

fields! {
    CreatedFields {
        entity_type: "entityType" => EntityType,
        entity: "entity" => Record,
    }
}

/// The push of an `ENTITY_CREATED`. Its version stands inside the entity, under a name that only the application
/// knows.
pub(super) fn created(frame: &Frame<'_>) -> Result<Push, DecodeError> {
    body(frame, names::CREATED, |fields: CreatedFields| {
        let op = Op::Created {
            entity: need(fields.entity, "entity")?,
            version: None,
        };
        Ok(Push {
            entity_type: need(fields.entity_type, "entityType")?,
            ops: vec![op],
        })
    })
}

fields! {
    DeletedFields {
        entity_type: "entityType" => EntityType,
        entity_id: "entityId" => EntityId,
        version: "version" => Version,
    }
}

/// The push of an `ENTITY_DELETED`.
pub(super) fn deleted(frame: &Frame<'_>) -> Result<Push, DecodeError> {
    body(frame, names::DELETED, |fields: DeletedFields| {
        let op = Op::Deleted {
            id: need(fields.entity_id, "entityId")?,
            version: fields.version,
            was: None,
        };
        Ok(Push {
            entity_type: need(fields.entity_type, "entityType")?,
            ops: vec![op],
        })
    })
}

fields! {
    /// A bulk as far as it can be read without knowing what an update is.
    BulkFields {
        entity_type: "entityType" => EntityType,
        updates: "updates" => Vec<IgnoredAny>,
    }
}

fields! {
    ItemsFields {
        updates: "updates" => Vec<ItemFields>,
    }
}

fields! {
    ItemFields {
        entity_id: "entityId" => EntityId,
        changes: "changes" => Patch,
        version: "version" => Version,
    }
}

/// The push of a `BULK_UPDATE`: one op for each update where all of them can be applied and are few, else a mark on
/// the whole type. So an update that cannot be read loses nothing: everything is asked for again.
pub(super) fn bulk(frame: &Frame<'_>, limit: usize) -> Result<Push, DecodeError> {
    let (entity_type, count) = body(frame, names::BULK, |fields: BulkFields| {
        Ok((
            need(fields.entity_type, "entityType")?,
            need(fields.updates, "updates")?.len(),
        ))
    })?;
    let items = if (1..=limit).contains(&count) {
        items(frame)
    } else {
        None
    };
    let ops = items.unwrap_or_else(|| vec![Op::StaleAll(Some(count as u64))]);
    Ok(Push { entity_type, ops })
}

/// The updates of a bulk, if every one of them can be applied by itself.
fn items(frame: &Frame<'_>) -> Option<Vec<Op>> {
    let read = body(frame, names::BULK, |fields: ItemsFields| {
        let items = need(fields.updates, "updates")?.into_iter();
        items
            .map(|item| {
                updated_op(
                    item.entity_id,
                    item.changes,
                    Some(need(item.version, "version")?),
                )
            })
            .collect::<Result<Vec<Op>, Fault>>()
    });
    read.ok()
}

/// What a push says, from the fields of its `data`.
fn body<'de, T: Deserialize<'de>, R>(
    frame: &Frame<'de>,
    message: &'static str,
    make: impl FnOnce(T) -> Result<R, Fault>,
) -> Result<R, DecodeError> {
    let envelope: Envelope<T> = frame.read(message)?;
    let made = need(envelope.data, "data")
        .and_then(|data| make(data).map_err(|fault| fault.under("data")));
    made.map_err(|fault| fault.of(message))
}

/// What every push stands in.
struct Envelope<T> {
    data: Option<T>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Envelope<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum EnvelopeKey {
    Data,
    #[serde(other)]
    Other,
}

struct EnvelopeVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EnvelopeVisitor<T> {
    type Value = Envelope<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Envelope<T>, A::Error> {
        let mut data = None;
        while let Some(key) = access.next_key()? {
            match key {
                EnvelopeKey::Data if data.is_some() => {
                    return Err(A::Error::duplicate_field("data"));
                }
                EnvelopeKey::Data => data = access.next_value()?,
                EnvelopeKey::Other => {
                    access.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Envelope { data })
    }
}
