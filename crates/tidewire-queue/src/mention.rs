//! Which entities an action speaks of: those it makes, those it writes, and the temporary ids in its content, which are
//! found and replaced. Refuses content that could not be read back.
//!
//! A temporary id counts where it is a whole text value or the id of a key. Names of fields are left alone. Every walk
//! stops at the bound on nesting.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_model::{
    Effect, EffectBody, EntityId, EntityKey, EntityType, MAX_DEPTH, ObjectRef, Patch,
    RESERVED_FIELD, Record, TEMPORARY_PREFIX, Value, ValueRef,
};

use crate::action::{Action, Draft};
use crate::error::SubmitError;

/// The temporary ids that an action mentions.
///
/// # Errors
/// The content is nested too deep, or holds a number that is not finite or a field of the reserved name.
pub(crate) fn temporaries(action: &Action) -> Result<BTreeSet<EntityId>, SubmitError> {
    let mut payload = Walk::within(Draft::MAX_PAYLOAD_DEPTH);
    payload.object(action.payload.as_object(), 1)?;
    let mut effects = Walk::within(MAX_DEPTH);
    for effect in &action.effects {
        effects.id(&effect.key.id);
        match &effect.body {
            EffectBody::Put(record) => effects.object(record.as_object(), 1)?,
            EffectBody::Merge(patch) => {
                for (name, value) in patch.set_fields() {
                    effects.field(name, value, 1)?;
                }
            }
            EffectBody::Remove => {}
            EffectBody::Increment { field, by: value } | EffectBody::Append { field, value } => {
                effects.field(field, value.as_value_ref(), 0)?;
            }
        }
    }
    let mut found = payload.found;
    found.append(&mut effects.found);
    found.extend(
        action
            .entity_id
            .as_ref()
            .filter(|id| id.is_temporary())
            .cloned(),
    );
    Ok(found)
}

/// The temporary ids that an action brings into being: its own target when it creates, and what its effects put.
pub(crate) fn created(action: &Action) -> impl Iterator<Item = &EntityId> {
    made(action)
        .map(|(_, id)| id)
        .filter(|id| id.is_temporary())
}

/// The entities that an action brings into being under ids which are no temporary ones.
pub(crate) fn created_keys(action: &Action) -> impl Iterator<Item = EntityKey> {
    made(action).filter_map(named)
}

/// The entities with ids that are no temporary ones which an action writes: its own target, and those of its effects.
pub(crate) fn written_keys(action: &Action) -> BTreeSet<EntityKey> {
    let effects = action.effects.iter().map(of_effect);
    target(action)
        .into_iter()
        .chain(effects)
        .filter_map(named)
        .collect()
}

/// What an action creates: its own target where that is its name, and what its effects put.
fn made(action: &Action) -> impl Iterator<Item = Speaks<'_>> {
    let put = action
        .effects
        .iter()
        .filter(|effect| matches!(effect.body, EffectBody::Put(_)));
    target(action)
        .filter(|_| action.name == "create")
        .into_iter()
        .chain(put.map(of_effect))
}

/// An entity as an action names it; its type may be left out.
type Speaks<'a> = (Option<&'a EntityType>, &'a EntityId);

fn target(action: &Action) -> Option<Speaks<'_>> {
    let id = action.entity_id.as_ref()?;
    Some((action.entity_type.as_ref(), id))
}

fn of_effect(effect: &Effect) -> Speaks<'_> {
    (Some(&effect.key.entity_type), &effect.key.id)
}

fn named((entity_type, id): Speaks<'_>) -> Option<EntityKey> {
    let entity_type = entity_type.filter(|_| !id.is_temporary())?;
    Some(EntityKey::new(entity_type.clone(), id.clone()))
}

