//! One entity while its writes are worked out.

use std::borrow::Cow;

use tidewire_model::{
    EntityId, EntityKey, EntityType, Offset, Patch, RESERVED_FIELD, Record, RecordBuilder, Value,
    ValueRef, Version,
};
use tidewire_protocol::Op;

use super::{DraftRefused, ID_FIELD, MAX_ENTITY_BYTES, MAX_ENTITY_DEPTH};
use crate::Write;

/// An entity while its writes are worked out.
pub(super) struct Entry {
    pub(super) before: Option<(Record, Offset)>,
    pub(super) after: Option<Record>,
}

impl Entry {
    pub(super) fn apply(
        &mut self,
        key: &EntityKey,
        write: Write,
        base: Option<Version>,
    ) -> Result<(), DraftRefused> {
        if !matches!(write, Write::Create { .. }) {
            self.check_base(key, base)?;
        }
        match write {
            Write::Create { entity, .. } => {
                if self.after.is_some() {
                    let message = format!("{} {} exists already", key.entity_type, key.id);
                    return Err(DraftRefused::conflict("exists", message, self.current(key)));
                }
                self.after = Some(with_id(&entity, &key.id));
            }
            Write::Put { entity, .. } => {
                self.after = Some(with_id(&entity, self.own_id(key).as_ref()));
            }
            Write::Delete { .. } => self.after = None,
            Write::Update { changes, unset, .. } => self.update(key, &changes, &unset)?,
        }
        check_bounds(key, self.after.as_ref())
    }

    fn update(
        &mut self,
        key: &EntityKey,
        changes: &Record,
        unset: &[String],
    ) -> Result<(), DraftRefused> {
        let Some(entity) = &self.after else {
            let message = format!("{} {} does not exist", key.entity_type, key.id);
            return Err(DraftRefused::permanent("not_found", message));
        };
        let id_changes =
            changes.get(ID_FIELD).is_some() && changes.entity_id(ID_FIELD).as_ref() != Ok(&key.id);
        if id_changes || unset.iter().any(|name| name == ID_FIELD) {
            let message = format!("the id of {} {} cannot change", key.entity_type, key.id);
            return Err(DraftRefused::permanent("invalid", message));
        }
        let set = changes.fields().filter(|(name, _)| *name != ID_FIELD);
        let set = set.map(|(name, value)| (name, Some(value)));
        let unset = unset.iter().map(|name| (name.as_ref(), None));
        let patch = Patch::from_fields(set.chain(unset));
        self.after = Some(entity.merge(&patch));
        Ok(())
    }

    fn check_base(&self, key: &EntityKey, base: Option<Version>) -> Result<(), DraftRefused> {
        let held = self
            .before
            .as_ref()
            .map(|(_, version)| Version::from(*version));
        if base.is_none() || held == base {
            return Ok(());
        }
        let message = format!(
            "{} {} is not at the version the write was made on",
            key.entity_type, key.id
        );
        Err(DraftRefused::conflict(
            "base_mismatch",
            message,
            self.current(key),
        ))
    }

    /// The entity as it is stored, for the answer to a conflict.
    fn current(&self, key: &EntityKey) -> Option<(EntityType, Record, Offset)> {
        let (entity, version) = self.before.clone()?;
        Some((key.entity_type.clone(), entity, version))
    }

    /// The id as the stored entity writes it, as an integer or as text.
    fn own_id(&self, key: &EntityKey) -> Cow<'_, EntityId> {
        let stored = self
            .before
            .as_ref()
            .and_then(|(entity, _)| entity.entity_id(ID_FIELD).ok());
        Cow::Owned(stored.unwrap_or_else(|| key.id.clone()))
    }

    pub(super) fn change(&self, key: &EntityKey, to: Offset) -> Option<Op> {
        let version = Some(Version::from(to));
        match (&self.before, &self.after) {
            (None, None) => None,
            (None, Some(entity)) => Some(Op::Created {
                entity: entity.clone(),
                version,
            }),
            (Some((was, _)), None) => Some(Op::Deleted {
                id: self.own_id(key).into_owned(),
                version,
                was: Some(was.clone()),
            }),
            (Some((was, _)), Some(entity)) if was == entity => None,
            (Some((was, base)), Some(entity)) => {
                let changes = was.diff(entity);
                let mut old = RecordBuilder::new();
                for name in changes.names() {
                    if let Some(value) = was.get(name) {
                        old.push(name, value.to_value());
                    }
                }
                Some(Op::Updated {
                    id: self.own_id(key).into_owned(),
                    version,
                    base: Some(Version::from(*base)),
                    was: Some(old.build()),
                    changes,
                    entity: Some(entity.clone()),
                })
            }
        }
    }
}

fn with_id(entity: &Record, id: &EntityId) -> Record {
    entity.with(ID_FIELD, id_value(id))
}

/// An id as the value of a field: an integer where it came as one.
pub(super) fn id_value(id: &EntityId) -> Value {
    if id.is_integer() {
        if let Ok(number) = id.as_str().parse::<i64>() {
            return Value::from(number);
        }
        if let Ok(number) = id.as_str().parse::<u64>() {
            return Value::from(number);
        }
    }
    Value::from(id.as_str())
}

fn check_bounds(key: &EntityKey, entity: Option<&Record>) -> Result<(), DraftRefused> {
    let Some(entity) = entity else { return Ok(()) };
    let bytes = entity.approximate_bytes();
    if bytes > MAX_ENTITY_BYTES {
        let message = format!(
            "{} {} would take {bytes} bytes, more than {MAX_ENTITY_BYTES}",
            key.entity_type, key.id
        );
        return Err(DraftRefused::permanent("too_large", message));
    }
    if !within_depth(ValueRef::Object(entity.as_object()), MAX_ENTITY_DEPTH) {
        let message = format!(
            "{} {} would be nested deeper than {MAX_ENTITY_DEPTH}",
            key.entity_type, key.id
        );
        return Err(DraftRefused::permanent("too_deep", message));
    }
    if names_reserved(ValueRef::Object(entity.as_object())) {
        let message = format!(
            "{} {} would have a field named {RESERVED_FIELD:?}, which readers take for a number",
            key.entity_type, key.id
        );
        return Err(DraftRefused::permanent("reserved_field", message));
    }
    Ok(())
}

fn within_depth(value: ValueRef<'_>, depth: usize) -> bool {
    match value {
        ValueRef::List(list) => {
            depth > 0 && list.iter().all(|value| within_depth(value, depth - 1))
        }
        ValueRef::Object(object) => {
            depth > 0
                && object
                    .iter()
                    .all(|(_, value)| within_depth(value, depth - 1))
        }
        _ => true,
    }
}

/// Whether a field has the one name that would make its object be read back as a number. The depth is bounded already.
fn names_reserved(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::List(list) => list.iter().any(names_reserved),
        ValueRef::Object(object) => object
            .iter()
            .any(|(name, value)| name == RESERVED_FIELD || names_reserved(value)),
        _ => false,
    }
}
