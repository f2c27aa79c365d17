//! One change inside `EVENTS`, read and written.
//!
//! An op of unknown type is an error, not something to skip: whoever skipped it would believe to know a point that it
//! does not know.

use std::fmt;

use serde::de::{Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tidewire_model::{EntityId, Patch, Record, Version};

use crate::error::Fault;
use crate::fields::{fields, object};
use crate::wire::{FromWire, Word, Words, need};
use crate::{Op, Want};

/// The kinds of ops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpKind {
    Created,
    Updated,
    Deleted,
    Bulk,
}

impl Words for OpKind {
    const WHAT: &'static str = "the type of an op";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ENTITY_UPDATED", Self::Updated),
        ("ENTITY_CREATED", Self::Created),
        ("ENTITY_DELETED", Self::Deleted),
        ("BULK_UPDATE", Self::Bulk),
    ];
}

fields! {
    /// The fields of all kinds of ops; their names mean the same in each.
    OpFields {
        kind: "type" => Word<OpKind>,
        entity_id: "entityId" => EntityId,
        version: "version" => Version,
        base: "base" => Version,
        changes: "changes" => Patch,
        unset: "unset" => Vec<String>,
        entity: "entity" => Record,
        was: "was" => Record,
        stale: "stale" => StaleIds,
    }
}

impl FromWire for Op {
    type Fields = OpFields;

    fn from_wire(fields: OpFields) -> Result<Self, Fault> {
        Ok(match need(fields.kind, "type")?.0 {
            OpKind::Created => Self::Created {
                entity: need(fields.entity, "entity")?,
                version: Some(need(fields.version, "version")?),
            },
            OpKind::Updated => Self::Updated {
                id: need(fields.entity_id, "entityId")?,
                version: Some(need(fields.version, "version")?),
                base: fields.base,
                changes: with_unset(
                    need(fields.changes, "changes")?,
                    fields.unset.unwrap_or_default(),
                ),
                entity: fields.entity,
                was: fields.was,
            },
            OpKind::Deleted => Self::Deleted {
                id: need(fields.entity_id, "entityId")?,
                version: Some(need(fields.version, "version")?),
                was: fields.was,
            },
            OpKind::Bulk => match need(fields.stale, "stale")? {
                StaleIds::All => Self::StaleAll(None),
                StaleIds::Some(ids) => Self::Stale(ids),
            },
        })
    }
}

/// A patch that also unsets fields. A field that stands in both is unset.
fn with_unset(mut patch: Patch, unset: Vec<String>) -> Patch {
    patch.drop_fields(unset);
    patch
}

/// What a `BULK_UPDATE` names: `"all"` or a list of ids.
#[derive(Debug)]
enum StaleIds {
    All,
    Some(Vec<EntityId>),
}

/// The word for the whole stream.
const ALL: &str = "all";

impl<'de> Deserialize<'de> for StaleIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StaleVisitor;

        impl<'de> Visitor<'de> for StaleVisitor {
            type Value = StaleIds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of ids or \"all\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<StaleIds, E> {
                if text == ALL {
                    Ok(StaleIds::All)
                } else {
                    Err(E::invalid_value(Unexpected::Str(text), &self))
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<StaleIds, A::Error> {
                let mut ids = Vec::new();
                while let Some(id) = access.next_element()? {
                    ids.push(id);
                }
                Ok(StaleIds::Some(ids))
            }
        }

        deserializer.deserialize_any(StaleVisitor)
    }
}

/// Ops as they are written for a subscription of one kind.
pub(super) struct OpsOut<'a> {
    pub(super) ops: &'a [Op],
    pub(super) want: Want,
}

impl Serialize for OpsOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.ops.iter().map(|op| OpOut {
            op,
            want: self.want,
        }))
    }
}

struct OpOut<'a> {
    op: &'a Op,
    want: Want,
}

impl OpOut<'_> {
    /// An image, for a subscription that gets images.
    fn image<'a>(&self, image: &'a Option<Record>) -> Option<&'a Record> {
        image.as_ref().filter(|_| self.want == Want::Changes)
    }
}

impl Serialize for OpOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.op {
            Op::Created { entity, version } => object!(serializer, {
                "type" => Word(OpKind::Created),
                "entity" => entity,
                "version" =>? version,
            }),
            Op::Updated {
                id,
                version,
                base,
                changes,
                entity,
                was,
            } => {
                let unset: Vec<&str> = changes.unset_fields().collect();
                object!(serializer, {
                    "type" => Word(OpKind::Updated),
                    "entityId" => id,
                    "version" =>? version,
                    "base" =>? base,
                    "changes" => changes,
                    "unset" =>? if unset.is_empty() { None } else { Some(unset) },
                    "entity" =>? self.image(entity),
                    "was" =>? self.image(was),
                })
            }
            Op::Deleted { id, version, was } => object!(serializer, {
                "type" => Word(OpKind::Deleted),
                "entityId" => id,
                "version" =>? version,
                "was" =>? self.image(was),
            }),
            Op::Stale(ids) => object!(serializer, {
                "type" => Word(OpKind::Bulk),
                "stale" => ids,
            }),
            Op::StaleAll(_) => object!(serializer, {
                "type" => Word(OpKind::Bulk),
                "stale" => ALL,
            }),
        }
    }
}