/// Replaces ids in the predicted effects. Whether anything changed.
pub(crate) fn replace_in_effects(
    effects: &mut [Effect],
    replaced: &BTreeMap<EntityId, EntityId>,
) -> bool {
    let mut changed = false;
    for effect in effects {
        if let Some(real) = replaced.get(&effect.key.id) {
            effect.key.id = real.clone();
            changed = true;
        }
        changed |= match &mut effect.body {
            EffectBody::Put(record) => replace_in_record(record, replaced),
            EffectBody::Merge(patch) => replace_in_patch(patch, replaced),
            EffectBody::Append { value, .. } => replace_in_value(value, replaced),
            EffectBody::Increment { .. } | EffectBody::Remove => false,
        };
    }
    changed
}

/// Replaces ids in a record. Whether anything changed.
pub(crate) fn replace_in_record(
    record: &mut Record,
    replaced: &BTreeMap<EntityId, EntityId>,
) -> bool {
    let mut value = record.to_value();
    if !replace_in_value(&mut value, replaced) {
        return false;
    }
    *record = Record::from_value(value).expect("a record's value is an object");
    true
}

fn replace_in_patch(patch: &mut Patch, replaced: &BTreeMap<EntityId, EntityId>) -> bool {
    let mut changed = false;
    let newer = Patch::from_fields(patch.names().map(|name| {
        let value = patch.get(name).map(|value| {
            let mut value = value.to_value();
            changed |= replace_in_value(&mut value, replaced);
            value
        });
        (name, value)
    }));
    if changed {
        *patch = newer;
    }
    changed
}

fn replace_in_value(value: &mut Value, replaced: &BTreeMap<EntityId, EntityId>) -> bool {
    match value {
        Value::Text(text) => {
            let Some(real) = replaced.get(&**text) else {
                return false;
            };
            *value = id_value(real);
            true
        }
        Value::List(values) => values.iter_mut().fold(false, |changed, value| {
            replace_in_value(value, replaced) | changed
        }),
        Value::Object(fields) => fields.iter_mut().fold(false, |changed, (_, value)| {
            replace_in_value(value, replaced) | changed
        }),
        _ => false,
    }
}

/// An id as the value that it is written back as.
fn id_value(id: &EntityId) -> Value {
    if id.is_integer() {
        if let Ok(number) = id.as_str().parse::<i64>() {
            return Value::Int(number);
        }
        if let Ok(number) = id.as_str().parse::<u64>() {
            return Value::from(number);
        }
    }
    Value::from(id.as_str())
}

/// A walk through content, with the temporary ids it has come by.
struct Walk {
    found: BTreeSet<EntityId>,
    /// The deepest nesting allowed.
    limit: usize,
}

impl Walk {
    fn within(limit: usize) -> Self {
        Self {
            found: BTreeSet::new(),
            limit,
        }
    }

    fn id(&mut self, id: &EntityId) {
        if id.is_temporary() {
            self.found.insert(id.clone());
        }
    }

    fn object(&mut self, object: ObjectRef<'_>, depth: usize) -> Result<(), SubmitError> {
        object
            .iter()
            .try_for_each(|(name, value)| self.field(name, value, depth))
    }

    fn field(&mut self, name: &str, value: ValueRef<'_>, depth: usize) -> Result<(), SubmitError> {
        if name == RESERVED_FIELD {
            return Err(SubmitError::ReservedField);
        }
        self.value(value, depth)
    }

    /// Walks a value that stands inside so many lists and objects.
    fn value(&mut self, value: ValueRef<'_>, depth: usize) -> Result<(), SubmitError> {
        match value {
            ValueRef::List(_) | ValueRef::Object(_) if depth >= self.limit => {
                Err(SubmitError::TooDeep { limit: self.limit })
            }
            ValueRef::List(list) => list
                .iter()
                .try_for_each(|value| self.value(value, depth + 1)),
            ValueRef::Object(object) => self.object(object, depth + 1),
            ValueRef::Float(number) if !number.is_finite() => Err(SubmitError::NotFinite),
            ValueRef::Text(text) if text.starts_with(TEMPORARY_PREFIX) => {
                // Text that is no valid id names no entity.
                self.found.extend(EntityId::text(text).ok());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
